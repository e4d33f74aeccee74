//! Functions of lists: `list-head`, `list-nth`, `list-tail`, `list-slice`, `list-count`, `list-append`,
//! `list-concat`, `list-search`, `implode`, `explode`.

use regex::bytes::Regex;

use super::options::{self, Given, Known};
use super::{Arguments, Compiled, number};
use crate::message::{ValueType, list};
use crate::template::build::{Build, Source};
use crate::template::glob::Glob;
use crate::template::item::{Call, Items, Scope};
use crate::template::number::push_decimal;

/// The elements of all arguments from `first` on.
fn elements(arguments: &Arguments<'_>, first: usize) -> Vec<Vec<u8>> {
    (first..arguments.count()).flat_map(|index| list::decode(&arguments.text(index))).collect()
}

/// Appends a list.
fn push<'a>(elements: impl IntoIterator<Item = &'a Vec<u8>>, out: &mut Vec<u8>) {
    for (index, element) in elements.into_iter().enumerate() {
        list::push(element, index == 0, out);
    }
}

/// `$(list-head)`
pub(super) fn head(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    if let Some(first) = elements(arguments, 0).first() {
        out.extend_from_slice(first);
    }
}

/// `$(list-nth)`
pub(super) fn nth(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let elements = elements(arguments, 1);
    let Some(at) = number(&arguments.text(0)) else { return };
    let at = if at < 0 { at + elements.len() as i64 } else { at };
    if let Some(element) = usize::try_from(at).ok().and_then(|at| elements.get(at)) {
        out.extend_from_slice(element);
    }
}

/// The index is a number.
pub(super) fn check_nth(arguments: &[Option<&[u8]>]) -> Option<String> {
    let index = (*arguments.first()?)?;
    let text = String::from_utf8_lossy(index);
    number(index)
        .is_none()
        .then(|| format!("`list-nth` takes a whole number, and writes nothing with `{text}`"))
}

/// `$(list-tail)`
pub(super) fn tail(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    push(elements(arguments, 0).iter().skip(1), out);
}

/// `$(list-slice)`
pub(super) fn slice(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let elements = elements(arguments, 1);
    let count = elements.len() as i64;
    let range = arguments.text(0);
    let (from, to) = match range.iter().position(|byte| *byte == b':') {
        Some(colon) => (&range[..colon], &range[colon + 1..]),
        None => (&*range, &b""[..]),
    };
    let end = |text: &[u8], missing: i64| match text {
        b"" => Some(missing),
        text => number(text).map(|at| if at < 0 { at.saturating_add(count) } else { at }.clamp(0, count)),
    };
    if let (Some(from), Some(to)) = (end(from, 0), end(to, count))
        && from < to
    {
        push(&elements[from as usize..to as usize], out);
    }
}

/// The range of a slice is one.
pub(super) fn check_slice(arguments: &[Option<&[u8]>]) -> Option<String> {
    let range = (*arguments.first()?)?;
    let sound = |part: &[u8]| part.is_empty() || number(part).is_some();
    let is_range = range.splitn(2, |byte| *byte == b':').all(sound);
    let text = String::from_utf8_lossy(range);
    (!is_range).then(|| format!("`list-slice` takes a range as 1:3, and writes nothing with `{text}`"))
}

/// `$(list-count)`
pub(super) fn count(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    push_decimal(out, elements(arguments, 0).len() as u64);
}

/// `$(list-append)`: the list as it is, and each further argument as one element.
pub(super) fn append(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let list = arguments.text(0);
    out.extend_from_slice(&list);
    let mut first = list.is_empty() || list.ends_with(b",");
    for index in 1..arguments.count() {
        list::push(&arguments.text(index), first, out);
        first = false;
    }
}

/// `$(list-concat)`
pub(super) fn concat(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    push(&elements(arguments, 0), out);
}

/// `$(implode)`
pub(super) fn implode(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&elements(arguments, 1).join(&*arguments.text(0)));
}

/// `$(explode separator text …)`
#[derive(Debug)]
struct Explode {
    separator: Items,
    texts: Vec<Items>,
}

