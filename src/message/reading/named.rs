//! Values by names that are texts: [`MessageRef::named`], and the same for message after message, [`Lookup`].

use std::sync::atomic::{AtomicU32, Ordering};

use super::MessageRef;
use crate::eight::is_same;
use crate::message::value_name::SDATA;
use crate::message::{Field, FieldName, ValueType};

/// The part of the name of structured data behind `.SDATA.`.
#[inline]
fn structured_rest(name: &[u8]) -> Option<&[u8]> {
    const START: [u8; 7] = *b".SDATA.";
    const _: () = assert!(START.len() == SDATA.len());
    name.split_first_chunk().and_then(|(start, rest)| (*start == START).then_some(rest))
}

/// The place of the dot in `rest`, before which stands an SD-ID, if `field` is a parameter of structured data that
/// is set, and its name as long as what stands behind the dot.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "all fields of a message are looked at, for each name of a template"
)]
fn dot_before(field: &Field, rest: &[u8]) -> Option<usize> {
    if field.id != FieldName::SdParam {
        return None;
    }
    let dot = rest.len().checked_sub(field.name.len as usize + 1)?;
    (rest[dot] == b'.' && !field.is_unset()).then_some(dot)
}

/// A name that is looked up in message after message.
///
/// The values of messages mostly come from one parser, and stand at the same place in each: that place is looked
/// at first. It is a hint, which any thread may change.
#[derive(Debug)]
pub struct Lookup {
    name: Box<[u8]>,
    is_structured: bool,
    place: AtomicU32,
}

impl Lookup {
    /// The lookup of `name`, which is no name that the engine knows.
    pub fn new(name: &[u8]) -> Self {
        Self { name: name.into(), is_structured: structured_rest(name).is_some(), place: AtomicU32::new(0) }
    }

    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}

impl Clone for Lookup {
    fn clone(&self) -> Self {
        Self::new(&self.name)
    }
}

impl PartialEq for Lookup {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Lookup {}

impl<'a> MessageRef<'a> {
    /// The type and the text of the pair called `name`, which is none of the known ones.
    /// `.SDATA.id.param` finds a parameter of structured data; of one that is repeated, the last.
    pub fn named(&self, name: &[u8]) -> Option<(ValueType, &'a [u8])> {
        if let Some(rest) = structured_rest(name)
            && let Some(found) = self.structured(rest)
        {
            return Some(self.pair_of(&self.fields()[found]));
        }
        self.named_text(name)
    }

    /// The same for a field whose name is the whole text.
    fn named_text(&self, name: &[u8]) -> Option<(ValueType, &'a [u8])> {
        let found = self.fields().iter().rfind(|field| self.is_named(field, name));
        self.typed(found, name)
    }

    /// The type and the text of the value of `field`.
    #[inline]
    fn pair_of(&self, field: &Field) -> (ValueType, &'a [u8]) {
        (field.value_type, self.bytes(field.value))
    }

    /// The same as [`named`](Self::named), for the name of a lookup.
    #[inline]
    pub fn look_up(&self, lookup: &Lookup) -> Option<(ValueType, &'a [u8])> {
        if lookup.is_structured {
            return self.look_up_structured(lookup);
        }
        let fields = self.fields();
        // Where a name may be there twice, the last one counts.
        let is_once = self.revision.is_some_and(|revision| !revision.may_repeat());
        let place = lookup.place.load(Ordering::Relaxed);
        if let Some(field) = fields.get(place as usize).filter(|_| is_once)
            && self.is_named(field, &lookup.name)
        {
            return self.typed(Some(field), &lookup.name);
        }
        let found = fields.iter().rposition(|field| self.is_named(field, &lookup.name));
        if let Some(found) = found
            && is_once
        {
            lookup.place.store(found as u32, Ordering::Relaxed);
        }
        self.typed(found.map(|at| &fields[at]), &lookup.name)
    }

