"""`disk-buffer()`: what is acknowledged is delivered or on the disk, whatever happens to the engine, to the disk and to
the destination."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from harness import PATIENCE, Engine, StartEngine, free_port, inrush, numbered, source_that

COUNT = 5000
FLOOD = f"for number in range({COUNT}):\n    self.post_message(str(number))"
SOON = "time-reopen(0.1)"
BUFFER = 'disk-buffer(dir("buffers") capacity-bytes(8000000))'


class Far:
    """A server that takes lines, refuses connections while it is away, and keeps what it got."""

    def __init__(self) -> None:
        self.port = free_port()
        self.received = bytearray()
        self.changed = threading.Condition()
        self.listener: socket.socket | None = None
        self.open: list[socket.socket] = []

    def come(self) -> None:
        """Listens from now on."""
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def leave(self) -> None:
        """Listens no more, and ends its connections."""
        assert self.listener is not None
        # A thread in accept() is not woken by a close().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            connection.shutdown(socket.SHUT_RDWR)
        self.listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1 << 16):
                    with self.changed:
                        self.received += data
                        self.changed.notify_all()
            except OSError:
                pass
            self.open.remove(connection)

    def lines(self) -> list[bytes]:
        """The whole lines that came."""
        with self.changed:
            return bytes(self.received).split(b"\n")[:-1]

    def wait_lines(self, count: int) -> list[bytes]:
        """Waits until so many lines have come."""
        with self.changed:
            found = self.changed.wait_for(lambda: self.received.count(b"\n") >= count, PATIENCE)
            assert found, f"{self.received.count(10)} of {count} lines"
            return bytes(self.received).split(b"\n")[:-1]


@pytest.fixture
def far() -> Far:
    """A server that is away."""
    return Far()


def conf(far: Far, run: str = FLOOD, *, buffer: str = BUFFER, more: str = "", name: str = "d_far") -> str:
    """A source that posts, and a destination with a buffer at the server."""
    own = source_that(run)
    start = own.index("log { source(s_test)")
    driver = f'network("127.0.0.1" port({far.port}) template("$MSG\\n") {SOON} {buffer} {more})'
    path = f"log {{ source(s_test); destination({name}); flags(flow-control); }};"
    return f"{own[:start]}destination {name} {{ {driver}; }};\n{path}\n"


def destination(running: Engine) -> dict[str, Any]:
    """What `inrush ctl stats` says of the destination."""
    done = inrush("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
    assert done.code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["destinations"][0]
    return found


def start(engine: StartEngine, text: str, **options: Any) -> Engine:
    """An engine that can be asked."""
    return engine(text, "--control", "control", **options)


def acknowledged(running: Engine, count: int = COUNT) -> None:
    """Waits until all messages are delivered or on the disk."""

    def is_so() -> bool:
        done = inrush("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
        return done.code == 0 and json.loads(done.stdout)["delivered"] == count

    running.wait_print("done")
    running.wait_until(is_so, "all is acknowledged")


def again(engine: StartEngine, text: str) -> Engine:
    """Another engine in the directory of one that has ended."""
    return engine(text, "--control", "control2", name="again.conf")


NOTHING = "pass"


class TestAway:
    """The destination is away: the source goes on."""

    def test_all_comes_when_it_is_back(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: a source waits for a server although there is room on the disk, or order is lost."""
        running = start(engine, conf(far, buffer=f"{BUFFER} log-fifo-size(10)"))
        acknowledged(running)
        to = destination(running)
        assert (to["in_flight"], to["suspended"], to["dropped"]) == (COUNT, False, 0)
        buffer = to["disk_buffer"]
        assert (buffer["messages"], buffer["away"], buffer["stalled"], buffer["lost"]) == (
            COUNT,
            True,
            False,
            0,
        )
        assert 0 < buffer["bytes"] <= buffer["capacity"] == 8_000_000
        assert buffer["commits"] > 0
        assert buffer["oldest_seconds"] > 0
        shown = inrush("ctl", "--control", "control", "stats", cwd=running.directory).stdout
        assert "away, to disk" in shown
        assert "DISK BUFFER" in shown
        far.come()
        assert far.wait_lines(COUNT) == numbered(COUNT)
        running.wait_until(lambda: destination(running)["disk_buffer"]["messages"] == 0, "an empty buffer")
        running.stop()
        assert far.lines() == numbered(COUNT)

    def test_a_path_without_flow_control_loses_nothing_either(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: what has no flow control is dropped although there is room on the disk."""
        text = conf(far, buffer=f"{BUFFER} log-fifo-size(10)").replace("flags(flow-control);", "")
        running = start(engine, text)
        acknowledged(running)
        far.come()
        assert far.wait_lines(COUNT) == numbered(COUNT)
        assert running.stop().dropped == 0

    def test_a_destination_that_keeps_up_writes_nothing(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: each message goes to the disk that its destination takes at once."""
        far.come()
        run = "for number in range(200):\n    self.post_message(str(number))\n    time.sleep(0.001)"
        running = start(engine, conf(far, run))
        far.wait_lines(200)
        running.stop()
        assert far.lines() == numbered(200)
        sizes = [path.stat().st_size for path in (running.directory / "buffers").glob("*.buffer")]
        # A connection that is being made takes its time.
        assert len(sizes) <= 1

    @pytest.mark.parametrize("reliable", ["yes", "no"])
    def test_a_stop_and_a_start(self, engine: StartEngine, far: Far, reliable: str) -> None:
        """Breaks without it: a stop with the destination away takes long, or loses what waits."""
        buffer = f'disk-buffer(dir("buffers") reliable({reliable}))'
        running = start(engine, conf(far, buffer=buffer))
        running.wait_print("done")
        begin = time.monotonic()
        totals = running.stop()
        # No longer than without: the bound is far beyond what it takes, and below every time-out.
        assert time.monotonic() - begin < PATIENCE / 2
        assert (totals.delivered, totals.dropped) == (COUNT, 0)
        assert (
            f"{COUNT} messages stay in the disk buffer, and go first after the next start"
            in running.stderr.text
        )
        far.come()
        later = again(engine, conf(far, f"self.post_message('{COUNT}')", buffer=buffer))
        assert far.wait_lines(COUNT + 1) == numbered(COUNT + 1)
        # The log has a thread of its own.
        later.wait_log(f"{COUNT} messages are in the disk buffer, and go first")
        later.close()
        last = again(engine, conf(far, NOTHING, buffer=buffer))
        last.close()
        assert far.lines() == numbered(COUNT + 1), "nothing comes twice after a clean stop"

    def test_a_kill(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: what was acknowledged is gone with the engine."""
        running = start(engine, conf(far))
        acknowledged(running)
        running.send_signal(signal.SIGKILL)
        assert running.wait_exit() == -signal.SIGKILL
        far.come()
        later = again(engine, conf(far, NOTHING))
        assert far.wait_lines(COUNT) == numbered(COUNT)
        later.close()

    def test_a_server_that_comes_and_goes(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: what waits on the disk and what comes meanwhile change places."""
        run = f"for number in range({COUNT}):\n    self.post_message(str(number))\n    number % 100 or time.sleep(0.01)"
        running = start(engine, conf(far, run, more="log-fifo-size(100)"))
        for _ in range(4):
            far.come()
            time.sleep(0.15)
            far.leave()
            time.sleep(0.1)
        far.come()
        running.wait_print("done")
        running.wait_until(lambda: destination(running)["in_flight"] == 0, "all is sent")
        running.stop()
        # A connection that breaks can lose nothing here, and repeats what may not have arrived.
        first = list(dict.fromkeys(far.lines()))
        assert first == numbered(COUNT)


class TestReload:
    """The buffer outlives its destination."""

    def reload(self, running: Engine, text: str) -> None:
        """Has the engine run another configuration."""
        before = running.stderr.text.count("reloaded;")
        (running.directory / "test.conf").write_text(text)
        running.send_signal(signal.SIGHUP)
        running.wait_until(lambda: running.stderr.text.count("reloaded;") > before, "reloaded")

    def test_another_server_gets_what_waits(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: a server that moves leaves what waits for it behind."""
        running = start(engine, conf(far))
        acknowledged(running)
        other = Far()
        other.come()
        self.reload(running, conf(other))
        assert other.wait_lines(COUNT) == numbered(COUNT)
        assert destination(running)["dropped"] == 0
        running.stop()

    def test_the_capacity_is_changed(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: a buffer that is full stays so although it was given more room."""
        large = FLOOD.replace("str(number)", "str(number) + 'x' * 1000")
        running = start(engine, conf(far, large, buffer='disk-buffer(dir("buffers") disk-buf-size(1500000))'))
        running.wait_log("the disk buffer is full")
        assert destination(running)["disk_buffer"]["stalled"] is True
        self.reload(running, conf(far, large, buffer='disk-buffer(dir("buffers") disk-buf-size(30000000))'))
        acknowledged(running)
        far.come()
        assert [line.rstrip(b"x") for line in far.wait_lines(COUNT)] == numbered(COUNT)
        running.stop()

    def test_a_name_is_kept(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: a destination that is renamed loses its buffer although it has a name for it."""
        running = start(engine, conf(far, more='persist-name("central")'))
        acknowledged(running)
        running.stop()
        far.come()
        later = again(engine, conf(far, NOTHING, more='persist-name("central")', name="d_other"))
        assert far.wait_lines(COUNT) == numbered(COUNT)
        later.close()


class TestTrouble:
    """What the disk does."""

    def test_a_full_buffer_holds_its_source_back(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: a full buffer drops what has flow control, or never goes on."""
        large = FLOOD.replace("str(number)", "str(number) + 'x' * 1000")
        running = start(engine, conf(far, large, buffer='disk-buffer(dir("buffers") capacity-bytes(1))'))
        running.wait_log(
            r"the disk buffer is full \(1048576 bytes\): it takes no more until the destination takes some"
        )
        assert "a disk buffer has 1048576 bytes at least, and this one gets those" in running.stderr.text
        to = destination(running)
        assert to["suspended"] is True
        assert 0 < to["disk_buffer"]["messages"] < COUNT
        far.come()
        assert [line.rstrip(b"x") for line in far.wait_lines(COUNT)] == numbered(COUNT)
        running.wait_log("the disk buffer takes messages again")
        assert running.stop().dropped == 0

    def test_a_directory_that_cannot_be_made(self, engine: StartEngine, far: Far, tmp_path: Path) -> None:
        """Breaks without it: a buffer that cannot be opened is passed by without a word, or holds for ever."""
        (tmp_path / "file").write_text("")
        running = start(engine, conf(far, buffer=f'disk-buffer(dir("{tmp_path}/file/below"))'))
        far.come()
        running.wait_log(r"cannot open the disk buffer: .*file/below.*; tried every 5 s")
        assert destination(running)["suspended"] is True
        (tmp_path / "file").unlink()
        running.send_signal(signal.SIGUSR1)
        assert far.wait_lines(COUNT) == numbered(COUNT)
        running.stop()

    def test_damage_is_counted_and_the_rest_comes(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: a damaged file is a wrong message, the end of the engine, or a silent loss."""
        running = start(engine, conf(far, FLOOD.replace("str(number)", "str(number) + 'x' * 300")))
        acknowledged(running)
        running.stop()
        [segment, *_] = sorted((running.directory / "buffers").glob("*.buffer"))
        content = bytearray(segment.read_bytes())
        at = content.index(b"xxxx", len(content) // 8)
        content[at : at + 4] = b"????"
        segment.write_bytes(content)
        far.come()
        later = again(engine, conf(far, NOTHING))
        later.wait_log(r"(\d+) messages of the disk buffer are lost: ")
        found = later.wait_log(r"(\d+) messages of the disk buffer are lost: ")
        lost = int(found[1])
        came = [int(line.rstrip(b"x")) for line in far.wait_lines(COUNT - lost)]
        assert came == sorted(set(came))
        assert len(came) == COUNT - lost
        assert b"?" not in far.received
        later.close()
        assert f"dropped={lost}" in later.stderr.text

    def test_two_engines_cannot_have_one_buffer(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: two engines write one buffer, and each loses what the other has."""
        running = start(engine, conf(far))
        acknowledged(running)
        other = again(engine, conf(far, NOTHING))
        other.wait_log(rf"cannot open the disk buffer: .* is in use by process {running.process.pid}")
        running.stop()
        far.come()
        assert far.wait_lines(COUNT) == numbered(COUNT)
        other.close()

    def test_the_disk_is_full(self, engine: StartEngine, far: Far, tmp_path: Path) -> None:
        """Breaks without it: a write that fails loses messages, or is taken for done."""
        running = start(engine, conf(far), prefix=("prlimit", "--fsize=100000"))
        running.wait_log(r"cannot write the disk buffer: .*; what comes is held back, and it is tried again")
        assert destination(running)["disk_buffer"]["stalled"] is True
        far.come()
        assert far.wait_lines(COUNT) == numbered(COUNT)
        assert running.stop().dropped == 0


class TestConfiguration:
    """What is written, and what is said of it."""

    def test_metrics(self, engine: StartEngine, far: Far) -> None:
        """Breaks without it: nobody sees a buffer that fills."""
        running = engine(conf(far), "--control", "control", "--metrics", "127.0.0.1:0")
        acknowledged(running)
        found = running.wait_log(r"metrics at (http\S+)")
        with urllib.request.urlopen(found[1], timeout=PATIENCE) as answer:
            text = answer.read().decode()
        assert f'inrush_destination_buffer_messages{{destination="d_far#0"}} {COUNT}.0' in text
        assert 'inrush_destination_buffer_capacity_bytes{destination="d_far#0"} 8000000.0' in text
        assert 'inrush_destination_buffer_away{destination="d_far#0"} 1.0' in text

    @pytest.mark.parametrize(
        ("driver", "error"),
        [
            ("disk-buffer(reliable(perhaps))", "perhaps"),
            ("disk-buffer(capacity-bytes(0))", "capacity-bytes"),
            ('disk-buffer(dri("x"))', "unknown option `dri`"),
        ],
    )
    def test_errors(self, tmp_path: Path, far: Far, driver: str, error: str) -> None:
        """Breaks without it: a misspelt option is passed by, and the buffer is another one than meant."""
        (tmp_path / "test.conf").write_text(conf(far, buffer=driver))
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert error in done.stderr

    def test_one_buffer_for_two(self, tmp_path: Path, far: Far) -> None:
        """Breaks without it: two destinations write one buffer."""
        one = f'network("127.0.0.1" port({far.port}) {BUFFER} persist-name("p"))'
        text = f"@version: current\nlog {{ source {{ internal(); }}; destination {{ {one}; {one}; }}; }};\n"
        (tmp_path / "test.conf").write_text(text)
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert "give each a persist-name() of its own" in done.stderr

    def test_old_names(self, tmp_path: Path, far: Far) -> None:
        """Breaks without it: a file that was written for another collector is refused."""
        buffer = (
            "disk-buffer(mem-buf-size(10000) mem-buf-length(5) disk-buf-size(2000000) reliable(yes)"
            ' dir("/tmp/x") qout-size(64) compaction(yes) prealloc(no) truncate-size-ratio(0.1)'
            " flow-control-window-bytes(1) flow-control-window-size(2))"
        )
        (tmp_path / "test.conf").write_text(conf(far, buffer=buffer))
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 0, done.stderr
        assert done.stderr.count("has no effect in Inrush") == 7

    def test_no_place(self, engine: StartEngine, far: Far, tmp_path: Path) -> None:
        """Breaks without it: a buffer is made wherever the engine was started."""
        (tmp_path / "test.conf").write_text(conf(far, buffer="disk-buffer()"))
        assert inrush("check", "-f", "test.conf", cwd=tmp_path).code == 0
        done = inrush("run", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert "the disk buffer has no place" in done.stderr
        assert "--persist-file" in done.stderr
        (tmp_path / "state").mkdir()
        running = engine(
            conf(far, buffer="disk-buffer()"),
            "--control",
            "control",
            "--persist-file",
            str(tmp_path / "state/file"),
        )
        acknowledged(running)
        assert list((tmp_path / "state").glob("*.buffer"))
        far.come()
        far.wait_lines(COUNT)
        running.stop()


def test_every_destination_can_have_one(tmp_path: Path) -> None:
    """Breaks without it: a driver forgets the option that all have."""
    drivers = [
        'file("out" BUFFER)',
        'pipe("p" BUFFER)',
        'program("cat" BUFFER)',
        'http(url("http://127.0.0.1:1/") BUFFER)',
        'redis(command("PING") BUFFER)',
        'unix-stream("s" BUFFER)',
        'syslog("127.0.0.1" BUFFER)',
        'kafka(topic("t") bootstrap-servers("127.0.0.1:1") BUFFER)',
        "stdout(BUFFER)",
    ]
    all_of_them = "; ".join(drivers).replace("BUFFER", BUFFER)
    text = f"@version: current\nlog {{ source {{ internal(); }}; destination {{ {all_of_them}; }}; }};\n"
    (tmp_path / "test.conf").write_text(text)
    done = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert not (tmp_path / "buffers").exists()
