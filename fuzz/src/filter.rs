//! Filters: any expression is read or refused, and what it lets pass does not depend on the batch.
//!
//! * All messages in one batch give what each gives in a batch of its own, with the values that are stored.
//! * A filter that stores nothing gives the same for one message as for a column of them.
//!
//! An input is an expression, as it stands between the braces of a filter, and a line for each message, which
//! has its first byte as its priority and its first word as its program. What counts messages, and what reads
//! files, is left out.

use std::sync::Arc;
use std::time::Instant;

use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::filter::Filter;
use inrush::message::batch::Text;
use inrush::message::{FieldName, Head, MessageRef, Need, Origin, Selection, Stamp, ValueType, Writer};
use inrush::path::alone;
use inrush::template::{Context, Moment, Template};

const SHOWN: &str = "$MSG|$PROGRAM|$0|$1|$2|$3|$*|$name|$PRI|$TAGS";

/// Reads `data` as an expression and messages.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(expression) = lines.next().and_then(|line| std::str::from_utf8(line).ok()) else { return };
    let plain = expression.replace('_', "-");
    if ["in-list", "rate", "throttle", "`"].iter().any(|word| plain.contains(word)) {
        return;
    }
    let Some(filter) = compiled(expression) else { return };
    let messages: Vec<&[u8]> = lines.take(20).collect();
    let all = batch(&messages);
    let together = passed(&filter, all.clone());
    let each: Vec<String> = messages.iter().flat_map(|message| passed(&filter, batch(&[message]))).collect();
    assert_eq!(together, each, "the batch counts");
    if !plain.contains("store") {
        let alone: Vec<_> =
            all.messages().filter(|message| filter.matches(*message, Moment::default())).map(shown).collect();
        assert_eq!(together, alone, "one message counts otherwise than many");
    }
}

fn compiled(expression: &str) -> Option<Filter> {
    let text = format!("filter f {{ {expression} }};\nlog {{ }};");
    let config = parse_str("fuzz.conf", &text, &Environment::new(&VOCABULARY)).ok()?;
    let statement = config.filters.get("f")?;
    Filter::compile(&config, "f", &statement.condition).ok()
}

/// The messages that pass, with what is stored of them.
fn passed(filter: &Filter, selection: Selection) -> Vec<String> {
    alone(filter, selection, Instant::now()).0.messages().map(shown).collect()
}

pub(super) fn shown(message: MessageRef<'_>) -> String {
    let template = Template::compile(SHOWN).unwrap();
    let mut text = Vec::new();
    template.format(message, &Context::default(), &mut text);
    text.escape_ascii().to_string()
}

pub(super) fn batch(messages: &[&[u8]]) -> Selection {
    let need = |len: usize| Need { bytes: 2 * len + 64, fields: 1, ..Need::default() };
    let all: usize = messages.iter().map(|message| need(message.len()).bytes).sum();
    let mut writer = Writer::open(&Arc::new(Origin::named("s_fuzz")), &Arc::default(), need(all));
    for message in messages {
        let Some(mut row) = writer.row(need(message.len())) else { break };
        row.payload_copy(message);
        let program = message.split(|byte| *byte == b' ').next().unwrap_or_default();
        row.field(FieldName::Program, Text::Copy(b""), ValueType::String, Text::Copy(program));
        row.head(&Head::at(Stamp::default(), message.first().copied().unwrap_or_default().into()));
        row.publish();
    }
    let batch = writer.finish();
    assert_eq!(batch.rows() as usize, messages.len(), "there is room");
    Selection::all(Arc::new(batch))
}
