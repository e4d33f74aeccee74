//! `destination { }` and the destination drivers.
use std::time::Duration;

use super::option_table::{Kind, MAX_INT, NO_LEVELS, Table, apply, names};
use super::options::NO_WAIT;
use super::parser::{Opening, Parsed, Parser};
use super::span::{Span, Spanned};
use super::template_options::TEMPLATE;
use super::template_text::{TemplateOptions, TemplateText};
use super::token::{Text, TokenKind};
use super::unsupported::Place;

/// `destination NAME { … };`, or a destination written inside a log path.
#[derive(Debug, Clone)]
pub struct DestinationStatement {
    /// The name; of an anonymous destination, one that nobody can have written.
    pub name: String,
    /// Where the statement starts.
    pub span: Span,
    /// The drivers, in the order in which they were written. Each gets every message.
    pub drivers: Vec<IdentifiedDestination>,
}

/// A destination driver with its id.
#[derive(Debug, Clone)]
pub struct IdentifiedDestination {
    /// `<name of the statement>#<index>`
    pub id: String,
    /// The driver's name, as `file`.
    pub span: Span,
    /// The driver.
    pub driver: DestinationDriver,
}

/// A destination driver and its options.
#[derive(Debug, Clone)]
pub enum DestinationDriver {
    /// `file(…)`
    File(Box<FileOptions>),
    /// `stdout(…)`
    Stdout(Box<StdoutOptions>),
}

/// `flags()` of a destination that writes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterFlags {
    /// `no-multi-line`: newlines in messages become spaces.
    pub no_multi_line: bool,
    /// `syslog-protocol`: messages are written as RFC 5424.
    pub syslog_protocol: bool,
}

/// The options of every destination that writes text. `None` means: as in `options {}`.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions {
    /// `template()`
    pub template: Option<TemplateText>,
    /// `flags()`
    pub flags: WriterFlags,
    /// `flush-lines()`
    pub flush_lines: Option<u32>,
    /// `time-reopen()`
    pub time_reopen: Option<Duration>,
    /// How templates are formatted.
    pub template_options: TemplateOptions,
    /// The options of every destination.
    pub driver: DriverOptions,
}

/// The options of every destination.
#[derive(Debug, Clone, Default)]
pub struct DriverOptions {
    /// `log-fifo-size()`: messages that wait at most, where nothing holds their source back.
    pub log_fifo_size: Option<usize>,
    /// `persist-name()`
    pub persist_name: Option<Spanned<String>>,
    /// `internal()`
    pub internal: bool,
}

const DRIVER: Table<DriverOptions> = &[
    ("log-fifo-size", Kind::Int(1, MAX_INT, |to, size| to.log_fifo_size = Some(size as usize))),
    ("persist-name", Kind::Text(|to, name| to.persist_name = Some(name))),
    ("internal", Kind::Unused(NO_LEVELS, &Kind::YesNo(|to, yes| to.internal = yes))),
];

const WRITER: Table<WriterOptions> = &[
    ("template", Kind::Template(|to, template| to.template = Some(template))),
    ("flags", Kind::Other(|parser, to| parser.writer_flags(&mut to.flags))),
    ("flush-lines", Kind::Unused(NO_WAIT, &Kind::Int(0, MAX_INT, |to, lines| to.flush_lines = Some(lines as u32)))),
    ("time-reopen", Kind::Seconds(|to, time| to.time_reopen = Some(time))),
    ("sync", Kind::Other(|parser, to| parser.sync().map(|lines| to.flush_lines = Some(lines)))),
    ("flush-timeout", Kind::NoEffect("since lines never wait for others")),
];

/// Who owns what is created, and who may use it. What is not given is left as the system makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The owner's name or number.
    pub owner: Option<Spanned<String>>,
    /// The group's name or number.
    pub group: Option<Spanned<String>>,
    /// The permission bits.
    pub perm: Option<u32>,
}

/// The value of an option that may be written without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// The option was not written.
    #[default]
    No,
    /// Written without a value or with -1, as in `owner()` and `owner(-1)`: nothing is to be changed, whatever `options {}` says.
    Nothing,
    /// Written with a value.
    Value(T),
}

impl<T: Clone> Given<T> {
    /// The value, or `default` if the option was not written.
    fn or(&self, default: Option<&T>) -> Option<T> {
        match self {
            Self::No => default.cloned(),
            Self::Nothing => None,
            Self::Value(value) => Some(value.clone()),
        }
    }
}

