"""The parsers of the library for what devices and programs write, with lines from their own documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness import StartEngine, free_port, source_that

Found = dict[str, Any]


def parsed(
    engine: StartEngine, parser: str, lines: list[str], prefix: str, program: str = "", also: str = ""
) -> list[Found]:
    """The values that a parser has found in each line, or nothing where it refuses the line."""
    body = "".join(
        f"message = LogMessage({line!r})\nmessage['PROGRAM'] = {program!r}\nself.post_message(message)\n"
        for line in lines
    )
    log = f'if {{ parser {{ {parser}; }}; rewrite {{ set-tag("parsed"); }}; }};'
    values = f"$(format-json --leave-initial-dot --key {prefix}* refused=$(if tags(parsed) no yes) {also})"
    conf = source_that(body, driver="keep-hostname(yes)", head='@include "scl.conf"', log=log)
    running = engine(conf.replace('template("$MSG\\n")', f'template("{values}\\n")'))
    found = [json.loads(line) for line in running.wait_lines("out.log", len(lines))]
    assert running.stop().delivered == len(lines)
    return [{} if one.pop("refused") == "yes" else one for one in found]


def below(found: Found, prefix: str) -> Found:
    """The values behind a prefix, whose dots are levels."""
    [name] = [part for part in prefix.split(".") if part]
    inner: Found = found[f".{name}"] if f".{name}" in found else found[name]
    return inner


IPTABLES = [
    "[UFW BLOCK] IN=eth0 OUT= MAC=00:16:3e:a1:b2:c3:00:16:3e:d4:e5:f6:08:00 SRC=192.0.2.7 DST=198.51.100.1 LEN=60"
    " TOS=0x00 PREC=0x00 TTL=57 ID=24095 DF PROTO=TCP SPT=55422 DPT=22 WINDOW=29200 RES=0x00 SYN URGP=0",
    "[94212.118] drop: IN= OUT=wlan0 SRC=10.0.0.2 DST=10.0.0.255 LEN=78 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=UDP"
    " SPT=137 DPT=137 LEN=58",
]


@pytest.mark.parametrize(
    ("parser", "program"),
    [("iptables-parser()", "anything"), ("app-parser(topic(syslog))", "kernel")],
)
def test_iptables(engine: StartEngine, parser: str, program: str) -> None:
    """Breaks without it: the ports of a packet are not found, or an empty interface takes what follows it."""
    lines = [*IPTABLES, "usb 1-1: new high-speed USB device"]
    first, second, other = parsed(engine, parser, lines, ".iptables.", program)
    found = below(first, ".iptables.")
    expected = {
        "IN": "eth0",
        "OUT": "",
        "MAC": "00:16:3e:a1:b2:c3:00:16:3e:d4:e5:f6:08:00",
        "SRC": "192.0.2.7",
        "DST": "198.51.100.1",
        "LEN": "60",
        "TOS": "0x00",
        "PREC": "0x00",
        "TTL": "57",
        "ID": "24095",
        "PROTO": "TCP",
        "SPT": "55422",
        "DPT": "22",
        "WINDOW": "29200",
        "RES": "0x00",
        "URGP": "0",
    }
    assert found == expected
    assert below(second, ".iptables.") | {"PROTO": "UDP", "SPT": "137", "IN": "", "OUT": "wlan0"} == below(
        second, ".iptables."
    )
    assert other == {}


@pytest.mark.parametrize("parser", ["ewmm-parser()", "app-parser(topic(syslog))"])
def test_values_of_another_instance(engine: StartEngine, parser: str) -> None:
    """Breaks without it: a message between two instances loses its values, its types or its tags."""
    port = free_port()
    body = """
message = LogMessage("the 'text' \\"q\\" \\\\")
message["HOST"] = "far"
message["PROGRAM"] = "shop"
message["PID"] = "77"
message[".app.order"] = 5
message["a.b"] = "c"
self.post_message(message)
"""
    conf = source_that(body, driver='keep-hostname(yes) tags("gold" "very good")', head='@include "scl.conf"')
    conf = conf.replace('file("out.log" template("$MSG\\n"))', f'syslog-ng(server("127.0.0.1") port({port}))')
    values = (
        "$(format-json --leave-initial-dot --key .app.* --key a.* m=$MSG host=$HOST program=$PROGRAM pid=$PID"
    )
    conf += f"""
