//! Frames of bytes into messages that view them: [`Views`].
//!
//! Plain texts, and those that the worker parses, become [`Lines`], 8 bytes each; texts that are parsed here
//! become rows of ordinary batches, with the fields that the parser finds. All batches of a chunk view the same
//! owner. Texts that lie nowhere for long are copied into a batch.

use std::collections::VecDeque;
use std::sync::Arc;

#[cfg(feature = "python")]
use crate::flow::tracker::Group;
use crate::flow::{Credit, Producer, Share};
use crate::message::batch::SharedSegment;
use crate::message::{Committed, Head, Lines, Need, Origin, Published, Segment, Stamp, Writer};
use crate::source::{ParsedRow, SourcePolicy, system_clock};
use crate::syslog::fill::Filler;
use crate::syslog::{Clock, ParseOptions};

/// A batch of views is sent when it holds this many bytes, so that the byte half of the credit is
/// overdrawn by no more than this and one message.
const SEND_AT: u64 = 1 << 20;
/// Messages of credit that are taken at a time.
const TAKE: u32 = 256;

/// Bytes that stay where they are, and that batches view.
pub(crate) trait Chunk {
    /// Its bytes.
    fn bytes(&self) -> &[u8];

    /// A segment over the bytes from `offset` on.
    fn segment(&self, offset: usize) -> Segment;
}

impl Chunk for Committed {
    fn bytes(&self) -> &[u8] {
        Self::bytes(self)
    }

    fn segment(&self, offset: usize) -> Segment {
        Self::segment(self, offset)
    }
}

/// The way in which texts become messages.
#[derive(Debug, Clone)]
pub(crate) struct Posting {
    /// The moment of parsing.
    pub parsing: Parsing,
    /// The priority of what is not parsed.
    pub pri: u16,
    /// The options by which texts are parsed.
    pub options: Arc<ParseOptions>,
    /// The rules of the source.
    pub policy: Arc<SourcePolicy>,
    /// The byte that ends each text, if it is one byte.
    pub delimiter: Option<u8>,
}

/// The moment at which texts are parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsing {
    /// Not at all: the text is the message.
    None,
    /// When the worker takes the batch: the lane has the parser ([`Lane::parse_late`](crate::flow::Lane)).
    Late,
    /// When they are posted.
    Here,
}

/// The reason why a text cannot be posted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// Its connection has its share of the window in flight.
    ShareIsFull,
    /// There is no credit.
    NoCredit,
    /// Nothing is taken any more.
    Closed,
}

/// The end of a text in its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The delimiter follows it.
    AtDelimiter,
    /// Something else follows it.
    Elsewhere,
    /// Nothing follows it: it is the last, and has a batch of its own, so that the others stay joined.
    AtEnd,
}

/// Posts views of chunks.
pub(crate) struct Views {
    producer: Producer,
    credit: Arc<Credit>,
    posting: Arc<Posting>,
    now: Stamp,
    credit_left: u32,
    share: Option<Arc<Share>>,
    /// The messages for which credit may still be taken before the share is looked at again.
    allowed: u32,
    parser: Option<(Filler, Clock)>,
    open: Option<Open>,
    /// The numbers of messages of the batches that were sent, for whoever wants to know.
    sent: Option<VecDeque<u32>>,
}

/// The batch that the next text may go into.
enum Open {
    /// Lines of a segment, which begins at so many bytes of the chunk.
    Lines(Lines, usize),
    /// Rows over the segment, whose first byte is at `base`; with so many bytes of texts and values.
    Rows { writer: Writer, segment: SharedSegment, base: usize, bytes: u64 },
    /// Rows with copied texts.
    Copies { writer: Writer, bytes: u64 },
}

impl Views {
    /// Posts through `producer`, as `posting` says.
    pub(crate) fn new(producer: Producer, posting: Arc<Posting>, now: Stamp) -> Self {
        let credit = Arc::clone(producer.lane().credit());
        let parser = (posting.parsing == Parsing::Here).then(|| (Filler::default(), system_clock()));
        Self {
            producer,
            credit,
            posting,
            now,
            credit_left: 0,
            share: None,
            allowed: u32::MAX,
            parser,
            open: None,
            sent: None,
        }
    }

    /// From now on [`Views::take_sent`] tells of the batches that are sent.
    pub(crate) fn note_sent(&mut self) {
        self.sent = Some(VecDeque::new());
    }

    /// The number of messages of the next batch that was sent.
    pub(crate) fn take_sent(&mut self) -> Option<u32> {
        self.sent.as_mut().and_then(VecDeque::pop_front)
    }

    /// Takes credit for a text beyond what is free: for the last of a stream that cannot be read again.
    pub(crate) fn overdraw(&self) {
        self.credit.take(1, 0);
    }

    /// Has all its batches acknowledged together, as one group.
    #[cfg(feature = "python")]
    pub(crate) fn join_group(&mut self, group: Group) {
        self.producer.join_group(group);
    }

