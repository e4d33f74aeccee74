//! Reloads: what becomes of connections.

use std::io::Write as _;

use crate::engine::{Engine, TEMPLATE, assert_closed, configuration, until};

/// A connection outlives a reload, half a line included; with `keep-alive(no)` it does not.
#[test]
fn connections_outlive_a_reload() {
    let kept = configuration("network(ip(127.0.0.1) port(0) flags(no-parse))", TEMPLATE);
    let engine = Engine::with(&kept);
    let mut stream = engine.connect();
    stream.write_all(b"half a ").unwrap();
    until("half a line", || engine.sockets("bytes") == 7);
    engine.reload(&kept);
    stream.write_all(b"line\n").unwrap();
    engine.await_text("half a line|\n");
    // Another destination is no reason to close it.
    engine.reload(&kept.replace("DIR/out", "DIR/other"));
    stream.write_all(b"and more\n").unwrap();
    until("the other file", || {
        std::fs::read_to_string(engine.path("other")).is_ok_and(|text| text == "and more|\n")
    });
    assert_eq!(engine.sockets("accepted"), 1);
    drop(stream);
    assert_eq!(engine.finish(), 2);

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = configuration(
        &format!("network(ip(127.0.0.1) port({port}) keep-alive(no) flags(no-parse))"),
        TEMPLATE,
    );
    let engine = Engine::with(&closed);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"one\n").unwrap();
    engine.await_lines(1);
    engine.reload(&closed);
    assert_closed(&mut stream);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"two\n").unwrap();
    engine.await_lines(2);
    drop(stream);
    assert_eq!(engine.finish(), 2);
}
