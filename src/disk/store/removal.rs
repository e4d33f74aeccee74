//! The end of segments: from the first one on, when all of it is done.

use std::io::ErrorKind;

use super::Store;
use crate::disk::recovery;
use crate::disk::system::Disk;

impl<D: Disk> Store<D> {
    /// Tells whether the first segment is done, and not the last one.
    pub(super) fn has_done_segments(&self) -> bool {
        let index = self.shared.index();
        let is_done = index.segments.len() > 1 && self.progress.below() >= index.messages(0).end;
        is_done || !self.obsolete.is_empty()
    }

    /// Removes the segments that are done, from the first one on and without gaps, once the last one says so
    /// durably: a crash may bring any of them back. Damaged ones are kept aside.
    pub(super) fn remove_done(&mut self) {
        let Some(noted) = &self.noted else { return };
        {
            let mut index = self.shared.index();
            let last = index.segments.back().map(|segment| segment.serial);
            // Those without a message, behind a flush that failed.
            let done =
                index.segments.iter().filter(|one| one.end == Some(one.first) && Some(one.serial) != last);
            self.obsolete.extend(done.cloned());
            index.segments.retain(|one| one.end != Some(one.first) || Some(one.serial) == last);
            while index.segments.len() > 1 && noted.below() >= index.messages(0).end {
                self.obsolete.extend(index.segments.pop_front());
            }
        }
        self.remove_obsolete();
    }

    pub(super) fn remove_obsolete(&mut self) {
        if self.obsolete.is_empty() {
            return;
        }
        let disk = &self.disk;
        self.obsolete.retain(|segment| {
            let removed = if segment.is_damaged {
                disk.rename(&segment.path, &recovery::aside(&segment.path))
            } else {
                disk.unlink(&segment.path)
            };
            removed.is_err_and(|error| error.kind() != ErrorKind::NotFound)
        });
        // Those that a crash brings back are done, and removed again.
        let _ = self.disk.sync_dir(&self.settings.dir);
    }
}
