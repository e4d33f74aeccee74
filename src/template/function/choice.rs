//! Functions that choose and repeat: `or`, `if`, `grep`, `context-lookup`, `context-values`,
//! `context-length`, `map`, `filter`, `iterate`, `template`, `tag`, `tags-head`.
//!
//! The context of a message is that message alone, where no step correlates messages
//! ([`correlated`]).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::options::{self, Given, Known};
use super::{Arguments, Compiled};
use crate::message::{ValueType, list};
use crate::template::build::{Build, Source};
use crate::template::correlated;
use crate::template::element::with_element;
use crate::template::host;
use crate::template::item::{Call, Items, Scope};
use crate::template::surroundings::{Condition, Later, NamedTemplate, NamedTemplates};

/// A condition, compiled when the configuration is read.
type LaterCondition = Later<Arc<dyn Condition>>;

/// Tells whether the message meets a condition; none is met before it is compiled.
fn meets(condition: &LaterCondition, scope: Scope<'_>) -> bool {
    condition.get().is_some_and(|condition| condition.matches(scope.message, scope.context.moment()))
}

/// `$(or)`: the first text that is not empty.
pub(super) fn or(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    if let Some(text) = arguments.texts().find(|text| !text.is_empty()) {
        out.extend_from_slice(&text);
    }
}

/// `$(if condition yes no)`
#[derive(Debug)]
struct If {
    condition: LaterCondition,
    yes: Items,
    no: Items,
}

/// Compiles `$(if)`.
pub(super) fn if_else(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let [condition, yes, no] = sources else {
        return Err(build.call_error("`if` takes a condition and two texts", "$(if (condition) yes no)"));
    };
    let condition = build.condition(condition)?;
    Ok(Box::new(If { condition, yes: build.items(yes)?, no: build.items(no)? }))
}

impl Call for If {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let branch = if meets(&self.condition, scope) { &self.yes } else { &self.no };
        branch.append_typed(scope, None, false, out)
    }
}

/// `$(grep)`, `$(context-lookup)` and `$(context-values)`: texts of the messages that meet a condition.
#[derive(Debug)]
struct Lookup {
    condition: Option<LaterCondition>,
    texts: Vec<Items>,
    /// `--max-count`, where it is not 0.
    most: usize,
    /// Each text is an element of a list; otherwise commas alone are between.
    is_list: bool,
}

fn lookup(build: &mut Build<'_>, sources: &[Source], name: &str, is_list: bool) -> Compiled {
    const OWN: &[Known] = &[Known::value("max-count", 'm')];
    let (mut arguments, mut most) = (Vec::new(), usize::MAX);
    for given in options::read(build, sources, OWN)? {
        match given {
            Given::Argument(source) => arguments.push(source),
            Given::Option(_, at, value) => match value.map(|value| value.text().parse::<u64>()) {
                Some(Ok(0)) => most = usize::MAX,
                Some(Ok(count)) => most = usize::try_from(count).unwrap_or(usize::MAX),
                _ => return Err(build.error(&at, "`--max-count` takes a number of messages", "")),
            },
        }
    }
    let usage = format!("$({name} (condition) text …)");
    let [condition, texts @ ..] = &*arguments else {
        return Err(build.call_error(&format!("`{name}` takes a condition and texts"), &usage));
    };
    if texts.is_empty() {
        return Err(build.call_error(&format!("`{name}` takes texts behind its condition"), &usage));
    }
    let condition = Some(build.condition(condition)?);
    let texts = texts.iter().map(|text| build.items(text)).collect::<Result<_, _>>()?;
    Ok(Box::new(Lookup { condition, texts, most, is_list }))
}

/// Compiles `$(grep)`.
pub(super) fn grep(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    lookup(build, sources, "grep", false)
}

/// Compiles `$(context-lookup)`.
pub(super) fn context_lookup(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    lookup(build, sources, "context-lookup", true)
}

