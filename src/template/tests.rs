//! Templates against tables: what each one gives for a message.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

use std::fmt::Write;
use std::sync::Arc;

use super::{Context, Options, Surroundings, Template, TimeZoneUse};
use crate::message::batch::Text;
use crate::message::{Batch, FieldName, Need, Origin, Pool, Stamp, ValueType, Writer};

mod json;
mod lists;
mod messages;
mod numbers;
mod text;
mod types;

/// A value of a message: its name, its type, its text.
type Typed<'a> = (&'a str, ValueType, &'a [u8]);

/// A batch of one message, whose text is `text`, with `pairs`.
fn batch(text: &[u8], pairs: &[Typed<'_>]) -> Batch {
    let origin = Arc::new(Origin {
        tags: Arc::from([Arc::from(".source.s")]),
        host: "vm".into(),
        host_from: "vm".into(),
        ..Origin::named("s")
    });
    let mut writer = Writer::open(&origin, &Arc::new(Pool::new()), Need::default());
    let mut row = writer.row(Need { bytes: 8192, fields: 64, segments: 0, viewed: 0 }).unwrap();
    row.payload_copy(text);
    for (name, value_type, value) in pairs {
        let known = FieldName::known(name);
        let sdata = name.strip_prefix(".SDATA.").and_then(|rest| rest.rsplit_once('.'));
        let (id, name) = match (known, sdata) {
            (Some(id), _) => (id, ""),
            (None, Some((sd_id, param))) => {
                let empty = Text::Copy(b"");
                row.field(FieldName::SdId, empty, ValueType::String, Text::Copy(sd_id.as_bytes()));
                (FieldName::SdParam, param)
            }
            (None, None) => (FieldName::Text, *name),
        };
        row.field(id, Text::Copy(name.as_bytes()), *value_type, Text::Copy(value));
    }
    let stamp = Stamp { unix_micros: 1_767_225_605_999_999, offset_seconds: 0 };
    row.stamps(stamp, stamp.unix_micros);
    row.pri(13);
    row.publish();
    writer.finish()
}

/// A message whose text is `hello`, with strings by their names.
fn message(pairs: &[(&str, &str)]) -> Batch {
    let typed: Vec<_> = pairs.iter().map(|(name, value)| (*name, ValueType::String, *value)).collect();
    typed_message(&typed)
}

/// The same with values of any type.
fn typed_message(pairs: &[(&str, ValueType, &str)]) -> Batch {
    let values: Vec<Vec<u8>> = pairs.iter().map(|(_, _, value)| bytes(value)).collect();
    let pairs =
        pairs.iter().zip(&values).map(|((name, value_type, _), value)| (*name, *value_type, &**value));
    batch(b"hello", &pairs.collect::<Vec<_>>())
}

/// The text that `template` gives, with what is no text of ASCII as `⟨hh⟩`, and its type; `ERROR` when it is
/// refused.
fn result(
    template: &str,
    batch: &Batch,
    options: &Options,
    around: &mut dyn Surroundings,
) -> (String, ValueType) {
    let Ok(template) = Template::compile_in(&bytes(template), around) else {
        return ("ERROR".to_owned(), ValueType::String);
    };
    let context = Context::new(options, Arc::default(), TimeZoneUse::Send);
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let value_type = template.format_typed(batch.message(0), &context, &mut out);
    template.format(batch.message(0), &context, &mut plain);
    let is_steady = !template.text().contains("uuid") && !template.text().contains("iterate");
    assert!(!is_steady || plain == out, "format and format_typed differ for {}", template.text());
    (shown(&out), value_type)
}

/// Text with `⟨hh⟩` for bytes.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('⟨') {
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = after[2..].strip_prefix('⟩').unwrap();
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// The way back: control characters and what is not UTF-8 as `⟨hh⟩`.
fn shown(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\0'..='\x1f' | '\x7f' => write!(out, "⟨{:02x}⟩", u32::from(char)).unwrap(),
                _ => out.push(char),
            }
        }
        chunk.invalid().iter().for_each(|byte| write!(out, "⟨{byte:02x}⟩").unwrap());
    }
    out
}

/// Checks rows of templates and their results, written `template => result`, one a line. A `|` behind both
/// shows blanks at the end.
fn check_rows(rows: &str, batch: &Batch, options: &Options, around: &mut dyn Surroundings) {
    let mut wrong = Vec::new();
    for row in rows.lines().filter(|row| !row.is_empty()) {
        let (template, expected) = row.split_once(" => ").unwrap();
        let (given, _) = result(template, batch, options, around);
        if given != expected {
            wrong.push(format!("{template} => {given}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
