//! Connections: framings, bounds, what ends them.

use std::io::Write as _;
use std::net::TcpListener;

use crate::engine::{Engine, assert_closed, until};

/// Sends `bytes` to `source` over a connection; the file must have `expected` then. So many messages came.
fn check(source: &str, bytes: &[u8], expected: &str) {
    let engine = Engine::start(source);
    engine.send(bytes);
    until("the end of the connection", || {
        engine.sockets("accepted") > 0 && engine.sockets("connections") == 0
    });
    engine.await_text(expected);
    assert_eq!(engine.finish(), expected.lines().count() as u64);
}

const TCP: &str = "network(ip(127.0.0.1) port(0)";

fn tcp(options: &str) -> String {
    format!("{TCP} transport(tcp) {options})")
}

fn syslog(options: &str) -> String {
    format!("syslog(ip(127.0.0.1) port(0) {options})")
}

/// Lines end at a line feed or a NUL, blanks at their ends go, and the last needs no end.
#[test]
fn lines_of_a_network_source() {
    check(&tcp(""), b"<34>Oct 11 22:14:15 h1 su[7]: one\r\n", "one|su\n");
    check(&tcp(""), b"<13>two:\n\n\0<13>three:\0", "|two\n|three\n");
    check(&tcp(""), b"<13>four no newline", "no newline|four\n");
    check(&tcp("flags(no-parse, empty-lines)"), b"x\n\n\ny\n", "x|\n|\n|\ny|\n");
}

/// A line beyond the bound comes in pieces, whatever `trim-large-messages` says.
#[test]
fn long_lines_are_cut_and_counted() {
    for more in ["", "trim-large-messages(yes)"] {
        let engine = Engine::start(&tcp(&format!("log-msg-size(50) flags(no-parse) {more}")));
        engine.send(&[&[b'b'; 120][..], b"\nnext\n"].concat());
        let (piece, rest) = ("b".repeat(50), "b".repeat(20));
        engine.await_text(&format!("{piece}|\n{piece}|\n{rest}|\nnext|\n"));
        assert_eq!(engine.sockets("cut"), 2);
        engine.await_said("is longer than log-msg-size(50)");
        assert_eq!(engine.finish(), 4);
    }
}

/// Octet counting as RFC 6587 has it, RFC 5424 in it, and RFC 3164 where it is not.
#[test]
fn frames_of_a_syslog_source() {
    check(&syslog(""), b"33 <34>1 - h app 1 ID - hello framed", "hello framed|app\n");
    check(&syslog(""), b"17 <13>1 - h a - - -", "|a\n");
    check(&syslog("flags(no-parse)"), b"003 abc2 xx", "abc|\nxx|\n");
    check(&syslog("flags(no-parse)"), b"0 3 abc 2 xx", "abc|\nxx|\n");
    check(&syslog(""), b"10 plain text", "text|plain\n");
    check(&syslog(""), b"8 <13>a b\n9 <13>c d\r\n", "b|a\nd|c\n");
    check(&syslog(""), b"22 <13>1 - h a - - - \xef\xbb\xbfx", "x|a\n");
}

/// A frame that its end cuts off is no message, and is counted.
#[test]
fn an_unfinished_frame_is_counted() {
    let engine = Engine::start(&syslog(""));
    engine.send(b"3 <1>29 <13>only a part of it");
    until("the end", || engine.sockets("unfinished") == 1);
    engine.await_said("in the middle of a frame");
    assert_eq!(engine.finish(), 1);
}

/// What is no frame ends the connection; what came before it is kept.
#[test]
fn bad_frames_end_the_connection() {
    let engine = Engine::start(&syslog("log-msg-size(200) flags(no-parse)"));
    for bad in [&b"2 okx bad"[..], b"2 ok<13>newline framed\n", b"2 ok201 <13>1 aaa", b"2 ok99999999999 a"] {
        engine.send_until_closed(bad);
    }
    engine.await_text("ok|\nok|\nok|\nok|\n");
    engine.await_said("invalid frame header");
    engine.await_said("a frame of 201 bytes is longer than log-msg-size()");
    assert_eq!(engine.sockets("failed"), 4);
    assert_eq!(engine.finish(), 4);
}