source s_far {{ network(ip("127.0.0.1") port({port}) flags(syslog-protocol) keep-hostname(yes)); }};
log {{
    source(s_far); parser {{ {parser}; }};
    destination {{ file("out.log" template("{values} tags=$TAGS raw=${{._TAGS}})\\n")); }}; flags(flow-control);
}};
"""
    running = engine(conf)
    [line] = running.wait_lines("out.log", 1)
    found = json.loads(line)
    totals = running.stop()
    assert totals.delivered == totals.posted == 2
    tags = found.pop("tags")
    assert found[".app"].pop("name", "ewmm") == "ewmm"
    assert "gold" in tags
    assert "very good" in tags
    assert found == {
        "m": "the 'text' \"q\" \\",
        "host": "far",
        "program": "shop",
        "pid": "77",
        "raw": None,
        ".app": {"order": 5},
        "a": {"b": "c"},
    }


def test_apache(engine: StartEngine) -> None:
    """Breaks without it: a line of Apache's documentation has no parts, or not the time of its request."""
    lines = [
        '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326',
        '::1 - - [10/Oct/2000:13:55:36 +0000] "OPTIONS * HTTP/1.0" 200 - "-" "Apache/2.4 (Unix) [x] \\"y\\""',
        'www.example.com:443 2001:db8::7 - a b [10/Oct/2000:13:55:36 +0200] "POST /x HTTP/1.1" 201 17 "http://r/" "curl"',
        '192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] "\\x16\\x03\\x01" 400 226 "-" "-"',
        "AH00558: httpd: Could not reliably determine the server's name",
        '127.0.0.1 - - [99/Xyz/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 5',
    ]
    found = parsed(engine, "apache-accesslog-parser()", lines, ".apache.", also="date=$ISODATE")
    first, second, third, fourth, *others = found
    assert others == [{}, {}]
    assert first["date"] == "2000-10-10T13:55:36-07:00"
    assert below(first, ".apache.") == {
        "clientip": "127.0.0.1",
        "ident": "-",
        "auth": "frank",
        "timestamp": "10/Oct/2000:13:55:36 -0700",
        "rawrequest": "GET /apache_pb.gif HTTP/1.0",
        "response": "200",
        "bytes": "2326",
        "verb": "GET",
        "request": "/apache_pb.gif",
        "httpversion": "1.0",
    }
    one = below(second, ".apache.")
    assert (one["clientip"], one["bytes"], one["request"]) == ("::1", "-", "*")
    assert (one["referrer"], one["agent"]) == ("-", 'Apache/2.4 (Unix) [x] \\"y\\"')
    one = below(third, ".apache.")
    assert (one["vhost"], one["port"], one["clientip"]) == ("www.example.com", "443", "2001:db8::7")
    assert (one["auth"], one["referrer"], one["agent"]) == ("a b", "http://r/", "curl")
    assert "verb" not in below(fourth, ".apache.")


def test_sudo(engine: StartEngine) -> None:
    """Breaks without it: nobody knows who ran what, or a command decides what is read of its line."""
    lines = [
        "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/apt update ; USER=x",
        "bob : command not allowed ; TTY=pts/1 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/cat /etc/shadow",
        "bob : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/tmp ; USER=www ; GROUP=adm ; TSID=00000A ; ENV=A=1 B=2 ;"
        " COMMAND=list",
        "pam_unix(sudo:session): session opened for user root(uid=0) by alice(uid=1000)",
    ]
    found = parsed(engine, "app-parser(topic(syslog))", lines, ".sudo.", program="sudo")
    own = [below(one, ".sudo.") for one in found[:3]]
    assert own[0] == {
        "SUBJECT": "alice",
        "TTY": "pts/0",
        "PWD": "/home/alice",
        "USER": "root",
        "COMMAND": "/usr/bin/apt update ; USER=x",
    }
    assert (own[1]["REASON"], own[1]["COMMAND"]) == ("command not allowed", "/bin/cat /etc/shadow")
    assert (own[2]["REASON"], own[2]["GROUP"], own[2]["TSID"], own[2]["ENV"]) == (
        "3 incorrect password attempts",
        "adm",
        "00000A",
        "A=1 B=2",
    )
    assert found[3] == {}


