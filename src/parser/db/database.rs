//! A pattern database, ready for messages: [`Database`].
//!
//! Templates and conditions of the file are those of the language. They are compiled as a configuration of
//! their own, one statement a line, which tells the line of the file that an error is in.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use super::pattern;
use super::radix::Tree;
use super::xml::{self, ActionText, ContextText, FileError, Located, MessageText};
use crate::config::{
    Config, Environment, FilterStatement, GlobalOptions, TemplateOptions, Vocabulary, parse_str,
};
use crate::filter::{self, Filter};
use crate::message::{ValueName, ValueType};
use crate::parser::correlation::Scope;
use crate::parser::correlation::synthetic::{Inherit, Synthetic};
use crate::rewrite::{Contexts, Value};
use crate::source;

/// The words that templates and conditions of a file may have: those of filters.
static WORDS: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary {
    sources: Vec::new(),
    destinations: Vec::new(),
    parsers: Vec::new(),
    filters: filter::DRIVERS.iter().map(filter::Entry::syntax).collect(),
    rewrites: Vec::new(),
    path_items: &["filter"],
    condition: filter::compile_condition,
    names: source::names_for_template,
    doubts: filter::doubts,
    refused_sources: Vec::new(),
    refused_destinations: Vec::new(),
    refused_parsers: Vec::new(),
    refused_filters: Vec::new(),
    refused_rewrites: Vec::new(),
});

/// The options of the configuration that a database depends on.
#[derive(Debug, Clone)]
pub(super) struct Around {
    /// `prefix()` of the names of values.
    pub(super) prefix: String,
    /// Values have types.
    pub(super) has_types: bool,
    /// `options { }`, for templates.
    pub(super) options: GlobalOptions,
}

/// The rules of a file.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// The programs, with the numbers of their rules.
    programs: Patterns,
    sets: Vec<Patterns>,
    /// The rules for programs that match none.
    default: Option<u32>,
    pub(super) rules: Vec<Rule>,
    pub(super) contexts: Contexts,
    /// The doubts about the file.
    pub(super) warnings: Vec<FileError>,
}

/// A tree of patterns, with the names of the values that its parsers find.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    pub(super) tree: Tree,
    /// For each parser; `None` where the value is not kept.
    pub(super) values: Vec<Option<(ValueName, ValueType)>>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: Box<[u8]>,
    pub(super) class: Box<[u8]>,
    /// `.classifier.CLASS`
    pub(super) tag: Box<[u8]>,
    pub(super) tags: Vec<Box<[u8]>>,
    pub(super) values: Vec<(ValueName, Value)>,
    pub(super) context: Option<ContextRule>,
    pub(super) actions: Vec<Action>,
}

#[derive(Debug)]
pub(super) struct ContextRule {
    pub(super) id: Value,
    pub(super) timeout: Duration,
    pub(super) scope: Scope,
}

#[derive(Debug)]
pub(super) struct Action {
    pub(super) is_timeout: bool,
    pub(super) condition: Option<Filter>,
    /// Messages, and the seconds in which there may be so many.
    pub(super) rate: Option<(u32, u32)>,
    /// The context that the message begins, if it is not sent.
    pub(super) creates: Option<ContextRule>,
    pub(super) message: Synthetic,
}

impl Database {
    /// The database that `text` is.
    pub(super) fn read(text: &str, around: &Around) -> Result<Self, FileError> {
        let file = xml::read(text)?;
        let mut source = Source::new(around.has_types);
        for rule in file.rulesets.iter().flat_map(|ruleset| &ruleset.rules) {
            source.context(rule.context.as_ref());
            source.message(&rule.message)?;
            for action in &rule.actions {
                source.condition(action.condition.as_ref());
                source.context(action.creates.as_ref());
                source.message(&action.message)?;
            }
        }
        let mut compiled = Compiled::new(source, around)?;
        let mut database = Self {
            programs: Patterns::default(),
            sets: Vec::new(),
            default: None,
            rules: Vec::new(),
            contexts: Contexts::default(),
            warnings: file.warnings,
        };
        for ruleset in file.rulesets {
            let set = database.set_of(&ruleset.patterns, &around.prefix)?;
            for rule in ruleset.rules {
                let number = database.rules.len() as u32;
                for Located { text, line } in &rule.patterns {
                    let pieces = pattern::read(text).map_err(|message| FileError { line: *line, message })?;
                    let added = database.sets[set as usize].insert(pieces, number, &around.prefix);
                    if let Err(before) = added {
                        let first =
                            String::from_utf8_lossy(&database.rules_id(before, &rule.id)).into_owned();
                        let message = format!("this is also the pattern of rule `{first}`, which stays");
                        database.warnings.push(FileError { line: *line, message });
                    }
                }
                let own = compiled.rule(rule)?;
                database.rules.push(own);
            }
        }
        database.contexts = compiled.contexts;
        Ok(database)
    }

