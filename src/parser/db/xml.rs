//! The file of a pattern database: [`read`], from its text to [`Ruleset`]s.
//!
//! The text becomes a tree of elements, with the line that each begins on; an element that the format does not
//! have, or one without what it needs, is an error there. No entity that a document declares is expanded, and
//! elements are nested a few levels at most.

use quick_xml::Reader;
use quick_xml::escape::{resolve_xml_entity, unescape};
use quick_xml::events::{BytesStart, Event};

/// The most levels of elements.
const MAX_DEPTH: usize = 16;

/// An error, and the line that it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileError {
    pub(super) line: usize,
    pub(super) message: String,
}

/// A text of the file, and the line that it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) text: String,
    pub(super) line: usize,
}

/// The rules for some programs.
#[derive(Debug)]
pub(super) struct Ruleset {
    /// The patterns of PROGRAM; without one it is for the programs that no other is for.
    pub(super) patterns: Vec<Located>,
    pub(super) rules: Vec<RuleText>,
}

#[derive(Debug)]
pub(super) struct RuleText {
    pub(super) id: String,
    pub(super) class: String,
    pub(super) context: Option<ContextText>,
    pub(super) patterns: Vec<Located>,
    pub(super) message: MessageText,
    pub(super) actions: Vec<ActionText>,
}

/// `context-id`, `context-timeout`, `context-scope`.
#[derive(Debug)]
pub(super) struct ContextText {
    pub(super) id: Located,
    /// In seconds.
    pub(super) timeout: u64,
    pub(super) scope: Option<String>,
}

/// Values and tags.
#[derive(Debug, Default)]
pub(super) struct MessageText {
    /// Names, types, and templates.
    pub(super) values: Vec<(String, Option<String>, Located)>,
    pub(super) tags: Vec<String>,
    /// `inherit-mode`, or what `inherit-properties` says.
    pub(super) inherit: Option<&'static str>,
}

#[derive(Debug)]
pub(super) struct ActionText {
    pub(super) is_timeout: bool,
    pub(super) condition: Option<Located>,
    /// Messages, and the seconds in which there may be so many.
    pub(super) rate: Option<(u32, u32)>,
    /// The context that the message begins, if it is not sent.
    pub(super) creates: Option<ContextText>,
    pub(super) message: MessageText,
}

/// The rules of the file, and what is doubtful in it.
#[derive(Debug)]
pub(super) struct File {
    pub(super) rulesets: Vec<Ruleset>,
    pub(super) warnings: Vec<FileError>,
}

/// An element.
#[derive(Debug)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
    line: usize,
}

/// Reads the text of a file.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn read(text: &str) -> Result<File, FileError> {
    let root = document(text)?;
    let mut warnings = Vec::new();
    root.named("patterndb")?;
    match root.attribute("version") {
        None => warnings.push(FileError {
            line: root.line,
            message: "this patterndb has no version: it is read as 4".to_owned(),
        }),
        Some(version) => match version.trim().parse::<u32>() {
            Ok(2..=6) => {}
            _ => return root.error(format!("the version `{version}` is not known: those from 2 to 6 are")),
        },
    }
    let mut rulesets = Vec::new();
    for ruleset in root.children()? {
        ruleset.named("ruleset")?;
        rulesets.push(read_ruleset(ruleset)?);
    }
    Ok(File { rulesets, warnings })
}

fn read_ruleset(ruleset: &Element) -> Result<Ruleset, FileError> {
    let (mut patterns, mut rules) = (Vec::new(), Vec::new());
    for child in ruleset.children()? {
        match &*child.name {
            "pattern" | "patterns" => child.texts("pattern", &mut patterns)?,
            "rules" => {
                for rule in child.children()? {
                    rule.named("rule")?;
                    rules.push(read_rule(rule)?);
                }
            }
            "description" | "url" | "urls" => {}
            _ => return child.unknown(),
        }
    }
    Ok(Ruleset { patterns, rules })
}

