//! The files of one destination that are open, and which of them is closed when.

use std::time::Instant;

use super::target::Target;
use super::{StreamDestination, unwritable};

impl StreamDestination {
    /// Closes the files that are more than its share, and a quarter of them if somebody found no descriptor.
    pub(super) fn give_up_descriptors(&mut self) {
        let Some(member) = &mut self.member else { return };
        let (share, open) = (member.share(), self.context.open);
        let most = if member.is_asked() { share.min(open - open.div_ceil(4)) } else { share };
        while self.context.open > most && self.close_oldest(usize::MAX) {}
    }

    /// Bounds what waits for paths that cannot be opened and that messages chose.
    pub(super) fn shed(&mut self, now: Instant) {
        if !self.context.has_macros || self.active.is_empty() {
            return;
        }
        let mut left = unwritable::ALL;
        let mut active = std::mem::take(&mut self.active);
        active.retain(|id| {
            let Some(target) = &mut self.targets[*id] else { return false };
            left = left.saturating_sub(target.shed(left.min(unwritable::ONE), now, &mut self.context));
            let waits = !target.is_idle();
            if !waits {
                self.close_one(*id);
            }
            waits
        });
        self.active = active;
    }

    /// Puts an open file at the end of the order of use, and plans when it is closed.
    pub(super) fn note_use(&mut self, id: usize, now: Instant) {
        let Some(target) = self.targets[id].as_mut().filter(|target| target.is_open()) else { return };
        if !self.context.has_macros {
            return;
        }
        self.turn += 1;
        target.turn = self.turn;
        self.used.push_back((id, self.turn));
        if let Some(time_reap) = self.time_reap {
            let at = now + time_reap;
            self.reap_at = Some(self.reap_at.map_or(at, |before| before.min(at)));
        }
        if self.used.len() > 64 + 4 * self.context.open {
            let targets = &self.targets;
            self.used.retain(|(id, turn)| is_current(targets, *id, *turn));
        }
    }

    /// Closes the file that was not used longest, if one can be closed.
    pub(super) fn close_oldest(&mut self, except: usize) -> bool {
        for _ in 0..self.used.len() {
            let Some((id, turn)) = self.used.pop_front() else { return false };
            if !is_current(&self.targets, id, turn) {
                continue;
            }
            let is_torn = self.targets[id].as_ref().is_some_and(Target::is_torn);
            if id == except || is_torn || self.context.opening.holds_data() {
                self.used.push_back((id, turn));
                continue;
            }
            self.close_one(id);
            return true;
        }
        false
    }

    /// Closes a file, and forgets it when nothing waits for it.
    pub(super) fn close_one(&mut self, id: usize) {
        let Some(target) = &mut self.targets[id] else { return };
        target.close(&mut self.context);
        if target.is_idle() && !target.has_number() {
            self.by_path.remove(&target.path);
            self.targets[id] = None;
            self.free.push(id);
        }
    }

    /// Closes files that nobody wrote to for `time-reap()`.
    pub(super) fn reap(&mut self, now: Instant) {
        let (Some(time_reap), Some(at)) = (self.time_reap, self.reap_at) else { return };
        if now < at {
            return;
        }
        self.reap_at = None;
        for id in 0..self.targets.len() {
            let Some(target) = self.targets[id].as_ref().filter(|target| target.is_idle()) else { continue };
            let ends = target.used + time_reap;
            if ends <= now {
                self.close_one(id);
            } else {
                self.reap_at = Some(self.reap_at.map_or(ends, |before| before.min(ends)));
            }
        }
    }
}

fn is_current(targets: &[Option<Target>], id: usize, turn: u64) -> bool {
    targets[id].as_ref().is_some_and(|target| target.is_open() && target.turn == turn)
}
