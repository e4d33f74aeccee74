//! An engine in a process of its own: [`Engine`].

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No test passes or fails by the clock: this is only how long to wait before giving up on what never comes.
const PATIENCE: Duration = Duration::from_secs(60);
const COMMAND: &str = env!("CARGO_BIN_EXE_inrush");

/// MESSAGE and PROGRAM.
pub(crate) const TEMPLATE: &str = "$MESSAGE|$PROGRAM\\n";

/// An engine in a directory of its own; killed if it is still there at the end of the test.
pub(crate) struct Engine {
    dir: TempDir,
    child: Child,
    /// Its stderr, line by line.
    said: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A configuration of `source`, with a file of lines that `template` makes.
pub(crate) fn configuration(source: &str, template: &str) -> String {
    format!(
        "@version: current\noptions {{ use-dns(no); }};\nsource s {{ {source}; }};\n\
         destination d {{ file(\"DIR/out\" template(\"{template}\")); }};\n\
         log {{ source(s); destination(d); flags(flow-control); }};\n"
    )
}

impl Engine {
    /// Starts a source, and waits until it runs. `DIR` stands for its directory.
    pub(crate) fn start(source: &str) -> Self {
        Self::with(&configuration(source, TEMPLATE))
    }

    /// The same with a template of the lines.
    pub(crate) fn start_with(source: &str, template: &str) -> Self {
        Self::with(&configuration(source, template))
    }

    /// Starts a whole configuration.
    pub(crate) fn with(configuration: &str) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), configuration)
    }

    pub(crate) fn in_directory(dir: TempDir, configuration: &str) -> Self {
        let mut engine = Self::launch(dir, configuration);
        until("the start", || {
            let ended = engine.child.try_wait().unwrap();
            assert!(ended.is_none(), "{:#?}", engine.said.lock().unwrap());
            engine.has_said("inrush: started")
        });
        engine
    }

    fn launch(dir: TempDir, configuration: &str) -> Self {
        let file = dir.path().join("test.conf");
        fs::write(&file, configuration.replace("DIR", dir.path().to_str().unwrap())).unwrap();
        let mut child = Command::new(COMMAND)
            .args(["run", "-f", file.to_str().unwrap()])
            .arg(format!("--control={}", dir.path().join("control").display()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let (stderr, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        thread::spawn(move || stderr.lines().for_each(|line| kept.lock().unwrap().push(line.unwrap())));
        Self { dir, child, said }
    }

    /// What an engine says that does not start with `source`; with its exit code.
    pub(crate) fn refused(dir: TempDir, source: &str) -> (String, Option<i32>) {
        let mut engine = Self::launch(dir, &configuration(source, TEMPLATE));
        let mut ended = None;
        until("the end of the process", || {
            ended = engine.child.try_wait().unwrap();
            ended.is_some()
        });
        // The reader of stderr may be a moment behind.
        until("what it says", || engine.has_said("error"));
        thread::sleep(Duration::from_millis(20));
        (engine.said.lock().unwrap().join("\n"), ended.unwrap().code())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.said.lock().unwrap().iter().any(|line| line.contains(text))
    }

    pub(crate) fn await_said(&self, text: &str) {
        until(&format!("{text} in {:#?}", self.said.lock().unwrap()), || self.has_said(text));
    }

    /// The port that the kernel has chosen for its first source, or the last one at a reload.
    pub(crate) fn port(&self) -> u16 {
        let mark = "the kernel has chosen port ";
        self.await_said(mark);
        let said = self.said.lock().unwrap();
        let line = said.iter().rev().find_map(|line| line.split(mark).nth(1)).unwrap().to_owned();
        line.trim().parse().unwrap()
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `bytes` over a connection of their own, which is closed then.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Sends `bytes`, and waits until the engine closes the connection.
    pub(crate) fn send_until_closed(&self, bytes: &[u8]) {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        assert_closed(&mut stream);
    }

    /// Sends a datagram.
    pub(crate) fn send_to(&self, datagram: &[u8]) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(socket.send_to(datagram, (Ipv4Addr::LOCALHOST, self.port())).unwrap(), datagram.len());
    }

    /// What is in its file.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("out")).unwrap_or_default()).into_owned()
    }

    /// Waits until its file has `expected`.
    pub(crate) fn await_text(&self, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.text() != expected {
            assert!(Instant::now() < deadline, "{:?} is not {expected:?}", self.text());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until its file has so many lines.
    pub(crate) fn await_lines(&self, count: usize) -> Vec<String> {
        until(&format!("{count} lines"), || self.text().lines().count() >= count);
        self.text().lines().map(str::to_owned).collect()
    }

    /// Writes another configuration, and has it read.
    pub(crate) fn reload(&self, configuration: &str) {
        let before = self.reloads();
        fs::write(self.path("test.conf"), configuration.replace("DIR", self.dir.path().to_str().unwrap()))
            .unwrap();
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        until("the reload", || self.reloads() > before);
    }

    fn reloads(&self) -> usize {
        let said = self.said.lock().unwrap();
        said.iter().filter(|line| line.contains("inrush: reloaded")).count()
    }

    /// The statistics of its first source.
    pub(crate) fn stats(&self) -> Value {
        let asked = Command::new(COMMAND)
            .args(["ctl", "--control", self.path("control").to_str().unwrap(), "stats", "--json"])
            .output()
            .unwrap();
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        let all: Value = serde_json::from_slice(&asked.stdout).unwrap();
        all["sources"][0].clone()
    }

    /// A number of its sockets.
    pub(crate) fn sockets(&self, name: &str) -> u64 {
        self.stats()["sockets"][name].as_u64().unwrap()
    }

    /// Stops it: the sum of everything is right, and its exit code 0. The messages that were posted.
    pub(crate) fn finish(mut self) -> u64 {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut ended = None;
        until("the end of the process", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        self.await_said("inrush: stopped;");
        let said = self.said.lock().unwrap();
        assert_eq!(ended.unwrap().code(), Some(0), "{said:#?}");
        assert!(!said.iter().any(|line| line.contains("fault")), "{said:#?}");
        let line = said.iter().find(|line| line.contains("inrush: stopped;")).unwrap();
        let numbers: Vec<u64> =
            line.split([' ', ';']).filter_map(|word| word.replace(',', "").parse().ok()).collect();
        let [posted, rest @ ..] = numbers.as_slice() else { panic!("{line}") };
        assert_eq!(*posted, rest.iter().sum::<u64>(), "{line}");
        *posted
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It has ended already, where the test came to its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the other end of `stream` is closed.
pub(crate) fn assert_closed(stream: &mut impl Read) {
    let mut rest = Vec::new();
    // Closed with something unread, it is reset.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
}
