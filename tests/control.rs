//! The control socket: who may have it, what its clients cannot do to each other, what it answers.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use inrush::cli::ctl;
use inrush::cli::{self, Command};
use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::engine::control::{MAX_REQUEST, Reloaded, Reply, Requests};
use inrush::engine::{Board, Changes, Control, Log, LogLevel, Phase, Pipeline};
use inrush::message::{Pool, Release, ReleaseNow};
use inrush::source::{EngineLog, Input};
use rustix::fs::Mode;
use serde_json::Value;
use tempfile::TempDir;

/// Only how long to wait for what never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A host that notes what it was asked, and keeps the replies.
#[derive(Clone, Default)]
struct Notes {
    asked: Arc<Mutex<Vec<&'static str>>>,
    replies: Arc<Mutex<Vec<Reply>>>,
}

impl Requests for Notes {
    fn reload(&self, reply: Reply) {
        self.asked.lock().unwrap().push("reload");
        self.replies.lock().unwrap().push(reply);
    }

    fn stop(&self) {
        self.asked.lock().unwrap().push("stop");
    }
}

/// An engine without one: a board, a log, and a socket in a directory of its own.
struct Rig {
    directory: TempDir,
    board: Arc<Board>,
    log: Log,
    notes: Notes,
    control: Option<Control>,
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self::closed();
        rig.control = Some(rig.open().unwrap());
        rig
    }

    fn closed() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, board: Arc::default(), log: Log::silent(), notes: Notes::default(), control: None }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("control")
    }

    fn open(&self) -> Result<Control, String> {
        let host = Box::new(self.notes.clone());
        let opened = Control::open(&self.path(), Arc::clone(&self.board), &self.log, host);
        opened.map_err(|error| error.to_string())
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `bytes`, closes the sending side if the client `ends`, and gives what it gets.
    fn exchange(&self, bytes: &[u8], ends: bool) -> String {
        let mut stream = self.connect();
        // One that sends too much is not listened to up to its end.
        let _ = stream.write_all(bytes);
        if ends {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        rest(&mut stream)
    }

    fn ask(&self, request: &str) -> Value {
        serde_json::from_str(&self.exchange(format!("{request}\n").as_bytes(), false)).unwrap()
    }

    fn error(&self, request: &[u8], ends: bool) -> String {
        let answer: Value = serde_json::from_str(&self.exchange(request, ends)).unwrap();
        answer["error"].as_str().unwrap().to_owned()
    }

    /// Files in the directory of the socket.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Everything up to the end of the connection.
fn rest(stream: &mut UnixStream) -> String {
    let mut all = Vec::new();
    // What was read before a reset counts.
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        all.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(all).unwrap()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Without it: whoever is on the machine can stop the engine.
#[test]
fn only_the_owner_may_connect_whatever_the_umask() {
    let before = rustix::process::umask(Mode::empty());
    let rig = Rig::new();
    let found = fs::symlink_metadata(rig.path()).unwrap();
    rustix::process::umask(before);
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(rig.names(), ["control"], "and nothing is left of how it was made");
}

/// Without it: a socket whose permissions somebody widened lets everybody in.
#[test]
fn a_client_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let rig = Rig::new();
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(rig.directory.path(), 0o755);
    open(&rig.path(), 0o666);
    let answer = thread::scope(|scope| {
        let other = scope.spawn(|| {
            // Of this thread alone.
            rustix::thread::set_thread_uid(rustix::fs::Uid::from_raw(65_534)).unwrap();
            rig.ask("stop")
        });
        other.join().unwrap()
    });
    assert_eq!(answer["error"], "only the engine's own user and root may ask");
    assert!(rig.notes.asked.lock().unwrap().is_empty());
    assert_eq!(rig.ask("log-level")["log_level"], "trace");
}

/// Without it: a second engine takes the first one's socket, and nobody can ask the first.
#[test]
fn a_live_socket_is_never_replaced() {
    let rig = Rig::new();
    let inode = || fs::symlink_metadata(rig.path()).unwrap().ino();
    let before = inode();
    let error = rig.open().unwrap_err();
    assert!(error.contains("another engine listens"), "{error}");
    assert!(error.contains(&std::process::id().to_string()), "and which: {error}");
    assert_eq!((inode(), rig.names().len()), (before, 1));
    assert_eq!(rig.ask("stats")["pid"], std::process::id());
}

/// Without it: after a crash somebody has to remove a file before the engine starts again.
#[test]
fn a_stale_socket_is_replaced() {
    let mut rig = Rig::closed();
    drop(UnixListener::bind(rig.path()).unwrap());
    assert!(rig.path().exists());
    rig.control = Some(rig.open().unwrap());
    assert_eq!(rig.ask("stats")["phase"], "starting");
}

/// Without it: a typing error in `--control` removes a file.
#[test]
fn any_other_file_is_left_alone() {
    let rig = Rig::closed();
    fs::write(rig.path(), "mine").unwrap();
    let error = rig.open().unwrap_err();
    assert!(error.contains("not a socket") && error.contains(rig.path().to_str().unwrap()), "{error}");
    assert_eq!(fs::read_to_string(rig.path()).unwrap(), "mine");

    fs::remove_file(rig.path()).unwrap();
    fs::create_dir(rig.path()).unwrap();
    assert!(rig.open().unwrap_err().contains("not a socket"));

    fs::remove_dir(rig.path()).unwrap();
    let target = rig.directory.path().join("target");
    drop(UnixListener::bind(&target).unwrap());
    symlink(&target, rig.path()).unwrap();
    assert!(rig.open().unwrap_err().contains("not a socket"));
    assert!(target.exists());

    fs::remove_file(rig.path()).unwrap();
    let _live = UnixDatagram::bind(rig.path()).unwrap();
    assert!(rig.open().unwrap_err().contains("not known"), "a socket of another kind may be alive");
    assert!(rig.path().exists());
}

/// Without it: the message is `Invalid argument`.
#[test]
fn places_where_no_socket_can_be_are_named() {
    let mut rig = Rig::closed();
    let open = |path: &Path| {
        let host = Box::new(Notes::default());
        Control::open(path, Arc::default(), &Log::silent(), host).unwrap_err().to_string()
    };
    let missing = rig.directory.path().join("missing/control");
    assert!(open(&missing).contains("missing/control: "), "{}", open(&missing));
    let long = rig.directory.path().join("x".repeat(120));
    assert!(open(&long).contains("at most 107 bytes"), "{}", open(&long));
    assert!(open(Path::new("/")).contains("not a name for a file"));
    assert!(rig.names().is_empty());
    rig.control = Some(rig.open().unwrap());
}

/// Without it: two engines that start together both believe that they have the socket.
#[test]
fn of_several_that_start_together_one_wins() {
    for is_stale in [false, true] {
        let rig = Rig::closed();
        if is_stale {
            drop(UnixListener::bind(rig.path()).unwrap());
        }
        let start = Barrier::new(8);
        let opened: Vec<_> = thread::scope(|scope| {
            let each = || {
                start.wait();
                rig.open()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(each)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|one| one.is_ok()).count(), 1, "{opened:?}");
        assert_eq!(rig.ask("log-level")["log_level"], "trace");
        assert_eq!(rig.names(), ["control"]);
    }
}

/// Without it: a socket that nobody listens on is left behind, or the file of a successor is removed.
#[test]
fn the_end_removes_its_own_file_and_no_other() {
    let mut rig = Rig::new();
    rig.control.take();
    assert!(rig.names().is_empty());

    rig.control = Some(rig.open().unwrap());
    fs::remove_file(rig.path()).unwrap();
    fs::write(rig.path(), "of somebody else").unwrap();
    rig.control.take();
    assert!(rig.path().exists());
}

/// Without it: one broken script makes the engine mute, or fills its memory.
#[test]
fn bad_clients_are_told_and_hold_up_nobody() {
    let rig = Rig::new();
    let mut silent = rig.connect();
    let mut half = rig.connect();
    half.write_all(b"sta").unwrap();
    assert_eq!(rig.ask("stats")["posted"], 0);
    half.write_all(b"ts\n").unwrap();
    assert!(rest(&mut half).contains("\"posted\":0"), "one that was slow is served all the same");

    assert!(rig.error(b"nonsense\n", false).contains("no command \"nonsense\""));
    assert!(rig.error(b"stats now\n", false).contains("\"stats now\""));
    assert!(rig.error(b"\n", false).contains("empty"));
    assert!(rig.error(b"\xff\xfe\x00\n", false).contains("UTF-8"));
    assert!(rig.error(b"sta", true).contains("newline"));
    assert_eq!(rig.exchange(b"", true), "", "who asks nothing and goes is not answered");
    let long = vec![b'x'; MAX_REQUEST + 1];
    assert!(rig.error(&long, false).contains("longer than 4096 bytes"));
    assert!(rig.error(&vec![b'x'; 10_000_000], false).contains("longer than 4096 bytes"));
    let mut longest = vec![b' '; MAX_REQUEST - 5];
    longest.extend_from_slice(b"stats\n");
    assert!(rig.exchange(&longest, false).contains("\"posted\":0"));

    assert_eq!(rig.ask("stats")["posted"], 0);
    assert!(rest(&mut silent).contains("no request within"));
}

/// Without it: as many silent clients as there are places lock everybody else out.
#[test]
fn silent_clients_give_way_when_all_places_are_taken() {
    let rig = Rig::new();
    let mut silent: Vec<_> = (0..40).map(|_| rig.connect()).collect();
    assert_eq!(rig.ask("stats")["posted"], 0);
    let sent_away = silent.iter_mut().map(rest).filter(String::is_empty).count();
    assert!(sent_away > 0, "they were waited for");
}

/// Without it: monitoring that asks often gets errors, or the engine a thread for each.
#[test]
fn many_clients_are_all_answered() {
    let rig = Rig::new();
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(rig.ask("stats")["in_flight"], 0);
                }
            });
        }
    });
}

