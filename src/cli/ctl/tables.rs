//! The engine's counters, as tables for people.
//!
//! A source has more numbers than a line has room for, so each table asks one question: where its messages
//! are, what holds it back, what went wrong. With names and numbers of a usual length each fits into
//! `COLUMNS` columns; exact bytes and times are in the JSON form.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::table::{Align, Table, grouped, size, span, time};
use super::{list, text};
use crate::printable;

/// The width that the tables are made to fit into.
const COLUMNS: usize = 100;
/// The beginning of a line that goes on in the next.
const INDENT: &str = "    ";

/// `inrush ctl stats`
pub fn stats(value: &Value) -> String {
    let mut out = format!(
        "inrush {}, process {}, {} for {}\n",
        text(&value["version"]),
        value["pid"],
        text(&value["phase"]),
        span(value["uptime_seconds"].as_u64().unwrap_or_default()),
    );
    let posted = format!("{} posted{}", number(&value["posted"]), more(value, "generated"));
    let outcomes = format!(
        "= {} delivered + {} dropped{}{} + {} in flight",
        number(&value["delivered"]),
        number(&value["dropped"]),
        more(value, "filtered"),
        more(value, "rejected"),
        number(&value["in_flight"])
    );
    let fits = posted.len() + 1 + outcomes.len() <= COLUMNS;
    let between = if fits { " ".to_owned() } else { format!("\n{INDENT}") };
    let _ = writeln!(out, "{posted}{between}{outcomes}");
    if let Some(lost @ 1..) = value["log_lines_dropped"].as_u64() {
        let _ =
            writeln!(out, "{} lines of its log were not written: stderr did not take them", grouped(lost));
    }
    let sources = list(&value["sources"]);
    for table in [
        messages(sources),
        files(sources),
        sockets(sources),
        credit(sources),
        trouble(sources),
        drops(sources),
    ] {
        add(&mut out, &table);
    }
    add(&mut out, &parsers(list(&value["parsers"])));
    add(&mut out, &contexts(list(&value["parsers"])));
    add(&mut out, &functions(list(&value["functions"])));
    add(&mut out, &destinations(list(&value["destinations"])));
    add(&mut out, &buffers(list(&value["destinations"])));
    out
}

/// A part of the sum that is usually 0: then it is left out.
fn more(value: &Value, name: &str) -> String {
    match value[name].as_u64() {
        None | Some(0) => String::new(),
        Some(count) => format!(" + {} {name}", grouped(count)),
    }
}

/// `inrush ctl sources`
pub(super) fn sources(value: &Value) -> String {
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("STATE", Align::Left),
        ("IN FLIGHT", Align::Right),
        ("WINDOW", Align::Right),
        ("OLDEST", Align::Right),
        ("BLOCKED", Align::Right),
        ("EXCEPTIONS", Align::Right),
        ("RESTARTS", Align::Right),
    ]);
    for source in list(&value["sources"]) {
        table.push([
            text(&source["id"]),
            text(&source["state"]),
            number(&source["in_flight"]),
            number(&source["window"]),
            seconds(&source["oldest_unacknowledged_seconds"]),
            seconds(&source["blocked_seconds"]),
            number(&source["exceptions"]),
            number(&source["restarts"]),
        ]);
        if let Some(error) = source["last_error"].as_str() {
            table.note(wrapped(&format!("last error: {}", printable::line(error))));
        }
    }
    table.text()
}

/// The table of messages: where those of each source are.
fn messages(sources: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("POSTED", Align::Right),
        ("BYTES", Align::Right),
        ("DELIVERED", Align::Right),
        ("DROPPED", Align::Right),
        ("FILTERED", Align::Right),
        ("IN FLIGHT", Align::Right),
        ("STATE", Align::Left),
    ]);
    for source in sources {
        table.push([
            text(&source["id"]),
            number(&source["posted"]),
            bytes(&source["bytes"]),
            number(&source["delivered"]),
            grouped(reasons(source).map(|(_, count)| count).sum()),
            number(&source["filtered"]),
            number(&source["in_flight"]),
            text(&source["state"]),
        ]);
    }
    table
}

