//! `linux-audit-parser()`: pairs of the kernel's audit log, whose texts are hexadecimal where they are not plain.
//!
//! ```text
//! type=EXECVE msg=audit(1441988805.991:239): argc=2 a0="ls" a1=2F746D70206161
//!                                                              └─ "/tmp aa"
//! ```
//!
//! The kernel writes a text without quotes, two digits a byte, when a byte of it is a quote or no printable
//! character of ASCII, and in quotes when there is none. A value of other fields, or one that is plain when it is
//! decoded, is what is written.

use super::kv::KvOptions;
use super::{Compiled, ParserOptions, TextOptions};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::rewrite::Contexts;

/// The fields whose values are texts, beside the arguments `a0`, `a1` ….
const TEXTS: [&[u8]; 9] =
    [b"name", b"proctitle", b"path", b"dir", b"comm", b"ocomm", b"data", b"old", b"new"];

/// The options of `linux-audit-parser()`: those of `kv-parser()`.
#[derive(Debug, Clone)]
pub(super) struct AuditOptions(KvOptions);

impl ParserOptions for AuditOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        KvOptions::read(parser, head).map(Self)
    }

    fn text(&self) -> &TextOptions {
        self.0.text()
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        Ok(Box::new(self.0.parser(Some(decode))))
    }
}

/// Writes the text that the value `hex` of the field `key` stands for to `out`; false where it is what it is.
fn decode(key: &[u8], hex: &[u8], out: &mut Vec<u8>) -> bool {
    let is_argument = matches!(key, [b'a', b'0'..=b'9', ..]);
    if !(is_argument || TEXTS.contains(&key)) || hex.is_empty() || !hex.len().is_multiple_of(2) {
        return false;
    }
    out.clear();
    for pair in hex.chunks_exact(2) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return false };
        let byte = (high << 4 | low) as u8;
        // Arguments in one text have NULs between them.
        out.push(if byte == 0 { b'\t' } else { byte });
    }
    let is_plain = |byte: &u8| matches!(byte, 0x21..=0x7e) && *byte != b'"';
    !out.iter().all(is_plain) && std::str::from_utf8(out).is_ok()
}

#[cfg(test)]
mod tests {
    use crate::parser::tests::{parsed, said};

    /// Breaks without it: a command is unreadable, or a number is read as a text.
    #[test]
    fn texts_are_decoded() {
        for (text, expected) in [
            ("a1=2F746D70206161 comm=6162", r#"a1=s"/tmp aa" comm=s"6162""#),
            ("a0=\"ls\" a1=\"2F746D70206161\"", r#"a0=s"ls" a1=s"2F746D70206161""#),
            ("proctitle=2F62696E2F6C73002D6C", "proctitle=s\"/bin/ls\t-l\""),
            ("a10=C3A9, a2x=6120", "a10=s\"é\" a2x=s\"a \""),
            (
                "name=FF20 path=612 dir=6G20 data= old=220A",
                "data=s\"\" dir=s\"6G20\" name=s\"FF20\" old=s\"\"\n\" path=s\"612\"",
            ),
            ("exe=612062 arch=c000003e a=6120", r#"a=s"6120" arch=s"c000003e" exe=s"612062""#),
        ] {
            assert_eq!(parsed("linux-audit-parser();", text), expected, "{text}");
        }
        assert_eq!(parsed("kv-parser();", "a1=2F746D70206161"), r#"a1=s"2F746D70206161""#);
        let many = format!("a0={}", "20".repeat(1 << 19));
        assert_eq!(parsed("linux-audit-parser();", &many).len(), "a0=s\"\"".len() + (1 << 19));
    }

    /// Breaks without it: an option of `kv-parser()` is unknown here.
    #[test]
    fn options() {
        let all = "prefix(\".a.\") value-separator(\":\") pair-separator(\";\") extract-stray-words-into(s)";
        assert_eq!(
            parsed(&format!("linux-audit-parser({all} template('x a1:6120;comm:6209'));"), ""),
            ".a.a1=s\"a \" .a.comm=s\"b\t\" s=s\"x\""
        );
        assert!(said("linux-audit-parser(prefx(a));").contains("did you mean `prefix`?"));
    }
}
