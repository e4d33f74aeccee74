//! One connection: what is read of it, and what is left of that: [`Connection`].
//!
//! ```text
//!  tail ─┐
//!  read ─┴► chunk ─► frames ─► posted
//!             ├────► rest: frames without credit; the chunk is kept
//!             └────► tail: the beginning of a frame; copied
//! ```
//! A connection that waits for its peer has a tail of the bytes that it needs, and nothing else. A connection
//! that waits for credit is not read.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::room::ReadRoom;
use super::stream::{Stream, read_some};
use super::turn::{Failure, Notice, Tools, Turn};
use crate::flow::Share;
use crate::message::Committed;
use crate::source::reader::{Decoder, Ends, Reading};
use crate::syslog::framing::{Frame, Framing, Rest, Splitter};

/// The most bytes of one read: a connection's turn.
const READ: usize = 128 * 1024;
/// The fewest bytes that a read has room for.
const LEAST: usize = 32 * 1024;
/// A longer tail is not copied for each read, but grows where it is until its frame is whole.
const LONG: usize = 16 * 1024;

/// The frames of a chunk that had no credit.
#[derive(Debug)]
struct Left {
    chunk: Committed,
    /// The first byte that is not posted.
    at: usize,
}

/// A connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub(super) struct Connection {
    stream: Stream,
    splitter: Splitter,
    decoder: Option<Decoder>,
    /// The beginning of a frame; with a decoder of the stream, decoded, and perhaps whole frames.
    tail: Vec<u8>,
    left: Option<Left>,
    /// The end of the stream came, before all of it was posted.
    has_ended: bool,
    /// It was said that a message was too long.
    said_cut: bool,
    /// It was said that bytes were no character.
    said_invalid: bool,
    /// The last read may have left something in memory of this process.
    has_more: bool,
    pub share: Arc<Share>,
    /// The time of the last input.
    pub last_input: Instant,
    /// True while it has its share of the window in flight.
    pub is_suspended: bool,
    /// True while it is among the sockets that are waited for.
    pub is_waited_for: bool,
}

enum Received {
    Chunk(Committed),
    /// It is decoded, behind the tail.
    Decoded,
    /// What came belongs to a long frame that is not whole.
    Part,
    /// Nothing is there now.
    Nothing,
    End,
}

impl Connection {
    /// A connection over `stream`, whose messages `share` counts.
    pub(super) fn new(stream: Stream, framing: Framing, reading: &Reading, share: Arc<Share>) -> Self {
        Self {
            stream,
            splitter: reading.splitter(framing),
            decoder: reading.decoder(),
            tail: Vec::new(),
            left: None,
            has_ended: false,
            said_cut: false,
            said_invalid: false,
            has_more: false,
            share,
            last_input: Instant::now(),
            is_suspended: false,
            is_waited_for: false,
        }
    }

    /// Its stream.
    pub(super) fn socket(&self) -> &Stream {
        &self.stream
    }
    /// The same, for its opening.
    pub(super) fn socket_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Tells the peer that nothing more is read.
    pub(super) fn say_goodbye(&mut self) {
        if let Stream::Tls(tls) = &mut self.stream {
            tls.close();
        }
    }

    /// The bytes that were read and are not posted.
    pub(super) fn unposted(&self) -> usize {
        self.left.as_ref().map_or(0, |left| left.chunk.bytes().len() - left.at) + self.tail.len()
    }

    /// Tells whether frames of it wait for credit.
    pub(super) fn has_left(&self) -> bool {
        self.left.is_some() || self.has_ended
    }

    /// Posts what is left, and reads and posts more, as far as one turn goes.
    pub(super) fn take_turn(&mut self, tools: &mut Tools<'_>) -> Turn {
        self.has_more = false;
        let turn = self.turn(tools);
        tools.views.finish();
        if let Some(decoder) = &mut self.decoder
            && decoder.take_invalid() > 0
            && !std::mem::replace(&mut self.said_invalid, true)
        {
            (tools.say)(Notice::Invalid);
        }
        if matches!(turn, Turn::Goes) && self.has_more { Turn::HasMore } else { turn }
    }

