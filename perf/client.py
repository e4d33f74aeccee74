"""The load of the Flask case: POSTs of one body over and over:
`python -m perf.client PORT BODY REQUESTS CLIENTS [ORDERS]`.

Without ORDERS it sends once; else once for each line that is written into that FIFO.
"""

from __future__ import annotations

import http.client
import signal
import sys
import threading
from pathlib import Path


def main(port: int, body: bytes, requests: int, clients: int, orders: str = "") -> None:
    """Sends the requests, on several threads, and waits to be ended."""
    if not orders:
        send(port, body, requests, clients)
        signal.pause()
    with Path(orders).open() as lines:
        for _ in lines:
            send(port, body, requests, clients)


def send(port: int, body: bytes, requests: int, clients: int) -> None:
    """Once."""

    def client(share: int) -> None:
        for _ in range(share):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/", body)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status != 200:
                sys.exit(f"status {answer.status}")

    shares = [requests // clients + (1 if number < requests % clients else 0) for number in range(clients)]
    threads = [threading.Thread(target=client, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]).read_bytes(), int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
