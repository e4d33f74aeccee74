"""A case, and how it is read from the file of its family."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PATHS = ("filter", "rewrite", "parser", "item")
KEYS = ("version", "print", "source", "options", "file", "alone", "only", "refused", *PATHS)

KEY = re.compile(rf"({'|'.join(KEYS)})(?: ([^\s:]+))?:(?: (.*)|$)")
POSTED = re.compile(r"([2-9])?(>>?)(?: (.*)|$)")
EXPECTED = re.compile(r"(D\d?)(:|\|)(?: (.*)|$)")
WORDS = re.compile(r'"([^"]*)"|(\S+)')
ESCAPE = re.compile(r"\\(n|t|r|0|\\|x[0-9a-fA-F]{2})")
BRACKET = re.compile(r'\[((?:[^\]"]|"[^"]*")*)\] ?')
ATTRIBUTE = re.compile(r'(-)?([^\s="]+)(?:=(?:"([^"]*)"|(\S*)))?')
BYTES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}

Output = dict[str, bytes]


class CaseError(Exception):
    """A case that cannot be read."""


@dataclass
class Message:
    """A message that the source of a case posts."""

    text: bytes
    values: dict[str, bytes] = field(default_factory=dict)
    pri: int = 13
    stamp: str | None = None
    sender: str | None = None
    is_raw: bool = False
    # The number of its source.
    source: int = 1

    def plain(self) -> dict[str, object]:
        """The message for the source, as JSON has it."""
        return {
            "text": self.text.decode("latin-1"),
            "values": {name: value.decode("latin-1") for name, value in self.values.items()},
            "pri": self.pri,
            "stamp": self.stamp,
            "sender": self.sender,
            "raw": self.is_raw,
        }


@dataclass
class Case:
    """A configuration, messages, and what is expected of them."""

    family: str
    name: str
    version: str = "4.0"
    # The keys, each with its argument and its value, in their order.
    keys: list[tuple[str, str, str]] = field(default_factory=list)
    configuration: str = ""
    messages: list[Message] = field(default_factory=list)
    expected: Output | None = None

    @property
    def path(self) -> str:
        """The family and the name."""
        return f"{self.family}/{self.name}"

    def values(self, key: str) -> list[str]:
        """The values of a key."""
        return [value for known, _, value in self.keys if known == key]

    def has(self, key: str) -> bool:
        """Whether it has a key."""
        return any(known == key for known, _, _ in self.keys)

    @property
    def sources(self) -> set[int]:
        """The numbers of the sources that post."""
        return {each.source for each in self.messages}

    @property
    def is_alone(self) -> bool:
        """Whether it shares its process with no other case."""
        return self.has("alone") or self.has("options") or self.has("refused")


def unescaped(text: str) -> bytes:
    """The bytes that a text stands for."""
    found = bytearray()
    end = 0
    for escape in ESCAPE.finditer(text):
        found += text[end : escape.start()].encode()
        name = escape[1]
        found += bytes.fromhex(name[1:]) if name[0] == "x" else BYTES[name]
        end = escape.end()
    return bytes(found + text[end:].encode())


def words(text: str) -> list[str]:
    """The words of a text; one in quotes may have blanks."""
    return [quoted if bare == "" else bare for quoted, bare in WORDS.findall(text)]


def message(text: str) -> Message:
    """The message that a line stands for."""
    made = Message(b"", {"PROGRAM": b"prog", "PID": b"42", "HOST": b"h"})
    bracket = BRACKET.match(text)
    if bracket is not None:
        for removes, name, quoted, bare in ATTRIBUTE.findall(bracket[1]):
            value = quoted or bare
            if removes:
                made.values.pop(name, None)
            elif name == "raw":
                made.is_raw, made.values = True, {}
            elif name == "pri":
                made.pri = int(value)
            elif name == "stamp":
                made.stamp = value
            elif name == "from":
                made.sender = value
            else:
                made.values[name] = unescaped(value)
        text = text[bracket.end() :]
    made.text = unescaped(text)
    return made


def expected_line(output: Output, line: str) -> bool:
    """Puts what a line says into what is expected; false where it says nothing of that."""
    found = EXPECTED.fullmatch(line)
    if found is None:
        return False
    name, how, rest = found[1], found[2], found[3] or ""
    lines = [rest] if how == "|" else words(rest)
    output[name] = output.get(name, b"") + b"".join(unescaped(each) + b"\n" for each in lines)
    return True


def sections(path: Path) -> list[tuple[str, list[str]]]:
    """The parts of a file that start with `=== name`, each with its lines."""
    found: list[tuple[str, list[str]]] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("=== "):
            name = line[4:].strip()
            if any(name == known for known, _ in found):
                raise CaseError(f"{path.name}:{number}: there is already a case `{name}`")
            found.append((name, []))
        elif found and not line.startswith("#"):
            found[-1][1].append(line)
        elif line.strip() and not line.startswith("#"):
            raise CaseError(f"{path.name}:{number}: expected `=== name` or a comment")
    return found


def sorted_lines(data: bytes) -> bytes:
    """The lines of a file that several sources write to: their order says nothing."""
    return b"".join(sorted(data.splitlines(keepends=True)))


def read_case(family: str, name: str, lines: list[str]) -> Case:
    """The case that these lines stand for."""
    case = Case(family, name)
    configuration: list[str] = []
    expected: Output = {}
    for line in lines:
        key = None if case.messages else KEY.fullmatch(line)
        if key is not None:
            case.keys.append((key[1], key[2] or "", (key[3] or "").strip()))
        elif (posted := POSTED.fullmatch(line)) is not None:
            text = posted[3] or ""
            texts = [text] if posted[2] == ">" else words(text)
            made = [message(text) for text in texts]
            for each in made:
                each.source = int(posted[1] or 1)
            case.messages += made
        elif not expected_line(expected, line) and (line.strip() or configuration):
            if case.messages and line.strip():
                raise CaseError(f"{case.path}: `{line}` stands behind the messages")
            configuration.append(line)
    case.configuration = "\n".join(configuration).strip()
    if len(case.sources) > 1:
        expected = {file: sorted_lines(data) for file, data in expected.items()}
    case.expected = expected or None
    case.version = (case.values("version") or [case.version])[-1]
    if not case.has("refused") and not case.messages:
        raise CaseError(f"{case.path}: it has no messages")
    if case.has("only") and case.expected is None and not case.has("refused"):
        raise CaseError(f"{case.path}: nobody says what is expected")
    return case


def read_family(path: Path) -> list[Case]:
    """The cases of a file."""
    return [read_case(path.stem, name, lines) for name, lines in sections(path)]


def families() -> list[Path]:
    """The files of all families."""
    return sorted((HERE / "cases").glob("*.conf"))


@dataclass
class Difference:
    """A difference between the engines that is wanted."""

    native: str = ""
    ours: str = ""
    why: str = ""
    # What syslog-ng writes, where that is to be checked, too.
    output: Output | None = None


def read_differences(path: Path = HERE / "differences.txt") -> dict[str, Difference]:
    """The wanted differences, by the paths of the cases."""
    found = {}
    for name, lines in sections(path):
        entry, output = Difference(), Output()
        last = ""
        for line in lines:
            key, colon, value = line.partition(": ")
            if colon and key in ("native", "ours", "why"):
                last = key
                setattr(entry, key, value.strip())
            elif line.startswith("  ") and last:
                setattr(entry, last, f"{getattr(entry, last)} {line.strip()}")
            elif line.strip() and not expected_line(output, line):
                raise CaseError(f"{path.name}: {name}: `{line}` is no `native:`, `ours:` or `why:`")
        if not (entry.native and entry.ours and entry.why):
            raise CaseError(f"{path.name}: {name}: `native:`, `ours:` and `why:` are needed")
        entry.output = output or None
        found[name] = entry
    return found
