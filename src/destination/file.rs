//! `file()`: lines into files whose paths may have macros.

use std::sync::Arc;
use std::time::Duration;

use super::stream::{Opening, StreamSettings, WriterOptions, read_path};
use super::{DestinationOptions, Planned};
use crate::config::grammar::{DriverHead, Kind, PERMISSIONS, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, FilePermissions, TemplateText};
use crate::transport::access::access;

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

impl DestinationOptions for FileOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let (path, failed) = read_path(parser, head.open, "file")?;
        let mut options = Self {
            path,
            permissions: FilePermissions::default(),
            create_dirs: None,
            time_reap: None,
            fsync: false,
            optional: false,
            writer: WriterOptions::default(),
        };
        let known = || names(FILE).chain(WriterOptions::names()).chain(names(PERMISSIONS)).collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            apply(FILE, &mut options, parser, key)
                .or_else(|| options.writer.apply(parser, key))
                .or_else(|| apply(PERMISSIONS, &mut options.permissions, parser, key))
        });
        failed.map_or(Ok(options), Err)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        self.settings(config).map(StreamSettings::planned)
    }
}

impl FileOptions {
    fn opening(&self, config: &Config) -> Result<Opening, Diagnostic> {
        let global = &config.options;
        Ok(Opening {
            create_dirs: self.create_dirs.unwrap_or(global.create_dirs),
            file: access(config, &self.permissions.file(&global.file))?,
            dir: access(config, &self.permissions.dir(&global.dir))?,
        })
    }

    fn settings(&self, config: &Config) -> Result<StreamSettings, Diagnostic> {
        let global = &config.options;
        let path = self.path.template.clone();
        let mut settings = self.writer.settings(config, path, global.file_template.as_ref())?;
        settings.opening = Arc::new(self.opening(config)?);
        settings.fsync = self.fsync;
        settings.time_reap = self.time_reap.unwrap_or(global.time_reap);
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;

    /// The settings of `file("/x" TO)`.
    fn of_file(global: &str, to: &str) -> StreamSettings {
        let text = format!("options {{ {global} }}; destination d {{ file(\"/x\" {to}); }};");
        let environment = Environment::new(&VOCABULARY);
        let config = parse_str("test.conf", &text, &environment).unwrap_or_else(|errors| panic!("{errors}"));
        let options = config.destinations["d"].drivers()[0].options::<FileOptions>().expect("file()");
        options.settings(&config).unwrap()
    }

    /// The way in which `file("/x" TO)` opens files.
    fn opening(global: &str, to: &str) -> Opening {
        let text = format!("options {{ {global} }}; destination d {{ file(\"/x\" {to}); }};");
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        config.destinations["d"].drivers()[0]
            .options::<FileOptions>()
            .expect("file()")
            .opening(&config)
            .unwrap()
    }

    /// Breaks without it: an option of a file is accepted and changes nothing, or the global one wins.
    #[test]
    fn options_of_a_file_arrive() {
        let seconds = Duration::from_secs;
        let plain = of_file("", "");
        assert_eq!((plain.time_reopen, plain.time_reap, plain.fsync), (seconds(60), seconds(60), false));
        assert!(!plain.no_multi_line);
        let bits = |opening: Opening| (opening.create_dirs, opening.file.perm, opening.dir.perm);
        assert_eq!(bits(opening("", "")), (false, Some(0o600), Some(0o700)));
        let all = "time-reopen(2); time-reap(3); create-dirs(yes); perm(0640); dir-perm(0750);";
        let global = of_file(all, "");
        assert_eq!((global.time_reopen, global.time_reap), (seconds(2), seconds(3)));
        assert_eq!(bits(opening(all, "")), (true, Some(0o640), Some(0o750)));
        let own = "time-reopen(0) time-reap(5) create-dirs(no) perm(0604) dir-perm(0705) fsync(yes) flags(no-multi-line)";
        assert_eq!(bits(opening(all, own)), (false, Some(0o604), Some(0o705)));
        let own = of_file(all, own);
        assert_eq!((own.time_reopen, own.time_reap), (Duration::from_millis(1), seconds(5)));
        assert!(own.fsync && own.no_multi_line);
        let fifo = |global, to| of_file(global, to).fifo_size;
        assert_eq!((fifo("", ""), fifo("log-fifo-size(7);", "")), (10_000, 7));
        assert_eq!(fifo("log-fifo-size(7);", "log-fifo-size(8)"), 8);
    }
}
