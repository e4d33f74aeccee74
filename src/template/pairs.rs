//! value-pairs: the values, macros and templates of a message that go out by their names.
//!
//! ```text
//!  scope, key, exclude ──► which values and macros      pair ──► further ones, made by templates
//!  rekey ──► their names                                cast ──► whether they keep their types
//! ```
//!
//! All that does not depend on a message is decided once, by the [`Builder`]: which macros there are, and the
//! names that they and the pairs have after the rekeying. Of a message only the values are looked at, each
//! against the scopes and the patterns of `key()` and `exclude()`: of those that match, the last one decides.
//! Of several things with one name the last one stays, in the order of values, macros, pairs.
//!
//! [`ValuePairs::gather`] gives what a message has, in the order of the names' bytes. Nothing is copied but
//! what a template or a macro makes, and a name that is changed.

use smallvec::SmallVec;

use super::glob::Glob;
use super::item::{Items, Scope};
use super::macros::Value;
use super::{Context, Template};
use crate::message::value_name::SDATA;
use crate::message::{FieldName, MessageRef, ValueType};

mod builder;
pub(super) mod command_line;

pub(crate) use builder::Builder;

/// The choice of values by the first byte of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Scopes {
    /// Values whose names do not start with a dot.
    plain: bool,
    /// Values whose names do.
    dotted: bool,
    /// Values of structured data.
    sdata: bool,
}

/// A change of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Drops bytes in front; a name that is shorter stays.
    Shift(usize),
    /// Drops what stands up to and with a dot, so many times, or nothing where there are fewer.
    ShiftLevels(usize),
    AddPrefix(Box<[u8]>),
    ReplacePrefix(Box<[u8]>, Box<[u8]>),
    Upper,
    Lower,
}

/// Changes of the names that have one of some patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rekey {
    globs: Vec<Glob>,
    changes: Vec<Change>,
}

/// The maker of a value that does not depend on what values a message has.
#[derive(Debug)]
enum Maker {
    /// A macro: left out when it is empty.
    Macro(Value),
    Template(Items, Option<ValueType>),
    /// A template of the configuration.
    Shared(Template),
}

/// The values of a message that go out by their names, and how.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct ValuePairs {
    scopes: Scopes,
    /// Patterns of names, and whether they include.
    globs: Vec<(Glob, bool)>,
    rekeys: Vec<Rekey>,
    /// Macros and pairs by their last names, in rising order.
    made: Vec<(Box<[u8]>, Maker)>,
    /// Values have their types; otherwise all but what has a hint is a string.
    keeps_types: bool,
    includes_bytes: bool,
    omits_empty: bool,
    /// A dot in front of a name becomes an underscore, after all changes.
    no_leading_dot: bool,
    /// The values that can be chosen.
    candidates: Candidates,
}

/// The values that are worth a look: by the scopes, and by whether a pattern includes any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidates {
    None,
    /// Those whose names start with a dot.
    Dotted,
    All,
}

/// A value with its name and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamedValue<'a> {
    /// Its name, after the rekeying.
    pub name: &'a [u8],
    /// Its type.
    pub value_type: ValueType,
    /// Its text.
    pub value: &'a [u8],
}

/// Bytes of the message, or of what was made.
#[derive(Clone, Copy)]
enum Bytes<'a> {
    Given(&'a [u8]),
    Made(usize, usize),
}

impl<'a> Bytes<'a> {
    fn get(self, made: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Given(bytes) => bytes,
            Self::Made(start, end) => &made[start..end],
        }
    }
}

/// A value that was found, before the made texts stay where they are.
type Found<'a> = (Bytes<'a>, ValueType, Bytes<'a>);

/// Values that are kept on the stack; more go to the heap.
const FEW: usize = 24;

