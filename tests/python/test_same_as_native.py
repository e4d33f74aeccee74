"""The same message as through syslog-ng: a line in a file is what its users know.

What syslog-ng 3.38 can be asked about is in `tests/compat`. Here is what depends on the machine's name or the
sender's address, and what later versions do.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness import StartEngine, read_lines
from inrush import LogMessage

SOURCE = """@version: current
options {{ use-dns(no); }};
python {{
from syslogng import LogMessage, LogSource

class Source(LogSource):
    def run(self):
        for text, values, address in {cases!r}:
            if text is None:
                message = LogMessage("text")
            else:
                message = LogMessage.parse(text, self.parse_options)
            for name, value in values.items():
                message[name] = value
            if address:
                message.set_source_ipaddress(address, 5140)
            self.post_message(message)
        print("done", flush=True)
}};
source s_in {{ python(class("Source") {options}); }};
destination d {{ file("out.log" template("{template}\\n")); }};
log {{ source(s_in); destination(d); flags(flow-control); }};
"""

Case = tuple[str | bytes | None, dict[str, object], str | None]


def lines(
    engine: StartEngine, tmp_path: Path, template: str, cases: list[Case], options: str = ""
) -> list[str]:
    """The text that the template makes of each message."""
    running = engine(SOURCE.format(cases=cases, template=template, options=options))
    running.wait_print("done")
    running.stop()
    return [line.decode() for line in read_lines(tmp_path / "out.log")]


HOSTS: list[Case] = [
    (None, {}, None),
    (None, {"HOST": "alpha"}, None),
    (None, {"HOST": "src@relay/o"}, None),
    (None, {"HOST": ""}, None),
    (None, {}, "192.0.2.7"),
    (None, {"HOST": "alpha"}, "192.0.2.7"),
    ("<34>Oct 11 22:14:15 alpha su: x", {}, None),
    ("<34>Oct 11 22:14:15 src@relay/o su: x", {}, "192.0.2.7"),
    ("<34>1 - - su - - - x", {}, None),
]
CHAINED = [
    "vm|vm/vm",
    "alpha|alpha/vm",
    "relay|src@relay/o/vm",
    "vm|vm/vm",
    "192.0.2.7|192.0.2.7/192.0.2.7",
    "alpha|alpha/192.0.2.7",
    "alpha|alpha/vm",
    "relay|src@relay/o/192.0.2.7",
    "vm|vm/vm",
]
KEPT = [
    "vm|vm/vm",
    "alpha|alpha",
    "src@relay/o|src@relay/o",
    "vm|vm/vm",
    "192.0.2.7|192.0.2.7/192.0.2.7",
    "alpha|alpha",
    "alpha|alpha",
    "src@relay/o|src@relay/o",
    "vm|vm/vm",
]
REPLACED = ["vm|vm"] * 4 + ["192.0.2.7|192.0.2.7"] * 2 + ["vm|vm", "192.0.2.7|192.0.2.7", "vm|vm"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", REPLACED),
        ("chain-hostnames(yes)", CHAINED),
        ("chain-hostnames(yes) keep-hostname(yes)", KEPT),
        ("chain-hostnames(yes) host-override(x)", ["x|x"] * len(HOSTS)),
    ],
)
def test_host_names(engine: StartEngine, tmp_path: Path, options: str, expected: list[str]) -> None:
    """Without it: a relay calls hosts by other names than the relay that it replaces."""
    written = lines(engine, tmp_path, "$HOST|$FULLHOST|$LOGHOST", HOSTS, options)
    own = written[0].rsplit("|", 1)[1]
    assert [line.rsplit("|", 1)[0] for line in written] == [line.replace("vm", own) for line in expected]


def test_chained_hosts_in_the_lines_without_a_template(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: the default line or the RFC 5424 header names one host of the chain."""
    conf = SOURCE.format(cases=HOSTS[1:3], template="$LOGHOST", options="chain-hostnames(yes)")
    conf += 'log { source(s_in); destination { file("bsd.log"); file("new.log" flags(syslog-protocol)); }; };'
    running = engine(conf)
    running.wait_print("done")
    running.wait_lines("bsd.log", 2)
    running.wait_lines("new.log", 2)
    running.stop()
    own = read_lines(tmp_path / "out.log")[0].decode()
    for line, host in zip(read_lines(tmp_path / "bsd.log"), ["alpha", "src@relay/o"], strict=True):
        assert line.decode().endswith(f" {host}/{own} text")
    for line, host in zip(read_lines(tmp_path / "new.log"), ["alpha", "src@relay/o"], strict=True):
        assert line.decode().split(" ")[2] == f"{host}/{own}"


