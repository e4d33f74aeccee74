//! The path of `extract-prefix()`: [`Path`].
//!
//! ```text
//! path = [part] *("." part)        part = member *("[" digits "]")
//! ```
//!
//! The first part may be without a member, as in `[0].name`, or empty, as in `.name`. No text is the whole
//! document.

use super::lexer::{Lexer, Token};
use super::text;
use crate::parser::{Buffers, Refused};

/// A way from the top of a document to one of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    /// By these steps.
    To(Vec<Step>),
    /// No path: there is nothing at what is written.
    Nowhere,
}

/// One step, from a container to a value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(Box<[u8]>),
    Element(usize),
}

/// A value that was found: its first token, and the place behind that.
type Place<'t> = (Token, Lexer<'t>);

impl Path {
    /// The path that is written as `text`.
    pub(super) fn new(text: &str) -> Self {
        let mut steps = Vec::new();
        if text.is_empty() {
            return Self::To(steps);
        }
        for (number, part) in text.split('.').enumerate() {
            let is_sound = push_part(part, number == 0, &mut steps);
            if is_sound.is_none() {
                return Self::Nowhere;
            }
        }
        Self::To(steps)
    }

    /// Tells whether there is nothing at it in any document.
    pub(super) fn leads_nowhere(&self) -> bool {
        *self == Self::Nowhere
    }

    /// The value at the path in the document that `lexer` begins, which is read to its end. Of members with one
    /// name the last counts.
    pub(super) fn find<'t>(
        &self,
        mut lexer: Lexer<'t>,
        buffers: &mut Buffers,
    ) -> Result<Option<Place<'t>>, Refused> {
        let Self::To(steps) = self else { return Ok(None) };
        // For each container on the way from the top, the number of its values that came before.
        let Buffers { text, marks: counts, .. } = buffers;
        counts.clear();
        let mut found = None;
        // Tells whether the key that came last is that of its step.
        let mut is_key = false;
        loop {
            let on_path = counts.len() as u32 == lexer.depth();
            let is_object = lexer.is_in_object();
            let token = lexer.next()?;
            match &token {
                Token::Key(key) if on_path => {
                    text.clear();
                    text::push_string(&lexer, key, text);
                    let step = counts.len().checked_sub(1).and_then(|before| steps.get(before));
                    is_key = matches!(step, Some(Step::Member(name)) if **name == **text);
                }
                Token::Key(_) => {}
                Token::ObjectEnd | Token::ArrayEnd => counts.truncate(lexer.depth() as usize),
                _ if on_path && leads_to_value(steps, counts, is_object, is_key) => {
                    let is_last = counts.len() == steps.len();
                    if !is_last && matches!(token, Token::Object | Token::Array) {
                        counts.push(0);
                    }
                    found = is_last.then_some((token, lexer));
                }
                _ => {}
            }
            if lexer.depth() == 0 {
                return lexer.finish().map(|()| found);
            }
        }
    }
}

/// Counts a value of the innermost container, which is on the way; tells whether the next step leads to it.
fn leads_to_value(steps: &[Step], counts: &mut [usize], is_object: bool, is_key: bool) -> bool {
    let step = counts.len().checked_sub(1).and_then(|before| steps.get(before));
    let Some(count) = counts.last_mut() else { return true };
    let element = *count;
    *count += 1;
    match step {
        Some(Step::Member(_)) => is_object && is_key,
        Some(Step::Element(wanted)) => !is_object && *wanted == element,
        None => false,
    }
}

/// Adds the steps of one part of a path; `None` where it is none.
fn push_part(part: &str, is_first: bool, steps: &mut Vec<Step>) -> Option<()> {
    let (member, mut indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
    if !member.is_empty() {
        steps.push(Step::Member(member.as_bytes().into()));
    } else if !is_first {
        return None;
    }
    while !indexes.is_empty() {
        let (index, rest) = indexes.strip_prefix('[')?.split_once(']')?;
        if !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        steps.push(Step::Element(index.parse().ok()?));
        indexes = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a path leads to another value than the one it names, or a wrong one is not said.
    #[test]
    fn paths() {
        let member = |name: &str| Step::Member(name.as_bytes().into());
        for (text, expected) in [
            ("", vec![]),
            ("a", vec![member("a")]),
            (".a", vec![member("a")]),
            (
                "a.b[0][12].c",
                vec![member("a"), member("b"), Step::Element(0), Step::Element(12), member("c")],
            ),
            ("[1]", vec![Step::Element(1)]),
            ("[1].]", vec![Step::Element(1), member("]")]),
        ] {
            assert_eq!(Path::new(text), Path::To(expected), "{text}");
        }
        for text in [
            ".",
            "a.",
            "a..b",
            "a.[0]",
            ".[0]",
            "a[0",
            "a[-1]",
            "a[x]",
            "a[]",
            "a[0]b",
            "a[0] [1]",
            "a[+1]",
            "a[99999999999999999999]",
        ] {
            assert_eq!(Path::new(text), Path::Nowhere, "{text}");
        }
    }

    /// Breaks without it: another value of the document is taken, or one that a later member has replaced.
    #[test]
    fn values_at_paths() {
        let at = |path: &str, text: &'static str| {
            let found = Path::new(path).find(Lexer::new(text.as_bytes(), 0), &mut Buffers::default());
            found.map(|found| found.map(|(_, lexer)| &text[..lexer.at()]))
        };
        let nested = r#"{"a":{"l":[{"x":5},7]},"b":[[1],[2,[3]]],"a":{"m":{}}}"#;
        assert_eq!(at("a.m", nested), Ok(Some(r#"{"a":{"l":[{"x":5},7]},"b":[[1],[2,[3]]],"a":{"m":{"#)));
        assert_eq!(at("a.l", nested), Ok(None));
        assert_eq!(at("b[1][1]", nested), Ok(Some(r#"{"a":{"l":[{"x":5},7]},"b":[[1],[2,["#)));
        assert_eq!(at("b[1][2]", nested), Ok(None));
        assert_eq!(at("b.a", nested), Ok(None));
        assert_eq!(at("[0]", nested), Ok(None));
        assert_eq!(at("b.b", r#"{"b":{"c":{"b":1}}}"#), Ok(None));
        assert_eq!(at("a", r#"{"x":["a",{"a":[]}]}"#), Ok(None));
        assert_eq!(at("a b", r#"{"a\u0020b":{}}"#), Ok(Some(r#"{"a\u0020b":{"#)));
        assert_eq!(at("", "[1]"), Ok(Some("[")));
        assert_eq!(at("", "1"), Ok(Some("1")));
        assert!(at("a", r#"{"a":{}"#).is_err());
    }
}
