//! The commands of `hook-commands()`: [`Hooks`].
//!
//! ```text
//!  start    startup ─► setup ─► sources and destinations run
//!  reload   teardown of the old configuration ─► setup of the new one ─► the switch
//!  stop     sources and destinations have ended ─► teardown ─► shutdown
//! ```
//!
//! A reload does so for all drivers, those that go on as they are included. The commands of one turn run
//! beside each other, and all of them together for [`PATIENCE`] at most; one that takes longer is ended with
//! what it has started. A command that fails is an error in the log, and stops nothing.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Log;
use crate::child::{LAST_CHANCE, Run, shell};
use crate::config::{Driver, HookCommands};

/// The time that the commands of one turn may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time that the commands may take at the end.
pub(super) const AT_THE_END: Duration = Duration::from_secs(2 * (PATIENCE.as_secs() + 1));

/// A turn in the life of drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Startup,
    Setup,
    Teardown,
    Shutdown,
}

impl Turn {
    fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Setup => "setup",
            Self::Teardown => "teardown",
            Self::Shutdown => "shutdown",
        }
    }

    fn command(self, commands: &HookCommands) -> Option<&str> {
        match self {
            Self::Startup => commands.startup.as_deref(),
            Self::Setup => commands.setup.as_deref(),
            Self::Teardown => commands.teardown.as_deref(),
            Self::Shutdown => commands.shutdown.as_deref(),
        }
    }
}

/// The commands of all drivers of a configuration that run, by the ids of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hooks(Vec<(String, HookCommands)>);

impl Hooks {
    /// Those of `drivers`, each once.
    pub(super) fn of<'d>(drivers: impl Iterator<Item = &'d Driver>) -> Self {
        let mut all: Vec<(String, HookCommands)> = Vec::new();
        for driver in drivers.filter(|driver| driver.hooks != HookCommands::default()) {
            if all.iter().all(|(id, _)| *id != driver.id) {
                all.push((driver.id.clone(), driver.hooks.clone()));
            }
        }
        Self(all)
    }

    /// Tells whether there is no command.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs what comes before the drivers start; with the engine, if they do so.
    pub(super) fn begin(&self, with_the_engine: bool, log: &Log) {
        if with_the_engine {
            self.run(Turn::Startup, PATIENCE, log);
        }
        self.run(Turn::Setup, PATIENCE, log);
    }

    /// Runs what comes after the drivers have ended; with the engine, if they do so.
    pub(super) fn end(&self, with_the_engine: bool, log: &Log) {
        self.run(Turn::Teardown, PATIENCE, log);
        if with_the_engine {
            self.run(Turn::Shutdown, PATIENCE, log);
        }
    }

    fn run(&self, turn: Turn, patience: Duration, log: &Log) {
        let mut running: Vec<(String, Arc<Run>)> = Vec::new();
        for (id, commands) in &self.0 {
            let Some(command) = turn.command(commands) else { continue };
            let name = format!("{id}: {}() of hook-commands()", turn.name());
            // What they have to say of themselves stands in the log.
            let child = shell(command, true).stderr(Stdio::inherit()).spawn();
            match child.and_then(|child| Run::watch(child, || {})) {
                Ok(run) => running.push((name, run)),
                Err(error) => log.error(&format!("{name} cannot be run: {error}")),
            }
        }
        let deadline = Instant::now() + patience;
        let is_in_time = |run: &Run| run.wait(deadline.saturating_duration_since(Instant::now()));
        let late: Vec<bool> = running.iter().map(|(_, run)| !is_in_time(run)).collect();
        for ((name, run), is_late) in running.iter().zip(late) {
            if is_late {
                log.error(&format!("{name} takes longer than {} s, and is ended", patience.as_secs_f64()));
                run.end(LAST_CHANCE);
            } else if let Some(how) = run.ended().filter(|how| how != "exit status: 0") {
                log.error(&format!("{name} has failed: {how}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Breaks without it: a turn runs the commands of another one, or one that hangs holds up all.
    #[test]
    fn each_turn_has_its_commands() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let says = |text: &str| Some(format!("echo {text} >> {}", out.display()));
        let commands = HookCommands {
            startup: says("startup"),
            setup: says("setup"),
            teardown: says("teardown"),
            shutdown: says("shutdown"),
        };
        let pid = dir.path().join("pid");
        let hangs = Some(format!("echo $$ > {}; exec sleep 600", pid.display()));
        let hangs = Hooks(vec![("d#1".to_owned(), HookCommands { setup: hangs, ..HookCommands::default() })]);
        let hooks = Hooks(vec![("d#0".to_owned(), commands)]);
        let log = Log::silent();
        hooks.begin(true, &log);
        hooks.end(false, &log);
        hooks.begin(false, &log);
        hooks.end(true, &log);
        let said = fs::read_to_string(&out).unwrap();
        assert_eq!(said, "startup\nsetup\nteardown\nsetup\nteardown\nshutdown\n");
        // One that hangs is ended, however late it was begun.
        let mut number = String::new();
        while !number.ends_with('\n') {
            hangs.run(Turn::Setup, Duration::from_millis(50), &log);
            number = fs::read_to_string(&pid).unwrap_or_default();
        }
        assert!(!std::path::Path::new("/proc").join(number.trim()).exists());
    }
}