impl ValuePairs {
    /// Calls `with` with the values of `message`, in rising order of their names, each name once; `context` says how
    /// they are formatted.
    pub(crate) fn of<R>(
        &self,
        message: MessageRef<'_>,
        context: &Context,
        with: impl FnOnce(&[NamedValue<'_>]) -> R,
    ) -> R {
        self.gather(Scope { message, context }, with)
    }

    /// Calls `with` with the values of a message, in rising order of their names, each name once.
    pub(super) fn gather<R>(&self, scope: Scope<'_>, with: impl FnOnce(&[NamedValue<'_>]) -> R) -> R {
        let mut made = scope.context.take_scratch();
        let mut found: SmallVec<[Found<'_>; FEW]> = SmallVec::new();
        match self.candidates {
            Candidates::None => {}
            Candidates::All => {
                self.find_common(scope, &mut made, &mut found);
                self.find_pairs(scope, &mut made, &mut found);
            }
            Candidates::Dotted => self.find_pairs(scope, &mut made, &mut found),
        }
        // What macros and templates make comes behind them, in the order of its names.
        let values = found.len();
        for (name, maker) in &self.made {
            let start = made.len();
            let (value_type, hint) = match maker {
                Maker::Macro(value) => (super::append::append_typed(value, None, scope, &mut made), None),
                Maker::Template(items, hint) => (items.append_typed(scope, *hint, false, &mut made), *hint),
                Maker::Shared(template) => (template.append_typed(scope, &mut made), template.hint()),
            };
            let is_empty = made.len() == start;
            if is_empty && (self.omits_empty || matches!(maker, Maker::Macro(_))) {
                continue;
            }
            if value_type.is_binary() && !self.includes_bytes {
                continue;
            }
            let value_type = if self.keeps_types || hint.is_some() { value_type } else { ValueType::String };
            found.push((Bytes::Given(name), value_type, Bytes::Made(start, made.len())));
        }
        // From here on nothing more is made, and all texts stay where they are.
        let named = found.iter().map(|(name, value_type, value)| NamedValue {
            name: name.get(&made),
            value_type: *value_type,
            value: value.get(&made),
        });
        let mut named: SmallVec<[NamedValue<'_>; FEW]> = named.collect();
        if values > 0 {
            named = in_order(named, values);
        }
        let result = with(&named);
        drop(named);
        drop(found);
        scope.context.give_scratch(made);
        result
    }

    /// Finds the values that all messages have, and those that their origin may give them.
    fn find_common<'a>(&self, scope: Scope<'a>, made: &mut Vec<u8>, found: &mut SmallVec<[Found<'a>; FEW]>) {
        let message = scope.message;
        let origin = message.batch().origin();
        let mut add = |name: &'static str, value_type, value: &'a [u8]| {
            self.add(made, found, Bytes::Given(name.as_bytes()), value_type, value);
        };
        if message.text_type() != ValueType::Null {
            add("MESSAGE", message.text_type(), message.text());
        }
        if !origin.source.is_empty() {
            add("SOURCE", ValueType::String, origin.source.as_bytes());
        }
        for id in COMMON {
            if let (Some(name), Some((value_type, value))) = (id.text(), message.known_typed(*id))
                && !(value.is_empty() && *id != FieldName::Program)
            {
                add(name, value_type, value);
            }
        }
        if let Some(transport) = &origin.transport {
            add("TRANSPORT", ValueType::String, transport.as_bytes());
        }
    }

    /// Finds the other values: those of its connection, and the message's own.
    fn find_pairs<'a>(&self, scope: Scope<'a>, made: &mut Vec<u8>, found: &mut SmallVec<[Found<'a>; FEW]>) {
        for (name, value) in scope.message.common_pairs() {
            self.add(made, found, Bytes::Given(name.as_bytes()), ValueType::String, value);
        }
        for pair in scope.message.pairs() {
            let name = match pair.id {
                FieldName::SdParam => {
                    let start = made.len();
                    made.reserve(SDATA.len() + pair.sd_id.len() + 1 + pair.name.len());
                    for part in [SDATA, pair.sd_id, b".", pair.name] {
                        made.extend_from_slice(part);
                    }
                    Bytes::Made(start, made.len())
                }
                FieldName::Text => Bytes::Given(pair.name),
                FieldName::SdId | FieldName::SourceIp | FieldName::SourcePort | FieldName::ChainedHost => {
                    continue;
                }
                id if COMMON.contains(&id) => continue,
                known => match known.text() {
                    Some(name) => Bytes::Given(name.as_bytes()),
                    None => continue,
                },
            };
            self.add(made, found, name, pair.value_type, pair.value);
        }
    }

    /// Adds a value if it is chosen, under its last name.
    fn add<'a>(
        &self,
        made: &mut Vec<u8>,
        found: &mut SmallVec<[Found<'a>; FEW]>,
        name: Bytes<'a>,
        value_type: ValueType,
        value: &'a [u8],
    ) {
        let is_left_out =
            value_type.is_binary() && !self.includes_bytes || value.is_empty() && self.omits_empty;
        if is_left_out || !self.chooses(name.get(made)) {
            return;
        }
        let name = self.rekeyed(made, name);
        let value_type =
            if self.keeps_types || value_type.is_binary() { value_type } else { ValueType::String };
        found.push((name, value_type, Bytes::Given(value)));
    }

    /// Tells whether the value called `name` is chosen.
    fn chooses(&self, name: &[u8]) -> bool {
        if let Some((_, includes)) = self.globs.iter().rev().find(|(glob, _)| glob.matches(name)) {
            return *includes;
        }
        let scopes = &self.scopes;
        match name {
            [b'.', ..] => scopes.dotted || scopes.sdata && name.starts_with(SDATA),
            _ => scopes.plain,
        }
    }

    /// The name after all changes; what is new of it is put behind `made`.
    fn rekeyed<'a>(&self, made: &mut Vec<u8>, name: Bytes<'a>) -> Bytes<'a> {
        let mut changed: Option<Vec<u8>> = None;
        for rekey in &self.rekeys {
            let now = changed.as_deref().unwrap_or(name.get(made));
            if rekey.globs.iter().any(|glob| glob.matches(now)) {
                let mut next = now.to_vec();
                rekey.changes.iter().for_each(|change| change.apply(&mut next));
                changed = Some(next);
            }
        }
        let mut name = name;
        if let Some(changed) = changed {
            let start = made.len();
            made.extend_from_slice(&changed);
            name = Bytes::Made(start, made.len());
        }
        if self.no_leading_dot && name.get(made).first() == Some(&b'.') {
            if let Bytes::Given(text) = name {
                let start = made.len();
                made.extend_from_slice(text);
                name = Bytes::Made(start, made.len());
            }
            if let Bytes::Made(start, _) = name {
                made[start] = b'_';
            }
        }
        name
    }
}