    /// The same for a name of structured data.
    fn look_up_structured(&self, lookup: &Lookup) -> Option<(ValueType, &'a [u8])> {
        let (rest, fields) = (&lookup.name[SDATA.len()..], self.fields());
        let place = lookup.place.load(Ordering::Relaxed) as usize;
        if self.is_last_structured(rest, fields, place) {
            return Some(self.pair_of(&fields[place]));
        }
        match self.structured(rest) {
            Some(found) => {
                lookup.place.store(found as u32, Ordering::Relaxed);
                Some(self.pair_of(&fields[found]))
            }
            None => self.named_text(&lookup.name),
        }
    }

    /// Tells whether the field at `place` is the last parameter of structured data that is called `.SDATA.` and
    /// `rest`.
    #[inline]
    fn is_last_structured(&self, rest: &[u8], fields: &[Field], place: usize) -> bool {
        let Some((field, later)) = fields.get(place..).and_then(<[Field]>::split_first) else { return false };
        let Some(dot) = dot_before(field, rest) else { return false };
        self.is_behind(dot, field, rest)
            && is_same(self.element(&fields[..place]), &rest[..dot])
            && !later
                .iter()
                .any(|other| dot_before(other, rest).is_some_and(|dot| self.is_behind(dot, other, rest)))
    }

    /// Tells whether the name of `field` is what stands behind the `dot` in `rest`.
    #[inline]
    fn is_behind(&self, dot: usize, field: &Field, rest: &[u8]) -> bool {
        is_same(self.bytes(field.name), &rest[dot + 1..])
    }

    /// The type and the text of the value called `name`, whose field is `found`; otherwise it may be one that all
    /// messages of the batch have in common.
    #[inline]
    fn typed(&self, found: Option<&Field>, name: &[u8]) -> Option<(ValueType, &'a [u8])> {
        match found {
            Some(field) if field.is_unset() => None,
            Some(field) => Some(self.pair_of(field)),
            None => self.batch.origin().value(name).map(|value| (ValueType::String, value)),
        }
    }

    /// Tells whether `field` is a value called `name`.
    #[inline]
    fn is_named(&self, field: &Field, name: &[u8]) -> bool {
        field.id == FieldName::Text && self.is_called(field, name)
    }

    /// Tells whether the name of `field`, which has a text for it, is `name`.
    #[inline]
    pub(super) fn is_called(&self, field: &Field, name: &[u8]) -> bool {
        field.name.len as usize == name.len() && is_same(self.bytes(field.name), name)
    }

    /// The number of the field that is the parameter of structured data called `.SDATA.` and `rest`; of one that is
    /// repeated, the last.
    ///
    /// The fields are looked at from the end, where the first one found is the one that counts, and an SD-ID is
    /// read only where the name behind it is right: most fields cost a look at one byte of `rest`.
    fn structured(&self, rest: &[u8]) -> Option<usize> {
        let fields = self.fields();
        // The SD-ID of the element that is gone through, once it was asked for.
        let mut element = None;
        for (at, field) in fields.iter().enumerate().rev() {
            if field.id == FieldName::SdId && !field.is_unset() {
                element = None;
            } else if let Some(dot) = dot_before(field, rest)
                && self.is_behind(dot, field, rest)
            {
                let id = *element.get_or_insert_with(|| self.element(&fields[..at]));
                if is_same(id, &rest[..dot]) {
                    return Some(at);
                }
            }
        }
        None
    }

    /// The SD-ID of the element that is open behind `fields`; empty where none is.
    #[inline]
    fn element(&self, fields: &[Field]) -> &'a [u8] {
        let is_start = |field: &&Field| field.id == FieldName::SdId && !field.is_unset();
        fields.iter().rfind(is_start).map_or(b"", |start| self.bytes(start.value))
    }

    /// Tells whether it has the parameter of structured data that is called `whole`.
    pub(in crate::message) fn has_structured(&self, whole: &[u8]) -> bool {
        structured_rest(whole).is_some_and(|rest| self.structured(rest).is_some())
    }
}
