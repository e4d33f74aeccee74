//! Rewrites: any body is read or refused, and what it makes of a message does not depend on the batch.
//!
//! All messages in one batch become what each becomes in a batch of its own.
//!
//! An input is the body of a rewrite, and a line for each message; see [`filter`](super::filter).

use std::time::Instant;

use inrush::config::{Environment, RewriteItem, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::message::Selection;
use inrush::path::alone;
use inrush::rewrite::Rewrite;

use super::filter::{batch, shown};

/// Reads `data` as a body and messages.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(body) = lines.next().and_then(|line| std::str::from_utf8(line).ok()) else { return };
    if body.len() > 300 {
        return;
    }
    let plain = body.replace('_', "-");
    if ["in-list", "rate", "throttle", "`", "UNIQID", "RCPTID", "C-"].iter().any(|word| plain.contains(word))
    {
        return;
    }
    let Some(rewrite) = compiled(body) else { return };
    let messages: Vec<&[u8]> = lines.take(20).filter(|line| line.len() < 200).collect();
    let together = rewritten(&rewrite, batch(&messages));
    let each: Vec<String> =
        messages.iter().flat_map(|message| rewritten(&rewrite, batch(&[message]))).collect();
    assert_eq!(together, each, "the batch counts");
}

fn compiled(body: &str) -> Option<Rewrite> {
    let text = format!("rewrite r {{ {body} }};\nlog {{ }};");
    let config = parse_str("fuzz.conf", &text, &Environment::new(&VOCABULARY)).ok()?;
    let statement = config.rewrites.get("r")?;
    let functions = statement.items.iter().filter_map(|item| match item {
        RewriteItem::Function(function) => Some(function),
        RewriteItem::Junction(_) => None,
    });
    Rewrite::compile(&config, "r", functions).ok()
}

fn rewritten(rewrite: &Rewrite, selection: Selection) -> Vec<String> {
    alone(rewrite, selection, Instant::now()).0.messages().map(shown).collect()
}
