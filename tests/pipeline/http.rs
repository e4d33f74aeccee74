//! `http()` from the source to the wire: what a server is sent, and what becomes of messages by its answers.

use std::io::Read;
use std::sync::Arc;

use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::engine::{Log, Pipeline};
use inrush::flow::DropReason;
use inrush::message::{Pool, Release, ReleaseNow};

use crate::rig::{Poster, Rig, until};
use crate::server::{Reply, Server, reply, reply_with};

/// A configuration with `http(options)`, and what is refused in a file.
fn config(url: &str, options: &str) -> String {
    format!(
        r#"
        source s {{ python(class("A")); }};
        destination d {{ http(url("{url}") time-reopen(0.02) {options}); }};
        destination d_refused {{ file("DIR/refused" template("$MSG ${{.reject.status}} ${{.reject.destination}}\n")); }};
        log {{ source(s); destination(d); flags(flow-control); }};
        "#
    )
}

const ON_REJECT: &str = "on-reject(destination(d_refused))";

/// Posts `texts` into a new rig.
fn run(url: &str, options: &str, texts: &[&str]) -> (Rig, Poster) {
    let rig = Rig::new(&config(url, options));
    let mut poster = rig.poster(0);
    for text in texts {
        poster.post(text.as_bytes());
    }
    (rig, poster)
}

/// Waits until every message has its outcome, and looks at the sum: delivered, refused and dropped, rejected.
fn outcome((rig, poster): (Rig, Poster)) -> (u64, u64, u64) {
    rig.wait_idle();
    let taken = poster.taken;
    drop(poster);
    let (totals, lost) = rig.finish(&[taken]);
    assert_eq!(lost, 0);
    (totals[0].delivered, totals[0].dropped[DropReason::Refused as usize], totals[0].rejected)
}

/// Breaks without it: a request has other headers, or another body, than servers were set up for.
#[test]
fn a_message_is_a_request_with_its_headers() {
    let server = Server::with_statuses(&[200]);
    let url = server.url("/in");
    let run =
        run(&url, r#"headers("X-Own: a$MSG" "X-None: ${none}") user("me") password("se:cret")"#, &["1", "2"]);
    assert_eq!(outcome(run), (2, 0, 0));
    let requests = server.requests();
    assert_eq!(server.bodies(), ["1", "2"]);
    let first = &requests[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/in"));
    for (name, value) in [
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", "1"),
        ("authorization", "Basic bWU6c2U6Y3JldA=="),
        ("x-own", "a1"),
        ("x-syslog-facility", "kern"),
        ("x-syslog-level", "emerg"),
        ("x-none", ""),
        ("expect", ""),
        ("accept-encoding", ""),
    ] {
        assert_eq!(first.header(name), value, "{name} of {first:?}");
    }
    assert!(first.header("user-agent").starts_with("Inrush/"));
    assert!(first.headers.contains_key("x-syslog-host"));
}

/// Breaks without it: batches have another form than services read.
#[test]
fn a_batch_has_prefix_delimiter_and_suffix() {
    let server = Server::with_statuses(&[200]);
    let options = r#"batch-lines(3) batch-timeout(200) method("put") body-prefix("[") body-suffix("]")
                     delimiter(",") body("{$MSG}") headers("Content-Type: application/json")"#;
    assert_eq!(outcome(run(&server.url("/"), options, &["1", "2", "3", "4"])), (4, 0, 0));
    assert_eq!(server.bodies(), ["[{1},{2},{3}]", "[{4}]"]);
    let requests = server.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].header("content-type")),
        ("PUT", "application/json")
    );
    assert!(!requests[0].headers.contains_key("x-syslog-host"), "it is one of several");
}

/// Breaks without it: a request is larger than `batch-bytes()` by more than its last message.
#[test]
fn bytes_bound_a_request() {
    let server = Server::with_statuses(&[200]);
    let options = r#"batch-bytes(10) batch-timeout(100) delimiter("")"#;
    let texts = ["aaaa", "bbbb", "cccc", "dddd", "eeee"];
    assert_eq!(outcome(run(&server.url("/"), options, &texts)), (5, 0, 0));
    let bodies = server.bodies();
    assert_eq!(bodies.concat(), texts.concat());
    assert!(bodies.iter().all(|body| body.len() <= 12), "{bodies:?}");
}

