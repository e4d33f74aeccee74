//! One buffer into many messages, without a copy: views of a shared segment in as many batches as they need.
//!
//! A byte that says how much the rows bring of their own, and the buffer. Rows that bring nothing are lines,
//! and what a destination may write in one piece is what it would write line by line. The messages are those
//! of `slice::split`, they lie in the buffer's own memory, and its owner is let go of exactly once, after the
//! last batch.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use inrush::message::batch::{SlabTail, Text};
use inrush::message::{
    Batch, FieldName, Foreign, Lines, Need, Origin, Owner, Pool, Published, Segment, Stamp, ValueType, Writer,
};

thread_local! {
    static POOL: Arc<Pool> = Arc::default();
}

/// Splits `data` at line feeds.
pub fn run(data: &[u8]) {
    let Some((mode, text)) = data.split_first() else { return };
    let (field, late_seal) = (mode & 1 != 0, mode & 2 != 0);
    let released = Arc::new(AtomicUsize::new(0));
    let owner = Arc::new(owner(&released));
    // SAFETY: the text outlives every batch of this call, and does not change.
    let segment = |owner| unsafe { Segment::new(NonNull::from(text).cast(), text.len() as u32, owner) };
    let (origin, pool) = (Arc::new(Origin::named("s")), POOL.with(Arc::clone));
    let mut batches: Vec<Batch> = Vec::new();
    let mut pieces = text.split(|byte| *byte == b'\n').peekable();
    while pieces.peek().is_some() {
        if !field {
            let mut lines = Lines::new(
                &origin,
                segment(Owner::Shared(Arc::clone(&owner))),
                Stamp::default(),
                13,
                Some(b'\n'),
            );
            while let Some(piece) = pieces.next() {
                let offset = (piece.as_ptr() as usize - text.as_ptr() as usize) as u32;
                match pieces.peek() {
                    Some(_) => lines.push(offset, piece.len() as u32),
                    None => lines.push_last(offset, piece.len() as u32),
                }
                // An end of a batch in the middle of the buffer now and then, and before the last piece.
                if (late_seal && lines.rows() == 3) || text[offset as usize + piece.len()..].len() == 1 {
                    break;
                }
            }
            batches.push(lines.finish());
            check_joined(batches.last().unwrap());
            continue;
        }
        let need = |piece: &[u8]| Need {
            viewed: piece.len(),
            bytes: piece.len().min(100) + 1,
            fields: 1,
            segments: 0,
        };
        let first = Need { segments: 1, ..need(pieces.peek().unwrap()) };
        let mut writer = Writer::open(&origin, &pool, first);
        let shared = writer.adopt_shared(segment(Owner::Shared(Arc::clone(&owner)))).unwrap();
        let mut rows = 0;
        while let Some(piece) = pieces.peek() {
            let Some(mut row) = writer.row(need(piece)) else { break };
            let offset = piece.as_ptr() as usize - text.as_ptr() as usize;
            row.payload_share(shared, offset as u32, piece.len() as u32);
            let cut = &piece[..piece.len().min(100)];
            row.field(FieldName::Text, Text::Copy(b"k"), ValueType::Bytes, Text::Copy(cut));
            assert_eq!(row.publish(), Published::Yes);
            rows += 1;
            pieces.next();
        }
        assert!(rows > 0, "a batch made for a piece has room for it");
        let batch = if late_seal {
            let pending = writer.share();
            assert!(!writer.is_sealed());
            writer.seal(&mut SlabTail::default());
            pending.seal()
        } else {
            writer.finish()
        };
        assert_eq!(batch.rows(), rows);
        batches.push(batch);
    }
    drop(owner);
    let messages = batches.iter().flat_map(|batch| (0..batch.rows()).map(|row| batch.message(row)));
    for (message, piece) in messages.zip(text.split(|byte| *byte == b'\n')) {
        assert_eq!(message.text(), piece);
        assert_eq!(message.text().as_ptr(), piece.as_ptr(), "not a copy");
        if field {
            assert_eq!(message.named(b"k"), Some((ValueType::Bytes, &piece[..piece.len().min(100)])));
        }
    }
    let total: u32 = batches.iter().map(Batch::rows).sum();
    assert_eq!(total as usize, text.split(|byte| *byte == b'\n').count());
    while let Some(batch) = batches.pop() {
        assert_eq!(released.load(Ordering::SeqCst), 0, "let go of while it is viewed");
        drop(batch);
    }
    assert_eq!(released.load(Ordering::SeqCst), 1);
}

/// Checks that what is joined is each line with a line feed after it.
fn check_joined(batch: &Batch) {
    let mut written = Vec::new();
    for row in 0..batch.rows() {
        written.extend_from_slice(batch.message(row).text());
        written.push(b'\n');
        if let Some(first) = batch.joined(0..row + 1, b'\n') {
            assert_eq!(first, written);
        }
    }
    assert_eq!(batch.joined(0..batch.rows(), b';'), None);
}

/// An owner that counts how often it is let go of.
pub fn owner(released: &Arc<AtomicUsize>) -> Foreign {
    unsafe fn release(object: NonNull<()>) {
        // SAFETY: made by `into_raw` below, and let go of once: a second time would be a finding.
        let released = unsafe { Arc::from_raw(object.cast::<AtomicUsize>().as_ptr()) };
        released.fetch_add(1, Ordering::SeqCst);
    }
    let object = NonNull::new(Arc::into_raw(Arc::clone(released)).cast_mut()).unwrap();
    // SAFETY: the count is given away, and `release` may run on any thread.
    unsafe { Foreign::new(object.cast(), release) }
}
