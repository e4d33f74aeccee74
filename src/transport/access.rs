//! Owner and permission bits of what is made: [`Access`].
//!
//! They are set through a descriptor, never through a name, which may be a link by then.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{self, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::config::{Config, Diagnostic, Ownership, Spanned};

mod owner;

use owner::{group_id, user_id};

/// The owner and the permission of what is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    /// The owner's number.
    pub owner: Option<u32>,
    /// The group's number.
    pub group: Option<u32>,
    /// The permission bits, set whatever the umask is. `None`: 0600 for files and 0700 for directories,
    /// less the umask, and those of existing files are left alone.
    pub perm: Option<u32>,
}

impl Access {
    /// Sets owner and permission bits of what `fd` has open.
    ///
    /// # Errors
    /// A sentence that says what could not be set.
    pub(crate) fn apply(&self, fd: BorrowedFd<'_>) -> Result<(), String> {
        let mut failed = Vec::new();
        if self.owner.is_some() || self.group.is_some() {
            let (owner, group) = (self.owner.map(Uid::from_raw), self.group.map(Gid::from_raw));
            if let Err(error) = fs::fchown(fd, owner, group) {
                failed.push(format!("its owner cannot be set: {error}"));
            }
        }
        if let Some(perm) = self.perm
            && let Err(error) = fs::fchmod(fd, Mode::from_raw_mode(perm))
        {
            failed.push(format!("its permission bits cannot be set: {error}"));
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}

/// The owner and the permission bits that `owner` names.
///
/// # Errors
/// Users and groups that nobody knows, at their places.
pub(crate) fn access(config: &Config, owner: &Ownership) -> Result<Access, Diagnostic> {
    let number = |name: &Option<Spanned<String>>, find: fn(&str) -> Result<u32, String>| {
        let found =
            name.as_ref().map(|name| find(&name.value).map_err(|text| config.error(name.span, text, None)));
        found.transpose()
    };
    Ok(Access {
        owner: number(&owner.owner, user_id)?,
        group: number(&owner.group, group_id)?,
        perm: owner.perm,
    })
}

/// Makes `directory` and what is missing above it.
///
/// # Errors
/// Those of the system.
pub(crate) fn make_directories(directory: &Path, access: &Access) -> Result<(), Errno> {
    if directory.as_os_str().is_empty() {
        return Ok(());
    }
    let bits = Mode::from_raw_mode(access.perm.unwrap_or(0o700));
    let made = match fs::mkdir(directory, bits) {
        Err(Errno::NOENT) => {
            make_directories(directory.parent().ok_or(Errno::NOENT)?, access)?;
            fs::mkdir(directory, bits)
        }
        result => result,
    };
    match made {
        Err(Errno::EXIST) => return Ok(()),
        result => result?,
    }
    // By its descriptor, not its name: the name may be a link by now.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if let Ok(fd) = fs::open(directory, flags, Mode::empty()) {
        // A directory with other rights than asked for shows when the file in it cannot be made.
        let _ = access.apply(fd.as_fd());
    }
    Ok(())
}
