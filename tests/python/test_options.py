"""Each option that a configuration may have does what it says: from the configuration to the message or the
line."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from harness import Engine, StartEngine
from inrush import LogMessage, LogSource, ParseOptions
from inrush.testing import Refused, run

# Texts that one flag or another reads differently.
BSD = "<34>Oct 11 22:14:15 mymachine su[4321]: text"
PROBES: dict[str, str | bytes] = {
    "bsd": BSD,
    "host": "<34>Oct 11 22:14:15 my*machine su: text",
    "program": "<34>Oct 11 22:14:15 h s!u: text",
    "bad": "<34>1 oops",
    "lines": "<34>Oct 11 22:14:15 h p: one\ntwo",
    "bytes": b"<34>Oct 11 22:14:15 h p: \xff",
    "rfc5424": "<34>1 2026-10-11T22:14:15Z h p 1 - - text",
    "zone": "",
}
ALL = set(PROBES)
WITH_HEADER = ALL - {"bad", "rfc5424"}
NOTHING: set[str] = set()

# The words of flags(), the texts that each reads differently, and one value that it must give.
WORDS: list[tuple[str, set[str], tuple[str, str, str | None]]] = [
    ("no-parse", ALL, ("bsd", "MSG", BSD)),
    ("check-hostname", {"host"}, ("host", "HOST", None)),
    ("no-syslog-protocol syslog-protocol", NOTHING, ("rfc5424", "PID", "1")),
    ("no-syslog-protocol", {"bad", "rfc5424"}, ("rfc5424", "HOST", None)),
    ("assume-utf8", NOTHING, ("bytes", "MSG", "\ufffd")),
    ("validate-utf8", NOTHING, ("bytes", "MSG", "\ufffd")),
    ("sanitize-utf8", {"bytes"}, ("bytes", "MSG", "\\xff")),
    ("no-multi-line", {"lines"}, ("lines", "MSG", "one two")),
    ("dont-store-legacy-msghdr store-legacy-msghdr", NOTHING, ("bsd", "LEGACY_MSGHDR", "su[4321]: ")),
    ("dont-store-legacy-msghdr", WITH_HEADER, ("bsd", "LEGACY_MSGHDR", None)),
    ("store-raw-message", ALL - {"zone"}, ("bsd", "RAWMSG", BSD)),
    ("no-hostname expect-hostname", NOTHING, ("bsd", "HOST", "mymachine")),
    ("no-hostname", WITH_HEADER, ("bsd", "HOST", None)),
    ("guess-timezone", {"zone"}, ("zone", "age", "0 h")),
    ("no-header", ALL, ("bsd", "MSG", BSD.removeprefix("<34>"))),
    ("no-rfc3164-fallback", WITH_HEADER, ("bsd", "HOST", None)),
    ("no-piggyback-errors piggyback-errors", NOTHING, ("bad", "HOST", None)),
    ("no-piggyback-errors", {"bad"}, ("bad", "MSG", "<34>1 oops")),
    ("check-program", {"program"}, ("program", "PROGRAM", None)),
]
SHOWN = [
    "parse",
    "check-hostname",
    "syslog-protocol",
    "assume-utf8",
    "validate-utf8",
    "sanitize-utf8",
    "multi-line",
    "store-legacy-msghdr",
    "store-raw-message",
    "expect-hostname",
    "guess-timezone",
    "header",
    "rfc3164-fallback",
]


class Idle(LogSource):
    """Has its options, and nothing to do."""

    def run(self) -> None:
        """Ends at once."""


Seen = dict[str, dict[str, str | None]]


def seen(options: str) -> tuple[Seen, dict[str, bool]]:
    """The probes as the options of a source make them, and its `flags`."""
    source = run(Idle, config=f'time-zone("+00:00") {options}').source
    found: Seen = {}
    for name, text in PROBES.items():
        if name == "zone":
            # A clock that is three hours fast, or one of another zone.
            clock = datetime.now(timezone.utc) + timedelta(hours=3)
            text = clock.strftime("<34>%b %e %H:%M:%S h p: text")
        message = LogMessage.parse(text, source.parse_options)
        names = ("HOST", "PROGRAM", "PID", "MSG", "LEGACY_MSGHDR", "RAWMSG")
        found[name] = {field: message.get_as_str(field, None, errors="replace") for field in names}
        hours = (float(message.get_as_str("UNIXTIME", "0")) - time.time()) / 3600
        found[name]["age"] = f"{hours:.0f} h".replace("-0", "0") if name == "zone" else None
    return found, dict(source.flags)


@pytest.mark.parametrize(("words", "changed", "value"), WORDS, ids=[words for words, _, _ in WORDS])
def test_every_word_of_flags(words: str, changed: set[str], value: tuple[str, str, str | None]) -> None:
    """Without it: a flag is another flag, or none at all, and messages are parsed in another way than asked
    for."""
    plain, shown = seen("")
    found, now_shown = seen(f"flags({words})")
    for probe in PROBES:
        # What is in the text of this one changes from second to second.
        keep = [field for field in plain[probe] if probe != "zone" or field not in {"MSG", "RAWMSG"}]
        differs = any(found[probe][field] != plain[probe][field] for field in keep)
        assert differs == (probe in changed), (probe, plain[probe], found[probe])
    probe, field, expected = value
    assert found[probe][field] == expected
    last = words.split()[-1]
    flag = {"no-hostname": "no-expect-hostname"}.get(last, last.replace("dont-", "no-"))
    name = flag.removeprefix("no-")
    assert list(shown) == list(now_shown) == SHOWN
    expected_flags = shown | ({name: flag == name} if name in SHOWN else {})
    assert now_shown == expected_flags


POSTED = """
import time
from datetime import datetime, timezone
from syslogng import LogMessage, LogSource
class Source(LogSource):
    def run(self):
        message = LogMessage("one\\ntwo")
        message["HOST"], message["PROGRAM"], message["PID"], message["quoted"] = "h", "p", "42", 'a"b'
        message.set_timestamp(datetime(2026, 10, 11, 22, 14, 15, 123456, tzinfo=timezone.utc))
        self.post_message(message)
