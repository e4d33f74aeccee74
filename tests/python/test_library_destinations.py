"""The blocks of the library for services of the web: each sends what its service's documentation demands, and what
the service refuses counts as refused."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from certificates import NEEDS_OPENSSL, Authority
from harness import PATIENCE, Engine, StartEngine, source_that
from services import Answer, Request, Service, WrongError, demand

COUNT = 40
# What JSON, forms, urls and Slack's markup have to escape; every tenth message is one that a service refuses.
TEXT = '{number} "quoted" it\'s \\ back\n<!channel> & 100% é'
BODY = f"""
for number in range({COUNT}):
    message = LogMessage({TEXT!r}.replace("{{number}}", str(number)))
    message["HOST"] = "web-1"
    message["PROGRAM"] = "shop"
    message["PID"] = "77"
    message["kind"] = "bad" if number % 10 == 3 else "good"
    message["level"] = str(number)
    self.post_message(message)
"""
BAD = {number for number in range(COUNT) if number % 10 == 3}
TEXTS = [TEXT.replace("{number}", str(number)) for number in range(COUNT)]


@pytest.fixture
def service() -> Iterator[Callable[..., Service]]:
    """Starts services, and ends them."""
    services: list[Service] = []

    def start(answer: Answer, **options: Any) -> Service:
        services.append(Service(answer, **options))
        return services[-1]

    yield start
    for one in services:
        one.close()


def run(engine: StartEngine, driver: str) -> Engine:
    """An engine that sends the messages by `driver`, and writes what is refused to a file."""
    conf = source_that(BODY, driver="keep-hostname(yes)", head='@include "scl.conf"').replace(
        'file("out.log" template("$MSG\\n"))', driver
    )
    assert driver in conf
    refused = 'destination d_refused { file("refused.log" template("$level ${.reject.status}\\n")); };\n'
    return engine(conf + refused)


def finish(running: Engine, bad: set[int], status: int | str) -> None:
    """Waits until all messages are delivered or refused, and checks that those are the right ones."""
    path = running.directory / "refused.log"

    def refused() -> list[str]:
        return sorted(path.read_text().splitlines()) if path.exists() else []

    expected = sorted(f"{number} {status}" for number in bad)
    running.wait_until(lambda: refused() == expected, f"what is refused: {refused()}")
    running.wait_print("done")
    totals = running.stop()
    assert (totals.posted, totals.delivered, totals.rejected) == (COUNT, COUNT - len(bad), len(bad))


REJECT = "on-reject(destination(d_refused)) time-reopen(0.05)"


@pytest.mark.parametrize(
    ("block", "operation"),
    [
        ('elasticsearch-http(index("logs-${PROGRAM}") type("") custom-id("$level") ', "index"),
        (
            'opensearch(index("logs-${PROGRAM}") op-type("create") custom-id("$level") batch-lines(7) ',
            "create",
        ),
        ('elasticsearch-datastream(record("--scope rfc5424 kind=$kind level=int($level)") ', "create"),
    ],
)
def test_documents(engine: StartEngine, service: Callable[..., Service], block: str, operation: str) -> None:
    """Breaks without it: the bulk API refuses the form of a request, or a document that it refuses counts as
    delivered."""
    documents: dict[int, dict[str, Any]] = {}
    actions: list[dict[str, Any]] = []

    def bulk(request: Request) -> tuple[int, str]:
        demand(request.path == "/logs/_bulk" and not request.query, 405, request.path)
        demand(request.headers["content-type"] == "application/x-ndjson", 406, "content type")
        demand(request.body.endswith(b"\n"), 400, "the request must be terminated by a newline")
        lines = [json.loads(line) for line in request.body.decode().splitlines()]
        demand(len(lines) % 2 == 0, 400, "an action without a document")
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            demand(list(action) == [operation], 400, f"unknown action {action}")
            actions.append(action[operation])
            number = int(document["MESSAGE"].split()[0])
            item: dict[str, Any] = {"_index": "logs", "status": 201}
            if number in BAD:
                error = {"type": "document_parsing_exception", "reason": "failed to parse"}
                item |= {"status": 400, "error": error}
            else:
                documents[number] = document
            items.append({operation: item})
        return 200, json.dumps(
            {"took": 3, "errors": any("error" in one[operation] for one in items), "items": items}
        )

    peer = service(bulk)
    running = run(engine, f'{block} url("{peer.url}/logs/_bulk") {REJECT})')
    finish(running, BAD, 400)
    assert peer.refused == []
    assert documents.keys() == set(range(COUNT)) - BAD
    for number, document in documents.items():
        assert (document["MESSAGE"], document["HOST"], document["PROGRAM"]) == (
            TEXTS[number],
            "web-1",
            "shop",
        )
    if "datastream" in block:
        assert actions == [{}] * COUNT
        assert all(
            (documents[number]["level"], documents[number]["kind"]) == (number, "good")
            for number in documents
        )
    else:
        assert sorted(int(action["_id"]) for action in actions) == list(range(COUNT))
        assert all(
            action.keys() == {"_index", "_id"} and action["_index"] == "logs-shop" for action in actions
        )
        assert all(datetime.fromisoformat(one["@timestamp"]) for one in documents.values())


def splunk_headers(request: Request, kind: str) -> None:
    """What Splunk asks of every request."""
    token = request.headers.get("authorization", "").removeprefix("Splunk ")
    demand(token == "11-22", 403, '{"text":"Invalid token","code":4}')
    demand(request.path == f"/services/collector/{kind}/1.0", 404, '{"text":"Not Found","code":404}')


def test_splunk_events(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: Splunk refuses events, takes their fields for something else, or one event of another
    index takes its neighbours with it."""
    taken: list[dict[str, Any]] = []

    def collector(request: Request) -> tuple[int, str]:
        splunk_headers(request, "event")
        demand(request.headers["content-type"] == "application/json", 415, "content type")
        demand(request.headers["x-own"] == "yes", 400, "headers")
        demand(
            request.query == {"sourcetype": ["my:type"], "source": ["a b"], "auto_extract": ["1"]},
            400,
            "query",
        )
        text, events = request.body.decode().lstrip(), []
        while text:
            event, end = json.JSONDecoder().raw_decode(text)
            events.append(event)
            text = text[end:].lstrip()
        for number, event in enumerate(events):
            if event["index"] == "bad":
                answer = {"text": "Incorrect index", "code": 7, "invalid-event-number": number}
                raise WrongError(400, json.dumps(answer))
        taken.extend(events)
        return 200, '{"text":"Success","code":0}'

    peer = service(collector)
    running = run(
        engine,
        f'splunk-hec-event(url("{peer.url}/") token("11-22") index("$kind") default-sourcetype("my:type")'
        ' default-source("a b") extra-headers("X-Own: yes") extra-queries("auto_extract=1") batch-lines(12) workers(1)'
        f' fields("$(format-json --scope none level=int($level) program=$PROGRAM)") frac-digits(3) {REJECT})',
    )
    finish(running, BAD, 400)
    assert all("Incorrect index" in text for text in peer.refused)
    assert [event["event"] for event in taken] == [TEXTS[n] for n in range(COUNT) if n not in BAD]
    for event in taken:
        assert event.keys() == {"time", "host", "index", "fields", "event"}
        assert isinstance(event["time"], float)
        assert event["time"] > 1_700_000_000
        assert (event["host"], event["index"]) == ("web-1", "good")
        assert event["fields"] == {"level": int(event["event"].split()[0]), "program": "shop"}


