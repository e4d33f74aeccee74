//! Parsers that correlate messages: any options are read or refused, and each message has one outcome.
//!
//! An input is the body of a parser with one driver, and a line for each message, in batches of the length that
//! its first byte says. With a `<` in front of the second line, all lines up to an empty one are a pattern
//! database, and the messages follow.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::parser::{Reference, compile};
use inrush::path::{Alone, Step, Timed};

use super::filter::batch;

/// Reads `data` as a body and messages.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n').peekable();
    let Some(body) = lines.next().and_then(|line| std::str::from_utf8(line).ok()) else { return };
    let plain = body.replace('_', "-");
    let reads_others = plain.matches("file").count() > plain.matches("file(\"FILE\")").count();
    if reads_others
        || body.len() > 400
        || ["in-list", "rate", "`", "database"].iter().any(|word| plain.contains(word))
    {
        return;
    }
    let file = Removed(std::env::temp_dir().join(format!("inrush-fuzz-{}.xml", std::process::id())));
    let path = &file.0;
    if lines.peek().is_some_and(|line| line.starts_with(b"<")) {
        let text: Vec<&[u8]> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        fs::write(path, text.join(&b'\n')).unwrap();
    }
    let body = body.replace("FILE", path.to_str().unwrap());
    let Some(step) = compiled(&body).filter(|step| step.key().is_some()) else { return };
    let messages: Vec<&[u8]> = lines.take(40).filter(|line| line.len() < 2000).collect();
    let mut now = Instant::now();
    let (mut rest, mut made) = (&messages[..], 0);
    while let Some(first) = rest.first() {
        let length = usize::from(first.first().copied().unwrap_or_default() % 7 + 1).min(rest.len());
        let mut selection = batch(&rest[..length]);
        let rows = selection.len();
        let _ = Alone::new(selection.batch()).apply(&*step, &mut selection, now);
        assert!(selection.len() <= rows, "messages come from nowhere");
        rest = &rest[length..];
        now += Duration::from_secs(1);
        let mut timed = Timed::default();
        if step.deadline().is_some_and(|due| due <= now) {
            step.expire(now, &mut timed);
        }
        made += timed.len();
    }
    let mut timed = Timed::default();
    step.finish(&mut timed);
    made += timed.len();
    assert!(made <= 1000 * messages.len(), "{made} messages of {}", messages.len());
    let counts = step.statistics().and_then(|statistics| statistics.correlation).unwrap_or_default();
    assert_eq!((counts.contexts, counts.bytes), (0, 0), "nothing is left at the end");
    assert!(step.deadline().is_none());
}

/// A file that is removed.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn compiled(body: &str) -> Option<Arc<dyn Step>> {
    let text = format!("parser p {{ {body} }};\nlog {{ }};");
    let config = parse_str("fuzz.conf", &text, &Environment::new(&VOCABULARY)).ok()?;
    let driver = config.parsers.get("p")?.items.first()?.driver()?;
    compile(&config, Reference::FIRST, driver).ok()
}
