"""What the command does first: it blocks the signals that it is not to die of before it can handle them.

The engine unblocks them when it has its handlers, and so gets those that came meanwhile; other commands do at their start.
Whoever imports this package for something else keeps the signals as they are.
"""

import signal
import sys


def is_command() -> bool:
    """Whether this process is the command `inrush`, or `python -m inrush`."""
    program = sys.argv[0] if sys.argv else ""
    if program == "-m":
        # The module's name is known from the interpreter's own arguments alone, as long as the module is looked for.
        arguments = sys.orig_argv
        return "inrush" in (arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == "-m")
    return program.rpartition("/")[2] == "inrush"


if is_command():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
