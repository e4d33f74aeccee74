//! The answers to commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use serde_json::{Value, json};

use super::Requests;
use crate::engine::{Board, Changes, Log, LogLevel, Phase};

/// The time that a reload may take before it is answered without its result.
pub(crate) const RELOAD_WAIT: Duration = Duration::from_secs(30);

/// The place for the result of a reload, which the host of the engine gives. Dropped without a word, it tells
/// whoever waits that there will be none.
#[derive(Debug)]
pub struct Reply {
    sender: Sender<Reloaded>,
    is_reloading: Arc<AtomicBool>,
    /// Boxed, as a reply waits in a list of small things.
    reloaded: Option<Box<Reloaded>>,
}

impl Reply {
    /// Says how it went.
    pub fn send(mut self, reloaded: Reloaded) {
        self.reloaded = Some(Box::new(reloaded));
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // First, so that whoever has the result can ask for the next reload.
        self.is_reloading.store(false, Ordering::Release);
        if let Some(reloaded) = self.reloaded.take() {
            // Whoever asked may have gone.
            let _ = self.sender.try_send(*reloaded);
        }
    }
}

/// The result of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// True when the new configuration runs; the old one goes on if not.
    pub accepted: bool,
    /// The errors of a configuration that is not accepted, or the warnings of one that is.
    pub diagnostics: Vec<String>,
    /// The fate of each driver, if it is accepted.
    pub changes: Option<Changes>,
}

/// The desk at which requests are answered.
pub(super) struct Desk {
    pub(super) board: Arc<Board>,
    pub(super) log: Log,
    pub(super) requests: Box<dyn Requests>,
    /// True while a [`Reply`] is on its way. At most one is: requests that wait must not take every place.
    pub(super) is_reloading: Arc<AtomicBool>,
}

impl Desk {
    /// Answers one request. What is to be logged is said after the answer was given: who reads the log may
    /// be slow.
    pub(super) fn answer(&self, request: &str) -> (Value, Option<String>) {
        let words: Vec<&str> = request.split_ascii_whitespace().collect();
        let answer = match words[..] {
            ["stats"] => Ok(self.board.to_json()),
            ["sources"] => Ok(json!({ "sources": self.board.to_json()["sources"].take() })),
            ["reload"] => self.reload(),
            ["stop"] => {
                self.board.set_phase(Phase::Stopping);
                self.requests.stop();
                Ok(json!({ "stopping": true, "pid": std::process::id() }))
            }
            ["log-level"] => Ok(json!({ "log_level": self.log.level().name() })),
            ["log-level", name] => match self.set_log_level(name) {
                Ok((answer, said)) => return (answer, Some(said)),
                Err(error) => Err(error),
            },
            [] => Err("the request is empty".to_owned()),
            [command, ..] => Err(format!(
                "no command {:?}; there are: stats, sources, reload, stop, log-level [LEVEL]",
                if words.len() > 1 { request.trim() } else { command }
            )),
        };
        (answer.unwrap_or_else(|error| json!({ "error": error })), None)
    }

    fn reload(&self) -> Result<Value, String> {
        if self.board.phase() == Phase::Stopping {
            return Err("the engine is stopping".to_owned());
        }
        if self.is_reloading.swap(true, Ordering::AcqRel) {
            return Err("a reload is going on; its result is not known yet".to_owned());
        }
        let (sender, receiver) = bounded(1);
        let is_reloading = Arc::clone(&self.is_reloading);
        self.requests.reload(Reply { sender, is_reloading, reloaded: None });
        match receiver.recv_timeout(RELOAD_WAIT) {
            Ok(Reloaded { accepted, diagnostics, changes }) => {
                let changes = changes.map(|changes| changes.to_json());
                Ok(json!({ "accepted": accepted, "diagnostics": diagnostics, "changes": changes }))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err("the engine stopped before it read the configuration".to_owned())
            }
            Err(RecvTimeoutError::Timeout) => Err(format!(
                "the reload was asked for, and has no result after {} s; the log will have it",
                RELOAD_WAIT.as_secs()
            )),
        }
    }

    fn set_log_level(&self, name: &str) -> Result<(Value, String), String> {
        let Some(level) = LogLevel::from_name(name) else {
            let names = LogLevel::ALL.map(LogLevel::name).join(", ");
            return Err(format!("no log level {name:?}; there are: {names}"));
        };
        let before = self.log.level();
        self.log.set_level(level);
        let said = format!("control: the log level is {name}, and was {}", before.name());
        Ok((json!({ "log_level": name, "before": before.name() }), said))
    }
}