    /// The credit that it takes.
    pub(crate) fn credit(&self) -> &Arc<Credit> {
        &self.credit
    }

    /// Goes on with messages that have `origin` in common, and are counted in `share`, which may have `limit` of
    /// them in flight.
    pub(crate) fn turn_to(
        &mut self,
        origin: &Arc<Origin>,
        posting: &Arc<Posting>,
        share: Option<(&Arc<Share>, u32)>,
    ) {
        debug_assert!(self.open.is_none(), "what came before is sent");
        if !Arc::ptr_eq(self.producer.origin(), origin) {
            self.producer.set_origin(Arc::clone(origin));
        }
        if !Arc::ptr_eq(&self.posting, posting) {
            self.posting = Arc::clone(posting);
        }
        self.allowed = share.map_or(u32::MAX, |(share, limit)| limit.saturating_sub(share.in_flight()));
        let share = share.map(|(share, _)| share);
        if self.share.as_ref().map(Arc::as_ptr) != share.map(Arc::as_ptr) {
            self.share = share.map(Arc::clone);
            self.producer.set_share(self.share.clone());
        }
    }

    /// What follows was received at `now`.
    pub(crate) fn begin(&mut self, now: Stamp) {
        self.now = now;
        if let Some((_, clock)) = &mut self.parser {
            clock.set_now(now.unix_micros);
        }
    }

    /// Takes credit for a text.
    ///
    /// # Errors
    /// The reason why there is none.
    #[inline]
    pub(crate) fn admit(&mut self) -> Result<(), NotAdmitted> {
        if self.credit_left == 0 {
            self.take_credit()?;
        }
        self.credit_left -= 1;
        Ok(())
    }

    /// Tells whether a text would be admitted, and makes sure that the next one is.
    ///
    /// # Errors
    /// The reason why none would be.
    #[inline]
    pub(crate) fn is_admitted(&mut self) -> Result<(), NotAdmitted> {
        if self.credit_left == 0 { self.take_credit() } else { Ok(()) }
    }

    /// The number of texts, up to `most`, that are admitted next.
    ///
    /// # Errors
    /// The reason why there is none.
    pub(crate) fn admitted(&mut self, most: u32) -> Result<u32, NotAdmitted> {
        self.is_admitted()?;
        Ok(self.credit_left.min(most))
    }

    #[cold]
    fn take_credit(&mut self) -> Result<(), NotAdmitted> {
        if self.producer.lane().is_closed() {
            return Err(NotAdmitted::Closed);
        }
        if self.allowed == 0 {
            return Err(NotAdmitted::ShareIsFull);
        }
        self.credit_left = self.credit.try_take(TAKE.min(self.allowed), 0);
        self.allowed -= self.credit_left;
        if self.credit_left > 0 { Ok(()) } else { Err(NotAdmitted::NoCredit) }
    }

    /// Gets ready to wait for credit: sends what there is, so that it can come back.
    #[cold]
    pub(crate) fn before_wait(&mut self) {
        self.finish();
        self.credit.count_suspension();
        self.producer.before_wait();
    }

    /// Posts the bytes from `start` to `end` of `chunk`, for which credit was taken ([`Views::admit`]). All that
    /// is posted up to [`Views::finish`] is of one chunk.
    #[inline]
    pub(crate) fn post(&mut self, chunk: &impl Chunk, start: usize, end: usize, ends: Ends) {
        if self.parser.is_some() {
            self.add_parsed(chunk, start, end);
        } else {
            self.add_line(chunk, start, end, ends);
        }
    }

    #[inline]
    fn add_line(&mut self, chunk: &impl Chunk, start: usize, end: usize, ends: Ends) {
        let fits = matches!(&self.open, Some(Open::Lines(_, base)) if u32::try_from(end - base).is_ok());
        if !fits || ends == Ends::AtEnd {
            self.open_lines(chunk, start);
        }
        let Some(Open::Lines(lines, base)) = &mut self.open else { unreachable!("opened above") };
        let (offset, len) = ((start - *base) as u32, (end - start) as u32);
        match ends {
            Ends::AtDelimiter => lines.push(offset, len),
            Ends::Elsewhere | Ends::AtEnd => lines.push_last(offset, len),
        }
        if lines.charge() >= SEND_AT {
            self.send();
        }
    }

    #[cold]
    fn open_lines(&mut self, chunk: &impl Chunk, base: usize) {
        self.send();
        let Posting { pri, delimiter, parsing, .. } = *self.posting;
        let lines = Lines::new(self.producer.origin(), chunk.segment(base), self.now, pri, delimiter);
        let lines = if parsing == Parsing::Late { lines.unparsed() } else { lines };
        self.open = Some(Open::Lines(lines, base));
    }