/// [`Ownership`] of files and directories, as it was written.
#[derive(Debug, Clone, Default)]
pub struct FilePermissions {
    /// `owner()`
    pub owner: Given<Spanned<String>>,
    /// `group()`
    pub group: Given<Spanned<String>>,
    /// `perm()`
    pub perm: Given<u32>,
    /// `dir-owner()`
    pub dir_owner: Given<Spanned<String>>,
    /// `dir-group()`
    pub dir_group: Given<Spanned<String>>,
    /// `dir-perm()`
    pub dir_perm: Given<u32>,
}

impl FilePermissions {
    /// Who owns created files, with `defaults` for what is not written here.
    #[must_use]
    pub fn file(&self, defaults: &Ownership) -> Ownership {
        Ownership {
            owner: self.owner.or(defaults.owner.as_ref()),
            group: self.group.or(defaults.group.as_ref()),
            perm: self.perm.or(defaults.perm.as_ref()),
        }
    }

    /// Who owns created directories, with `defaults` for what is not written here.
    #[must_use]
    pub fn dir(&self, defaults: &Ownership) -> Ownership {
        Ownership {
            owner: self.dir_owner.or(defaults.owner.as_ref()),
            group: self.dir_group.or(defaults.group.as_ref()),
            perm: self.dir_perm.or(defaults.perm.as_ref()),
        }
    }
}

/// The options of [`FilePermissions`]; `options {}` has the same.
pub(super) const PERMISSIONS: Table<FilePermissions> = &[
    ("owner", Kind::Other(|parser, to| parser.user().map(|user| to.owner = user))),
    ("group", Kind::Other(|parser, to| parser.user().map(|user| to.group = user))),
    ("perm", Kind::Other(|parser, to| parser.permissions().map(|bits| to.perm = bits))),
    ("dir-owner", Kind::Other(|parser, to| parser.user().map(|user| to.dir_owner = user))),
    ("dir-group", Kind::Other(|parser, to| parser.user().map(|user| to.dir_group = user))),
    ("dir-perm", Kind::Other(|parser, to| parser.permissions().map(|bits| to.dir_perm = bits))),
];

/// `file("path" …)`
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// The path: a template, so that one driver can write many files.
    pub path: TemplateText,
    /// `owner()`, `group()`, `perm()` and the same for directories.
    pub permissions: FilePermissions,
    /// `create-dirs()`
    pub create_dirs: Option<bool>,
    /// `time-reap()`: how long an unused file stays open.
    pub time_reap: Option<Duration>,
    /// `fsync()`: whether each write goes to the disk before its messages count as delivered.
    pub fsync: bool,
    /// `optional()`
    pub optional: bool,
    /// The options of every destination that writes text.
    pub writer: WriterOptions,
}

const TRIED_AGAIN: &str = "in Inrush: a file that cannot be opened is tried again, and stops nothing";

const FILE: Table<FileOptions> = &[
    ("create-dirs", Kind::YesNo(|to, yes| to.create_dirs = Some(yes))),
    ("time-reap", Kind::Seconds(|to, time| to.time_reap = Some(time))),
    ("fsync", Kind::YesNo(|to, yes| to.fsync = yes)),
    ("optional", Kind::Unused(TRIED_AGAIN, &Kind::YesNo(|to, yes| to.optional = yes))),
];

/// `stdout(…)`
#[derive(Debug, Clone, Default)]
pub struct StdoutOptions {
    /// The options of every destination that writes text.
    pub writer: WriterOptions,
}

const STDOUT: Table<StdoutOptions> = &[];

const DRIVERS: [&str; 2] = ["file", "stdout"];

impl Parser {
    /// A user or a group, by name or number; nothing at all or -1 for "leave it".
    fn user(&mut self) -> Parsed<Given<Spanned<String>>> {
        if self.sees(&TokenKind::RParen) {
            return Ok(Given::Nothing);
        }
        let text = self.text_or_number("a name or a number")?;
        let text = self.utf8(text)?;
        Ok(match text.value.as_str() {
            "" | "-1" => Given::Nothing,
            _ => Given::Value(Spanned::new(text.value, text.span)),
        })
    }

    /// Permission bits; nothing at all or -1 for "leave it".
    fn permissions(&mut self) -> Parsed<Given<u32>> {
        if self.sees(&TokenKind::RParen) {
            return Ok(Given::Nothing);
        }
        if matches!(&self.peek().kind, TokenKind::Number(_, written) if written == "-1") {
            self.next();
            return Ok(Given::Nothing);
        }
        if !matches!(self.peek().kind, TokenKind::Number(..)) {
            return Err(self.unexpected("permissions as an octal number, such as 0640"));
        }
        if let TokenKind::Number(_, written) = &self.peek().kind
            && written.len() == 3
            && written.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
        {
            let help = Some(format!("an octal number starts with 0: did you mean 0{written}?"));
            let span = self.peek().span;
            self.report.warn(span, format!("{written} is a decimal number here"), help);
        }
        self.integer(0, 0o7777).map(|bits| Given::Value(bits as u32))
    }

