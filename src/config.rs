//! The configuration: from the user's files to a checked syntax tree.
//!
//! ```text
//! files ─► lexer ─► tokens ─► parser ─► tree ─► references ─► Config
//!   ▲      backticks, @lines   │ tables of options  names       or Diagnostics
//!   └─ text of a block ◄───────┘
//! ```
//!
//! The language is that of syslog-ng and `AxoSyslog`, from a Python source to a destination. It has no
//! keywords that are reserved everywhere and no grammar that would fit a generator: what a word means depends
//! on what stands around it. So the lexer and the recursive-descent parser are written by hand, and what can
//! be a table is one: each block of options is a table of names, kinds and setters.
//!
//! What is part of the language but not of this version is in one list (`unsupported`) and is refused at its
//! place. Nothing is skipped in silence.
//!
//! All errors of a configuration are reported at once: the parser goes on after an error at the next option,
//! `;` or `}`. Every piece of the tree that can be wrong in a way that shows only later (a class that does
//! not exist, a user that is not known) has a [`Span`], and [`Config::error`] makes an error at that place.
#![forbid(unsafe_code)]

mod application;
mod backtick;
mod beside;
mod block;
mod body;
mod bounds;
mod built_in;
mod comparison;
mod destination;
mod diagnostic;
mod driver;
mod environment;
mod filter;
mod generator;
mod hooks;
mod include;
mod input;
mod label;
mod lexer;
mod library;
mod lines;
mod log_path;
mod modules;
mod number;
mod option_table;
mod options;
mod parser;
mod parser_statement;
mod path_branches;
mod path_flags;
mod pattern_text;
mod permissions;
mod pragma;
mod preamble;
mod python_code;
mod python_options;
mod quoted;
mod raw;
mod references;
mod report;
mod rewrite;
mod scl;
mod source;
mod source_map;
mod span;
mod statement;
mod stats_options;
mod template_operand;
mod template_options;
mod template_surroundings;
mod template_text;
mod token;
mod unsupported;
mod value;
mod value_name;
mod value_pairs;
mod word;
mod zone;

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

pub use block::is_context;
pub use body::BodyItem;
pub use comparison::{CompareBy, Comparison, Relation};
pub use destination::DestinationStatement;
pub use diagnostic::{Diagnostic, Diagnostics, Level};
pub use driver::{CompileCondition, Driver, FindNames, Options, Syntax, Vocabulary};
pub use environment::{Environment, Progress};
pub use filter::{Condition, FilterStatement, FilterTest};
pub use generator::{GeneratorArguments, Generators, RunCommand, run_command};
pub use hooks::HookCommands;
pub use library::Library;
pub use log_path::{DestinationRef, FilterRef, IfBranch, LogItem, LogPath, ParserRef, SourceRef};
pub use options::{GlobalOptions, MarkMode, UseDns};
pub use parser_statement::ParserStatement;
pub use path_flags::PathFlags;
pub use permissions::{FilePermissions, Given, Ownership};
pub use preamble::Version;
pub use python_options::{OptionValue, PythonClass};
pub use rewrite::{RewriteFunction, RewriteItem, RewriteRef, RewriteStatement};
pub use source::SourceStatement;
pub use source_map::SourceMap;
pub use span::{FileId, Span, Spanned};
pub use statement::PythonBlock;
pub use stats_options::StatsOptions;
pub use template_surroundings::PythonFunction;
pub use template_text::{CompiledTemplate, TemplateOptions, TemplateStatement, TemplateText};

use report::Report;

/// The language, for those who read the options of a driver.
pub(crate) mod grammar {
    pub(crate) use super::beside::Beside;
    pub(crate) use super::driver::DriverHead;
    pub(crate) use super::option_table::{Key, Kind, MAX_INT, NO_LEVELS, Table, apply, names};
    pub(crate) use super::options::NO_WAIT;
    pub(crate) use super::parser::{Opening, Parsed, Parser};
    pub(crate) use super::permissions::PERMISSIONS;
    pub(crate) use super::python_options::CLASS;
    pub(crate) use super::report::Reported;
    pub(crate) use super::template_options::TEMPLATE;
    pub(crate) use super::token::{Text, TokenKind};
    pub(crate) use super::unsupported::Place;
    pub(crate) use super::value_name::ValueUse;
    pub(crate) use super::value_pairs::ValuePairsOptions;
}

