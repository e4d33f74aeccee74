//! The top of a file: statements, and what they refer to.
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::Config;
use super::backtick;
use super::destination::DestinationStatement;
use super::diagnostic::{Diagnostic, Level};
use super::filter::FilterStatement;
use super::log_path::LogPath;
use super::option_table::Key;
use super::options::GlobalOptions;
use super::parser::{Opening, Parsed, Parser};
use super::parser_statement::ParserStatement;
use super::preamble::Version;
use super::report::Reported;
use super::rewrite::RewriteStatement;
use super::source::SourceStatement;
use super::span::{Span, Spanned};
use super::token::{TokenKind, same_word};
use super::unsupported::Place;

/// The code of a `python { }` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonBlock {
    /// The file that it stands in.
    pub file: PathBuf,
    /// The line, from 1, on which the code starts: `compile()` of `line - 1` newlines and the code gives the
    /// lines that the user sees.
    pub line: u32,
    /// The code as it was written; only blanks between the brace and code on the brace's own line are left
    /// out.
    pub code: String,
    /// The place of the code.
    pub span: Span,
}

/// The statements that there always are.
const STATEMENTS: [&str; 10] = [
    "options",
    "source",
    "destination",
    "log",
    "template",
    "template-function",
    "python",
    "block",
    "application",
    "transformation",
];

/// The statements that were read, also of a configuration with errors.
pub(super) struct Read {
    /// None if the text could not be read to its end, so that what was read of it says little.
    pub(super) config: Option<Config>,
    /// The errors and warnings.
    pub(super) found: Vec<Diagnostic>,
    /// Tells whether there is an error among them.
    pub(super) failed: bool,
    /// Tells whether all python blocks are in the configuration, each with its end.
    pub(super) has_all_code: bool,
    /// Tells whether a word was not known where a block could be meant.
    pub(super) has_unknown_word: bool,
}

/// The statements as they are read.
#[derive(Default)]
pub(super) struct Statements {
    options: GlobalOptions,
    pub(super) sources: IndexMap<String, SourceStatement>,
    pub(super) destinations: IndexMap<String, DestinationStatement>,
    pub(super) filters: IndexMap<String, FilterStatement>,
    pub(super) rewrites: IndexMap<String, RewriteStatement>,
    pub(super) parsers: IndexMap<String, ParserStatement>,
    pub(super) logs: Vec<LogPath>,
    python_blocks: Vec<PythonBlock>,
}

impl Parser {
    /// Reads all tokens of a configuration in `directory`.
    pub(super) fn configuration(mut self, directory: PathBuf) -> Read {
        let mut read = Statements::default();
        loop {
            match self.peek().kind {
                TokenKind::End => break,
                TokenKind::Semicolon => drop(self.next()),
                TokenKind::RBrace => {
                    let span = self.next().span;
                    self.report.error(span, "this brace closes nothing", None);
                }
                _ => match self.opens_block(Place::Statement) {
                    Ok(true) => {}
                    Err(Reported) => self.skip_item(),
                    Ok(false) => match self.statement(&mut read) {
                        Ok(()) => self.semicolons(),
                        Err(Reported) => self.skip_item(),
                    },
                },
            }
        }
        self.resolve_templates();
        self.link_templates();
        self.check(&read);
        for python_path in &read.options.python_path {
            self.check_directory(&directory, python_path);
        }
        let Self { lexer, report, templates, mut links, vocabulary, has_unknown_word, .. } = self;
        let pragmas = lexer.pragmas;
        let has_all_code = lexer.python_blocks == read.python_blocks.len() && !pragmas.incomplete;
        let mut failed = report.failed();
        let (sources_text, mut found) = report.into_parts(!pragmas.unreadable);
        let Statements { options, sources, destinations, filters, rewrites, parsers, logs, python_blocks } =
            read;
        let config = Config {
            directory,
            version: pragmas.version.map_or(Version::CURRENT, |version| version.value),
            config_id: pragmas.config_id,
            use_virtualenv: pragmas.use_virtualenv,
            options,
            sources,
            destinations,
            filters,
            rewrites,
            parsers,
            templates,
            logs,
            python_blocks,
            python_functions: links.take_host_functions(),
            sources_text,
            warnings: Vec::new(),
        };
        if !failed {
            let before = found.len();
            links.compile(vocabulary, &config, &mut found);
            failed = found.len() > before;
        }
        Read {
            config: (!pragmas.unreadable).then_some(config),
            found,
            failed,
            has_all_code,
            has_unknown_word,
        }
    }

