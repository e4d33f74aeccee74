//! Texts of a document: where they stand in it, or made anew.

use std::ops::Range;

use crate::message::list;

/// A text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// It stands in the document.
    Part(Range<usize>),
    Made(Vec<u8>),
}

impl Content {
    /// That of `text`, which may be a part of `document`.
    pub(super) fn of(document: &str, text: &str) -> Self {
        let all = document.as_bytes().as_ptr_range();
        let part = text.as_bytes().as_ptr_range();
        if all.start <= part.start && part.end <= all.end {
            let start = part.start.addr() - all.start.addr();
            return Self::Part(start..start + text.len());
        }
        Self::Made(text.as_bytes().to_vec())
    }

    /// Its bytes.
    pub(super) fn bytes<'c>(&'c self, document: &'c str) -> &'c [u8] {
        match self {
            Self::Part(part) => &document.as_bytes()[part.clone()],
            Self::Made(text) => text,
        }
    }

    /// Puts `more` behind `before`.
    pub(super) fn append(before: &mut Option<Self>, more: Self, document: &str) {
        match before {
            None => *before = Some(more),
            Some(before) => before.make(document).extend_from_slice(more.bytes(document)),
        }
    }

    /// The same without white space around it.
    pub(super) fn trimmed(self, document: &str) -> Self {
        let bytes = self.bytes(document);
        let start = bytes.len() - bytes.trim_ascii_start().len();
        let len = bytes.trim_ascii().len();
        match self {
            Self::Part(part) => Self::Part(part.start + start..part.start + start + len),
            Self::Made(text) => Self::Made(text[start..start + len].to_vec()),
        }
    }

    /// The text, made anew if it is not yet.
    fn make(&mut self, document: &str) -> &mut Vec<u8> {
        if let Self::Part(part) = self {
            *self = Self::Made(document.as_bytes()[part.clone()].to_vec());
        }
        match self {
            Self::Made(text) => text,
            Self::Part(_) => unreachable!("it was made"),
        }
    }
}

/// The value that a document has under one name.
#[derive(Debug)]
pub(super) struct Value {
    content: Content,
    is_list: bool,
}

impl Value {
    /// The first text of a name. Of a list it is an element already.
    pub(super) fn new(content: Content, lists: bool, document: &str) -> Self {
        let mut element = Vec::new();
        if lists {
            list::push(content.bytes(document), true, &mut element);
        }
        let is_same = !lists || element == content.bytes(document);
        Self { content: if is_same { content } else { Content::Made(element) }, is_list: false }
    }

    /// A further text of it.
    pub(super) fn add(&mut self, more: &Content, lists: bool, document: &str) {
        let text = self.content.make(document);
        if lists {
            list::push(more.bytes(document), false, text);
            self.is_list = true;
        } else {
            text.extend_from_slice(more.bytes(document));
        }
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// Tells whether it has several elements.
    pub(super) fn is_list(&self) -> bool {
        self.is_list
    }
}
