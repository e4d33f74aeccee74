//! Windows: a source in front of a destination that stands still.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use crate::engine::{Engine, configuration, until};

/// A pipe instead of the file: nobody reads it.
fn stuck(source: &str) -> Engine {
    let file = "file(\"DIR/out\" template(\"$MSG\\n\"))";
    let configuration = configuration(source, "$MSG\\n");
    assert!(configuration.contains(file));
    Engine::with(&configuration.replace(file, "pipe(\"DIR/door\" template(\"$MSG\\n\"))"))
}

/// Makes the pipe and fills it with empty lines: it takes nothing more.
fn fill(engine: &Engine) -> File {
    let path = engine.path("door");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut pipe = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap();
    for piece in [&[b'\n'; 4096][..], b"\n"] {
        while pipe.write(piece).map_err(|error| assert_eq!(error.kind(), ErrorKind::WouldBlock)).is_ok() {}
    }
    pipe
}

/// Sends lines of `text` until it cannot; the number that it sent then comes when it is let go on.
fn flood(mut stream: TcpStream, text: &str, lines: usize) -> thread::JoinHandle<io::Result<()>> {
    let line = format!("{text}\n");
    thread::spawn(move || (0..lines).try_for_each(|_| stream.write_all(line.as_bytes())))
}

fn read(engine: &Engine) -> thread::JoinHandle<String> {
    let path = engine.path("door");
    until("the pipe", || path.exists());
    thread::spawn(move || io::read_to_string(File::open(path).unwrap()).unwrap())
}

/// A connection that floods takes its share of the window, its peer blocks, and the other one is served. Nothing
/// is lost when the destination goes on.
#[test]
fn connections_share_the_window() {
    const LINES: usize = 3000;
    let engine = stuck("network(ip(127.0.0.1) port(0) log-iw-size(200) max-connections(2) flags(no-parse))");
    let full = fill(&engine);
    let (one, mut two) = (engine.connect(), engine.connect());
    let long = "x".repeat(5000);
    let first = flood(one, &long, LINES);
    until("a full share", || engine.stats()["in_flight"] == 100);
    two.write_all(b"other\n").unwrap();
    until("the other connection", || engine.stats()["in_flight"] == 101);
    assert!(!first.is_finished(), "its peer blocks");
    let reader = read(&engine);
    drop(full);
    first.join().unwrap().unwrap();
    drop(two);
    until("everything", || engine.stats()["delivered"] == LINES + 1);
    assert_eq!(engine.finish(), LINES as u64 + 1);
    let text = reader.join().unwrap();
    assert_eq!(text.lines().filter(|line| *line == long).count(), LINES);
    assert_eq!(text.lines().filter(|line| *line == "other").count(), 1);
}

/// A window that is smaller than the number of connections lets each of them go on.
#[test]
fn a_small_window_serves_all() {
    let engine = stuck("network(ip(127.0.0.1) port(0) log-iw-size(3) max-connections(10) flags(no-parse))");
    let floods: Vec<_> = (0..10).map(|number| flood(engine.connect(), &format!("{number}"), 300)).collect();
    let reader = read(&engine);
    for flood in floods {
        flood.join().unwrap().unwrap();
    }
    until("everything", || engine.stats()["delivered"] == 3000);
    assert_eq!(engine.finish(), 3000);
    let text = reader.join().unwrap();
    for number in 0..10 {
        assert_eq!(text.lines().filter(|line| *line == number.to_string()).count(), 300);
    }
}

/// A stop with frames that have no credit says how much is lost, and ends.
#[test]
fn a_stop_without_credit_ends() {
    let engine = stuck("network(ip(127.0.0.1) port(0) log-iw-size(2) max-connections(1) flags(no-parse))");
    let long = "x".repeat(5000);
    let flood = flood(engine.connect(), &long, 100);
    until("no credit", || engine.stats()["free"] == 0);
    engine.finish();
    // It is reset.
    drop(flood.join().unwrap());
}

/// Many connections, each with a line: all come, in the order of each.
#[test]
fn many_connections() {
    let engine = Engine::start_with(
        "network(ip(127.0.0.1) port(0) max-connections(2000) listen-backlog(4096) flags(no-parse))",
        "$MSG\\n",
    );
    let mut streams: Vec<_> = (0..500).map(|_| engine.connect()).collect();
    for round in 0..3 {
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.write_all(format!("{number} {round}\n").as_bytes()).unwrap();
        }
    }
    let lines = engine.await_lines(1500);
    for number in [0, 77, 499] {
        let own: Vec<_> = lines.iter().filter(|line| line.starts_with(&format!("{number} "))).collect();
        assert_eq!(own, [&format!("{number} 0"), &format!("{number} 1"), &format!("{number} 2")]);
    }
    drop(streams);
    until("their end", || engine.sockets("connections") == 0);
    assert_eq!(engine.finish(), 1500);
}