    /// Warns of a directory of `python-path()` that is not there; relative ones start from `base`.
    fn check_directory(&mut self, base: &Path, python_path: &Spanned<String>) {
        let path = base.join(&python_path.value);
        if !path.is_dir() {
            let what = if path.exists() { "is no directory" } else { "does not exist" };
            let message = format!("`{}` {what}: no module will be found there", path.display());
            self.report.warn(python_path.span, message, None);
        }
    }

    fn statement(&mut self, read: &mut Statements) -> Parsed<()> {
        let token = self.next();
        let start = token.span;
        let TokenKind::Word(word) = &token.kind else {
            let found = token.kind.describe();
            return Err(self.report.error(start, format!("expected a statement, found {found}"), None));
        };
        match STATEMENTS.iter().find(|statement| same_word(statement, word)).copied() {
            Some("options") => {
                self.expect(&TokenKind::LBrace)?;
                self.global_options(&mut read.options);
            }
            Some("source") => {
                let name = self.string("a name for the source")?;
                let source = self.source_body(name.value.clone(), start.to(name.span), 0)?;
                let first = read.sources.get(&name.value).map(|first| first.span);
                self.duplicate("source", &name, first)?;
                read.sources.insert(name.value, source);
            }
            Some("destination") => {
                let name = self.string("a name for the destination")?;
                let destination = self.destination_body(name.value.clone(), start.to(name.span), 0)?;
                let first = read.destinations.get(&name.value).map(|first| first.span);
                self.duplicate("destination", &name, first)?;
                read.destinations.insert(name.value, destination);
            }
            Some("log") => {
                let path = self.log_path(start, 0)?;
                read.logs.push(path);
            }
            Some("python") => {
                let open = self.expect(&TokenKind::LBrace)?;
                let code = self.next();
                if let TokenKind::Code = code.kind {
                    read.python_blocks.push(self.python_block(open, code.span));
                }
                // Without a closing brace the lexer reported that.
                if !self.eat(&TokenKind::RBrace) {
                    return Err(Reported);
                }
            }
            Some("template") => self.template_statement(start)?,
            Some("template-function") => self.template_function()?,
            Some("block") => self.block_statement()?,
            Some("application") => self.application_statement()?,
            Some("transformation") => self.transformation_statement()?,
            _ if same_word("filter", word) && self.vocabulary.has_path_item("filter") => {
                let name = self.string("a name for the filter")?;
                let filter = self.filter_body(name.value.clone(), start.to(name.span))?;
                let first = read.filters.get(&name.value).map(|first| first.span);
                self.duplicate("filter", &name, first)?;
                read.filters.insert(name.value, filter);
            }
            _ if same_word("rewrite", word) && self.vocabulary.has_path_item("rewrite") => {
                let name = self.string("a name for the rewrite")?;
                let rewrite = self.rewrite_body(name.value.clone(), start.to(name.span), 0)?;
                let first = read.rewrites.get(&name.value).map(|first| first.span);
                self.duplicate("rewrite", &name, first)?;
                read.rewrites.insert(name.value, rewrite);
            }
            _ if same_word("parser", word) && self.vocabulary.has_path_item("parser") => {
                let name = self.string("a name for the parser")?;
                let parser = self.parser_body(name.value.clone(), start.to(name.span), 0)?;
                let first = read.parsers.get(&name.value).map(|first| first.span);
                self.duplicate("parser", &name, first)?;
                read.parsers.insert(name.value, parser);
            }
            _ => {
                let key = Key::new(word.clone(), start);
                return Err(self.unknown_word(Place::Statement, &key, &STATEMENTS));
            }
        }
        Ok(())
    }

    fn python_block(&self, open: Span, at: Span) -> PythonBlock {
        let map = &self.report.map;
        let filled = self.lexer.arguments().map(|all| backtick::fill(map.text(at), |name| all.get(name)));
        let code = filled.as_deref().unwrap_or(map.text(at));
        let first = code.split(['\n', '\r']).next().unwrap_or_default();
        let blank = if first.trim().is_empty() { 0 } else { first.len() - first.trim_start().len() };
        PythonBlock {
            file: map.path(at).to_owned(),
            line: map.line(Span { end: open.start, ..open }),
            code: code[blank..].to_owned(),
            span: at,
        }
    }

