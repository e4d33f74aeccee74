//! `xml()` and `windows-eventlog-xml-parser()`: values out of an XML document.
//!
//! ```text
//! <order id="7"><item>pen</item><item>red ink</item></order>
//!
//! .xml.order._id=7   .xml.order.item=pen,"red ink"
//! ```
//!
//! A value is called as the elements around it, with dots between; one of an attribute has an underscore in
//! front of the last part. `quick-xml` gives the tags and the pieces of text; the names, and what one name had
//! before in this document, are kept here. The text of an element is complete at its end, and all values are
//! set at the end of the document, so that a list that grows is never copied.
//!
//! Entities are those that XML has by itself: nothing that a document declares is ever expanded.

mod content;

use std::ops::Range;

use indexmap::IndexMap;
use quick_xml::Reader;
use quick_xml::escape::{resolve_xml_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::found::NAME_MAX;
use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Table};
use crate::message::ValueType;
use crate::rewrite::Contexts;
use crate::template::Glob;
use content::{Content, Value};

/// The element of Windows' event log whose values are told apart by an attribute.
const EVENT_DATA: &[u8] = b"Event.EventData.Data";

/// The options of `xml()`.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct XmlOptions {
    /// `prefix()` of the names, without the dot behind it.
    prefix: String,
    /// `exclude-tags()`
    excluded: Vec<String>,
    /// `strip-whitespaces()`
    strips: bool,
    /// `create-lists()`
    lists: bool,
    /// `drop-invalid()`
    drops: bool,
    /// It is that of Windows' event log.
    is_event_log: bool,
    text: TextOptions,
}

const TABLE: Table<XmlOptions> = &[
    (
        "prefix",
        Kind::Text(|to, prefix| {
            let text = prefix.value;
            to.prefix = text.strip_suffix('.').map(str::to_owned).unwrap_or(text);
        }),
    ),
    ("exclude-tags", Kind::Texts(|to, glob| to.excluded.push(glob.value))),
    ("strip-whitespaces", Kind::YesNo(|to, strips| to.strips = strips)),
    ("create-lists", Kind::YesNo(|to, lists| to.lists = lists)),
    ("drop-invalid", Kind::YesNo(|to, drops| to.drops = drops)),
];

impl ParserOptions for XmlOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            prefix: ".xml".to_owned(),
            excluded: Vec::new(),
            strips: false,
            lists: true,
            drops: false,
            is_event_log: head.word == "windows-eventlog-xml-parser",
            text: TextOptions::default(),
        };
        read_options(parser, head, (TABLE, &mut options), |options| &mut options.text);
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        let excluded = self.excluded.iter().map(|glob| Glob::new(glob.as_bytes())).collect();
        Ok(Box::new(Xml { options: self.clone(), excluded }))
    }
}

#[derive(Debug)]
struct Xml {
    options: XmlOptions,
    excluded: Vec<Glob>,
}

/// The reason why a text is no document, and its place.
struct Broken {
    what: String,
    at: usize,
}

impl Parse for Xml {
    fn parse(&self, text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
        let name = &mut buffers.name;
        name.clear();
        name.extend_from_slice(self.options.prefix.as_bytes());
        let (valid, broken) = match std::str::from_utf8(text) {
            Ok(text) => (text, None),
            Err(error) => {
                let at = error.valid_up_to();
                (std::str::from_utf8(&text[..at]).unwrap_or_default(), Some(at))
            }
        };
        let mut document = Document {
            xml: self,
            text: valid,
            name,
            open: Vec::new(),
            piece: None,
            values: IndexMap::new(),
            long: None,
        };
        let read = document.read();
        let read = match broken {
            Some(at) => Err(Broken { what: "it is not UTF-8".to_owned(), at }),
            None => read,
        };
        if let Err(Broken { what, at }) = &read {
            found.say(format!("no XML at byte {at}: {what}"));
            if self.options.drops {
                return Err(Refused("no XML"));
            }
        }
        document.set(found);
        Ok(())
    }
}

/// A document that is read.
struct Document<'d> {
    xml: &'d Xml,
    text: &'d str,
    /// The name of the innermost element.
    name: &'d mut Vec<u8>,
    /// The open elements, from the outermost one.
    open: Vec<Element>,
    /// The text since the last tag or comment.
    piece: Option<Content>,
    values: IndexMap<Vec<u8>, Value>,
    /// A name that is too long for a value.
    long: Option<Vec<u8>>,
}

/// An open element.
struct Element {
    /// The length of the name of the one around it.
    outer: usize,
    /// Its text so far.
    text: Option<Content>,
}

