"""Random log paths over random messages, and the smallest of those that differ.

A path is drawn as a tree of items. All of a round run in one process of each engine. Where a case differs, what
can be left out of it is left out, all ways at once in one further process of each, until nothing can be.

Out of the trees is what 4.27 does otherwise than 3.38 (`differences.txt`): nothing that rejects messages stands
behind a junction or an `if`, in a block of an `if` with a condition, or in the paths of a destination that is the
last item; the flags of branches of `if`, of which `fallback` has an effect in 3.38; tags, whose order is that of
the whole process; and what comparisons make of types.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from compat.case import Case, Message
from compat.judge import Verdict, judge

LETTERS = "abcd"
LEVELS = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]


@dataclass(frozen=True)
class Text:
    """An item that is a text."""

    text: str
    rejects: bool = False

    def written(self) -> str:
        """The item as the configuration has it."""
        return self.text


@dataclass(frozen=True)
class Path:
    """A path: its items, and its flags."""

    items: tuple[Item, ...] = ()
    flags: tuple[str, ...] = ()

    def written(self) -> str:
        """Its body."""
        flags = f" flags({' '.join(self.flags)});" if self.flags else ""
        return "{ " + " ".join(item.written() for item in self.items) + flags + " }"


@dataclass(frozen=True)
class Branches:
    """A junction, a destination with paths, embedded paths, or an `if`."""

    kind: str
    paths: tuple[Path, ...] = ()
    # Of an `if`, as many as there are branches but `else`.
    conditions: tuple[str, ...] = ()
    has_else: bool = False

    def written(self) -> str:
        """The item as the configuration has it."""
        if self.kind == "if":
            parts = []
            for index, path in enumerate(self.paths):
                is_else = self.has_else and index == len(self.paths) - 1
                condition = "" if is_else else self.conditions[index]
                word = "else" if is_else else "elif" if index else "if"
                parts.append(f"{word} {f'({condition}) ' if condition else ''}{path.written()}")
            return " ".join(parts) + ";"
        paths = " ".join(f"channel {path.written()};" for path in self.paths)
        return paths if self.kind == "embedded" else f"{self.kind} {{ {paths} }};"


Item = Text | Branches


@dataclass(frozen=True)
class Tree:
    """A random case."""

    paths: tuple[Path, ...] = ()
    messages: tuple[Message, ...] = field(default=())

    def case(self, number: int) -> Case:
        """The case that is run."""
        paths = [f"log {replace(path, items=(Text('SRC;'), *path.items)).written()};" for path in self.paths]
        case = Case("random", str(number), configuration="\n".join(paths), messages=list(self.messages))
        case.keys.append(("print", "", "$PROGRAM|$MSG|$PRI|$x"))
        return case


class Draw:
    """Draws trees."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def tree(self) -> Tree:
        """A whole case."""
        paths = tuple(self.path(2, may_reject=True) for _ in range(self.chance.randint(1, 4)))
        return Tree(paths, tuple(self.message() for _ in range(self.chance.randint(2, 8))))

    def message(self) -> Message:
        """A message of few letters."""
        text = "".join(self.chance.choice(LETTERS + " ") for _ in range(self.chance.randint(0, 5)))
        values = {"PROGRAM": self.chance.choice([b"prog", b"sshd", b"a"]), "HOST": b"h"}
        if self.chance.random() < 0.3:
            values["x"] = self.chance.choice([b"", b"a", b"bc"])
        return Message(text.encode(), values, pri=self.chance.randrange(192))

    def path(self, depth: int, may_reject: bool) -> Path:
        """A path with at most `depth` levels in it."""
        items: list[Item] = [self.simple(may_reject) for _ in range(self.chance.randint(0, 3))]
        if depth and self.chance.random() < 0.7:
            items.append(self.branches(depth, may_reject))
            items += [self.simple(False) for _ in range(self.chance.randint(0, 2))]
        elif depth and self.chance.random() < 0.3:
            items.append(Branches("embedded", self.paths(depth, may_reject)))
        flags = [flag for flag in ("final", "fallback") if self.chance.random() < 0.2]
        return Path(tuple(items), tuple(flags))

    def paths(self, depth: int, may_reject: bool) -> tuple[Path, ...]:
        """The branches of an item."""
        return tuple(self.path(depth - 1, may_reject) for _ in range(self.chance.randint(1, 3)))

    def branches(self, depth: int, may_reject: bool) -> Item:
        """An item with branches."""
        kind = self.chance.choice(["junction", "destination", "if", "if"])
        if kind == "destination":
            # What its paths reject says nothing, where another item follows.
            return Branches(kind, (Path((Text(f"D{self.chance.randint(1, 3)};"),)), *self.paths(depth, True)))
        if kind == "junction":
            # One that takes everything, where nothing may be rejected.
            paths = self.paths(depth, may_reject)
            return Branches(kind, paths if may_reject else (*paths, Path()))
        count = self.chance.randint(1, 3)

        def branch(may_reject: bool) -> Path:
            return replace(self.path(depth - 1, may_reject), flags=())

        if self.chance.random() < 0.3:
            paths = tuple(branch(True) for _ in range(count))
            has_else = self.chance.random() < 0.5
            last = (branch(may_reject),) if has_else else ()
            return Branches("if", (*paths, *last), ("",) * count, has_else)
        paths = tuple(branch(False) for _ in range(count + 1))
        return Branches("if", paths, tuple(self.expression(2) for _ in range(count)), True)

    def simple(self, may_reject: bool) -> Text:
        """An item without branches."""
        kind = self.chance.choice(["filter", "filter", "set", "send", "send"])
        if kind == "filter" and may_reject:
            return Text(f"filter {{ {self.expression(2)} }};", rejects=True)
        if kind == "set":
            return Text(f"rewrite {{ {self.rewrite()} }};")
        return Text(f"D{self.chance.randint(1, 3)};")

    def rewrite(self) -> str:
        """An item of a rewrite."""
        letter = self.chance.choice(LETTERS)
        condition = f" condition({self.expression(1)})" if self.chance.random() < 0.3 else ""
        return self.chance.choice(
            [
                f'set("{letter}$MSG"{condition});',
                f'set("$MSG$PROGRAM"{condition});',
                f'set("{letter}" value("x"){condition});',
                f'set("$PROGRAM" value("x"){condition});',
                f'set("p{letter}" value("PROGRAM"){condition});',
                f'unset(value("x"){condition});',
                f'subst("{letter}" "X"{condition});',
                f'subst("[{letter}c]+" "<$0>" flags(global){condition});',
                f'set-severity("{self.chance.choice(LEVELS)}"{condition});',
            ]
        )

    def expression(self, depth: int) -> str:
        """A filter expression."""
        if depth and self.chance.random() < 0.5:
            one, two = self.expression(depth - 1), self.expression(depth - 1)
            return self.chance.choice(
                [f"not {one}", f"({one} and {two})", f"({one} or {two})", f"(not ({one}; {two};))"]
            )
        letter, other = self.chance.choice(LETTERS), self.chance.choice(LETTERS)
        return self.chance.choice(
            [
                f'message("{letter}")',
                f'message("^{letter}")',
                f'message("{letter}.*{other}")',
                f'message("[{letter}{other}]$")',
                f'message("{letter}" type(string) flags(substring))',
                f'message("{letter.upper()}" flags(ignore-case))',
                f'match("{letter}" value("x"))',
                f'program("{self.chance.choice(["prog", "sshd", "s.hd", "a"])}")',
                'program("s*d" type(glob))',
                f"level({self.chance.choice(LEVELS)}..{self.chance.choice(LEVELS)})",
                f"facility({self.chance.choice(['kern', 'mail', 'local0..local7', 'auth,authpriv', 'user..daemon'])})",
                f'"$MSG" {self.chance.choice(["eq", "ne", "lt", "ge"])} "{letter}{other}"',
            ]
        )


