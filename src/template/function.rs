//! Template functions, `$(name argument …)`: the table of them, [`FUNCTIONS`].
//!
//! A function is a row of the table, and code in one of the files beside. Most functions append their result
//! for the texts of their arguments ([`Arguments`]). One that reads options, literals or conditions is
//! compiled by its own code: it gets a [`Build`] and the arguments as they are written, and gives a [`Call`].

use std::ops::RangeInclusive;

use super::build::{Build, Source};
use super::error::TemplateError;
use super::item::{Call, Items, Scope};
use crate::message::ValueType;
use crate::nearest::did_you_mean;

mod change;
mod choice;
mod date;
mod digest;
mod env;
mod getent;
mod hosts;
mod json;
mod lists;
mod numbers;
pub(super) mod options;
mod path;
mod python;
mod text;
mod url;

/// A compiled call, or the error in its arguments.
type Compiled = Result<Box<dyn Call>, TemplateError>;

/// Compiles the arguments of a call.
type Compile = fn(&mut Build<'_>, &[Source]) -> Compiled;

/// Any number of arguments.
const ANY: RangeInclusive<usize> = 0..=usize::MAX;

/// The functions there are.
#[rustfmt::skip] // One on a line.
static FUNCTIONS: &[Function] = &[
    // Texts.
    Function::of("echo", ANY, "$(echo text …)", text::echo),
    Function::typed("length", ANY, ValueType::Integer, "$(length text …)", text::length),
    Function::of("lowercase", ANY, "$(lowercase text …)", text::lowercase),
    Function::of("uppercase", ANY, "$(uppercase text …)", text::uppercase),
    Function::of("strip", ANY, "$(strip text …)", text::strip),
    Function::strict("substr", 2..=3, "$(substr text start [length])", text::substr).checked(text::check_substr),
    Function::of("indent-multi-line", ANY, "$(indent-multi-line text …)", text::indent_multi_line),
    Function::of("basename", 1..=1, "$(basename path)", path::basename),
    Function::of("dirname", 1..=1, "$(dirname path)", path::dirname),
    Function::own("sanitize", "$(sanitize [options] text …)", change::sanitize),
    Function::strict("replace-delimiter", 3..=3, "$(replace-delimiter delimiters new text)", change::replace_delimiter),
    Function::own("padding", "$(padding text width [pad])", change::padding),
    Function::own("binary", "$(binary number …)", change::binary),
    Function::of("or", ANY, "$(or text …)", choice::or),
    // Encodings and digests.
    Function::of("base64-encode", ANY, "$(base64-encode text …)", change::base64_encode),
    Function::of("url-encode", ANY, "$(url-encode text …)", url::url_encode),
    Function::of("url-decode", ANY, "$(url-decode text …)", change::url_decode),
    Function::of("ipv4-to-int", ANY, "$(ipv4-to-int address …)", change::ipv4_to_int),
    Function::own("md4", "$(md4 [--length n] text …)", digest::md4),
    Function::own("md5", "$(md5 [--length n] text …)", digest::md5),
    Function::own("sha1", "$(sha1 [--length n] text …)", digest::sha1),
    Function::own("sha256", "$(sha256 [--length n] text …)", digest::sha256),
    Function::own("sha512", "$(sha512 [--length n] text …)", digest::sha512),
    Function::own("hash", "$(hash [--length n] text …)", digest::sha256),
    Function::of("uuid", ANY, "$(uuid)", digest::uuid),
    // Numbers.
    Function::telling("+", "$(+ a b)", numbers::add),
    Function::telling("-", "$(- a b)", numbers::subtract),
    Function::telling("*", "$(* a b)", numbers::multiply),
    Function::telling("/", "$(/ a b)", numbers::divide),
    Function::telling("%", "$(% a b)", numbers::remainder),
    Function::telling("round", "$(round number [digits])", numbers::round),
    Function::telling("ceil", "$(ceil number)", numbers::ceil),
    Function::telling("floor", "$(floor number)", numbers::floor),
    Function::own("sum", "$(sum number)", numbers::sum),
    Function::own("min", "$(min number)", numbers::min),
    Function::own("max", "$(max number)", numbers::max),
    Function::own("average", "$(average number)", numbers::average),
    // Lists.
    Function::of("list-head", ANY, "$(list-head list …)", lists::head),
    Function::of("list-nth", 1..=usize::MAX, "$(list-nth index list …)", lists::nth).checked(lists::check_nth),
    Function::typed("list-tail", ANY, ValueType::List, "$(list-tail list …)", lists::tail),
    Function::typed("list-slice", 1..=usize::MAX, ValueType::List, "$(list-slice from:to list …)", lists::slice).checked(lists::check_slice),
    Function::typed("list-count", ANY, ValueType::Integer, "$(list-count list …)", lists::count),
    Function::typed("list-append", 1..=usize::MAX, ValueType::List, "$(list-append list text …)", lists::append),
    Function::typed("list-concat", ANY, ValueType::List, "$(list-concat list …)", lists::concat),
    Function::own("list-search", "$(list-search [--mode mode] pattern list …)", lists::search),
    Function::of("implode", 1..=usize::MAX, "$(implode separator list …)", lists::implode),
    Function::own("explode", "$(explode separator text …)", lists::explode),
    Function::own("map", "$(map template list)", choice::map),
    Function::own("filter", "$(filter condition list)", choice::filter),
    // Named values.
    Function::own("format-json", "$(format-json [value-pairs])", json::format_json),
    Function::own("format-flat-json", "$(format-flat-json [value-pairs])", json::format_flat_json),
    Function::own("format-welf", "$(format-welf [value-pairs])", json::format_welf),
    Function::own("format-cef-extension", "$(format-cef-extension [value-pairs])", json::format_cef_extension),
    Function::own("graphite-output", "$(graphite-output [--timestamp template] [value-pairs])", json::graphite_output),
    Function::own("names", "$(names [value-pairs])", json::names),
    Function::own("values", "$(values [value-pairs])", json::values),
    Function::written("format-gelf", "$(format-gelf)", json::GELF),
    Function::written("format-ewmm", "$(format-ewmm)", json::EWMM),
    Function::written("format-cim", "$(format-cim)", json::CIM),
    // Conditions, messages, templates.
    Function::own("if", "$(if (condition) yes no)", choice::if_else),
    Function::own("grep", "$(grep (condition) text …)", choice::grep),
    Function::own("context-lookup", "$(context-lookup (condition) text …)", choice::context_lookup),
    Function::own("context-values", "$(context-values text …)", choice::context_values),
    Function::typed("context-length", ANY, ValueType::Integer, "$(context-length)", choice::context_length),
    Function::own("iterate", "$(iterate template start)", choice::iterate),
    Function::own("template", "$(template name [fallback …])", choice::template),
    Function::own("tag", "$(tag name [yes [no]])", choice::tag),
    Function::own("tags-head", "$(tags-head name …)", choice::tags_head),
    Function::own("format-date", "$(format-date [--time-zone zone] format [time])", date::format_date),
    Function::own("stardate", "$(stardate [--digits n] unixtime)", date::stardate),
    // The system.
    Function::of("env", ANY, "$(env NAME …)", env::env),
    Function::own("dns-resolve-ip", "$(dns-resolve-ip [options] ip)", hosts::dns_resolve_ip),
    Function::own("python", "$(python module.function [argument …])", python::python),
    Function::own("geoip2", "$(geoip2 [--database file] [--field a.b] ip)", hosts::geoip2),
    Function::strict("getent", 2..=3, "$(getent database key [field])", getent::getent).checked(getent::check_getent),
];

/// Functions of the language. Those of them that have a row above are not refused.
const LATER: &str = "slog";

/// The number that an argument is.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim_start().parse().ok()
}

