//! Network destinations and peers over real sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::config::{Config, Environment, parse_str};
use crate::destination::{self, Counters, Destination, Report, Severity, Site};
use crate::drivers::VOCABULARY;
use crate::flow::{Ack, Credit, Delivery, SourceCounters};
use crate::message::batch::Text;
use crate::message::{Batch, FieldName, Need, Origin, Pool, Selection, Stamp, ValueType, Writer};

/// How long something may take that is expected soon.
const PATIENCE: Duration = Duration::from_secs(60);
/// Every driver of these tests tries again soon.
const SOON: &str = "time-reopen(0.02)";

/// A message: its text and fields.
type Given<'a> = (&'a str, &'a [(FieldName, &'a str)]);

fn batch(origin: Origin, messages: &[Given<'_>]) -> Arc<Batch> {
    let (origin, pool) = (Arc::new(origin), Arc::new(Pool::new()));
    let bytes = messages.iter().map(|(text, fields)| {
        text.len() + 64 + fields.iter().map(|(_, value)| value.len() + 16).sum::<usize>()
    });
    let need = Need { bytes: bytes.sum(), fields: 8 * messages.len(), ..Need::default() };
    let mut writer = Writer::open(&origin, &pool, need);
    for (text, fields) in messages {
        let bytes = text.len() + fields.iter().map(|(_, value)| value.len()).sum::<usize>();
        let mut row = writer.row(Need { bytes, fields: fields.len(), ..Need::default() }).unwrap();
        row.payload_copy(text.as_bytes());
        for (field, value) in *fields {
            row.field(*field, Text::Copy(b""), ValueType::String, Text::Copy(value.as_bytes()));
        }
        row.stamps(Stamp { unix_micros: 1_065_903_255_003_999, offset_seconds: 7200 }, 0);
        row.pri(30);
        row.publish();
    }
    Arc::new(writer.finish())
}

fn config(driver: &str) -> Config {
    let text = format!("destination d {{ {driver}; }};");
    parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A destination with everything around it that a test looks at.
struct Rig {
    driver: Box<dyn Destination>,
    counters: Arc<Counters>,
    source: Arc<SourceCounters>,
    credit: Arc<Credit>,
    reports: Arc<Mutex<Vec<Report>>>,
    woken: mpsc::Receiver<()>,
    given: u64,
}

impl Rig {
    fn new(driver: &str) -> Self {
        let counters = Arc::new(Counters::default());
        let (driver, reports, woken) = Self::driver(driver, &counters);
        let credit = Arc::new(Credit::new(1_000_000, 1 << 40));
        Self { driver, counters, source: Arc::default(), credit, reports, woken, given: 0 }
    }

    #[expect(clippy::type_complexity, reason = "its parts have names where it is used")]
    fn driver(
        text: &str,
        counters: &Arc<Counters>,
    ) -> (Box<dyn Destination>, Arc<Mutex<Vec<Report>>>, mpsc::Receiver<()>) {
        let config = config(text);
        let planned = destination::plan(&config, config.destinations["d"].drivers()[0]).unwrap();
        let (wake, woken) = mpsc::channel();
        let reports: Arc<Mutex<Vec<Report>>> = Arc::default();
        let log = Arc::clone(&reports);
        let driver = (planned.make)(Site {
            counters: Arc::clone(counters),
            report: Arc::new(move |report| log.lock().unwrap().push(report)),
            rejects: destination::Rejects::default(),
            wake: Arc::new(move || wake.send(()).unwrap_or_default()),
        });
        (driver, reports, woken)
    }

    /// A reload that puts the driver `text` in the place of this one.
    fn replace(&mut self, text: &str) {
        let left = self.driver.hand_over();
        let (driver, reports, woken) = Self::driver(text, &self.counters);
        (self.driver, self.reports, self.woken) = (driver, reports, woken);
        self.driver.take_over(left);
    }

    fn push_batch(&mut self, batch: Arc<Batch>, flow_control: bool) {
        let count = batch.rows();
        assert_eq!(self.credit.try_take(count, batch.charge()), count);
        let ack = Ack::new(&self.credit, &self.source, count, batch.charge());
        self.counters.queued.fetch_add(u64::from(count), Relaxed);
        self.given += u64::from(count);
        self.driver.push(Delivery { view: Selection::all(batch), ack, flow_control });
    }

    fn push(&mut self, texts: &[&str]) {
        let messages: Vec<Given<'_>> = texts
            .iter()
            .map(|text| (*text, &[(FieldName::Host, "h"), (FieldName::Program, "p")][..]))
            .collect();
        self.push_batch(batch(Origin::named("s_test"), &messages), true);
    }

    /// Does what the thread of a destination does, until `done`.
    fn run_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.driver.flush(Instant::now());
            if done(self) {
                return;
            }
            assert!(Instant::now() < end, "{what}: {self:?}");
            let deadline = self.driver.next_deadline().unwrap_or(end);
            let wait = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(10));
            // Woken or not.
            let _ = self.woken.recv_timeout(wait);
        }
    }

    fn run_until_connected(&mut self) {
        self.run_until("a connection", |rig| rig.counters.open_files.load(Relaxed) > 0);
    }

    fn run_until_idle(&mut self) {
        self.run_until("all written", |rig| rig.driver.is_idle());
    }

    fn errors(&self) -> Vec<String> {
        let reports = self.reports.lock().unwrap();
        reports.iter().filter(|one| one.severity == Severity::Error).map(|one| one.text.clone()).collect()
    }

    fn check_sum(&self) {
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
        let sum = of(&self.counters.queued) + of(&self.counters.delivered) + of(&self.counters.dropped);
        assert_eq!(sum, self.given);
    }

    /// Stops it; everything must have been written.
    fn finish(mut self) {
        assert_eq!(self.driver.stop(Instant::now() + PATIENCE), 0, "{self:?}");
        assert_eq!(self.credit.free_messages(), 1_000_000, "a batch was not let go of");
        assert_eq!(self.source.totals().delivered, self.given);
        assert_eq!(self.counters.open_files.load(Relaxed), 0);
        self.check_sum();
    }
}

