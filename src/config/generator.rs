//! Generators: blocks whose text is made anew at each use.
//!
//! ```text
//! @module confgen context(source) name(lb) exec("/usr/lib/lb.sh")     the output of a command
//! syslogng.register_config_generator("source", "lb", function)        the result of a function of the host
//! source s { lb(port(514)); };
//!              │ confgen_port=514 /bin/sh -c /usr/lib/lb.sh
//!              ▼
//!            network(port(514));                                      read in the place of the use
//! ```
//!
//! Arguments are passed on as they are written, with their quotes; one without a text is left out. Backticks
//! in what was made are replaced. A command gets [`WITHIN`], and its whole process group is ended with it.

use std::fmt::Debug;
use std::io::{ErrorKind, Read as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

/// The time that a command may take.
const WITHIN: Duration = Duration::from_secs(10);
/// The time between two looks whether a command has ended that has closed its output.
const LOOK: Duration = Duration::from_millis(2);

/// The arguments of a use: the name, written with `_`, and the text as it is written.
pub type GeneratorArguments = [(String, String)];

/// Runs a command with arguments; its output has so many bytes at most. The error says what went wrong.
pub type RunCommand = fn(&str, &GeneratorArguments, usize) -> Result<String, String>;

/// The generators of a host.
pub trait Generators: Debug + Send + Sync {
    /// The contexts and names that there are.
    fn names(&self) -> Vec<(String, String)>;

    /// The text of the generator `name` of `context`.
    ///
    /// # Errors
    /// A text: what went wrong.
    fn generate(&self, context: &str, name: &str, arguments: &GeneratorArguments) -> Result<String, String>;
}

/// The maker of a generator's text.
#[derive(Debug, Clone)]
pub(super) enum Maker {
    /// A command of `@module confgen`.
    Command(String),
    /// A function of the host.
    Host(Arc<dyn Generators>, &'static str),
}

impl Maker {
    /// Makes the text for a use of the generator `name`, of `most` bytes at most.
    pub(super) fn make(
        &self,
        name: &str,
        arguments: &GeneratorArguments,
        run: RunCommand,
        most: usize,
    ) -> Result<String, String> {
        match self {
            Self::Command(command) => run(command, arguments, most),
            Self::Host(generators, context) => {
                let text = generators.generate(context, name, arguments)?;
                if text.len() > most { Err(too_long(most)) } else { Ok(text) }
            }
        }
    }
}

/// Runs no command: for texts that come from somewhere else than a file of the user's.
pub(crate) fn refuse_command(_: &str, _: &GeneratorArguments, _: usize) -> Result<String, String> {
    Err("commands are not run for this text".to_owned())
}

/// Runs `/bin/sh -c command` in a process group of its own, with `confgen_NAME` in its environment for each of
/// `arguments`, and gives back its output.
///
/// # Errors
/// It cannot be started, fails, writes more than `most` bytes or no UTF-8, or takes longer than [`WITHIN`].
pub fn run_command(command: &str, arguments: &GeneratorArguments, most: usize) -> Result<String, String> {
    run_within(command, arguments, most, WITHIN)
}

fn run_within(
    command: &str,
    arguments: &GeneratorArguments,
    most: usize,
    within: Duration,
) -> Result<String, String> {
    let end = Instant::now() + within;
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    shell.envs(arguments.iter().map(|(name, text)| (format!("confgen_{name}"), text)));
    let mut child = shell.spawn().map_err(|error| format!("it cannot be started: {error}"))?;
    let read = child.stdout.take().map_or(Ok(Vec::new()), |output| output_of(output, most, end, within));
    let ended = read.and_then(|output| Ok((output, status(&mut child, end, within)?)));
    let (output, status) = ended.inspect_err(|_| kill(&mut child))?;
    if !status.success() {
        return Err(format!("it has failed: {status}"));
    }
    String::from_utf8(output).map_err(|_| "its output is not UTF-8".to_owned())
}

/// Reads all of `output`.
fn output_of(
    mut output: ChildStdout,
    most: usize,
    end: Instant,
    within: Duration,
) -> Result<Vec<u8>, String> {
    let (mut all, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let wait = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)], Some(&wait)) {
            Ok(0) => return Err(too_late(within)),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(format!("its output cannot be read: {error}")),
        }
        match output.read(&mut piece) {
            Ok(0) => return Ok(all),
            Ok(length) if all.len() + length > most => return Err(too_long(most)),
            Ok(length) => all.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("its output cannot be read: {error}")),
        }
    }
}

/// Waits for the end of a command that has closed its output.
fn status(child: &mut Child, end: Instant, within: Duration) -> Result<ExitStatus, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() >= end => return Err(too_late(within)),
            Ok(None) => thread::sleep(LOOK),
            Err(error) => return Err(format!("its end cannot be waited for: {error}")),
        }
    }
}

/// Ends a command with all that it started in its process group.
fn kill(child: &mut Child) {
    // It keeps its number until it is waited for.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

fn too_late(within: Duration) -> String {
    format!("it has not ended within {} s, and was killed", within.as_secs_f64())
}

fn too_long(most: usize) -> String {
    format!("it makes more text than the {most} bytes that a configuration may still have")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn run(command: &str, arguments: &[(&str, &str)]) -> Result<String, String> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        run_command(command, &arguments.iter().map(own).collect::<Vec<_>>(), 1000)
    }

    /// Breaks without it: a command gets its arguments under other names, or without their quotes.
    #[test]
    fn arguments_are_in_the_environment() {
        let text = run(
            "echo \"$confgen_port|$confgen_a_b|${confgen_none-unset}\"",
            &[("port", "514"), ("a_b", "\"x y\"")],
        );
        assert_eq!(text.unwrap(), "514|\"x y\"|unset\n");
    }

    /// Breaks without it: a command that fails, or writes what is no text, is taken for one that has nothing
    /// to say.
    #[test]
    fn a_command_that_fails_is_told() {
        assert_eq!(run("echo x; exit 3", &[]).unwrap_err(), "it has failed: exit status: 3");
        assert_eq!(run("kill -9 $$", &[]).unwrap_err(), "it has failed: signal: 9 (SIGKILL)");
        assert_eq!(run("printf '\\377'", &[]).unwrap_err(), "its output is not UTF-8");
        assert!(run("cat", &[]).unwrap().is_empty(), "the command reads somebody's standard input");
        assert!(run("true", &[("a", "\0")]).unwrap_err().starts_with("it cannot be started"));
    }

    /// Breaks without it: a command that never ends, or never stops writing, holds a start and a reload for
    /// ever; its children go on.
    #[test]
    fn a_command_without_an_end_is_killed() {
        assert!(run("yes", &[]).unwrap_err().starts_with("it makes more text than the 1000 bytes"));
        for command in ["sleep 1000", "sleep 1000 & echo $!", "exec >&-; sleep 1000"] {
            let killed = run_within(command, &[], 1000, Duration::from_millis(50)).unwrap_err();
            assert_eq!(killed, "it has not ended within 0.05 s, and was killed", "{command}");
        }
        let directory = tempfile::TempDir::new().unwrap();
        let file = directory.path().join("pid");
        let command = format!("sleep 1000 & echo $! > '{}'; wait", file.display());
        let mut within = Duration::from_millis(50);
        let pid: i32 = loop {
            run_within(&command, &[], 1000, within).unwrap_err();
            match fs::read_to_string(&file).unwrap_or_default().trim().parse() {
                Ok(pid) => break pid,
                Err(_) => within *= 2,
            }
        };
        let is_gone = || {
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        while !is_gone() {
            thread::sleep(LOOK);
        }
    }
}
