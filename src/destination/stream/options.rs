//! The options of the drivers that write text into a stream: [`WriterOptions`].

use std::time::Duration;

use super::{LineFormat, Marks, Quiet, Sizes, StreamSettings};
use crate::config::grammar::{
    Key, Kind, MAX_INT, NO_WAIT, Opening, Parsed, Parser, Reported, TEMPLATE, Table, Text, TokenKind, apply,
    names,
};
use crate::config::{Config, Diagnostic, MarkMode, TemplateOptions, TemplateText};
use crate::destination::DriverOptions;
use crate::template::Template;
use crate::template::this_process;

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
    /// `truncate-size()` and `pad-size()`
    pub sizes: Sizes,
    /// `suppress()`
    pub suppress: Option<Duration>,
    /// `mark-freq()`
    pub mark_freq: Option<Duration>,
    /// `mark-mode()`
    pub mark_mode: Option<MarkMode>,
    /// `flush-lines()`
    pub flush_lines: Option<u32>,
    /// `time-reopen()`
    pub time_reopen: Option<Duration>,
    /// The format of templates.
    pub template_options: TemplateOptions,
    /// The options of every destination.
    pub driver: DriverOptions,
}

/// The largest size of a line that may be asked for.
const MAX_SIZE: i64 = 64 << 20;

const WRITER: Table<WriterOptions> = &[
    ("template", Kind::Template(|to, template| to.template = Some(template))),
    ("flags", Kind::Other(|parser, to| writer_flags(parser, &mut to.flags))),
    ("truncate-size", Kind::Int(0, MAX_SIZE, |to, most| to.sizes.most = most as usize)),
    ("pad-size", Kind::Int(0, MAX_SIZE, |to, size| to.sizes.pad = size as usize)),
    ("suppress", Kind::Seconds(|to, within| to.suppress = Some(within))),
    ("mark-freq", Kind::Seconds(|to, time| to.mark_freq = Some(time))),
    ("mark-mode", Kind::Other(|parser, to| parser.mark_mode().map(|mode| to.mark_mode = Some(mode)))),
    (
        "flush-lines",
        Kind::Unused(NO_WAIT, &Kind::Int(0, MAX_INT, |to, lines| to.flush_lines = Some(lines as u32))),
    ),
    ("time-reopen", Kind::Seconds(|to, time| to.time_reopen = Some(time))),
    ("sync", Kind::Other(|parser, to| parser.sync().map(|lines| to.flush_lines = Some(lines)))),
    ("sync-freq", Kind::Other(|parser, to| parser.sync().map(|lines| to.flush_lines = Some(lines)))),
    ("flush-timeout", Kind::NoEffect("since lines never wait for others")),
];

impl WriterOptions {
    /// The names of the options.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        names(WRITER).chain(DriverOptions::names()).chain(names(TEMPLATE))
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(WRITER, self, parser, key)
            .or_else(|| self.driver.apply(parser, key))
            .or_else(|| apply(TEMPLATE, &mut self.template_options, parser, key))
    }

    /// The marks of a driver whose mode is `default` where none is written.
    pub(crate) fn marks(&self, config: &Config, default: MarkMode) -> Option<Marks> {
        let mut mode = self.mark_mode.unwrap_or(default);
        if mode == MarkMode::Global {
            mode = config.options.mark_mode;
        }
        let quiet = match mode {
            // What `internal()` has to say comes by a path.
            MarkMode::Internal | MarkMode::None => return None,
            MarkMode::Periodical => Quiet::Never,
            MarkMode::DstIdle => Quiet::Destination,
            MarkMode::HostIdle | MarkMode::Global => Quiet::Host,
        };
        let every = self.mark_freq.unwrap_or(config.options.mark_freq);
        (!every.is_zero()).then_some(Marks { quiet, every })
    }

    /// The settings of a stream to `path`, whose lines are those of `template` where nothing else is written.
    ///
    /// # Errors
    /// Time zones that nobody knows, at their places.
    pub(crate) fn settings(
        &self,
        config: &Config,
        path: Template,
        template: Option<&TemplateText>,
    ) -> Result<StreamSettings, Diagnostic> {
        let own = self.template.as_ref();
        let compiled = |text: &TemplateText| text.template.clone();
        let time_reopen = self.time_reopen.unwrap_or(config.options.time_reopen);
        Ok(StreamSettings {
            fifo_size: self.driver.fifo_size(config),
            throttle: self.driver.throttle,
            time_reopen: time_reopen.max(Duration::from_millis(1)),
            no_multi_line: self.flags.no_multi_line,
            sizes: self.sizes,
            suppress: self.suppress.unwrap_or(config.options.suppress),
            marks: self.marks(config, MarkMode::None),
            line: if self.flags.syslog_protocol {
                LineFormat::SyslogProtocol(own.map(compiled))
            } else {
                LineFormat::Template(own.or(template).map_or_else(Template::file_line, compiled))
            },
            options: self.template_options.resolve(config, own.and_then(|template| template.escape))?,
            identity: this_process(),
            ..StreamSettings::new(path)
        })
    }
}

/// Reads the path that a driver begins with: a template. Where that is wrong, an empty one and the error that
/// was reported: the options are still to be read, for what may be wrong with them.
pub(crate) fn read_path(
    parser: &mut Parser,
    open: Opening,
    what: &str,
) -> Parsed<(TemplateText, Option<Reported>)> {
    let text = parser.text(&format!("the path of the {what}")).inspect_err(|_| {
        parser.close_parenthesis(open);
    })?;
    if text.value.is_empty() {
        parser.report.error(text.span, format!("the path of the {what} is empty"), None);
    }
    if text.value.contains('\0') {
        let message = format!("the path of the {what} has a NUL byte, which no path can have");
        parser.report.error(text.span, message, None);
    }
    let nothing = Text::verbatim(String::new(), text.span);
    match parser.compile(text) {
        Ok(path) => Ok((path, None)),
        Err(error) => Ok((parser.compile(nothing)?, Some(error))),
    }
}

fn writer_flags(parser: &mut Parser, flags: &mut WriterFlags) -> Parsed<()> {
    const WORDS: [&str; 4] = ["no-multi-line", "syslog-protocol", "threaded", "ignore-errors"];
    while !parser.sees(&TokenKind::RParen) {
        let word = parser.string("a flag")?;
        match word.value.replace('_', "-").as_str() {
            _ if parser.is_old_flag(&word) => {}
            "no-multi-line" => flags.no_multi_line = true,
            "syslog-protocol" => flags.syslog_protocol = true,
            "threaded" | "ignore-errors" => {
                parser.report.warn(word.span, format!("`{}` has no effect in Inrush", word.value), None);
            }
            _ => {
                let help = parser.suggestion(&word.value, WORDS);
                parser.report.error(word.span, format!("unknown flag `{}`", word.value), help);
            }
        }
    }
    Ok(())
}
