//! `file()`: lines into files whose paths may have macros.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use rustix::io::Errno;

use super::stream::{Connect, Opening, Sink, StreamSettings, WriterOptions, read_path};
use super::{DestinationOptions, DriverOptions, Planned, Wake};
use crate::config::grammar::{DriverHead, Kind, PERMISSIONS, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, FilePermissions, Spanned, TemplateText};
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
    /// `symlink-as()`: a link to the file that was opened last.
    pub symlink_as: Option<Spanned<String>>,
    /// `overwrite-if-older()`: the age from which on a file that is there is removed before it is opened.
    pub overwrite_if_older: Option<Duration>,
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
    ("symlink-as", Kind::Other(|parser, to| symlink_as(parser).map(|link| to.symlink_as = Some(link)))),
    (
        "overwrite-if-older",
        Kind::Seconds(|to, age| to.overwrite_if_older = Some(age).filter(|age| !age.is_zero())),
    ),
    ("fsync", Kind::YesNo(|to, yes| to.fsync = yes)),
    ("optional", Kind::Unused(TRIED_AGAIN, &Kind::YesNo(|to, yes| to.optional = yes))),
];

/// Reads the path of a link.
fn symlink_as(parser: &mut Parser) -> Parsed<Spanned<String>> {
    let link = parser.string("the path of a link")?;
    let name = Path::new(&link.value).file_name();
    if name.is_none() || link.value.ends_with('/') || link.value.contains('\0') {
        return Err(parser.report.error(link.span, "this is no path that a link can have", None));
    }
    Ok(link)
}

impl DestinationOptions for FileOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let (path, failed) = read_path(parser, head.open, "file")?;
        let mut options = Self {
            path,
            permissions: FilePermissions::default(),
            create_dirs: None,
            time_reap: None,
            symlink_as: None,
            overwrite_if_older: None,
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

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.writer.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        self.settings(config).map(StreamSettings::planned)
    }
}

impl FileOptions {
    fn opening(&self, config: &Config) -> Result<Files, Diagnostic> {
        let global = &config.options;
        let opening = Opening {
            create_dirs: self.create_dirs.unwrap_or(global.create_dirs),
            file: access(config, &self.permissions.file(&global.file))?,
            dir: access(config, &self.permissions.dir(&global.dir))?,
        };
        let link = self.symlink_as.as_ref().map(|link| PathBuf::from(&link.value));
        Ok(Files { opening, link, overwrite_if_older: self.overwrite_if_older })
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

/// Opens files.
#[derive(Debug, Clone)]
struct Files {
    opening: Opening,
    /// The link to the file that was opened last.
    link: Option<PathBuf>,
    overwrite_if_older: Option<Duration>,
}

impl Files {
    /// Removes the file at `path` if it is too old to be written on. (Not what a link leads to.)
    fn remove_old(&self, path: &Path) -> Result<(), Errno> {
        let Some(most) = self.overwrite_if_older else { return Ok(()) };
        let Ok(data) = fs::symlink_metadata(path) else { return Ok(()) };
        let age = data.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if data.is_file() && age.is_some_and(|age| age > most) {
            let removed = fs::remove_file(path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            });
            removed.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        }
        Ok(())
    }

    /// Makes the link lead to `path`; a sentence about what is in the way.
    fn link_to(&self, path: &[u8]) -> Option<String> {
        let link = self.link.as_ref()?;
        let path = Path::new(OsStr::from_bytes(path));
        // A link that is elsewhere leads there, too.
        let target = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let told = |error: io::Error| format!("symlink-as({}) cannot be made: {error}", link.display());
        match fs::symlink_metadata(link) {
            Ok(data) if !data.is_symlink() => {
                return Some(told(io::Error::other("there is something at that path that is no link")));
            }
            Ok(_) if fs::read_link(link).is_ok_and(|there| there == target) => return None,
            _ => {}
        }
        if self.opening.create_dirs
            && let Err(error) = self.opening.make_directories(link)
        {
            return Some(told(error.into()));
        }
        // Under another name first: whoever follows the link finds one of the two files.
        let mut name = link.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let new = link.with_file_name(name);
        let made = std::os::unix::fs::symlink(&target, &new).and_then(|()| fs::rename(&new, link));
        made.err().map(|error| {
            // It may not have been made.
            let _ = fs::remove_file(&new);
            told(error)
        })
    }
}

impl Connect for Files {
    fn kind(&self) -> &'static str {
        self.opening.kind()
    }

    fn connect(&self, path: &[u8], wake: &Wake) -> Result<Sink, Errno> {
        self.remove_old(Path::new(OsStr::from_bytes(path)))?;
        let sink = self.opening.connect(path, wake)?;
        Ok(match self.link_to(path) {
            Some(warning) => sink.with_warning(warning),
            None => sink,
        })
    }

    fn in_words(&self, error: Errno) -> String {
        self.opening.in_words(error)
    }

    fn goes_on(&self, path: &[u8]) -> Option<String> {
        self.link_to(path)
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
    fn opening(global: &str, to: &str) -> Files {
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
        let bits = |Files { opening, .. }: Files| (opening.create_dirs, opening.file.perm, opening.dir.perm);
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

    /// Breaks without it: a link leads to yesterday's file, or takes the place of a file; an old file is
    /// written on.
    #[test]
    fn links_and_old_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let wake: Wake = Arc::new(|| ());
        let to = format!("symlink-as(\"{}\") overwrite-if-older(60)", path("sub/link").display());
        let files = opening("create-dirs(yes);", &to);
        for name in ["one", "two", "two"] {
            let sink = files.connect(&bytes(&path(name)), &wake).unwrap();
            assert_eq!(sink.warning(), None);
            assert_eq!(fs::read_link(path("sub/link")).unwrap(), path(name));
        }
        assert_eq!(fs::read_dir(path("sub")).unwrap().count(), 1, "nothing is left behind");
        assert_eq!(files.goes_on(&bytes(&path("one"))), None);
        assert_eq!(fs::read_link(path("sub/link")).unwrap(), path("one"));
        fs::remove_file(path("sub/link")).unwrap();
        fs::write(path("sub/link"), "content").unwrap();
        let sink = files.connect(&bytes(&path("one")), &wake).unwrap();
        assert!(sink.warning().unwrap().contains("no link"), "{:?}", sink.warning());
        assert_eq!(fs::read_to_string(path("sub/link")).unwrap(), "content");
        // Old and young.
        for (age, content) in [(59, "old"), (61, "")] {
            fs::write(path("two"), "old").unwrap();
            let file = fs::File::options().write(true).open(path("two")).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            files.connect(&bytes(&path("two")), &wake).unwrap();
            assert_eq!(fs::read_to_string(path("two")).unwrap(), content, "{age}");
        }
        let plain = opening("", "overwrite-if-older(0)");
        assert!(plain.link.is_none() && plain.overwrite_if_older.is_none());
    }
}