/// Without it: a client that waits when the engine ends waits for ever.
#[test]
fn the_end_lets_everybody_go() {
    let mut rig = Rig::new();
    let mut waiting = rig.connect();
    let asker = thread::scope(|scope| {
        let asker = scope.spawn(|| rig.ask("reload"));
        until("the reload is asked for", || !rig.notes.replies.lock().unwrap().is_empty());
        rig.notes.replies.lock().unwrap().clear();
        asker.join().unwrap()
    });
    assert!(asker["error"].as_str().unwrap().contains("stopped before"));
    rig.control.take();
    assert_eq!(rest(&mut waiting), "");
}

/// Without it: a reload says that all is well before anybody read the new configuration.
#[test]
fn a_reload_is_answered_with_its_result_and_one_at_a_time() {
    let rig = Rig::new();
    for accepted in [true, false] {
        let mut stream = rig.connect();
        stream.write_all(b"reload\n").unwrap();
        until("the reload is asked for", || !rig.notes.replies.lock().unwrap().is_empty());
        assert!(rig.error(b"reload\n", false).contains("a reload is going on"));
        assert_eq!(rig.ask("stats")["posted"], 0, "others are answered meanwhile");
        let reply = rig.notes.replies.lock().unwrap().pop().unwrap();
        let diagnostics = vec!["line\nand line".to_owned()];
        reply.send(Reloaded { accepted, diagnostics, changes: accepted.then(Changes::default) });
        let answer: Value = serde_json::from_str(&rest(&mut stream)).unwrap();
        assert_eq!(
            (&answer["accepted"], &answer["diagnostics"][0]),
            (&accepted.into(), &"line\nand line".into())
        );
    }
    assert_eq!(*rig.notes.asked.lock().unwrap(), ["reload", "reload"]);
}

