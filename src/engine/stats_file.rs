//! The file into which the statistics are written at the end: [`check`] at the start, [`write()`] at the end.
//!
//! It is a regular file, or a stream that the process was given (`/dev/stdout`, `/dev/fd/3`, as a shell makes
//! of `>(…)`). A pipe or a device with a name of its own is refused: it could hold up the end for ever, or be
//! a disk.

use std::fs::{File, FileType};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags};

/// The time that the reader of a stream may take for all of it.
const WITHIN: Duration = Duration::from_secs(3);
/// The time between looks whether that time is over.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Tells whether the statistics can be written to `path`, as far as that is known at the start.
///
/// # Errors
/// A sentence: it is of a kind that could hold up the end.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(metadata) => check_kind(path, metadata.file_type()).map_err(|error| failed(path, &error)),
        // It is created at the end.
        Err(_) => Ok(()),
    }
}

/// Writes `text` to `path`.
///
/// # Errors
/// A sentence.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    write_within(path, text, WITHIN).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("cannot write the statistics to {}: {error}", path.display())
}

fn check_kind(path: &Path, kind: FileType) -> io::Result<()> {
    let is_given = ["/dev/stdout", "/dev/stderr"].iter().any(|own| path == Path::new(own))
        || ["/dev/fd", "/proc/self/fd"].iter().any(|own| path.starts_with(own))
        || path == Path::new("/dev/null");
    let is_stream = kind.is_fifo() || kind.is_char_device() || kind.is_socket();
    if kind.is_file() || (is_given && is_stream) {
        return Ok(());
    }
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let text = format!("it is {what}; expected a regular file, /dev/stdout, /dev/stderr or /dev/fd/NUMBER");
    Err(io::Error::new(ErrorKind::InvalidInput, text))
}

fn write_within(path: &Path, text: &str, within: Duration) -> io::Result<()> {
    // NONBLOCK: a pipe that nobody reads must not make the end wait. The file is not cut before it is known
    // what it is.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
    let mut file = File::from(rustix::fs::openat(CWD, path, flags, mode)?);
    let kind = file.metadata()?.file_type();
    check_kind(path, kind)?;
    if kind.is_file() {
        file.set_len(0)?;
    }
    let deadline = Instant::now() + within;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if Instant::now() >= deadline {
                    let text = format!("nobody has read all of it within {} s", within.as_secs());
                    return Err(io::Error::new(ErrorKind::TimedOut, text));
                }
                let _ = poll(&mut [PollFd::new(&file, PollFlags::OUT)], Some(&LOOK));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use super::*;

    /// Without it: a pipe that nobody reads holds up the end of the engine for ever, or old statistics show
    /// through.
    #[test]
    fn files_and_given_streams_are_written_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stats");
        check(&path).unwrap();
        for text in ["a long text\n", "short\n"] {
            write(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for (wrong, what) in [
            (pipe.as_path(), "a named pipe"),
            (directory.path(), "a directory"),
            (Path::new("/dev/full"), "a device"),
        ] {
            let said = check(wrong).unwrap_err();
            assert!(said.contains(what), "{said}");
            assert!(write(wrong, "text").is_err());
        }
        check(Path::new("/dev/null")).unwrap();
    }

    /// Breaks without it: the statistics end in the middle where their reader is slow.
    #[test]
    fn a_given_pipe_is_written_while_somebody_reads_it() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let path = format!("/dev/fd/{}", writer.as_raw_fd());
        let path = Path::new(&path);
        check(path).unwrap();
        let text = "x".repeat(1_000_000);
        let said = write_within(path, &text, Duration::ZERO).unwrap_err();
        assert!(said.to_string().contains("nobody has read"), "{said}");
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            File::from(reader).read_to_end(&mut all).unwrap();
            all.len()
        });
        write_within(path, &text, Duration::from_secs(3600)).unwrap();
        drop(writer);
        assert!(reader.join().unwrap() > text.len());
    }
}