/// Breaks without it: a message that a server did not take is lost, or one that it took is sent again.
#[test]
fn what_fails_is_sent_again() {
    for statuses in [&[500, 200][..], &[404, 404, 200], &[302, 200], &[503, 200]] {
        let statuses: &'static [u16] = Vec::leak(statuses.to_vec());
        let server = Server::with_statuses(statuses);
        assert_eq!(outcome(run(&server.url("/"), "", &["a"])), (1, 0, 0));
        assert_eq!(server.bodies(), vec!["a"; statuses.len()]);
    }
}

/// Breaks without it: a message that is refused for good blocks all that come after it.
#[test]
fn what_is_refused_goes_and_the_next_one_comes() {
    for (status, attempts) in [(410, 1), (422, 1), (504, 2), (400, 2), (413, 2)] {
        let server =
            Server::new(move |_, request| reply(if request.body == b"bad" { status } else { 200 }, "no"));
        assert_eq!(outcome(run(&server.url("/"), "retries(2)", &["bad", "good"])), (1, 1, 0), "{status}");
        let mut expected = vec!["bad"; attempts];
        expected.push("good");
        assert_eq!(server.bodies(), expected, "{status}");
        let rig = run(&server.url("/"), &format!("retries(1) {ON_REJECT}"), &["bad", "good"]);
        rig.0.wait_idle();
        assert_eq!(rig.0.lines("refused"), [format!("bad {status} d#0")]);
        assert_eq!(outcome(rig), (1, 0, 1), "{status}");
    }
}

/// Breaks without it: an answer means something else than the configuration says.
#[test]
fn a_configuration_says_what_a_status_means() {
    let server =
        Server::new(|_, request| reply(String::from_utf8_lossy(&request.body).parse().unwrap_or(200), ""));
    let options = "response-action(400 => drop 500 => success 503 => retry) retries(2)";
    assert_eq!(outcome(run(&server.url("/"), options, &["400", "500", "503", "200"])), (2, 2, 0));
    assert_eq!(server.bodies(), ["400", "500", "503", "503", "200"]);
}

/// Breaks without it: a redirect is followed though nobody allowed it, changes the request, or takes a password
/// to another host.
#[test]
fn redirects_are_followed_when_allowed() {
    let other = Server::with_statuses(&[200]);
    let elsewhere = other.url("/there");
    let server = Server::new(move |_, request| match request.path.as_str() {
        "/" => reply_with(307, "Location: /near\r\n", ""),
        "/near" => reply_with(302, &format!("Location: {elsewhere}\r\n"), ""),
        _ => reply(200, ""),
    });
    let options = r#"accept-redirects(yes) user("me") password("secret") headers("X-Kept: yes")"#;
    assert_eq!(outcome(run(&server.url("/"), options, &["body"])), (1, 0, 0));
    let paths: Vec<String> = server.requests().iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/", "/near"]);
    assert!(server.requests().iter().all(|request| request.header("authorization").starts_with("Basic ")));
    let [there] = &other.requests()[..] else { panic!("one request") };
    assert_eq!((there.method.as_str(), there.text().as_str()), ("POST", "body"));
    assert_eq!((there.header("authorization"), there.header("x-kept")), ("", "yes"));
    // In a circle it is not followed for ever.
    let circle =
        Server::new(
            |number, _| {
                if number < 4 { reply_with(308, "Location: /\r\n", "") } else { reply(200, "") }
            },
        );
    assert_eq!(outcome(run(&circle.url("/"), "accept-redirects(yes)", &["a"])), (1, 0, 0));
    assert_eq!(circle.requests().len(), 5);
}

