//! A file that is open, and those beside it: [`Opened`].

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::source::position::{HEAD, Head, Inode, Position};

/// A file that is open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) inode: Inode,
    /// The end of what was read.
    pub(super) offset: u64,
    /// The first bytes of it, as they were read.
    pub(super) head: Vec<u8>,
    /// What was read and is no complete message.
    pub(super) rest: Vec<u8>,
}

impl Opened {
    /// The place of the first byte that is in no message yet.
    pub(super) fn position(&self) -> Position {
        let offset = self.offset - self.rest.len() as u64;
        Position { offset, inode: self.inode, head: Head::of(&self.head) }
    }

    /// Tells whether it is the file of `position`, as far as one can see.
    pub(super) fn fits(&self, position: Position) -> io::Result<bool> {
        let is_it = self.inode.number == position.inode.number
            && (self.inode.device == position.inode.device || position.head.len > 0)
            && self.file.metadata()?.len() >= position.offset;
        Ok(is_it && Head::of(&self.read_head(position.head.len as usize)?) == position.head)
    }

    /// Tells whether it begins as it did.
    pub(super) fn is_itself(&self) -> io::Result<bool> {
        Ok(self.head.is_empty() || self.read_head(self.head.len())? == self.head)
    }

    /// Its first `len` bytes, or what there is of them.
    pub(super) fn read_head(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut head = vec![0; len];
        let mut count = 0;
        while count < len {
            match self.file.read_at(&mut head[count..], count as u64) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(count);
        Ok(head)
    }

    /// Keeps the first bytes of what was read now, which stands at `offset`, as far as they are in the head.
    pub(super) fn keep_head(&mut self, new: &[u8]) {
        if self.head.len() < HEAD && self.head.len() as u64 == self.offset {
            let more = new.len().min(HEAD - self.head.len());
            self.head.extend_from_slice(&new[..more]);
        }
    }
}

pub(super) fn inode_of(data: &fs::Metadata) -> Inode {
    Inode { number: data.ino(), device: data.dev() }
}

/// Opens the file at `path`; `None` when there is none.
pub(super) fn open_file(path: &Path) -> io::Result<Option<Opened>> {
    // Looked at before it is opened: that alone does something to a device.
    let data = match fs::metadata(path) {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    check_kind(&data)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let data = file.metadata()?;
    check_kind(&data)?;
    let inode = inode_of(&data);
    Ok(Some(Opened { file, inode, offset: 0, head: Vec::new(), rest: Vec::new() }))
}

/// Refuses what is no file.
fn check_kind(data: &fs::Metadata) -> io::Result<()> {
    let kind = data.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "there is a directory at this path, which wildcard-file() reads"
    } else if kind.is_fifo() {
        "there is a named pipe at this path, which pipe() reads"
    } else if kind.is_socket() {
        "there is a socket at this path, which unix-stream() and unix-dgram() make"
    } else {
        "there is a device at this path, which was none when the source was started"
    };
    Err(io::Error::other(what))
}
