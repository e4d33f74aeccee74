//! `tags-parser()`: the elements of a list, as tags.

use memchr::{memchr, memchr2};

use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::message::list;
use crate::rewrite::Contexts;

/// The options of `tags-parser()`: those that all parsers have.
#[derive(Debug, Clone, Default)]
pub(super) struct TagsOptions {
    text: TextOptions,
}

impl ParserOptions for TagsOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        read_options(parser, head, (&[], &mut options), |options| &mut options.text);
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        Ok(Box::new(Tags))
    }
}

#[derive(Debug)]
struct Tags;

impl Parse for Tags {
    fn parse(&self, text: &[u8], _: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let mut rest = &text[..memchr(0, text).unwrap_or(text.len())];
        while let Some(first) = rest.first() {
            let (len, is_quoted) = match first {
                b'"' | b'\'' => quoted(rest, *first),
                _ => (memchr(b',', rest).unwrap_or(rest.len()), false),
            };
            let element = &rest[..len];
            if is_quoted {
                for tag in list::decode(element) {
                    found.row().tag(&tag);
                }
            } else if !element.is_empty() {
                found.row().tag(element);
            }
            rest = rest.get(len + 1..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The length of the element that begins with `quote`, and whether it is one in quotes: the closing one has a
/// comma or the end behind it. Without a closing one it is all of the text.
fn quoted(text: &[u8], quote: u8) -> (usize, bool) {
    let mut at = 1;
    loop {
        match memchr2(quote, b'\\', text.get(at..).unwrap_or_default()) {
            None => return (text.len(), false),
            Some(found) if text[at + found] == quote => {
                let end = at + found + 1;
                let comma = memchr(b',', &text[end..]).map_or(text.len(), |comma| end + comma);
                return (comma, comma == end);
            }
            Some(backslash) => at += backslash + 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crate::parser::tests::{compiled, formatted, messages, said};
    use crate::path::alone;

    fn tags(text: &str) -> String {
        formatted("tags-parser();", text, "$TAGS")
    }

    /// Breaks without it: a tag is another text than the list has, or one is lost.
    #[test]
    fn each_element_is_a_tag() {
        for (text, expected) in [
            ("a, b,,c", r#".source.s,a," b",c"#),
            ("", ".source.s"),
            (",,,", ".source.s"),
            ("a b", r#".source.s,"a b""#),
            (r#"'x y',"z""#, r#".source.s,"x y",z"#),
            (r#""a\nb",c"#, r#".source.s,"a\nb",c"#),
            (r#"x"y",z"#, r#".source.s,'x"y"',z"#),
            (r#""a"b,c"#, r#".source.s,'"a"b',c"#),
            (r#"a,"b, c"#, r#".source.s,a,'"b, c'"#),
            (r#""\"#, r#".source.s,'"\\'"#),
            ("a,.source.s,a", ".source.s,a"),
            ("a\0,b", ".source.s,a"),
        ] {
            assert_eq!(tags(text), expected, "{text}");
        }
        assert_eq!(
            formatted("tags-parser(template(\"$PROGRAM\") internal(no));", "x", "$TAGS"),
            ".source.s,prog"
        );
        assert!(said("tags-parser(prefix(x));").contains("unknown option `prefix`"));
    }

    /// Breaks without it: a sender makes the engine slow with a list of tags.
    #[test]
    fn many_tags_take_no_longer_each() {
        let list: Vec<String> = (0..60_000).map(|number| format!("t{number}")).collect();
        let many = [list.join(","), "\"a,'b,".repeat(100_000), "\"\\".repeat(500_000), ",".repeat(1 << 20)];
        for text in many {
            let (parsed, _) =
                alone(&*compiled("tags-parser();"), messages(&[text.as_bytes()]), Instant::now());
            assert!(!parsed.rows().is_empty());
        }
    }
}
