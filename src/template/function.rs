//! Template functions, `$(name argument …)`: the table of them, [`FUNCTIONS`].
//!
//! A function is a row of the table, and a function of Rust in one of the files beside: it appends its
//! result, for the texts of its arguments ([`Arguments`]).

use std::ops::RangeInclusive;

use crate::nearest::did_you_mean;

mod env;
mod path;
mod text;
mod url;

/// Any number of arguments.
const ANY: RangeInclusive<usize> = 0..=usize::MAX;

/// The functions there are.
#[rustfmt::skip] // One on a line.
static FUNCTIONS: &[Function] = &[
    Function::of("echo", ANY, "$(echo text …)", text::echo),
    Function::of("length", ANY, "$(length text …)", text::length),
    Function::of("lowercase", ANY, "$(lowercase text …)", text::lowercase),
    Function::of("uppercase", ANY, "$(uppercase text …)", text::uppercase),
    Function::of("strip", ANY, "$(strip text …)", text::strip),
    Function { check: text::check_substr, ..Function::strict("substr", 2..=3, "$(substr text start [length])", text::substr) },
    Function::of("indent-multi-line", ANY, "$(indent-multi-line text …)", text::indent_multi_line),
    Function::of("basename", 1..=1, "$(basename path)", path::basename),
    Function::of("dirname", 1..=1, "$(dirname path)", path::dirname),
    Function::of("env", ANY, "$(env NAME …)", env::env),
    Function::of("url-encode", ANY, "$(url-encode text …)", url::url_encode),
];

/// Functions of the language. Those of them that have a row above are not refused.
const LATER: &str = "format-json format-flat-json if grep sanitize replace-delimiter format-date \
    base64-encode url-encode url-decode sha1 sha256 sha512 md5 md4 uuid python template names values tag \
    tags-head implode explode list-head list-nth list-slice list-tail list-append list-concat list-count \
    list-search or padding + - * / % round ceil floor sum min max average ipv4-to-int dns-resolve-ip \
    format-welf format-cef-extension graphite-output context-length context-lookup context-values map \
    filter iterate getent geoip2 slog hash";

/// A template function.
pub(super) struct Function {
    name: &'static str,
    /// The numbers of arguments it takes.
    takes: RangeInclusive<usize>,
    /// With another number of arguments it writes nothing; otherwise it takes the first of them.
    is_strict: bool,
    /// Its usage, as error messages show it.
    pub(super) usage: &'static str,
    /// Tells what is doubtful about its arguments: the texts of those that no message changes.
    check: fn(&[Option<&[u8]>]) -> Option<String>,
    append: fn(&Arguments<'_>, &mut Vec<u8>),
}

/// The arguments of a call.
pub(super) struct Arguments<'a> {
    count: usize,
    text: &'a dyn Fn(usize) -> Vec<u8>,
}

impl Arguments<'_> {
    /// The number of them.
    fn count(&self) -> usize {
        self.count
    }

    /// The text of one; nothing for one that is not there.
    fn text(&self, index: usize) -> Vec<u8> {
        (self.text)(index)
    }

    /// Their texts in order.
    fn texts(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..self.count).map(|index| self.text(index))
    }

    /// Their texts with a space between.
    fn joined(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, text) in self.texts().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(&text);
        }
        out
    }
}

impl Function {
    /// The function called `name`, whose result `append` appends.
    const fn of(
        name: &'static str,
        takes: RangeInclusive<usize>,
        usage: &'static str,
        append: fn(&Arguments<'_>, &mut Vec<u8>),
    ) -> Self {
        Self { name, takes, is_strict: false, usage, check: |_| None, append }
    }

    /// The same, for one that writes nothing with another number of arguments.
    const fn strict(
        name: &'static str,
        takes: RangeInclusive<usize>,
        usage: &'static str,
        append: fn(&Arguments<'_>, &mut Vec<u8>),
    ) -> Self {
        Self { name, takes, is_strict: true, usage, check: |_| None, append }
    }

    /// The function called `name`, or the error in that name and its remedy.
    pub(super) fn find(name: &str) -> Result<&'static Self, (String, String)> {
        let name = name.replace('_', "-");
        if let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) {
            return Ok(function);
        }
        let all = || FUNCTIONS.iter().map(|function| function.name);
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

    /// Checks what can be checked before there is a message: how many `arguments` there are, and the texts of
    /// those that no message changes. Gives what is doubtful: that the call writes nothing, or ignores a part
    /// of it.
    ///
    /// # Errors
    /// The arguments are missing.
    pub(super) fn check(&self, arguments: &[Option<&[u8]>]) -> Result<Option<String>, String> {
        let name = self.name;
        if arguments.is_empty() && *self.takes.start() > 0 {
            return Err(format!("`{name}` takes arguments"));
        }
        if !self.takes.contains(&arguments.len()) {
            let writes = if self.is_strict { "writes nothing with" } else { "takes the first of" };
            return Ok(Some(format!("`{name}` {writes} this number of arguments: {}", arguments.len())));
        }
        Ok((self.check)(arguments))
    }

    /// Appends the result; `text` gives each of the `count` arguments, and nothing for one that is not
    /// there.
    pub(super) fn append(&self, count: usize, text: &dyn Fn(usize) -> Vec<u8>, out: &mut Vec<u8>) {
        if !self.is_strict || self.takes.contains(&count) {
            (self.append)(&Arguments { count, text }, out);
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
