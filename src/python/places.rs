//! Places in the user's Python code: where a class or a method is, and where in a `python { }` block
//! something went wrong.
//!
//! A block is compiled under the name of its file and with its own line numbers, so the file and line that
//! Python tells of an error are those of the configuration. Columns are counted in characters in a
//! `SyntaxError`, and in bytes in the positions of code (CPython 3.11 and newer; before, the whole line is
//! the place).

use std::path::Path;

use pyo3::exceptions::PySyntaxError;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::escape::{escaped, text_of};
use super::{exception, search_path};
use crate::config::{Config, Diagnostic, PythonBlock, Span};

/// The most characters of an exception's text that stand in the first line of an error.
const LONGEST_TEXT: usize = 200;

/// A file and a line.
pub(super) type Place = (String, u32);

/// The place of the class in its file.
pub(super) fn of_class(class: &Bound<'_, PyType>) -> Option<Place> {
    of("of_class", class.as_any())
}

/// The place of the `def` of a method.
pub(super) fn of_method(method: &Bound<'_, PyAny>) -> Option<Place> {
    of("of_method", method)
}

fn of(function: &str, object: &Bound<'_, PyAny>) -> Option<Place> {
    let call = || object.py().import("inrush.places")?.call_method1(function, (object,))?.extract();
    // A place that cannot be told is left out.
    call().ok().flatten()
}

/// The code of a line of the python blocks.
pub(super) fn in_blocks(config: &Config, (file, line): &Place) -> Option<Span> {
    let block = block_of(config, file, *line)?;
    config.code_line(block, *line).map(|at| trimmed(config, at))
}

/// The line of the python blocks that defines a class of theirs which has no method that tells its place.
pub(super) fn class_in_blocks(config: &Config, class: &Bound<'_, PyType>) -> Option<Span> {
    if class.module().ok()? != "_syslogng_main" {
        return None;
    }
    let name = class.name().ok()?.to_string();
    let defines = |line: &str| {
        let rest = line
            .trim_start()
            .strip_prefix("class ")
            .and_then(|rest| rest.trim_start().strip_prefix(name.as_str()));
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
    };
    let lines = config.python_blocks.iter().flat_map(|block| {
        block.code.lines().enumerate().map(move |(index, line)| (block, block.line + index as u32, line))
    });
    let (block, line, _) = lines.filter(|(.., line)| defines(line)).last()?;
    config.code_line(block, line).map(|at| trimmed(config, at))
}

/// Errors at `here` in the configuration, in the options of a `driver`, that have to do with the method at
/// `there`.
pub(super) fn error_of_method(
    config: &Config,
    (here, driver): (Span, &str),
    there: Option<Place>,
    message: String,
    help: Option<String>,
) -> Diagnostic {
    let Some(place) = there else { return config.error(here, message, help) };
    match in_blocks(config, &place) {
        Some(method) => config.error_with(method, message, here, driver, help),
        None => {
            config.error(here, message, help).with_note(format!("it is defined at {}:{}", place.0, place.1))
        }
    }
}

/// The diagnostic for `block`, which `error` came out of.
pub(super) fn error_of_block(
    py: Python<'_>,
    config: &Config,
    block: &PythonBlock,
    error: &PyErr,
) -> Diagnostic {
    if let Some(at) = place_of_syntax_error(py, config, block, error) {
        // What is wrong with the indentation is found before any bracket that is not closed.
        let open = config.without_partner_in(block).filter(|_| is_indentation(py, error));
        return match open {
            Some(open) if open != at => {
                config.error_with(at, described(py, error), open, "this is not closed", None)
            }
            _ => config.error(at, described(py, error), None),
        };
    }
    let frames = frames(py, error);
    let found = frames.iter().rev().find_map(|frame| Some((frame.span(config)?, frame)));
    let Some((at, _)) = found else {
        let diagnostic = config.error(block.span, described(py, error), None);
        return diagnostic.with_note(exception::traceback(py, error));
    };
    let diagnostic = config.error(at, format!("this python block failed: {}", described(py, error)), None);
    let chained = |name| error.value(py).getattr(name).is_ok_and(|other| !other.is_none());
    let says_all = frames.len() == 1 && !chained("__cause__") && !chained("__context__");
    let diagnostic =
        if says_all { diagnostic } else { diagnostic.with_note(exception::traceback(py, error)) };
    search_path::notes(py, error).into_iter().fold(diagnostic, Diagnostic::with_note)
}