fn read_rule(rule: &Element) -> Result<RuleText, FileError> {
    let id = rule.needed("id")?;
    let mut read = RuleText {
        id: id.to_owned(),
        class: rule.attribute("class").unwrap_or("system").to_owned(),
        context: rule.context()?,
        patterns: Vec::new(),
        message: MessageText::default(),
        actions: Vec::new(),
    };
    for child in rule.children()? {
        match &*child.name {
            "pattern" | "patterns" => child.texts("pattern", &mut read.patterns)?,
            "actions" => {
                for action in child.children()? {
                    action.named("action")?;
                    read.actions.push(read_action(action)?);
                }
            }
            "examples" | "example" | "description" | "url" | "urls" => {}
            _ if read.message.take(child)? => {}
            _ => return child.unknown(),
        }
    }
    Ok(read)
}

fn read_action(action: &Element) -> Result<ActionText, FileError> {
    let is_timeout = match action.attribute("trigger") {
        None | Some("match") => false,
        Some("timeout") => true,
        Some(other) => return action.error(format!("`{other}` is no trigger: match and timeout are")),
    };
    let rate = match action.attribute("rate") {
        None => None,
        Some(text) => {
            let (number, seconds) = text.split_once('/').unwrap_or((text, "1"));
            match (number.trim().parse::<u32>(), seconds.trim().parse::<u32>()) {
                (Ok(0), Ok(_)) => None,
                (Ok(number), Ok(seconds)) => Some((number, seconds.max(1))),
                _ => return action.error(format!("`{text}` is no rate: it is messages/seconds, as in 5/60")),
            }
        }
    };
    let condition =
        action.attribute("condition").map(|text| Located { text: text.to_owned(), line: action.line });
    let mut read = ActionText { is_timeout, condition, rate, creates: None, message: MessageText::default() };
    for child in action.children()? {
        match &*child.name {
            "message" => read.message = read_message(child)?,
            "create-context" => {
                let Some(context) = child.context()? else {
                    return child.error("create-context has no context-id".to_owned());
                };
                read.creates = Some(context);
                for message in child.children()? {
                    message.named("message")?;
                    read.message = read_message(message)?;
                }
            }
            _ => return child.unknown(),
        }
    }
    Ok(read)
}

fn read_message(element: &Element) -> Result<MessageText, FileError> {
    let mut message = MessageText::default();
    for child in element.children()? {
        if !message.take(child)? {
            return child.unknown();
        }
    }
    let word = element.attribute("inherit-mode").or(element.attribute("inherit-properties"));
    message.inherit = Some(match word.map(str::to_ascii_lowercase).as_deref() {
        None | Some("none" | "false" | "no" | "0") => "none",
        Some("last-message" | "true" | "yes" | "1") => "last-message",
        Some("context") => "context",
        Some(other) => {
            return element
                .error(format!("`{other}` is no inherit-mode: none, last-message and context are"));
        }
    });
    Ok(message)
}

