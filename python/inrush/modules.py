"""Imports the user's own modules anew when their files have changed: what `python-reload-modules(yes)` does
at a reload.

A module is the user's own when its file is Python source outside of the standard library and of
`site-packages`. One is *stale* when its file is not what it was when it was imported, when another file would
be found now, or when it imports a stale one: a module that holds a function of an old helper would go on
calling the old one. Stale modules are taken out of `sys.modules`, so that the next import reads the file
again; when the new configuration is not accepted they are put back, and everything is as it was.

Every engine imports this module at its start. It therefore does with what the interpreter has loaded by then:
`hashlib` alone brings OpenSSL, 3.4 MiB of it; `sysconfig`, `pathlib` and `ast` take as long as the rest of
the start in Python.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import sys
import time
from types import ModuleType

from inrush.search_path import forget_listings, set_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Modules of the engine's, wherever they are installed, and names that are no files.
_OURS = frozenset(
    {"inrush", "syslogng", "_syslogng", "_syslogngdbg", "_syslogng_main", "__main__", "__mp_main__"}
)
_PACKAGES = frozenset({"site-packages", "dist-packages"})


# The directory of the standard library, with its separator: as it is named, and what that leads to.
_NAMED = os.path.join(os.path.dirname(os.__file__), "")
_LIBRARY = (_NAMED, os.path.join(os.path.realpath(_NAMED), ""))
# Whether a file is of the standard library or of an installed package, for each that was asked for.
_is_of_library: dict[str, bool] = {}


def _source_file(name: str, module: object) -> str | None:
    """The file of a module of the user's own; None for every other one."""
    if name.split(".", 1)[0] in _OURS or not isinstance(module, ModuleType):
        return None
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)):
        return None
    # Asked once: each part of a path is a system call that lets go of the GIL, and beside busy sources it
    # takes milliseconds to get it back.
    if file not in _is_of_library:
        # Most modules of a start are the library's, and say so without a look.
        real = file if file.startswith(_NAMED) else os.path.realpath(file)
        _is_of_library[file] = real.startswith(_LIBRARY) or not _PACKAGES.isdisjoint(real.split(os.sep))
    return None if _is_of_library[file] else file


def _own_modules() -> dict[str, str]:
    """The user's own modules that are imported now, with their files."""
    found = ((name, _source_file(name, module)) for name, module in list(sys.modules.items()))
    return {name: file for name, file in found if file is not None}


def _read(file: str) -> bytes:
    """The content of a file; nothing when it is gone."""
    try:
        with open(file, "rb") as source:
            return source.read()
    except OSError:
        return b""


def _digest(text: bytes) -> bytes:
    """The hash by which the interpreter itself tells whether a source file has changed (PEP 552)."""
    import importlib.util

    return importlib.util.source_hash(text)


def _changed_since(file: str, moment: int) -> bool:
    try:
        return os.stat(file).st_mtime_ns > moment
    except OSError:
        return True


def _imports(code: str | bytes, package: str) -> set[str]:
    """The names of the modules that `code` imports, wherever in it; `package` is what relative names start
    from."""
    import ast
    import importlib.util

    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                try:
                    base = importlib.util.resolve_name("." * node.level + base, package)
                except ImportError:
                    continue
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def _with_parents(names: Iterable[str]) -> set[str]:
    """The names, and those of the packages around them, which are imported first."""
    every: set[str] = set()
    for name in names:
        parts = name.split(".")
        every.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return every


def _origin(value: object) -> str | None:
    """The name of the module that a value comes from, if it says so."""
    # An object may answer whatever it likes, or raise.
    with contextlib.suppress(Exception):
        origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        return origin if isinstance(origin, str) else None
    return None


def _needs(name: str, module: ModuleType, text: bytes) -> set[str]:
    """The modules that a module was made from: what it imports, and where its values come from."""
    package = getattr(module, "__package__", None) or name.rpartition(".")[0]
    names = _imports(text, package)
    names.update(origin for value in list(vars(module).values()) if (origin := _origin(value)))
    names.add(name)
    return _with_parents(names) - {name}


def _is_elsewhere(name: str, file: str) -> bool:
    """True when an import of a module would find another file now."""
    # A module of a package is where its package is, which is looked at by itself.
    if "." in name:
        return False
    try:
        found = importlib.machinery.PathFinder.find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and found.origin is not None and found.origin != file


class Taken:
    """Stale modules that were taken out of `sys.modules`, and the directories that were searched before."""

    def __init__(
        self, modules: dict[str, ModuleType], directories: list[tuple[str, str]], *, concerns_blocks: bool
    ) -> None:
        #: The names of the modules.
        self.names = sorted(modules)
        #: Whether a python block imports one of them.
        self.concerns_blocks = concerns_blocks
        self._modules = modules
        self._directories = directories
        self._before = frozenset(_own_modules()) | frozenset(modules)

    def put_back(self) -> None:
        """Makes `sys.path` and `sys.modules` what they were before, for the user's own directories and
        modules."""
        set_directories(self._directories)
        for name in _own_modules().keys() - self._before:
            del sys.modules[name]
        for name, module in self._modules.items():
            sys.modules[name] = module
        for name, module in self._modules.items():
            parent, _, child = name.rpartition(".")
            if parent and (package := sys.modules.get(parent)) is not None:
                setattr(package, child, module)


class Modules:
    """The user's own modules, from one configuration to the next."""

    def __init__(self) -> None:
        # Each module as it was imported, with the digest of its file then; an empty one is never right.
        self._known: dict[str, tuple[ModuleType, bytes]] = {}
        self._moment = time.time_ns()

    def note(self) -> None:
        """Remembers what the files of new modules are: after a configuration was accepted."""
        self._moment = time.time_ns()
        known = {}
        for name, file in _own_modules().items():
            module = sys.modules[name]
            before = self._known.get(name)
            known[name] = before if before and before[0] is module else (module, _digest(_read(file)))
        self._known = known

    def take_out(self, blocks: list[str], directories: list[tuple[str, str]], *, stale: bool) -> Taken:
        """Searches `directories` from now on, and takes the stale modules out of `sys.modules` if `stale`;
        `blocks` is the code of the new configuration."""
        before = set_directories(directories)
        own = _own_modules()
        for name in own.keys() - self._known.keys():
            # Imported since by code that ran: only a file that did not change since is surely the same.
            digest = b"" if _changed_since(own[name], self._moment) else _digest(_read(own[name]))
            self._known[name] = (sys.modules[name], digest)
        names = self._stale(own, moved=before != directories) if stale else set()
        taken = {name: sys.modules.pop(name) for name in names}
        if taken:
            import importlib.util
        for name in taken:
            # Its time stamp may be that of the file although its content is not: it has no fractions of a
            # second.
            with contextlib.suppress(OSError, NotImplementedError, ValueError):
                os.unlink(importlib.util.cache_from_source(own[name]))
        if taken:
            forget_listings()
        # Without stale modules no block is read: the first start has none.
        concerns = bool(names) and any(_with_parents(_imports(code, "")) & names for code in blocks)
        return Taken(taken, before, concerns_blocks=concerns)

    def _stale(self, own: dict[str, str], *, moved: bool) -> set[str]:
        texts = {name: _read(file) for name, file in own.items()}
        stale = {name for name in own if _digest(texts[name]) != self._known[name][1]}
        if moved:
            stale.update(name for name, file in own.items() if _is_elsewhere(name, file))
        if not stale:
            return stale
        needs = {name: _needs(name, sys.modules[name], texts[name]) for name in own}
        while more := {name for name in own.keys() - stale if needs[name] & stale}:
            stale |= more
        return stale
