//! What is said of wrong configurations, each error at its place: `tests/data/config/errors.txt`.
//!
//! ```text
//! source s { internl(); };
//!            ^ error: unknown source driver `internl` => did you mean `internal`?
//! ```
//! A case is a text, up to an empty line. A line with `^` under a place says what is told of that place; what
//! comes after ` => ` is the help. A case tells all that is said of it, and nothing else.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

use std::collections::HashMap;
use std::fmt::Write as _;

use inrush::config::{Diagnostic, Environment, Level, inspect_str};
use inrush::drivers::VOCABULARY;

/// A place, by line and column, and what is said of it.
type Said = ((u32, u32), String);

/// The text of a case, and what it says that is told of it.
fn case(written: &str) -> (String, Vec<Said>) {
    let (mut text, mut expected) = (String::new(), Vec::new());
    for line in written.lines() {
        match line.trim_start().strip_prefix('^') {
            Some(message) => {
                let column = line.find('^').unwrap() as u32 + 1;
                expected.push(((text.lines().count() as u32, column), message.trim().to_owned()));
            }
            None => text.extend([line, "\n"]),
        }
    }
    (text, expected)
}

fn said(diagnostic: &Diagnostic) -> Said {
    let (_, line, column) = diagnostic.place().unwrap_or_default();
    let level = if diagnostic.level() == Level::Error { "error" } else { "warning" };
    let help = diagnostic.help().map_or_else(String::new, |help| format!(" => {help}"));
    ((line, column), format!("{level}: {}{help}", diagnostic.message()))
}

/// Breaks without it: an error points to another place than the wrong word, hides others, or does not say what
/// would be right.
#[test]
fn each_error_is_told_at_its_place() {
    let variables = HashMap::from([("HOME".to_owned(), "/root".to_owned())]);
    let environment = Environment { variables, ..Environment::new(&VOCABULARY) };
    let cases = include_str!("data/config/errors.txt");
    let cases: Vec<_> = cases.split("\n\n").filter(|case| !case.trim_start().starts_with("##")).collect();

    let mut wrong = String::new();
    for written in cases {
        let (text, mut expected) = case(written.trim_matches('\n'));
        let mut found: Vec<_> =
            inspect_str("test.conf", &text, &environment).found.iter().map(said).collect();
        expected.sort();
        found.sort();
        if expected != found {
            let lines: Vec<_> = found
                .iter()
                .map(|((line, column), message)| format!("  {line}:{column} {message}"))
                .collect();
            let _ = write!(wrong, "{written}\n  is told:\n{}\n\n", lines.join("\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