/// The table of sockets: what comes to each source that has some.
fn sockets(sources: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("CONNECTIONS", Align::Right),
        ("REJECTED", Align::Right),
        ("FAILED", Align::Right),
        ("RECEIVED", Align::Right),
        ("CUT", Align::Right),
        ("UNFINISHED", Align::Right),
        ("DROPPED BY THE KERNEL", Align::Right),
    ]);
    for source in sources {
        let sockets = &source["sockets"];
        if sockets.is_null() {
            continue;
        }
        let connections = match sockets["max_connections"].as_u64() {
            Some(0) | None => "-".to_owned(),
            Some(most) => format!("{} of {}", number(&sockets["connections"]), grouped(most)),
        };
        table.push([
            text(&source["id"]),
            connections,
            number(&sockets["rejected"]),
            number(&sockets["failed"]),
            bytes(&sockets["bytes"]),
            number(&sockets["cut"]),
            number(&sockets["unfinished"]),
            number(&sockets["dropped_by_kernel"]),
        ]);
    }
    table
}

/// The table of files: how far each source is that reads some.
fn files(sources: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("FILES", Align::Right),
        ("WAITING", Align::Right),
        ("READ", Align::Right),
        ("BEHIND", Align::Right),
    ]);
    for source in sources {
        let files = &source["files"];
        if !files.is_null() {
            table.push([
                text(&source["id"]),
                number(&files["open"]),
                number(&files["waiting"]),
                bytes(&files["bytes"]),
                bytes(&files["lag"]),
            ]);
        }
    }
    table
}

/// The table of credit: what holds each source back, and what its posts cost.
fn credit(sources: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("CREDIT", Align::Right),
        ("FREE BYTES", Align::Right),
        ("SUSPENSIONS", Align::Right),
        ("BLOCKED", Align::Right),
        ("OLDEST", Align::Right),
        ("GIL IN POSTS", Align::Right),
        ("REFUSED", Align::Right),
    ]);
    for source in sources {
        table.push([
            text(&source["id"]),
            format!("{} of {}", number(&source["free"]), number(&source["window"])),
            bytes(&source["free_bytes"]),
            number(&source["suspensions"]),
            seconds(&source["blocked_seconds"]),
            seconds(&source["oldest_unacknowledged_seconds"]),
            seconds(&source["post_gil_seconds"]),
            number(&source["refused"]),
        ]);
    }
    table
}

/// The table of trouble: what went wrong in each source.
fn trouble(sources: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("SOURCE", Align::Left),
        ("EXCEPTIONS", Align::Right),
        ("RESTARTS", Align::Right),
        ("LAST ERROR", Align::Left),
    ]);
    for source in sources {
        let error = text(&source["last_error"]);
        table.push([text(&source["id"]), number(&source["exceptions"]), number(&source["restarts"]), error]);
    }
    table.cut_to(COLUMNS);
    table
}

/// The table of drops by reason; without rows where none was.
fn drops(sources: &[Value]) -> Table {
    let mut table =
        Table::new(&[("SOURCE", Align::Left), ("DROPPED", Align::Right), ("REASON", Align::Left)]);
    for source in sources {
        for (reason, count) in reasons(source).filter(|(_, count)| *count > 0) {
            table.push([text(&source["id"]), grouped(count), reason.to_owned()]);
        }
    }
    table
}

/// The parsers, and below each the reasons why messages did not go on.
fn parsers(parsers: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("PARSER", Align::Left),
        ("KIND", Align::Left),
        ("PROCESSED", Align::Right),
        ("DISCARDED", Align::Right),
        ("REASON", Align::Left),
    ]);
    for parser in parsers {
        let reasons: Vec<_> = parser["reasons"].as_object().into_iter().flatten().collect();
        let name = match &*reasons {
            [] => String::new(),
            [(reason, _)] => (*reason).clone(),
            many => {
                let one = |(reason, count): &(&String, &Value)| format!("{reason} {}", number(count));
                many.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        };
        let counts = (number(&parser["processed"]), number(&parser["discarded"]));
        table.push([text(&parser["id"]), text(&parser["parser"]), counts.0, counts.1, name]);
    }
    table
}

/// The contexts of parsers that correlate messages; without rows where none does.
fn contexts(parsers: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("CONTEXTS OF", Align::Left),
        ("OPEN", Align::Right),
        ("MEMORY", Align::Right),
        ("OLDEST", Align::Right),
        ("MADE", Align::Right),
        ("BY MESSAGE", Align::Right),
        ("BY TIMEOUT", Align::Right),
        ("NO ROOM", Align::Right),
        ("AT END", Align::Right),
    ]);
    for parser in parsers {
        let of = &parser["correlation"];
        if of.is_null() {
            continue;
        }
        table.push([
            text(&parser["id"]),
            number(&of["contexts"]),
            bytes(&of["bytes"]),
            time(of["oldest_seconds"].as_f64().unwrap_or_default()),
            number(&of["made"]),
            number(&of["closed_by_message"]),
            number(&of["closed_by_timeout"]),
            number(&of["closed_early"]),
            number(&of["closed_at_end"]),
        ]);
    }
    table
}

