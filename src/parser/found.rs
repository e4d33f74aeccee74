//! The values that a parser finds in a text: [`Found`].

use std::fmt;
use std::ops::Range;

use crate::message::batch::Text;
use crate::message::{RevisedRow, ValueName, ValueType};
use crate::rewrite::{Scratch, Value};

/// The longest name of a value, in bytes. A longer one is not stored.
pub(super) const NAME_MAX: usize = 255;

/// Memory that a parser may use as it likes; what was in it before is not cleared.
#[derive(Debug, Default)]
pub struct Buffers {
    /// For names.
    pub name: Vec<u8>,
    /// For texts.
    pub text: Vec<u8>,
    /// For places in them.
    pub marks: Vec<usize>,
}

impl Buffers {
    /// The largest buffer that is kept from one batch to the next, in bytes.
    pub(super) const KEPT: usize = 64 * 1024;

    /// Gives memory back that one long text took.
    pub(super) fn shrink(&mut self) {
        for buffer in [&mut self.name, &mut self.text] {
            if buffer.capacity() > Self::KEPT {
                *buffer = Vec::new();
            }
        }
        if self.marks.capacity() > Self::KEPT / size_of::<usize>() {
            self.marks = Vec::new();
        }
    }
}

/// The values that a parser finds in one text, as it goes.
///
/// Names are whole: with the prefix, if the parser has one. A name that the language knows (`MESSAGE`, `HOST`,
/// `.SDATA.id.name`) is what it is elsewhere, and `0` to `255` are the matches. An empty name is not stored;
/// neither is one of more than 255 bytes, which is said in the log.
pub struct Found<'f, 'a> {
    pub(super) row: &'f mut RevisedRow<'a>,
    pub(super) scratch: &'f mut Scratch,
    /// The text that is parsed.
    pub(super) text: &'f [u8],
    /// Tells whether the text is MESSAGE, as it was at the start.
    pub(super) is_payload: bool,
}

impl<'f, 'a> Found<'f, 'a> {
    /// Sets the value called `name` to what stands at `part` of the text. Where the text is MESSAGE, nothing
    /// is copied.
    ///
    /// # Panics
    /// When the part does not lie inside the text.
    #[inline]
    pub fn part(&mut self, name: &[u8], value_type: ValueType, part: Range<usize>) {
        if self.is_name(name) {
            let text = self.span(part);
            self.row.set_named(name, value_type, text);
        }
    }

    /// Sets the value called `name` to a text that was made: it is copied.
    #[inline]
    pub fn value(&mut self, name: &[u8], value_type: ValueType, text: &[u8]) {
        if self.is_name(name) {
            self.row.set_named(name, value_type, Text::Copy(text));
        }
    }

    /// The same as [`Found::part`], for a name that was known when the configuration was read.
    ///
    /// # Panics
    /// When the part does not lie inside the text.
    #[inline]
    pub fn known_part(&mut self, name: &ValueName, value_type: ValueType, part: Range<usize>) {
        let text = self.span(part);
        self.row.set_value(name, value_type, text);
    }

    /// The same as [`Found::value`], for a name that was known when the configuration was read.
    #[inline]
    pub fn known(&mut self, name: &ValueName, value_type: ValueType, text: &[u8]) {
        self.row.set_value(name, value_type, Text::Copy(text));
    }

    /// Sets the value called `name` to what `value` is for the message as it is now.
    pub(crate) fn write(&mut self, name: &ValueName, value: &Value) {
        let (value_type, text) = value.of(self.row.read(), self.scratch);
        self.row.set_value(name, value_type, Text::Copy(text));
    }

    /// The text of `value` for the message as it is now.
    pub(crate) fn format<'v>(&'v mut self, value: &'v Value) -> &'v [u8] {
        value.of(self.row.read(), self.scratch).1
    }

    /// The message: its stamps, tags and priority, and what was found so far.
    pub fn row(&mut self) -> &mut RevisedRow<'a> {
        self.row
    }

    /// Has `text` said in the log. Of many lines only a few are.
    pub fn say(&mut self, text: String) {
        self.scratch.say(text);
    }

    /// A part of the text, as the row takes it.
    #[inline]
    pub(super) fn span(&self, part: Range<usize>) -> Text<'f> {
        if self.is_payload && part.end <= self.text.len() {
            Text::Payload(part.start as u32, part.len() as u32)
        } else {
            Text::Copy(&self.text[part])
        }
    }

    /// Tells whether `name` can be that of a value; says so of one that is too long.
    #[inline]
    fn is_name(&mut self, name: &[u8]) -> bool {
        if name.len() > NAME_MAX {
            self.too_long(name);
        }
        (1..=NAME_MAX).contains(&name.len())
    }

    #[cold]
    fn too_long(&mut self, name: &[u8]) {
        let shown = name[..40].escape_ascii();
        let text =
            format!("a name of {} bytes is not stored, {NAME_MAX} is the longest: `{shown}…`", name.len());
        self.say(text);
    }
}

impl fmt::Debug for Found<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("row", &self.row).finish_non_exhaustive()
    }
}