    fn add_parsed(&mut self, chunk: &impl Chunk, start: usize, end: usize) {
        let Some((filler, clock)) = &mut self.parser else { return };
        let text = &chunk.bytes()[start..end];
        filler.parse(text, &self.posting.options, clock);
        let parsed = ParsedRow::new(&self.posting.policy, filler, text);
        let need = Need { viewed: text.len(), ..parsed.need() };
        let now = self.now;
        let write = |open: &mut Option<Open>| {
            let Some(Open::Rows { writer, segment, base, bytes }) = open else { return false };
            if u32::try_from(end - *base).is_err() {
                return false;
            }
            let Some(mut row) = writer.row(need) else { return false };
            row.payload_share(*segment, (start - *base) as u32, text.len() as u32);
            parsed.write(now, &mut row);
            *bytes += need.size() as u64;
            // Nobody else has the batch, so it is not sealed.
            row.publish() == Published::Yes
        };
        let share = self.share.as_deref();
        while !write(&mut self.open) {
            let sent = send(&mut self.open, &mut self.producer, &self.credit, share);
            note(&mut self.sent, sent);
            let mut writer = self.producer.open_private(Need { segments: 1, ..need });
            let Ok(segment) = writer.adopt_shared(chunk.segment(start)) else {
                unreachable!("an empty batch has room for a segment")
            };
            self.open = Some(Open::Rows { writer, segment, base: start, bytes: 0 });
        }
        if matches!(&self.open, Some(Open::Rows { writer, .. }) if writer.charge() >= SEND_AT) {
            let sent = send(&mut self.open, &mut self.producer, &self.credit, share);
            note(&mut self.sent, sent);
        }
    }

    /// Posts a copy of `text`, which was received at `now`, and for which credit was taken ([`Views::admit`]).
    pub(crate) fn copy(&mut self, text: &[u8], now: Stamp) {
        let head = Head::at(now, self.posting.pri);
        let parsed = self.parser.as_mut().map(|(filler, clock)| {
            clock.set_now(now.unix_micros);
            filler.parse(text, &self.posting.options, clock);
            ParsedRow::new(&self.posting.policy, filler, text)
        });
        let more = parsed.as_ref().map_or_else(Need::default, ParsedRow::need);
        let need = Need { bytes: more.bytes + text.len(), ..more };
        let parsing = self.posting.parsing;
        let write = |open: &mut Option<Open>| {
            let Some(Open::Copies { writer, bytes }) = open else { return false };
            let published = match &parsed {
                None if parsing == Parsing::Late => writer.publish_unparsed(&head, text),
                None => writer.publish_text(&head, |_| (), text),
                Some(parsed) => writer.row(need).map(|mut row| {
                    row.payload_copy(text);
                    parsed.write(now, &mut row);
                    row.publish()
                }),
            };
            *bytes += if published.is_some() { need.size() as u64 } else { 0 };
            // Nobody else has the batch, so it is not sealed.
            published == Some(Published::Yes)
        };
        let share = self.share.as_deref();
        while !write(&mut self.open) {
            let sent = send(&mut self.open, &mut self.producer, &self.credit, share);
            note(&mut self.sent, sent);
            let writer = self.producer.open_private(need);
            self.open = Some(Open::Copies { writer, bytes: 0 });
        }
        if matches!(&self.open, Some(Open::Copies { writer, .. }) if writer.charge() >= SEND_AT) {
            let sent = send(&mut self.open, &mut self.producer, &self.credit, share);
            note(&mut self.sent, sent);
        }
    }

    /// Tells whether what is posted has `origin`.
    pub(crate) fn is_at(&self, origin: &Arc<Origin>) -> bool {
        Arc::ptr_eq(self.producer.origin(), origin)
    }

    /// Sends what was posted.
    pub(crate) fn send(&mut self) {
        let sent = send(&mut self.open, &mut self.producer, &self.credit, self.share.as_deref());
        note(&mut self.sent, sent);
    }

    /// Sends what was posted, and gives back the credit that was not used.
    pub(crate) fn finish(&mut self) {
        self.send();
        self.credit.give_back(std::mem::take(&mut self.credit_left), 0);
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Sends the open batch, if there is one: the number of its messages.
fn send(
    open: &mut Option<Open>,
    producer: &mut Producer,
    credit: &Credit,
    share: Option<&Share>,
) -> Option<u32> {
    let open = open.take()?;
    let (rows, charge) = match &open {
        Open::Lines(lines, _) => (lines.rows(), lines.charge()),
        Open::Rows { writer, .. } | Open::Copies { writer, .. } => (writer.rows(), writer.charge()),
    };
    credit.take_bytes(charge);
    if let Some(share) = share {
        share.take(rows);
    }
    match open {
        Open::Lines(lines, _) => producer.send_lines(lines),
        Open::Rows { writer, bytes, .. } | Open::Copies { writer, bytes } => {
            producer.send_private(writer, bytes);
        }
    }
    (rows > 0).then_some(rows)
}

/// Notes a batch that was sent, where somebody wants to know.
fn note(noted: &mut Option<VecDeque<u32>>, sent: Option<u32>) {
    if let (Some(noted), Some(rows)) = (noted, sent) {
        noted.push_back(rows);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