/// Breaks without it: a dead server among several takes messages with it.
#[test]
fn several_urls_stand_in_for_each_other() {
    let server = Server::with_statuses(&[200]);
    let dead = { Server::with_statuses(&[200]).url("/") };
    for workers in [1, 2] {
        let before = server.bodies().len();
        let urls = format!("{dead} {}", server.url("/"));
        let texts: Vec<String> = (0..10).map(|number| format!("{workers}-{number}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(outcome(run(&urls, &format!("workers({workers})"), &texts)), (10, 0, 0));
        let mut bodies = server.bodies()[before..].to_vec();
        bodies.sort();
        assert_eq!(bodies, texts, "each once");
    }
}

/// Breaks without it: what is compressed cannot be read, is said to be compressed twice, or a body is cut at a
/// NUL.
#[test]
fn bodies_are_compressed_and_whole() {
    let texts = ["x".repeat(10_000), "a\0b\0".to_owned()];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let server = Server::new(|number, _| reply(if number == 0 { 500 } else { 200 }, ""));
    assert_eq!(outcome(run(&server.url("/"), "content-compression(gzip)", &texts)), (2, 0, 0));
    let requests = server.requests();
    for request in &requests[..2] {
        assert_eq!(request.header("content-encoding"), "gzip");
        assert!(request.body.len() < 1000);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, texts[0]);
    }
    assert_eq!((requests[2].text().as_str(), requests[2].header("content-encoding")), ("a\0b\0", ""));
}

/// Breaks without it: a server that answers badly takes messages with it, or stops the destination.
#[test]
fn bad_answers_cost_an_attempt() {
    let bad: [&'static [u8]; 9] = [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ];
    let server = Server::new(move |number, _| match bad.get(number / 2) {
        // Each twice, as a connection that is closed is tried again at once.
        Some(bytes) => Reply { bytes: bytes.to_vec(), closes: true },
        None => reply(200, ""),
    });
    assert_eq!(outcome(run(&server.url("/"), "timeout(20)", &["a"])), (1, 0, 0));
    let huge = Server::new(|number, _| {
        let header = if number == 0 { format!("X-Huge: {}\r\n", "x".repeat(1 << 20)) } else { String::new() };
        reply_with(200, &header, &"y".repeat(if number == 1 { 1 << 20 } else { 0 }))
    });
    assert_eq!(outcome(run(&huge.url("/"), "", &["a", "b"])), (2, 0, 0));
}

/// Breaks without it: answers in pieces, an answer before the answer, or a connection that is closed after each
/// request, look like failures.
#[test]
fn unusual_answers_are_answers() {
    let good: [&'static str; 4] = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nto the end",
    ];
    let server = Server::new(move |number, _| Reply {
        bytes: good[number % 4].as_bytes().to_vec(),
        closes: number % 4 == 3,
    });
    let texts: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(outcome(run(&server.url("/"), "", &texts)), (20, 0, 0));
    assert_eq!(server.bodies(), texts);
}

/// Breaks without it: documents that Elasticsearch refused count as delivered.
#[test]
fn refused_documents_of_a_bulk_are_refused_alone() {
    let server = Server::new(|_, request| {
        let text = request.text();
        let lines: Vec<&str> = text.lines().collect();
        let item = |line: &&str| match *line {
            "bad" => r#"{"index":{"status":400,"error":{"type":"parse","reason":"no"}}}"#,
            "busy" if lines.len() > 1 => r#"{"index":{"status":429}}"#,
            _ => r#"{"index":{"status":201}}"#,
        };
        let items: Vec<&str> = lines.iter().map(item).collect();
        let errors = items.iter().any(|item| !item.contains("201"));
        reply(200, &format!(r#"{{"took":1,"errors":{errors},"items":[{}]}}"#, items.join(",")))
    });
    let options = format!("batch-lines(10) batch-timeout(50) {ON_REJECT}");
    let rig = run(&server.url("/index/_bulk"), &options, &["a", "bad", "b", "busy", "c"]);
    rig.0.wait_idle();
    assert_eq!(rig.0.lines("refused"), ["bad 400 d#0"]);
    assert_eq!(outcome(rig), (4, 0, 1));
    assert_eq!(server.bodies().last().map(String::as_str), Some("busy"));
}

/// Breaks without it: one wrong event takes a whole request with it at Splunk.
#[test]
fn a_wrong_event_of_splunk_is_refused_alone() {
    let server = Server::new(|_, request| {
        let text = request.text();
        match text.lines().position(|line| line == "bad") {
            Some(at) => reply(400, &format!(r#"{{"text":"Invalid","code":6,"invalid-event-number":{at}}}"#)),
            None => reply(200, r#"{"text":"Success","code":0}"#),
        }
    });
    let options =
        format!("batch-lines(10) batch-timeout(50) retries(2) response-adapter(splunk) {ON_REJECT}");
    let rig = run(&server.url("/"), &options, &["a", "bad", "b", "bad", "bad", "bad", "c"]);
    rig.0.wait_idle();
    assert_eq!(rig.0.lines("refused"), vec!["bad 400 d#0"; 4]);
    assert_eq!(outcome(rig), (3, 0, 4));
    assert_eq!(server.bodies().last().map(String::as_str), Some("a\nb\nc"));
}

/// Breaks without it: a value in a url changes what the url means, or messages go to another one's.
#[test]
fn urls_have_the_values_of_their_messages() {
    let server = Server::with_statuses(&[200]);
    let options = r#"batch-lines(10) batch-timeout(50) worker-partition-key("$MSG") workers(2)"#;
    let texts = ["a/b?c", "é", "a/b?c"];
    assert_eq!(outcome(run(&server.url("/in/$MSG?x=$MSG"), options, &texts)), (3, 0, 0));
    let mut lines = Vec::new();
    for request in server.requests() {
        let text = request.text();
        let path = if text.contains('/') { "/in/a%2Fb%3Fc?x=a%2Fb%3Fc" } else { "/in/%C3%A9?x=%C3%A9" };
        assert_eq!(request.path, path, "{text}");
        lines.extend(text.lines().map(str::to_owned));
    }
    lines.sort();
    assert_eq!(lines, ["a/b?c", "a/b?c", "é"]);
}

/// A server that answers nothing before the sender is dropped.
fn stalled() -> (std::sync::mpsc::Sender<()>, Server) {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let server = Server::new(move |_, _| {
        // An error, too, when it is dropped.
        let _ = held.lock().unwrap().recv();
        reply(200, "")
    });
    (release, server)
}

/// Breaks without it: a stop waits for a server that does not answer.
#[test]
fn a_stop_does_not_wait_for_a_server_that_does_not_answer() {
    let (release, server) = stalled();
    let (rig, poster) = run(&server.url("/"), "batch-lines(2)", &["a", "b", "c"]);
    until("a request", || !server.requests().is_empty());
    let begun = std::time::Instant::now();
    let lost = rig.pipeline.drain(std::time::Duration::from_millis(300));
    assert!(begun.elapsed() < crate::rig::PATIENCE / 2);
    assert_eq!(lost, 3);
    drop(release);
    drop(poster);
    let (totals, _) = rig.finish(&[3]);
    assert_eq!(totals[0].dropped[DropReason::Stopped as usize], 3);
}

/// Breaks without it: a reload sends again what is under way, and it comes twice.
#[test]
fn a_reload_waits_for_a_request_that_is_under_way() {
    let (release, server) = stalled();
    let (mut rig, poster) = run(&server.url("/"), "", &["a", "b"]);
    until("a request", || !server.requests().is_empty());
    let next = Server::with_statuses(&[200]);
    rig.reload(&config(&next.url("/"), ""));
    assert!(next.requests().is_empty());
    drop(release);
    rig.wait_idle();
    // The old one may send the second message, too, if it hears of its end after the answer.
    assert_eq!(server.bodies()[0], "a");
    assert_eq!([server.bodies(), next.bodies()].concat(), ["a", "b"]);
    let taken = poster.taken;
    drop(poster);
    let (totals, _) = rig.finish(&[taken]);
    assert_eq!(totals[0].delivered, taken);
}

/// Breaks without it: a reload loses what waits for a server that is gone, or sends it twice.
#[test]
fn what_waits_goes_on_over_a_reload() {
    let server = Server::with_statuses(&[500]);
    let (mut rig, poster) = run(&server.url("/"), "", &["a", "b", "c"]);
    until("an attempt", || !server.requests().is_empty());
    let next = Server::with_statuses(&[200]);
    rig.reload(&config(&next.url("/"), ""));
    rig.wait_idle();
    assert_eq!(next.bodies(), ["a", "b", "c"]);
    let taken = poster.taken;
    drop(poster);
    let (totals, _) = rig.finish(&[taken]);
    assert_eq!(totals[0].delivered, taken);
}

/// Breaks without it: a destination that others send to ends before them, or what they are refused waits for
/// ever.
#[test]
fn the_way_of_what_is_refused_changes_with_a_reload() {
    let server =
        Server::new(|_, request| reply(if request.body.starts_with(b"bad") { 410 } else { 200 }, ""));
    let first = config(&server.url("/"), ON_REJECT);
    let mut rig = Rig::new(&first);
    let mut poster = rig.poster(0);
    poster.post(b"bad1");
    rig.wait_idle();
    rig.reload(&first.replace("DIR/refused", "DIR/others"));
    poster.post(b"bad2");
    rig.wait_idle();
    assert_eq!(
        (rig.lines("refused"), rig.lines("others")),
        (vec!["bad1 410 d#0".into()], vec!["bad2 410 d#0".into()])
    );
    rig.reload(&first.replace(ON_REJECT, ""));
    poster.post(b"bad3");
    rig.wait_idle();
    until("the other one has ended", || {
        rig.pipeline.tidy();
        rig.pipeline.leaving() == 0
    });
    drop(poster);
    let (totals, _) = rig.finish(&[3]);
    assert_eq!((totals[0].rejected, totals[0].dropped[DropReason::Refused as usize]), (2, 1));
}

/// Breaks without it: a request to a service of this machine goes over the network, or not at all.
#[test]
fn a_unix_socket_takes_requests() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bodies = Vec::new();
        for _ in 0..2 {
            let mut reader = std::io::BufReader::new(&stream);
            bodies.push(crate::server::read(&mut reader).unwrap().text());
            std::io::Write::write_all(&mut stream, &reply(200, "").bytes).unwrap();
        }
        bodies
    });
    let options = format!(r#"unix-socket("{}")"#, path.display());
    assert_eq!(outcome(run("http://service/in", &options, &["a", "b"])), (2, 0, 0));
    assert_eq!(served.join().unwrap(), ["a", "b"]);
}

/// Breaks without it: what a destination is refused goes nowhere, or round in a circle.
#[test]
fn on_reject_names_a_destination() {
    let pool = Arc::new(Pool::new());
    let pipeline = Pipeline::new(&Log::silent(), &pool, &(Arc::new(ReleaseNow) as Arc<dyn Release>));
    let check = |text: &str| {
        let text = format!("log {{ source {{ internal(); }}; destination(a); }}; {text}");
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        pipeline.plan(&config, &|_| true).map(|_| ()).map_err(|errors| format!("{errors:?}"))
    };
    let http =
        |name: &str, to: &str| format!("destination {name} {{ http(on-reject(destination({to}))); }}; ");
    let file = "destination f { file(\"/tmp/refused\"); }; ";
    assert_eq!(check(&(http("a", "f") + file)), Ok(()));
    assert_eq!(check(&(http("a", "b") + &http("b", "f") + file)), Ok(()));
    let with_path = "destination p { channel { destination { stdout(); }; }; };";
    for (text, expected) in [
        (http("a", "g") + file, "no destination called `g`"),
        (http("a", "a"), "what `a` is refused would come back to it"),
        (http("a", "b") + &http("b", "a"), "would come back to it"),
        (http("a", "p") + with_path, "has log paths"),
    ] {
        let error = check(&text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// Breaks without it: messages go to a server that nobody trusts, or not to one that is trusted, and a new
/// certificate needs a restart.
#[test]
fn https_goes_to_servers_that_are_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("ca.pem");
    let certificate = || {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        (made.cert.pem(), Arc::new(config))
    };
    let (pem, config) = certificate();
    std::fs::write(&authority, pem).unwrap();
    let server = Server::with_tls(config, |_, _| reply(200, ""));
    let url = server.url("/in").replace("http:", "https:");
    let trusts = format!(r#"ca-file("{}") use-system-cert-store(no)"#, authority.display());
    assert_eq!(outcome(run(&url, &trusts, &["a", "b"])), (2, 0, 0));
    assert_eq!(outcome(run(&url, &format!("tls({trusts})"), &["c"])), (1, 0, 0));
    assert_eq!(outcome(run(&url, "peer-verify(no)", &["d"])), (1, 0, 0));
    assert_eq!(server.bodies(), ["a", "b", "c", "d"]);
    // The file names another authority now: nothing goes, until it is the right one and is read again.
    let (rig, poster) = {
        let (other, _) = certificate();
        let right = std::fs::read_to_string(&authority).unwrap();
        std::fs::write(&authority, other).unwrap();
        let run = run(&url, &trusts, &["e"]);
        until("an attempt", || run.0.to(0).errors > 0);
        assert_eq!(server.bodies().len(), 4);
        std::fs::write(&authority, right).unwrap();
        run
    };
    rig.pipeline.reopen();
    assert_eq!(outcome((rig, poster)), (1, 0, 0));
    assert_eq!(server.bodies().last().map(String::as_str), Some("e"));
}