CISCO = [
    # The line, and host, priority, facility, severity, mnemonic, number of the sequence and time.
    (
        "<189>29: foo: *Apr 29 13:58:40.411: %SYS-5-CONFIG_I: Configured from console by console",
        ("foo", "189", "SYS", "5", "CONFIG_I", "29", "-04-29T13:58:40"),
    ),
    (
        "<189>32: 0.0.0.0: *Apr 29 13:59:12.491: %SYS-5-CONFIG_I: Configured from console by console",
        ("0.0.0.0", "189", "SYS", "5", "CONFIG_I", "32", "-04-29T13:59:12"),
    ),
    (
        "*Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
        ("", "13", "SYS", "5", "CONFIG_I", "", "-03-01T18:48:50+00:00"),
    ),
    (
        "000019: %SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
        ("", "13", "SYS", "5", "CONFIG_I", "000019", ""),
    ),
    (
        "00:00:46: %LINK-3-UPDOWN: Interface Port-channel1, changed state to up",
        ("", "13", "LINK", "3", "UPDOWN", "", ""),
    ),
    (
        "<166>Dec 10 2018 21:01:00: %ASA-6-302013: Built outbound TCP connection 1 for outside:192.0.2.1/80",
        ("", "166", "ASA", "6", "302013", "", "2018-12-10T21:01:00"),
    ),
    (
        "<163>Mar 12 2021 12:00:00 asa1 : %ASA-3-106014: Deny inbound icmp src outside:192.0.2.1",
        ("asa1", "163", "ASA", "3", "106014", "", "2021-03-12T12:00:00"),
    ),
    ("<166>%ASA-6-305011: Built dynamic TCP translation", ("", "166", "ASA", "6", "305011", "", "")),
    (
        "<189>: 2019 Apr 10 10:50:39 UTC: %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up",
        ("", "189", "ETHPORT", "5", "IF_UP", "", "2019-04-10T10:50:39+00:00"),
    ),
    (
        "<187>switch1: 2019 Mar  3 06:24:21.123 EST: %ETHPORT-3-IF_DOWN: Interface Ethernet1/2 is down",
        ("switch1", "187", "ETHPORT", "3", "IF_DOWN", "", "2019-03-03T06:24:21-05:00"),
    ),
    (
        "<189>1234: router-1 RP/0/RP0/CPU0:Apr 29 13:58:46.411 UTC: config[65847]: %MGBL-SYS-5-CONFIG_I : Configured",
        ("router-1", "189", "MGBL-SYS", "5", "CONFIG_I", "1234", "-04-29T13:58:46+00:00"),
    ),
]


def test_cisco(engine: StartEngine) -> None:
    """Breaks without it: a line of IOS, IOS XR, NX-OS or ASA has the wrong host, time or priority."""
    lines = [line for line, _ in CISCO] + ["<13>Jan  1 00:00:00 host program: 50% of the disk are used: 100%"]
    also = "host=$HOST pri=$PRI date=$ISODATE message=$MESSAGE"
    found = parsed(engine, "app-parser(topic(syslog-raw))", lines, ".cisco.", also=also)
    assert found.pop() == {}
    for (line, expected), one in zip(CISCO, found, strict=True):
        host, pri, facility, severity, mnemonic, seqno, date = expected
        own = below(one, ".cisco.")
        assert (own["facility"], own["severity"], own["mnemonic"]) == (facility, severity, mnemonic), line
        assert (own.get("seqno", ""), one["pri"]) == (seqno, pri), line
        assert not host or one["host"] == host, line
        assert date in one["date"], line
        assert one["message"] == line[line.index("%") :], line
        assert own.keys() <= {"facility", "severity", "mnemonic", "seqno"}


def test_fortigate(engine: StartEngine) -> None:
    """Breaks without it: a line of a FortiGate has the time and the host of its reception."""
    lines = [
        '<189>date=2019-05-10 time=11:37:47 logid="0000000013" type="traffic" level="notice" tz="-0700"'
        ' srcip=10.1.100.11 srcintf="port12" dstport=80 devname="FGT-1" action="close" msg="a b=c"',
        'date=2021-01-15 time=12:58:59 devname="FORTI_111" devid="FG100D3G12801312" type="event"',
        "time=12:58:59 nothing of the kind",
    ]
    also = "host=$HOST pri=$PRI date=$ISODATE message=$MESSAGE"
    first, second, third = parsed(engine, "fortigate-parser()", lines, ".fortigate.", also=also)
    own = below(first, ".fortigate.")
    assert (own["srcip"], own["srcintf"], own["msg"], own["action"]) == (
        "10.1.100.11",
        "port12",
        "a b=c",
        "close",
    )
    assert (first["host"], first["pri"], first["date"]) == ("FGT-1", "189", "2019-05-10T11:37:47-07:00")
    assert first["message"] == lines[0].removeprefix("<189>")
    assert (second["host"], second["pri"]) == ("FORTI_111", "13")
    assert second["date"].startswith("2021-01-15T12:58:59")
    assert third == {}