impl std::fmt::Debug for Rig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rig")
            .field("counters", &self.counters)
            .field("reports", &self.reports)
            .field("waiting", &self.driver.waiting())
            .finish_non_exhaustive()
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Reads `count` bytes.
fn read(stream: &mut impl Read, count: usize) -> String {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Accepts while the rig runs.
fn accept(rig: &mut Rig, listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    rig.run_until("a connection", |_| {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (stream, _) = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Breaks without it: a line has another form than receivers expect, or a template's output is changed.
#[test]
fn lines_have_the_form_of_their_driver() {
    let fields: &[_] = &[(FieldName::Host, "vm"), (FieldName::Program, "prog"), (FieldName::Pid, "6")];
    let evil: &[_] = &[(FieldName::Host, "a\nb"), (FieldName::Program, "p\n<1>x y"), (FieldName::Pid, "6 7")];
    let (plain, long) = (("stream nul", fields), "l".repeat(10_000));
    for (driver, options, expected) in [
        ("network", "", "<30>Oct 11 22:14:15 vm prog[6]: stream nul\n"),
        ("tcp", "ts-format(iso) frac-digits(0)", "<30>Oct 11 22:14:15 vm prog[6]: stream nul\n"),
        ("network", "template(\"T:$MSG\\n\")", "T:stream nul\n"),
        ("network", "template(\"$MSG|\")", "stream nul|"),
        ("network", "flags(syslog-protocol)", "<30>1 2003-10-11T22:14:15+02:00 vm prog 6 - - stream nul\n"),
        ("syslog", "", "57 <30>1 2003-10-11T22:14:15+02:00 vm prog 6 - - stream nul\n"),
        ("syslog", "template(\"<$MSG>\")", "59 <30>1 2003-10-11T22:14:15+02:00 vm prog 6 - - <stream nul>\n"),
        ("network", "transport(framed)", "43 <30>Oct 11 22:14:15 vm prog[6]: stream nul\n"),
    ] {
        let (listener, port) = listener();
        let mut rig = Rig::new(&format!("{driver}(\"127.0.0.1\" port({port}) {options} {SOON})"));
        rig.push_batch(batch(Origin::named("s"), &[plain]), true);
        let mut stream = accept(&mut rig, &listener);
        rig.run_until_idle();
        assert_eq!(read(&mut stream, expected.len()), expected, "{driver} {options}");
        rig.finish();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "nothing else came");
    }
    // Names that would be a second line, or a second field; and a long text, which is not copied.
    for (driver, expected) in [
        ("network", "<30>Oct 11 22:14:15 a_b p_<1>x y[6 7]: x\n"),
        ("syslog", "51 <30>1 2003-10-11T22:14:15+02:00 a_b p_<1>x 6 - - x\n"),
    ] {
        let (listener, port) = listener();
        let mut rig = Rig::new(&format!("{driver}(\"127.0.0.1\" port({port}))"));
        rig.push_batch(batch(Origin::named("s"), &[("x", evil), (&long, fields), ("x", evil)]), true);
        let mut stream = accept(&mut rig, &listener);
        rig.run_until_idle();
        assert_eq!(read(&mut stream, expected.len()), expected);
        let header = if driver == "syslog" {
            "10047 <30>1 2003-10-11T22:14:15+02:00 vm prog 6 - - "
        } else {
            "<30>Oct 11 22:14:15 vm prog[6]: "
        };
        assert!(read(&mut stream, header.len() + 10_001) == format!("{header}{long}\n"), "{driver}");
        assert_eq!(read(&mut stream, expected.len()), expected);
        rig.finish();
    }
}

/// Breaks without it: messages of this host are not numbered, or an empty result is sent, or holds the rest
/// up.
#[test]
fn local_messages_are_numbered_and_empty_results_are_not_sent() {
    let local = || Origin { is_local: true, ..Origin::named("s") };
    let (one, port) = listener();
    let mut rig = Rig::new(&format!("syslog(\"127.0.0.1\" port({port}) {SOON})"));
    rig.push_batch(batch(local(), &[("one", &[]), ("two", &[])]), true);
    let mut stream = accept(&mut rig, &one);
    rig.run_until_idle();
    let header = |number: u32| {
        format!("<30>1 2003-10-11T22:14:15+02:00 localhost - - - [meta sequenceId=\"{number}\"] ")
    };
    for (number, text) in [(1, "one\n"), (2, "two\n")] {
        let line = header(number) + text;
        let framed = format!("{} {line}", line.len());
        assert_eq!(read(&mut stream, framed.len()), framed);
    }
    drop(stream);
    // The numbers go on over connections: a receiver sees what is missing.
    let mut stream = accept(&mut rig, &one);
    rig.push_batch(batch(local(), &[("three", &[])]), true);
    rig.run_until_idle();
    let line = header(3) + "three\n";
    assert_eq!(read(&mut stream, line.len() + 3), format!("{} {line}", line.len()));
    rig.finish();

    let (listener, port) = listener();
    let template = "template(\"$(if ('$MSG' eq 'none') '' '$MSG')\")";
    let mut rig =
        Rig::new(&format!("network(\"127.0.0.1\" port({port}) transport(framed) {template} {SOON})"));
    rig.push(&["none", "x", "none", "none"]);
    let mut stream = accept(&mut rig, &listener);
    rig.run_until_idle();
    assert_eq!(read(&mut stream, 3), "1 x");
    rig.push(&["none"]);
    rig.run_until_idle();
    rig.finish();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "nothing else came");
}

/// Breaks without it: two messages share a datagram, one that is too long holds up the rest for ever, or is
/// cut without a word.
#[test]
fn each_message_is_a_datagram() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = receiver.local_addr().unwrap().port();
    let mut rig = Rig::new(&format!("udp(\"127.0.0.1\" port({port}) template(\"$MSG\\n\") {SOON})"));
    let (huge, long) = ("h".repeat(66_000), "l".repeat(5_000));
    let mut buffer = vec![0; 70_000];
    for round in 0..3 {
        rig.push(&["one", &huge, "", &long, "two"]);
        rig.run_until_idle();
        for expected in ["one\n", &huge[..65_507], "\n", &format!("{long}\n"), "two\n"] {
            let length = receiver.recv(&mut buffer).unwrap();
            assert!(&buffer[..length] == expected.as_bytes(), "{length} bytes for {}", expected.len());
        }
        assert_eq!(rig.counters.truncated.load(Relaxed), round + 1);
    }
    let many: Vec<String> = (0..500).map(|number| format!("message {number}")).collect();
    for some in many.chunks(100) {
        rig.push(&some.iter().map(String::as_str).collect::<Vec<_>>());
        rig.run_until_idle();
        for one in some {
            let length = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], format!("{one}\n").as_bytes());
        }
    }
    let cuts = rig.reports.lock().unwrap().iter().filter(|one| one.text.contains("was cut")).count();
    assert_eq!((cuts, rig.errors()), (1, vec![]));
    rig.finish();
}