/// The names that a message may have from its origin.
const COMMON: &[FieldName] = &[FieldName::Host, FieldName::HostFrom, FieldName::Program, FieldName::Pid];

/// All by their names, each name once: the last of it. The first `values` are in any order, the others in that
/// of their names.
fn in_order<'a>(
    mut named: SmallVec<[NamedValue<'a>; FEW]>,
    values: usize,
) -> SmallVec<[NamedValue<'a>; FEW]> {
    let (found, made) = named.split_at_mut(values);
    // Stable: of one name the later value stays behind the earlier one.
    found.sort_by(|one, other| one.name.cmp(other.name));
    let mut all: SmallVec<[NamedValue<'a>; FEW]> = SmallVec::with_capacity(found.len() + made.len());
    let mut made = made.iter().peekable();
    for (at, value) in found.iter().enumerate() {
        while let Some(before) = made.next_if(|other| other.name < value.name) {
            all.push(*before);
        }
        let is_last = found.get(at + 1).is_none_or(|next| next.name != value.name);
        if is_last && made.peek().is_none_or(|other| other.name != value.name) {
            all.push(*value);
        }
    }
    all.extend(made.copied());
    all
}

impl Change {
    /// Changes `name`.
    fn apply(&self, name: &mut Vec<u8>) {
        match self {
            Self::Shift(bytes) if *bytes <= name.len() => drop(name.drain(..bytes)),
            Self::ShiftLevels(levels) => {
                let dots = name.iter().enumerate().filter(|(_, byte)| **byte == b'.');
                if let Some((dot, _)) = dots.clone().nth(levels - 1) {
                    name.drain(..=dot);
                }
            }
            Self::AddPrefix(prefix) => drop(name.splice(..0, prefix.iter().copied())),
            Self::ReplacePrefix(old, new) if name.starts_with(old) => {
                name.splice(..old.len(), new.iter().copied());
            }
            Self::Shift(_) | Self::ReplacePrefix(..) => {}
            Self::Upper => name.make_ascii_uppercase(),
            Self::Lower => name.make_ascii_lowercase(),
        }
    }
}
