//! Backticks: names that are replaced before the configuration is read.
//!
//! ```text
//! `name`     what `@define name` said; else the environment variable; else nothing
//! ``         one backtick
//! ```
//!
//! The replacement is textual and works on one line at a time, because that is the unit the language defines
//! it in: an expression cannot go over the end of a line. It looks at quotes only so far as it must: within a
//! quoted text, a value that is itself one quoted literal loses its quotes and is escaped anew for the text
//! around it.
//!
//! syslog-ng replaces within comments too, where a lone backtick is then fatal. Here comments are left alone.
use std::ops::Range;

/// A piece of a line after replacement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// These bytes of the line, as they are.
    Verbatim(Range<usize>),
    /// The expression at `at` is replaced by `value`.
    Value { at: Range<usize>, name: String, value: String },
}

/// An expression that cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BacktickError {
    pub(super) at: Range<usize>,
    pub(super) message: &'static str,
    pub(super) help: Option<&'static str>,
}

/// A line with its expressions replaced.
#[derive(Debug)]
pub(super) struct Expanded {
    /// The pieces, which cover the line up to `end` also where there is an error, so that reading can go on.
    pub(super) pieces: Vec<Piece>,
    pub(super) error: Option<BacktickError>,
    /// The offset behind the first `{` outside of quotes, where raw text may begin, or the end of the line.
    pub(super) end: usize,
}

