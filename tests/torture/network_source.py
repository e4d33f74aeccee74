"""Peers that misbehave, in front of a source of sockets."""

from __future__ import annotations

import random
import socket
import threading
import time
from dataclasses import dataclass, field

from harness import free_port
from torture.attack import PATIENCE, Budget, Run, attack, until

CONF = """@version: current
options {{ use-dns(no); }};
source s_test {{
    network(ip(127.0.0.1) port({lines}) max-connections(200) listen-backlog(500) log-iw-size({window})
        log-msg-size(5000) idle-timeout(30) flags(no-parse));
    syslog(ip(127.0.0.1) port({frames}) max-connections(200) listen-backlog(500) log-iw-size({window})
        log-msg-size(5000) flags(no-parse));
}};
log {{ source(s_test); destination {{ file("out" template("$MSG\\n")); }}; flags(flow-control); }};
"""


@dataclass
class Peers:
    """The peers of one round, and what they are sure to have sent."""

    ports: tuple[int, int]
    sent: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def honest(self, name: str, chance: random.Random) -> None:
        """Sends messages in pieces of any size, and ends in good order: all of them must arrive, in order."""
        counted = chance.random() < 0.5
        texts = [
            f"{name} {number:04} " + "x" * chance.choice([0, 10, 300, 4900])
            for number in range(chance.randint(1, 400))
        ]
        stream = b"".join(
            f"{len(text)} {text}".encode() if counted else f"{text}\n".encode() for text in texts
        )
        with socket.create_connection(("127.0.0.1", self.ports[counted]), PATIENCE) as connection:
            at = 0
            while at < len(stream):
                step = chance.choice([1, 7, 1000, 70_000])
                connection.sendall(stream[at : at + step])
                at += step
                if chance.random() < 0.02:
                    time.sleep(0.001)
            connection.shutdown(socket.SHUT_WR)
            # Until the engine has closed it, it has read all.
            while connection.recv(1):
                pass
        with self.lock:
            self.sent.extend(texts)

    def liar(self, chance: random.Random) -> None:
        """Breaks off, lies about lengths, sends rubbish, or resets the connection."""
        counted = chance.random() < 0.5
        rubbish = chance.choice(
            [b"99999 x", b"12345678901 ", b"5 ab", b"\0" * 3000, chance.randbytes(6000), b"z" * 20_000, b""]
        )
        try:
            with socket.create_connection(("127.0.0.1", self.ports[counted]), PATIENCE) as connection:
                connection.sendall(rubbish)
                if chance.random() < 0.5:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                else:
                    time.sleep(chance.uniform(0, 0.01))
        except OSError:
            # It was sent away meanwhile, as it should be.
            pass


@attack(
    "network-source",
    "messages of honest peers arrive once and in order, whatever others send beside them and however often it reloads",
    short=Budget(count=2),
    long=Budget(count=200),
)
def network_source(run: Run) -> None:
    """Honest peers beside peers that lie, break off and reset, while the configuration is read again."""
    for _ in run.rounds():
        one_round(run)


def one_round(run: Run) -> None:
    """One source and its peers, to the sum at the end."""
    ports = (free_port(), free_port())
    window = run.random.choice([1, 100, 100_000])
    engine = run.engine(CONF.format(lines=ports[0], frames=ports[1], window=window))
    peers = Peers(ports)
    seeds = [random.Random(run.random.randrange(1 << 32)) for _ in range(40)]
    threads = [
        threading.Thread(target=peers.honest, args=(f"p{number}", seed))
        for number, seed in enumerate(seeds[:15])
    ]
    threads += [threading.Thread(target=peers.liar, args=(seed,)) for seed in seeds[15:]]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        engine.send_signal(1)
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    out = run.directory / "out"
    names = {text.split()[0] for text in peers.sent}

    def honest() -> list[str]:
        lines = out.read_text(errors="replace").splitlines() if out.exists() else []
        return [line for line in lines if line.split(" ")[0] in names]

    until(lambda: len(honest()) >= len(peers.sent), f"{len(peers.sent)} messages", engine)
    for name in names:
        own = [line for line in honest() if line.split(" ")[0] == name]
        assert own == [text for text in peers.sent if text.split()[0] == name], name
    assert len(honest()) == len(peers.sent)
    run.add("messages", len(peers.sent))
    totals = engine.stop()
    assert totals.in_flight == totals.dropped == 0, totals
    run.close()
    out.unlink()
