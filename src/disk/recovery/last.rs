//! The last segment: damage told from a torn end, and the bytes of nobody knows where made durable.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::path::Path;

use super::{Headed, How, Recovery, Torn};
use crate::disk::error::Error;
use crate::disk::format::{Kind, RECORDS, Seed, Witness};
use crate::disk::index::Segment;
use crate::disk::progress::Progress;
use crate::disk::scan::{Cursor, Damage, Damaged, Step, View, WINDOW};
use crate::disk::segment::{Current, write_all};
use crate::disk::system::Disk;

/// A gap in the last segment.
struct Gap {
    at: u64,
    messages: Range<u64>,
    why: Damage,
}

/// The last segment as it was found.
struct Last {
    cursor: Cursor,
    durable: u64,
    /// The last one that is right. Also behind a torn place it is: it speaks of durable messages alone.
    progress: Option<Progress>,
    /// The places of records that no later one calls durable, with the message behind each.
    unproven: VecDeque<(u64, u64)>,
    gaps: Vec<Gap>,
    is_clean: bool,
    has_ended: bool,
}

/// Reads a segment from its first record on, and notes the times of its messages.
fn walk<D: Disk>(view: &View<'_, D>, segment: &mut Segment) -> std::io::Result<Last> {
    let mut cursor = Cursor { at: RECORDS, next: segment.first };
    let mut this = Last {
        cursor,
        durable: segment.first,
        progress: None,
        unproven: VecDeque::new(),
        gaps: Vec::new(),
        is_clean: false,
        has_ended: false,
    };
    let mut body = Vec::new();
    let mut skipped = None;
    let why = Damage::Checksum;
    let gap = |at, messages| Gap { at, messages, why };
    loop {
        let before = cursor;
        match view.step(&mut cursor)? {
            Step::Skipped(bytes) => skipped = Some(bytes.start),
            Step::Gap(messages) => {
                this.gaps.push(gap(skipped.take().unwrap_or(before.at), messages));
            }
            Step::End { is_clean } => {
                this.is_clean = is_clean;
                return Ok(this);
            }
            Step::Record { at, head } => {
                // Without a number that is missing: a note was hit.
                if let Some(at) = skipped.take() {
                    this.gaps.push(gap(at, before.next..before.next));
                }
                this.durable = this.durable.max(head.durable);
                while this.unproven.front().is_some_and(|(_, end)| *end <= this.durable) {
                    this.unproven.pop_front();
                }
                // A note is proven by the messages behind it.
                this.unproven.push_back((at, head.messages().end.max(head.first + 1)));
                this.has_ended = head.kind == Kind::End;
                let is_sound = if head.kind == Kind::Progress {
                    let is_sound = view.body(at, &head, &mut body)?;
                    let read = is_sound.then(|| Progress::read(&body, head.durable)).flatten();
                    this.progress = read.or(this.progress);
                    is_sound
                } else {
                    view.is_sound(at, &head)?
                };
                if !is_sound {
                    this.gaps.push(gap(at, head.messages()));
                } else if head.kind == Kind::Entry {
                    segment.note_time(head.first, head.time);
                }
                this.cursor = cursor;
            }
        }
    }
}

/// Reads the last segment; the ones before it only as far as the progress is missing.
pub(super) fn last<D: Disk>(
    disk: &D,
    mut headed: Vec<Headed>,
    witness: Option<Witness>,
    recovery: &mut Recovery,
    how: How,
) -> Result<(VecDeque<Segment>, Option<Current<D>>), Error> {
    let Some(Headed { path, head, len }) = headed.pop() else { return Ok((VecDeque::new(), None)) };
    let witness = witness.filter(|witness| witness.id == head.id);
    let How { is_forgiving, is_read_only } = how;
    let file = disk.open(&path, !is_read_only).map_err(Error::io(&path, "cannot open"))?;
    let seed = Seed::new(head.id, head.serial);
    let view = View { disk, file: &file, seed, len, is_forgiving };
    let mut segment = Segment::new(head.serial, path.clone(), head.first, len.max(head.size), head.time);
    let mut found = walk(&view, &mut segment).map_err(Error::io(&path, "cannot read"))?;
    judge(&mut found, &path, len < head.size, witness, recovery);
    if !is_read_only {
        // A killed process may have left there what is only in memory, and what a flush that failed has
        // forgotten: the same bytes once more, and they are on their way again.
        write_again(&view, &found).map_err(Error::io(&path, "cannot write"))?;
        disk.sync_data(&file).map_err(Error::io(&path, "cannot be made durable"))?;
    }
    segment.is_damaged = !recovery.damaged.is_empty();
    recovery.next = recovery.next.max(found.cursor.next);
    let mut progress = found.progress;
    let mut segments = VecDeque::new();
    let mut end = head.first;
    for one in headed.into_iter().rev() {
        let mut segment = Segment::new(one.head.serial, one.path, one.head.first, one.len, one.head.time);
        if progress.is_none() {
            progress = progress_of(disk, &mut segment, head.id, one.len, is_forgiving)?;
        }
        segment.end = Some(end);
        end = one.head.first;
        segments.push_front(segment);
    }
    before_first(end, progress.as_ref(), witness, &path, recovery);
    if let Some(found) = progress {
        recovery.progress.merge(&found, u64::MAX);
    }
    recovery.next = recovery.next.max(recovery.progress.end());
    let goes_on = found.is_clean && !found.has_ended && recovery.next == found.cursor.next;
    let current = goes_on.then(|| Current {
        file,
        path,
        size: head.size,
        seed,
        at: found.cursor.at,
        is_dirty: false,
        has_durable: true,
        is_broken: false,
    });
    segment.end = (!goes_on).then_some(recovery.next);
    segments.push_back(segment);
    Ok((segments, current))
}

