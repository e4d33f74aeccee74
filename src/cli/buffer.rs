//! `inrush buffer`: disk buffers, for a person or a program.
//!
//! `list`, `verify` and `dump` change nothing, and may be used while an engine has the buffer; `repair` and
//! `move` want it alone.

use std::fmt;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};

use super::table::{Align, Table, grouped, size, span};
use crate::disk::tools::{self, Summary};
use crate::disk::{self, Damaged, Settings, SystemDisk};
use crate::error::Error;
use crate::message::encoded::Decoder;
use crate::message::{Pool, Selection};
use crate::printable;
use crate::template::{Context, Identity, Options, Template, TimeZoneUse};

/// The template of `dump` for each message.
const JSON: &str = "$(format-json --scope everything --pair TAGS=$TAGS)\n";

/// The options of `inrush buffer`.
#[derive(Debug, Args)]
pub struct BufferOptions {
    /// The request.
    #[command(subcommand)]
    pub request: BufferRequest,
}

/// A request to disk buffers.
#[derive(Debug, Subcommand)]
pub enum BufferRequest {
    /// Print the buffers of a directory: their names, and what is in them.
    List {
        /// The directory: `dir()` of the destinations, or that of the state file.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Read everything, and say what is damaged. Exits with 1 when something is.
    Verify {
        /// The directory.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The name of the buffer; without it: all of them.
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Print the messages that are not delivered, the oldest first.
    Dump {
        /// The directory.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The name of the buffer.
        #[arg(value_name = "NAME")]
        name: String,
        /// The template of a message. Without it: JSON, a line each.
        #[arg(long, value_name = "TEMPLATE")]
        template: Option<String>,
    },
    /// Write what is good in damaged files anew, and give the rest up for good. The damaged files are kept
    /// aside.
    Repair {
        /// The directory.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The name of the buffer.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Move a buffer to another directory.
    Move {
        /// The directory that it is in.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The name of the buffer.
        #[arg(value_name = "NAME")]
        name: String,
        /// The directory that it goes to, which is made if missing.
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
}

/// The outcome of a request.
#[derive(Debug)]
pub struct Done {
    /// The text to print.
    pub text: String,
    /// True when something is damaged.
    pub is_damaged: bool,
}

impl From<String> for Done {
    fn from(text: String) -> Self {
        Self { text, is_damaged: false }
    }
}

fn failed(error: impl fmt::Display) -> Error {
    Error::System(error.to_string())
}

/// Does what is asked for.
///
/// # Errors
/// There is no such buffer, an engine has it, or the system says no: as a sentence.
pub fn run(request: &BufferRequest) -> Result<Done, Error> {
    let disk = Arc::new(SystemDisk);
    match request {
        BufferRequest::List { dir } => Ok(list(&tools::list(&disk, dir).map_err(failed)?).into()),
        BufferRequest::Verify { dir, name } => verify(&disk, dir, name.as_deref()),
        BufferRequest::Dump { dir, name, template } => {
            known(&disk, dir, name)?;
            dump(&disk, dir, name, template.as_deref().unwrap_or(JSON)).map(Done::from)
        }
        BufferRequest::Repair { dir, name } => {
            let buffer = known(&disk, dir, name)?;
            // What it may have of the disk is a setting of the engine.
            let capacity = buffer.usage.bytes.saturating_mul(2).max(1 << 30);
            repair(&disk, dir, name, capacity).map(Done::from)
        }
        BufferRequest::Move { dir, name, to } => {
            known(&disk, dir, name)?;
            let files = tools::relocate(&disk, dir, to, name).map_err(failed)?;
            Ok(format!("{} files of {name} are in {} now\n", grouped(files), to.display()).into())
        }
    }
}

/// The buffer called `name`.
fn known(disk: &Arc<SystemDisk>, dir: &Path, name: &str) -> Result<Summary, Error> {
    let mut all = tools::list(disk, dir).map_err(failed)?;
    if let Some(at) = all.iter().position(|buffer| buffer.name == name) {
        return Ok(all.swap_remove(at));
    }
    let names: Vec<_> = all.iter().map(|buffer| buffer.name.as_str()).collect();
    let there = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
    Err(failed(format!("there is no buffer called {name} in {}: {there}", dir.display())))
}

fn list(buffers: &[Summary]) -> String {
    let mut table = Table::new(&[
        ("DISK BUFFER", Align::Left),
        ("MESSAGES", Align::Right),
        ("OLDEST", Align::Right),
        ("BYTES", Align::Right),
        ("FILES", Align::Right),
        ("NEXT NUMBER", Align::Right),
        ("USED BY", Align::Left),
    ]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for buffer in buffers {
        let age = |oldest: u64| span((now.as_micros() as u64).saturating_sub(oldest) / 1_000_000);
        table.push([
            buffer.name.clone(),
            grouped(buffer.usage.messages),
            buffer.usage.oldest.map_or_else(|| "-".to_owned(), age),
            size(buffer.usage.bytes as i64),
            grouped(buffer.usage.segments),
            grouped(buffer.usage.next),
            buffer.locked_by.map_or_else(|| "-".to_owned(), |process| format!("process {process}")),
        ]);
        let recovery = &buffer.recovery;
        for damaged in &recovery.damaged {
            table.note(format!("    damaged: {}", printable::line(&damaged.to_string())));
        }
        for aside in &recovery.aside {
            table.note(format!("    kept aside: {}", printable::line(&aside.display().to_string())));
        }
    }
    table.text()
}

fn verify(disk: &Arc<SystemDisk>, dir: &Path, name: Option<&str>) -> Result<Done, Error> {
    let buffers = match name {
        Some(name) => vec![known(disk, dir, name)?],
        None => tools::list(disk, dir).map_err(failed)?,
    };
    let (mut text, mut is_damaged) = (String::new(), false);
    for Summary { name, .. } in buffers {
        let found = tools::verify(disk, dir, &name).map_err(failed)?;
        is_damaged |= !found.damaged.is_empty();
        let state = if found.damaged.is_empty() { "good" } else { "damaged" };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "{}: {state}, {} messages read", printable::line(&name), grouped(found.messages));
        for damaged in &found.damaged {
            let _ = writeln!(text, "    {}", printable::line(&damaged.to_string()));
        }
    }
    Ok(Done { text, is_damaged })
}

/// The reason for which a dump ends.
enum Stop {
    Disk(disk::Error),
    Message(Error),
    Enough,
}

impl From<disk::Error> for Stop {
    fn from(error: disk::Error) -> Self {
        Self::Disk(error)
    }
}

fn dump(disk: &Arc<SystemDisk>, dir: &Path, name: &str, template: &str) -> Result<String, Error> {
    let unescaped = template.replace("\\n", "\n").replace("\\t", "\t");
    let template = Template::compile(&unescaped).map_err(|error| failed(format!("--template: {error}")))?;
    let context = Context::new(&Options::default(), Arc::<Identity>::default(), TimeZoneUse::Send);
    let mut decoder = Decoder::new(&Arc::new(Pool::new()));
    let mut out = Vec::new();
    let dumped = tools::dump(disk, dir, name, |entry, bytes| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Damaged { messages, .. }) => {
                let text = format!("messages {} to {} are damaged\n", messages.start, messages.end - 1);
                super::output::complain(&format!("inrush buffer: {text}"));
                return Ok(());
            }
        };
        let views = decoder.decode(bytes).map_err(|error| Stop::Message(failed(error)))?;
        let messages = views.iter().flat_map(Selection::messages);
        for (number, message) in (entry.messages.start..).zip(messages) {
            if !entry.done.iter().any(|done| done.contains(&number)) {
                template.format(message, &context, &mut out);
            }
        }
        // What is not printed yet is bounded by an entry.
        match super::output::write(&std::mem::take(&mut out)) {
            Ok(()) => Ok(()),
            // Whoever reads it has what they wanted.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Stop::Enough),
            Err(error) => Err(Stop::Message(failed(format!("cannot write the output: {error}")))),
        }
    });
    match dumped {
        Ok(()) | Err(Stop::Enough) => Ok(String::new()),
        Err(Stop::Disk(error)) => Err(failed(error)),
        Err(Stop::Message(error)) => Err(error),
    }
}

fn repair(disk: &Arc<SystemDisk>, dir: &Path, name: &str, capacity: u64) -> Result<String, Error> {
    let (dir, name) = (dir.to_owned(), name.to_owned());
    let settings = Settings { dir, name: name.clone(), capacity, segment_size: 0, skip_unreadable: true };
    let repaired = tools::repair(disk, &settings).map_err(failed)?;
    let lost: u64 = repaired.lost.iter().map(|range| range.end - range.start).sum();
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match repaired.segments.len() {
        0 => writeln!(text, "{name}: nothing is damaged"),
        files => writeln!(text, "{name}: {files} files written anew, {} messages given up", grouped(lost)),
    };
    for range in &repaired.lost {
        let _ = writeln!(text, "    messages {} to {}", range.start, range.end - 1);
    }
    Ok(text)
}
