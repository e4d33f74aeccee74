"""`async def run(self)` and `await self.post(msg)`, inside the engine."""

from __future__ import annotations

import signal
import textwrap
import threading

import pytest

from harness import (
    GONE,
    Delivered,
    RunSource,
    StartEngine,
    connected,
    gone,
    indented,
    numbered,
    source,
    together,
)

# What a coroutine does when it has nothing more to do: it waits for its cancellation.
WAIT = "await asyncio.Event().wait()"


def async_source(run: str, *others: str, driver: str = "", head: str = "") -> str:
    """A source whose coroutine `run()` does something, prints `done` and waits to be cancelled."""
    own = f"async def run(self):\n{indented(run)}\n    print('done', flush=True)\n    {WAIT}"
    parts = [own, *(textwrap.dedent(part.strip("\n")) for part in others)]
    conf = source("\n\n".join(parts), driver=driver, head=head)
    return conf.replace("import threading\n", "import asyncio\nimport threading\n")


class TestRun:
    """The loop, its beginning and its end."""

    def test_runs_on_its_own_thread_and_ends_with_exit(self, engine: StartEngine) -> None:
        """Without it: the coroutine is never awaited, or nothing tells it to end."""
        conf = async_source(
            """
            print(threading.current_thread().name, asyncio.get_running_loop().is_running())
            await asyncio.sleep(0)
            """,
            "def deinit(self):\n    print('deinit', flush=True)",
            driver="stop-timeout(3600)",
        )
        running = engine(conf, "-v")
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == ["source s_test#0 True", "done", "deinit"]
        assert running.stderr.find(r"run\(\) has returned")
        assert not running.stderr.find("Traceback|never awaited|CancelledError")

    def test_cancelled_once_and_its_cleanup_runs(self, engine: StartEngine) -> None:
        """Without it: a source cannot say goodbye to its server when it ends."""
        conf = source(
            f"""
            async def run(self):
                try:
                    print("ready", flush=True)
                    {WAIT}
                finally:
                    await asyncio.sleep(0.01)
                    await self.post("bye")
                    print("cleaned", flush=True)
            """,
            driver="stop-timeout(3600)",
            head="python { import asyncio };",
        )
        running = engine(conf)
        running.wait_print("ready")
        assert running.stop().delivered == 1
        assert running.stdout.lines == ["ready", "cleaned"]

    def test_other_tasks_generators_and_executor_are_shut_down(self, engine: StartEngine) -> None:
        """Without it: tasks of a source that has ended go on, or end with a warning instead of their
        cleanup."""
        conf = async_source(
            """
            self.task = asyncio.create_task(self.other())
            self.numbers = self.generate()
            await self.numbers.__anext__()
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0)
            await asyncio.sleep(0)
            """,
            f"""
            async def other(self):
                try:
                    {WAIT}
                finally:
                    print("task ended", flush=True)
            """,
            """
            async def generate(self):
                try:
                    yield 1
                finally:
                    print("generator ended", flush=True)
            """,
            driver="stop-timeout(3600)",
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        assert sorted(running.stdout.lines) == ["done", "generator ended", "task ended"]
        assert not running.stderr.find("threads that have not ended")

    def test_a_normal_return_is_the_end(self, engine: StartEngine) -> None:
        """Without it: a coroutine that is done is started again, or its thread stays."""
        conf = source("async def run(self):\n    await self.post('x')")
        running = engine(conf, "-v")
        running.wait_log(r"run\(\) has returned")
        assert running.stop().delivered == 1

    @pytest.mark.parametrize("raised", ["ValueError('why')", "SystemExit(1)", "asyncio.CancelledError()"])
    def test_exception_is_logged_and_run_is_started_again_on_a_new_loop(
        self, engine: StartEngine, raised: str
    ) -> None:
        """Without it: one error ends the source for good, or the second run finds a closed loop."""
        conf = async_source(
            f"""
            await self.post("x")
            self.count = getattr(self, "count", 0) + 1
            if self.count == 1:
                asyncio.create_task(asyncio.sleep(3600))
                raise {raised}
            """,
            driver="restart-backoff(0.01 0.01)",
        )
        running = engine(conf)
        running.wait_print("done")
        assert running.stop().delivered == 2
        assert running.stderr.find(
            r"run\(\) raised an exception\n[\s\S]*in run[\s\S]*run\(\) is called again"
        )

    def test_request_exit_of_the_class_is_called_in_place_of_cancelling(self, engine: StartEngine) -> None:
        """Without it: a source that ends in its own way is torn down in the middle of it."""
        conf = source(
            """
            async def run(self):
                self.loop = asyncio.get_running_loop()
                self.stop = asyncio.Event()
                print("ready", flush=True)
                await self.stop.wait()
                print("stopped", flush=True)

            def request_exit(self):
                self.loop.call_soon_threadsafe(self.stop.set)
            """,
            head="python { import asyncio };",
            driver="stop-timeout(3600)",
        )
        running = engine(conf)
        running.wait_print("ready")
        running.stop()
        assert running.stdout.lines == ["ready", "stopped"]

    def test_request_exit_may_be_a_coroutine_too(self, engine: StartEngine) -> None:
        """Without it: `async def request_exit` does nothing, and the stop takes its whole time."""
        conf = source(
            """
            async def run(self):
                self.stop = asyncio.Event()
                print("ready", flush=True)
                await self.stop.wait()

            async def request_exit(self):
                print(threading.current_thread().name, flush=True)
                self.stop.set()
            """,
            head="python { import asyncio };",
            driver="stop-timeout(3600)",
        )
        running = engine(conf)
        running.wait_print("ready")
        running.stop()
        assert running.stdout.lines == ["ready", "source s_test#0"]

    def test_request_exit_set_in_init_does_not_replace_the_cancelling(self, engine: StartEngine) -> None:
        """Without it: `self.request_exit = asyncio.Event()` is called, and the source does not end."""
        conf = async_source(
            "self.request_exit.clear()",
            "def init(self, options):\n    self.request_exit = threading.Event()\n    return True",
            driver="stop-timeout(3600)",
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        assert not running.stderr.find("raised an exception")

    def test_exit_before_the_loop_runs(self, engine: StartEngine) -> None:
        """Without it: a stop that comes while the source starts is never heard of."""
        running = engine(async_source("pass", driver="stop-timeout(3600)"))
        running.stop()

    def test_a_coroutine_that_ignores_its_cancelling_is_left(self, engine: StartEngine) -> None:
        """Without it: one bad `except` keeps the engine from stopping."""
        conf = async_source(
            f"""
            while True:
                try:
                    print("ready", flush=True)
                    {WAIT}
                except asyncio.CancelledError:
                    pass
            """,
            driver="stop-timeout(0.2)",
        )
        running = engine(conf)
        running.wait_print("ready")
        running.send_signal(signal.SIGTERM)
        assert running.wait_exit() == 0
        assert running.stderr.find(r"run\(\) has not returned 0.2 s after request_exit\(\)")

    def test_reload(self, engine: StartEngine) -> None:
        """Without it: the old loop stays, or the new source has none."""
        conf = async_source("await self.post('x')", driver="stop-timeout(3600)")
        running = engine(conf)
        running.wait_print("done")
        (running.directory / "test.conf").write_text(conf.replace("3600", "3601"))
        running.send_signal(signal.SIGHUP)
        running.wait_print(r"done[\s\S]*done")
        assert len(running.wait_lines("out.log", 2)) == 2
        running.stop()

    @pytest.mark.parametrize("name", ["init", "deinit"])
    def test_callbacks_that_cannot_be_coroutines_are_refused(self, engine: StartEngine, name: str) -> None:
        """Without it: `async def init` is taken for true, and its body never runs."""
        running = engine(async_source("pass", f"async def {name}(self, *options):\n    pass"), started=False)
        assert running.wait_exit() == 1
        assert running.stderr.find(rf"{name}\(\) of class `Source` is a coroutine function")


class TestPost:
    """`await self.post(msg)`."""

    def test_posts_in_order_with_all_kinds(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: what one coroutine posts comes out of order, or some types are refused."""
        conf = async_source(
            """
            for number in range(1000):
                await self.post(LogMessage(str(number)) if number % 3 else str(number).encode())
            """
        )
        assert run_source(conf) == ["done"]
        assert delivered() == numbered(1000)

    def test_waits_for_credit_while_the_loop_goes_on(self, engine: StartEngine) -> None:
        """Without it: a coroutine without credit blocks all the others, or asks again and again."""
        conf = async_source(
            """
            asyncio.create_task(self.tick())
            for number in range(1000):
                await self.post(str(number))
                if number == 9:
                    self.full = True
            """,
            """
            full = False

            async def tick(self):
                while not (self.full and self.is_suspended()):
                    await asyncio.sleep(0.01)
                for _ in range(3):
                    await asyncio.sleep(0.01)
                print("ticked", flush=True)
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("ticked")
        assert not running.stdout.find("done")
        running.deliver_numbers(1000)

    def test_many_tasks_wait_for_credit(self, engine: StartEngine) -> None:
        """Without it: credit wakes one of the tasks that wait, and the others sleep for ever."""
        conf = async_source(
            """
            async def task(name):
                for number in range(50):
                    await self.post(f"{name} {number}")
            await asyncio.gather(*(task(name) for name in range(40)))
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_log("gone")
        running.make_gone()
        running.wait_print("done")
        lines = running.wait_lines("gone/out.log", 2000)
        seen: dict[bytes, int] = {}
        for line in lines:
            name, number = line.split()
            assert int(number) == seen.get(name, 0)
            seen[name] = int(number) + 1
        assert len(seen) == 40

    def test_exit_ends_a_wait_for_credit(self, engine: StartEngine) -> None:
        """Without it: a destination that cannot write keeps the source from its end."""
        conf = async_source(
            "print('full', flush=True)\nwhile True:\n    await self.post('x')",
            "def deinit(self):\n    print('deinit', flush=True)",
            driver="log-iw-size(10) stop-timeout(3600)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("full")
        running.wait_log("gone")
        running.send_signal(signal.SIGTERM)
        running.wait_print("deinit")
        assert running.wait_exit() == 0
        totals = running.totals()
        totals.check()
        assert totals.posted == 10

    def test_a_loop_of_posts_lets_others_run_and_hears_of_exit(self, engine: StartEngine) -> None:
        """Without it: a coroutine that never waits starves its loop, and the stop takes its whole time."""
        conf = async_source(
            """
            asyncio.create_task(self.other())
            while True:
                await self.post("x")
            """,
            "async def other(self):\n    print('other ran', flush=True)",
            driver="stop-timeout(3600)",
        )
        running = engine(conf)
        running.wait_print("other ran")
        totals = running.stop()
        assert totals.posted == totals.delivered > 0

    def test_plain_post_message_works_and_a_thread_of_the_executor_may_post(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: a source that is half asynchronous has to be rewritten."""
        conf = async_source(
            """
            self.post_message("plain")
            await asyncio.get_running_loop().run_in_executor(None, self.post_message, "executor")
            await asyncio.to_thread(self.post_messages, ["thread"])
            """
        )
        assert run_source(conf) == ["done"]
        assert delivered() == [b"plain", b"executor", b"thread"]

    def test_post_works_in_a_loop_of_the_sources_own(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: only a source whose run() is a coroutine can await."""
        conf = source(
            """
            exiting = threading.Event()
            def run(self):
                asyncio.run(self.main())
                print("done", flush=True)
                self.exiting.wait()

            async def main(self):
                await asyncio.gather(*(self.post(str(number)) for number in range(100)))

            def request_exit(self):
                self.exiting.set()
            """,
            head="python { import asyncio };",
            driver="log-iw-size(10)",
        )
        assert run_source(conf) == ["done"]
        assert sorted(delivered()) == sorted(b"%d" % number for number in range(100))

    def test_cancelled_post_is_not_posted(self, engine: StartEngine) -> None:
        """Without it: a post that timed out is delivered all the same, and sent again by its caller."""
        conf = async_source(
            """
            for number in range(10):
                await self.post(str(number))
            try:
                await asyncio.wait_for(self.post("late"), 0.05)
            except asyncio.TimeoutError:
                print("TimeoutError", flush=True)
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("TimeoutError\ndone")
        running.make_gone()
        assert running.wait_lines("gone/out.log", 10) == numbered(10)
        assert running.stop().posted == 10

    def test_errors_are_those_of_post_message(self, run_source: RunSource) -> None:
        """Without it: a wrong type is a success."""
        conf = async_source(
            """
            try:
                await self.post(7)
            except TypeError as error:
                print(error)
            try:
                await self.post("x", bookmark=1)
            except RuntimeError as error:
                print(error)
            """
        )
        out = run_source(conf)
        assert out[0].startswith("post: LogMessage expected in the first parameter")
        assert out[1].startswith("Bookmarks can not be used")

    @pytest.mark.parametrize(
        "own",
        [
            "async def post(self, message):\n    self.post_message('own ' + message)",
            "def __init__(self):\n    async def post(message):\n        self.post_message('own ' + message)\n    self.post = post",
        ],
        ids=["method", "attribute"],
    )
    def test_a_post_of_the_users_own_wins(
        self, run_source: RunSource, delivered: Delivered, own: str
    ) -> None:
        """Without it: a class that has its own post() breaks."""
        assert run_source(async_source("await self.post('x')", own)) == ["done"]
        assert delivered() == [b"own x"]


SERVER = """@version: current
python {
import asyncio
from syslogng import LogSource

class Server(LogSource):
    async def run(self):
        server = await asyncio.start_server(self.receive, "127.0.0.1", 0)
        print("listening on {}:{}".format(*server.sockets[0].getsockname()), flush=True)
        async with server:
            await server.serve_forever()

    async def receive(self, reader, writer):
        async for line in reader:
            await self.post(line.rstrip(b"\\n"))
        writer.close()
};
source s_test { python(class("Server") log-iw-size(100)); };
log { source(s_test); destination { file("out.log" template("$MSG\\n")); }; flags(flow-control); };
"""


def test_a_server_with_real_clients(engine: StartEngine) -> None:
    """Without it: nothing shows that the pieces make the server that people write."""
    running = engine(SERVER)
    address = running.wait_listening()
    clients, each = 8, 500

    def send(client: int) -> None:
        with connected(address) as connection:
            connection.sendall(b"".join(b"%d %d\n" % (client, number) for number in range(each)))

    together(threading.Thread(target=send, args=(client,)) for client in range(clients))
    got = [tuple(map(int, line.split())) for line in running.wait_lines("out.log", clients * each)]
    for client in range(clients):
        assert [number for who, number in got if who == client] == list(range(each))
    with connected(address) as idle:
        idle.sendall(b"no end")
        totals = running.stop()
    assert totals.posted == totals.delivered
