//! Bounds on what a configuration may grow to.
//!
//! A few lines can stand for more than a machine holds: `@define`s that name each other twice, files that
//! include the same file twice, a pattern that matches a whole disk. All of it is counted while the text is
//! read, and what goes over a bound is an error at the place that went over it. Beside these, files are
//! nested at most 64 levels deep (`include`), log paths as well (`log_path`), and so are f-strings in Python
//! code (`python_code`).
use super::report::MAX_SHOWN;

/// Bytes of text: of all files, and of all values that stand in the place of backtick expressions.
pub(super) const MAX_TEXT: usize = 32 << 20;
/// Backtick expressions.
const MAX_EXPANSIONS: usize = 1_000_000;
/// Uses of blocks.
const MAX_USES: usize = 100_000;
/// Files.
const MAX_FILES: usize = 10_000;
/// Words and signs: each takes about a hundred bytes until the configuration is read.
pub(super) const MAX_TOKENS: usize = 4_000_000;
/// Files and directories that one `@include` looks at.
pub(super) const MAX_ENTRIES: usize = 100_000;
/// Words and signs of one `@` line that are looked at: more than any of its forms has.
pub(super) const MAX_PRAGMA: usize = 256;

/// An excess over a bound, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excess {
    /// The bound that was met.
    pub(super) message: String,
    /// A way out.
    pub(super) help: String,
}

impl Excess {
    /// More words and signs than [`MAX_TOKENS`].
    pub(super) fn tokens() -> Self {
        Self {
            message: format!("the configuration has more than {MAX_TOKENS} words and signs"),
            help: "everything from here on was not read; is this text meant to be a configuration?"
                .to_owned(),
        }
    }

    /// More directory entries than [`MAX_ENTRIES`] for one `@include`.
    pub(super) fn entries(name: &str) -> Self {
        Self {
            message: format!("`{name}` makes Inrush look at more than {MAX_ENTRIES} files and directories"),
            help: "name a directory, or a pattern that fewer names match".to_owned(),
        }
    }

    /// More errors than are shown, each of which made the reader go over the whole file.
    pub(super) fn unclosed() -> Self {
        Self {
            message: format!("more than {MAX_SHOWN} errors so far, so the rest is not read"),
            help: "mend the errors above first".to_owned(),
        }
    }
}

/// The part of the bounds that is left.
#[derive(Debug)]
pub(super) struct Budget {
    text: usize,
    expansions: usize,
    uses: usize,
    files: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { text: MAX_TEXT, expansions: MAX_EXPANSIONS, uses: MAX_USES, files: MAX_FILES }
    }
}

impl Budget {
    /// The bytes that are left.
    pub(super) fn text(&self) -> usize {
        self.text
    }

    /// Takes a file of `bytes` bytes.
    pub(super) fn take_file(&mut self, bytes: usize) -> Result<(), Excess> {
        self.files = self.files.checked_sub(1).ok_or_else(|| Excess {
            message: format!("the configuration consists of more than {MAX_FILES} files"),
            help: "a file that is included twice counts twice: look for files that include the same files"
                .to_owned(),
        })?;
        self.text = self.text.checked_sub(bytes).ok_or_else(too_long)?;
        Ok(())
    }

    /// Takes the value of a backtick expression, which has `bytes` bytes.
    pub(super) fn take_value(&mut self, bytes: usize) -> Result<(), Excess> {
        self.expansions = self.expansions.checked_sub(1).ok_or_else(|| Excess {
            message: format!("the configuration has more than {MAX_EXPANSIONS} names between backticks"),
            help: "write the texts themselves, or use fewer names".to_owned(),
        })?;
        self.text = self.text.checked_sub(bytes).ok_or_else(too_long)?;
        Ok(())
    }

    /// Takes the text of a block that is used, which has `bytes` bytes.
    pub(super) fn take_use(&mut self, bytes: usize) -> Result<(), Excess> {
        self.uses = self.uses.checked_sub(1).ok_or_else(|| Excess {
            message: format!("the configuration uses blocks more than {MAX_USES} times"),
            help: "look for blocks that use others many times".to_owned(),
        })?;
        self.text = self.text.checked_sub(bytes).ok_or_else(too_long)?;
        Ok(())
    }
}

/// More text than [`MAX_TEXT`].
fn too_long() -> Excess {
    Excess {
        message: format!(
            "the configuration is larger than {} MiB, with all that it includes and all that backticks stand for",
            MAX_TEXT >> 20
        ),
        help:
            "look for names whose values name others many times, and for files that are included many times"
                .to_owned(),
    }
}
