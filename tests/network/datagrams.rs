//! Datagrams: each is a message.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, UdpSocket};

use crate::engine::{Engine, until};

const UDP: &str = "udp(ip(127.0.0.1) port(0)";

/// Line feeds stay inside, and go at the end; nothing is no message.
#[test]
fn one_message_each() {
    let engine = Engine::start(&format!("{UDP})"));
    engine.send_to(b"<13>Oct 11 22:14:15 h p: a\nb\n");
    engine.send_to(b"");
    engine.send_to(b"\n\0");
    engine.send_to(b"<13>nul:\0");
    engine.await_text("a\nb|p\n|nul\n");
    assert_eq!(engine.finish(), 2);
}

/// A datagram that is longer than a message may be is cut, and counted.
#[test]
fn long_datagrams_are_cut() {
    let engine = Engine::start(&format!("{UDP} log-msg-size(10) flags(no-parse))"));
    engine.send_to(b"0123456789");
    engine.send_to(b"0123456789abc");
    engine.await_text("0123456789|\n0123456789|\n");
    assert_eq!(engine.sockets("cut"), 1);
    engine.await_said("longer than log-msg-size(10)");
    assert_eq!(engine.finish(), 2);
}

/// Each message has the addresses of its own datagram, also behind an address that stands for all.
#[test]
fn addresses() {
    let template = "$SOURCEIP $SOURCEPORT $DESTIP $DESTPORT $PROTO $TRANSPORT $HOST $MSG\\n";
    let engine = Engine::start_with("network(port(0) transport(udp) flags(no-parse))", template);
    let port = engine.port();
    let senders = [UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.2:0").unwrap()];
    let mut expected = String::new();
    for (index, to) in [(0, 1), (1, 1), (0, 3), (0, 3), (1, 1)] {
        let to = Ipv4Addr::new(127, 0, 0, to);
        senders[index].send_to(index.to_string().as_bytes(), (to, port)).unwrap();
        let from = senders[index].local_addr().unwrap();
        let (ip, own) = (from.ip(), from.port());
        writeln!(expected, "{ip} {own} {to} {port} 17 bsdsyslog+udp {ip} {index}").unwrap();
    }
    engine.await_text(&expected);
    assert_eq!(engine.finish(), 5);
    let engine = Engine::start_with("udp6(ip(\"::1\") port(0))", "$SOURCEIP $DESTIP $IP_PROTO $MSG\\n");
    let sender = UdpSocket::bind("[::1]:0").unwrap();
    sender.send_to(b"<13>p: six", ("::1", engine.port())).unwrap();
    engine.await_text("::1 ::1 6 six\n");
    assert_eq!(engine.finish(), 1);
}

/// The time of receipt is when the kernel got a datagram, and the order is that of the sender.
#[test]
fn many_datagrams() {
    const COUNT: usize = 3000;
    let engine =
        Engine::start_with(&format!("{UDP} so-rcvbuf(4194304) receivers(1) flags(no-parse))"), "$MSG\\n");
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..COUNT {
        sender.send_to(format!("{number:05}").as_bytes(), (Ipv4Addr::LOCALHOST, engine.port())).unwrap();
        if number % 100 == 0 {
            engine.await_lines(number);
        }
    }
    let lines = engine.await_lines(COUNT);
    assert!(lines.is_sorted() && lines.len() == COUNT);
    assert_eq!(engine.finish(), COUNT as u64);
}

/// Several sockets on one port share what comes.
#[test]
fn several_receivers() {
    let port = free_port();
    let source = format!("udp(ip(127.0.0.1) port({port}) receivers(4) flags(no-parse))");
    let engine = Engine::start_with(&source, "$DESTPORT\\n");
    for _ in 0..40 {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"x", (Ipv4Addr::LOCALHOST, port)).unwrap();
    }
    engine.await_lines(40);
    assert_eq!(engine.finish(), 40);
}

/// A port that nobody has.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What the kernel drops while there is no credit is shown.
#[test]
fn datagrams_that_the_kernel_drops_are_counted() {
    let source = format!("{UDP} so-rcvbuf(4096) log-iw-size(1) flags(no-parse))");
    let configuration = crate::engine::configuration(&source, "$MSG\\n")
        .replace("file(\"DIR/out\" template(\"$MSG\\n\"))", "pipe(\"DIR/door\" template(\"$MSG\\n\"))");
    let engine = Engine::with(&configuration);
    let (sender, port) = (UdpSocket::bind("127.0.0.1:0").unwrap(), engine.port());
    let text = [b'x'; 1000];
    // The pipe is full at some time, and then there is no credit.
    until("a stop of the source", || {
        sender.send_to(&text, (Ipv4Addr::LOCALHOST, port)).unwrap();
        engine.stats()["free"] == 0
    });
    for _ in 0..100 {
        sender.send_to(&text, (Ipv4Addr::LOCALHOST, port)).unwrap();
    }
    let reader = std::thread::spawn({
        let path = engine.path("door");
        move || std::io::copy(&mut std::fs::File::open(path).unwrap(), &mut std::io::sink())
    });
    until("the number", || {
        sender.send_to(b"now", (Ipv4Addr::LOCALHOST, port)).unwrap();
        engine.sockets("dropped_by_kernel") > 0
    });
    engine.await_said("the kernel dropped");
    engine.finish();
    reader.join().unwrap().unwrap();
}