impl Document<'_> {
    /// Reads it to its end, or up to where it is none.
    fn read(&mut self) -> Result<(), Broken> {
        let mut reader = Reader::from_str(self.text);
        let mut has_root = false;
        // The number of elements around that are left out.
        let mut skipped = 0_usize;
        loop {
            let at = reader.buffer_position() as usize;
            let event = reader
                .read_event()
                .map_err(|error| Broken { what: error.to_string(), at: reader.error_position() as usize })?;
            let broken = |what: String| Broken { what, at };
            match &event {
                // Tags. What is left out is counted, so that its end is found.
                Event::Start(_) if skipped > 0 => skipped += 1,
                Event::End(_) if skipped > 0 => skipped -= 1,
                Event::Start(start) | Event::Empty(start) => {
                    has_root = true;
                    self.end_piece(at)?;
                    let is_empty = matches!(event, Event::Empty(_));
                    let name = start.name();
                    if self.xml.excluded.iter().any(|glob| glob.matches(name.as_ref().as_bytes())) {
                        skipped += usize::from(!is_empty);
                    } else {
                        self.begin(start).map_err(broken)?;
                        if is_empty {
                            self.end();
                        }
                    }
                }
                Event::End(_) => {
                    self.end_piece(at)?;
                    self.end();
                }
                // Texts: they are one up to the next tag.
                Event::Text(text) if skipped == 0 => self.add(Content::of(self.text, text)),
                Event::CData(text) if skipped == 0 => self.add(Content::of(self.text, text)),
                Event::GeneralRef(reference) if skipped == 0 => {
                    let text = meaning(reference).map_err(broken)?;
                    self.add(Content::Made(text.into_bytes()));
                }
                // The end.
                Event::Eof if skipped > 0 || !self.open.is_empty() => {
                    return Err(broken("an element is not closed".to_owned()));
                }
                Event::Eof => {
                    self.end_piece(at)?;
                    let nothing = || broken("there is no element".to_owned());
                    return has_root.then_some(()).ok_or_else(nothing);
                }
                _ => self.end_piece(at)?,
            }
        }
    }

    /// Adds to the text since the last tag.
    fn add(&mut self, content: Content) {
        Content::append(&mut self.piece, content, self.text);
    }

    /// Gives the text since the last tag, which ended at `at`, to its element.
    fn end_piece(&mut self, at: usize) -> Result<(), Broken> {
        let Some(piece) = self.piece.take() else { return Ok(()) };
        let is_blank = piece.bytes(self.text).trim_ascii().is_empty();
        match self.open.last_mut() {
            None if is_blank => {}
            None => return Err(Broken { what: "text outside of an element".to_owned(), at }),
            Some(_) if is_blank && self.xml.options.strips => {}
            Some(element) => {
                let piece = if self.xml.options.strips { piece.trimmed(self.text) } else { piece };
                Content::append(&mut element.text, piece, self.text);
            }
        }
        Ok(())
    }

    /// Begins an element.
    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        let outer = self.name.len();
        let tag = start.name();
        check_name(tag.as_ref())?;
        if outer > 0 {
            self.name.push(b'.');
        }
        self.name.extend_from_slice(tag.as_ref().as_bytes());
        self.open.push(Element { outer, text: None });
        let is_data = self.xml.options.is_event_log && self.is_event_data();
        let own = self.name.len();
        let mut data = None;
        // Looking for doubles among them would take their square.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = attribute.key;
            check_name(key.as_ref())?;
            let value = unescape(&attribute.value).map_err(|error| error.to_string())?;
            if is_data && key.as_ref() == "Name" {
                data = Some(value.into_owned());
                continue;
            }
            self.name.extend_from_slice(b"._");
            self.name.extend_from_slice(key.as_ref().as_bytes());
            let value = Content::of(self.text, &value);
            self.value(value);
            self.name.truncate(own);
        }
        if let Some(data) = data {
            self.name.push(b'.');
            self.name.extend_from_slice(data.as_bytes());
        }
        Ok(())
    }

    /// Tells whether the innermost element is one of the data of an event.
    fn is_event_data(&self) -> bool {
        let prefix = self.xml.options.prefix.len();
        let own = &self.name[prefix..];
        own.strip_prefix(b".").filter(|_| prefix > 0).unwrap_or(own) == EVENT_DATA
    }

    /// Ends the innermost element.
    fn end(&mut self) {
        let Some(Element { outer, text }) = self.open.pop() else { return };
        if let Some(text) = text.filter(|text| !text.bytes(self.text).is_empty()) {
            self.value(text);
        }
        self.name.truncate(outer);
    }

    /// Adds a value of the name as it is.
    fn value(&mut self, content: Content) {
        if self.name.len() > NAME_MAX {
            self.long.get_or_insert_with(|| self.name.clone());
            return;
        }
        let lists = self.xml.options.lists;
        match self.values.get_mut(&**self.name) {
            Some(value) => value.add(&content, lists, self.text),
            None => drop(self.values.insert(self.name.clone(), Value::new(content, lists, self.text))),
        }
    }

    /// Sets all values.
    fn set(self, found: &mut Found<'_, '_>) {
        for (name, value) in &self.values {
            let value_type = if value.is_list() { ValueType::List } else { ValueType::String };
            match value.content() {
                Content::Part(part) => found.part(name, value_type, Range::clone(part)),
                Content::Made(text) => found.value(name, value_type, text),
            }
        }
        if let Some(name) = &self.long {
            // It is not stored, and said.
            found.value(name, ValueType::String, b"");
        }
    }
}

/// The text that a reference to a character or an entity stands for.
fn meaning(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(char) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(char.to_string());
    }
    let text = resolve_xml_entity(reference).map(str::to_owned);
    text.ok_or_else(|| {
        let shown: String = reference.chars().take(40).collect();
        format!("unknown entity `{}`", shown.escape_default())
    })
}

/// Checks the name of an element or an attribute.
fn check_name(name: &str) -> Result<(), String> {
    let is_first = |char: char| char.is_ascii_alphabetic() || matches!(char, '_' | ':') || !char.is_ascii();
    let is_sound = |char: char| is_first(char) || char.is_ascii_digit() || matches!(char, '-' | '.');
    if name.starts_with(is_first) && name.chars().all(is_sound) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    Err(format!("`{}` is no name", shown.escape_default()))
}

#[cfg(test)]
mod tests;
