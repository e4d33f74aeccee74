//! As much of HTTP/1.1 (RFC 9112) as a scrape needs: one `GET` or `HEAD` a connection, without a body.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::super::Board;
use super::super::control::clients::Place;
use super::text;

/// The longest request, with all its headers, in bytes.
const MAX_REQUEST: usize = 8 * 1024;
/// The time that a request may take to come, and an answer to be taken.
const WITHIN: Duration = Duration::from_secs(5);
/// The rest that a client which is sent away may still have been sending, in bytes and in time.
const REST: usize = 64 * 1024;
const REST_WITHIN: Duration = Duration::from_millis(100);

/// A status line, and more headers.
type Refused = (&'static str, &'static str);
const BAD_REQUEST: Refused = ("400 Bad Request", "");
const NOT_FOUND: Refused = ("404 Not Found", "");
const WRONG_METHOD: Refused = ("405 Method Not Allowed", "Allow: GET, HEAD\r\n");
const LATE: Refused = ("408 Request Timeout", "");
const TOO_LONG: Refused = ("431 Request Header Fields Too Large", "");

/// One client, from its request to its end.
pub(super) fn serve(place: &Place<TcpStream>, board: &Board) {
    let stream = place.stream();
    let request = read_head(stream, Instant::now() + WITHIN);
    place.set_waits(false);
    let parsed = match &request {
        Ok(head) => parse(head),
        Err(Some(refused)) => Err(*refused),
        // It has gone.
        Err(None) => return,
    };
    let answer = match parsed {
        Ok(has_body) => {
            let body = text::of(board);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                text::CONTENT_TYPE,
                body.len()
            );
            head + if has_body { &body } else { "" }
        }
        Err((status, headers)) => {
            let body = format!("{status}: the metrics are at /metrics\n");
            format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        }
    };
    place.set_waits(true);
    // A client that is gone, or does not read, does without.
    if write(stream, answer.as_bytes(), Instant::now() + WITHIN).is_ok() {
        // What it still sends would have the system throw the answer away.
        let _ = stream.shutdown(Shutdown::Write);
        drop_rest(stream, Instant::now() + REST_WITHIN);
    }
}

/// The rest of the time, as a time-out that the system takes: 0 is none.
fn left(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then(|| left.max(Duration::from_millis(1)))
}

fn read_some(mut stream: &TcpStream, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        let Some(left) = left(deadline) else { return Err(ErrorKind::TimedOut.into()) };
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            done => return done,
        }
    }
}

/// The request up to its empty line; `None` as the error when the client has gone before it said anything.
fn read_head(stream: &TcpStream, deadline: Instant) -> Result<Vec<u8>, Option<Refused>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match read_some(stream, &mut buffer, deadline) {
            Ok(0) if head.is_empty() => return Err(None),
            Ok(0) => return Err(Some(BAD_REQUEST)),
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(Some(LATE)),
            Err(_) => return Err(None),
        }
        if let Some(end) = end_of_head(&head) {
            head.truncate(end);
            return Ok(head);
        }
        if head.len() > MAX_REQUEST {
            return Err(Some(TOO_LONG));
        }
    }
}

/// The place of the empty line.
fn end_of_head(head: &[u8]) -> Option<usize> {
    let ends = |end: &[u8]| memchr::memmem::find(head, end).map(|at| at + end.len());
    match (ends(b"\r\n\r\n"), ends(b"\n\n")) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// True when the answer has a body: `GET`, and not `HEAD`.
fn parse(head: &[u8]) -> Result<bool, Refused> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| BAD_REQUEST)?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else { return Err(BAD_REQUEST) };
    if !version.starts_with("HTTP/1.")
        || method.is_empty()
        || !method.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        return Err(BAD_REQUEST);
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    match (method, path) {
        ("GET", "/metrics") => Ok(true),
        ("HEAD", "/metrics") => Ok(false),
        ("GET" | "HEAD", _) => Err(NOT_FOUND),
        _ => Err(WRONG_METHOD),
    }
}

fn write(mut stream: &TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let Some(left) = left(deadline) else { return Err(ErrorKind::TimedOut.into()) };
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn drop_rest(stream: &TcpStream, deadline: Instant) {
    let mut buffer = [0; 4096];
    let mut dropped = 0;
    while dropped < REST {
        match read_some(stream, &mut buffer, deadline) {
            Ok(count) if count > 0 => dropped += count,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::Metrics;
    use super::*;

    fn metrics() -> Metrics {
        Metrics::open((Ipv4Addr::LOCALHOST, 0).into(), Arc::default()).unwrap()
    }

    fn connect(metrics: &Metrics) -> TcpStream {
        let stream = TcpStream::connect(metrics.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    fn ask(metrics: &Metrics, request: &[u8]) -> String {
        let mut stream = connect(metrics);
        // It may have been answered, and closed, before all of it was sent.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn scrape(metrics: &Metrics) {
        let answer = ask(metrics, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("# EOF\n"), "{answer}");
    }

    /// Without it: a scraper that asks a little differently gets nothing.
    #[test]
    fn requests() {
        let metrics = metrics();
        scrape(&metrics);
        let status = |request: &[u8]| ask(&metrics, request)[9..12].to_owned();
        assert_eq!(status(b"GET /metrics?name[]=x HTTP/1.0\n\n"), "200");
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "404");
        assert_eq!(status(b"POST /metrics HTTP/1.1\r\n\r\n"), "405");
        assert_eq!(status(b"GET /metrics\r\n\r\n"), "400");
        assert_eq!(status(b"\x16\x03\x01\xff\xfe\r\n\r\n"), "400");
        assert_eq!(status(&[b"GET /metrics HTTP/1.1\r\n".as_slice(), &vec![b'x'; 20_000]].concat()), "431");
        let head = ask(&metrics, b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    }

    /// Without it: clients that say nothing, half a request or garbage, or that do not read, keep Prometheus
    /// out.
    #[test]
    fn bad_clients_keep_nobody_out() {
        let metrics = metrics();
        let mut bad: Vec<_> = (0..40).map(|_| connect(&metrics)).collect();
        for (index, stream) in bad.iter_mut().enumerate() {
            let _ = match index % 4 {
                0 => Ok(()),
                1 => stream.write_all(b"GET /met"),
                2 => stream.write_all(&[0xff; 300]),
                _ => stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n"),
            };
        }
        scrape(&metrics);
        drop(bad);
        scrape(&metrics);
    }

    /// Without it: the engine does not end while somebody is connected.
    #[test]
    fn the_end_waits_for_nobody() {
        let metrics = metrics();
        let _silent = connect(&metrics);
        let address = metrics.address();
        drop(metrics);
        assert!(TcpStream::connect(address).is_err());
    }

    proptest! {
        /// Any bytes are a request or none, never a panic.
        #[test]
        fn any_bytes_are_parsed(head: Vec<u8>) {
            let _ = (end_of_head(&head), parse(&head));
        }
    }
}
