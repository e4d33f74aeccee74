"""The command `inrush`, also as `python -m inrush`."""

import os
import sys
from contextlib import suppress


def main() -> int:
    """Runs the command line of this process; the result is its exit code."""
    open_standard()
    from inrush import _native
    from inrush.logs import setup_logging
    from inrush.search_path import leave_start_directory

    leave_start_directory(is_module=__name__ == "__main__")
    # Before any configuration is read: whatever a source's modules log while they are imported is internal()
    # messages already.
    setup_logging()
    # What a source's modules see is the program's name alone: the arguments are the engine's.
    argv, sys.argv = sys.argv, sys.argv[:1]
    return flush_standard(_native.main(argv))


def open_standard() -> None:
    """Opens the null device on whatever of the descriptors 0 to 2 is closed, so that no file gets their
    numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    # The interpreter has no streams for what was closed.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115  # it stays for good
            setattr(sys, name, stream)


def flush_standard(code: int) -> int:
    """Writes what the streams hold back. Where that is not taken, the exit code is not 0, and nothing else is
    written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            code = code or 1
            with suppress(OSError, ValueError, AttributeError):
                # The interpreter would try again at its end, and show a traceback.
                discard(stream.fileno())
                if not isinstance(error, BrokenPipeError):
                    os.write(2, f"inrush: cannot write what was printed: {error.strerror}\n".encode())
        except (AttributeError, ValueError):
            # The user's code closed or replaced it.
            continue
    return code


def discard(descriptor: int) -> None:
    """Makes `descriptor` one that takes everything."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
