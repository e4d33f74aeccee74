//! The values that one row after the other is given in the same order: [`Given`].
//!
//! A parser finds values of the same names in message after message. Where the names that a row was given so
//! far are those of the row before, one by one, a further name that is the next one of that row is none of
//! them, as the names of a row are all different: it is neither looked for nor kept again.
//!
//! ```text
//!  fields   … │ PROGRAM PID │ user=bob ip=10.0.0.1 port=22 │ PROGRAM PID │ user=eve ip=10.0.0.9
//!               as it came    given to the row before        as it came    given so far, next: port?
//! ```

use std::ops::Range;

use super::RevisedRow;
use crate::eight::is_same;
use crate::message::batch::Text;
use crate::message::{Field, FieldName, ValueType};

/// The places in a revision's fields of what a row is given, and of what the one before it was given.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The fields that a row before was given, each of a name of its own.
    before: Range<usize>,
    /// The first field that the row at hand was given.
    start: usize,
    /// Tells whether the names that it was given so far are those of the row before.
    is_same: bool,
    /// Tells whether all names that it was given are different, also from those that it had.
    is_distinct: bool,
    /// Tells whether two of its fields may have one name that is a text.
    may_repeat: bool,
}

impl Given {
    /// Begins a row, whose fields so far are `had` and end at `start`; `may_repeat` says that two of them may have
    /// one name.
    #[inline]
    pub(super) fn begin(&mut self, had: &[Field], start: usize, may_repeat: bool) {
        self.start = start;
        self.is_distinct = had.iter().all(|field| field.id != FieldName::Text);
        self.is_same = self.is_distinct;
        self.may_repeat = may_repeat && !self.is_distinct;
    }

    /// Tells whether two of the row's fields may have one name that is a text.
    #[inline]
    pub(super) fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    /// Takes a field into account that was added for a name that the row did not have, or whose name is no text.
    #[inline]
    pub(super) fn add_other(&mut self) {
        self.is_same = false;
    }

    /// Takes a field into account that was added without a look for its name, which is a text.
    #[inline]
    pub(super) fn add_any(&mut self) {
        (self.is_same, self.is_distinct, self.may_repeat) = (false, false, true);
    }

    /// Ends a row whose fields end at `end`, each at the place where it was added.
    #[inline]
    pub(super) fn end(&mut self, end: usize) {
        if self.is_distinct && self.start < end {
            self.before = self.start..end;
        }
    }
}

impl RevisedRow<'_> {
    /// Adds the value called `name`, when it is the one that the row before was given in this place. Otherwise
    /// it is looked for, and where it is added, that is noted ([`Given::add_other`]).
    #[inline]
    pub(super) fn add_as_before(&mut self, name: &[u8], value_type: ValueType, value: Text<'_>) -> bool {
        self.open();
        let given = &self.index.given;
        let next = given.before.start + (self.revision.fields.len() - given.start);
        if !given.is_same || next >= given.before.end {
            return false;
        }
        let field = self.revision.fields[next];
        if field.id != FieldName::Text
            || field.name.len as usize != name.len()
            || !is_same(self.revision.bytes(self.batch, field.name), name)
        {
            return false;
        }
        let value = self.place(value);
        self.push(Field { value, value_type, ..field });
        true
    }
}
