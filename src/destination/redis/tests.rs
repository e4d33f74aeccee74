//! Tests of `redis()`: a server by script, and what is made of its replies.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use super::*;
use crate::destination::Numbers;
use crate::message::{Need, Origin, Pool, Selection, Writer};

/// The pieces that a server reads, byte by byte, each with its answer; then the connection ends.
type Script = Vec<(String, &'static str)>;

/// A command as the protocol has it.
fn command(parts: &[&str]) -> String {
    let parts = parts.iter().map(|part| format!("${}\r\n{part}\r\n", part.len()));
    format!("*{}\r\n{}", parts.len(), parts.collect::<String>())
}

/// A server that does what the scripts say, a connection each.
fn server(connections: Vec<Script>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        for script in connections {
            let (mut peer, _) = listener.accept().unwrap();
            for (expected, reply) in script {
                let mut read = vec![0; expected.len()];
                peer.read_exact(&mut read).unwrap();
                assert_eq!(String::from_utf8_lossy(&read), expected);
                peer.write_all(reply.as_bytes()).unwrap();
            }
        }
    };
    (port, thread::spawn(serve))
}

fn worker(port: u16, auth: Option<&str>, most_bytes: usize) -> Box<dyn Worker> {
    let parts = ["LPUSH", "k:$PROGRAM", "$MSG"];
    let redis = Redis {
        host: "127.0.0.1".to_owned(),
        port,
        auth: auth.map(Secret::new),
        timeout: Duration::from_secs(60),
        command: parts.map(|part| Template::compile(part).unwrap()).to_vec(),
        most_bytes,
        options: Options::default(),
    };
    let worker = RedisWorker::new(Arc::new(redis));
    Box::new(worker)
}

fn group(texts: &[&str]) -> Group {
    let mut writer = Writer::open(&Arc::new(Origin::named("s")), &Arc::new(Pool::new()), Need::default());
    for text in texts {
        let mut row = writer.row(Need { bytes: text.len(), ..Need::default() }).unwrap();
        row.payload_copy(text.as_bytes());
        row.publish();
    }
    Group::new(vec![(Selection::all(Arc::new(writer.finish())), Numbers::FIRST)])
}

fn push(text: &str) -> String {
    command(&["LPUSH", "k:", text])
}

fn ping() -> (String, &'static str) {
    (command(&["PING"]), "+PONG\r\n")
}

fn delivered(sent: &Sent, taken: usize) -> bool {
    sent.taken == taken && matches!(sent.outcome, Outcome::Delivered)
}

/// Breaks without it: a server gets something else than AUTH, PING and one command for each message.
#[test]
fn a_password_a_ping_and_a_command_for_each_message() {
    let both = push("one") + &push("a\r\nb");
    let script = vec![(command(&["AUTH", "s3cret"]), "+OK\r\n"), ping(), (both, ":1\r\n:2\r\n")];
    let (port, serving) = server(vec![script]);
    let mut worker = worker(port, Some("s3cret"), MOST_BYTES);
    assert!(delivered(&worker.send(&group(&["one", "a\r\nb"])), 2));
    serving.join().unwrap();
}

/// Breaks without it: a pipeline grows without a bound.
#[test]
fn a_pipeline_has_a_bound_in_bytes() {
    let (port, serving) = server(vec![vec![ping(), (push("one"), ":1\r\n"), (push("two"), ":2\r\n")]]);
    let mut worker = worker(port, None, 1);
    let (all, rest) = (group(&["one", "two"]), group(&["two"]));
    assert!(delivered(&worker.send(&all), 1));
    assert!(delivered(&worker.send(&rest), 1));
    serving.join().unwrap();
}

/// Breaks without it: one wrong command is taken for delivered, or those beside it are not.
#[test]
fn an_error_is_its_own_messages() {
    let all = push("one") + &push("two") + &push("three");
    let (port, serving) = server(vec![vec![ping(), (all, ":1\r\n-WRONGTYPE no list\r\n:2\r\n")]]);
    let sent = worker(port, None, MOST_BYTES).send(&group(&["one", "two", "three"]));
    let Outcome::Rows(fates) = sent.outcome else { panic!("{:?}", sent.outcome) };
    assert_eq!((sent.taken, &fates[0], &fates[2]), (3, &Fate::Delivered, &Fate::Delivered));
    let Fate::Again(failure) = &fates[1] else { panic!("{:?}", fates[1]) };
    assert_eq!(failure.status, "WRONGTYPE");
    assert!(failure.text.ends_with("says: WRONGTYPE no list"), "{}", failure.text);
    serving.join().unwrap();
}

/// Breaks without it: messages are refused, and lost, because a server is still loading its data or has become a
/// replica, or their connection is kept and asked for ever.
#[test]
fn a_server_that_is_not_ready_costs_no_message() {
    let all = push("one") + &push("two");
    let scripts = vec![
        vec![ping(), (all.clone(), "-LOADING data\r\n-LOADING data\r\n")],
        vec![ping(), (all, ":1\r\n-READONLY replica\r\n")],
        vec![ping(), (push("two"), ":2\r\n")],
    ];
    let (port, serving) = server(scripts);
    let mut worker = worker(port, None, MOST_BYTES);
    let both = group(&["one", "two"]);
    let Outcome::NotConnected(failure) = worker.send(&both).outcome else { panic!("it is not ready") };
    assert_eq!(failure.status, "LOADING");
    assert!(delivered(&worker.send(&both), 1));
    assert!(delivered(&worker.send(&group(&["two"])), 1));
    serving.join().unwrap();
}

/// Breaks without it: commands that were answered are sent again after a connection broke, or those without an answer
/// are not.
#[test]
fn a_connection_that_breaks_leaves_what_has_no_reply() {
    let all = push("one") + &push("two") + &push("three");
    let rest = push("two") + &push("three");
    let (port, serving) = server(vec![vec![ping(), (all, ":1\r\n")], vec![ping(), (rest, ":2\r\n:3\r\n")]]);
    let mut worker = worker(port, None, MOST_BYTES);
    assert!(delivered(&worker.send(&group(&["one", "two", "three"])), 1));
    assert!(delivered(&worker.send(&group(&["two", "three"])), 2));
    serving.join().unwrap();
    let Outcome::NotConnected(failure) = worker.send(&group(&["four"])).outcome else {
        panic!("nobody is there")
    };
    assert!(failure.text.starts_with(&format!("redis 127.0.0.1:{port}: ")), "{}", failure.text);
}
