//! Functions that write named values: `format-json`, `format-flat-json`, `format-welf`,
//! `format-cef-extension`, `graphite-output`, `names`, `values`.

use super::Compiled;
use super::options::Known;
use crate::message::{ValueType, list};
use crate::template::build::{Build, Source};
use crate::template::context::{Context, OnError};
use crate::template::correlated;
use crate::template::item::{Call, Items, Scope};
use crate::template::json::{Mismatch, push_document, push_hex};
use crate::template::pairs::{NamedValue, ValuePairs, command_line};

/// `$(format-gelf)`: a message for Graylog, in GELF 1.1, with the NUL that ends it.
pub(super) const GELF: &str = "$(format-json --omit-empty-values version=1.1 host=$HOST short_message=$MSG \
    level=int($LEVEL_NUM) timestamp=int($R_UNIXTIME) _program=$PROGRAM _pid=int($PID) _facility=$FACILITY \
    _class=${.classifier.class} --key .* --key _*)\0";

/// `$(format-ewmm)`: all of a message, as syslog-ng sends it to others of its kind.
pub(super) const EWMM: &str = "<$PRI>1 $ISODATE $LOGHOST @syslog-ng - - ${SDATA:--} $(format-json \
    --leave-initial-dot --scope all-nv-pairs --exclude 0* --exclude 1* --exclude 2* --exclude 3* --exclude 4* \
    --exclude 5* --exclude 6* --exclude 7* --exclude 8* --exclude 9* --exclude SOURCE --exclude .SDATA.* \
    ._TAGS=$TAGS)\n";

/// `$(format-cim)`: a message for Splunk's common information model.
pub(super) const CIM: &str = "$(format-json @timestamp=$R_ISODATE @message=$MSG \
    --key .cim.* --shift-levels 2 --key _* --key .* --key *.*)\n";

/// `$(format-json)` and `$(format-flat-json)`.
#[derive(Debug)]
struct Json {
    pairs: ValuePairs,
    /// The character at which names are split into objects.
    delimiter: Option<u8>,
}

pub(super) fn format_json(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    json(build, sources, true)
}

pub(super) fn format_flat_json(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    json(build, sources, false)
}

fn json(build: &mut Build<'_>, sources: &[Source], splits: bool) -> Compiled {
    const OWN: &[Known] = &[
        Known::flag("leave-initial-dot", ' '),
        Known::value("key-delimiter", ' '),
        Known::flag("include-bytes", ' '),
    ];
    let (mut leaves_dot, mut delimiter) = (false, b'.');
    let mut builder = command_line::read(build, sources, OWN, |build, builder, name, value| {
        match name {
            "leave-initial-dot" => leaves_dot = true,
            "include-bytes" => builder.includes_bytes = true,
            _ => match *value.bytes {
                [byte] => delimiter = byte,
                _ => return Err(build.error(value, "`--key-delimiter` takes one character of ASCII", "")),
            },
        }
        Ok(())
    })?;
    builder.no_leading_dot = !leaves_dot && delimiter == b'.';
    Ok(Box::new(Json { pairs: builder.build(), delimiter: splits.then_some(delimiter) }))
}

impl Call for Json {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        correlated::each(scope, |scope| {
            self.document(scope, out);
            true
        });
        ValueType::Json
    }
}

impl Json {
    /// Appends the document of one message.
    fn document(&self, scope: Scope<'_>, out: &mut Vec<u8>) {
        let mismatch = mismatch(scope.context);
        self.pairs.gather(scope, |values| {
            // Without a document the result is empty.
            let complain = |value: &NamedValue<'_>| {
                scope.context.complain(|| {
                    let shown = &value.value[..value.value.len().min(80)];
                    let (name, text) = (value.name.escape_ascii(), shown.escape_ascii());
                    let word = value.value_type.word();
                    format!("the value `{name}` is `{text}`, which is no {word}: on-error() says what becomes of it")
                });
            };
            let _ = push_document(values, self.delimiter, mismatch, &complain, out);
        });
    }
}

/// The treatment of values that are not of their type.
fn mismatch(context: &Context) -> Mismatch {
    match context.on_error() {
        OnError::DropMessage | OnError::SilentlyDropMessage => Mismatch::Drop,
        OnError::DropProperty | OnError::SilentlyDropProperty => Mismatch::LeaveOut,
        OnError::FallbackToString | OnError::SilentlyFallbackToString => Mismatch::AsString,
    }
}

/// A function that writes all values at once.
struct Writer {
    name: &'static str,
    pairs: ValuePairs,
    value_type: ValueType,
    push: Push,
    /// It writes the values of each message of the context, with a space between.
    is_of_context: bool,
}