/// Breaks without it: sockets of this system are written otherwise than files, or one that is missing is not
/// tried again.
#[test]
fn unix_sockets_are_written_when_they_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut rig = Rig::new(&format!("unix-stream(\"{}\" template(\"$MSG\\n\") {SOON})", path.display()));
    rig.push(&["one", "two"]);
    rig.run_until("a failure", |rig| !rig.errors().is_empty());
    assert!(rig.errors()[0].contains("No such file or directory"), "{rig:?}");
    let listener = UnixListener::bind(&path).unwrap();
    rig.run_until_idle();
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(read(&mut stream, 8), "one\ntwo\n");
    rig.finish();
    std::fs::remove_file(&path).unwrap();

    let receiver = UnixDatagram::bind(&path).unwrap();
    let mut rig = Rig::new(&format!("unix-dgram(\"{}\" {SOON})", path.display()));
    let huge = "h".repeat(3_000_000);
    rig.push(&["one", &huge, "two"]);
    let (told, heard) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 4_000_000];
        for _ in 0..3 {
            let length = receiver.recv(&mut buffer).unwrap();
            told.send(String::from_utf8(buffer[..length].to_vec()).unwrap()).unwrap();
        }
    });
    rig.run_until_idle();
    assert_eq!(heard.recv().unwrap(), "<30>Oct 11 22:14:15 h p: one\n");
    assert!(heard.recv().unwrap().ends_with("hhhh"), "the beginning of a message that no datagram takes");
    assert_eq!(heard.recv().unwrap(), "<30>Oct 11 22:14:15 h p: two\n");
    assert_eq!(rig.counters.truncated.load(Relaxed), 1);
    reader.join().unwrap();
    rig.finish();
}

