//! The leavings of changes of one row: texts that nothing uses, and tombstones.

use super::{RevisedRow, Revision};
use crate::message::Span;

/// Unused bytes of texts of one row that are not worth moving the others for.
const UNUSED_MAX: usize = 4096;

impl RevisedRow<'_> {
    /// Notes that the text at `span` is used by one field less.
    #[inline]
    pub(super) fn leave(&mut self, span: Span) {
        if span.segment == self.revision.segment && span.offset as usize >= self.texts_before {
            self.unused += span.len as usize;
            if self.unused > UNUSED_MAX {
                self.tidy();
            }
        }
    }

    /// Moves its texts together, when most of them are not used any more.
    #[cold]
    pub(super) fn tidy(&mut self) {
        let (own, before, start) = (self.revision.segment, self.texts_before, self.start());
        let Revision { texts, fields, .. } = &mut *self.revision;
        if 2 * self.unused < texts.len() - before {
            return;
        }
        let old = texts.split_off(before);
        let mut moved = |span: &mut Span| {
            if span.segment == own && span.offset as usize >= before {
                let text = &old[span.offset as usize - before..][..span.len as usize];
                span.offset = texts.add(text);
            }
        };
        moved(&mut self.record.text);
        for field in &mut fields[start..] {
            moved(&mut field.name);
            moved(&mut field.value);
        }
        self.unused = 0;
    }

    /// Removes what is unset where nothing else would show.
    #[cold]
    pub(super) fn remove_tombstones(&mut self) {
        let (start, batch) = (self.start(), self.batch);
        let mut kept = start;
        for at in start..self.revision.fields.len() {
            let field = self.revision.fields[at];
            let name = if field.id.has_text() { self.revision.bytes(batch, field.name) } else { b"" };
            if !field.is_unset() || batch.origin().has(field.id, name) {
                self.revision.fields[kept] = field;
                kept += 1;
            }
        }
        self.revision.fields.truncate(kept);
    }
}
