//! Configuration: any text is read or refused, and what is said about it points into it.
//!
//! * Errors come with at least one [`Level::Error`]; all of them are drawn, in the order of their places, and
//!   each place is a character of the text or its end.
//! * A configuration that is accepted refers only to what it has, and stays accepted with an empty line or a
//!   comment around it.
//! * Reading twice gives the same twice.
//! * What is said is bounded, whatever is read.
//!
//! Texts that include other files are left out where the name could be any file of the machine. No command is
//! run: what generators make is what their arguments say.

use std::sync::Arc;

use inrush::config::{
    Config, DestinationRef, Diagnostic, Environment, GeneratorArguments, Generators, Level, LogItem,
    SourceRef, parse_str,
};
use inrush::drivers::VOCABULARY;

const NAME: &str = "fuzz.conf";

/// A generator `made` of each context, whose text is that of its arguments.
#[derive(Debug)]
struct Made;

impl Generators for Made {
    fn names(&self) -> Vec<(String, String)> {
        let contexts =
            ["root", "source", "destination", "filter", "log", "options", "inner-src", "inner-dest"];
        contexts.iter().map(|context| ((*context).to_owned(), "made".to_owned())).collect()
    }

    fn generate(&self, context: &str, _: &str, arguments: &GeneratorArguments) -> Result<String, String> {
        run_no_command(context, arguments, usize::MAX)
    }
}

fn run_no_command(command: &str, arguments: &GeneratorArguments, most: usize) -> Result<String, String> {
    let text: String = arguments.iter().map(|(_, text)| text.trim_matches(['"', '\''])).collect();
    if command.contains("fail") || text.len() > most { Err(format!("of\n{command}")) } else { Ok(text) }
}

/// Reads `data` as a configuration.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains("include") && text.contains('/') {
        return;
    }
    let environment = Environment {
        run_command: run_no_command,
        generators: Some(Arc::new(Made)),
        ..Environment::new(&VOCABULARY)
    };
    let again = || parse_str(NAME, text, &environment);
    match again() {
        Ok(config) => {
            check_accepted(&config, text);
            let same = again().expect("accepted once, accepted twice");
            assert_eq!(drawn(&config.warnings), drawn(&same.warnings));
            for around in [format!("\n{text}"), format!("{text}\n# the end\n")] {
                let config = parse_str(NAME, &around, &environment);
                assert!(config.is_ok(), "an empty line or a comment around it: {}", config.unwrap_err());
            }
        }
        Err(errors) => {
            assert!(errors.error_count() > 0, "refused without an error");
            let list: Vec<_> = errors.iter().cloned().collect();
            check(&list, text);
            let same = again().expect_err("refused once, refused twice");
            assert_eq!(errors.render(false), same.render(false));
        }
    }
}

fn drawn(list: &[Diagnostic]) -> Vec<String> {
    list.iter().map(|one| one.render(false)).collect()
}

fn check_accepted(config: &Config, text: &str) {
    assert!(config.warnings.iter().all(|one| one.level() == Level::Warning), "accepted with an error");
    check(&config.warnings, text);
    let items = config.logs.iter().flat_map(|path| &path.items);
    for item in items {
        match item {
            LogItem::Source(SourceRef::Named(name, span)) => {
                assert!(config.sources.contains_key(name), "no source {name}");
                assert!(config.sources_text.line(*span) >= 1);
            }
            LogItem::Destination(DestinationRef::Named(name, _)) => {
                assert!(config.destinations.contains_key(name), "no destination {name}");
            }
            _ => {}
        }
    }
    for block in &config.python_blocks {
        let lines = lines(text).len() as u32;
        assert!(text.contains("@line") || block.line <= lines, "a block after the end");
    }
}

/// The lines of a text, which end with LF, CR LF, or CR alone.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, end) in text.match_indices(['\r', '\n']) {
        if end == "\n" || !text[at + 1..].starts_with('\n') {
            lines.push(&text[start..at]);
            start = at + 1;
        }
    }
    lines.push(&text[start..]);
    lines
}

/// Checks that what is said about `text` points into it, and can be drawn.
fn check(list: &[Diagnostic], text: &str) {
    let lines = lines(text);
    assert!(list.len() <= 42, "more than is shown of errors and of warnings, and two that count the others");
    let moved = text.contains("@line");
    let mut before = (0, 0);
    for one in list {
        assert!(!one.message().is_empty(), "an error that says nothing");
        assert!(!one.message().contains('\n'), "a message is one line");
        let plain = one.render(false);
        assert!(plain.len() <= 10_000, "{} bytes of one error", plain.len());
        // For control characters, signs are drawn.
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        assert!(letters(&plain).contains(&letters(one.message())), "{plain}");
        assert!(!plain.contains('\u{1b}') || text.contains('\u{1b}'), "colours where none were asked for");
        one.render(true);
        let Some((path, line, column)) = one.place() else { continue };
        if moved {
            continue;
        }
        if path.to_str().is_some_and(|path| path.starts_with("output of ")) {
            continue;
        }
        assert_eq!(path.to_str(), Some(NAME));
        assert!(line >= 1 && column >= 1);
        let text = lines.get(line as usize - 1).expect("a line of the text");
        assert!(column as usize <= text.chars().count() + 1, "column {column} of {text:?}");
        assert!(before <= (line, column), "in the order of their places");
        before = (line, column);
    }
}
