//! Templates: any text compiles or has an error inside it, and what a template gives does not depend on how
//! it is asked.
//!
//! * An error's place lies inside the text, at whole characters.
//! * `format`, `format_typed`, `format_pieces`, `format_around`, `as_literal` and `as_message_with_suffix` give
//!   the same bytes, but for functions that give something else each time.
//! * A result of JSON is JSON, or empty.
//! * What a context remembers of earlier messages changes nothing: a fresh one gives the same.
//! * One after the other: two templates give what their texts, put together, give, where the second begins
//!   with a letter that ends no name.

use std::sync::Arc;

use inrush::message::batch::Text;
use inrush::message::{Batch, FieldName, Need, Origin, Pool, Stamp, ValueType, Writer};
use inrush::template::{Context, Identity, Options, Piece, Template, TimeZoneUse, TsFormat};

thread_local! {
    static BATCH: Arc<Batch> = Arc::new(messages());
}

/// Compiles `data` and formats messages with it: one byte of choices, and a template.
pub fn run(data: &[u8]) {
    let Some((choices, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let template = match Template::compile(text) {
        Ok(template) => template,
        Err(error) => {
            assert!(error.at.start <= error.at.end && error.at.end <= text.len(), "{error:?}");
            assert!(text.get(error.at.clone()).is_some(), "in the middle of a character: {error:?}");
            assert!(!error.message.is_empty());
            return;
        }
    };
    assert_eq!(template.text(), text);
    for (at, name) in template.suspicious_names() {
        assert!(text.get(at).is_some(), "{name}");
    }
    let formats = [TsFormat::Rfc3164, TsFormat::Iso, TsFormat::Full, TsFormat::Unix];
    let options = Options {
        ts_format: formats[usize::from(choices & 3)],
        frac_digits: choices >> 2 & 7,
        template_escape: choices & 0x20 != 0,
        ..Options::default()
    };
    let batch = &*BATCH.with(Arc::clone);
    let used = context(&options);
    let mut all = Vec::new();
    for row in 0..batch.rows() {
        let message = batch.message(row);
        let mut whole = Vec::new();
        template.format(message, &used, &mut whole);
        let fresh = context(&options);
        let mut other = Vec::new();
        template.format(message, &fresh, &mut other);
        if changes(text) {
            continue;
        }
        assert_eq!(whole, other, "a context that has seen other messages writes something else");
        let mut typed = Vec::new();
        let value_type = template.format_typed(message, &used, &mut typed);
        assert_eq!(whole, typed, "with its type");
        if value_type == ValueType::Json && !whole.is_empty() {
            let text = String::from_utf8_lossy(&whole);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "no JSON: {text}");
        }
        let (mut pieces, mut scratch) = (Vec::new(), Vec::new());
        template.format_pieces(message, &fresh, &mut scratch, |piece| match piece {
            Piece::Literal(text) | Piece::Value(text) => pieces.extend_from_slice(text),
        });
        assert_eq!(whole, pieces, "in pieces");
        if template.is_around_message(&used) {
            let mut around = Vec::new();
            template.format_around(message, &used, &mut around, |out| out.extend_from_slice(message.text()));
            assert_eq!(whole, around, "around the message");
        }
        if let Some(literal) = template.as_literal() {
            assert_eq!(whole, literal);
        }
        if let Some((before, after)) = template.as_message_with_suffix().filter(|_| !used.escapes()) {
            assert_eq!(whole, [before, message.text(), after].concat());
        }
        all.push(whole);
    }
    check_concatenation(text, batch, &options, &all);
}

/// Tells whether a template has a function that gives something else each time.
fn changes(text: &str) -> bool {
    text.contains("uuid") || text.contains("iterate")
}

fn check_concatenation(text: &str, batch: &Batch, options: &Options, all: &[Vec<u8>]) {
    const BEFORE: &str = "$HOST.$$";
    const AFTER: &str = " ${app} $(echo $PID)";
    let format = |text: &str, row: u32| {
        let mut out = Vec::new();
        Template::compile(text).unwrap().format(batch.message(row), &context(options), &mut out);
        out
    };
    // A `$` at the end, or one that the first text's last character follows, is another text.
    if text.ends_with(['$', '@']) || text.starts_with('@') || changes(text) {
        return;
    }
    let together = format!("{BEFORE}{text}{AFTER}");
    for (row, middle) in (0..batch.rows()).zip(all) {
        let expected = [format(BEFORE, row), middle.clone(), format(AFTER, row)].concat();
        assert_eq!(format(&together, row).escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

fn context(options: &Options) -> Context {
    let identity =
        Identity { host: "loghost".to_owned(), host_id: 0xbeef, run_id: 7, started_micros: 1_000_000 };
    let mut context = Context::new(options, Arc::new(identity), TimeZoneUse::Send);
    context.now = Stamp { unix_micros: 1_795_348_800_123_456, offset_seconds: 3600 };
    context.sequence = 12;
    context
}

/// Messages whose times lie apart in every way that a remembered one could be mistaken for another.
fn messages() -> Batch {
    let origin = Arc::new(Origin {
        tags: Arc::from([Arc::from("t1"), Arc::from("t2")]),
        transport: Some("rfc5424+tcp".into()),
        ..Origin::named("s_fuzz")
    });
    let mut writer = Writer::open(&origin, &Arc::new(Pool::new()), Need::default());
    let stamps = [
        (0, 0),
        (1_065_903_255_003_999, 7200),
        (1_065_903_255_004_999, 7200),
        (1_065_903_255_004_999, -7200),
        (1_065_903_259_999_999, 7200),
        (1_065_906_855_000_000, 7200),
        (-1, 0),
        (253_402_300_799_999_999, 86_399),
        (i64::MIN / 4, 0),
    ];
    for (number, (unix_micros, offset_seconds)) in stamps.into_iter().enumerate() {
        let mut row = writer.row(Need { bytes: 512, fields: 16, ..Need::default() }).unwrap();
        row.payload_copy(format!("text \"{number}\"\n\\ \u{1}é").as_bytes());
        let pairs = [
            (FieldName::Host, "", "mymachine"),
            (FieldName::Program, "", if number % 2 == 0 { "app" } else { "" }),
            (FieldName::Pid, "", "42"),
            (FieldName::SdId, "", "ex@1"),
            (FieldName::SdParam, "k", "v\"]\\"),
            (FieldName::Text, "app", "shop \t"),
            (FieldName::Text, ".json.user", "jane"),
        ];
        for (id, name, value) in pairs {
            let (name, value) = (Text::Copy(name.as_bytes()), Text::Copy(value.as_bytes()));
            row.field(id, name, ValueType::String, value);
        }
        row.field(FieldName::Text, Text::Copy(b"raw"), ValueType::Bytes, Text::Copy(b"\0\xff"));
        row.stamps(Stamp { unix_micros, offset_seconds }, unix_micros / 2);
        row.pri([0, 13, 165, 191, 999][number % 5]);
        row.publish();
    }
    writer.finish()
}