def test_websense(engine: StartEngine) -> None:
    """Breaks without it: a line whose time has a zone is taken for a host, and its pairs are lost."""
    lines = [
        "<159>Dec 19 10:48:57 EST 192.168.1.1 vendor=Websense product=Security product_version=7.7.0 action=permitted"
        " severity=1 user=- src_port=62189 dst_host=imap.gmail.com url=https://imap.gmail.com",
        "vendor=Forcepoint product=Security action=blocked url=http://x/?a=b",
        "vendor=Other product=Security",
    ]
    also = "host=$HOST pri=$PRI date=$ISODATE"
    first, second, third = parsed(engine, "websense-parser()", lines, ".websense.", also=also)
    own = below(first, ".websense.")
    assert (own["action"], own["src_port"], own["url"]) == ("permitted", "62189", "https://imap.gmail.com")
    assert (first["host"], first["pri"]) == ("192.168.1.1", "159")
    assert first["date"].endswith("-12-19T10:48:57-05:00")
    assert below(second, ".websense.")["url"] == "http://x/?a=b"
    assert third == {}


PANOS = [
    "<12>Apr 14 16:48:54 paloalto.test.net 1,2020/04/14 16:48:54,unknown,SYSTEM,auth,0,2020/04/14 16:48:54,,auth-fail,,"
    "0,0,general,medium,failed authentication for user 'admin'.,1718,0x0,0,0,0,0,,paloalto",
    "<14>1 2021-03-01T20:35:56.000Z PA-220 - - - - 1,2021/03/01 20:35:56,012001006066,TRAFFIC,end,2304,"
    '2021/03/01 20:35:56,10.1.1.2,93.184.216.34,203.0.113.5,93.184.216.34,"out, web",corp\\bob,,ssl,vsys1,trust,untrust,'
    "ethernet1/2,ethernet1/1,fwd,2021/03/01 20:35:56,194985,1,51212,443,13014,443,0x400053,tcp,allow,8114,2412,5702,21,"
    "2021/03/01 20:35:38,3,computer-and-internet-info,0,118305,0x0,10.0.0.0-10.255.255.255,United States,0,10,11,"
    "tcp-fin,0,0,0,0,,PA-220,from-policy",
    "1,2021/03/01 20:48:21,012001003714,THREAT,url,2304,2021/03/01 20:48:21,10.5.5.3,203.0.113.9,,,web,,,web-browsing,"
    "vsys1,in,out,ethernet1/1,ethernet1/2,fwd,2021/03/01 20:48:21,17060,1,57972,80,0,0,0xb000,tcp,block-url,"
    '"bad.example/x?a=""b""",(9999),malware,high,client-to-server,8421,0x0,10.0.0.0,United States,0,text/html',
    "1,2021/03/01 20:48:21,012001003714,CONFIG,0,0,2021/03/01 20:48:21,10.0.0.5,,edit,admin,Web,Succeeded, config shared,"
    "1234,0x0,0,0,0,0,,PA-1",
    "1,2021/03/01 20:48:21,012001003714,GLOBALPROTECT,0,2305,2021/03/01 20:48:21,vsys1,gateway-connected,connected,,IPSec",
    "1,2,nothing of the kind",
]


def test_panos(engine: StartEngine) -> None:
    """Breaks without it: a field of PAN-OS has the name of its neighbour."""
    also = "host=$HOST pri=$PRI date=$ISODATE"
    found = parsed(engine, "panos-parser()", PANOS, ".panos.", also=also)
    assert found.pop() == {}
    system, traffic, threat, config, other = (below(one, ".panos.") for one in found)
    assert [one["pri"] for one in found] == ["12", "14", "13", "13", "13"]
    assert [one["host"] for one in found][:2] == ["paloalto", "PA-220"]
    assert found[1]["date"].startswith("2021-03-01T20:35:56")
    assert (system["eventid"], system["severity"], system["seqno"]) == ("auth-fail", "medium", "1718")
    assert system["opaque"] == "failed authentication for user 'admin'."
    assert (traffic["rule"], traffic["srcuser"], traffic["action"]) == ("out, web", "corp\\bob", "allow")
    assert (traffic["bytes"], traffic["session_end_reason"], traffic["device_name"]) == (
        "8114",
        "tcp-fin",
        "PA-220",
    )
    assert (threat["misc"], threat["threatid"], threat["severity"]) == (
        'bad.example/x?a="b"',
        "(9999)",
        "high",
    )
    assert (threat["contenttype"], threat["dport"]) == ("text/html", "80")
    assert (config["cmd"], config["admin"], config["path"]) == ("edit", "admin", "config shared")
    assert (other["type"], other["rest"]) == ("GLOBALPROTECT", "vsys1,gateway-connected,connected,,IPSec")