/// The type and the text of an exception, in one line.
fn described(py: Python<'_>, error: &PyErr) -> String {
    let name = error.get_type(py).name().map_or_else(|_| "exception".to_owned(), |name| escaped(&name));
    let value = error.value(py);
    let text = match value.getattr("msg") {
        // The text of a SyntaxError ends with a place.
        Ok(message) if value.is_instance_of::<PySyntaxError>() => text_of(&message),
        _ => text_of(value.as_any()),
    };
    let text = text.unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{name}: {}…", &line[..end]),
        None if line.is_empty() => name,
        None => format!("{name}: {line}"),
    }
}

fn is_indentation(py: Python<'_>, error: &PyErr) -> bool {
    let class = py.import("builtins").and_then(|builtins| builtins.getattr("IndentationError"));
    class.and_then(|class| error.value(py).is_instance(&class)).unwrap_or(false)
}

/// The place that a `SyntaxError` of the block's own code tells.
fn place_of_syntax_error(
    py: Python<'_>,
    config: &Config,
    block: &PythonBlock,
    error: &PyErr,
) -> Option<Span> {
    let value = error.value(py);
    if !value.is_instance_of::<PySyntaxError>() {
        return None;
    }
    let file: String = value.getattr("filename").ok()?.extract().ok()?;
    if Path::new(&file) != block.file {
        return None;
    }
    let number = |name: &str| value.getattr(name).ok()?.extract::<u32>().ok();
    let line = number("lineno")?;
    let Some(at) = config.code_line(block, line) else {
        // Beyond the code: something is missing at its end.
        return Some(Span { start: block.span.end, ..block.span });
    };
    let Some(start) = number("offset").filter(|offset| *offset > 0) else { return Some(trimmed(config, at)) };
    let text = config.sources_text.text(at);
    let is_missing = || described(py, error).contains("expected an indented block");
    if is_indentation(py, error) && !is_missing() {
        // Python tells the last blank, or the end of the line: what is in the wrong place is the text between
        // them.
        return Some(trimmed(config, at));
    }
    let bytes =
        |offset: u32| text.char_indices().nth(offset as usize - 1).map_or(text.len(), |(byte, _)| byte);
    let end = number("end_offset").filter(|end| *end > start && number("end_lineno") == Some(line));
    Some(within(at, bytes(start), bytes(end.unwrap_or(start + 1))))
}

/// A call of a traceback.
struct Frame {
    file: String,
    line: u32,
    /// From the first byte to after the last one, where that is known and all on one line.
    columns: Option<(usize, usize)>,
}

impl Frame {
    /// Its place in the python blocks of `config`.
    fn span(&self, config: &Config) -> Option<Span> {
        let block = block_of(config, &self.file, self.line)?;
        let at = config.code_line(block, self.line)?;
        let whole = trimmed(config, at);
        Some(self.columns.map_or(whole, |(start, end)| within(at, start, end)))
    }
}

/// The calls of the traceback of `error`, the innermost last.
fn frames(py: Python<'_>, error: &PyErr) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut next = error.traceback(py).map(Bound::into_any);
    while let Some(traceback) = next.filter(|traceback| !traceback.is_none()) {
        frames.extend(frame(&traceback).ok());
        next = traceback.getattr("tb_next").ok();
    }
    frames
}

fn frame(traceback: &Bound<'_, PyAny>) -> PyResult<Frame> {
    let code = traceback.getattr("tb_frame")?.getattr("f_code")?;
    let line = traceback.getattr("tb_lineno")?.extract()?;
    let columns = || -> PyResult<Option<(usize, usize)>> {
        let at: usize = traceback.getattr("tb_lasti")?.extract()?;
        let mut positions = code.call_method0("co_positions")?.try_iter()?;
        let Some(position) = positions.nth(at / 2) else { return Ok(None) };
        let (first, last, start, end): (Option<u32>, Option<u32>, Option<usize>, Option<usize>) =
            position?.extract()?;
        Ok(start.zip(end).filter(|_| first == Some(line) && last == Some(line)))
    };
    Ok(Frame { file: code.getattr("co_filename")?.extract()?, line, columns: columns().unwrap_or_default() })
}

/// The block of `config` that the line of the file is in.
fn block_of<'c>(config: &'c Config, file: &str, line: u32) -> Option<&'c PythonBlock> {
    let mut blocks = config.python_blocks.iter().filter(|block| block.file == Path::new(file));
    blocks.find(|block| config.code_line(block, line).is_some())
}

/// The part of `line` from one byte to another, at least one of them.
fn within(line: Span, start: usize, end: usize) -> Span {
    let at = |offset: usize| line.start.saturating_add(offset as u32).min(line.end);
    let start = at(start);
    Span { start, end: at(end).max(start), ..line }
}

/// `line` without the blanks around its text.
fn trimmed(config: &Config, line: Span) -> Span {
    let text = config.sources_text.text(line);
    let start = text.len() - text.trim_start().len();
    within(line, start, start + text.trim().len())
}