/// Judges what was before the first segment, whose messages begin at `first`. It is done: segments go only
/// after a note that says so; or else somebody removed them.
fn before_first(
    first: u64,
    found: Option<&Progress>,
    witness: Option<Witness>,
    path: &Path,
    recovery: &mut Recovery,
) {
    let witnessed = witness.map(|witness| witness.below);
    let below = found.map(Progress::below).max(witnessed).unwrap_or(first);
    recovery.progress = Progress::new(first.min(below));
    if below < first {
        let file = path.parent().unwrap_or(path).to_owned();
        recovery.damaged.push(Damaged { file, at: 0, messages: below..first, why: Damage::Missing });
    }
}

/// Tells damage from a torn end.
fn judge(found: &mut Last, path: &Path, is_cut: bool, witness: Option<Witness>, recovery: &mut Recovery) {
    let durable = found.durable.max(witness.map_or(0, |witness| witness.durable));
    let file = || path.to_owned();
    for gap in std::mem::take(&mut found.gaps) {
        let Gap { at, messages, why } = gap;
        // Nothing more goes into it.
        found.is_clean = false;
        if messages.is_empty() && messages.start >= durable {
            // A note that was never committed; or was, but no message hangs on it. It must not be taken for
            // damage when more was committed behind it.
            continue;
        }
        if messages.end <= durable {
            recovery.damaged.push(Damaged { file: file(), at, messages, why });
            continue;
        }
        // From here on it was not committed, but for what is below the number.
        found.cursor = Cursor { at, next: messages.start };
        break;
    }
    let next = found.cursor.next;
    if next < durable {
        let (at, messages) = (found.cursor.at, next..durable);
        let why = if is_cut || found.is_clean { Damage::Cut } else { Damage::Checksum };
        recovery.damaged.push(Damaged { file: file(), at, messages, why });
        found.cursor.next = durable;
        found.is_clean = false;
    } else if is_cut {
        let end = if witness.is_some() { next } else { u64::MAX };
        let (at, messages) = (found.cursor.at, next..end);
        recovery.damaged.push(Damaged { file: file(), at, messages, why: Damage::Cut });
        found.is_clean = false;
    } else if !found.is_clean {
        recovery.torn = Some(Torn { file: file(), at: found.cursor.at });
    }
}

/// Writes the bytes again that are not known to be durable.
fn write_again<D: Disk>(view: &View<'_, D>, found: &Last) -> std::io::Result<()> {
    let Some((mut at, _)) = found.unproven.front().copied() else { return Ok(()) };
    let mut window = vec![0; WINDOW];
    while at < found.cursor.at {
        let most = window.len().min((found.cursor.at - at) as usize);
        let count = view.read(&mut window[..most], at)?;
        if count == 0 {
            break;
        }
        write_all(view.disk, view.file, &mut [IoSlice::new(&window[..count])], at)?;
        at += count as u64;
    }
    Ok(())
}

/// The last progress that is noted in a segment with a successor.
fn progress_of<D: Disk>(
    disk: &D,
    segment: &mut Segment,
    id: u64,
    len: u64,
    is_forgiving: bool,
) -> Result<Option<Progress>, Error> {
    let path = segment.path.clone();
    let file = disk.open(&path, false).map_err(Error::io(&path, "cannot open"))?;
    let seed = Seed::new(id, segment.serial);
    let view = View { disk, file: &file, seed, len, is_forgiving };
    let mut cursor = Cursor { at: RECORDS, next: segment.first };
    let mut found = None;
    let mut body = Vec::new();
    loop {
        match view.step(&mut cursor).map_err(Error::io(&path, "cannot read"))? {
            Step::Record { at, head } if head.kind == Kind::Progress => {
                let is_sound = view.body(at, &head, &mut body).map_err(Error::io(&path, "cannot read"))?;
                found = is_sound.then(|| Progress::read(&body, head.durable)).flatten().or(found);
            }
            Step::Record { head, .. } if head.kind == Kind::Entry => {
                segment.note_time(head.first, head.time);
            }
            Step::End { .. } => return Ok(found),
            _ => {}
        }
    }
}
