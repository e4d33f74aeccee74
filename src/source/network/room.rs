//! The memory that a receiver reads into: [`ReadRoom`].

use std::sync::Arc;

use crate::flow::Credit;
use crate::flow::credit::Hold;
use crate::message::{Arena, Committed, Pool};

/// Bytes of an arena: many reads.
const ARENA: usize = 256 * 1024;

/// The arena that the next read goes into; all connections of a receiver share it.
#[derive(Debug)]
pub(super) struct ReadRoom {
    pool: Arc<Pool>,
    credit: Arc<Credit>,
    arena: Option<Arena>,
}

impl ReadRoom {
    /// An empty one; its memory is charged to `credit`.
    pub(super) fn new(pool: &Arc<Pool>, credit: &Arc<Credit>) -> Self {
        Self { pool: Arc::clone(pool), credit: Arc::clone(credit), arena: None }
    }

    /// At least `least` bytes for a read.
    pub(super) fn spare(&mut self, least: usize) -> &mut [u8] {
        let is_full = self.arena.as_mut().is_none_or(|arena| arena.spare().len() < least);
        if is_full {
            self.retire();
        }
        let Self { pool, arena, .. } = self;
        arena.get_or_insert_with(|| Arena::new(pool, ARENA.max(least))).spare()
    }

    /// Commits the first `len` bytes of those.
    ///
    /// # Panics
    /// Before the first [`ReadRoom::spare`].
    pub(super) fn commit(&mut self, len: usize) -> Committed {
        let Some(arena) = &mut self.arena else { panic!("commits what spare() gave") };
        arena.commit(len)
    }

    /// Lets go of the arena. What is unused of it is counted as bytes on their way, for as long as somebody views
    /// it.
    pub(super) fn retire(&mut self) {
        let Some(mut arena) = self.arena.take() else { return };
        let unused = arena.spare().len();
        if arena.used() > 0 && unused > 0 {
            arena.buffer().keep(Box::new(Hold::new(&self.credit, unused as u64)));
        }
    }
}
