"""The event loop of a source whose `run()` is a coroutine function, and `await self.post(...)`.

The loop is asyncio's, on the source's own thread. Coroutines wait for credit without holding it up: the
engine wakes it when there is some.
"""

from __future__ import annotations

from inrush import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Imported only where a loop runs: asyncio takes longer than all of Inrush, and typing as long as a tenth
    # of its start.
    import asyncio
    from collections.abc import Callable, Coroutine
    from typing import Any, Final

_LET_OTHERS_RUN: Final = 2


async def post(
    self: _native.LogSource, msg: _native.LogMessage | str | bytes, bookmark: object = None
) -> None:
    """Posts one message from a coroutine, and waits for credit without blocking the event loop.

    `bookmark` is short for `set_bookmark()` before the post. What one coroutine posts stays in order. The
    message is taken when the call comes back; one that is cancelled has not posted it.
    """
    if bookmark is not None:
        if not isinstance(msg, _native.LogMessage):
            msg = _native.LogMessage(msg)
        msg.set_bookmark(bookmark)
    may_pause = True
    while step := _native._post_step(self, msg, may_pause):
        may_pause = False
        await _pause(self, step)


async def _pause(source: _native.LogSource, step: int) -> None:
    import asyncio
    from functools import partial

    if step == _LET_OTHERS_RUN:
        await asyncio.sleep(0)
        return
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    _native._when_writable(source, partial(_wake, loop, future))
    await future


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    """Called on another thread. A loop that was closed has nobody who waits."""
    try:
        loop.call_soon_threadsafe(_done, future)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def host(main: Coroutine[Any, Any, object], enter: Callable[[object, object], None]) -> None:
    """Runs `main` to its end on a new loop; then cancels its other tasks, shuts its generators down, and
    closes it.

    `enter` is called with the loop and the task of `main` before it starts.
    """
    import asyncio

    async def run() -> None:
        enter(asyncio.get_running_loop(), asyncio.current_task())
        await main

    try:
        asyncio.run(run())
    finally:
        # Only where it was never started: cancelled before that, or no loop to be had.
        main.close()
