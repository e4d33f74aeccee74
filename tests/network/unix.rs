//! Sockets with a path: the file, and who sends.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use crate::engine::Engine;

/// A socket that was left behind is replaced, and its mode lets everybody send.
#[test]
fn a_socket_that_nobody_has_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    drop(UnixDatagram::bind(&path).unwrap());
    let engine =
        Engine::in_directory(dir, &crate::engine::configuration("unix-dgram(\"DIR/log\")", "$MSG|$HOST\\n"));
    let made = fs::metadata(engine.path("log")).unwrap();
    assert!(made.file_type().is_socket());
    assert_eq!(made.permissions().mode() & 0o777, 0o666);
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"<30>Oct  1 00:00:00 prog[6]: stream nul\0", engine.path("log")).unwrap();
    let lines = engine.await_lines(1);
    assert!(lines[0].starts_with("stream nul|"), "{lines:?}");
    assert_eq!(engine.finish(), 1);
}

/// A file that is no socket is left alone.
#[test]
fn a_file_at_the_path_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, "mine").unwrap();
    let source = format!("unix-stream(\"{}\")", path.display());
    let kept = tempfile::tempdir().unwrap();
    let (said, code) = Engine::refused(kept, &source);
    assert!(code != Some(0) && said.contains("not a socket"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    fs::remove_file(&path).unwrap();
    let _live = UnixListener::bind(&path).unwrap();
    let (said, _) = Engine::refused(tempfile::tempdir().unwrap(), &source);
    assert!(said.contains("another program"), "{said}");
}

/// What the kernel and `/proc` say of a sender, and nothing without `so-passcred`.
#[test]
fn senders_are_known() {
    let template = "${.unix.pid} ${.unix.uid} ${.unix.gid} ${.unix.exe} ${.unix.cmdline}$MSG\\n";
    let own = std::process::id();
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let program = std::env::current_exe().unwrap();
    for driver in ["unix-dgram", "unix-stream"] {
        let send = |engine: &Engine| {
            if driver == "unix-dgram" {
                UnixDatagram::unbound().unwrap().send_to(b"<13>p: m", engine.path("log")).unwrap();
            } else {
                UnixStream::connect(engine.path("log")).unwrap().write_all(b"<13>p: m").unwrap();
            }
        };
        let engine = Engine::start_with(&format!("{driver}(\"DIR/log\")"), template);
        send(&engine);
        let lines = engine.await_lines(1);
        let expected = format!("{own} {uid} {gid} {} ", program.display());
        assert!(lines[0].starts_with(&expected) && lines[0].ends_with(" m"), "{driver}: {lines:?}");
        assert_eq!(engine.finish(), 1);
        let engine = Engine::start_with(&format!("{driver}(\"DIR/log\" so-passcred(no))"), template);
        send(&engine);
        assert_eq!(engine.await_lines(1), ["    m"]);
        assert_eq!(engine.finish(), 1);
    }
}

/// All values of a sender are among the pairs of its messages.
#[test]
fn senders_are_pairs() {
    let template = "$(format-json --scope dot-nv-pairs --exclude .unix.cmdline --exclude .audit.*)\\n";
    let engine = Engine::start_with("unix-dgram(\"DIR/log\")", template);
    UnixDatagram::unbound().unwrap().send_to(b"<13>p: m", engine.path("log")).unwrap();
    let lines = engine.await_lines(1);
    let pairs: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(pairs["_unix"]["pid"], std::process::id().to_string(), "{pairs}");
    assert_eq!(engine.finish(), 1);
}

/// An `optional(yes)` socket that cannot be opened stops nothing.
#[test]
fn an_optional_socket() {
    let engine = Engine::start("unix-dgram(\"DIR/no/such/log\" optional(yes))");
    engine.await_said("optional(yes)");
    assert_eq!(engine.finish(), 0);
    let engine = Engine::start("unix-dgram(\"DIR/made/log\" create-dirs(yes))");
    UnixDatagram::unbound().unwrap().send_to(b"<13>p: m", engine.path("made/log")).unwrap();
    engine.await_lines(1);
    assert_eq!(engine.finish(), 1);
}