/// The functions of Python that templates call.
fn functions(functions: &[Value]) -> Table {
    let mut table =
        Table::new(&[("FUNCTION", Align::Left), ("CALLED", Align::Right), ("FAILED", Align::Right)]);
    for function in functions {
        table.push([text(&function["name"]), number(&function["called"]), number(&function["failed"])]);
    }
    table
}

fn destinations(destinations: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("DESTINATION", Align::Left),
        ("RECEIVED", Align::Right),
        ("WRITTEN", Align::Right),
        ("DROPPED", Align::Right),
        ("QUEUED", Align::Right),
        ("RETRIES", Align::Right),
        ("ERRORS", Align::Right),
        ("BYTES", Align::Right),
        ("STATE", Align::Left),
    ]);
    for to in destinations {
        let state = match (&to["suspended"], &to["disk_buffer"]["away"]) {
            (Value::Bool(true), _) => "cannot write",
            (_, Value::Bool(true)) => "away, to disk",
            _ => "writing",
        };
        table.push([
            text(&to["id"]),
            number(&to["posted"]),
            number(&to["delivered"]),
            number(&to["dropped"]),
            number(&to["in_flight"]),
            number(&to["retries"]),
            number(&to["errors"]),
            bytes(&to["bytes"]),
            state.to_owned(),
        ]);
        let waits = to["in_flight"].as_u64().is_some_and(|messages| messages > 0);
        if let Some(error) = to["last_error"].as_str().filter(|_| waits) {
            table.note(wrapped(&format!("last error: {}", printable::line(error))));
        }
    }
    table
}

/// The table of disk buffers: what waits on the disk for each destination that has one.
fn buffers(destinations: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("DISK BUFFER", Align::Left),
        ("MESSAGES", Align::Right),
        ("OLDEST", Align::Right),
        ("BYTES", Align::Right),
        ("OF", Align::Right),
        ("COMMITS", Align::Right),
        ("EACH", Align::Right),
        ("LOST", Align::Right),
        ("STATE", Align::Left),
    ]);
    for to in destinations {
        let buffer = &to["disk_buffer"];
        if buffer.is_null() {
            continue;
        }
        let commits = buffer["commits"].as_f64().unwrap_or_default();
        let each = buffer["commit_seconds"].as_f64().unwrap_or_default() / commits.max(1.0);
        let state = if buffer["stalled"] == true { "takes nothing" } else { "open" };
        table.push([
            text(&to["id"]),
            number(&buffer["messages"]),
            seconds(&buffer["oldest_seconds"]),
            bytes(&buffer["bytes"]),
            bytes(&buffer["capacity"]),
            number(&buffer["commits"]),
            format!("{:.1} ms", each * 1000.0),
            number(&buffer["lost"]),
            state.to_owned(),
        ]);
    }
    table
}

/// The reasons for which messages of `source` can be dropped, with how many were.
fn reasons(source: &Value) -> impl Iterator<Item = (&str, u64)> {
    let reasons = source["dropped"].as_object().into_iter().flatten();
    reasons.filter_map(|(reason, count)| Some((reason.as_str(), count.as_u64()?)))
}

fn add(out: &mut String, table: &Table) {
    let text = table.text();
    if !text.is_empty() {
        out.push('\n');
        out.push_str(&text);
    }
}

/// `text` in lines of at most [`COLUMNS`] columns, all of them indented.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::from(INDENT)];
    let mut width = INDENT.len();
    for word in text.split_inclusive(' ') {
        for piece in pieces(word) {
            let more = piece.trim_end().chars().count();
            if width + more > COLUMNS && width > INDENT.len() {
                lines.push(INDENT.to_owned());
                width = INDENT.len();
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(piece);
            }
            width += piece.chars().count();
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// `word` in pieces that fit into a line.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(COLUMNS - INDENT.len()).map_or(rest.len(), |(end, _)| end);
        let piece;
        (piece, rest) = rest.split_at(end);
        (!piece.is_empty()).then_some(piece)
    })
}

/// A number with its digits grouped; what an older engine does not say is `-`.
fn number(value: &Value) -> String {
    match value.as_i64() {
        Some(negative @ ..0) => format!("-{}", grouped(negative.unsigned_abs())),
        _ => value.as_u64().map_or_else(|| "-".to_owned(), grouped),
    }
}

fn seconds(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), time)
}

fn bytes(value: &Value) -> String {
    value.as_i64().map_or_else(|| "-".to_owned(), size)
}

#[cfg(test)]
mod tests;