/// Breaks without it: a server that answers breaks its connection although it may, or one that is not meant to
/// is written to for ever.
#[test]
fn input_closes_a_connection_unless_it_is_allowed() {
    let (listener, port) = listener();
    let mut rig = Rig::new(&format!("network(\"127.0.0.1\" port({port}) {SOON})"));
    let mut stream = accept(&mut rig, &listener);
    rig.run_until_connected();
    stream.write_all(b"hello").unwrap();
    rig.run_until("the end of the connection", |rig| !rig.errors().is_empty());
    assert!(rig.errors()[0].contains("close-on-input(no)"), "{rig:?}");
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    let again = accept(&mut rig, &listener);
    drop(again);
    rig.run_until("the server's end", |rig| rig.errors().len() > 1);
    assert!(rig.errors()[1].contains("has closed the connection"), "{rig:?}");
    rig.finish();

    let (listener, port) = self::listener();
    let mut rig = Rig::new(&format!("network(\"127.0.0.1\" port({port}) close-on-input(no) {SOON})"));
    let mut stream = accept(&mut rig, &listener);
    for _ in 0..100 {
        stream.write_all(&[b'x'; 4096]).unwrap();
        rig.push(&["and on"]);
        rig.run_until_idle();
    }
    assert_eq!((rig.errors(), rig.counters.connections.load(Relaxed)), (vec![], 1));
    rig.finish();
}

/// Breaks without it: messages are lost or change places while a server is away.
#[test]
fn messages_wait_for_a_server_that_comes_back() {
    let (one, port) = listener();
    drop(one);
    let mut rig = Rig::new(&format!("network(\"127.0.0.1\" port({port}) template(\"$MSG\\n\") {SOON})"));
    rig.push(&["one", "two"]);
    rig.run_until("a failure", |rig| rig.driver.is_suspended());
    assert!(
        rig.errors()[0].contains("refused") && rig.errors()[0].contains("retrying every 0.02 s"),
        "{rig:?}"
    );
    rig.push(&["three"]);
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut stream = accept(&mut rig, &listener);
    rig.run_until_idle();
    assert_eq!(read(&mut stream, 14), "one\ntwo\nthree\n");
    assert!(rig.counters.retries.load(Relaxed) >= 1);
    rig.finish();
}

