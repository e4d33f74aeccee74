"""The loops: one message after the other, as the documentation has it, and in the ways that only Inrush
has."""

from __future__ import annotations

import socket
import threading
import time
import types
from collections.abc import Callable
from typing import Any

from perf.sources.base import Measured
from perf.sources.records import record_texts
from perf.sources.texts import PROBED, VALUES, syslog_lines, texts
from syslogng import LogMessage

# Cycles of messages for which the floor is looked at.
LOOK = 2


class Loop(Measured):
    """The documentation's loop: make a message, post it."""

    def prepare(self) -> Callable[[], Any]:
        """The messages."""
        size, count = self.spec["size"], self.spec["count"]
        tag = f"{self.index} " if self.spec.get("tagged") else ""
        record = self.spec.get("record")
        messages: list[Any] = record_texts(record) if record else list(texts(size, tag))
        if self.spec.get("kind") == "bytes":
            messages = [text.encode() for text in messages]
        return lambda: self.post_all(messages, count // len(messages))

    def post_all(self, messages: list[Any], rounds: int) -> None:
        """The loop that is measured."""
        for _ in range(rounds):
            for text in messages:
                msg = LogMessage(text)
                self.post_message(msg)


class Threads(Loop):
    """The same loop on several threads of one source."""

    pinned = False  # Its threads would all be on the one processor.

    def prepare(self) -> Callable[[], dict[str, int]]:
        """A thread and a cycle of messages for each, its number in front; they run, and wait for each
        other."""
        count, size, threads = self.spec["count"], self.spec["size"], self.spec["threads"]
        cycles = [texts(size, f"{number} ") for number in range(threads)]
        rounds = count // threads // len(cycles[0])
        # A thread that starts while others post waits for the GIL, some milliseconds for each of them: none
        # of the posts' time.
        barrier, begins = threading.Barrier(threads), [0] * threads

        def post(number: int) -> None:
            barrier.wait()
            begins[number] = time.monotonic_ns()
            self.post_all(cycles[number], rounds)

        def work() -> dict[str, int]:
            posting = [threading.Thread(target=post, args=(number,)) for number in range(threads)]
            for thread in posting:
                thread.start()
            for thread in posting:
                thread.join()
            return {"begin": min(begins)}

        return work


class Probed(Loop):
    """The same loop, measured by the floor: every few milliseconds a short loop over the type that does
    nothing, in the same thread.

    What a message costs by what the floor costs at the same time is the same on a slow machine and on a fast
    one, and so for runs of milliseconds and of seconds. The looks take some 3 % of the time, too little for
    the engine to rest.
    """

    def prepare(self) -> Callable[[], dict[str, float]]:
        """The messages, and the floor's types."""
        from perf_floor import LogMessage as Nothing  # type: ignore[import-not-found]
        from perf_floor import LogSource as Nobody

        class Floor(Nobody):  # type: ignore[misc]
            """As a source is, a class in Python."""

        # The same code over the floor's types.
        here = {**globals(), "LogMessage": Nothing}
        loop, nobody = types.FunctionType(Loop.post_all.__code__, here), Floor()
        messages, now = texts(self.spec["size"]), time.monotonic_ns
        rounds, chunks = PROBED // len(messages), self.spec["count"] // PROBED
        lead = messages[:200]

        def look() -> int:
            loop(nobody, lead, 1)  # It fills the caches.
            begin = now()
            loop(nobody, messages, LOOK)
            return now() - begin

        def work() -> dict[str, float]:
            looks = posts = 0
            for _ in range(chunks):
                looks += look()
                begin = now()
                self.post_all(messages, rounds)
                posts += now() - begin
            looks += look()
            floor = looks / (chunks + 1) / LOOK / len(messages)
            return {"post_ns": posts / chunks / PROBED, "floor_ns": floor}

        return work


class Lists(Measured):
    """post_messages() with lists of `batch` texts."""

    def prepare(self) -> Callable[[], None]:
        """The lists."""
        messages, batch = texts(self.spec["size"]), self.spec["batch"]
        lists = [messages[start : start + batch] for start in range(0, len(messages), batch)]
        rounds = self.spec["count"] // len(messages)

        def work() -> None:
            for _ in range(rounds):
                for several in lists:
                    self.post_messages(several)

        return work


class Buffers(Measured):
    """post_buffer() with a `bytes` of many lines."""

    def prepare(self) -> Callable[[], None]:
        """A buffer of whole cycles, of about a quarter of a mebibyte."""
        lines = "".join(text + "\n" for text in texts(self.spec["size"])).encode()
        times = max(1, (1 << 18) // len(lines))
        buffer = lines * times
        rounds = self.spec["count"] // (len(texts(self.spec["size"])) * times)

        def work() -> None:
            for _ in range(rounds):
                self.post_buffer(buffer)

        return work


class Receive(Measured):
    """acquire_buffer() and recv_into() from one TCP connection, as the documentation has it."""

    def prepare(self) -> Callable[[], None]:
        """A listening socket, and its port."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.tell("ready", port=listener.getsockname()[1])

        def work() -> None:
            connection, _ = listener.accept()
            with connection:
                self.receive(connection)

        return work

    def receive(self, connection: socket.socket) -> None:
        """The documentation's loop."""
        tail = b""
        while True:
            buffer = self.acquire_buffer(65536)
            with memoryview(buffer) as view:
                view[: len(tail)] = tail
                count = connection.recv_into(view[len(tail) :])
            if count == 0:
                break
            self.post_buffer(buffer, length=len(tail) + count, partial=True)
            tail = buffer.tail


class Parse(Measured):
    """LogMessage.parse() and post, as a server of one's own would do."""

    def prepare(self) -> Callable[[], None]:
        """The lines of one format."""
        lines = syslog_lines(self.spec["format"])
        rounds = self.spec["count"] // len(lines)

        def work() -> None:
            for _ in range(rounds):
                for line in lines:
                    msg = LogMessage.parse(line, self.parse_options)
                    self.post_message(msg)

        return work


class Values(Measured):
    """Five values set in each message."""

    def prepare(self) -> Callable[[], None]:
        """The messages and the values."""
        messages = texts(self.spec["size"])
        rounds = self.spec["count"] // len(messages)
        values = list(VALUES.items())

        def work() -> None:
            for _ in range(rounds):
                for text in messages:
                    msg = LogMessage(text)
                    for name, value in values:
                        msg[name] = value
                    self.post_message(msg)

        return work


class Paced(Measured):
    """Messages at an even rate, each with the time of its post in front; in groups where the rate is above
    1,000 a second.

    A thousand times a second it wakes up and posts what is due. Its sleep ends late by some dozens of
    microseconds, which does not count: the time in the message is taken right before the message is made.
    """

    def prepare(self) -> Callable[[], None]:
        """The filler behind the time."""
        from time import monotonic_ns, sleep

        count, rate = self.spec["count"], self.spec["rate"]
        group = max(1, rate // 1000)
        filler = texts(self.spec["size"])[0][20:]

        def work() -> None:
            due = monotonic_ns()
            for _ in range(count // group):
                due += 1_000_000_000 * group // rate
                wait = due - monotonic_ns()
                if wait > 0:
                    sleep(wait / 1e9)
                for _ in range(group):
                    msg = LogMessage(f"{monotonic_ns():019d} {filler}")
                    self.post_message(msg)

        return work


class Single(Measured):
    """One message, as soon as it runs."""

    def prepare(self) -> Callable[[], None]:
        """Nothing."""
        return lambda: self.post_message(LogMessage("first"))


class Idle(Measured):
    """Nothing to do."""

    def prepare(self) -> Callable[[], None]:
        """Nothing."""
        return lambda: None


class Flood(Measured):
    """New objects without end, for a destination that takes none."""

    def prepare(self) -> Callable[[], None]:
        """Tells that it begins: it never gets to the end."""
        filler = texts(self.spec["size"])[0][7:]
        self.tell("flooding")

        def work() -> None:
            number = 0
            while not self.exiting.is_set():
                msg = LogMessage(f"{number:06d} {filler}")
                self.post_message(msg)
                number += 1

        return work


class Busy(Measured):
    """A thread that only computes, alone or beside one that waits for credit."""

    def prepare(self) -> Callable[[], dict[str, float]]:
        """Begins to fill the window of a destination that takes nothing: the harness looks when it is
        full."""
        self.begun = 0
        if self.spec["beside"]:
            filler = texts(self.spec["size"])[0]

            def flood() -> None:
                while not self.exiting.is_set():
                    self.begun += 1
                    self.post_message(LogMessage(filler))

            threading.Thread(target=flood, daemon=True).start()
        rounds = self.spec["count"]

        def compute() -> int:
            total = 0
            for number in range(rounds):
                total += number & 7
            return total

        def work() -> dict[str, float]:
            begin, before = time.monotonic_ns(), self.begun
            total = compute()
            end, posts = time.monotonic_ns(), self.begun - before
            assert total > 0
            return {"begin": begin, "end": end, "posts": posts}

        return work
