//! Sources behind a proxy: who sends is what its header says.

use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};

use crate::engine::{Engine, until};

const TEMPLATE: &str = "$SOURCEIP $SOURCEPORT $DESTIP $DESTPORT $PEERIP $HOST $MSG\\n";

fn source(options: &str) -> String {
    format!("network(ip(127.0.0.1) port(0) transport(\"proxied-tcp\") flags(no-parse) {options})")
}

/// A header of version 2: a command, a family and a protocol, and what follows.
fn header(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x20 | command, family][..], &len.to_be_bytes(), content].concat()
}

/// The addresses 1.2.3.4:80 and 5.6.7.8:514.
const ADDRESSES: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 2, 2];

/// Both versions, in pieces and in one; and connections of the proxy's own.
#[test]
fn headers() {
    let engine = Engine::start_with(&source(""), TEMPLATE);
    let mut stream = engine.connect();
    stream.set_nodelay(true).unwrap();
    for byte in b"PROXY TCP4 10.1.2.3 10.9.9.9 1111 2222\r\nm" {
        stream.write_all(&[*byte]).unwrap();
    }
    drop(stream);
    engine.await_text("10.1.2.3 1111 10.9.9.9 2222 127.0.0.1 10.1.2.3 m\n");
    engine.send(&[&header(1, 0x11, ADDRESSES)[..], b"two\n"].concat());
    engine.await_text(
        "10.1.2.3 1111 10.9.9.9 2222 127.0.0.1 10.1.2.3 m\n1.2.3.4 80 5.6.7.8 514 127.0.0.1 1.2.3.4 two\n",
    );
    for own in [&b"PROXY UNKNOWN\r\nown\n"[..], &[&header(0, 0, b"")[..], b"own\n"].concat()] {
        let before = engine.text().lines().count();
        engine.send(own);
        let lines = engine.await_lines(before + 1);
        let last = lines.last().unwrap();
        assert!(last.starts_with("127.0.0.1 ") && last.ends_with(" 127.0.0.1 127.0.0.1 own"), "{last}");
    }
    assert_eq!(engine.finish(), 4);
}

/// Without a header, or with a broken one, a connection ends.
#[test]
fn broken_headers() {
    let engine = Engine::start_with(&source(""), TEMPLATE);
    let too_long = header(1, 0x11, &[0; 2000]);
    let beyond = header(1, 0x11, &[ADDRESSES, &[4, 0, 99, 1]].concat());
    let bad = [b"<13>a line\n".to_vec(), too_long, beyond, b"PROXY TCP4 300.1.2.3 10.9.9.9 1 2\r\n".to_vec()];
    for bytes in &bad {
        engine.send_until_closed(bytes);
    }
    assert_eq!(engine.sockets("failed"), bad.len() as u64);
    engine.await_said("PROXY protocol:");
    assert_eq!(engine.finish(), 0);
}

/// Nobody but the proxies that are named speaks for others.
#[test]
fn proxies_are_named() {
    let engine = Engine::start_with(&source("proxy-from(\"10.0.0.0/8\" \"::1\")"), TEMPLATE);
    engine.send_until_closed(b"");
    engine.await_said("proxy-from()");
    assert_eq!(engine.sockets("rejected"), 1);
    assert_eq!(engine.finish(), 0);
    let engine = Engine::start_with(&source("proxy-from(\"127.0.0.0/8\")"), TEMPLATE);
    engine.send(b"PROXY TCP6 ::1 ::2 1 2\r\nm\n");
    engine.await_text("::1 1 ::2 2 127.0.0.1 ::1 m\n");
    assert_eq!(engine.finish(), 1);
    let refused = "network(transport(tcp) proxy-from(\"127.0.0.1\"))";
    let (said, _) = Engine::refused(tempfile::tempdir().unwrap(), refused);
    assert!(said.contains("no proxy speaks for others"), "{said}");
}

/// Each datagram has a header of its own.
#[test]
fn datagrams() {
    let source = "network(ip(127.0.0.1) port(0) transport(\"proxied-udp\") flags(no-parse))";
    let engine = Engine::start_with(source, TEMPLATE);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = (Ipv4Addr::LOCALHOST, engine.port());
    for datagram in [&b"no header"[..], &[&header(1, 0x12, ADDRESSES)[..], b"one\n"].concat()] {
        sender.send_to(datagram, to).unwrap();
    }
    engine.await_text("1.2.3.4 80 5.6.7.8 514 127.0.0.1 1.2.3.4 one\n");
    until("the other one", || engine.sockets("failed") == 1);
    assert_eq!(engine.finish(), 1);
}
