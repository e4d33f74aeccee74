//! Template functions, `$(name argument …)`: which there are, and what each makes of the texts of its
//! arguments.

use super::number::push_decimal;
use crate::nearest::did_you_mean;

/// A template function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Echo,
    Length,
    Lowercase,
    Uppercase,
    Strip,
    Substr,
    IndentMultiLine,
    Basename,
    Dirname,
    Env,
}

/// The functions there are: name, function, fewest and most arguments, usage.
const FUNCTIONS: &[(&str, Function, usize, usize, &str)] = &[
    ("echo", Function::Echo, 0, usize::MAX, "$(echo text …)"),
    ("length", Function::Length, 0, usize::MAX, "$(length text …)"),
    ("lowercase", Function::Lowercase, 0, usize::MAX, "$(lowercase text …)"),
    ("uppercase", Function::Uppercase, 0, usize::MAX, "$(uppercase text …)"),
    ("strip", Function::Strip, 0, usize::MAX, "$(strip text …)"),
    ("substr", Function::Substr, 2, 3, "$(substr text start [length])"),
    ("indent-multi-line", Function::IndentMultiLine, 0, usize::MAX, "$(indent-multi-line text …)"),
    ("basename", Function::Basename, 1, 1, "$(basename path)"),
    ("dirname", Function::Dirname, 1, 1, "$(dirname path)"),
    ("env", Function::Env, 0, usize::MAX, "$(env NAME …)"),
];

/// Functions that other engines have and this version does not.
const LATER: &str = "format-json format-flat-json if grep sanitize replace-delimiter format-date \
    base64-encode url-encode url-decode sha1 sha256 sha512 md5 md4 uuid python template names values tag \
    tags-head implode explode list-head list-nth list-slice list-tail list-append list-concat list-count \
    list-search or padding + - * / % round ceil floor sum min max average ipv4-to-int dns-resolve-ip \
    format-welf format-cef-extension graphite-output context-length context-lookup context-values map \
    filter iterate getent geoip2 slog hash";

impl Function {
    /// The function called `name`, or what is wrong with that name and what would help.
    pub(super) fn find(name: &str) -> Result<Self, (String, String)> {
        let name = name.replace('_', "-");
        if let Some((_, function, ..)) = FUNCTIONS.iter().find(|(text, ..)| *text == name) {
            return Ok(*function);
        }
        let all = || FUNCTIONS.iter().map(|(text, ..)| *text);
        if LATER.split_ascii_whitespace().any(|later| later == name) {
            let help = format!("this version has {}", all().collect::<Vec<_>>().join(", "));
            return Err((format!("the template function `{name}` is not supported by this version"), help));
        }
        if name.is_empty() {
            return Err(("there is no function name after `$(`".to_owned(), String::new()));
        }
        let help = did_you_mean(&name, all().chain(LATER.split_ascii_whitespace()))
            .unwrap_or_else(|| format!("the functions are {}", all().collect::<Vec<_>>().join(", ")));
        Err((format!("unknown template function `{name}`"), help))
    }

    fn row(self) -> &'static (&'static str, Function, usize, usize, &'static str) {
        FUNCTIONS.iter().find(|row| row.1 == self).unwrap_or(&FUNCTIONS[0])
    }

    /// Its usage, as error messages show it.
    pub(super) fn usage(self) -> &'static str {
        self.row().4
    }

    /// Checks what can be checked before there is a message: how many `arguments` there are, and the texts of
    /// those that no message changes. Gives what is doubtful: that the call writes nothing, or ignores a part
    /// of it.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn check(self, arguments: &[Option<&[u8]>]) -> Result<Option<String>, String> {
        let (name, _, fewest, most, _) = self.row();
        if arguments.is_empty() && *fewest > 0 {
            return Err(format!("`{name}` takes arguments"));
        }
        if arguments.len() < *fewest || arguments.len() > *most {
            let writes = if self == Self::Substr { "writes nothing with" } else { "takes the first of" };
            return Ok(Some(format!("`{name}` {writes} this number of arguments: {}", arguments.len())));
        }
        if self == Self::Substr {
            for text in arguments[1..].iter().flatten() {
                if number(text).is_none() {
                    let text = String::from_utf8_lossy(text);
                    let message = format!(
                        "`{name}` takes whole numbers after the text, and writes nothing with `{text}`"
                    );
                    return Ok(Some(message));
                }
            }
        }
        Ok(None)
    }

    /// Appends the result; `value` gives each of the `count` arguments, and nothing for one that is not
    /// there.
    pub(super) fn append(self, count: usize, value: impl Fn(usize) -> Vec<u8>, out: &mut Vec<u8>) {
        match self {
            Function::Substr if !(2..=3).contains(&count) => {}
            Function::Substr => {
                let text = value(0);
                let len = if count > 2 { number(&value(2)) } else { Some(i64::MAX) };
                if let (Some(start), Some(len)) = (number(&value(1)), len) {
                    out.extend_from_slice(substr(&text, start, len));
                }
            }
            Function::Basename => out.extend_from_slice(basename(&value(0))),
            Function::Dirname => out.extend_from_slice(dirname(&value(0))),
            Function::Lowercase | Function::Uppercase => {
                let from = out.len();
                joined(count, out, |index, out| out.extend_from_slice(&value(index)));
                let text = out.split_off(from);
                out.extend_from_slice(&changed_case(&text, self == Function::Uppercase));
            }
            Function::IndentMultiLine => {
                let from = out.len();
                joined(count, out, |index, out| out.extend_from_slice(&value(index)));
                let text = out.split_off(from);
                for (index, byte) in text.iter().enumerate() {
                    out.push(*byte);
                    if *byte == b'\n' && text.get(index + 1) != Some(&b'\t') {
                        out.push(b'\t');
                    }
                }
            }
            Function::Echo => joined(count, out, |index, out| out.extend_from_slice(&value(index))),
            Function::Length => joined(count, out, |index, out| push_decimal(out, value(index).len() as u64)),
            Function::Strip => {
                let from = out.len();
                for text in (0..count).map(&value) {
                    let text = strip(&text);
                    if out.len() > from && !text.is_empty() {
                        out.push(b' ');
                    }
                    out.extend_from_slice(text);
                }
            }
            Function::Env => {
                for (index, text) in (0..count).map(|index| variable(&value(index))).enumerate() {
                    let Some(text) = text else { continue };
                    out.extend_from_slice(&text);
                    if index + 1 < count {
                        out.push(b' ');
                    }
                }
            }
        }
    }
}