/// A template function.
pub(super) struct Function {
    name: &'static str,
    /// Its usage, as error messages show it.
    pub(super) usage: &'static str,
    body: Body,
}

/// The code of a function.
enum Body {
    /// Appends for the texts of its arguments.
    Texts(Texts),
    /// Compiles the arguments by itself.
    Own(Compile),
    /// Is a template: what it stands for.
    Written(&'static str),
}

/// A function that appends its result for the texts of its arguments.
#[derive(Clone, Copy)]
struct Texts {
    least: usize,
    most: usize,
    /// With another number of arguments it writes nothing; otherwise it takes the first of them.
    is_strict: bool,
    /// Tells what is doubtful about its arguments: the texts of those that no message changes.
    check: fn(&[Option<&[u8]>]) -> Option<String>,
    append: Append,
}

/// Appends the result, whose type is always the same, or told.
#[derive(Clone, Copy)]
enum Append {
    Of(ValueType, fn(&Arguments<'_>, &mut Vec<u8>)),
    Telling(fn(&Arguments<'_>, &mut Vec<u8>) -> ValueType),
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
    /// The function called `name`, whose result `append` appends, a string.
    const fn of(
        name: &'static str,
        takes: RangeInclusive<usize>,
        usage: &'static str,
        append: fn(&Arguments<'_>, &mut Vec<u8>),
    ) -> Self {
        Self::texts(name, takes, usage, false, Append::Of(ValueType::String, append))
    }

    /// The same, for one that writes nothing with another number of arguments.
    const fn strict(
        name: &'static str,
        takes: RangeInclusive<usize>,
        usage: &'static str,
        append: fn(&Arguments<'_>, &mut Vec<u8>),
    ) -> Self {
        Self::texts(name, takes, usage, true, Append::Of(ValueType::String, append))
    }

    /// The same as [`strict`](Self::strict), for a result of another type.
    const fn typed(
        name: &'static str,
        takes: RangeInclusive<usize>,
        value_type: ValueType,
        usage: &'static str,
        append: fn(&Arguments<'_>, &mut Vec<u8>),
    ) -> Self {
        Self::texts(name, takes, usage, true, Append::Of(value_type, append))
    }

    /// A function of any number of arguments that tells the type of its result.
    const fn telling(
        name: &'static str,
        usage: &'static str,
        append: fn(&Arguments<'_>, &mut Vec<u8>) -> ValueType,
    ) -> Self {
        Self::texts(name, ANY, usage, false, Append::Telling(append))
    }

    const fn texts(
        name: &'static str,
        takes: RangeInclusive<usize>,
        usage: &'static str,
        is_strict: bool,
        append: Append,
    ) -> Self {
        let (least, most) = (*takes.start(), *takes.end());
        let body = Body::Texts(Texts { least, most, is_strict, check: |_| None, append });
        Self { name, usage, body }
    }

    /// The same with a check of its arguments.
    const fn checked(self, check: fn(&[Option<&[u8]>]) -> Option<String>) -> Self {
        let Self { name, usage, body } = self;
        match body {
            Body::Texts(texts) => Self { name, usage, body: Body::Texts(Texts { check, ..texts }) },
            other => Self { name, usage, body: other },
        }
    }

    /// A function that compiles its arguments by itself.
    const fn own(name: &'static str, usage: &'static str, compile: Compile) -> Self {
        Self { name, usage, body: Body::Own(compile) }
    }

    /// A function that stands for `text`, a template.
    const fn written(name: &'static str, usage: &'static str, text: &'static str) -> Self {
        Self { name, usage, body: Body::Written(text) }
    }

    /// The function called `name`, or the error in that name and its remedy; `others` are the functions of
    /// the configuration.
    pub(super) fn find(name: &str, others: &[String]) -> Result<&'static Self, (String, String)> {
        let name = name.replace('_', "-");
        if let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) {
            return Ok(function);
        }
        let all = || FUNCTIONS.iter().map(|function| function.name).chain(others.iter().map(String::as_str));
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

    /// Compiles a call with `sources` for its arguments.
    ///
    /// # Errors
    /// An argument that is missing or wrong.
    pub(super) fn compile(&'static self, build: &mut Build<'_>, sources: &[Source]) -> Compiled {
        match &self.body {
            Body::Texts(texts) => {
                let arguments =
                    sources.iter().map(|source| build.items(source)).collect::<Result<Vec<_>, _>>()?;
                if let Some(doubt) = self.doubt(texts, build, &arguments)? {
                    build.warn(&doubt, self.usage);
                }
                Ok(Box::new(TextsCall { name: self.name, texts, arguments: arguments.into() }))
            }
            Body::Own(compile) => compile(build, sources),
            Body::Written(text) => {
                if let Some(first) = sources.first() {
                    let message = format!("`{}` takes no arguments", self.name);
                    return Err(build.error(first, &message, self.usage));
                }
                Ok(Box::new(WrittenCall { name: self.name, items: build.written(text)? }))
            }
        }
    }

    /// Checks what can be checked before there is a message: how many `arguments` there are, and the texts of
    /// those that no message changes. Gives what is doubtful: that the call writes nothing, or ignores a part
    /// of it.
    fn doubt(
        &self,
        texts: &Texts,
        build: &Build<'_>,
        arguments: &[Items],
    ) -> Result<Option<String>, TemplateError> {
        let name = self.name;
        if arguments.is_empty() && texts.least > 0 {
            return Err(build.call_error(&format!("`{name}` takes arguments"), self.usage));
        }
        if !texts.takes(arguments.len()) {
            let writes = if texts.is_strict { "writes nothing with" } else { "takes the first of" };
            return Ok(Some(format!("`{name}` {writes} this number of arguments: {}", arguments.len())));
        }
        Ok((texts.check)(&arguments.iter().map(Items::as_literal).collect::<Vec<_>>()))
    }
}

impl Texts {
    fn takes(&self, count: usize) -> bool {
        (self.least..=self.most).contains(&count)
    }
}

/// A call of a function of texts.
struct TextsCall {
    name: &'static str,
    texts: &'static Texts,
    arguments: Box<[Items]>,
}

impl Call for TextsCall {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let Self { texts, arguments, .. } = self;
        let count = arguments.len();
        let text = |index: usize| arguments.get(index).map_or_else(Vec::new, |items| items.text(scope));
        let arguments = Arguments { count, text: &text };
        let writes = !texts.is_strict || texts.takes(count);
        match texts.append {
            Append::Of(value_type, append) => {
                if writes {
                    append(&arguments, out);
                }
                value_type
            }
            Append::Telling(append) => append(&arguments, out),
        }
    }
}

impl std::fmt::Debug for TextsCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple(self.name).field(&self.arguments).finish()
    }
}

/// A call of a function that stands for a template.
#[derive(Debug)]
struct WrittenCall {
    #[expect(dead_code, reason = "it is for the debug text")]
    name: &'static str,
    items: Items,
}

impl Call for WrittenCall {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        self.items.append_typed(scope, None, false, out)
    }
}
