//! `inrush ctl`: asks the engine that listens on a control socket, and prints what it says.
//!
//! The protocol is in [`crate::engine::control`]. Numbers come as JSON and are printed as `tables`, or as
//! they came.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{CtlOptions, Request};
use crate::engine::control::line::{self, NoLine};
use crate::engine::control::{RELOAD_WAIT, socket};
use crate::error::Error;
use crate::printable;

pub mod tables;

/// The environment variable that names the socket.
pub(crate) const SOCKET_VARIABLE: &str = "INRUSH_CONTROL";
/// The time that an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The time that `stop --wait` waits.
const STOP_WITHIN: Duration = Duration::from_secs(300);
/// The time between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// The longest answer: some hundred bytes for each source and destination.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// Asks what `options` say; `variable` is the value of [`SOCKET_VARIABLE`]. Returns what to print.
///
/// # Errors
/// What to say instead: there is nobody to ask, or the engine refused.
pub fn run(options: &CtlOptions, variable: Option<OsString>) -> Result<String, Error> {
    let named = options.control.clone();
    let path = named.or_else(|| variable.filter(|path| !path.is_empty()).map(PathBuf::from));
    let path = path.ok_or_else(|| {
        format!("which engine? name its socket with --control SOCKET or in {SOCKET_VARIABLE}")
    })?;
    let answer = ask(&path, &options.request)?;
    if matches!(options.request, Request::Stats { json: true } | Request::Sources { json: true })
        && is_answer(&answer)
    {
        return Ok(format!("{answer}\n"));
    }
    // Names and texts in it are others'; a program that reads JSON gets them as they are.
    match shown(&path, &answer, &options.request) {
        Ok(text) => Ok(printable::lines(&text).into_owned()),
        Err(error) => Err(printable::lines(&error).into_owned().into()),
    }
}

fn is_answer(answer: &str) -> bool {
    serde_json::from_str(answer).is_ok_and(|value: Value| value["error"].is_null())
}

/// The text of `answer`, for people.
fn shown(path: &Path, answer: &str, request: &Request) -> Result<String, String> {
    let value: Value = serde_json::from_str(answer)
        .map_err(|error| format!("what listens at {} is no engine: {error}", path.display()))?;
    if let Some(error) = value["error"].as_str() {
        return Err(error.to_owned());
    }
    match request {
        Request::Stats { .. } => Ok(tables::stats(&value)),
        Request::Sources { .. } => Ok(tables::sources(&value)),
        Request::Reload => reloaded(&value),
        Request::Stop { wait: false } => Ok("stopping\n".to_owned()),
        Request::Stop { wait: true } => await_end(path, value["pid"].as_i64()),
        Request::LogLevel { .. } => Ok(format!("{}\n", text(&value["log_level"]))),
    }
}

/// Sends `request` to the engine at `path`; its answer.
fn ask(path: &Path, request: &Request) -> Result<String, String> {
    let within = match request {
        Request::Reload => RELOAD_WAIT + ANSWER_WITHIN,
        _ => ANSWER_WITHIN,
    };
    let late = || format!("the engine at {} did not answer within {} s", path.display(), within.as_secs());
    let deadline = Instant::now() + within;
    let stream = socket::connect(path, within).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => late(),
        _ => cannot_connect(path, &error),
    })?;
    // An engine that refuses says why, and may do so before it has the whole request.
    let sent = line::write(&stream, &words(request), deadline);
    match line::read(&stream, MAX_ANSWER, deadline).map_err(|error| sent.err().unwrap_or(error)) {
        Ok(answer) => String::from_utf8(answer).map_err(|_| "the answer is not UTF-8".to_owned()),
        Err(NoLine::Late) => Err(late()),
        Err(NoLine::TooLong) => Err(format!("the answer is longer than {MAX_ANSWER} bytes")),
        Err(NoLine::Closed(_)) => Err("the engine closed the connection before it answered".to_owned()),
        Err(NoLine::Failed(error)) => Err(format!("the connection to the engine broke: {error}")),
    }
}

/// Waits until the engine at `path`, which said that it stops, is gone: its process when its number is known,
/// else its socket.
fn await_end(path: &Path, process: Option<i64>) -> Result<String, String> {
    let deadline = Instant::now() + STOP_WITHIN;
    let is_there = || match process {
        Some(number) => is_alive(number),
        None => socket::connect(path, LOOK).is_ok(),
    };
    while is_there() {
        if Instant::now() >= deadline {
            return Err(format!(
                "the engine at {} has not ended within {} s",
                path.display(),
                STOP_WITHIN.as_secs()
            ));
        }
        std::thread::sleep(LOOK);
    }
    Ok("stopped\n".to_owned())
}

/// True when the process runs; one that has ended and that nobody has looked after yet does not.
fn is_alive(process: i64) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    // Behind the name, which is in parentheses and may have any character in it.
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, Some('Z' | 'X'))
}

fn cannot_connect(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => {
            format!("there is no socket {path}: the engine does not run, or runs without --control")
        }
        ErrorKind::PermissionDenied => {
            format!("permission denied for {path}: only the engine's own user and root may ask")
        }
        ErrorKind::ConnectionRefused => format!("nobody listens on {path}: the engine is gone"),
        _ => format!("cannot connect to {path}: {error}"),
    }
}

/// The line of the protocol.
fn words(request: &Request) -> String {
    match request {
        Request::Stats { .. } => "stats".to_owned(),
        Request::Sources { .. } => "sources".to_owned(),
        Request::Reload => "reload".to_owned(),
        Request::Stop { .. } => "stop".to_owned(),
        Request::LogLevel { level: None } => "log-level".to_owned(),
        Request::LogLevel { level: Some(level) } => format!("log-level {level}"),
    }
}

fn reloaded(value: &Value) -> Result<String, String> {
    let is_accepted = value["accepted"] == true;
    let mut out =
        if is_accepted { "reloaded".to_owned() } else { "the new configuration is not accepted".to_owned() };
    for kind in ["sources", "destinations"] {
        let fates = ["kept", "replaced", "started", "stopped"].into_iter().filter_map(|fate| {
            let ids: Vec<_> = list(&value["changes"][kind][fate]).iter().map(text).collect();
            (!ids.is_empty()).then(|| format!("{fate} {}", ids.join(", ")))
        });
        let fates: Vec<_> = fates.collect();
        if !fates.is_empty() {
            let _ = write!(out, "\n{kind}: {}", fates.join("; "));
        }
    }
    for diagnostic in list(&value["diagnostics"]) {
        let _ = write!(out, "\n{}", text(diagnostic));
    }
    if is_accepted { Ok(out + "\n") } else { Err(out) }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}