class Parsed(LogSource):
    def run(self):
        for text in (
            "<34>Oct 11 22:14:15 evil su: text",
            '<34>1 2026-10-11T22:14:15Z h p 1 - [a b="c"] text',
        ):
            self.post_message(LogMessage.parse(text, self.parse_options))
"""


def await_content(running: Engine, path: Path) -> None:
    """Waits until something was written to a file."""
    running.wait_until(lambda: path.exists() and path.read_text() != "", f"a line in {path.name}")


def lines(
    engine: StartEngine, tmp_path: Path, options: str, sources: str, files: dict[str, str]
) -> dict[str, str]:
    """The content of each of the files that one run writes."""
    destinations = "".join(
        f'destination {{ file("{name}.out" {option}); }}; ' for name, option in files.items()
    )
    running = engine(
        f"@version: current\noptions {{ {options} }};\npython {{{POSTED}}};\n"
        f"source s {{ {sources} }};\nlog {{ source(s); {destinations} flags(flow-control); }};\n"
    )
    for name in files:
        await_content(running, tmp_path / f"{name}.out")
    running.stop()
    return {name: (tmp_path / f"{name}.out").read_text() for name in files}


def test_options_of_a_file(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: an option of a destination is accepted and changes nothing."""
    stamp = r'template("$STAMP\n")'
    files = {
        "plain": stamp,
        "iso": f"{stamp} ts-format(iso)",
        "full": f"{stamp} ts-format(full)",
        "unix": f"{stamp} ts-format(unix)",
        "digits": f"{stamp} frac-digits(3)",
        "zone": r'template("$ISODATE\n") time-zone("+02:00")',
        "sent": r'template("$ISODATE\n") send-time-zone("-0330")',
        "escaped": r'template("${quoted}\n") template-escape(yes)',
        "one_line": r'template("$MSG\n") flags(no-multi-line)',
        "protocol": "flags(syslog-protocol)",
        "named": "template(t)",
        "unescaped": r'template("${quoted} $UNIQID\n")',
    }
    text = r'template t "named $PROGRAM\n"; '
    local = 'destination { file("$PROGRAM-$HOUR.out" template("local") local-time-zone("+05:00")); };'
    running = engine(
        f"@version: current\noptions {{ keep-hostname(yes); }};\npython {{{POSTED}}};\n{text}\n"
        'source s { python(class("Source")); };\nlog { source(s); '
        + "".join(f'destination {{ file("{name}.out" {option}); }}; ' for name, option in files.items())
        + f"{local} flags(flow-control); }};\n"
    )
    for name in [*files, "p-03"]:
        await_content(running, tmp_path / f"{name}.out")
    running.stop()
    found = {name: (tmp_path / f"{name}.out").read_text() for name in files}
    assert found.pop("protocol").startswith("<13>1 2026-10-11T22:14:15")
    assert found == {
        "plain": "Oct 11 22:14:15\n",
        "iso": "2026-10-11T22:14:15+00:00\n",
        "full": "2026 Oct 11 22:14:15\n",
        "unix": "1791756855\n",
        "digits": "Oct 11 22:14:15.123\n",
        "zone": "2026-10-12T00:14:15+02:00\n",
        "sent": "2026-10-11T18:44:15-03:30\n",
        "escaped": 'a\\"b\n',
        "one_line": "one two\n",
        "named": "named p\n",
        "unescaped": 'a"b \n',
    }