/// A configuration that was read and checked.
#[derive(Debug)]
pub struct Config {
    /// The directory of its file; empty when it comes from no file.
    pub directory: PathBuf,
    /// The value of `@version`.
    pub version: Version,
    /// The value of `@config-id`.
    pub config_id: Option<String>,
    /// The value of `@module mod-python use-virtualenv(…)`.
    pub use_virtualenv: Option<bool>,
    /// The `options {}`, with the default of each that was not written.
    pub options: GlobalOptions,
    /// The named `source {}` statements.
    pub sources: IndexMap<String, SourceStatement>,
    /// The named `destination {}` statements.
    pub destinations: IndexMap<String, DestinationStatement>,
    /// The named `filter {}` statements.
    pub filters: IndexMap<String, FilterStatement>,
    /// The named `rewrite {}` statements.
    pub rewrites: IndexMap<String, RewriteStatement>,
    /// The named `parser {}` statements.
    pub parsers: IndexMap<String, ParserStatement>,
    /// The `template` statements.
    pub templates: IndexMap<String, TemplateStatement>,
    /// The log paths, in the order in which a message meets them.
    pub logs: Vec<LogPath>,
    /// The `python {}` blocks, in the order in which they have to be run.
    pub python_blocks: Vec<PythonBlock>,
    /// The functions of Python that templates call.
    pub python_functions: Vec<PythonFunction>,
    /// The files, which all spans point into.
    pub sources_text: SourceMap,
    /// Warnings: what is not wrong, but perhaps not meant.
    pub warnings: Vec<Diagnostic>,
}

/// The readable part of a configuration that may have errors.
#[derive(Debug)]
pub struct Inspected {
    /// The configuration without its warnings: all of it, or all but what the errors are about. None when
    /// code may be missing in it.
    pub config: Option<Config>,
    /// The errors and warnings.
    pub found: Vec<Diagnostic>,
    /// Tells whether there is no error among them.
    pub is_whole: bool,
    /// Tells whether a word was not known, or refused, in a place where a block could be meant.
    pub has_unknown_word: bool,
}

impl Inspected {
    /// The partial configuration, if a generator of a host could make it whole: code of the host is in it, and
    /// a word that is not known.
    pub fn needs_generators(&self) -> Option<&Config> {
        let config = self.config.as_ref().filter(|_| !self.is_whole && self.has_unknown_word)?;
        (!config.python_blocks.is_empty()).then_some(config)
    }
}

impl Config {
    /// The directories in which the modules of the configuration are looked for before all others, each with
    /// the reason why.
    pub fn python_directories(&self) -> Vec<(PathBuf, &'static str)> {
        let own = Some((self.directory.clone(), "the configuration's directory"));
        let named = self.options.python_path.iter();
        let named = named.map(|named| (self.directory.join(&named.value), "python-path()"));
        own.into_iter().filter(|(path, _)| !path.as_os_str().is_empty()).chain(named).collect()
    }

    /// Tells whether values have their types by themselves; otherwise all but what has a type written is a text.
    pub(crate) fn values_have_types(&self) -> bool {
        self.version >= Version::VALUES_HAVE_TYPES
    }

    /// The destination statements, and those that are written in a path.
    pub(crate) fn destination_statements(&self) -> Vec<&DestinationStatement> {
        let items = self.all_paths().into_iter().flat_map(|path| &path.items);
        let inline = items.filter_map(|item| match item {
            LogItem::Destination(DestinationRef::Inline(statement)) => Some(statement),
            _ => None,
        });
        self.destinations.values().chain(inline).collect()
    }

    /// The parser statements, and those that are written in a path.
    #[cfg(feature = "python")]
    pub(crate) fn parser_statements(&self) -> Vec<&ParserStatement> {
        let items = self.all_paths().into_iter().flat_map(|path| &path.items);
        let inline = items.filter_map(|item| match item {
            LogItem::Parser(ParserRef::Inline(statement)) => Some(statement),
            _ => None,
        });
        self.parsers.values().chain(inline).collect()
    }

