"""The command `inrush`, also as `python -m inrush`."""

import sys


def main() -> int:
    """Runs the command line of this process; the result is its exit code."""
    from inrush import _native
    from inrush.logs import setup_logging
    from inrush.search_path import leave_start_directory

    leave_start_directory(is_module=__name__ == "__main__")
    # Before any configuration is read: whatever a source's modules log while they are imported is internal() messages already.
    setup_logging()
    # What a source's modules see is the program's name alone: the arguments are the engine's.
    argv, sys.argv = sys.argv, sys.argv[:1]
    return _native.main(argv)


if __name__ == "__main__":
    sys.exit(main())