/// With long frames trimmed the connection goes on behind them.
#[test]
fn long_frames_are_trimmed() {
    let long = [b"100 ".as_slice(), &[b'x'; 100], b"18 the frame after it"].concat();
    let expected = format!("{}|\nthe frame after it|\n", "x".repeat(60));
    check(&syslog("log-msg-size(60) trim-large-messages(yes) flags(no-parse)"), &long, &expected);
}

/// The words of `transport()` that are names of framings.
#[test]
fn other_framings() {
    let network = |word: &str| format!("{TCP} transport(\"{word}\") flags(no-parse))");
    check(&network("framed"), b"5 hello", "hello|\n");
    check(&network("TEXT-with-nuls"), b"a\0b\nc\n", "a\0b|\nc|\n");
    check(&network("nul-terminated"), b"a\0b\0", "a|\nb|\n");
    check(&network("auto"), b"5 hello3 abc", "hello|\nabc|\n");
    check(&network("auto"), b"<13>x\n5 hello\n", "<13>x|\n5 hello|\n");
    check(&network("auto"), b"12345678901 \n", "12345678901 |\n");
}

/// Long messages come whole, in whatever pieces they are sent.
#[test]
fn long_messages_come_whole() {
    let text = "0123456789abcdef".repeat(20_000);
    for framed in [false, true] {
        let source = format!(
            "{TCP} transport({}) log-msg-size(400000) flags(no-parse))",
            if framed { "framed" } else { "tcp" }
        );
        let engine = Engine::start_with(&source, "$MSG\\n");
        let mut stream = engine.connect();
        for _ in 0..3 {
            let frame = if framed { format!("{} {text}", text.len()) } else { format!("{text}\n") };
            for piece in frame.as_bytes().chunks(70_001) {
                stream.write_all(piece).unwrap();
            }
        }
        drop(stream);
        engine.await_text(&format!("{text}\n{text}\n{text}\n"));
        assert_eq!(engine.finish(), 3);
    }
}

/// A line that comes byte by byte is one line.
#[test]
fn bytes_one_by_one() {
    let engine = Engine::start(&tcp("flags(no-parse)"));
    let mut stream = engine.connect();
    stream.set_nodelay(true).unwrap();
    for byte in b"half a line, and the rest\nanother" {
        stream.write_all(&[*byte]).unwrap();
    }
    drop(stream);
    engine.await_text("half a line, and the rest|\nanother|\n");
    assert_eq!(engine.finish(), 2);
}

/// The connection that is one too many is closed at once; the others work on.
#[test]
fn one_connection_too_many() {
    let engine = Engine::start(&tcp("max-connections(2) flags(no-parse)"));
    let (mut one, mut two) = (engine.connect(), engine.connect());
    until("two connections", || engine.sockets("connections") == 2);
    assert_closed(&mut engine.connect());
    engine.await_said("max-connections(2)");
    assert_eq!((engine.sockets("rejected"), engine.sockets("max_connections")), (1, 2));
    one.write_all(b"one\n").unwrap();
    engine.await_lines(1);
    two.write_all(b"two\n").unwrap();
    engine.await_text("one|\ntwo|\n");
    drop(one);
    until("room", || engine.sockets("connections") == 1);
    engine.send(b"three\n");
    engine.await_lines(3);
    assert_eq!(engine.finish(), 3);
}

/// One address cannot take the connections of all; a connection that has gone makes room for another.
#[test]
fn one_connection_too_many_of_an_address() {
    let engine = Engine::start(&tcp("max-connections(10) max-connections-per-ip(2) flags(no-parse)"));
    let (mut one, two) = (engine.connect(), engine.connect());
    until("two connections", || engine.sockets("connections") == 2);
    assert_closed(&mut engine.connect());
    engine.await_said("max-connections-per-ip(2) are open from there");
    assert_eq!(engine.sockets("rejected"), 1);
    one.write_all(b"one\n").unwrap();
    engine.await_lines(1);
    drop(two);
    until("room", || engine.sockets("connections") == 1);
    engine.send(b"two\n");
    engine.await_lines(2);
    assert_eq!(engine.finish(), 2);
}

