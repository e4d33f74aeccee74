//! Parsers: any options are read or refused, and what a parser finds in a message does not depend on the batch.
//!
//! All messages in one batch become what each becomes in a batch of its own; no text makes a parser fail.
//!
//! An input is the body of a parser with one driver, and a line for each message; see [`filter`](super::filter).

use std::sync::Arc;
use std::time::Instant;

use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::message::Selection;
use inrush::parser::{Reference, compile};
use inrush::path::{Step, alone};

use super::filter::{batch, shown};

/// Options that read a file, and macros that are another thing each time.
const LEFT_OUT: [&str; 8] = ["file", "database", "in-list", "rate", "`", "UNIQID", "RCPTID", "C-"];

/// Reads `data` as a body and messages.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(body) = lines.next().and_then(|line| std::str::from_utf8(line).ok()) else { return };
    let plain = body.replace('_', "-");
    if body.len() > 300 || LEFT_OUT.iter().any(|word| plain.contains(word)) {
        return;
    }
    let Some(parser) = compiled(body) else { return };
    let messages: Vec<&[u8]> = lines.take(20).filter(|line| line.len() < 2000).collect();
    let together = parsed(&*parser, batch(&messages));
    let each: Vec<String> = messages.iter().flat_map(|message| parsed(&*parser, batch(&[message]))).collect();
    assert_eq!(together, each, "the batch counts");
}

fn compiled(body: &str) -> Option<Arc<dyn Step>> {
    let text = format!("parser p {{ {body} }};\nlog {{ }};");
    let config = parse_str("fuzz.conf", &text, &Environment::new(&VOCABULARY)).ok()?;
    let driver = config.parsers.get("p")?.items.first()?.driver()?;
    // What messages become together is for `correlation`, and what the host makes is not there.
    let parser = compile(&config, Reference::FIRST, driver).ok();
    parser.filter(|parser| !parser.is_ordered() && parser.hosted().is_none())
}

fn parsed(parser: &dyn Step, selection: Selection) -> Vec<String> {
    alone(parser, selection, Instant::now()).0.messages().map(shown).collect()
}
