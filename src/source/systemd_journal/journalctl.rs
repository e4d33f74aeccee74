//! The program that reads the journal: [`Journalctl`], `journalctl` of the engine's PATH.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::child::{LAST_CHANCE, Run};
use crate::printable::line;
use crate::source::EngineLog;

/// The program.
const PROGRAM: &str = "journalctl";
/// The first version of systemd that knows namespaces.
const NAMESPACES: u32 = 245;
/// The time that it may take to say its version.
const VERSION_WITHIN: Duration = Duration::from_secs(10);
/// The longest line of its standard error that is logged whole.
const MAX_LINE: u64 = 8192;
/// The most lines of its standard error that are logged of one run.
const MOST_LINES: usize = 100;

/// The entry that a run of it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin<'a> {
    /// The oldest entry.
    Start,
    /// The entry at this cursor, or the next one where it is gone.
    Cursor(&'a [u8]),
    /// The last entry, and no other: it is not followed.
    Last,
}

/// The program, with the arguments that are the same in each run.
#[derive(Debug)]
pub(super) struct Journalctl {
    /// `namespace()`
    namespace: String,
    /// True when `namespace()` was written.
    is_written: bool,
    /// `FIELD=value`: entries that have one of the values of each field.
    matches: Vec<String>,
    /// False for a systemd that is older than namespaces.
    has_namespaces: AtomicBool,
}

impl Journalctl {
    /// The program, which reads what has these `matches` in `namespace`; that need not be known if it is not
    /// written.
    pub(super) fn new(namespace: &str, is_written: bool, matches: Vec<String>) -> Self {
        let (namespace, has_namespaces) = (namespace.to_owned(), AtomicBool::new(true));
        Self { namespace, is_written, matches, has_namespaces }
    }

    /// Looks whether the program is there, and knows what it is to do.
    ///
    /// # Errors
    /// A sentence, and a help for it.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let version = version().map_err(|error| {
            let missing = error.kind() == ErrorKind::NotFound;
            let why = if missing { "there is none in the PATH".to_owned() } else { error.to_string() };
            let help = "it reads the journal, and is part of systemd (Debian's package `systemd`)";
            (format!("`{PROGRAM}` cannot be run: {why}"), help.to_owned())
        })?;
        if version < NAMESPACES && self.is_written {
            let message = format!("systemd {version} has no namespaces: {NAMESPACES} is the first that does");
            return Err((message, "leave namespace() out".to_owned()));
        }
        self.has_namespaces.store(version >= NAMESPACES, Ordering::Relaxed);
        Ok(())
    }

    /// The command for a run.
    fn command(&self, from: Begin<'_>) -> Command {
        let mut command = Command::new(PROGRAM);
        // What is followed is of the last boot alone, unless the journals of all machines are merged.
        command.args(["--output=export", "--all", "--quiet", "--no-pager", "--merge"]);
        match from {
            Begin::Start => command.args(["--follow", "--no-tail"]),
            Begin::Cursor(cursor) => {
                let cursor = String::from_utf8_lossy(cursor);
                command.args(["--follow", "--no-tail", &format!("--cursor={cursor}")])
            }
            Begin::Last => command.arg("--lines=1"),
        };
        if self.has_namespaces.load(Ordering::Relaxed) {
            command.arg(format!("--namespace={}", self.namespace));
        }
        command.arg("--").args(&self.matches);
        command
    }

    /// Starts it.
    ///
    /// # Errors
    /// It is not there, or the system has nothing to give.
    pub(super) fn start(&self, from: Begin<'_>) -> io::Result<Child> {
        start(self.command(from))
    }
}

/// A run of it.
pub(super) struct Child {
    pub(super) run: Arc<Run>,
    pub(super) output: std::process::ChildStdout,
    pub(super) errors: ChildStderr,
}

fn start(mut command: Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        unreachable!("they were asked for")
    };
    let run = Run::watch(child, || {})?;
    Ok(Child { run, output, errors })
}

/// The version of systemd that it is of.
fn version() -> io::Result<u32> {
    let mut command = Command::new(PROGRAM);
    command.arg("--version");
    let Child { run, output, .. } = start(command)?;
    if !run.wait(VERSION_WITHIN) {
        run.end(LAST_CHANCE);
        return Err(io::Error::other("it does not say its version"));
    }
    let mut text = Vec::new();
    // Of a program that has ended, what a pipe holds at most.
    output.take(1024).read_to_end(&mut text)?;
    version_in(&text).ok_or_else(|| {
        let text = String::from_utf8_lossy(&text);
        io::Error::other(format!("it is none of systemd's; it says: {}", line(text.trim_end())))
    })
}

/// The number in `systemd 252 (252.39-1~deb12u1)`.
fn version_in(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let number = text.strip_prefix("systemd ")?;
    let end = number.find(|one: char| !one.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

/// The line of its standard error that was logged last.
pub(super) type LastLine = Arc<Mutex<String>>;

/// Has a thread log the lines of `errors`: each once behind each other, and behind that of the run before.
///
/// # Errors
/// The system has no thread to give.
pub(super) fn log_errors(
    errors: ChildStderr,
    log: &Arc<dyn EngineLog>,
    name: &str,
    last: &LastLine,
) -> io::Result<()> {
    let (log, name, last) = (Arc::clone(log), name.to_owned(), Arc::clone(last));
    let tell = move || {
        let mut errors = BufReader::new(errors);
        let (mut bytes, mut told) = (Vec::new(), 0);
        while let Ok(1..) = errors.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes) {
            let text = line(String::from_utf8_lossy(&bytes).trim_end()).to_string();
            bytes.clear();
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if *last != text && told < MOST_LINES {
                told += 1;
                log.warning(&format!("{name}: {PROGRAM} says: {text}"));
                *last = text;
            }
        }
    };
    thread::Builder::new().name("journalctl's errors".to_owned()).spawn(tell).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(journalctl: &Journalctl, from: Begin<'_>) -> String {
        let command = journalctl.command(from);
        command.get_args().map(|arg| arg.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    /// Breaks without it: entries are skipped or come again, or a cursor is taken for an option.
    #[test]
    fn each_run_begins_where_it_should() {
        const ALWAYS: &str = "--output=export --all --quiet --no-pager --merge";
        let all = Journalctl::new("*", false, Vec::new());
        assert_eq!(arguments(&all, Begin::Start), format!("{ALWAYS} --follow --no-tail --namespace=* --"));
        let some = Journalctl::new("*", false, vec!["_BOOT_ID=1".to_owned(), "PRIORITY=3".to_owned()]);
        some.has_namespaces.store(false, Ordering::Relaxed);
        assert_eq!(arguments(&some, Begin::Last), format!("{ALWAYS} --lines=1 -- _BOOT_ID=1 PRIORITY=3"));
        assert_eq!(
            arguments(&some, Begin::Cursor(b"s=1;i=2")),
            format!("{ALWAYS} --follow --no-tail --cursor=s=1;i=2 -- _BOOT_ID=1 PRIORITY=3")
        );
    }

    /// Breaks without it: an old systemd is asked for what it does not know, or another program is taken for
    /// its.
    #[test]
    fn versions() {
        assert_eq!(version_in(b"systemd 252 (252.39-1~deb12u1)\n+PAM"), Some(252));
        assert_eq!(version_in(b"systemd 239\n"), Some(239));
        for text in [&b""[..], b"journalctl 1", b"systemd x", b"systemd 99999999999", b"\xff"] {
            assert_eq!(version_in(text), None);
        }
    }
}