    /// `{ … }` of a source called `name`, whose statement is at `span`; `depth` is how many paths are around
    /// it.
    pub(super) fn source_body(&mut self, name: String, span: Span, depth: usize) -> Parsed<SourceStatement> {
        let items = self.body_items(Place::Source, &name, depth)?;
        Ok(SourceStatement { name, span, items })
    }

    /// The same of a destination.
    pub(super) fn destination_body(
        &mut self,
        name: String,
        span: Span,
        depth: usize,
    ) -> Parsed<DestinationStatement> {
        let items = self.body_items(Place::Destination, &name, depth)?;
        Ok(DestinationStatement { name, span, items })
    }

    /// The same of a parser.
    pub(super) fn parser_body(&mut self, name: String, span: Span, depth: usize) -> Parsed<ParserStatement> {
        let items = self.body_items(Place::Parser, &name, depth)?;
        Ok(ParserStatement { name, span, items })
    }

    /// Tells whether the language itself has `word` at `place`.
    pub(super) fn knows(&self, place: Place, word: &str) -> bool {
        match place {
            Place::Statement => {
                let is_built = |item| same_word(item, word) && self.vocabulary.has_path_item(item);
                ["filter", "rewrite", "parser"].into_iter().any(is_built)
                    || STATEMENTS.iter().any(|statement| same_word(statement, word))
            }
            Place::LogPath => self.path_words().iter().any(|item| same_word(item, word)),
            Place::Source | Place::Destination | Place::Parser | Place::Rewrite if is_path(word) => true,
            Place::Rewrite if same_word("junction", word) => true,
            _ => self.vocabulary.syntaxes(place).iter().any(|syntax| same_word(syntax.word, word)),
        }
    }

    /// Reports that a name is taken, if it is: there is a `first` thing with it.
    pub(super) fn duplicate(
        &mut self,
        kind: &str,
        name: &Spanned<String>,
        first: Option<Span>,
    ) -> Parsed<()> {
        let Some(first) = first else { return Ok(()) };
        let message = format!("there is already a {kind} called `{}`", name.value);
        if self.lexer.allows_duplicates() {
            self.report.warn(name.span, message, Some("this one replaces the first one".to_owned()));
            return Ok(());
        }
        Err(self.report.error_with(name.span, message, first, "the first one", None))
    }

    /// The name of a driver and its `(`, which is taken; `drivers` are those of this version.
    pub(super) fn driver_name(&mut self, place: Place, drivers: &[&'static str]) -> Parsed<(Key, Opening)> {
        let token = self.peek();
        let TokenKind::Word(word) = &token.kind else {
            let example = drivers.first().map(|driver| format!(", as in {driver}(…)")).unwrap_or_default();
            return Err(self.unexpected(&format!("a {}{example}", place.noun())));
        };
        let key = Key::new(word.clone(), token.span);
        if !drivers.iter().any(|driver| same_word(driver, &key.value)) {
            return Err(self.unknown_word(place, &key, drivers));
        }
        self.next();
        let open = self.open_parenthesis()?;
        Ok((key, open))
    }

    pub(super) fn unknown_name<'a>(
        &mut self,
        kind: &str,
        name: &str,
        span: Span,
        known: impl Iterator<Item = &'a String>,
    ) {
        let known: Vec<_> =
            if self.report.is_full(Level::Error) { Vec::new() } else { known.map(String::as_str).collect() };
        let help = self.suggestion(name, known.iter().copied()).or_else(|| match known.as_slice() {
            [] => Some(format!("there are no {kind}s with a name")),
            [one] => Some(format!("there is only `{one}`")),
            [first @ .., last] if first.len() < 6 => {
                Some(format!("there are {} and {last}", first.join(", ")))
            }
            _ => None,
        });
        self.report.error(span, format!("no {kind} is called `{name}`"), help);
    }
}

/// Tells whether `word` starts a path in a body.
fn is_path(word: &str) -> bool {
    same_word("channel", word) || same_word("log", word)
}
