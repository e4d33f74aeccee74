//! The command without Python: `inrush run` from start to stop, as users start it.
#![cfg(not(feature = "python"))]
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No test passes or fails by the clock: this is only how long to wait before giving up on what never comes.
const PATIENCE: Duration = Duration::from_secs(60);
const COMMAND: &str = env!("CARGO_BIN_EXE_inrush");

/// The engine's own log, into a file: one line a message.
const INTERNAL: &str = "@version: current\nsource s { internal(); };\n\
    destination d { file(\"DIR/out\" template(\"$MSG\\n\")); };\n\
    log { source(s); destination(d); };\n";

/// An engine in a directory of its own; killed if it is still there at the end of the test.
struct Engine {
    dir: TempDir,
    child: Child,
    /// Its stderr, line by line.
    said: Arc<Mutex<Vec<String>>>,
}

/// A configuration in a new directory, which `DIR` in it stands for.
fn written(configuration: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("test.conf");
    fs::write(&file, configuration.replace("DIR", dir.path().to_str().unwrap())).unwrap();
    (dir, file)
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

impl Engine {
    /// Starts `configuration` and waits until it runs.
    fn start(configuration: &str, options: &[&str]) -> Self {
        let (dir, file) = written(configuration);
        let options = options.iter().map(|option| option.replace("DIR", dir.path().to_str().unwrap()));
        let mut child = Command::new(COMMAND)
            .args(["run", "-f", file.to_str().unwrap()])
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let (stderr, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        thread::spawn(move || stderr.lines().for_each(|line| kept.lock().unwrap().push(line.unwrap())));
        let mut engine = Self { dir, child, said };
        until("the start", || {
            let ended = engine.child.try_wait().unwrap();
            assert!(ended.is_none(), "{:#?}", engine.said.lock().unwrap());
            engine.has_said("inrush: started").is_some()
        });
        engine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits until stderr has a line with `text`, and gives the first one.
    fn await_said(&self, text: &str) -> String {
        until(text, || self.has_said(text).is_some());
        self.has_said(text).unwrap()
    }

    fn has_said(&self, text: &str) -> Option<String> {
        self.said.lock().unwrap().iter().find(|line| line.contains(text)).cloned()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the file has a line that begins with `text`.
    fn await_line(&self, name: &str, text: &str) {
        until(text, || self.lines(name).iter().any(|line| line.starts_with(text)));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn reload(&self, configuration: &str) {
        fs::write(self.path("test.conf"), configuration.replace("DIR", self.dir.path().to_str().unwrap()))
            .unwrap();
        self.signal(Signal::HUP);
    }

    /// The output of `inrush ctl`.
    fn ctl(&self, request: &[&str]) -> String {
        let asked = Command::new(COMMAND)
            .args(["ctl", "--control", self.path("control").to_str().unwrap()])
            .args(request)
            .output()
            .unwrap();
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap()
    }

    /// Stops it, and waits for its end.
    fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let mut ended = None;
        until("the end of the process", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It has ended already, where the test came to its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each of these messages once, in this order; others may be between them.
fn assert_once_in_order(lines: &[String], expected: &[&str]) {
    let at = |text: &&str| {
        let found: Vec<_> = (0..lines.len()).filter(|at| lines[*at].starts_with(*text)).collect();
        assert_eq!(found.len(), 1, "{text}: {lines:#?}");
        found[0]
    };
    assert!(expected.iter().map(at).is_sorted(), "{lines:#?}");
}

/// The sums of the statistics that were written at the end; how many messages were posted.
fn assert_adds_up(file: &Path) -> u64 {
    let stats: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let sum = |kind: &str, name: &str| -> u64 {
        stats[kind].as_array().unwrap().iter().map(|driver| driver[name].as_u64().unwrap()).sum()
    };
    let posted = sum("sources", "posted");
    assert_eq!((sum("sources", "delivered"), sum("sources", "in_flight")), (posted, 0), "{stats}");
    assert_eq!((sum("sources", "refused"), sum("destinations", "dropped")), (0, 0), "{stats}");
    posted
}

/// Breaks without it: the engine needs Python to run, to be asked, or to stop.
#[test]
fn a_configuration_runs_from_start_to_stop() {
    let options = [
        "--control=DIR/control",
        "--pidfile=DIR/pid",
        "--stats-file=DIR/stats",
        "--persist-file=DIR/state",
        "--metrics=0",
    ];
    let mut engine = Engine::start(INTERNAL, &options);
    engine.await_line("out", "inrush: started");
    assert_eq!(fs::read_to_string(engine.path("pid")).unwrap(), format!("{}\n", engine.child.id()));

    let address = engine.await_said("inrush: metrics at http://");
    let address = address.split("http://").nth(1).unwrap().trim_end_matches("/metrics");
    let mut metrics = TcpStream::connect(address).unwrap();
    metrics.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    metrics.read_to_string(&mut page).unwrap();
    assert!(page.contains("inrush_build_info{version="), "{page}");

    engine.signal(Signal::HUP);
    engine.await_line("out", "inrush: reloaded; sources: kept s#0; destinations: kept d#0");
    until("everything is delivered", || {
        let stats: Value = serde_json::from_str(&engine.ctl(&["stats", "--json"])).unwrap();
        assert_eq!((&stats["phase"], &stats["dropped"]), (&"running".into(), &0.into()));
        stats["posted"] == stats["delivered"] && stats["posted"] == 3
    });
    assert!(engine.ctl(&["sources"]).contains("running"));

    assert_eq!(engine.stop().code(), Some(0));
    let lines = engine.lines("out");
    assert_once_in_order(
        &lines,
        &["inrush: started", "inrush: reloading", "inrush: reloaded", "inrush: stopping"],
    );
    assert_eq!(assert_adds_up(&engine.path("stats")), lines.len() as u64);
    assert!(!engine.path("control").exists(), "the socket is gone");
    engine.await_said("inrush: stopped; 4 posted = 4 delivered + 0 dropped + 0 in flight");
}

/// Breaks without it: what is logged while one `internal()` takes the place of another is lost, or goes to
/// both; or one whose options did not change is replaced.
#[test]
fn a_source_stays_or_is_replaced_without_a_gap() {
    let second = "source t { internal(tags(\"one\")); };\n\
        log { source(t); destination { file(\"DIR/second\" template(\"$TAGS $MSG\\n\")); }; };\n";
    let mut engine = Engine::start(INTERNAL, &["--stats-file=DIR/stats"]);
    engine.reload(&format!("{INTERNAL}{second}"));
    engine.await_line("out", "inrush: reloaded; sources: kept s#0; started t#0");
    engine.reload(&format!("{INTERNAL}{}", second.replace("one", "two")));
    engine.await_line("out", "inrush: reloaded; sources: kept s#0; replaced t#0");
    engine.reload(INTERNAL);
    engine.await_line("out", "inrush: reloaded; sources: kept s#0; stopped t#0");
    assert_eq!(engine.stop().code(), Some(0));
    let (first, second) = (engine.lines("out"), engine.lines("second"));
    assert_eq!(first.iter().filter(|line| *line == "inrush: reloading").count(), 3, "{first:#?}");
    // From its start to its end the second has what the first has, and each message once.
    let start = "inrush: reloaded; sources: kept s#0; started t#0";
    let begin = first.iter().position(|line| line.starts_with(start)).unwrap();
    let texts: Vec<_> = second.iter().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(texts.iter().map(|(_, text)| *text).collect::<Vec<_>>(), first[begin..begin + second.len()]);
    let tags: Vec<_> = texts.iter().map(|(tags, _)| tags.split(',').next().unwrap()).collect();
    assert_eq!(tags, ["one", "one", "two", "two"]);
    assert_eq!(assert_adds_up(&engine.path("stats")), (first.len() + second.len()) as u64);
}

/// Breaks without it: a reload stops a native source that did not change, or what one that goes has posted is
/// lost or doubled.
#[test]
fn a_native_source_goes_on_over_a_reload() {
    let with = |second: &str| {
        format!(
            "@version: current\n\
             source g {{ example-msg-generator(freq(0.001) template(\"first\")); }};\n\
             source h {{ example-msg-generator(freq(0.001) template(\"{second}\")); }};\n\
             source s {{ internal(); }};\n\
             destination d {{ file(\"DIR/out\" template(\"$MSG\\n\")); }};\n\
             log {{ source(g); source(h); source(s); destination(d); }};\n"
        )
    };
    let mut engine = Engine::start(&with("second"), &["--stats-file=DIR/stats"]);
    engine.await_line("out", "second");
    engine.reload(&with("third"));
    engine
        .await_line("out", "inrush: reloaded; sources: kept g#0, s#0; replaced h#0; destinations: kept d#0");
    engine.await_line("out", "third");
    let before = engine.lines("out").len();
    until("the kept source goes on", || engine.lines("out").iter().skip(before).any(|line| line == "first"));
    assert_eq!(engine.stop().code(), Some(0));
    assert_eq!(assert_adds_up(&engine.path("stats")), engine.lines("out").len() as u64);
}

/// Breaks without it: a configuration that is refused at a reload takes the running one with it.
#[test]
fn a_reload_that_is_refused_changes_nothing() {
    let mut engine = Engine::start(INTERNAL, &["--control=DIR/control", "--stats-file=DIR/stats"]);
    engine.reload(&format!("{INTERNAL}log {{ source {{ python(class(\"A\")); }}; }};\n"));
    engine.await_line("out", "the new configuration is not accepted; the old one goes on");
    engine.reload(INTERNAL);
    engine.await_line("out", "inrush: reloaded; sources: kept s#0; destinations: kept d#0");
    assert_eq!(engine.ctl(&["stop", "--wait"]), "stopped\n");
    assert_eq!(engine.child.wait().unwrap().code(), Some(0));
    assert_adds_up(&engine.path("stats"));
}

/// Breaks without it: what needs Python is skipped in silence, or refused without a place.
#[test]
fn what_needs_python_is_refused_at_its_place() {
    let source = "source s { internal();\n  python(class(\"A\")); };\nlog { source(s); };\n";
    let block = "source s { internal(); };\npython {\nx = 1\n};\nlog { source(s); };\n";
    let parser = "source s { internal(); };\nlog { source(s); parser { python(class(\"A\")); }; };\n";
    let function =
        "source s { internal(); };\nlog { source(s); rewrite { set(\"$(python m.f)\" value(\"n\")); }; };\n";
    for (configuration, place) in [(source, ":2:3"), (block, ":2:9"), (parser, ":2:27"), (function, ":2:42")]
    {
        let (_dir, file) = written(configuration);
        for command in ["check", "run"] {
            let ran = Command::new(COMMAND).args([command, "-f", file.to_str().unwrap()]).output().unwrap();
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(1), "{said}");
            assert!(said.contains("error: this build has no Python"), "{said}");
            assert!(said.contains(&format!("test.conf{place}")), "{said}");
        }
    }
    let (_dir, file) = written(INTERNAL);
    let ran = Command::new(COMMAND).args(["check", "-f", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "ok: 1 source, 1 destination, 1 path\n");
    assert_eq!(ran.status.code(), Some(0));
}

/// Breaks without it: a command of `hook-commands()` does not run at its turn, or a driver of no path has it
/// run, or one that fails stops the engine.
#[test]
fn commands_run_at_the_turns_of_drivers() {
    let hooks = |name: &str| {
        let turn = |turn: &str| format!("{turn}(\"echo {name} {turn} >> DIR/turns\")");
        format!(
            "hook-commands({} {} {} {})",
            turn("startup"),
            turn("setup"),
            turn("teardown"),
            turn("shutdown")
        )
    };
    let configuration = |options: &str| {
        format!(
            "@version: current\nsource s {{ internal({}); }};\n\
             destination d {{ file(\"DIR/out\" {options} hook-commands(setup(\"exit 3\"))); }};\n\
             destination unused {{ file(\"DIR/unused\" {}); }};\nlog {{ source(s); destination(d); }};\n",
            hooks("s"),
            hooks("unused")
        )
    };
    let mut engine = Engine::start(&configuration(""), &[]);
    engine.await_said("d#0: setup() of hook-commands() has failed: exit status: 3");
    assert_eq!(engine.lines("turns"), ["s startup", "s setup"]);
    engine.reload(&configuration("time-reopen(7)"));
    engine.await_said("inrush: reloaded");
    let reloaded = ["s startup", "s setup", "s teardown", "s setup"];
    assert_eq!(engine.lines("turns"), reloaded);
    let stopped = engine.stop();
    assert!(stopped.success());
    assert_eq!(engine.lines("turns"), [&reloaded[..], &["s teardown", "s shutdown"]].concat());
}

/// Breaks without it: two readers of one file under one name write over each other's place in it, or two that
/// have names of their own are refused; or one of two `internal()` has nothing.
#[test]
fn one_file_and_the_log_may_have_two_readers() {
    let two = |name: &str| {
        format!(
            "@version: current\nsource a {{ file(\"DIR/in\"); }};\nsource b {{ file(\"DIR/in\" {name}); }};\n\
             source i {{ internal(log-iw-size(50)); }};\nsource j {{ internal(tags(\"j\")); }};\n\
             log {{ source(a); destination {{ file(\"DIR/a\" template(\"$MSG\\n\")); }}; }};\n\
             log {{ source(b); destination {{ file(\"DIR/b\" template(\"$MSG\\n\")); }}; }};\n\
             log {{ source(i); destination {{ file(\"DIR/i\" template(\"$MSG\\n\")); }}; }};\n\
             log {{ source(j); destination {{ file(\"DIR/j\" template(\"$MSG\\n\")); }}; }};\n"
        )
    };
    let (dir, file) = written(&two(""));
    let refused = Command::new(COMMAND).args(["check", "-f", file.to_str().unwrap()]).output().unwrap();
    let said =
        String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("two sources have the persist name"), "{said}");
    assert!(said.contains("give one of them a persist-name()"), "{said}");
    drop(dir);
    let mut engine = Engine::start(&two("persist-name(\"other\")"), &["--persist-file", "DIR/state"]);
    fs::write(engine.path("in"), "one\ntwo\n").unwrap();
    for name in ["a", "b"] {
        engine.await_line(name, "two");
        assert_eq!(engine.lines(name), ["one", "two"]);
    }
    for name in ["i", "j"] {
        engine.await_line(name, "inrush: started");
    }
    assert!(engine.stop().success());
}

/// Breaks without it: behind a socket unit of systemd nothing is received, or a socket of somebody else is
/// taken.
#[test]
fn a_socket_that_was_passed_is_received_from() {
    let configuration = "@version: current\nsource s { systemd-syslog(tags(\"t\") so-rcvbuf(8192)); };\n\
         destination d { file(\"DIR/out\" template(\"$TRANSPORT ${.unix.uid} $PROGRAM $MSG\\n\")); };\n\
         log { source(s); destination(d); flags(flow-control); };\n";
    let (dir, file) = written(configuration);
    // Without one it does not start, and says why.
    let refused = Command::new(COMMAND)
        .args(["run", "-f", file.to_str().unwrap()])
        .env_remove("LISTEN_PID")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("LISTEN_PID is not set"), "{said}");
    let path = dir.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    // Before the engine is there: systemd starts it by the first message.
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"<13>prog: first", &path).unwrap();
    let run = format!("LISTEN_PID=$$ LISTEN_FDS=1 exec {COMMAND} run -f {} 3<&0 0</dev/null", file.display());
    let child = Command::new("/bin/sh")
        .args(["-c", &run])
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut engine = Engine { dir, child, said: Arc::default() };
    engine.await_line("out", "local+unix-dgram");
    // The same socket over a reload that replaces the source.
    engine.reload(&configuration.replace("tags(\"t\")", "tags(\"u\")"));
    sender.send_to(b"<13>prog: second", &path).unwrap();
    until("both", || engine.lines("out").len() == 2);
    let uid = rustix::process::getuid().as_raw();
    let lines = engine.lines("out");
    // The first was sent before anybody asked for credentials.
    assert!(
        lines[0].ends_with("prog first") && lines[1] == format!("local+unix-dgram {uid} prog second"),
        "{lines:?}"
    );
    assert!(engine.stop().success());
}
