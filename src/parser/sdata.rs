//! `sdata-parser()`: structured data of RFC 5424 alone.

use smallvec::SmallVec;

use super::structured::Structured;
use super::syslog::check_prefix;
use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Table};
use crate::message::ValueType;
use crate::message::batch::Text;
use crate::rewrite::Contexts;
use crate::syslog::{SdataParam, parse_structured_data, unescape_param_value};

/// The prefix whose names are structured data.
const SDATA: &str = ".SDATA.";

/// The longest value; what is behind it is cut off.
const VALUE_MAX: usize = 65_535;

const REFUSED: Refused = Refused("bad structured data");

/// The options of `sdata-parser()`.
#[derive(Debug, Clone)]
pub(super) struct SdataOptions {
    /// `prefix()` of the names.
    prefix: String,
    text: TextOptions,
}

const TABLE: Table<SdataOptions> = &[(
    "prefix",
    Kind::Other(|parser, to| {
        let prefix = parser.string("the text before each name")?;
        check_prefix(parser, prefix.span, &prefix.value);
        to.prefix = prefix.value;
        Ok(())
    }),
)];

impl ParserOptions for SdataOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self { prefix: SDATA.to_owned(), text: TextOptions::default() };
        read_options(parser, head, (TABLE, &mut options), |options| &mut options.text);
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        let prefix = (self.prefix != SDATA).then(|| self.prefix.as_bytes().into());
        Ok(Box::new(Sdata { prefix }))
    }
}

#[derive(Debug)]
struct Sdata {
    /// The beginning of the names; `None`: it is the message's structured data.
    prefix: Option<Box<[u8]>>,
}

impl Parse for Sdata {
    fn parse(&self, text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let mut parameters: SmallVec<[SdataParam; 8]> = SmallVec::new();
        let text = &text[..text.len().min(u32::MAX as usize)];
        parse_structured_data(text, 0, &mut parameters).map_err(|_| REFUSED)?;
        if !parameters.iter().all(|parameter| is_strict(text, parameter)) {
            return Err(REFUSED);
        }
        match &self.prefix {
            None => structured(&parameters, text, buffers, found),
            Some(prefix) => named(prefix, &parameters, text, buffers, found),
        }
        Ok(())
    }
}

/// Tells whether names are ASCII, and a value in quotes has no bare `]`.
fn is_strict(text: &[u8], SdataParam { id, name, value, .. }: &SdataParam) -> bool {
    let is_quoted = text[..value.range().start].ends_with(b"\"");
    let (mut is_bare, mut is_behind) = (false, false);
    for byte in value.of(text) {
        is_bare |= *byte == b']' && !is_behind;
        is_behind = *byte == b'\\' && !is_behind;
    }
    id.of(text).is_ascii() && name.of(text).is_ascii() && !(is_quoted && is_bare)
}

/// Adds it to the structured data of the message.
fn structured(parameters: &[SdataParam], text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) {
    let mut structured = Structured::of(found.row());
    let mut element = None;
    for SdataParam { id, name, value, escaped } in parameters {
        if element != Some(id) {
            element = Some(id);
            let own = found.span(id.range());
            structured.element(found.row, id.of(text), own);
        }
        if name.is_empty() {
            continue;
        }
        let own = found.span(name.range());
        let raw = value.range();
        let (value_text, value) = if *escaped {
            decode(&text[raw], &mut buffers.text);
            (Text::Copy(&buffers.text), &*buffers.text)
        } else {
            let part = raw.start..raw.end.min(raw.start + VALUE_MAX);
            (found.span(part.clone()), &text[part])
        };
        structured.parameter(found.row, name.of(text), value, (own, value_text));
    }
    structured.end(found.row);
}

/// Sets each parameter as a value with this prefix.
fn named(
    prefix: &[u8],
    parameters: &[SdataParam],
    text: &[u8],
    Buffers { name: whole, text: decoded, .. }: &mut Buffers,
    found: &mut Found<'_, '_>,
) {
    for SdataParam { id, name, value, escaped } in parameters {
        whole.clear();
        whole.extend_from_slice(prefix);
        whole.extend_from_slice(id.of(text));
        if !name.is_empty() {
            whole.push(b'.');
            whole.extend_from_slice(name.of(text));
        }
        let raw = value.range();
        if *escaped {
            decode(&text[raw], decoded);
            found.value(whole, ValueType::String, decoded);
        } else {
            found.part(whole, ValueType::String, raw.start..raw.end.min(raw.start + VALUE_MAX));
        }
    }
}