/// Appends named values.
type Push = fn(&[NamedValue<'_>], &Context, &mut Vec<u8>);

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple(self.name).field(&self.pairs).finish()
    }
}

impl Call for Writer {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        if !self.is_of_context {
            self.pairs.gather(scope, |values| (self.push)(values, scope.context, out));
            return self.value_type;
        }
        let mut is_first = true;
        correlated::each(scope, |scope| {
            if !std::mem::replace(&mut is_first, false) {
                out.push(b' ');
            }
            self.pairs.gather(scope, |values| (self.push)(values, scope.context, out));
            true
        });
        self.value_type
    }
}

fn writer(
    build: &mut Build<'_>,
    sources: &[Source],
    name: &'static str,
    value_type: ValueType,
    push: Push,
) -> Compiled {
    let builder = command_line::read(build, sources, &[], |_, _, _, _| Ok(()))?;
    Ok(Box::new(Writer {
        name,
        pairs: builder.build(),
        value_type,
        push,
        is_of_context: name == "format-welf",
    }))
}

pub(super) fn names(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    writer(build, sources, "names", ValueType::List, |values, _, out| {
        values.iter().enumerate().for_each(|(index, value)| list::push(value.name, index == 0, out));
    })
}

pub(super) fn values(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    writer(build, sources, "values", ValueType::List, |values, _, out| {
        values.iter().enumerate().for_each(|(index, value)| list::push(value.value, index == 0, out));
    })
}

pub(super) fn format_welf(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    writer(build, sources, "format-welf", ValueType::String, |values, _, out| {
        let is_id = |value: &&NamedValue<'_>| value.name == b"id";
        let others = values.iter().filter(|value| !is_id(value));
        for (index, value) in values.iter().filter(is_id).chain(others).enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(value.name);
            out.push(b'=');
            push_welf(value.value, out);
        }
    })
}

/// Appends a value of WELF: in quotes where it has a space.
fn push_welf(value: &[u8], out: &mut Vec<u8>) {
    let is_quoted = value.contains(&b' ');
    let quote = if is_quoted { &b"\""[..] } else { b"" };
    out.extend_from_slice(quote);
    for chunk in value.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                8 => out.extend_from_slice(b"\\b"),
                12 => out.extend_from_slice(b"\\f"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'"' if is_quoted => out.extend_from_slice(b"\\\""),
                0..=31 => push_escaped(b"\\x", byte, out),
                _ => out.push(byte),
            }
        }
        chunk.invalid().iter().for_each(|byte| push_escaped(b"\\x", *byte, out));
    }
    out.extend_from_slice(quote);
}

pub(super) fn format_cef_extension(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    writer(build, sources, "format-cef-extension", ValueType::String, |values, context, out| {
        let start = out.len();
        for value in values {
            if value.name.is_empty() || !value.name.iter().all(u8::is_ascii_alphanumeric) {
                context.complain(|| {
                    let name = value.name.escape_ascii();
                    format!("`{name}` is no name for CEF, which has letters and digits alone")
                });
                if mismatch(context) == Mismatch::Drop {
                    return out.truncate(start);
                }
                continue;
            }
            if out.len() > start {
                out.push(b' ');
            }
            out.extend_from_slice(value.name);
            out.push(b'=');
            push_cef(value.value, out);
        }
    })
}

fn push_cef(value: &[u8], out: &mut Vec<u8>) {
    for chunk in value.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'=' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                0..=31 => push_escaped(b"\\u00", byte, out),
                _ => out.push(byte),
            }
        }
        chunk.invalid().iter().for_each(|byte| push_escaped(b"\\x", *byte, out));
    }
}

/// Appends `sign` and two hexadecimal digits.
fn push_escaped(sign: &[u8], byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(sign);
    push_hex(byte, out);
}

/// `$(graphite-output)`: a line for each value, with a time.
#[derive(Debug)]
struct Graphite {
    pairs: ValuePairs,
    timestamp: Items,
}

pub(super) fn graphite_output(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    const OWN: &[Known] = &[Known::value("timestamp", 't')];
    let mut timestamp = build.written("$R_UNIXTIME")?;
    let mut builder = command_line::read(build, sources, OWN, |build, _, _, value| {
        timestamp = build.items(value)?;
        Ok(())
    })?;
    builder.no_leading_dot = true;
    Ok(Box::new(Graphite { pairs: builder.build(), timestamp }))
}

impl Call for Graphite {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let time = self.timestamp.text(scope);
        self.pairs.gather(scope, |values| {
            for value in values {
                for part in [value.name, b" ", value.value, b" ", &time, b"\n"] {
                    out.extend_from_slice(part);
                }
            }
        });
        ValueType::String
    }
}