/// Compiles `$(explode)`.
pub(super) fn explode(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let usage = "$(explode separator text …)";
    let [separator, texts @ ..] = sources else {
        return Err(build.call_error("`explode` takes a separator and texts", usage));
    };
    let items = build.items(separator)?;
    if items.as_literal() == Some(b"") {
        return Err(build.error(separator, "a separator has at least one character", usage));
    }
    let texts = texts.iter().map(|text| build.items(text)).collect::<Result<_, _>>()?;
    Ok(Box::new(Explode { separator: items, texts }))
}

impl Call for Explode {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let separator = self.separator.text(scope);
        let mut first = true;
        for text in self.texts.iter().map(|items| items.text(scope)).filter(|text| !text.is_empty()) {
            let mut rest = &*text;
            // A value that is empty separates nothing.
            while let Some(at) = memchr::memmem::find(rest, &separator).filter(|_| !separator.is_empty()) {
                list::push(&rest[..at], first, out);
                (rest, first) = (&rest[at + separator.len()..], false);
            }
            list::push(rest, first, out);
            first = false;
        }
        ValueType::List
    }
}

/// `$(list-search)`
#[derive(Debug)]
struct Search {
    pattern: Pattern,
    start: usize,
    lists: Vec<Items>,
}

#[derive(Debug)]
enum Pattern {
    Literal(Vec<u8>),
    Prefix(Vec<u8>),
    Substring(Vec<u8>),
    Glob(Glob),
    Pcre(Regex),
}

impl Pattern {
    fn matches(&self, element: &[u8]) -> bool {
        match self {
            Self::Literal(text) => element == text,
            Self::Prefix(text) => element.starts_with(text),
            Self::Substring(text) => memchr::memmem::find(element, text).is_some(),
            Self::Glob(glob) => glob.matches(element),
            Self::Pcre(regex) => regex.is_match(element),
        }
    }
}

/// Compiles `$(list-search)`.
pub(super) fn search(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    const OWN: &[Known] = &[Known::value("mode", ' '), Known::value("start-index", ' ')];
    // Options and arguments.
    let (mut mode, mut start, mut arguments) = (None, 0, Vec::new());
    for given in options::read(build, sources, OWN)? {
        match given {
            Given::Argument(source) => arguments.push(source),
            Given::Option("mode", _, value) => mode = value,
            Given::Option(_, at, value) => {
                let value = value.and_then(|value| value.text().parse().ok());
                let message = "`--start-index` takes a whole number";
                start = value.ok_or_else(|| build.error(&at, message, ""))?;
            }
        }
    }
    let [pattern, lists @ ..] = &*arguments else {
        return Err(
            build.call_error("`list-search` takes a pattern and a list", "$(list-search pattern list …)")
        );
    };
    if lists.is_empty() {
        return Err(build
            .call_error("`list-search` takes a list behind its pattern", "$(list-search pattern list …)"));
    }
    // The pattern, by its mode.
    let text = pattern.bytes.clone();
    let pattern = match mode.as_ref().map_or("literal".to_owned(), Source::text).as_str() {
        "literal" => Pattern::Literal(text),
        "prefix" => Pattern::Prefix(text),
        "substring" => Pattern::Substring(text),
        "glob" => Pattern::Glob(Glob::new(&text)),
        "pcre" => {
            let anchored = format!(r"\A(?:{})", pattern.text());
            let regex = regex::bytes::RegexBuilder::new(&anchored).unicode(false).build();
            Pattern::Pcre(regex.map_err(|error| {
                let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
                build.error(pattern, "this is no regular expression", &reason)
            })?)
        }
        other => {
            let message = format!("`list-search` has no mode `{other}`");
            let at = mode.as_ref().unwrap_or(pattern);
            return Err(build.error(at, &message, "the modes are literal, prefix, substring, glob, pcre"));
        }
    };
    let lists = lists.iter().map(|list| build.items(list)).collect::<Result<_, _>>()?;
    Ok(Box::new(Search { pattern, start, lists }))
}

impl Call for Search {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let elements = self.lists.iter().flat_map(|items| list::decode(&items.text(scope)));
        if let Some((index, _)) =
            elements.enumerate().skip(self.start).find(|(_, element)| self.pattern.matches(element))
        {
            push_decimal(out, index as u64);
        }
        ValueType::Integer
    }
}