/// Appends something of every argument, with a space between.
fn joined(count: usize, out: &mut Vec<u8>, mut append: impl FnMut(usize, &mut Vec<u8>)) {
    for index in 0..count {
        if index > 0 {
            out.push(b' ');
        }
        append(index, out);
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim_start().parse().ok()
}

/// `text` without the white space of ASCII at its ends.
fn strip(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// The variable of the environment called `name`.
fn variable(name: &[u8]) -> Option<Vec<u8>> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    // A name with `=` or NUL in it is no variable's; the call would panic on it.
    let sound = !name.is_empty() && !name.iter().any(|b| matches!(b, b'=' | 0));
    sound.then(|| std::env::var_os(std::ffi::OsStr::from_bytes(name)))?.map(OsStringExt::into_vec)
}

/// Part of `text` in bytes; a negative start counts from the end, a negative length stops before it.
fn substr(text: &[u8], start: i64, len: i64) -> &[u8] {
    let size = text.len() as i64;
    let start = if start < 0 { start.saturating_add(size) } else { start };
    if start < 0 || start >= size {
        return b"";
    }
    let end = if len < 0 { size.saturating_add(len) } else { start.saturating_add(len).min(size) };
    if end <= start { b"" } else { &text[start as usize..end as usize] }
}

/// The last component of a path, as the command of that name gives it.
fn basename(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map(|at| at + 1);
    match end {
        None if path.is_empty() => b".",
        None => b"/",
        Some(end) => {
            let start = path[..end].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
            &path[start..end]
        }
    }
}

/// The path without its last component.
fn dirname(path: &[u8]) -> &[u8] {
    let Some(slash) = path.iter().rposition(|b| *b == b'/') else { return b"." };
    let end = path[..slash].iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    if end == 0 { b"/" } else { &path[..end] }
}

/// The whole of Unicode; bytes that are not UTF-8 stay as they are.
fn changed_case(text: &[u8], upper: bool) -> Vec<u8> {
    let mut changed = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid();
        let case = if upper { valid.to_uppercase() } else { lowercase(valid) };
        changed.extend_from_slice(case.as_bytes());
        changed.extend_from_slice(chunk.invalid());
    }
    changed
}

/// Lower case; a sigma is a final one unless a letter follows.
fn lowercase(text: &str) -> String {
    let mut rest = text.chars().peekable();
    let mut lower = String::with_capacity(text.len());
    while let Some(char) = rest.next() {
        match char {
            'Σ' if !rest.peek().is_some_and(|next| next.is_alphabetic()) => lower.push('ς'),
            _ => lower.extend(char.to_lowercase()),
        }
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: `$(substr)` beyond the end of a text panics, or gives other bytes than syslog-ng's.
    #[test]
    fn parts_of_a_text_are_cut_at_its_ends() {
        for (start, len, expected) in [
            (0, 5, "hello"),
            (1, 3, "ell"),
            (-3, 2, "ll"),
            (1, -1, "ell"),
            (9, 1, ""),
            (-9, 1, ""),
            (2, i64::MAX, "llo"),
            (i64::MIN, i64::MIN, ""),
            (4, -5, ""),
        ] {
            assert_eq!(substr(b"hello", start, len), expected.as_bytes(), "{start} {len}");
        }
    }

    /// Breaks without it: `$(basename)` and `$(dirname)` differ from the commands for `/`, a double slash or
    /// nothing.
    #[test]
    fn paths_are_split_as_the_commands_do() {
        for (path, base, dir) in [
            ("/a/b", "b", "/a"),
            ("a", "a", "."),
            ("/", "/", "/"),
            ("/a", "a", "/"),
            ("a//b", "b", "a"),
            ("", ".", "."),
        ] {
            assert_eq!(basename(path.as_bytes()), base.as_bytes(), "{path}");
            assert_eq!(dirname(path.as_bytes()), dir.as_bytes(), "{path}");
        }
    }

    /// Breaks without it: letters beyond ASCII keep their case, or bytes that are no text are lost.
    #[test]
    fn case_is_that_of_unicode_where_the_text_is() {
        assert_eq!(changed_case("Árvíz ß".as_bytes(), true), "ÁRVÍZ SS".as_bytes());
        assert_eq!(changed_case(b"\xffAb\xc3\x81", false), b"\xffab\xc3\xa1");
        assert_eq!(changed_case("Σ ΑΣ ΣΑ Α1Σ".as_bytes(), false), "ς ας σα α1ς".as_bytes());
    }
}