/// Breaks without it: what a broken connection had not confirmed is lost although its path has flow control,
/// or waits for ever.
#[test]
fn what_was_not_confirmed_is_written_again() {
    let (listener, port) = listener();
    let mut rig = Rig::new(&format!("network(\"127.0.0.1\" port({port}) template(\"$MSG\\n\") {SOON})"));
    let texts: Vec<String> = (0..200_000).map(|number| format!("{number:0>63}")).collect();
    let mut stream = accept(&mut rig, &listener);
    for some in texts.chunks(1000) {
        rig.push(&some.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // It has taken what its buffers hold, and reads a part of that.
    rig.run_until("a full connection", |rig| rig.driver.is_suspended());
    let got = read(&mut stream, 64 * 16_000);
    rig.run_until("what it has is confirmed", |rig| rig.counters.delivered.load(Relaxed) >= 1000);
    let delivered = rig.counters.delivered.load(Relaxed);
    assert!(delivered < rig.given, "nothing is delivered that no system has confirmed");
    // Reset, with bytes on their way.
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
    let mut stream = accept(&mut rig, &listener);
    let reader = std::thread::spawn(move || {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        rest
    });
    rig.run_until_idle();
    let repeated = rig.counters.repeated.load(Relaxed);
    rig.finish();
    let rest = reader.join().unwrap();
    assert!(got.lines().zip(&texts).all(|(got, text)| got == text));
    let second: Vec<&str> = rest.lines().collect();
    let from = texts.len() - second.len();
    assert!(second.iter().zip(&texts[from..]).all(|(got, text)| got == text), "in order, to the last");
    assert!(16_000 <= from && delivered as usize <= from, "what was confirmed is not written again");
    assert!(repeated > 0, "what was on its way is");
}

/// Breaks without it: on a path without flow control messages wait for what nobody waits for.
#[test]
fn without_flow_control_a_written_message_is_delivered() {
    let (listener, port) = listener();
    let mut rig = Rig::new(&format!("tcp(\"127.0.0.1\" port({port}) {SOON})"));
    let _stream = accept(&mut rig, &listener);
    let messages: Vec<Given<'_>> = vec![("text", &[]); 1000];
    rig.push_batch(batch(Origin::named("s"), &messages), false);
    rig.run_until_connected();
    rig.driver.flush(Instant::now());
    assert!(rig.driver.is_idle() && rig.counters.delivered.load(Relaxed) == 1000, "{rig:?}");
    rig.finish();
}

/// Breaks without it: a reload cuts a connection that it does not change, or a line in it.
#[test]
fn a_connection_survives_a_reload() {
    let (listener, port) = listener();
    let driver =
        |more: &str| format!("network(\"127.0.0.1\" port({port}) template(\"$MSG\\n\") {SOON} {more})");
    let mut rig = Rig::new(&driver(""));
    let mut stream = accept(&mut rig, &listener);
    rig.push(&["one"]);
    rig.run_until_idle();
    rig.replace(&driver("log-fifo-size(77)"));
    rig.push(&["two"]);
    rig.run_until_idle();
    // The new one is woken for the old connection.
    stream.write_all(b"x").unwrap();
    rig.run_until("the end", |rig| !rig.errors().is_empty());
    assert_eq!(read(&mut stream, 8), "one\ntwo\n");
    let mut last = accept(&mut rig, &listener);
    rig.run_until_connected();
    rig.replace(&driver("keep-alive(no)"));
    rig.push(&["three"]);
    rig.run_until_idle();
    assert_eq!(read(&mut last, 6), "three\n", "the old one had keep-alive(yes)");
    rig.driver.reopen();
    let mut reopened = accept(&mut rig, &listener);
    rig.push(&["four"]);
    rig.run_until_idle();
    assert_eq!((read(&mut reopened, 5), last.read(&mut [0]).unwrap()), ("four\n".to_owned(), 0));
    rig.finish();
}

/// Breaks without it: a second server is not used, or the first one never again.
#[test]
fn another_server_stands_in_until_the_first_is_back() {
    let (one, first) = listener();
    drop(one);
    let servers = format!("127.0.0.1\" port({first}) failover(servers(\"127.0.0.2\")");
    let failback = "failback(tcp-probe-interval(0.01) successful-probes-required(2))";
    let stand_in = TcpListener::bind(("127.0.0.2", first)).unwrap();
    let mut rig = Rig::new(&format!("network(\"{servers} {failback}) template(\"$MSG\\n\") {SOON})"));
    rig.push(&["one"]);
    let mut stream = accept(&mut rig, &stand_in);
    rig.run_until_idle();
    assert_eq!(read(&mut stream, 4), "one\n");
    let primary = TcpListener::bind(("127.0.0.1", first)).unwrap();
    primary.set_nonblocking(true).unwrap();
    // Those of the probes, and then the one.
    rig.run_until("the change", |rig| rig.errors().iter().any(|text| text.contains("answers again")));
    rig.push(&["two"]);
    rig.run_until_idle();
    rig.finish();
    let mut all = String::new();
    while let Ok((mut stream, _)) = primary.accept() {
        stream.set_nonblocking(false).unwrap();
        stream.read_to_string(&mut all).unwrap();
    }
    assert_eq!(all, "two\n");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the old connection is closed");
}

/// Breaks without it: more messages a second are sent than `throttle()` says, or a stop waits for them.
#[test]
fn a_throttle_holds_messages_back() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let mut rig = Rig::new(&format!("udp(\"127.0.0.1\" port({port}) throttle(3) {SOON})"));
    rig.run_until_connected();
    rig.push(&["x"; 14]);
    let start = Instant::now();
    let sent = |rig: &mut Rig, tenths: u32| {
        rig.driver.flush(start + tenths * Duration::from_millis(100));
        rig.counters.delivered.load(Relaxed)
    };
    assert_eq!(sent(&mut rig, 0), 3);
    assert_eq!([sent(&mut rig, 1), sent(&mut rig, 3)], [3, 3], "a third of a second is a message");
    assert_eq!([sent(&mut rig, 10), sent(&mut rig, 20), sent(&mut rig, 30)], [6, 9, 12]);
    assert!(rig.driver.next_deadline().is_some_and(|at| at > start + Duration::from_secs(3)));
    assert_eq!(sent(&mut rig, 40), 14);
    rig.finish();
}

/// Breaks without it: an option that does nothing is accepted, or a mistake is found when it is too late.
#[test]
fn what_cannot_be_is_refused_at_its_place() {
    let error = |driver: &str| {
        let text = format!("destination d {{ {driver}; }};");
        match parse_str("test.conf", &text, &Environment::new(&VOCABULARY)) {
            Err(errors) => errors.to_string(),
            Ok(config) => {
                let planned = destination::plan(&config, config.destinations["d"].drivers()[0]);
                planned.map(|planned| planned.address).unwrap_err().message().to_owned()
            }
        }
    };
    for (driver, part) in [
        ("network()", "the name or the address of the server"),
        ("network(\"a b\")", "neither an address nor the name of a host"),
        ("network(\"h\" transport(bogus))", "the transport `bogus` is not supported"),
        ("network(\"h\" transport(proxied-tcp))", "the transport `proxied-tcp` is not supported"),
        ("udp(\"h\" transport(tcp))", "unknown option `transport`"),
        ("network(\"h\" spoof-source(yes))", "`spoof-source` is not supported"),
        ("network(\"h\" port(0))", "nothing can be sent to port 0"),
        ("network(\"h\" port(no-such-service))", "no-such-service"),
        ("network(\"::1\")", "an address of IPv6"),
        ("network(\"h\" disk-buffer(reliable(perhaps)))", "perhaps"),
        ("unix-stream(\"\")", "is empty"),
        ("unix-dgram(\"/tmp/x\" localport(1))", "unknown option `localport`"),
        ("network(\"h\" failover(server(\"b\")))", "unknown option `server`"),
    ] {
        let message = error(driver);
        assert!(message.contains(part), "{driver}: {message}");
    }
    let address = |driver: &str| {
        let config = config(driver);
        destination::plan(&config, config.destinations["d"].drivers()[0]).unwrap().address
    };
    assert_eq!(address("network(\"logs.example\")"), "tcp://logs.example:514");
    assert_eq!(address("syslog(\"logs.example\")"), "tcp://logs.example:601");
    assert_eq!(address("syslog(\"logs.example\" transport(udp))"), "udp://logs.example:514");
    assert_eq!(address("tcp6(\"::1\" destport(10514) spoof-source(no))"), "tcp://[::1]:10514");
    assert_eq!(address("unix-dgram(\"/dev/log\")"), "unix-dgram:/dev/log");
}
