"""Texts for parsers, and what is found in them: made alike by the sources and by whoever checks what arrived."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Record(NamedTuple):
    """A text with its number, what a parser makes of it, and the template that writes that."""

    title: str
    # The parser's statement.
    parser: str
    text: Callable[[int], str]
    template: str
    line: Callable[[int], str]
    # Writes the files that the parser reads into a directory.
    files: Callable[[Path], None] | None = None
    # The same parser as Inrush alone has it.
    ours: str = ""
    # How many times as fast as syslog-ng it is to be.
    bound: int = 6


def firewall(number: int) -> str:
    """What a firewall sends, in pairs."""
    return (
        f'date=2026-10-11 time=22:14:15 devname="fw-{number}" level=notice srcip=192.0.2.17 srcport={number} '
        f'dstip=198.51.100.4 dstport=443 action=accept policyid=12 service="HTTPS" sentbyte=1024 msg="a session ended"'
    )


def access(number: int) -> str:
    """What a web server writes, in columns."""
    return (
        f'192.0.2.17,"bob, the builder",GET,/pages/{number}.html,200,10240,"Mozilla/5.0 (X11; Linux x86_64; rv:140.0)",'
        "https://example.com/index.html,0.012"
    )


def request(number: int) -> str:
    """What a web server writes, in columns without quotes."""
    return (
        f"192.0.2.17,bob,GET,/pages/{number}.html,200,10240,Mozilla/5.0 (X11; Linux x86_64; rv:140.0),"
        "https://example.com/index.html,0.012"
    )


def login(number: int) -> str:
    """What sshd says of a login."""
    return f"Accepted publickey for bob from 192.0.2.17 port {number} ssh2: RSA SHA256:Jm5cP0yTuC3wd8nvTWbVpGz1qkFhSx4e"


def moment(number: int) -> str:
    """A time as web servers write it: seconds of an hour."""
    return f"11/Oct/2026:22:{number // 60:02}:{number % 60:02} +0200"


def document(number: int) -> str:
    """What a service writes: a document of ten keys, of 300 bytes."""
    return (
        f'{{"time":"2026-10-11T22:14:15.003Z","level":"info","host":"web-17.example.com","service":"checkout",'
        f'"user":"alice@example.com","address":"192.0.2.17","status":200,"duration":0.125,"path":"/cart/{number}",'
        '"message":"the cart was paid, and the order is on its way to the warehouse in the north of the town, where it waits"}'
    )


RULES = 1000


def service(number: int) -> str:
    """What one of a thousand services says of a user."""
    return f"service{number} took 17 ms for user bob of 192.0.2.17, session 4711 of a day with a thousand of them, and no error at all"


def patterns(directory: Path) -> None:
    """The pattern database of these services, a rule for each."""
    rule = (
        '<rule id="r{0}" class="service" provider="perf"><patterns><pattern>service{0} took @NUMBER:.db.ms@ ms for user '
        "@ESTRING:.db.user: @of @IPv4:.db.ip@, session @NUMBER:.db.session@</pattern></patterns></rule>"
    )
    rules = "".join(rule.format(number) for number in range(1000, 1000 + RULES))
    text = f'<patterndb version="4"><ruleset name="r" id="s"><rules>{rules}</rules></ruleset></patterndb>'
    (directory / "patterndb.xml").write_text(text)


RECORDS = {
    "json": Record(
        "`json-parser` of 10 keys",
        'json-parser(prefix(".app."));',
        document,
        "${.app.level} ${.app.host} ${.app.user} ${.app.status} ${.app.path}\\n",
        lambda number: f"info web-17.example.com alice@example.com 200 /cart/{number}",
    ),
    "csv": Record(
        "`csv-parser` of 9 columns",
        'csv-parser(columns("ip", "user", "method", "url", "status", "bytes", "agent", "referrer", "seconds") '
        'delimiters(",") prefix(".csv."));',
        access,
        "${.csv.ip} ${.csv.user} ${.csv.url} ${.csv.status} ${.csv.seconds}\\n",
        lambda number: f"192.0.2.17 bob, the builder /pages/{number}.html 200 0.012",
    ),
    "date": Record(
        "`date-parser` of one format",
        'date-parser(format("%d/%b/%Y:%H:%M:%S %z"));',
        moment,
        "${S_ISODATE}\\n",
        lambda number: f"2026-10-11T22:{number // 60:02}:{number % 60:02}+02:00",
    ),
    "regexp": Record(
        "`regexp-parser` of 6 named groups",
        r"regexp-parser(patterns('^(?<result>\w+) (?<method>\w+) for (?<user>\S+) from (?<ip>[\d.]+) port (?<port>\d+) "
        r"""(?<version>\w+)') prefix(".ssh."));""",
        login,
        "${.ssh.result} ${.ssh.user} ${.ssh.ip} ${.ssh.port} ${.ssh.version}\\n",
        lambda number: f"Accepted bob 192.0.2.17 {number} ssh2",
    ),
    "kv": Record(
        "`kv-parser` of 13 pairs",
        'kv-parser(prefix(".fw."));',
        firewall,
        "${.fw.devname} ${.fw.srcip} ${.fw.srcport} ${.fw.action} ${.fw.msg}\\n",
        lambda number: f"fw-{number} 192.0.2.17 {number} accept a session ended",
    ),
    "python": Record(
        "`python` with `parse()`, which sets two values",
        'python(class("perf.sources.parsers.One"));',
        request,
        "${.py.user} ${.py.url}\\n",
        lambda number: f"bob /pages/{number}.html",
        bound=2,
    ),
    "python_batch": Record(
        "`python` with `parse_batch()` beside syslog-ng's `parse()`, which sets two values",
        'python(class("perf.sources.parsers.One"));',
        request,
        "${.py.user} ${.py.url}\\n",
        lambda number: f"bob /pages/{number}.html",
        bound=4,
        ours='python(class("perf.sources.parsers.Many"));',
    ),
    "db": Record(
        "`db-parser` of 1,000 rules",
        'db-parser(file("DIR/patterndb.xml"));',
        service,
        "${.classifier.rule_id} ${.db.ms} ${.db.user} ${.db.ip} ${.db.session}\\n",
        lambda number: f"r{number} 17 bob 192.0.2.17 4711",
        patterns,
        bound=4,
    ),
}
NUMBERS = range(1000, 2000)


def record_texts(name: str) -> list[str]:
    """A cycle of texts, numbered from 1000 so that all have one length."""
    return [RECORDS[name].text(number) for number in NUMBERS]


def record_lines(name: str) -> list[str]:
    """The lines that the template writes for each of them."""
    return [RECORDS[name].line(number) for number in NUMBERS]
