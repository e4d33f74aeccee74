"""The configuration that a group of cases has in common."""

from __future__ import annotations

import json
import re
from pathlib import Path

from compat.case import PATHS, Case, sorted_lines, unescaped

SOURCE = """
python {
import datetime
import json
import threading
import traceback
import syslogng
from syslogng import LogMessage, LogSource

# The base of parsers is younger than 3.38, where a class needs none.
LogParser = getattr(syslogng, "LogParser", object)

def value(text):
    data = text.encode("latin-1")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data

class CompatSource(LogSource):
    def init(self, options):
        self.case = options["case"]
        self.exiting = threading.Event()
        return True

    def post(self, case):
        if case["raw"]:
            message = LogMessage.parse(case["text"].encode("latin-1"), self.parse_options)
        else:
            message = LogMessage(value(case["text"]))
            message.set_pri(case["pri"])
        if case["stamp"]:
            message.set_timestamp(datetime.datetime.fromisoformat(case["stamp"]))
        if case["sender"]:
            message.set_source_ipaddress(case["sender"], 5140)
        for name, text in case["values"].items():
            message[name] = value(text)
        self.post_message(message)

    def run(self):
        try:
            with open(self.case, encoding="ascii") as file:
                for message in json.load(file):
                    self.post(message)
        except Exception:
            print("failed " + self.case + " " + repr(traceback.format_exc()), flush=True)
        print("done " + self.case, flush=True)
        self.exiting.wait()

    def request_exit(self):
        self.exiting.set()
};
"""

KIND = "source|destination|filter|parser|rewrite|template"
NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
DEFINITION = re.compile(rf'\b({KIND}|template-function|log|channel)(\s+)("?)({NAME})\3(?=\s*[{{"])')
REFERENCE = re.compile(rf'\b({KIND})(\(\s*"?)({NAME})(?="?\s*\))')
BLOCK = re.compile(rf"\bblock(\s+)(\S+)(\s+)({NAME})(?=\s*\()")
FUNCTION = re.compile(rf"\$\((template )?({NAME})(?=[\s)])")
FILE = re.compile(r"\b(D\d?)\s*;")
WRITTEN = re.compile(r"\bdestination\(\s*(D\d?)\s*\)")
TOKEN = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|#[^\n]*|\blog\b|[{}]""")
TEST = re.compile(r'(?<![\w"])m("[^"]*");?')
SET = re.compile(r'(?<![\w"])R("[^"]*");?')


