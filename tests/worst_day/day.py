"""A day: a sender, a collector and a receiver, and what can be done to them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness import environment, free_port
from worst_day.collector import Collector, Place
from worst_day.receiver import Receiver
from worst_day.sender import FileSender, RelpSender, Sender, TcpSender

SENDER = "w"
# A tenth of the messages comes after the fault, in so many steps of so many seconds: something new that has to flow.
STEPS, STEP = 10, 0.5
# In a log that begins with the start after the damage.
COMPLAINT = re.compile(
    r"(?i)^(?!.*connect).*(?:damag|corrupt|invalid|truncat|unreadable|error|lost|skipp|quarantin)"
)


class FaultError(Exception):
    """A collector that cannot go on with its day; the text says why."""


@dataclass(frozen=True)
class Scale:
    """The size of a day."""

    count: int = 3000
    rate: float = 3000.0
    stall: float = 20.0
    """Seconds that stand for the hour of a stalled destination."""
    rounds: int = 5
    quiet: float = 30.0
    """Seconds without anything new after which nothing more is expected."""
    blocked: float = 3.0
    """Seconds without an acknowledgement after which the sender counts as held back."""
    patience: float = 90.0
    """Seconds for a start or a stop."""


@dataclass
class Mark:
    """The end of a fault: all was well again when what follows had arrived."""

    time: float
    acknowledged: int


@dataclass
class Day:
    """One run of one fault."""

    collector: Collector
    place: Place
    scale: Scale
    receiver: Receiver
    sender: Sender
    process: subprocess.Popen[bytes] | None = None
    marks: list[Mark] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    stuck: bool = False
    """It went on only after a restart that no fault is part of."""
    log_from: int = 0
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Whatever the collector says."""
        return self.place.directory / "collector.log"

    @property
    def most(self) -> int:
        """The messages that a fault may have sent."""
        return self.scale.count - self.scale.count // 10

    def trickle(self) -> None:
        """Has the last messages sent, a few at a time."""
        for step in range(1, STEPS + 1):
            self.sender.allow(self.most + (self.scale.count - self.most) * step // STEPS)
            time.sleep(STEP)

    def start(self) -> None:
        """Starts the collector, and waits until it takes messages."""
        conf = self.place.directory / "collector.conf"
        conf.write_text(self.collector.configuration(self.place))
        env = {key: value for key, value in environment().items() if not key.startswith("PYTHON")}
        self.log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.collector.command(self.place, conf),
                cwd=self.place.directory,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if self.place.input != "file":
            self.wait(lambda: listens(self.place.port), f"{self.collector.name} never listened")

    def wait(self, condition: Callable[[], bool], problem: str) -> None:
        """Waits for something that must come."""
        until = time.monotonic() + self.scale.patience
        while not condition():
            if self.process is not None and self.process.poll() is not None:
                raise FaultError(
                    f"{self.collector.name} ended with {self.process.returncode}: {self.last_words()}"
                )
            if time.monotonic() > until:
                raise FaultError(f"{problem}: {self.last_words()}")
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL. It is stopped right before, so that it is known to the byte what it has read."""
        process = self.running()
        os.kill(process.pid, signal.SIGSTOP)
        with self.sender.held():
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """SIGTERM, and the end; one that does not come is made."""
        process = self.running()
        began = time.monotonic()
        with self.sender.held():
            began = time.monotonic()
            os.kill(process.pid, signal.SIGTERM)
            try:
                process.wait(self.scale.patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self.notes["stop"] = (
                    f"did not end within {self.scale.patience:g} s of SIGTERM, and was killed"
                )
        self.stops.append(time.monotonic() - began)

    def reload(self) -> None:
        """Has it read its configuration again."""
        process = self.running()
        self.collector.reload(process, self.place)

    def running(self) -> subprocess.Popen[bytes]:
        """The process, which must be there."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise FaultError(
                f"{self.collector.name} ended with {self.process.returncode}: {self.last_words()}"
            )
        return self.process

    def load(self, count: int) -> int:
        """Has the sender send up to a number, and waits until it is acknowledged, or the sender held back."""
        self.sender.allow(count)
        before, since = self.sender.acknowledged, time.monotonic()
        while (now := self.sender.acknowledged) < min(count, self.sender.allowed):
            if now > before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > self.scale.blocked:
                break
            time.sleep(0.005)
        return self.sender.acknowledged

    def arrived(self, patience: float | None = None) -> bool:
        """Waits until all that is acknowledged has arrived, or nothing new has come for a while."""
        patience = self.scale.quiet if patience is None else patience
        began = time.monotonic()
        while len(self.receiver.record.first) < self.sender.acknowledged:
            if time.monotonic() - max(began, self.receiver.record.latest) > patience:
                return False
            time.sleep(0.01)
        return True

    def fresh(self) -> bool:
        """Waits until something new has come since the last mark."""
        mark = self.marks[-1]
        until = time.monotonic() + self.scale.quiet
        while time.monotonic() < until:
            record = self.receiver.record
            if record.latest > mark.time and record.highest >= mark.acknowledged:
                return True
            time.sleep(0.005)
        return False

    def over(self) -> None:
        """The fault is over: from now on it is measured how long it takes until all is well."""
        self.marks.append(Mark(time.monotonic(), self.sender.acknowledged))

    def said(self) -> str:
        """The first line since the last start that complains of something, without what is of this machine."""
        with self.log.open("rb") as log:
            log.seek(self.log_from)
            lines = log.read().decode(errors="replace").splitlines()
        found = next((line for line in lines if COMPLAINT.search(line)), "")
        for path, name in ((self.place.spool, "SPOOL"), (self.place.directory, "DIRECTORY")):
            found = found.replace(str(path), name)
        return re.sub(r"^[\[\d][\dT:.+\-\]]+ ", "", found)[:300]

    def last_words(self) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-600:] if self.log.exists() else ""

    def close(self) -> None:
        """Ends everything of this day."""
        self.sender.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.receiver.close()


def new_day(collector: Collector, intake: str, directory: Path, scale: Scale, buffered: bool) -> Day:
    """A day in a directory of its own, with nothing started yet but the receiver."""
    spool = directory / "spool"
    spool.mkdir(parents=True)
    receiver = Receiver(SENDER)
    place = Place(intake, directory, spool, free_port(), receiver.port, buffered)
    sender: Sender
    if intake == "file":
        sender = FileSender(SENDER, scale.rate, place.source)
    elif intake == "relp":
        sender = RelpSender(SENDER, scale.rate, place.port)
    else:
        sender = TcpSender(SENDER, scale.rate, place.port)
    sender.start()
    return Day(collector, place, scale, receiver, sender)


def listens(port: int) -> bool:
    """True when somebody listens on a port of 127.0.0.1; nothing is connected for it."""
    wanted = f":{port:04X} 00000000:0000 0A "
    return any(wanted in row for row in Path("/proc/net/tcp").read_text().splitlines())
