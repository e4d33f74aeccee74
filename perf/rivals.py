"""The rivals: how each is started, asked and stopped."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from perf.environment import HERE, Toolbox, libraries
from perf.kinds import DEFAULT_FORMAT, Sending, Serving, Sourced
from perf.processes import Process, Reports, RunError
from perf.sources.records import RECORDS

ENGINES = ("inrush", "syslog-ng", "SYSLOG_NG")
# Of the cases with Kafka.
TOPIC = "perf"


@dataclass
class Place:
    """A directory for one run, with its FIFO of reports."""

    directory: Path
    reports: Reports
    tools: Toolbox
    processes: list[Process] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def file(self) -> Path:
        """The file of the messages."""
        return self.directory / "out.log"

    def start(self, name: str, command: Sequence[str | Path], *paths: Path) -> Process:
        """A process that ends with the run at the latest."""
        log, env = self.directory / f"{name}.log", self.tools.environment(*paths)
        process = self.stack.enter_context(Process(command, log, env))
        self.processes.append(process)
        return process

    def end(self, process: Process) -> None:
        """Ends one before the others."""
        process.__exit__(None, None, None)
        self.processes.remove(process)

    def wait(self, event: str, patience: float = 180) -> dict[str, object]:
        """The next report of a kind."""
        return self.reports.wait(event, self.processes, patience)


@contextmanager
def place(tools: Toolbox) -> Iterator[Place]:
    """A place that is gone afterwards, with every process in it."""
    with tempfile.TemporaryDirectory(prefix="inrush-perf-", dir=tools.work) as name, ExitStack() as stack:
        reports = Reports(Path(name, "reports"))
        stack.callback(reports.close)
        yield Place(Path(name), reports, tools, stack=stack)


def configuration(run: Sourced, here: Path, spec: Path, port: int = 0) -> str:
    """The configuration of an engine; but for the version line it is the same for all engines."""
    if run.native:
        sources = [run.source.format(port=port, directory=here)]
    else:
        sources = [
            f'python(class("{run.source}") options("spec" "{spec}" "index" "{index}")'
            f' persist-name("source{index}") {run.driver})'
            for index in range(run.sources)
        ]
    template = "" if run.template == DEFAULT_FORMAT else f' template("{run.template}")'
    # A FIFO is a pipe() for syslog-ng, which does not take it as a file().
    driver = "pipe" if run.fifo and run.rival != "inrush" else "file"
    far = f'{driver}("{here}/out.log"{template})'
    if isinstance(run, Sending):
        far = run.destination.format(port=port, directory=here)
    destination = "" if run.nothing else f"destination {{ {far}; }};"
    return (
        "@version: current\n"
        "options { use-dns(no); time-reopen(1); };\n"
        + "".join(f"source s_{index} {{ {driver}; }};\n" for index, driver in enumerate(sources))
        + "log { "
        + "".join(f"source(s_{index}); " for index in range(len(sources)))
        + f"{run.steps.replace('DIR/', f'{here}/')} {destination} flags(flow-control); }};\n"
    )


def start(run: Sourced, here: Place, port: int = 0, **more: object) -> Process:
    """Starts the rival of a run."""
    directory, tools = here.directory, here.tools
    spec = directory / "spec.json"
    orders = {"report": str(here.reports.path), "path": str(here.file), "count": run.count // run.sources}
    # `Probed` takes the floor's types beside the engine's.
    floor = [tools.build] if run.source.endswith(".Probed") else []
    spec.write_text(json.dumps({**run.spec, **orders, **more}))
    record = RECORDS.get(str(run.spec.get("record")))
    if record is not None and record.files is not None:
        record.files(directory)
    if run.rival == "inrush":
        conf = directory / "inrush.conf"
        conf.write_text(configuration(run, directory, spec, port))
        command: list[str | Path] = [*tools.inrush, "run", "-f", conf, "--control", directory / "control"]
        return here.start("inrush", command, *floor)
    if (build := tools.syslog_ng(run.rival)) is not None:
        conf = directory / "syslog-ng.conf"
        conf.write_text(configuration(run, directory, spec, port))
        state: list[str | Path] = [
            "-R",
            directory / "persist",
            "-c",
            directory / "control",
            "-p",
            directory / "pid",
        ]
        return here.start("syslog-ng", [build.path, "-F", "--no-caps", "-f", conf, *state])
    if run.rival in LIMITS:
        return here.start(run.rival, limit(run, here, port, str(more.get("orders", ""))))
    # What is left is a source outside of an engine: the floor, plain Python, a framework alone.
    command = [tools.python, "-m", "perf.host", run.source, spec]
    return here.start("host", command, HERE / "standins" / "floor", tools.build)


LIMITS = ("write", "receive", "copy", "send", "post", "rustls", "librdkafka")


def limit(run: Sourced, here: Place, port: int, orders: str) -> list[str | Path]:
    """The command of a program that does no more than it must."""
    tools, file, fifo = here.tools, here.file, here.reports.path
    if run.rival == "receive":
        return [tools.build / "receive", file, fifo, str(len(run.cycles()))]
    if run.rival == "copy":
        return [tools.build / "copy", here.directory / "in.log", file, fifo]
    block, total = write_block(run, here.directory), str(total_bytes(run))
    if run.rival == "write":
        return [tools.build / "write", block, total, file, fifo, *([orders] if orders else [])]
    if run.rival == "rustls":
        return [libraries(), "tls-send", block, total, here.directory, str(port), fifo]
    if run.rival == "librdkafka":
        return [libraries(), "produce", block, str(run.count), str(port), TOPIC, fifo]
    return [tools.build / run.rival, block, total, str(port), fifo]


def sent(run: Sourced, index: int) -> list[str]:
    """The cycle of a connection, as its bytes are."""
    if isinstance(run, Serving) and run.sent is not None:
        return run.sent()[index]
    return [line + "\n" for line in run.cycles()[index]]


def write_block(run: Sourced, directory: Path, index: int = 0) -> Path:
    """A file with one cycle of what is sent."""
    block = directory / f"block{index}"
    block.write_text("".join(sent(run, index)))
    return block


def total_bytes(run: Sourced, index: int = 0) -> int:
    """The bytes that a connection sends."""
    cycle = sent(run, index)
    return sum(map(len, cycle)) * (run.count // len(run.cycles()) // len(cycle))


def counted(run: Sourced, here: Place) -> tuple[int, int]:
    """The engine's own counts of messages that are done, and lost."""
    if run.rival == "inrush":
        answer = ask(here.directory / "control", "stats")
        # A path without a destination filters what it gets.
        done, filtered, dropped = (int(str(answer[name])) for name in ("delivered", "filtered", "dropped"))
        return done + filtered, dropped
    if here.tools.syslog_ng(run.rival) is None:
        return run.count, 0
    text = _asked(here.directory / "control", b"STATS\n", b"\n.\n").decode()
    rows = [line.split(";") for line in text.splitlines()]
    own = [row for row in rows if row[0] == "source"]
    if not own:
        raise RunError(f"{run.rival} knows no source:\n{text}")
    processed = sum(int(row[5]) for row in own if row[4] == "processed")
    return processed, sum(int(row[5]) for row in rows if len(row) == 6 and row[4] == "dropped")


def ask(control: Path, command: str) -> dict[str, object]:
    """One command to Inrush's control socket."""
    found: dict[str, object] = json.loads(_asked(control, command.encode() + b"\n"))
    return found


def _asked(control: Path, command: bytes, end: bytes = b"") -> bytes:
    """The answer of a control socket, to its end or to what stands there."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(control))
        connection.sendall(command)
        answer = b""
        while not (end and answer.endswith(end)) and (more := connection.recv(65536)):
            answer += more
    return answer


def wait_counted(run: Sourced, here: Place, count: int = 0, patience: float = 60) -> int:
    """Waits until the engine has done with every message, which is one run's or the given count; the time at
    which it had."""
    count = count or run.count
    if run.rival not in ENGINES:
        return 0
    until = time.monotonic() + patience
    while True:
        done, lost = counted(run, here)
        now = time.monotonic_ns()
        if lost:
            raise RunError(f"{lost:,} messages dropped")
        if done == count:
            return now
        if done > count or time.monotonic() > until:
            raise RunError(f"{run.rival} counts {done:,} messages of {count:,}")
        time.sleep(0.0005)