def test_sequence_numbers(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: messages of programs are counted, or lose the number that they came with."""
    cases: list[Case] = [
        (None, {}, None),
        ('<34>1 - h p - - [meta sequenceId="9"] x', {}, None),
        ("<34>29: Oct 11 22:14:15: %SYS-5: x", {}, "192.0.2.7"),
        (None, {".SDATA.meta.sequenceId": "12x"}, None),
        (None, {".SDATA.meta.sequenceId": "0"}, None),
        (None, {"SEQNUM": "5"}, None),
    ]
    written = lines(engine, tmp_path, "$SEQNUM|$SDATA", cases)
    assert written == [
        "|",
        '9|[meta sequenceId="9"]',
        '29|[meta sequenceId="29"]',
        '12|[meta sequenceId="12x"]',
        '|[meta sequenceId="0"]',
        "|",
    ]


def test_messages_of_the_engine_are_counted(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: internal() has no numbers, or those of other messages between them."""
    conf = SOURCE.format(cases=[(None, {}, None)] * 5, template="$SEQNUM|$SDATA|$HOST|$FULLHOST", options="")
    conf += "source s_own { internal(chain-hostnames(yes)); }; log { source(s_own); destination(d); };"
    running = engine(conf)
    running.wait_print("done")
    running.wait_lines("out.log", 6)
    running.stop()
    written = [line.decode().split("|") for line in read_lines(tmp_path / "out.log")]
    counted = [line for line in written if line[3].startswith("s_own@")]
    assert counted
    assert len(written) == len(counted) + 5
    own = counted[0][2]
    assert counted == [
        [str(number), f'[meta sequenceId="{number}"]', own, f"s_own@{own}"]
        for number in range(1, len(counted) + 1)
    ]


def test_the_peer_that_a_source_sets(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: PEERIP and PEERPORT of a source behind a proxy are lost."""
    cases: list[Case] = [
        (None, {"PEERIP": "198.51.100.1", "PEERPORT": 77}, "192.0.2.7"),
        (None, {}, "192.0.2.7"),
        (None, {"PEERIP": "198.51.100.1"}, None),
    ]
    assert lines(engine, tmp_path, "$PEERIP $PEERPORT $SOURCEIP $SOURCEPORT", cases) == [
        "198.51.100.1 77 192.0.2.7 5140",
        "192.0.2.7 5140 192.0.2.7 5140",
        "198.51.100.1 0 127.0.0.1 0",
    ]
    message = LogMessage("x")
    message.set_source_ipaddress("192.0.2.7", 5140)
    assert (message["PEERIP"], message["PEERPORT"]) == (b"192.0.2.7", 5140)
    message["PEERIP"] = "198.51.100.1"
    message["PEERPORT"] = 77
    assert (message["PEERIP"], message["PEERPORT"]) == (b"198.51.100.1", 77)
    assert message.items()[1:] == [(b"PEERIP", b"198.51.100.1"), (b"PEERPORT", 77)]
    keys = message.keys()
    assert len(keys) == len(set(keys))
    del message["PEERIP"]
    assert message["PEERIP"] == b"192.0.2.7"


PARSED: list[tuple[bytes, str]] = [
    (b"<34>   su[1]: x", "vm|su|1|su[1]: |x||syslog:rfc3164"),
    (
        b"<34>29: *Oct 11 22:14:15: %S: x",
        'vm|%S||%S: |x|[meta sequenceId="29"][timeQuality isSynced="0"]|syslog:rfc3164',
    ),
    (
        b"<34>29: .Oct 11 22:14:15: %S: x",
        'vm|%S||%S: |x|[meta sequenceId="29"][timeQuality isSynced="1"]|syslog:rfc3164',
    ),
    (b"<34>*Oct 11 22:14:15: %S: x", 'vm|%S||%S: |x|[timeQuality isSynced="0"]|syslog:rfc3164'),
    (b"<34>29: Oct 11 22:14:15: %S: x", 'vm|%S||%S: |x|[meta sequenceId="29"]|syslog:rfc3164'),
    (b'<34>1 - h p - - [a x=1 y="2" z=] m', 'h|p||p: |m|[a x="1" y="2" z=""]|syslog:rfc5424'),
    (b"30 <34>Oct 11 22:14:15 host su: x", "host|su||su: |x||syslog:rfc3164"),
    (b"21 <34>1 - h p - - - m", "h|p||p: |m||syslog:rfc5424"),
    (b"12 su: x", "vm|12||12 |su: x||syslog:rfc3164"),
]


def test_parsed_messages(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: what a sender gets wrong costs a message its fields."""
    cases: list[Case] = [(text, {}, None) for text, _ in PARSED]
    template = "$HOST|$PROGRAM|$PID|$MSGHDR|$MSG|$SDATA|$MSGFORMAT|$LOGHOST"
    written = [line.rsplit("|", 1) for line in lines(engine, tmp_path, template, cases, "keep-hostname(yes)")]
    expected = [line.replace("vm|", f"{written[0][1]}|") for _, line in PARSED]
    assert [line for line, _ in written] == expected


def test_raw_messages(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: the format of a message that is not parsed has no name."""
    cases: list[Case] = [("<34>x", {}, None)]
    assert lines(engine, tmp_path, "$MSGFORMAT $MSG", cases, "flags(no-parse)") == ["raw <34>x"]


def test_a_repeated_parameter_has_its_last_value(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: Python or a template reads the first of several values, or one is not shown."""
    text = '<34>1 - h p - - [a x="1" x="2"][a x="3" y="4"] m'
    template = "${.SDATA.a.x} ${.SDATA.a.y} $SDATA"
    cases: list[Case] = [(text, {}, None), (text, {".SDATA.a.x": "5"}, None)]
    assert lines(engine, tmp_path, template, cases) == [
        '3 4 [a x="1" x="2"][a x="3" y="4"]',
        '5 4 [a][a x="5" y="4"]',
    ]


def test_lists_are_one_line(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: an element with a newline makes two lines of one, or is quoted as no other program reads
    it."""
    elements: list[str | bytes] = [
        "a\nb\\c\x01",
        "it's",
        'say "x"',
        'it\'s "x"',
        "",
        "a,b",
        "a\x01b",
        b"caf\xe9",
        b"x \xe9",
        "é",
    ]
    case: Case = (None, {"list": elements, "1": "one", "3": "th,ree"}, None)
    running = engine(SOURCE.format(cases=[case], template="$list|$*|$TAGS", options='tags("a b" "c")'))
    running.wait_print("done")
    running.stop()
    [line] = read_lines(tmp_path / "out.log")
    encoded = b'"a\\nb\\\\c\\x01","it\'s",\'say "x"\',"it\'s \\"x\\"","","a,b",a\x01b,caf\xe9,"x \\xe9",'
    assert line == encoded + 'é|one,"","th,ree"|"a b",c,.source.s_in'.encode()
    message = LogMessage("x")
    message["list"] = elements
    wanted = [element if isinstance(element, bytes) else element.encode() for element in elements]
    assert message["list"] == wanted
    text = message.get_as_str("list", encoding="latin-1")
    assert text is not None
    assert text.encode("latin-1") == encoded + "é".encode()


def test_templates_of_any_bytes(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: a template for a receiver of Latin-1 is refused, or a name of a file is another one."""
    conf = SOURCE.format(cases=[(None, {}, None)], template="$HOST@example.com \\xe9$MSG", options="")
    conf += 'log { source(s_in); destination { file("caf\\xe9-$PRI.log" template("$MSG\\n")); }; };'
    running = engine(conf)
    running.wait_print("done")
    other = tmp_path / os.fsdecode(b"caf\xe9-13.log")
    running.wait_until(lambda: other.exists() and other.read_bytes() == b"text\n", "the other file")
    running.stop()
    [line] = read_lines(tmp_path / "out.log")
    assert line.endswith(b"@example.com \xe9text")
    assert "is a character" not in running.stderr.text


def test_doubtful_templates_are_told(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: an `@` that is taken as a character stops the engine, or nobody is told."""
    running = engine(SOURCE.format(cases=[(None, {}, None)], template="${MSG}@x $()|", options=""))
    running.wait_print("done")
    running.wait_log("this `@` is a character")
    running.wait_log("no function name")
    running.stop()
    assert read_lines(tmp_path / "out.log") == [b"text@x |"]
