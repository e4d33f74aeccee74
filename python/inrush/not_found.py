"""The words for a module that is not found: where it was looked for, and what lies near."""

from __future__ import annotations

import contextlib
import difflib
import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from inrush.search_path import own_directories

# A directory is looked into when it has at most this many entries.
_MOST_ENTRIES = 500
_SUFFIXES = (".py", *importlib.machinery.EXTENSION_SUFFIXES)


def not_found(error: BaseException) -> list[str]:
    """The directories in which the module was looked for whose import ended with `error`, and what lies near;
    nothing for another error."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if not name:
        return []
    package, _, last = name.rpartition(".")
    places = _package_path(package) if package else _search_path()
    lines = [f"`{name}` was looked for in"]
    lines += [f"  {place}{_remark(place, reason)}" for place, reason in places]
    # Of the user's own directories only: the names in a library are not meant.
    near = _near(last, [place for place, _ in places if not _is_of_library(place)])
    return ["\n".join(lines)] + near


def shadowed(name: str, file: str | None) -> list[str]:
    """The file of the user's that an already imported module `name`, which is `file`, stands in the way
    of."""
    for directory, _ in own_directories():
        own = _module_file(Path(directory), name)
        if own is not None and (file is None or not _same_file(own, file)):
            return [f"`{own}` has the name of another module, which was imported before it: rename it"]
    return []


def _package_path(package: str) -> list[tuple[str, str]]:
    """The directories of a package."""
    return [(str(place), f"package {package}") for place in getattr(sys.modules.get(package), "__path__", [])]


def _search_path() -> list[tuple[str, str]]:
    """The directories of `sys.path`, each once, with the reason why it is there."""
    reasons = dict(own_directories())
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if entry and not sys.flags.ignore_environment:
            reasons.setdefault(str(Path(entry).absolute()), "PYTHONPATH")
    return [(place, reasons.get(place, "")) for place in dict.fromkeys(map(str, sys.path))]


def _remark(place: str, reason: str) -> str:
    path = Path(place or ".")
    trouble = ""
    if not path.exists():
        trouble = "does not exist"
    elif path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
        trouble = "cannot be read"
    remark = ", ".join(filter(None, (reason, trouble)))
    return f" ({remark})" if remark else ""


def _is_of_library(place: str) -> bool:
    paths = sysconfig.get_paths()
    library = [paths.get(key, "") for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    return place in library or place.endswith((".zip", "-packages", "lib-dynload"))


def _same_file(one: Path, other: str) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _entries(directory: Path) -> list[Path]:
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return []
    return entries if len(entries) <= _MOST_ENTRIES else []


def _modules(directory: Path) -> Iterator[tuple[str, Path]]:
    """The modules and packages of a directory as they would be called, also those whose names cannot be
    imported."""
    for path in _entries(directory):
        if path.is_dir():
            # Anything else is a directory of data.
            if any(each.suffix == ".py" for each in _entries(path)):
                yield path.name, path
        elif path.suffix == ".py":
            yield path.name[: -len(".py")], path


def _module_file(directory: Path, name: str) -> Path | None:
    """The file or package directory that `import name` would find in a directory."""
    for suffix in _SUFFIXES:
        if (path := directory / f"{name}{suffix}").is_file():
            return path
    return package if (package := directory / name / "__init__.py").is_file() else None


def _near(name: str, directories: list[str]) -> list[str]:
    """Modules where a name was looked for, or beside it, that are perhaps meant."""
    plain = _plain(name)
    similar: dict[str, Path] = {}
    for directory in map(Path, directories):
        for found, path in _modules(directory):
            if found == name:
                # It is there, so the finder could not use it.
                return [f"`{path}` is there and cannot be imported: see who may read it"]
            if _plain(found) == plain:
                why = (
                    "a module's name has no `-` or space"
                    if not found.isidentifier()
                    else "the name is another one"
                )
                return [
                    f"`{path}` is there, but {why}: rename it to `{name}{path.suffix}`, or name it as it is called"
                ]
            similar.setdefault(found, path)
    if elsewhere := _elsewhere(name, directories):
        return [elsewhere]
    close = difflib.get_close_matches(name, similar, n=1, cutoff=0.75)
    return [f"did you mean `{found}` ({similar[found]})?" for found in close]


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def _elsewhere(name: str, directories: list[str]) -> str | None:
    """The module in a directory below the ones that were looked through, or in the current one."""
    below = [path for directory in directories for path in _entries(Path(directory)) if path.is_dir()]
    with contextlib.suppress(OSError):
        below.append(Path.cwd())
    for directory in below:
        if (path := _module_file(directory, name)) is not None:
            return f'`{path}` is there: options {{ python-path("{directory}"); }}; adds its directory'
    return None