    /// Has `bytes`, which were read before, as the first of its messages.
    pub(super) fn begin_with(&mut self, bytes: &[u8], room: &mut ReadRoom) {
        if bytes.is_empty() {
            return;
        }
        if self.is_decoded() {
            if let Some(decoder) = &mut self.decoder {
                decoder.decode(bytes, false, &mut self.tail);
            }
            return;
        }
        room.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.left = Some(Left { chunk: room.commit(bytes.len()), at: 0 });
    }

    fn turn(&mut self, tools: &mut Tools<'_>) -> Turn {
        if let Some(turn) = self.post_left(tools) {
            return turn;
        }
        if self.has_ended {
            return self.end(tools);
        }
        if let Err(why) = tools.views.is_admitted() {
            return Turn::Waits(why);
        }
        match self.receive(tools) {
            Ok(Received::Chunk(chunk)) => self.split(chunk, 0, tools),
            Ok(Received::Decoded) => self.split_decoded(tools),
            Ok(Received::Part | Received::Nothing) => Turn::Goes,
            Ok(Received::End) => self.end(tools),
            Err(error) => {
                // What came before it is as good as before any other end.
                match self.end(tools) {
                    Turn::Waits(why) => Turn::Waits(why),
                    _ => Turn::Failed(Failure::Io(error)),
                }
            }
        }
    }

    /// Posts what is left of the turn before; how it ends where that is not all.
    fn post_left(&mut self, tools: &mut Tools<'_>) -> Option<Turn> {
        let turn = match self.left.take() {
            Some(Left { chunk, at }) => self.split(chunk, at, tools),
            None if self.is_decoded() => self.split_decoded(tools),
            None => return None,
        };
        (!matches!(turn, Turn::Goes)).then_some(turn)
    }

    /// Tells whether the stream as a whole is decoded; counts are of bytes as they come.
    fn is_decoded(&self) -> bool {
        self.decoder.is_some() && self.splitter.framing() != Framing::OctetCounted
    }

    fn receive(&mut self, tools: &mut Tools<'_>) -> io::Result<Received> {
        if self.is_decoded() {
            return self.receive_decoded(tools);
        }
        if self.tail.len() > LONG {
            return self.receive_long(tools);
        }
        let before = self.tail.len();
        let (front, back) = tools.room.spare(before + LEAST).split_at_mut(before);
        let most = back.len().min(READ);
        let Some(count) = read_some(&mut self.stream, &mut back[..most])? else {
            return Ok(Received::Nothing);
        };
        // The end of TLS may have come with it, of which the socket does not tell.
        self.has_more = matches!(self.stream, Stream::Tls(_));
        if count == 0 {
            return Ok(Received::End);
        }
        front.copy_from_slice(&self.tail);
        self.tail = Vec::new();
        tools.counters.count_bytes(count);
        self.last_input = Instant::now();
        Ok(Received::Chunk(tools.room.commit(before + count)))
    }

    /// Goes on with a long frame.
    fn receive_long(&mut self, tools: &mut Tools<'_>) -> io::Result<Received> {
        let before = self.tail.len();
        self.tail.resize(before + READ / 2, 0);
        let read = read_some(&mut self.stream, &mut self.tail[before..]);
        self.tail.truncate(before + read.as_ref().map_or(0, |count| count.unwrap_or(0)));
        let count = match read? {
            None => return Ok(Received::Nothing),
            Some(0) => return Ok(Received::End),
            Some(count) => count,
        };
        tools.counters.count_bytes(count);
        self.last_input = Instant::now();
        self.has_more = matches!(self.stream, Stream::Tls(_));
        let mut looking = self.splitter.clone();
        if let Frame::Incomplete { .. } = looking.next_frame(&self.tail) {
            self.splitter = looking;
            return Ok(Received::Part);
        }
        let len = self.tail.len();
        tools.room.spare(len)[..len].copy_from_slice(&self.tail);
        self.tail = Vec::new();
        Ok(Received::Chunk(tools.room.commit(len)))
    }

    /// Reads into memory that is used again, and decodes it behind the tail.
    fn receive_decoded(&mut self, tools: &mut Tools<'_>) -> io::Result<Received> {
        let Self { decoder: Some(decoder), stream, tail, .. } = self else { return Ok(Received::Nothing) };
        let spare = tools.room.spare(LEAST);
        let most = spare.len().min(LEAST);
        let Some(count) = read_some(stream, &mut spare[..most])? else { return Ok(Received::Nothing) };
        decoder.decode(&spare[..count], count == 0, tail);
        if count == 0 {
            return Ok(Received::End);
        }
        tools.counters.count_bytes(count);
        self.last_input = Instant::now();
        // The end of TLS may have come with it, of which the socket does not tell.
        self.has_more = matches!(self.stream, Stream::Tls(_));
        Ok(Received::Decoded)
    }