/// Without it: `stop` waits for the main thread, which may hang.
#[test]
fn a_stop_is_answered_at_once() {
    let rig = Rig::new();
    assert_eq!(rig.ask("stop")["stopping"], true);
    assert_eq!(rig.board.phase(), Phase::Stopping);
    assert!(rig.error(b"reload\n", false).contains("the engine is stopping"));
    assert_eq!(*rig.notes.asked.lock().unwrap(), ["stop"]);
}

/// Without it: to see debug messages one has to stop what one wants to see.
#[test]
fn the_log_level_changes_while_it_runs() {
    let rig = Rig::new();
    assert_eq!(rig.ask("log-level")["log_level"], "trace");
    assert_eq!(rig.ask("log-level warning")["before"], "trace");
    assert_eq!((rig.log.level(), rig.log.shows(LogLevel::Notice)), (LogLevel::Warning, false));
    let error = rig.error(b"log-level loud\n", false);
    assert!(error.contains("\"loud\"") && error.contains("notice, info, debug"), "{error}");
    assert_eq!(rig.log.level(), LogLevel::Warning);
}

fn ctl(words: &str, path: &Path) -> Result<String, String> {
    let arguments: Vec<OsString> =
        ["inrush", "ctl"].into_iter().chain(words.split(' ')).map(Into::into).collect();
    let Command::Ctl(options) = cli::parse(&arguments).unwrap().command else { panic!("another command") };
    ctl::run(&options, Some(path.into())).map_err(|error| error.to_string())
}

