"""The first work of the command: it blocks the signals of the engine until it can handle them.

The engine unblocks them when it has its handlers, and so gets those that came meanwhile; other commands do at
their start, where the default action ends them without a traceback. Whoever imports this package for
something else keeps the signals as they are.

Nothing may be imported here that the interpreter does not have at its start anyway: `signal` takes longer
than all else.
"""

import _signal  # type: ignore[import-not-found]  # the built-in part of `signal`, which the stubs do not have
import sys


def is_command() -> bool:
    """True when this process is the command `inrush`, or `python -m inrush`."""
    program = sys.argv[0] if sys.argv else ""
    if program == "-m":
        # The module's name is known from the interpreter's own arguments alone, as long as the module is
        # looked for.
        arguments = sys.orig_argv
        return "inrush" in (arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == "-m")
    return program.rpartition("/")[2] == "inrush"


if is_command():
    _signal.pthread_sigmask(
        _signal.SIG_BLOCK,
        {_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGUSR1, _signal.SIGUSR2},
    )
