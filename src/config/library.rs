//! The library of blocks (scl.conf) of syslog-ng or `AxoSyslog`, where one is installed: [`Library`].
//!
//! ```text
//! /etc/syslog-ng/scl.conf                     `syslog-ng-sysconfdir`, if the configuration is there, too
//! /usr                                        `syslog-ng-root`
//!   share/syslog-ng                           `syslog-ng-data`
//!     include                                 `syslog-ng-include`, and the last part of `include-path`
//!       scl/*/*.conf                          `scl-root`: what scl.conf includes
//!   lib/syslog-ng                             `module-path`, `module-install-dir`
//! ```
//!
//! Nothing of it is part of Inrush: its files are read as any others that a configuration includes.

use std::path::{Path, PathBuf};

/// The places where it may be: what everything lies below, and the directories that may have scl.conf.
const PLACES: &[(&str, &[&str])] = &[
    ("/usr", &["/etc/syslog-ng"]),
    ("/usr/local", &["/usr/local/etc/syslog-ng", "/usr/local/etc"]),
    ("/opt/syslog-ng", &["/opt/syslog-ng/etc"]),
    ("/opt/axosyslog", &["/opt/axosyslog/etc"]),
];

/// An installed library of blocks.
#[derive(Debug, Clone)]
pub struct Library {
    /// The directory that everything lies below.
    pub root: PathBuf,
    /// The directories in which scl.conf is looked for when the include path has none.
    pub config_dirs: Vec<PathBuf>,
}

impl Library {
    /// The library that this machine has, if any.
    pub fn installed() -> Option<Self> {
        let at = |(root, config_dirs): &(&str, &[&str])| Self {
            root: PathBuf::from(root),
            config_dirs: config_dirs.iter().map(PathBuf::from).collect(),
        };
        PLACES.iter().map(at).find(|library| library.include().is_dir())
    }

    /// The directory of what is not made for one machine.
    pub fn data(&self) -> PathBuf {
        self.root.join("share/syslog-ng")
    }

    /// The directory that `@include` looks through last.
    pub fn include(&self) -> PathBuf {
        self.data().join("include")
    }

    /// The directory of modules. Inrush loads none; what names it is refused where it matters.
    pub fn modules(&self) -> PathBuf {
        self.root.join("lib/syslog-ng")
    }

    /// The main file of the library, where the include path has none.
    pub(super) fn main_file(&self) -> Option<PathBuf> {
        self.config_dirs.iter().map(|directory| directory.join(MAIN_FILE)).find(|path| path.is_file())
    }
}

/// The name that configurations include it by.
pub(super) const MAIN_FILE: &str = "scl.conf";

/// The directory with blocks that an include path leads to.
pub(super) fn root_of_blocks(include_path: &[PathBuf], config_dir: &Path) -> PathBuf {
    let below = include_path.iter().map(|directory| directory.join("scl")).find(|path| path.is_dir());
    below.unwrap_or_else(|| config_dir.join("scl"))
}
