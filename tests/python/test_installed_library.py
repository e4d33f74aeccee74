"""The blocks of our library beside those of the same name in the library that Debian installs with syslog-ng: both run
here, over the same lines, and find the same, or what a table says that they do not."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness import ROOT, StartEngine, source_that
from test_credit_card import TEXTS
from test_device_parsers import CISCO, IPTABLES, PANOS

INSTALLED = Path(os.environ.get("SYSLOG_NG_SCL", "/usr/share/syslog-ng/include/scl"))
INSTALL = "apt-get install -y --no-install-recommends syslog-ng-scl"
OWN = ROOT / "python/inrush/scl"

pytestmark = pytest.mark.skipif(
    not (INSTALLED / "apache/apache.conf").is_file(),
    reason=f"the library of syslog-ng is not installed: {INSTALL}",
)

Found = dict[str, Any]


@dataclass
class Block:
    """A block of both libraries, and lines for it."""

    use: str
    own: str
    installed: str
    lines: list[str]
    program: str = "prog"
    # What our block does otherwise, and why: the number of the line, or -1 for all, and the names of values; without
    # names all of the line.
    wanted: dict[tuple[int, str], str] = field(default_factory=dict)


FLAG = "a flag behind a value is no part of it"
FORM = "a form that the installed one does not read: it is documented by the device's maker"
HEADER = "the header that the line came with is read, too, and says the host, the priority and the time"
CARD = "a number with blanks or dashes in it is that of a card; a longer or shorter one is none"

BLOCKS = [
    Block(
        "parser { iptables-parser(); };",
        "iptables.conf",
        "iptables/iptables.conf",
        IPTABLES,
        "kernel",
        {(0, ".iptables.ID"): FLAG, (0, ".iptables.RES"): FLAG, (1, ".iptables.ID"): FLAG},
    ),
    Block(
        "parser { sudo-parser(); };",
        "sudo.conf",
        "sudo/sudo.conf",
        [
            "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/apt update",
            "bob : command not allowed ; TTY=pts/1 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/cat /etc/shadow",
            "carol : TTY=unknown ; PWD=/ ; USER=www ; GROUP=adm ; TSID=00000A ; COMMAND=list",
        ],
        "sudo",
        {(1, ".sudo.REASON"): "why a command did not run, which the installed one leaves out"},
    ),
    Block(
        "parser { apache-accesslog-parser(); };",
        "apache.conf",
        "apache/apache.conf",
        [
            '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "-" "curl/7"',
            '::1 - - [10/Oct/2000:13:55:36 +0000] "OPTIONS * HTTP/1.0" 200 - "-" "Apache/2.4 (Unix) [x]"',
            'www.example.com:443 2001:db8::7 - a [10/Oct/2000:13:55:36 +0200] "POST /x HTTP/1.1" 201 17 "http://r/" "c"',
            "AH00558: httpd: Could not reliably determine the server's name",
        ],
    ),
    Block(
        "parser { cisco-parser(); };",
        "cisco.conf",
        "cisco/plugin.conf",
        [line for line, _ in CISCO],
        wanted={
            (-1, ".cisco.seqno"): "the number of the sequence is kept",
            (3, "HOST"): "a number of a sequence is no host",
            (6, "HOST"): FORM,
            **{(line, ""): FORM for line in (4, 7, 8, 9, 10)},
        },
    ),
    Block(
        "parser { fortigate-parser(); };",
        "fortigate.conf",
        "fortigate/fortigate.conf",
        [
            '<189>date=2019-05-10 time=11:37:47 logid="0000000013" type="traffic" level="notice" tz="-0700"'
            ' srcip=10.1.100.11 srcintf="port12" dstport=80 devname="FGT-1" action="close" msg="a b=c"',
            '<13>date=2021-01-15 time=12:58:59 devname="FORTI_111" devid="FG100D3G12801312" type="event"',
            "time=12:58:59 nothing of the kind",
        ],
        wanted={(-1, "HOST"): "devname is the host", (0, "date"): "tz is the zone of the time"},
    ),
    Block(
        "parser { panos-parser(); };",
        "panos.conf",
        "paloalto/panos.conf",
        PANOS,
        wanted={
            (0, ""): HEADER,
            (1, ""): HEADER,
            (2, ""): FORM,
            (-1, "HOST"): "device_name is the host",
            (-1, "date"): "time_generated is the time of the message",
            (4, ".panos.rest"): "what is behind the fields that all kinds have is kept",
        },
    ),
    Block(
        "parser { websense-parser(); };",
        "websense.conf",
        "websense/plugin.conf",
        [
            "<159>Dec 19 10:48:57 192.168.1.1 vendor=Websense product=Security product_version=7.7.0"
            " action=permitted severity=1 user=- src_port=62189 dst_host=imap.gmail.com url=https://imap.gmail.com",
            "vendor=Other product=Security",
        ],
        wanted={
            (0, "LEGACY_MSGHDR"): "$MSGHDR has the program, which stands in it anyway",
            (1, ""): "lines of another vendor are refused",
        },
    ),
    Block(
        "rewrite { credit-card-mask(); };",
        "credit-card.conf",
        "rewrite/cc-mask.conf",
        TEXTS,
        wanted={(line, "MESSAGE"): CARD for line in (1, 2, 7, 9, 13, 14)},
    ),
    Block(
        "rewrite { credit-card-hash(); };",
        "credit-card.conf",
        "rewrite/cc-mask.conf",
        TEXTS,
        wanted={(line, "MESSAGE"): CARD for line in (1, 2, 7, 9, 13, 14)},
    ),
]


def found(engine: StartEngine, library: str, block: Block) -> list[Found]:
    """What a block of a library has made of each line."""
    body = "".join(
        f"message = LogMessage({line!r})\nmessage['PROGRAM'] = {block.program!r}\n"
        "message['HOST'] = 'h'\nself.post_message(message)\n"
        for line in block.lines
    )
    values = "$(format-json --leave-initial-dot --scope all-nv-pairs --exclude SOURCE pri=$PRI tags=$TAGS"
    # The time of the message, unless it is that of its reception.
    away = "int('$S_UNIXTIME') < '$(- $R_UNIXTIME 3600)' or int('$S_UNIXTIME') > '$(+ $R_UNIXTIME 3600)'"
    values += f" date=$(if ({away}) $S_UNIXTIME reception) went=$(if tags(parsed) on off))"
    log = f'if {{ {block.use} rewrite {{ set-tag("parsed"); }}; }};'
    conf = source_that(body, driver="keep-hostname(yes)", head=f'@include "{library}"', log=log)
    running = engine(conf.replace('template("$MSG\\n")', f'template("{values}\\n")'))
    made = [json.loads(line) for line in running.wait_lines("out.log", len(block.lines))]
    assert running.stop().delivered == len(block.lines)
    (running.directory / "out.log").unlink()
    return made


def flat(value: Found, prefix: str = "") -> Found:
    """The values by their whole names."""
    values: Found = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            values |= flat(inner, f"{prefix}{name}.")
        else:
            values[f"{prefix}{name}"] = inner
    return values


@pytest.mark.parametrize("block", BLOCKS, ids=[block.use.split()[2].rstrip("();") for block in BLOCKS])
def test_both_find_the_same(engine: StartEngine, block: Block) -> None:
    """Breaks without it: somebody who leaves an installed library finds other values under the names of his queries."""
    own = found(engine, str(OWN / block.own), block)
    installed = found(engine, str(INSTALLED / block.installed), block)
    unwanted, unused = [], dict(block.wanted)
    for number, (ours, theirs) in enumerate(zip(own, installed, strict=True)):
        ours, theirs = flat(ours), flat(theirs)
        for name in sorted(ours.keys() | theirs.keys()):
            # What a pattern has matched on the way, and by whom a header was read, is nobody's result.
            is_by_the_way = name.isdigit() or name == "MSGFORMAT"
            if is_by_the_way or ours.get(name) == theirs.get(name):
                continue
            known = [key for key in ((number, name), (number, ""), (-1, name)) if key in block.wanted]
            for key in known:
                unused.pop(key, None)
            if not known:
                one = f"line {number}, {name}: ours {ours.get(name)!r}, installed {theirs.get(name)!r}"
                unwanted.append(one)
    assert not unwanted, "\n".join(unwanted)
    assert not unused, f"these differences are gone: {unused}"
