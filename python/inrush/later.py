"""Names of the Python API that are here to be imported, and work in a later version.

A module that imports one of them loads as it does elsewhere, so that the sources beside it run. Calling one raises
NotImplementedError and says so: nothing is accepted and then ignored.
"""

from __future__ import annotations


def get_installation_path_for(template: str) -> str | None:
    """Later: expands the variables of an installation path."""
    name = f"get_installation_path_for({template!r})"
    raise NotImplementedError(f"{name} is not in this version of Inrush: it comes in a later one")