def quoted(text: str) -> str:
    """A text between double quotes, as the configuration has it."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("\n", "\\n") + '"'


def own_path(case: Case) -> str:
    """The log path of the lines with keys, or the shortest one."""
    items = []
    for key, _, value in case.keys:
        if key == "item":
            items.append(value)
        elif key in PATHS:
            items.append(f"{key} {{ {value} }};")
    return f"log {{ SRC; {' '.join(items)} D; }};"


class Translated:
    """A case under a prefix: its part of the configuration, and its files."""

    def __init__(self, case: Case, number: int, directory: Path) -> None:
        self.case = case
        self.prefix = f"c{number}_"
        self.directory = directory / f"{number}-{case.name[:40].replace('/', '-').replace(' ', '-')}"
        text = case.configuration
        if any(case.has(key) for key in PATHS) or not text:
            text = f"{text}\n{own_path(case)}"
        self.outputs: list[str] = []
        self.text = self._destinations(self._sources(self._names(text)))

    def input(self, number: int) -> Path:
        """The messages of a source."""
        return self.directory / f"messages-{number}.json"

    def _sources(self, text: str) -> str:
        """The text with the sources that it names, or that post."""
        statements = ""
        for number in range(1, 10):
            name = "s" if number == 1 else f"s_{number}"
            suffix = "1?" if number == 1 else str(number)
            own = f'options("case" "{self.input(number)}") persist-name("{self.prefix}{name}")'
            options = " ".join(self.case.values("source"))
            driver = f'python(class("CompatSource") {own} {options})'
            text, drivers = re.subn(rf"\bDRIVER{suffix}\b", driver.replace("\\", "\\\\"), text)
            text, named = re.subn(rf"\bSRC{suffix}(?=\s*;)", f"source(CASE_{name})", text)
            is_used = named or re.search(rf"\bCASE_{name}\b", text) or number in self.case.sources
            if is_used and not drivers:
                statements += f"source CASE_{name} {{ {driver}; }};\n"
        return statements + text

    def _names(self, text: str) -> str:
        """The text with the prefix before the names that it defines, and without shorthands."""
        text = TEST.sub(r"filter { message(\1); };", text)
        text = SET.sub(r"rewrite { set(\1); };", text)
        known = {(kind, name) for kind, _, _, name in DEFINITION.findall(text)}
        blocks = {name for _, _, _, name in BLOCK.findall(text)}

        def define(found: re.Match[str]) -> str:
            return f"{found[1]}{found[2]}{found[3]}CASE_{found[4]}{found[3]}"

        def refer(found: re.Match[str]) -> str:
            own = (found[1], found[3]) in known
            return f"{found[1]}{found[2]}{'CASE_' if own else ''}{found[3]}"

        def call(found: re.Match[str]) -> str:
            kind = "template" if found[1] else "template-function"
            own = (kind, found[2]) in known
            return f"$({found[1] or ''}{'CASE_' if own else ''}{found[2]}"

        text = DEFINITION.sub(define, text)
        text = REFERENCE.sub(refer, text)
        text = FUNCTION.sub(call, text)
        for name in sorted(blocks):
            text = re.sub(rf"(?<![\w$-]){re.escape(name)}(?=\s*\()", f"CASE_{name}", text)
        self.functions = {name for kind, name in known if kind in ("template", "template-function")}
        return text

    def _destinations(self, text: str) -> str:
        """The text with the files that it writes to."""
        text = FILE.sub(r"destination(\1);", text)
        self.outputs = sorted({*WRITTEN.findall(text)})
        text = WRITTEN.sub(r"destination(CASE_\1)", text)
        files = ""
        for name in self.outputs:
            if re.search(rf"\bdestination\s+CASE_{name}\s*{{", text):
                continue
            own = [value for key, to, value in self.case.keys if key == "print" and to == name]
            lines = own or [value for key, to, value in self.case.keys if key == "print" and not to]
            template = quoted("\n".join(lines or ["$MSG"]) + "\n")
            for known in self.functions:
                template = re.sub(
                    rf"\$\((template )?{re.escape(known)}(?=[\s)])", rf"$(\1CASE_{known}", template
                )
            options = f"template({template}) log-fifo-size(100000)"
            files += f'destination CASE_{name} {{ file("{self.directory}/{name}" {options}); }};\n'
        # A template is known only behind its statement.
        text = self._behind_templates(text, files)
        return re.sub(r"\bDIR\b(?=[/\"')])", str(self.directory), text).replace("CASE_", self.prefix)

    @staticmethod
    def _behind_templates(text: str, files: str) -> str:
        """The text with these statements before its first log path."""
        depth = 0
        for token in TOKEN.finditer(text):
            is_block = re.search(r"\bblock\s+$", text[: token.start()])
            if token[0] == "log" and depth == 0 and not is_block:
                return f"{text[: token.start()]}\n{files}{text[token.start() :]}"
            depth += {"{": 1, "}": -1}.get(token[0], 0)
        return text + files

    def prepare(self) -> None:
        """Makes its directory and its input."""
        self.directory.mkdir(parents=True)
        for number in self.case.sources | {1}:
            messages = [message.plain() for message in self.case.messages if message.source == number]
            self.input(number).write_text(json.dumps(messages))
        for key, name, text in self.case.keys:
            if key == "file":
                (self.directory / name).write_bytes(unescaped(text))

    def written(self) -> dict[str, bytes]:
        """What it has written, without the prefix."""
        found = {}
        for name in self.outputs:
            path = self.directory / name
            data = path.read_bytes() if path.exists() else b""
            data = data.replace(self.prefix.encode(), b"")
            if len(self.case.sources) > 1:
                data = sorted_lines(data)
            found[name] = data
        return found


def configuration(cases: list[Translated]) -> str:
    """The whole configuration of cases of one version."""
    first = cases[0].case
    options = " ".join(first.values("options"))
    text = f"@version: {first.version}\noptions {{ keep-hostname(yes); use-dns(no); {options} }};\n"
    text += SOURCE
    for translated in cases:
        text += f"\n# {translated.case.path}\n{translated.text}\n"
    return text