    /// The source statements, and those that are written in a path.
    pub(crate) fn source_statements(&self) -> Vec<&SourceStatement> {
        let items = self.all_paths().into_iter().flat_map(|path| &path.items);
        let inline = items.filter_map(|item| match item {
            LogItem::Source(SourceRef::Inline(statement)) => Some(statement),
            _ => None,
        });
        self.sources.values().chain(inline).collect()
    }

    /// The log paths, and those in them and in the bodies of statements.
    pub fn all_paths(&self) -> Vec<&LogPath> {
        let mut paths: Vec<&LogPath> = self.logs.iter().collect();
        paths.extend(self.sources.values().flat_map(SourceStatement::paths));
        paths.extend(self.destinations.values().flat_map(DestinationStatement::paths));
        paths.extend(self.parsers.values().flat_map(ParserStatement::paths));
        paths.extend(self.rewrites.values().flat_map(RewriteStatement::paths));
        let mut next = 0;
        while let Some(path) = paths.get(next).copied() {
            paths.extend(path.items.iter().flat_map(LogItem::paths));
            paths.extend(path.items.iter().flat_map(LogItem::body_paths));
            next += 1;
        }
        paths
    }

    /// An error at `span`, found by whoever uses the configuration; `help` says what would be right.
    pub fn error(&self, span: Span, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        self.sources_text.error(span, message, help)
    }

    /// Checks that there is a log path: a configuration without one does nothing, and at a reload it would
    /// stop everything. An editor or a template engine that meets a full disk leaves an empty file.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn check_for_log_path(&self) -> Result<(), Diagnostic> {
        if !self.logs.is_empty() {
            return Ok(());
        }
        let file = self.sources_text.paths().next().unwrap_or(Path::new("")).display();
        let mut none =
            Diagnostic::without_place(format!("`{file}`: there is no log path, so nothing would run"));
        none.help = Some("add one: log { source(…); destination(…); };".to_owned());
        Err(none)
    }

    /// An error at `span` that shows another place with it, labelled `there`.
    pub(crate) fn error_with(
        &self,
        span: Span,
        message: impl Into<String>,
        other: Span,
        there: &str,
        help: Option<String>,
    ) -> Diagnostic {
        self.error(span, message, help).with_label(self.sources_text.label(other, there))
    }

    /// The code of `block` on this line of its file, from its first column on as Python counts them; none
    /// when the block does not reach there.
    pub(crate) fn code_line(&self, block: &PythonBlock, line: u32) -> Option<Span> {
        let at = self.sources_text.part_on_line(block.span, line)?;
        let text = self.sources_text.text(at);
        // As in the block's code: on the line of its brace it starts with the first word.
        let blank = if line == block.line { text.len() - text.trim_start().len() } else { 0 };
        Some(Span { start: at.start + blank as u32, ..at })
    }

    /// The first NUL in the code of `block`.
    pub(crate) fn nul_in(&self, block: &PythonBlock) -> Option<Span> {
        let at = self.sources_text.text(block.span).find('\0')?;
        Some(one_byte(block, at))
    }

    /// The bracket or quote in the code of `block` that has no partner.
    pub(crate) fn without_partner_in(&self, block: &PythonBlock) -> Option<Span> {
        let at = python_code::without_partner(self.sources_text.text(block.span))?;
        Some(one_byte(block, at))
    }

    /// A warning at `span` that may show another place with it, with its label.
    pub fn warning_with(&self, span: Span, message: &str, other: Option<(Span, &str)>) -> Diagnostic {
        let warning = self.warning(span, message, None);
        match other {
            Some((other, there)) => warning.with_label(self.sources_text.label(other, there)),
            None => warning,
        }
    }

    /// A warning at `span`, found by whoever uses the configuration.
    pub fn warning(&self, span: Span, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        self.sources_text.warning(span, message, help)
    }
}

fn one_byte(block: &PythonBlock, at: usize) -> Span {
    let start = block.span.start + at as u32;
    Span { start, end: start + 1, ..block.span }
}

/// Reads the configuration at `path`, with this process's environment.
///
/// # Errors
/// Everything that is wrong with it, each at its place, together with the warnings.
pub fn load(path: &Path, vocabulary: &'static Vocabulary) -> Result<Config, Diagnostics> {
    load_with(path, &Environment::of_process(path, vocabulary))
}