def test_global_options_of_lines(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: an option in `options {}` is accepted and changes nothing."""
    options = (
        'keep-hostname(yes); ts-format(iso); frac-digits(2); send-time-zone("+01:00"); template-escape(yes); '
        'use-uniqid(yes); perm(0640); file-template("F $STAMP ${quoted} $UNIQID\\n");'
    )
    found = lines(
        engine,
        tmp_path,
        options,
        'python(class("Source"));',
        {"global": "", "own": r'frac-digits(0) template("$STAMP\n")'},
    )
    first, stamp, quoted, unique = found["global"].rstrip("\n").split(" ")
    assert (first, stamp, quoted) == ("F", "2026-10-11T23:14:15.12+01:00", 'a\\"b')
    assert unique != ""
    assert found["own"] == "2026-10-11T23:14:15+01:00\n"
    assert (tmp_path / "global.out").stat().st_mode & 0o777 == 0o640


# Of what the source `Parsed` posts: PROGRAM, priority, zone, text, and the structured data under two names.
PARSED = r'template("$PROGRAM|$FACILITY|$SEVERITY|$TZ|$MSG|${.SDATA.a.b}|${sd.a.b}\n")'
PLAIN = ["su|auth|crit|+02:00|text||", "p|auth|crit|+00:00|text|c|"]


@pytest.mark.parametrize(
    ("options", "driver", "expected"),
    [
        ("", "", PLAIN),
        ("", 'time-zone("+03:00")', [PLAIN[0].replace("+02:00", "+03:00"), PLAIN[1]]),
        ('check-hostname(yes); bad-hostname("^evil");', "", ["evil|auth|crit|+02:00|su: text||", PLAIN[1]]),
        ('check-hostname(yes); bad-hostname("^good");', "", PLAIN),
        ("", 'sdata-prefix("sd.")', [PLAIN[0], "p|auth|crit|+00:00|text||c"]),
        (
            "",
            "format(raw) default-facility(security) default-severity(err)",
            [f"|security|err|+00:00|{text}||" for text in ("<34>Oct 11 22:14:15 evil su: text",)]
            + ['|security|err|+00:00|<34>1 2026-10-11T22:14:15Z h p 1 - [a b="c"] text||'],
        ),
    ],
    ids=["plain", "time-zone", "bad-hostname", "other-hostname", "sdata-prefix", "raw"],
)
def test_options_of_parsing(
    engine: StartEngine, tmp_path: Path, options: str, driver: str, expected: list[str]
) -> None:
    """Without it: an option of how messages are parsed is accepted and changes nothing."""
    options = f'keep-hostname(yes); recv-time-zone("+02:00"); {options}'
    found = lines(engine, tmp_path, options, f'python(class("Parsed") {driver});', {"all": PARSED})
    assert found["all"].splitlines() == expected


@pytest.mark.parametrize(
    ("word", "number"), [("security", 13), ("auth", 4), ("megasafe", 10), ("Clockd", 15), ("LOCAL3", 19)]
)
def test_a_facility_is_the_same_everywhere(word: str, number: int) -> None:
    """Without it: a name is one number in a configuration, and another for ParseOptions.make()."""
    configured = run(Idle, config=f"default-facility({word})").source.parse_options
    made = ParseOptions.make(default_facility=word)
    for options in (configured, made):
        assert LogMessage.parse("text", options).get_pri() == number * 8 + 5


@pytest.mark.parametrize(
    ("zone", "known"),
    [("Z", True), ("UTC", True), ("-0330", True), ("+24:00", False), ("Middle/Earth", False)],
)
def test_a_time_zone_is_the_same_everywhere(zone: str, known: bool) -> None:
    """Without it: a zone is known to a configuration and not to ParseOptions.make(), or the other way
    round."""
    if known:
        run(Idle, config=f'time-zone("{zone}")')
        ParseOptions.make(time_zone=zone)
        return
    with pytest.raises(Refused, match="unknown time zone"):
        run(Idle, config=f'time-zone("{zone}")')
    with pytest.raises(ValueError, match="time_zone: expected the name of a zone or an offset"):
        ParseOptions.make(time_zone=zone)


@pytest.mark.parametrize("word", ["kernel", "empty_lines", "threaded", "no-ignore-aux-data", "exit-on-eof"])
def test_flags_of_other_sources_are_refused(word: Any) -> None:
    """Without it: a flag without an effect is accepted, in a configuration or by ParseOptions.make()."""
    with pytest.raises(Refused, match="is a flag of sources that read files and sockets"):
        run(Idle, config=f"flags({word})")
    with pytest.raises(ValueError, match="is a flag of sources that read files and sockets"):
        ParseOptions.make(flags=[word])