/// Replaces the backtick expressions of `line`, which starts inside a text quoted with `quote`, if any.
///
/// `lookup` gives the value of the name between two backticks, which are at a range of `line`; `None` leaves
/// the rest of the line as it is.
pub(super) fn expand(
    line: &str,
    mut quote: Option<u8>,
    mut lookup: impl FnMut(&str, Range<usize>) -> Option<String>,
) -> Expanded {
    let bytes = line.as_bytes();
    let (mut pieces, mut error) = (Vec::new(), None);
    let (mut done, mut at, mut stop) = (0, 0, bytes.len());
    while at < stop {
        match (quote, bytes[at]) {
            (None, b'#') => break,
            (None, b'{') => stop = at + 1,
            (None, mark @ (b'"' | b'\'')) => quote = Some(mark),
            (Some(open), mark) if open == mark => quote = None,
            (Some(b'"'), b'\\') if bytes.get(at + 1) != Some(&b'`') => at += 1,
            (_, b'`') => {
                let Some(length) = memchr::memchr(b'`', &bytes[at + 1..]) else {
                    error.get_or_insert(BacktickError {
                        at: at..at + 1,
                        message: "this backtick has no partner on its line",
                        help: Some("write `` for one backtick"),
                    });
                    break;
                };
                let end = at + length + 2;
                let name = &line[at + 1..end - 1];
                let found = if name.is_empty() { Some("`".to_owned()) } else { lookup(name, at..end) };
                let Some(mut value) = found else { break };
                if let Some(open) = quote {
                    if at > 0 && bytes[at - 1] == b'\\' && open == b'"' {
                        error.get_or_insert(BacktickError {
                            at: at - 1..end,
                            message: "a backslash in front of a backtick",
                            help: Some("the value would change the meaning of the backslash; write \\\\ for one backslash"),
                        });
                    }
                    value = requoted(value, open).unwrap_or_else(|message| {
                        error.get_or_insert(BacktickError {
                            at: at..end,
                            message,
                            help: Some("put double quotes around the text"),
                        });
                        String::new()
                    });
                }
                pieces.push(Piece::Verbatim(done..at));
                pieces.push(Piece::Value { at: at..end, name: name.to_owned(), value });
                done = end;
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    pieces.push(Piece::Verbatim(done..stop));
    pieces.retain(|piece| !matches!(piece, Piece::Verbatim(range) if range.is_empty()));
    Expanded { pieces, error, end: stop }
}

/// `code`, which is Python, with the texts in the place of the names between backticks that `lookup` knows;
/// other backticks are part of the code.
pub(super) fn fill<'a>(code: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(code.len());
    for line in code.split_inclusive('\n') {
        let (mut quote, mut at) = (None, 0);
        while let Some(c) = line[at..].chars().next() {
            let name =
                line[at..].strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(name, _)| name);
            if let Some((name, value)) = name.and_then(|name| Some((name, lookup(name)?))) {
                let quoted = quote.and_then(|open: char| requoted(value.to_owned(), open as u8).ok());
                out.push_str(quoted.as_deref().unwrap_or(value));
                at += name.len() + 2;
                continue;
            }
            match (quote, c) {
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                _ => {}
            }
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}

/// `value` as it has to stand inside a text quoted with `open`.
fn requoted(value: String, open: u8) -> Result<String, &'static str> {
    let Some(content) = unquoted(&value) else { return Ok(value) };
    if open == b'\'' {
        if content.contains('\'') {
            return Err("a value with an apostrophe cannot stand inside single quotes");
        }
        return Ok(content);
    }
    let mut out = String::with_capacity(content.len());
    for c in content.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// The content of `value` if it is one quoted literal and nothing else.
fn unquoted(value: &str) -> Option<String> {
    let value = value.trim();
    if let Some(content) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return (!content.contains('\'')).then(|| content.to_owned());
    }
    let content = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(content.len());
    let mut chars = content.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'a' => out.push('\x07'),
                'v' => out.push('\x0b'),
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str, quote: Option<u8>) -> Result<String, &'static str> {
        let lookup = |name: &str, _| {
            let value = match name {
                "word" => "val",
                "double" => r#""a\"b\n""#,
                "single" => "'a b'",
                "apostrophe" => r#""it's""#,
                "too much" => return None,
                _ => "",
            };
            Some(value.to_owned())
        };
        let Expanded { pieces, error, .. } = expand(line, quote, lookup);
        if let Some(error) = error {
            return Err(error.message);
        }
        let piece = |piece: &Piece| match piece {
            Piece::Verbatim(range) => line[range.clone()].to_owned(),
            Piece::Value { value, .. } => value.clone(),
        };
        Ok(pieces.iter().map(piece).collect())
    }

    /// Breaks without it: a value of `@define` is put in with other quotes than it has, or an unknown name
    /// stops the file.
    #[test]
    fn replaces_outside_of_quotes_as_it_is() {
        assert_eq!(text("a(`word`) `double`;", None).unwrap(), r#"a(val) "a\"b\n";"#);
        assert_eq!(text("x(`nothing`)", None).unwrap(), "x()");
        assert_eq!(text("x(`'name'`)", None).unwrap(), "x()");
        assert_eq!(text("a `` b", None).unwrap(), "a ` b");
    }

    /// Breaks without it: a text that a `@define` puts into another text ends it.
    #[test]
    fn literals_lose_their_quotes_inside_of_quotes() {
        assert_eq!(text(r#""x `single` y""#, None).unwrap(), r#""x a b y""#);
        assert_eq!(text(r#""x `double` y""#, None).unwrap(), "\"x a\\\"b\n y\"");
        assert_eq!(text("still `single`", Some(b'\'')).unwrap(), "still a b");
        assert_eq!(text("'`word`'", None).unwrap(), "'val'");
    }

    /// Breaks without it: a value that would end a text or an escape changes the meaning of the line, without
    /// a word.
    #[test]
    fn refuses_what_it_cannot_do() {
        let refused = |line| text(line, None).unwrap_err();
        assert_eq!(refused("a ` b"), "this backtick has no partner on its line");
        assert_eq!(refused("'`apostrophe`'"), "a value with an apostrophe cannot stand inside single quotes");
        assert_eq!(refused(r#""\`word`""#), "a backslash in front of a backtick");
    }

    /// Breaks without it: a line that is too long to expand is expanded in part.
    #[test]
    fn what_has_no_value_leaves_the_rest_as_it_is() {
        assert_eq!(text("`word` `too much` `word`", None).unwrap(), "val `too much` `word`");
    }

    /// Breaks without it: a backtick in a comment is an error.
    #[test]
    fn comments_are_left_alone() {
        assert_eq!(text("a # it`s", None).unwrap(), "a # it`s");
        assert_eq!(text("'#' `word`", None).unwrap(), "'#' val");
    }
}