impl MessageText {
    /// Takes what `child` says of values or tags; false where it is something else.
    fn take(&mut self, child: &Element) -> Result<bool, FileError> {
        let mut value = |value: &Element| {
            let name = value.needed("name")?.to_owned();
            if !value.text.is_empty() {
                let kind = value.attribute("type").map(str::to_owned);
                self.values.push((name, kind, Located { text: value.text.clone(), line: value.line }));
            }
            Ok(())
        };
        match &*child.name {
            "value" => value(child)?,
            "values" => {
                for inner in child.children()? {
                    inner.named("value")?;
                    value(inner)?;
                }
            }
            "tag" | "tags" => {
                let mut tags = Vec::new();
                child.texts("tag", &mut tags)?;
                self.tags.extend(tags.into_iter().map(|tag| tag.text));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Element {
    fn error<T>(&self, message: String) -> Result<T, FileError> {
        Err(FileError { line: self.line, message })
    }

    fn unknown<T>(&self) -> Result<T, FileError> {
        self.error(format!("there is no element `{}` here", self.name))
    }

    fn named(&self, name: &str) -> Result<(), FileError> {
        if self.name == name { Ok(()) } else { self.unknown() }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn needed(&self, name: &str) -> Result<&str, FileError> {
        match self.attribute(name) {
            Some(value) => Ok(value),
            None => self.error(format!("this {} has no {name}", self.name)),
        }
    }

    /// The elements in one that has no text of its own.
    fn children(&self) -> Result<&[Self], FileError> {
        if !self.text.trim().is_empty() {
            return self.error(format!("there is text in `{}`, which has elements alone", self.name));
        }
        Ok(&self.children)
    }

    /// The texts of the elements called `name`: of itself, or of those in it.
    fn texts(&self, name: &str, to: &mut Vec<Located>) -> Result<(), FileError> {
        if self.name == name {
            to.push(Located { text: self.text.clone(), line: self.line });
            return Ok(());
        }
        for child in self.children()? {
            child.named(name)?;
            to.push(Located { text: child.text.clone(), line: child.line });
        }
        Ok(())
    }

    /// The context that its attributes say.
    fn context(&self) -> Result<Option<ContextText>, FileError> {
        let Some(id) = self.attribute("context-id") else { return Ok(None) };
        let timeout = self.attribute("context-timeout").unwrap_or("0");
        let Ok(timeout) = timeout.trim().parse::<u32>() else {
            return self.error(format!("`{timeout}` is no context-timeout: it is a number of seconds"));
        };
        let scope = self.attribute("context-scope").map(str::to_owned);
        if let Some(word) = &scope
            && !["process", "program", "host", "global"].contains(&word.as_str())
        {
            return self
                .error(format!("`{word}` is no context-scope: process, program, host and global are"));
        }
        let id = Located { text: id.to_owned(), line: self.line };
        Ok(Some(ContextText { id, timeout: timeout.into(), scope }))
    }
}

/// The lines of a text, counted as it is read.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn line_at(&mut self, at: usize) -> usize {
        let at = at.min(self.text.len());
        if at > self.at {
            self.line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.at..at]).count();
            self.at = at;
        }
        self.line
    }
}

/// The root element of a document.
fn document(text: &str) -> Result<Element, FileError> {
    let mut reader = Reader::from_str(text);
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    loop {
        let at = reader.buffer_position() as usize;
        let line = lines.line_at(at);
        let error = |message: String| FileError { line, message };
        let event = reader.read_event().map_err(|failed| error(failed.to_string()))?;
        let ended = match &event {
            Event::Start(start) => {
                if open.len() == MAX_DEPTH {
                    return Err(error(format!("elements are nested more than {MAX_DEPTH} levels deep")));
                }
                open.push(element(start, line).map_err(error)?);
                None
            }
            Event::Empty(start) => Some(element(start, line).map_err(error)?),
            Event::End(_) => open.pop(),
            Event::Text(text) => {
                append(&mut open, text).map_err(error)?;
                None
            }
            Event::CData(text) => {
                append(&mut open, text).map_err(error)?;
                None
            }
            Event::GeneralRef(reference) => {
                let char = reference.resolve_char_ref().map_err(|failed| error(failed.to_string()))?;
                let text =
                    char.map(String::from).or_else(|| resolve_xml_entity(reference).map(str::to_owned));
                let Some(text) = text else {
                    return Err(error(format!("unknown entity `{}`", &**reference)));
                };
                append(&mut open, &text).map_err(error)?;
                None
            }
            Event::Eof => {
                if let Some(left) = open.last() {
                    return left.error(format!("the element `{}` is not closed", left.name));
                }
                return root.ok_or_else(|| error("there is no element".to_owned()));
            }
            _ => None,
        };
        let Some(ended) = ended else { continue };
        match open.last_mut() {
            Some(around) => around.children.push(ended),
            None if root.is_some() => return ended.error("there is a second root element".to_owned()),
            None => root = Some(ended),
        }
    }
}

fn append(open: &mut [Element], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("there is text outside of an element".to_owned()),
    }
    Ok(())
}

fn element(start: &BytesStart<'_>, line: usize) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|failed| failed.to_string())?;
        let value = unescape(&attribute.value).map_err(|failed| failed.to_string())?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    let name = start.name().as_ref().to_owned();
    Ok(Element { name, attributes, children: Vec::new(), text: String::new(), line })
}

#[cfg(test)]
mod tests;