    /// The id of the rule with this number; that of the one that is being read is `own`.
    fn rules_id(&self, number: u32, own: &str) -> Box<[u8]> {
        self.rules.get(number as usize).map_or_else(|| own.as_bytes().into(), |rule| rule.id.clone())
    }

    /// The number of the rules for the programs of `patterns`.
    fn set_of(&mut self, patterns: &[Located], prefix: &str) -> Result<u32, FileError> {
        let new = self.sets.len() as u32;
        let mut set = None;
        if patterns.is_empty() {
            set = Some(*self.default.get_or_insert(new));
        }
        for Located { text, line } in patterns {
            let error = |message: String| FileError { line: *line, message };
            let pieces = pattern::read(text).map_err(error)?;
            let own = set.unwrap_or(new);
            match self.programs.insert(pieces, own, prefix) {
                Ok(()) => set = Some(own),
                Err(before) if set.is_none_or(|set| set == before) => set = Some(before),
                Err(_) => {
                    return Err(error(format!("two sets of rules are for the programs of `{text}`")));
                }
            }
        }
        let set = set.unwrap_or(new);
        if set == new {
            self.sets.push(Patterns::default());
        }
        Ok(set)
    }

    /// The patterns of PROGRAM.
    pub(super) fn programs(&self) -> &Patterns {
        &self.programs
    }

    /// The rules with this number, or those for programs that match none.
    pub(super) fn set(&self, number: Option<u32>) -> Option<&Patterns> {
        self.sets.get(number.or(self.default)? as usize)
    }

    /// Tells whether a rule of it has a context or an action.
    pub(super) fn correlates(&self) -> bool {
        self.rules.iter().any(|rule| rule.context.is_some() || !rule.actions.is_empty())
    }
}

impl Patterns {
    fn insert(&mut self, pieces: Vec<pattern::Piece>, value: u32, prefix: &str) -> Result<(), u32> {
        let added = self.tree.insert(pieces, value);
        for parser in &self.tree.parsers[self.values.len()..] {
            let name = (!parser.name.is_empty())
                .then(|| (ValueName::new(&format!("{prefix}{}", parser.name)), parser.value_type()));
            self.values.push(name);
        }
        added
    }
}

/// A configuration of the templates and conditions of a file.
struct Source {
    text: String,
    /// The line of the file for each line.
    lines: Vec<usize>,
}

impl Source {
    fn new(has_types: bool) -> Self {
        let version = if has_types { "4.0" } else { "3.38" };
        Self { text: format!("@version: {version}\n"), lines: vec![0] }
    }

    fn push(&mut self, statement: &str, line: usize) {
        self.text.push_str(statement);
        self.text.push('\n');
        self.lines.push(line);
    }

    fn template(&mut self, hint: Option<&str>, text: &Located) {
        let mut quoted = String::new();
        for char in text.text.chars() {
            match char {
                ' ' | '$' | '{' | '}' | '.' | '(' | ')' => quoted.push(char),
                char if char.is_ascii() && !char.is_ascii_alphanumeric() => {
                    let _ = write!(quoted, "\\x{:02x}", u32::from(char));
                }
                char => quoted.push(char),
            }
        }
        let number = self.lines.len();
        let statement = match hint {
            Some(hint) => format!("template t{number} {hint}(\"{quoted}\");"),
            None => format!("template t{number} \"{quoted}\";"),
        };
        self.push(&statement, text.line);
    }

    fn condition(&mut self, condition: Option<&Located>) {
        let Some(Located { text, line }) = condition else { return };
        let number = self.lines.len();
        let text = text.replace(['\n', '\r'], " ").replace('`', "``");
        self.push(&format!("filter f{number} {{ {text} }};"), *line);
    }

    fn context(&mut self, context: Option<&ContextText>) {
        if let Some(context) = context {
            self.template(None, &context.id);
        }
    }