/// Compiles `$(context-values)`.
pub(super) fn context_values(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let texts = sources.iter().map(|text| build.items(text)).collect::<Result<_, _>>()?;
    Ok(Box::new(Lookup { condition: None, texts, most: usize::MAX, is_list: true }))
}

impl Call for Lookup {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let value_type = if self.is_list { ValueType::List } else { ValueType::String };
        let (mut met, mut is_first) = (0, true);
        correlated::each(scope, |scope| {
            if self.condition.as_ref().is_some_and(|condition| !meets(condition, scope)) {
                return true;
            }
            for items in &self.texts {
                if self.is_list {
                    list::push(&items.text(scope), is_first, out);
                } else {
                    if !is_first {
                        out.push(b',');
                    }
                    items.append(scope, out);
                }
                is_first = false;
            }
            met += 1;
            met < self.most
        });
        value_type
    }
}

/// `$(context-length)`
pub(super) fn context_length(_: &Arguments<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(correlated::length().to_string().as_bytes());
}

/// `$(map template list)`
#[derive(Debug)]
struct Map {
    each: Items,
    list: Items,
}

/// Compiles `$(map)`.
pub(super) fn map(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let [each, list] = sources else {
        return Err(build.call_error("`map` takes a template and a list", "$(map template list)"));
    };
    Ok(Box::new(Map { each: build.items(each)?, list: build.items(list)? }))
}

impl Call for Map {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        for (index, element) in list::decode(&self.list.text(scope)).iter().enumerate() {
            let text = with_element(ValueType::String, element, || self.each.text(scope));
            list::push(&text, index == 0, out);
        }
        ValueType::List
    }
}

/// `$(filter condition list)`
#[derive(Debug)]
struct Filter {
    condition: LaterCondition,
    list: Items,
}

/// Compiles `$(filter)`.
pub(super) fn filter(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let [condition, list] = sources else {
        return Err(build.call_error("`filter` takes a condition and a list", "$(filter (condition) list)"));
    };
    Ok(Box::new(Filter { condition: build.condition(condition)?, list: build.items(list)? }))
}

impl Call for Filter {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let elements = list::decode(&self.list.text(scope));
        let meets =
            |element: &&Vec<u8>| with_element(ValueType::String, element, || meets(&self.condition, scope));
        for (index, element) in elements.iter().filter(meets).enumerate() {
            list::push(element, index == 0, out);
        }
        ValueType::List
    }
}

/// `$(iterate template start)`: a state of its own for each place where it is written.
struct Iterate {
    next: Items,
    /// The value that the next message gets, and its type.
    state: Mutex<(ValueType, Vec<u8>)>,
}

/// The value at the moment is no part of the text by which drivers are compared.
impl fmt::Debug for Iterate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iterate").field("next", &self.next).finish_non_exhaustive()
    }
}

/// Compiles `$(iterate)`.
pub(super) fn iterate(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let [next, start] = sources else {
        return Err(
            build.call_error("`iterate` takes a template and its first value", "$(iterate template start)")
        );
    };
    let state = Mutex::new((ValueType::String, start.bytes.clone()));
    Ok(Box::new(Iterate { next: build.items(next)?, state }))
}

impl Call for Iterate {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (value_type, text) = &mut *state;
        out.extend_from_slice(text);
        let mut next = Vec::new();
        let next_type =
            with_element(*value_type, text, || self.next.append_typed(scope, None, false, &mut next));
        let now = *value_type;
        *state = (next_type, next);
        now
    }
}

/// `$(template name fallback …)`
#[derive(Debug)]
struct Named {
    name: Name,
    fallback: Vec<Items>,
}

enum Name {
    Known(Later<NamedTemplate>),
    /// Each message tells the name.
    Told(Items, Later<NamedTemplates>),
}