/// Writes `value` without the backslashes of its escapes to `out`, as far as a value goes.
fn decode(value: &[u8], out: &mut Vec<u8>) {
    out.clear();
    unescape_param_value(value, out);
    out.truncate(VALUE_MAX);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::parser::tests::{compiled, formatted, messages, parsed, said};
    use crate::path::alone;
    use crate::template::{Context, Template};

    fn sdata(text: &str) -> String {
        formatted("sdata-parser();", text, "$SDATA")
    }

    /// Breaks without it: structured data of a text is not that of its message.
    #[test]
    fn structured_data() {
        assert_eq!(parsed("sdata-parser();", "[a@1 x=\"y\"]"), ".SDATA.a@1.x=s\"y\"");
        for (text, expected) in [
            (r#"[a@1 x="y"]"#, r#"[a@1 x="y"]"#),
            (r#"[a@1 x="y" z="\"\]\\\q"][e] [not="1"]"#, r#"[a@1 x="y" z="\"\]\\\\q"][e]"#),
            ("[a b=c d=]rest", r#"[a b="c" d=""]"#),
            ("-", ""),
            ("- [a b=\"c\"]", ""),
        ] {
            assert_eq!(sdata(text), expected, "{text}");
        }
        for text in [
            "",
            "text",
            " [a]",
            "[",
            "[]",
            "[a",
            "[a b]",
            "[a b=\"c]",
            "[a b=\"]\"]",
            "[é b=\"\"]",
            "[a é=\"\"]",
        ] {
            assert_eq!(parsed("sdata-parser();", text), "DROP", "{text}");
        }
    }

    /// Breaks without it: what a message had is lost, or is there twice.
    #[test]
    fn structured_data_is_added_to_that_of_the_message() {
        let body = "sdata-parser(template('[a x=\"1\" w=\"5\"][b y=\"1\"]'));";
        let first =
            alone(&*compiled(body), messages(&[b"[b y=\"2\" z=\"3\"][c][a x=\"0\"]"]), Instant::now());
        let parser = compiled("sdata-parser();");
        let (both, _) = alone(&*parser, first.0, Instant::now());
        let mut out = Vec::new();
        let template = Template::compile("$SDATA").unwrap();
        template.format(both.message(0), &Context::default(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"[a x="0" w="5"][b y="2" z="3"][c]"#);
    }

    /// Breaks without it: with a prefix of its own the names or the values are others.
    #[test]
    fn prefixes() {
        assert_eq!(
            parsed("sdata-parser(prefix(\"s.\"));", r#"[a@1 x="y" z="\""][e]"#),
            r#"s.a@1.x=s"y" s.a@1.z=s""" s.e=s"""#
        );
        let long = "p".repeat(129);
        assert!(
            said(&format!("sdata-parser(prefix({long}));")).contains("a prefix of 129 bytes is too long")
        );
        assert_eq!(said(&format!("sdata-parser(prefix({}));", "p".repeat(128))), "");
        let value = format!("[a b=\"{}\"]", "v".repeat(70_000));
        assert_eq!(formatted("sdata-parser(prefix(p));", &value, "$(length ${pa.b})"), "65535");
        assert_eq!(formatted("sdata-parser();", &value, "$(length ${.SDATA.a.b})"), "65535");
        let value = format!("[a b=\"\\\"{}\"]", "v".repeat(70_000));
        assert_eq!(formatted("sdata-parser();", &value, "$(length ${.SDATA.a.b})"), "65535");
    }

    /// Breaks without it: a sender makes the engine slow with its structured data.
    #[test]
    fn many_elements() {
        let elements =
            (0..20_000).map(|number| format!("[e{number} a=\"\\\"\" b=c]")).collect::<Vec<_>>().concat();
        assert!(sdata(&elements).starts_with("[e0 a="));
        let parameters = (0..60_000).map(|number| format!(" p{number}=\"v\"")).collect::<Vec<_>>().concat();
        let body = "sdata-parser(template('[e p1=\"1\"]'));";
        let first =
            alone(&*compiled(body), messages(&[format!("[e{parameters}]").as_bytes()]), Instant::now());
        let parser = compiled("sdata-parser();");
        let (both, _) = alone(&*parser, first.0, Instant::now());
        assert_eq!(both.message(0).named(b".SDATA.e.p59999"), Some((ValueType::String, &b"v"[..])));
    }
}