    fn message(&mut self, message: &MessageText) -> Result<(), FileError> {
        for (_, hint, text) in &message.values {
            if let Some(hint) = hint
                && ValueType::of_word(hint).is_none()
            {
                return Err(FileError { line: text.line, message: format!("unknown type `{hint}`") });
            }
            self.template(hint.as_deref(), text);
        }
        Ok(())
    }
}

/// The templates and conditions, in the order in which they were put in.
struct Compiled {
    config: Config,
    lines: Vec<usize>,
    next: usize,
    contexts: Contexts,
    /// Stands before the names of the values of rules.
    prefix: String,
}

impl Compiled {
    fn new(source: Source, around: &Around) -> Result<Self, FileError> {
        let Source { text, lines } = source;
        let environment = Environment::new(&WORDS);
        match parse_str("a pattern database", &text, &environment) {
            Ok(mut config) => {
                config.options = around.options.clone();
                let prefix = around.prefix.clone();
                Ok(Self { config, lines, next: 1, contexts: Contexts::default(), prefix })
            }
            Err(errors) => {
                let first = errors.iter().find(|found| found.level() == crate::config::Level::Error);
                let (message, at) = first.map_or((String::new(), 1), |error| {
                    let at = error.place().map_or(1, |(_, line, _)| line as usize);
                    (error.message().to_owned(), at)
                });
                Err(FileError { line: lines.get(at - 1).copied().unwrap_or(1), message })
            }
        }
    }

    /// The next template.
    fn template(&mut self) -> Result<Value, FileError> {
        let number = self.next;
        self.next += 1;
        let text = self.config.templates[&format!("t{number}")].text.clone();
        let compiled = Value::compile(&self.config, &text, &TemplateOptions::default(), &mut self.contexts);
        compiled.map_err(|error| FileError { line: self.lines[number], message: error.message().to_owned() })
    }

    fn condition(&mut self, condition: Option<&Located>) -> Result<Option<Filter>, FileError> {
        let Some(Located { line, .. }) = condition else { return Ok(None) };
        let number = self.next;
        self.next += 1;
        let statement: &FilterStatement = &self.config.filters[&format!("f{number}")];
        let compiled = Filter::compile(&self.config, "", &statement.condition);
        compiled.map(Some).map_err(|error| FileError { line: *line, message: error.message().to_owned() })
    }

    fn context(&mut self, context: Option<&ContextText>) -> Result<Option<ContextRule>, FileError> {
        let Some(context) = context else { return Ok(None) };
        let word = context.scope.as_deref().unwrap_or("process");
        let scope =
            Scope::WORDS.iter().find(|(known, _)| *known == word).map_or(Scope::Process, |found| found.1);
        let timeout = Duration::from_secs(context.timeout);
        Ok(Some(ContextRule { id: self.template()?, timeout, scope }))
    }

    fn values(&mut self, message: &MessageText, prefix: &str) -> Result<Vec<(ValueName, Value)>, FileError> {
        let mut values = Vec::new();
        for (name, _, _) in &message.values {
            values.push((ValueName::new(&format!("{prefix}{name}")), self.template()?));
        }
        Ok(values)
    }

    fn action(&mut self, action: &ActionText) -> Result<Action, FileError> {
        let condition = self.condition(action.condition.as_ref())?;
        let creates = self.context(action.creates.as_ref())?;
        let values = self.values(&action.message, "")?;
        let inherit = match action.message.inherit {
            Some("last-message") => Inherit::LastMessage,
            Some("context") => Inherit::Context,
            _ => Inherit::None,
        };
        let tags = action.message.tags.iter().map(|tag| tag.as_bytes().into()).collect();
        let message = Synthetic { inherit, values, tags };
        Ok(Action { is_timeout: action.is_timeout, condition, rate: action.rate, creates, message })
    }

    fn rule(&mut self, rule: xml::RuleText) -> Result<Rule, FileError> {
        let context = self.context(rule.context.as_ref())?;
        let prefix = self.prefix.clone();
        let values = self.values(&rule.message, &prefix)?;
        let actions = rule.actions.iter().map(|action| self.action(action)).collect::<Result<_, _>>()?;
        Ok(Rule {
            id: rule.id.into_bytes().into(),
            tag: format!(".classifier.{}", rule.class).into_bytes().into(),
            class: rule.class.into_bytes().into(),
            tags: rule.message.tags.into_iter().map(|tag| tag.into_bytes().into()).collect(),
            values,
            context,
            actions,
        })
    }
}
