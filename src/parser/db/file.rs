//! The file of a pattern database, and the looks at it: [`DatabaseFile`].

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::database::{Around, Database};

/// The least time from one look to the next.
const LOOK: Duration = Duration::from_secs(5);

/// The identity of a file, beside that of the one before: its device, number, time and size.
type Mark = (u64, u64, Option<SystemTime>, u64);

/// The file, as it was seen last.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    mark: Option<Mark>,
    looked: Option<Instant>,
}

impl DatabaseFile {
    /// The file at `path`, which was not seen yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, mark: None, looked: None }
    }

    fn seen(&self) -> Option<Mark> {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(&self.path).ok()?;
        Some((found.dev(), found.ino(), found.modified().ok(), found.len()))
    }

    /// Reads it.
    ///
    /// # Errors
    /// A text that says what is wrong, with the line.
    pub(super) fn read(&mut self, around: &Around) -> Result<Database, String> {
        // Before the text: what is written meanwhile is seen by the next look.
        self.mark = self.seen();
        let path = self.path.display();
        let bytes = fs::read(&self.path).map_err(|error| format!("could not read `{path}`: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = 1 + memchr::memchr_iter(b'\n', &error.as_bytes()[..at]).count();
            format!("{path}:{line}: this is not UTF-8")
        })?;
        Database::read(&text, around).map_err(|error| format!("{path}:{}: {}", error.line, error.message))
    }

    /// Reads it again, if it is another one than before, and the last look was long enough ago.
    pub(super) fn look(&mut self, now: Instant, around: &Around) -> Option<Result<Database, String>> {
        let looked = *self.looked.get_or_insert(now);
        if now.saturating_duration_since(looked) <= LOOK {
            return None;
        }
        self.looked = Some(now);
        let seen = self.seen();
        // One that is gone leaves its rules.
        if seen.is_none() || seen == self.mark {
            return None;
        }
        Some(self.read(around))
    }

    /// The errors of it, and the doubts about it.
    pub(super) fn doubts(&mut self, around: &Around) -> Vec<String> {
        match self.read(around) {
            Err(error) => {
                vec![format!("{error}: messages pass unclassified until there is one that can be read")]
            }
            Ok(database) => {
                let path = self.path.display();
                let shown =
                    |warning: &super::xml::FileError| format!("{path}:{}: {}", warning.line, warning.message);
                database.warnings.iter().map(shown).collect()
            }
        }
    }
}