    /// The value of `sync()`, the old spelling of `flush-lines()`, with the warnings of both.
    pub(super) fn sync(&mut self) -> Parsed<u32> {
        let span = self.option;
        let text = "sync() is an old spelling of flush-lines(), which has no effect in Inrush: what is there is \
                    written, and lines never wait for others";
        self.report.warn(span, text, Some("leave it out".to_owned()));
        self.integer(0, MAX_INT).map(|lines| lines as u32)
    }

    fn writer_flags(&mut self, flags: &mut WriterFlags) -> Parsed<()> {
        const WORDS: [&str; 4] = ["no-multi-line", "syslog-protocol", "threaded", "ignore-errors"];
        while !self.sees(&TokenKind::RParen) {
            let word = self.string("a flag")?;
            match word.value.replace('_', "-").as_str() {
                _ if self.is_old_flag(&word) => {}
                "no-multi-line" => flags.no_multi_line = true,
                "syslog-protocol" => flags.syslog_protocol = true,
                "threaded" | "ignore-errors" => {
                    self.report.warn(word.span, format!("`{}` has no effect in Inrush", word.value), None);
                }
                _ => {
                    let help = self.suggestion(&word.value, WORDS);
                    self.report.error(word.span, format!("unknown flag `{}`", word.value), help);
                }
            }
        }
        Ok(())
    }

    /// A destination driver; `index` is its place in the statement called `name`.
    pub(super) fn destination_driver(&mut self, name: &str, index: usize) -> Parsed<IdentifiedDestination> {
        let (key, open) = self.driver_name(Place::Destination, &DRIVERS)?;
        let driver = if key.value == "file" {
            DestinationDriver::File(Box::new(self.file_destination(open)?))
        } else {
            let mut options = StdoutOptions::default();
            self.destination_options(open, STDOUT, &mut options, |to| &mut to.writer, |_| None);
            DestinationDriver::Stdout(Box::new(options))
        };
        Ok(IdentifiedDestination { id: format!("{name}#{index}"), span: key.span, driver })
    }

    fn file_destination(&mut self, open: Opening) -> Parsed<FileOptions> {
        let text = self.text("the path of the file").inspect_err(|_| {
            self.close_parenthesis(open);
        })?;
        if text.value.is_empty() {
            self.report.error(text.span, "the path of the file is empty", None);
        }
        if text.value.contains('\0') {
            self.report.error(text.span, "the path of the file has a NUL byte, which no path can have", None);
        }
        // With a wrong path the options are still read, for what may be wrong with them.
        let nothing = Text::verbatim(String::new(), text.span);
        let (path, failed) = match self.compile(text) {
            Ok(path) => (path, None),
            Err(error) => (self.compile(nothing)?, Some(error)),
        };
        let mut options = FileOptions {
            path,
            permissions: FilePermissions::default(),
            create_dirs: None,
            time_reap: None,
            fsync: false,
            optional: false,
            writer: WriterOptions::default(),
        };
        self.destination_options(
            open,
            FILE,
            &mut options,
            |to| &mut to.writer,
            |to| Some(&mut to.permissions),
        );
        failed.map_or(Ok(options), Err)
    }

    /// The options of a destination driver that writes text: those of its own `table`, those of the structs inside it.
    fn destination_options<T>(
        &mut self,
        open: Opening,
        table: Table<T>,
        options: &mut T,
        writer: fn(&mut T) -> &mut WriterOptions,
        permissions: fn(&mut T) -> Option<&mut FilePermissions>,
    ) {
        let owned = permissions(options).is_some();
        let known = || {
            let mut known: Vec<_> =
                names(table).chain(names(WRITER)).chain(names(DRIVER)).chain(names(TEMPLATE)).collect();
            if owned {
                known.extend(names(PERMISSIONS));
            }
            known
        };
        self.options_in_parentheses(open, Place::DestinationOption, &known, |parser, key| {
            apply(table, options, parser, key)
                .or_else(|| apply(WRITER, writer(options), parser, key))
                .or_else(|| apply(DRIVER, &mut writer(options).driver, parser, key))
                .or_else(|| apply(TEMPLATE, &mut writer(options).template_options, parser, key))
                .or_else(|| apply(PERMISSIONS, permissions(options)?, parser, key))
        });
    }
}