/// A connection that is silent for too long is closed, half a line included.
#[test]
fn silent_connections_are_closed() {
    let engine = Engine::start(&tcp("idle-timeout(0.3) flags(no-parse)"));
    engine.send_until_closed(b"one\ntwo");
    engine.await_text("one|\ntwo|\n");
    assert_eq!(engine.finish(), 2);
}

/// A port that is taken, or a word that is none, refuses the configuration at its place.
#[test]
fn what_cannot_be_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = |source: &str| {
        let (said, code) = Engine::refused(tempfile::tempdir().unwrap(), source);
        assert_ne!(code, Some(0), "{said}");
        said
    };
    let said = refused(&format!("network(ip(127.0.0.1) port({port}))"));
    assert!(said.contains(&port.to_string()) && said.contains("in use"), "{said}");
    let said = refused("network(transport(\"bogus\"))");
    assert!(said.contains("unknown transport `bogus`") && said.contains('^'), "{said}");
    let said = refused("udp(max-connections(3))");
    assert!(said.contains("unknown option `max-connections`"), "{said}");
    let said = refused("network(encoding(\"klingon\"))");
    assert!(said.contains("unknown encoding `klingon`"), "{said}");
    let said = refused("network(flags(no-such-flag))");
    assert!(said.contains("no-such-flag"), "{said}");
}

/// Text of another encoding is UTF-8 in the file, also where a character is cut by a read.
#[test]
fn another_encoding() {
    let engine = Engine::start(&tcp("encoding(\"euc-jp\") flags(no-parse)"));
    let mut stream = engine.connect();
    stream.set_nodelay(true).unwrap();
    for byte in b"\xa4\xa2\xa4\xa4\nb\xa4\xa2" {
        stream.write_all(&[*byte]).unwrap();
    }
    drop(stream);
    engine.await_text("あい|\nbあ|\n");
    assert_eq!(engine.finish(), 2);
    let frame = b"6 \xe1rv\xedz\xfb";
    check(&syslog("encoding(iso-8859-2) flags(no-parse)"), frame, "árvízű|\n");
}

/// The macros about where a message came from.
#[test]
fn addresses() {
    let template = "$SOURCEIP $SOURCEPORT $DESTIP $DESTPORT $IP_PROTO $PROTO $PEERIP $PEERPORT $TRANSPORT $HOST $HOST_FROM\\n";
    let engine = Engine::start_with(&tcp(""), template);
    let mut stream = engine.connect();
    stream.write_all(b"<13>Oct 11 22:14:15 forged p: m\n").unwrap();
    let (port, own) = (engine.port(), stream.local_addr().unwrap().port());
    engine.await_text(&format!(
        "127.0.0.1 {own} 127.0.0.1 {port} 4 6 127.0.0.1 {own} bsdsyslog+tcp 127.0.0.1 127.0.0.1\n"
    ));
    drop(stream);
    engine.finish();
    let six = Engine::start_with("tcp6(ip(\"::1\") port(0) keep-hostname(yes))", template);
    let mut stream = std::net::TcpStream::connect(("::1", six.port())).unwrap();
    stream.write_all(b"<13>Oct 11 22:14:15 claimed p: m\n").unwrap();
    let (port, own) = (six.port(), stream.local_addr().unwrap().port());
    six.await_text(&format!("::1 {own} ::1 {port} 6 6 ::1 {own} bsdsyslog+tcp claimed ::1\n"));
    drop(stream);
    six.finish();
}

/// HOST by the rules of the source, for messages that are parsed later: chained, kept, or that of the sender.
#[test]
fn hosts() {
    let host = |options: &str, line: &str| {
        let engine = Engine::start_with(&tcp(options), "$FULLHOST\\n");
        engine.send(line.as_bytes());
        let lines = engine.await_lines(1);
        engine.finish();
        lines[0].clone()
    };
    let line = "<13>Oct 11 22:14:15 own p: m\n";
    assert_eq!(host("", line), "127.0.0.1");
    assert_eq!(host("keep-hostname(yes)", line), "own");
    assert_eq!(host("chain-hostnames(yes)", line), "own/127.0.0.1");
    assert_eq!(host("chain-hostnames(yes)", "<13>m\n"), "127.0.0.1/127.0.0.1");
    assert_eq!(host("host-override(other)", line), "other");
}