    /// Posts the frames of `chunk` from the byte `at` on.
    fn split(&mut self, chunk: Committed, at: usize, tools: &mut Tools<'_>) -> Turn {
        let mut at = at;
        // What is posted so far views another chunk.
        tools.views.send();
        loop {
            if let Err(why) = tools.views.is_admitted() {
                self.left = Some(Left { chunk, at });
                return Turn::Waits(why);
            }
            let rest = &chunk.bytes()[at..];
            match self.splitter.next_frame(rest) {
                Frame::Complete { span, consumed, cut } => {
                    let (start, end) = (at + span.range().start, at + span.range().end);
                    self.post(&chunk, start, end, tools);
                    at += consumed;
                    if cut {
                        self.note_cut(tools);
                    }
                }
                Frame::Skipped { consumed } => at += consumed,
                Frame::Incomplete { .. } => {
                    self.tail = rest.to_vec();
                    return Turn::Goes;
                }
                Frame::Bad(error) => return Turn::Failed(Failure::Frame(error)),
            }
        }
    }

    #[inline]
    fn post(&mut self, chunk: &Committed, start: usize, end: usize, tools: &mut Tools<'_>) {
        // There is credit: it was looked at before the frame.
        if tools.views.admit().is_err() {
            return;
        }
        if let Some(decoder) = &mut self.decoder {
            let mut text = Vec::new();
            decoder.decode(&chunk.bytes()[start..end], true, &mut text);
            return tools.views.copy(&text, tools.now);
        }
        let is_line = chunk.bytes().get(end) == Some(&b'\n');
        tools.views.post(chunk, start, end, if is_line { Ends::AtDelimiter } else { Ends::Elsewhere });
    }

    /// Posts copies of the frames that were decoded.
    fn split_decoded(&mut self, tools: &mut Tools<'_>) -> Turn {
        let mut at = 0;
        let turn = loop {
            if let Err(why) = tools.views.is_admitted() {
                break Turn::Waits(why);
            }
            let rest = &self.tail[at..];
            match self.splitter.next_frame(rest) {
                Frame::Complete { span, consumed, cut } => {
                    if tools.views.admit().is_ok() {
                        tools.views.copy(span.of(rest), tools.now);
                    }
                    at += consumed;
                    if cut {
                        self.note_cut(tools);
                    }
                }
                Frame::Skipped { consumed } => at += consumed,
                Frame::Incomplete { .. } => break Turn::Goes,
                Frame::Bad(error) => break Turn::Failed(Failure::Frame(error)),
            }
        };
        self.tail.drain(..at);
        turn
    }

    fn note_cut(&mut self, tools: &mut Tools<'_>) {
        tools.counters.count_cut();
        if !std::mem::replace(&mut self.said_cut, true) {
            (tools.say)(Notice::Cut);
        }
    }

    /// Posts what is a message at the end of the stream.
    fn end(&mut self, tools: &mut Tools<'_>) -> Turn {
        self.has_ended = true;
        match self.splitter.clone().rest(&self.tail) {
            Rest::Nothing => {}
            Rest::Message(span) => {
                if let Err(why) = tools.views.admit() {
                    return Turn::Waits(why);
                }
                tools.views.copy(span.of(&self.tail), tools.now);
            }
            Rest::Unfinished => {
                tools.counters.count_unfinished();
                return Turn::Ended { cut_off: std::mem::take(&mut self.tail).len() };
            }
        }
        self.tail = Vec::new();
        Turn::Ended { cut_off: 0 }
    }

    /// Ends it from this side: what is left of it is posted as far as there is credit. The bytes that are lost.
    pub(super) fn give_up(&mut self, tools: &mut Tools<'_>) -> usize {
        let turn = match self.post_left(tools) {
            None | Some(Turn::Goes) => self.end(tools),
            Some(turn) => turn,
        };
        tools.views.finish();
        if matches!(turn, Turn::Waits(_)) { self.unposted() } else { 0 }
    }
}