def test_splunk_events_of_json(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: an event that is an object comes as a text."""
    events: list[dict[str, Any]] = []

    def collector(request: Request) -> tuple[int, str]:
        splunk_headers(request, "event")
        demand(request.query == {}, 400, "query")
        events.extend(json.loads(line) for line in request.body.decode().splitlines())
        return 200, '{"text":"Success","code":0}'

    peer = service(collector)
    event = "$(format-json --scope none msg=$MSG n=int($level))"
    running = run(
        engine,
        f'splunk_hec_event(url("{peer.url}") token(11-22) event("{event}") host("$PROGRAM") source("$HOST")'
        f' sourcetype("x") time("1700000000") {REJECT})',
    )
    finish(running, set(), 0)
    assert sorted(one["event"]["n"] for one in events) == list(range(COUNT))
    assert {(one["host"], one["source"], one["sourcetype"], one["time"]) for one in events} == {
        ("shop", "web-1", "x", 1_700_000_000)
    }
    assert all("index" not in one and "fields" not in one for one in events)


def test_splunk_lines(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: lines do not come one by one, or without the channel that Splunk asks for."""
    lines: list[str] = []

    def collector(request: Request) -> tuple[int, str]:
        splunk_headers(request, "raw")
        demand(
            request.query == {"channel": ["FE0E-1"], "index": ["main"]},
            400,
            '{"text":"Data channel is missing"}',
        )
        demand(request.headers["content-type"] == "text/plain", 415, "content type")
        lines.extend(request.body.decode().splitlines())
        return 200, '{"text":"Success","code":0}'

    peer = service(collector)
    driver = (
        f'splunk-hec-raw(url("{peer.url}") token("11-22") channel("FE0E-1") default-index(main) {REJECT})'
    )
    running = run(engine, driver)
    finish(running, set(), 0)
    assert len(lines) == 2 * COUNT, "each text has two lines"
    assert all(re.fullmatch(r"20\S+[+-]\d\d:\d\d web-1 shop\[77\]: \d+ .*", line) for line in lines[::2])


def test_loki(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: Loki refuses entries, or puts them into a stream of another program or tenant."""
    entries: list[tuple[dict[str, str], str, str]] = []

    def push(request: Request) -> tuple[int, str]:
        demand(request.path == "/loki/api/v1/push", 404, request.path)
        demand(request.headers["content-type"] == "application/json", 400, "content type")
        demand(request.headers["x-scope-orgid"] == "tenant-1", 401, "no org id")
        for stream in json.loads(request.body)["streams"]:
            labels = stream["stream"]
            demand(labels and all(isinstance(value, str) for value in labels.values()), 400, "labels")
            if labels["kind"] == "bad":
                raise WrongError(400, "entry for stream has timestamp too old")
            for time, line in stream["values"]:
                demand(re.fullmatch(r"\d{19}", time) and isinstance(line, str), 400, "values")
                entries.append((labels, time, line))
        return 204, ""

    peer = service(push)
    labels = "app=$PROGRAM kind=$kind level=$level facility=$FACILITY_NUM none=$none"
    running = run(
        engine,
        f'loki(url("{peer.url}") labels("{labels}") template("$MSG") tenant-id("tenant-1") batch-lines(1) frac-digits(6)'
        f" {REJECT})",
    )
    finish(running, BAD, 400)
    assert [line for *_, line in entries] == [TEXTS[number] for number in range(COUNT) if number not in BAD]
    assert [one for one, *_ in entries] == [
        {"app": "shop", "kind": "good", "level": str(number), "facility": "1"}
        for number in range(COUNT)
        if number not in BAD
    ]


def test_loki_takes_batches(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: a request has one entry, which is slow, or its entries make no JSON."""
    lines: list[str] = []

    def push(request: Request) -> tuple[int, str]:
        demand("x-scope-orgid" not in request.headers, 401, "no org id")
        for stream in json.loads(request.body)["streams"]:
            demand(stream["stream"] == {"app": "shop", "host": "web-1"}, 400, "labels")
            lines.extend(line for _, line in stream["values"])
        return 204, ""

    peer = service(push)
    running = run(engine, f'loki(url("{peer.url}") {REJECT})')
    finish(running, set(), 0)
    assert peer.refused == []
    assert [re.sub(r"^\S+ web-1 shop\[77\]: ", "", line) for line in lines] == TEXTS


def test_slack(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: a message of a log calls a whole channel, Slack refuses a text, or the log shows the
    secret of the url."""
    attachments: list[dict[str, Any]] = []

    def webhook(request: Request) -> tuple[int, str]:
        demand(request.path == "/services/T0/B0/secret", 404, "no_service")
        demand(request.headers["content-type"] == "application/json", 400, "invalid_payload")
        found = json.loads(request.body)
        demand(found.keys() == {"attachments"}, 400, "no_text")
        for one in found["attachments"]:
            demand(one["title"] != "bad", 400, "invalid_attachments")
            attachments.append(one)
        return 200, "ok"

    peer = service(webhook)
    running = run(
        engine,
        f'slack(hook-url("{peer.url}/services/T0/B0/secret") title("$kind") author-name("of $HOST") footer("$PID")'
        f' colors("#0,#1,#2,#3,#4,#5,#6,#7") throttle(10000) {REJECT})',
    )
    finish(running, BAD, 400)
    good = [number for number in range(COUNT) if number not in BAD]
    escaped = [TEXTS[n].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for n in good]
    assert [one["text"] for one in attachments] == escaped
    assert [one["fallback"] for one in attachments] == [TEXTS[number] for number in good]
    first = attachments[0]
    assert first.keys() == {"text", "fallback", "title", "author_name", "footer", "ts", "color"}
    assert (first["author_name"], first["footer"], first["color"]) == ("of web-1", "77", "#5")
    assert isinstance(first["ts"], int)
    assert "secret" not in running.stderr.text
    assert "`" + peer.url + "/***` answered 400: invalid_attachments" in running.stderr.text


def test_telegram(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: a text ends where it has an `&`, Telegram refuses a mode, or the log shows the token."""
    texts: list[str] = []

    def send_message(request: Request) -> tuple[int, str]:
        demand(request.path == "/bot42:secret/sendMessage", 404, '{"ok":false,"error_code":404}')
        demand(request.headers["content-type"] == "application/x-www-form-urlencoded", 400, "content type")
        form = parse_qs(request.body.decode(), strict_parsing=True)
        demand("parse_mode" not in form, 400, "unsupported parse_mode")
        demand(form["chat_id"] == ["-100 7"], 400, "chat not found")
        demand(
            (form["disable_web_page_preview"], form["disable_notification"]) == (["true"], ["false"]),
            400,
            "flags",
        )
        [text] = form["text"]
        demand("bad" not in text, 400, '{"ok":false,"error_code":400,"description":"message text is empty"}')
        demand(len(text.encode()) <= 20, 400, "message is too long")
        texts.append(text)
        return 200, '{"ok":true,"result":{}}'

    peer = service(send_message)
    running = run(
        engine,
        f'telegram(bot-id("42:secret") chat-id("-100 7") api-url("{peer.url}") template("$kind $MSG") max-size(20)'
        f" throttle(10000) {REJECT})",
    )
    finish(running, BAD, 400)
    assert texts == [f"good {TEXTS[number]}"[:20] for number in range(COUNT) if number not in BAD]
    assert "secret" not in running.stderr.text


def test_telegram_with_a_mode(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: the mode that is written is not sent."""
    modes: list[str] = []

    def send_message(request: Request) -> tuple[int, str]:
        modes.extend(parse_qs(request.body.decode())["parse_mode"])
        return 200, '{"ok":true,"result":{}}'

    peer = service(send_message)
    running = run(
        engine,
        f'telegram(bot-id(1) chat-id(2) api-url("{peer.url}") parse-mode("HTML") throttle(10000) {REJECT})',
    )
    finish(running, set(), 0)
    assert modes == ["HTML"] * COUNT


def test_discord(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: a message of a log calls everybody, or Discord refuses its form."""
    contents: list[str] = []

    def webhook(request: Request) -> tuple[int, str]:
        demand(request.path == "/api/webhooks/1/secret", 404, "Unknown Webhook")
        demand(request.headers["content-type"] == "application/json", 400, "content type")
        found = json.loads(request.body)
        demand(found["allowed_mentions"] == {"parse": []}, 400, "everybody is called")
        demand(found.keys() == {"allowed_mentions", "content", "username"}, 400, "keys")
        demand(found["username"] == "shop@web-1", 400, "username")
        demand(
            "bad" not in found["content"], 400, '{"code": 50006, "message": "Cannot send an empty message"}'
        )
        contents.append(found["content"])
        return 204, ""

    peer = service(webhook)
    running = run(
        engine,
        f'discord(url("{peer.url}/api/webhooks/1/secret") template("$kind $MSG") username("$PROGRAM@$HOST")'
        f" throttle(10000) {REJECT})",
    )
    finish(running, BAD, 400)
    assert contents == [f"good {TEXTS[number]}" for number in range(COUNT) if number not in BAD]
    assert "secret" not in running.stderr.text


@pytest.mark.parametrize("name", ["telegram", "discord"])
def test_a_batch_is_one_message_of_a_chat(
    engine: StartEngine, service: Callable[..., Service], name: str
) -> None:
    """Breaks without it: with batch-lines() the body is not one of the service's any more."""
    texts: list[str] = []

    def receive(request: Request) -> tuple[int, str]:
        if name == "telegram":
            form = parse_qs(request.body.decode(), strict_parsing=True)
            demand(form["chat_id"] == ["2"] and len(form["text"]) == 1, 400, "form")
            texts.append(form["text"][0])
        else:
            found = json.loads(request.body)
            demand(found["allowed_mentions"] == {"parse": []}, 400, "everybody is called")
            texts.append(found["content"])
        return 200, "{}"

    peer = service(receive)
    options = (
        f'bot-id(1) chat-id(2) api-url("{peer.url}")' if name == "telegram" else f'url("{peer.url}/hook")'
    )
    running = run(
        engine,
        f'{name}({options} template("$kind $MSG") throttle(10000) batch-lines(10) batch-timeout(500) {REJECT})',
    )
    finish(running, set(), 0)
    assert "\n".join(texts) == "\n".join(
        f"{'bad' if number in BAD else 'good'} {TEXTS[number]}" for number in range(COUNT)
    )
    assert len(texts) < COUNT


@NEEDS_OPENSSL
def test_sumologic(engine: StartEngine, service: Callable[..., Service], tmp_path: Path) -> None:
    """Breaks without it: messages go to another host than the deployment's, or in another form than lines of
    JSON."""
    records: list[dict[str, Any]] = []

    def receiver(request: Request) -> tuple[int, str]:
        demand(request.host == "collectors.de.sumologic.com:443", 404, request.host)
        demand(request.path == "/receiver/v1/http/secret==", 401, request.path)
        demand(
            request.headers["x-sumo-category"] == "a/b" and "x-sumo-name" not in request.headers,
            400,
            "headers",
        )
        records.extend(json.loads(line) for line in request.body.decode().splitlines())
        return 200, ""

    authority = Authority(tmp_path / "ca")
    certificate = authority.sign("server", "serverAuth", names="DNS:collectors.de.sumologic.com")
    peer = service(receiver, certificate=certificate)
    running = run(
        engine,
        f'sumologic-http(collector("secret==") deployment("de") source-category("a/b") proxy("{peer.url}")'
        f' tls(ca-file("{authority.file}")) {REJECT})',
    )
    finish(running, set(), 0)
    assert [record["MESSAGE"] for record in records] == TEXTS
    assert all(datetime.fromisoformat(record["timestamp"]) for record in records)
    assert "secret" not in running.stderr.text


@pytest.mark.parametrize("block", ["logscale", "falcon-logscale"])
def test_logscale(engine: StartEngine, service: Callable[..., Service], block: str) -> None:
    """Breaks without it: LogScale refuses the events, or has their fields as one text."""
    events: list[dict[str, Any]] = []

    def ingest(request: Request) -> tuple[int, str]:
        demand(request.path == "/api/v1/ingest/humio-structured", 404, request.path)
        demand(
            request.headers["authorization"] == "Bearer abc", 401, "The supplied authentication is invalid"
        )
        demand(request.headers["content-type"] == "application/json", 415, "content type")
        [group] = json.loads(request.body)
        events.extend(group["events"])
        return 200, "{}"

    peer = service(ingest)
    running = run(engine, f'{block}(url("{peer.url}") token("abc") workers(1) {REJECT})')
    finish(running, set(), 0)
    assert [event["rawstring"] for event in events] == TEXTS
    for event in events:
        assert event.keys() == {"timestamp", "rawstring", "attributes"}
        assert datetime.fromisoformat(event["timestamp"]).utcoffset() is not None
        attributes = event["attributes"]
        assert (attributes["HOST"], attributes["PROGRAM"], attributes["PID"]) == ("web-1", "shop", "77")
        assert "MESSAGE" not in attributes


def test_openobserve(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: records that OpenObserve does not take count as delivered."""
    records: list[dict[str, Any]] = []

    def ingest(request: Request) -> tuple[int, str]:
        demand(request.path == "/api/my-org/my-logs/_json", 404, request.path)
        demand(request.headers["authorization"] == "Basic bWU6cGFzcw==", 401, "Unauthorized Access")
        found = json.loads(request.body)
        bad = [one for one in found if one["kind"] == "bad"]
        status = {
            "name": "my-logs",
            "successful": len(found) - len(bad),
            "failed": len(bad),
            "error": "too old",
        }
        if not bad:
            records.extend(found)
        return 200, json.dumps({"code": 200, "status": [status]})

    peer = service(ingest)
    running = run(
        engine,
        f'openobserve-log(url("http://127.0.0.1") port({peer.port}) organization("my-org") stream("my-logs")'
        ' user("me") password("pass") batch-lines(1) retries(2)'
        f' record("--scope rfc5424 --exclude DATE kind=$kind @timestamp=${{ISODATE}}") {REJECT})',
    )
    finish(running, BAD, "")
    assert [record["MESSAGE"] for record in records] == [TEXTS[n] for n in range(COUNT) if n not in BAD]
    assert len(peer.requests) == COUNT + len(BAD), "each that fails is tried twice"


class Listener:
    """A server of TCP that keeps what it is sent."""

    def __init__(self) -> None:
        self.data = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE)
        self.port: int = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.thread.start()

    def _receive(self) -> None:
        connection, _ = self.socket.accept()
        connection.settimeout(PATIENCE)
        with connection, self.socket:
            while data := connection.recv(65536):
                self.data += data


def test_graylog(engine: StartEngine) -> None:
    """Breaks without it: Graylog cannot tell one message from the next, or has no text for them."""
    peer = Listener()
    running = run(engine, f'graylog2(host("127.0.0.1") port({peer.port}))')
    finish(running, set(), 0)
    peer.thread.join(PATIENCE)
    messages = [json.loads(text) for text in peer.data.removesuffix(b"\0").split(b"\0")]
    assert [one["short_message"] for one in messages] == TEXTS
    assert all(one["version"] == "1.1" and one["host"] == "web-1" for one in messages)
    assert all(isinstance(one["level"], int) and one["_program"] == "shop" for one in messages)


@pytest.mark.parametrize(
    ("block", "pattern"),
    [
        (
            'loggly(token("0-1") tag("web") ',
            r'<\d+>1 20\S+ web-1 shop 77 - \[0-1@41058 tag="web"\] (\d+)',
        ),
        (
            'logmatic(token("0-1") tag("web") ',
            r'0-1 <\d+>1 20\S+ web-1 shop 77 - \[logmatic@41058 tag="web"\] (\d+)',
        ),
    ],
)
def test_syslog_with_a_token(engine: StartEngine, block: str, pattern: str) -> None:
    """Breaks without it: a service does not find the token, and takes nothing."""
    peer = Listener()
    running = run(engine, f'{block} template("$level") host("127.0.0.1") port({peer.port}))')
    finish(running, set(), 0)
    peer.thread.join(PATIENCE)
    found = [re.fullmatch(pattern, line) for line in peer.data.decode().splitlines()]
    assert [int(one[1]) for one in found if one] == list(range(COUNT))
    assert len(found) == COUNT


def test_all_values_between_instances(engine: StartEngine) -> None:
    """Breaks without it: values, types or tags of a message stay behind."""
    peer = Listener()
    running = run(engine, f'syslog-ng(server("127.0.0.1") port({peer.port}))')
    finish(running, set(), 0)
    peer.thread.join(PATIENCE)
    lines = peer.data.decode().splitlines()
    assert len(lines) == COUNT
    for number, line in enumerate(lines):
        found = re.fullmatch(r"<13>1 20\S+ \S+ @syslog-ng - - - (\{.*\})", line)
        assert found, line
        values = json.loads(found[1])
        assert (values["MESSAGE"], values["level"], values["PROGRAM"]) == (TEXTS[number], str(number), "shop")