/// The text by which drivers are compared has the templates that are named, as deep as they are formatted.
/// If messages tell the names, it has the texts of all, and says whether one of them calls the host.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, Level::enter()) {
            (_, None) => f.write_str("…"),
            (Self::Known(template), Some(_)) => f.debug_tuple("Known").field(template).finish(),
            (Self::Told(name, all), Some(_)) => {
                if all.get().is_some_and(|all| all.values().any(|named| named.template.calls_host())) {
                    host::meet();
                }
                let texts = all.get().into_iter().flatten();
                let texts: Vec<_> = texts.map(|(name, named)| (name, named.template.text())).collect();
                f.debug_tuple("Told").field(name).field(&texts).finish()
            }
        }
    }
}

/// Compiles `$(template)`.
pub(super) fn template(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let [name, fallback @ ..] = sources else {
        return Err(
            build.call_error("`template` takes the name of a template", "$(template name [fallback …])")
        );
    };
    let items = build.items(name)?;
    let found = match items.as_literal() {
        Some(_) => build.surroundings.template(&name.text(), name.place()).map(Name::Known),
        None => build.surroundings.templates().map(|all| Name::Told(items, all)),
    };
    let name = found.map_err(|message| build.error(name, &message, ""))?;
    let fallback = fallback.iter().map(|text| build.items(text)).collect::<Result<_, _>>()?;
    Ok(Box::new(Named { name, fallback }))
}

/// The deepest that templates may name each other, where only messages tell the names.
const MAX_DEPTH: usize = 16;

thread_local! {
    static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A level of templates that name each other.
struct Level;

impl Level {
    fn enter() -> Option<Self> {
        let depth = DEPTH.get();
        (depth < MAX_DEPTH).then(|| {
            DEPTH.set(depth + 1);
            Self
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl Call for Named {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let Some(_level) = Level::enter() else { return ValueType::String };
        let found = match &self.name {
            Name::Known(template) => template.get(),
            Name::Told(name, all) => {
                let name = name.text(scope);
                std::str::from_utf8(&name).ok().and_then(|name| all.get()?.get(name))
            }
        };
        if let Some(template) = found {
            return template.append(scope, out);
        }
        for (index, items) in self.fallback.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            items.append(scope, out);
        }
        ValueType::String
    }
}

/// `$(tag name [yes [no]])`
#[derive(Debug)]
struct Tag {
    name: Vec<u8>,
    yes: Vec<u8>,
    no: Vec<u8>,
    value_type: ValueType,
}

/// Compiles `$(tag)`.
pub(super) fn tag(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let text =
        |index: usize, default: &[u8]| sources.get(index).map_or(default.to_vec(), |text| text.bytes.clone());
    if !(1..=3).contains(&sources.len()) {
        return Err(build.call_error("`tag` takes the name of a tag", "$(tag name [yes [no]])"));
    }
    let value_type = if sources.len() == 1 { ValueType::Boolean } else { ValueType::String };
    Ok(Box::new(Tag { name: text(0, b""), yes: text(1, b"1"), no: text(2, b"0"), value_type }))
}

impl Call for Tag {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let is_set = scope.message.has_tag(&self.name);
        out.extend_from_slice(if is_set { &self.yes } else { &self.no });
        self.value_type
    }
}

/// `$(tags-head name …)`: the first of these tags that the message has.
#[derive(Debug)]
struct TagsHead(Vec<Vec<u8>>);

/// Compiles `$(tags-head)`.
pub(super) fn tags_head(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    if sources.is_empty() {
        return Err(build.call_error("`tags-head` takes names of tags", "$(tags-head name …)"));
    }
    Ok(Box::new(TagsHead(sources.iter().map(|source| source.bytes.clone()).collect())))
}

impl Call for TagsHead {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        match self.0.iter().find(|name| scope.message.has_tag(name)) {
            Some(name) => {
                out.extend_from_slice(name);
                ValueType::String
            }
            None => ValueType::Null,
        }
    }
}
