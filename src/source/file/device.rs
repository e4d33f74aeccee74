//! `file()` at a device, and at the kernel's log: there is nothing to follow, what comes is read.
//!
//! * `/dev/kmsg` gives a record a read: priority, number, time and flags, a semicolon and the text, then
//!   lines with a dictionary. A message is the priority and the text. It is read from its end on: what is
//!   there before the start was said before it.
//! * `/proc/kmsg` gives lines that begin with a priority, each once for all readers.
//! * Another device gives lines. Nothing is kept of how far any of them was read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;

use super::trouble::Trouble;
use crate::flow::Exit;
use crate::source::stream::{End, Records, StreamSettings, WakeFd};

/// The file of the kernel's log whose reads are records.
const RECORDS: &str = "/dev/kmsg";
/// The file of the kernel's log whose reads are lines.
const LINES: &str = "/proc/kmsg";

/// Tells whether `path` leads to something that gives what comes, and has no places.
pub(super) fn is_device(path: &Path) -> bool {
    path == Path::new(LINES)
        || path == Path::new(RECORDS)
        || fs::metadata(path).is_ok_and(|data| data.file_type().is_char_device())
}

/// Reads the device at `path` until the source ends.
pub(super) fn run(
    path: &Path,
    settings: &StreamSettings,
    mut trouble: Trouble,
    exit: &Arc<Exit>,
    wake: &WakeFd,
) {
    let mut reader = settings.reader(exit, wake);
    let records: Option<Records> = (path == Path::new(RECORDS)).then_some(record as Records);
    loop {
        let error = match open(path) {
            Err(error) => error,
            Ok(file) => loop {
                trouble.is_over();
                let end = match records {
                    Some(records) => reader.read_records(&file, records),
                    None => reader.read_all(&file),
                };
                let (cut, invalid) = reader.take_damage();
                trouble.note_damage(cut, invalid);
                match end {
                    End::OfSource => return,
                    End::OfStream => break io::Error::other("it has come to its end"),
                    End::Failed(error) if Errno::from_io_error(&error) == Some(Errno::PIPE) => {
                        trouble.note("has written over records before they were read: they are lost");
                    }
                    End::Failed(error) => break error,
                }
            },
        };
        if !wake.sleep(trouble.failed(&error, Instant::now())) {
            return;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if path == Path::new(RECORDS) {
        file.seek(SeekFrom::End(0))?;
    }
    Ok(file)
}

/// Appends the message of a `record` to `text`, as a line.
fn record(record: &[u8], text: &mut Vec<u8>) {
    let (prefix, rest) = match record.iter().position(|byte| *byte == b';') {
        Some(at) => (&record[..at], &record[at + 1..]),
        None => (&b""[..], record),
    };
    let priority = prefix.split(|byte| *byte == b',').next().unwrap_or_default();
    if !priority.is_empty() && priority.len() <= 3 && priority.iter().all(u8::is_ascii_digit) {
        text.push(b'<');
        text.extend_from_slice(priority);
        text.push(b'>');
    }
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    text.extend_from_slice(&rest[..end]);
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a message of the kernel has its number and its dictionary in it, or a wrong
    /// priority.
    #[test]
    fn a_record_is_its_priority_and_its_text() {
        let text = |bytes: &[u8]| {
            let mut text = Vec::new();
            record(bytes, &mut text);
            String::from_utf8(text).unwrap()
        };
        let whole = b"6,339,5140900,-;NET: Registered protocol family 10\n SUBSYSTEM=net\n DEVICE=n1\n";
        assert_eq!(text(whole), "<6>NET: Registered protocol family 10\n");
        assert_eq!(text(b"30,1,2,-,x=3;a; b"), "<30>a; b\n");
        assert_eq!(text(b"no record"), "no record\n");
        assert_eq!(text(b"1234,1;x\n"), "x\n");
    }
}
