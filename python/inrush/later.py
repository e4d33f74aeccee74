"""Names of the Python API that are here to be imported and derived from, and work in a later version.

A module that imports one of them, or a class that derives from one, loads as it does elsewhere, so that the
sources beside it run. Making an object, or calling one of the functions, raises NotImplementedError and says
so: nothing is accepted and then ignored.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

LTZ_LOCAL: Final = 0
LTZ_SEND: Final = 1


def _later(name: str) -> NotImplementedError:
    return NotImplementedError(f"{name} is not in this version of Inrush: it comes in a later one")


class _Later:
    """A class that can be derived from, but has no objects yet."""

    def __new__(cls, *_args: object, **_kwargs: object) -> Any:
        named = next(base for base in cls.__mro__ if base.__module__ == __name__)
        raise _later(named.__name__ if named is cls else f"{named.__name__} (the base of {cls.__qualname__})")


class LogTemplateException(Exception):  # noqa: N818 - the name is part of the API
    """A template's text is wrong."""


class LogTemplateOptions(_Later):
    """Later: time zone, time stamp format and the like, for `LogTemplate`."""


class LogTemplate(_Later):
    """Later: a template compiled once and formatted from Python."""


def get_installation_path_for(template: str) -> str | None:
    """Later: expands the variables of an installation path."""
    raise _later(f"get_installation_path_for({template!r})")