def smaller(tree: Tree) -> Iterator[Tree]:
    """The trees that lack one thing."""
    for index in range(len(tree.messages)):
        if len(tree.messages) > 1:
            yield replace(tree, messages=(*tree.messages[:index], *tree.messages[index + 1 :]))
    for paths in smaller_paths(tree.paths):
        if paths:
            yield replace(tree, paths=paths)


def smaller_paths(paths: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    for index, path in enumerate(paths):
        before, behind = paths[:index], paths[index + 1 :]
        yield (*before, *behind)
        yield from ((*before, less, *behind) for less in smaller_path(path))


def smaller_path(path: Path) -> Iterator[Path]:
    for index in range(len(path.flags)):
        yield replace(path, flags=(*path.flags[:index], *path.flags[index + 1 :]))
    for index, item in enumerate(path.items):
        before, behind = path.items[:index], path.items[index + 1 :]
        yield replace(path, items=(*before, *behind))
        if isinstance(item, Branches):
            yield from (replace(path, items=(*before, less, *behind)) for less in smaller_item(item))


def smaller_item(item: Branches) -> Iterator[Branches]:
    for index, path in enumerate(item.paths):
        is_else = item.has_else and index == len(item.paths) - 1
        before, behind = item.paths[:index], item.paths[index + 1 :]
        if len(item.paths) > 1 and (item.kind != "if" or index or not is_else):
            if is_else:
                yield replace(item, paths=before, has_else=False)
            elif item.kind != "if" or len(item.conditions) > 1:
                conditions = (*item.conditions[:index], *item.conditions[index + 1 :])
                yield replace(item, paths=(*before, *behind), conditions=conditions)
        yield from (replace(item, paths=(*before, less, *behind)) for less in smaller_path(path))


def shrunk(tree: Tree, run: Callable[[list[Case]], list[Verdict]]) -> Verdict:
    """The verdict of the smallest tree found that differs."""
    [verdict] = run([tree.case(0)])
    while True:
        trees = list(smaller(tree))
        verdicts = run([each.case(number) for number, each in enumerate(trees)]) if trees else []
        wrong = [(len(each.paths), number) for number, each in enumerate(trees) if verdicts[number].wrong]
        if not wrong:
            return verdict
        number = min(wrong)[1]
        tree, verdict = trees[number], verdicts[number]


def random_verdicts(count: int, seed: int) -> list[Verdict]:
    """The random cases that differ, each as small as it gets."""
    draw = Draw(random.Random(seed))
    found = []
    for start in range(0, count, 200):
        trees = [draw.tree() for _ in range(min(200, count - start))]
        verdicts = judge([tree.case(number) for number, tree in enumerate(trees)], {})
        for tree, verdict in zip(trees, verdicts, strict=True):
            if verdict.wrong:
                found.append(shrunk(tree, lambda cases: judge(cases, {})))
            if len(found) == 5:
                return found
    return found
