//! Lines that are datagrams.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use rustix::io::Errno;

use super::{Chunk, Progress, Stage, text};
use crate::destination::stream::sink::Sink;

/// Most datagrams of one call.
const TOGETHER: usize = 64;
/// A datagram that is too long for the socket is cut to half of its length, as long as that is this much.
const SHORTEST: usize = 1024;

/// Lines on their way out as datagrams: the pieces of all of them, and which belong to which.
#[derive(Default)]
struct Datagrams<'a> {
    pieces: Vec<IoSlice<'a>>,
    /// The line, its pieces, and whether it was cut.
    lines: Vec<(usize, Range<usize>, bool)>,
}

impl Stage {
    /// Sends each line by itself, the first `most` bytes of it, until the sink takes no more. An empty line is
    /// not sent, and counts as out.
    pub(super) fn send(&self, sink: &Sink, most: usize, pending: &VecDeque<Chunk>) -> Progress {
        let mut progress = Progress { lines: 0, bytes: 0, torn: None, cut: 0, error: None };
        let mut longest = most;
        loop {
            let datagrams = self.datagrams(progress.lines, longest, pending);
            let together: Vec<_> =
                datagrams.lines.iter().map(|(_, range, _)| &datagrams.pieces[range.clone()]).collect();
            let Some((first, pieces, _)) = datagrams.lines.first() else {
                progress.lines = self.lines.len();
                return progress;
            };
            // What was too long for the socket goes alone.
            let together = if longest < most { &together[..1] } else { &together };
            match sink.send(together) {
                Ok(count) => {
                    for (line, range, is_cut) in &datagrams.lines[..count] {
                        progress.bytes += length(&datagrams.pieces[range.clone()]);
                        progress.cut += usize::from(*is_cut);
                        progress.lines = line + 1;
                    }
                    longest = most;
                }
                Err(Errno::INTR) => {}
                Err(Errno::MSGSIZE) if longest > SHORTEST => {
                    longest = (length(&datagrams.pieces[pieces.clone()]) / 2).max(SHORTEST).min(longest - 1);
                }
                Err(error) => {
                    progress.lines = *first;
                    progress.error = Some(error);
                    return progress;
                }
            }
        }
    }

    /// The next datagrams from the line `next` on, of so many bytes at most.
    fn datagrams<'a>(&'a self, next: usize, longest: usize, pending: &'a VecDeque<Chunk>) -> Datagrams<'a> {
        let mut datagrams = Datagrams::default();
        let mut cuts = self.cuts.iter().skip_while(|cut| cut.line < next).peekable();
        for line in next..self.lines.len() {
            let start = line.checked_sub(1).map_or(0, |last| self.lines[last].end);
            let end = self.lines[line].end;
            let (first, mut left) = (datagrams.pieces.len(), longest);
            let mut is_cut = false;
            let mut push = |bytes: &'a [u8]| {
                let taken = bytes.len().min(left);
                is_cut |= taken < bytes.len();
                left -= taken;
                if taken > 0 {
                    datagrams.pieces.push(IoSlice::new(&bytes[..taken]));
                }
            };
            match cuts.next_if(|cut| cut.line == line) {
                Some(cut) => {
                    push(&self.buffer[start..cut.split]);
                    push(text(pending, cut).text());
                    push(&self.buffer[cut.split..end]);
                }
                None => push(&self.buffer[start..end]),
            }
            let range = first..datagrams.pieces.len();
            if !range.is_empty() {
                datagrams.lines.push((line, range, is_cut));
            }
            if datagrams.lines.len() == TOGETHER {
                break;
            }
        }
        datagrams
    }
}

fn length(pieces: &[IoSlice<'_>]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}