/// Without it: whoever asks in vain has to guess why.
#[test]
fn ctl_says_why_there_is_no_answer() {
    let rig = Rig::closed();
    let path = rig.path();
    assert!(ctl("stats", Path::new("")).unwrap_err().contains("--control SOCKET or in INRUSH_CONTROL"));
    assert!(ctl("stats", &path).unwrap_err().contains("there is no socket"));
    let listener = UnixListener::bind(&path).unwrap();
    let no_engine = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        client.write_all(b"220 mail.example.org\n").unwrap();
        drop(client);
        drop(listener.accept().unwrap());
    });
    assert!(ctl("stats", &path).unwrap_err().contains("is no engine"));
    let gone = ctl("stats", &path).unwrap_err();
    assert!(gone.contains("closed the connection") || gone.contains("broke"), "{gone}");
    no_engine.join().unwrap();
    assert!(ctl("stats", &path).unwrap_err().contains("nobody listens on"));
}

/// Without it: the command and the engine speak different languages.
#[test]
fn ctl_prints_what_the_engine_says() {
    let rig = Rig::new();
    let ctl = |words: &str| ctl(words, &rig.path());
    assert!(ctl("stats").unwrap().contains("0 posted = 0 delivered + 0 dropped + 0 in flight"));
    let json: Value = serde_json::from_str(&ctl("stats --json").unwrap()).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(ctl("sources --json").unwrap(), "{\"sources\":[]}\n");
    assert_eq!(ctl("log-level debug").unwrap(), "debug\n");
    assert_eq!(ctl("log-level").unwrap(), "debug\n");
    assert_eq!(ctl("stop").unwrap(), "stopping\n");
    assert_eq!(ctl("reload").unwrap_err(), "the engine is stopping");
}

/// Without it: what was counted before a reload is forgotten, or counted twice.
#[test]
fn the_board_adds_up_over_configurations() {
    let rig = Rig::new();
    let conf = format!(
        "@version: current\nsource s {{ internal(); }};\nlog {{ source(s); destination {{ file(\"{}/out.log\"); }}; }};\n",
        rig.directory.path().display()
    );
    let parse = |conf: &str| parse_str("test.conf", conf, &Environment::new(&VOCABULARY)).unwrap();
    let (config, nothing) = (parse(&conf), parse(""));
    let release: Arc<dyn Release> = Arc::new(ReleaseNow);
    let pipeline = Arc::new(Pipeline::new(&rig.log, &Arc::new(Pool::new()), &release));
    rig.board.put(&pipeline);
    for round in 1..=3 {
        let next = pipeline.plan(&config, &|_| true).unwrap();
        pipeline.announce(&next);
        assert_eq!(rig.ask("sources")["sources"][0]["state"], "starting");
        let inputs: Vec<Input> = next.inputs().cloned().collect();
        let start = |input: &Input| {
            input.status.start();
            rig.log.add_reader(input.producer());
        };
        pipeline.switch(next, &mut || inputs.iter().for_each(start)).unwrap();
        assert_eq!(rig.ask("sources")["sources"][0]["state"], "running");
        rig.log.notice("one");
        rig.log.notice("two");
        until("delivered", || rig.board.stats().delivered() == round * 2);
        let end = &mut || inputs.iter().for_each(|input| input.status.end());
        pipeline.switch(pipeline.plan(&nothing, &|_| true).unwrap(), end).unwrap();
        until("finished", || {
            let stats = rig.ask("stats");
            assert_eq!(stats["posted"], round * 2, "counted once, wherever it is");
            pipeline.tidy();
            pipeline.leaving() == 0
        });
    }
    let stats = rig.board.stats();
    assert_eq!((stats.posted(), stats.delivered(), stats.dropped(), stats.in_flight()), (6, 6, 0, 0));
    assert_eq!((stats.sources.len(), stats.destinations[0].delivered), (1, 6));
    assert_eq!(rig.ask("sources")["sources"][0]["state"], "ended");
}