/// Reads the configuration at `path`, with another environment than this process's.
///
/// # Errors
/// Everything that is wrong with it, each at its place, together with the warnings.
pub fn load_with(path: &Path, environment: &Environment) -> Result<Config, Diagnostics> {
    environment.progress.note(path);
    let text = include::read_main(path).map_err(Diagnostic::without_place)?;
    parse(path.to_owned(), text, environment).whole()
}

/// Reads what can be read of the configuration at `path`.
pub fn inspect(path: &Path, environment: &Environment) -> Inspected {
    environment.progress.note(path);
    match include::read_main(path) {
        Ok(text) => parse(path.to_owned(), text, environment),
        Err(message) => Inspected::unreadable(vec![Diagnostic::without_place(message)]),
    }
}

/// Reads what can be read of the text of `config` once more, in another environment: its main file may be a
/// pipe, which was read to its end.
pub fn inspect_again(config: &Config, environment: &Environment) -> Inspected {
    let (path, text) = config.sources_text.main_file();
    parse(path.to_owned(), text.to_owned(), environment)
}

/// Reads the configuration at `path` for a second time: a pipe is refused.
///
/// # Errors
/// Everything that is wrong with it, each at its place, together with the warnings.
pub fn load_again(path: &Path, environment: &Environment) -> Result<Config, Diagnostics> {
    environment.progress.note(path);
    check_readable_again(path)?;
    load_with(path, environment)
}

/// Checks that the configuration at `path` can be read for a second time: a pipe has been read to its end by
/// the first.
///
/// # Errors
/// It cannot.
pub fn check_readable_again(path: &Path) -> Result<(), Diagnostic> {
    include::check_readable_again(path).map_err(Diagnostic::without_place)
}

/// Reads the configuration `text`, which errors call `name`. Files are read only for `@include`.
///
/// # Errors
/// Everything that is wrong with it, each at its place, together with the warnings.
///
/// # Examples
/// ```
/// use inrush::config::{Environment, parse_str};
/// use inrush::drivers::VOCABULARY;
///
/// let environment = Environment::new(&VOCABULARY);
/// let text = r#"log { source { python(class("Door")); }; destination { file("/tmp/doors.log"); }; };"#;
/// let config = parse_str("doors.conf", text, &environment).unwrap();
/// assert_eq!(config.logs.len(), 1);
///
/// let error = parse_str("doors.conf", "sauce s { };", &environment).unwrap_err();
/// assert!(error.to_string().contains("did you mean `source`?"));
/// ```
pub fn parse_str(name: &str, text: &str, environment: &Environment) -> Result<Config, Diagnostics> {
    inspect_str(name, text, environment).whole()
}

/// Reads what can be read of the configuration `text`, as [`parse_str`].
pub fn inspect_str(name: &str, text: &str, environment: &Environment) -> Inspected {
    parse(PathBuf::from(name), text.to_owned(), environment)
}

impl Inspected {
    /// A configuration of which nothing could be read.
    pub(crate) fn unreadable(found: Vec<Diagnostic>) -> Self {
        Self { config: None, found, is_whole: false, has_unknown_word: false }
    }

    /// The configuration with its warnings.
    ///
    /// # Errors
    /// Everything that is wrong with it, together with the warnings.
    pub fn whole(self) -> Result<Config, Diagnostics> {
        match self {
            Self { config: Some(config), found, is_whole: true, .. } => {
                Ok(Config { warnings: Diagnostics::from(found).into(), ..config })
            }
            Self { found, .. } => Err(found.into()),
        }
    }
}

fn parse(path: PathBuf, text: String, environment: &Environment) -> Inspected {
    if text.len() > bounds::MAX_TEXT {
        return Inspected::unreadable(vec![Diagnostic::without_place(include::too_large(&path))]);
    }
    let mut report = Report::default();
    let main = report.map.add(path, text, None);
    let parser = parser::Parser::new(report, main, environment.clone());
    let statement::Read { config, found, failed, has_all_code, has_unknown_word } =
        parser.configuration(environment.config_dir.clone());
    let config = config.filter(|_| !failed || has_all_code);
    Inspected { config, found, is_whole: !failed, has_unknown_word }
}
