"""SIGKILL at any moment, with a disk buffer before a server that comes and goes: what was acknowledged arrives."""

from __future__ import annotations

import contextlib
import socket
import time

from torture.attack import Budget, Run, attack, until
from torture.kill import BOOKMARK
from torture.network_destination import Server

CONF = """@version: current
options {{ time-reopen(0.02); }};
python {{
from inrush import LogSource, PersistedBookmark

def pad(n):
    return "x" * (n * 7919 % 101 % {most})

class Source(LogSource):
{saving}

    def run(self):
        n = self.saved()
        print("resumes at", n, flush=True)
        while not self.exit_requested and n < {until}:
            self.post_message(f"k {{n}} {{pad(n)}}", bookmark=n + 1)
            n += 1
            if {slow} and n % 100 == 0:
                self.sleep(0.0005)
        print("posted all", flush=True)
        while not self.exit_requested:
            self.sleep(0.01)
}};
source s_kill {{ python(class("Source") log-iw-size({window})); }};
destination d_far {{
    network("127.0.0.1" port({port}) template("$MSG\\n") persist-name("far")
        disk-buffer(dir("buffers") capacity-bytes({capacity}) front-cache-size({front}) reliable({reliable})));
}};
log {{ source(s_kill); destination(d_far); flags(flow-control); }};
"""


@attack(
    "buffer-kill",
    "no acknowledged message missing, none before an older one, none torn; the buffer always opens",
    short=Budget(count=8),
    long=Budget(count=2000),
)
def buffer_kill(run: Run) -> None:
    """Life after life of one engine with one buffer, each ended at a random moment; the server is away in most."""
    server = Server()
    is_away, chance = False, run.random
    try:
        for _ in run.rounds():
            if chance.random() < 0.5:
                is_away = not is_away
                if is_away:
                    leave(server)
                else:
                    server.listen()
            server.stalls = chance.random() < 0.2
            engine = run.engine(conf(run, server.port), "--persist-file", "state", started=False)
            if chance.random() < 0.8:
                engine.wait_print("resumes at")
                time.sleep(chance.choice([0, 0.01, chance.uniform(0, 0.5)]))
            else:
                # In the middle of a start.
                time.sleep(chance.uniform(0, 0.4))
            if chance.random() < 0.2:
                # An end in peace between those that are none.
                engine.process.terminate()
            else:
                engine.process.kill()
            engine.process.wait()
            engine.stdout.thread.join(20)
            engine.stderr.thread.join(20)
            for word in ["damaged", "are lost", "cannot open", "fault in the engine"]:
                assert word not in engine.stderr.text, engine.report()
            if waits := engine.stderr.find(r"(\d+) messages are in the disk buffer"):
                run.most("most on the disk", int(waits[1]))
            run.close()
        if is_away:
            server.listen()
        server.stalls = False
        # The last life ends in peace, and delivers what there is.
        engine = run.engine(conf(run, server.port, posts=False), "--persist-file", "state", started=False)
        resumed = int(engine.wait_print(r"resumes at (\d+)")[1])
        until(lambda: highest(server) >= resumed - 1, "everything arrives", engine)
        engine.stop()
    finally:
        server.close()
    check(run, server, resumed)


def conf(run: Run, port: int, posts: bool = True) -> str:
    """A configuration with another window, another capacity, and so on, each time."""
    chance = run.random
    return CONF.format(
        saving=BOOKMARK,
        port=port,
        window=chance.choice([1, 10, 100, 1000, 20_000]),
        most=chance.choice([1, 60, 3000]),
        slow=chance.random() < 0.5,
        until=1 << 60 if posts else 0,
        capacity=chance.choice([1 << 20, 4 << 20, 64 << 20]),
        front=chance.choice([1, 100, 100_000]),
        reliable=chance.choice(["yes", "yes", "no"]),
    )


def leave(server: Server) -> None:
    """Has the server refuse connections; those that are open end, with all that came by them."""
    with server.lock:
        if server.listener is not None:
            server.listener.close()
            server.listener = None
        for connection in server.connections:
            if connection.is_open:
                with contextlib.suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_WR)
            # The other side closes when it sees that: what the system of this one has taken counts as arrived.
            while connection.is_open:
                server.read(connection)
                time.sleep(0.001)


def lines(server: Server) -> list[bytes]:
    """The whole lines that came, connection by connection."""
    with server.lock:
        return [line for one in server.connections for line in bytes(one.data).split(b"\n")[:-1]]


def highest(server: Server) -> int:
    """The highest number that came."""
    with server.lock:
        ends = [bytes(one.data[-10_000:]).split(b"\n")[:-1] for one in server.connections]
    return max(
        (int(line.split(b" ")[1]) for end in ends for line in end if line.startswith(b"k ")), default=-1
    )


def check(run: Run, server: Server, resumed: int) -> None:
    """All numbers that were acknowledged are there, the first of each in order, and each as it was posted."""
    next_number, repeated = 0, 0
    for line in lines(server):
        word, number, pad = line.split(b" ")
        assert (word, pad.strip(b"x")) == (b"k", b""), line
        value = int(number)
        assert value <= next_number, f"{next_number} to {value - 1} are missing or come later"
        repeated += value < next_number
        next_number = max(next_number, value + 1)
    assert next_number >= resumed, f"{next_number} to {resumed - 1} were acknowledged, and did not come"
    run.figures["messages"], run.figures["repeated"] = next_number, repeated
