//! RFC 3164, and what goes by its name.
//!
//! The RFC (§4) describes what was seen on the wire; what is seen is wider. Every part may be missing:
//!
//! ```text
//! *" "                                                                 then a stamp, or a tag with a colon or brackets
//! [":" [" "]] [sequence ": "]{0,2} [host ": "] ["*" / "."] [stamp [":"]]     routers put the host before the stamp
//! ["Message forwarded from " host ": "]                                AIX
//! [host]                                                               only after a stamp
//! ["last message repeated " …]                                         has no program
//! [":" [" "]] [program ["[" pid "]" / " "] [":"] [" "]]                the tag
//! message
//! ```
//!
//! The stamps are those of [`timestamp`](super::timestamp). A word after the stamp is the host when a space
//! ends it and it could not be a tag: no `:` and no `[` in it, unless it is an IPv6 address. Without a stamp
//! there is no host. The tag ends at a space, a colon or a bracket, so in `su failed` the program is `su`:
//! that is what receivers have always made of it, and `flags(check-program)` is the remedy. What starts like
//! JSON, XML or a quotation is no tag. A colon before it belongs to the header, and stands for all of the tag
//! unless a router's facility follows: `host : text`, `host : %ASA-6-302013: text`. Spaces before a header
//! are skipped; those before a text without one are its indentation.
//!
//! A router says with a mark before its stamp whether its clock is set: `*` that it is not, `.` that it was.
use super::timestamp::{read_bsd, read_iso, read_year_first};
use super::{Clock, Flags, Marks, ParseOptions, Parsed, Span, Stamp, scan};

/// Reads a message from after its priority.
#[inline]
pub(super) fn parse(text: &[u8], start: usize, options: &ParseOptions, clock: &Clock, out: &mut Parsed) {
    let after_spaces = skip_spaces(text, start);
    let Some((stamp, at)) = prelude(text, after_spaces, options, clock, out) else {
        out.host = None;
        // Without a stamp a number and a colon may as well be a tag; before a router's facility they are not.
        let counted = out.sequence.map(|span| skip_spaces(text, span.range().end + 1));
        let counted = counted.filter(|at| text.get(*at) == Some(&b'%'));
        out.sequence = out.sequence.filter(|_| counted.is_some());
        // One space after the priority is a habit of some senders; more are the message's own indentation.
        let after_space = start + usize::from(after_spaces > start && out.marks.has(Marks::PRI_GIVEN));
        if options.flags.has(Flags::KERNEL) && out.pri < 8 {
            out.marks.insert(Marks::KERNEL);
            out.message = Some(Span::between(counted.unwrap_or(after_space), text.len()));
        } else if after_spaces > after_space && counted.is_none() && !is_marked_tag(&text[after_spaces..]) {
            out.message = Some(Span::between(after_space, text.len()));
        } else {
            tag(text, counted.unwrap_or(after_spaces), options.flags, out);
        }
        return;
    };
    out.stamp = Some(stamp);
    let at = skip_spaces(text, at + usize::from(text.get(at) == Some(&b':')));
    let at = origin(text, at, options, out);
    if text[at..].starts_with(b"last message repeated ") {
        out.marks.insert(Marks::REPEATED);
        out.message = Some(Span::between(at, text.len()));
    } else {
        tag(text, at, options.flags, out);
    }
}

/// Reads the part before the tag when there is a stamp: gives the stamp and where it ends.
#[inline]
fn prelude(
    text: &[u8],
    start: usize,
    options: &ParseOptions,
    clock: &Clock,
    out: &mut Parsed,
) -> Option<(Stamp, usize)> {
    let first = *text.get(start)?;
    if first.is_ascii_alphabetic() {
        return stamp(text, start, options, clock);
    }
    if !matches!(first, b'0'..=b'9' | b'*' | b'.' | b':') {
        return None;
    }
    let start = if first == b':' { skip_spaces(text, start + 1) } else { start };
    if let Some(found) = marked_stamp(text, start, options, clock, out) {
        return Some(found);
    }
    // A counter of the logging process, then perhaps one of the device.
    let mut at = start;
    for _ in 0..2 {
        let Some(len) = sequence(&text[at..]) else { break };
        out.sequence = Some(Span::new(at, len));
        at = skip_spaces(text, at + len + 1);
        if let Some(found) = marked_stamp(text, at, options, clock, out) {
            return Some(found);
        }
    }
    out.sequence?;
    // A device told to say who it is: `router1: ` before the stamp.
    let len = text[at..].iter().take(256).position(|b| *b == b' ')?;
    let host = text[at..at + len].strip_suffix(b":").filter(|host| !host.is_empty())?;
    out.host = Some(Span::new(at, host.len()));
    marked_stamp(text, skip_spaces(text, at + len), options, clock, out)
}

/// A stamp, perhaps with a mark about its clock.
#[inline]
fn marked_stamp(
    text: &[u8],
    at: usize,
    options: &ParseOptions,
    clock: &Clock,
    out: &mut Parsed,
) -> Option<(Stamp, usize)> {
    let mark = match text.get(at) {
        Some(b'*') => Some(Marks::UNSYNCHRONIZED),
        Some(b'.') => Some(Marks::SYNCHRONIZED),
        _ => None,
    };
    let found = stamp(text, at + usize::from(mark.is_some()), options, clock)?;
    if let Some(mark) = mark {
        out.marks.insert(mark);
    }
    Some(found)
}

/// A stamp in any of its forms, and where it ends.
#[inline]
fn stamp(text: &[u8], at: usize, options: &ParseOptions, clock: &Clock) -> Option<(Stamp, usize)> {
    let rest = text.get(at..)?;
    let zone = options.zone(clock);
    let (reading, len) = match rest.first()? {
        b'0'..=b'9' => read_iso(rest).or_else(|| read_year_first(rest, zone))?,
        _ => read_bsd(rest, zone)?,
    };
    if rest.get(len).is_some_and(|b| !matches!(b, b' ' | b':' | b'\t')) {
        return None;
    }
    let stamp = clock.place(&reading, zone, options.flags.has(Flags::GUESS_TIMEZONE))?;
    Some((stamp, at + len))
}

/// The digits of `123: `.
#[inline]
fn sequence(text: &[u8]) -> Option<usize> {
    let len = text.iter().take(20).position(|b| !b.is_ascii_digit())?;
    (len > 0 && text[len..].starts_with(b": ")).then_some(len)
}

/// Reads the sender's host and program; gives where what follows begins.
#[inline]
fn origin(text: &[u8], at: usize, options: &ParseOptions, out: &mut Parsed) -> usize {
    const FORWARDED: &[u8] = b"Message forwarded from ";
    const REPEATED: &[u8] = b"last message repeated ";
    let rest = &text[at..];
    match rest.first() {
        Some(b'M') if rest.starts_with(FORWARDED) => {
            let start = at + FORWARDED.len();
            let word = text[start..].iter().position(|b| *b == b' ').unwrap_or(text.len() - start);
            // The colon that ends the host is the last of the word: the host may be an IPv6 address.
            if let Some(host) = text[start..start + word].strip_suffix(b":").filter(|host| !host.is_empty()) {
                out.host = Some(Span::new(start, host.len()));
                out.marks.insert(Marks::FORWARDED);
                return skip_spaces(text, start + word);
            }
            at
        }
        Some(b'l') if rest.starts_with(REPEATED) => at,
        _ if !options.flags.has(Flags::EXPECT_HOSTNAME) || out.host.is_some() => at,
        _ => match host(rest, options) {
            Some(len) => {
                out.host = Some(Span::new(at, len));
                skip_spaces(text, at + len)
            }
            None => at,
        },
    }
}

/// The length of the host that `text` starts with.
#[inline]
fn host(text: &[u8], options: &ParseOptions) -> Option<usize> {
    let first = *text.first()?;
    if !(first.is_ascii_alphanumeric()
        || matches!(first, b'[' | b':' | b'_' | b'.' | b'-' | b'/' | b'@' | 0x80..))
    {
        return None;
    }
    let mut end = scan::word_end(text, 0)?;
    if text[end] != b' ' {
        end = scan::space(text, end)?;
        if !is_ipv6(&text[..end]) {
            return None;
        }
    }
    let word = &text[..end];
    if options.flags.has(Flags::CHECK_HOSTNAME) {
        let allowed = |b: &u8| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'-' | b'_' | b'.' | b':' | b'@' | b'/' | b'[' | b']' | b'%')
        };
        let bad = options.bad_hostname.as_ref().is_some_and(|test| test.is_bad(word));
        if bad || !word.iter().all(allowed) {
            return None;
        }
    }
    Some(word.len())
}

/// True for a word with colons that is an address (RFC 4291 §2.2), perhaps in brackets, perhaps with a zone.
fn is_ipv6(word: &[u8]) -> bool {
    let inside = word.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(word);
    let address = inside.split(|b| *b == b'%').next().unwrap_or(inside);
    let groups = address.split(|b| *b == b':').count();
    let shape = address.windows(2).any(|pair| pair == b"::") || groups == 8;
    shape && groups <= 9 && address.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
}

/// The tag and the message.
#[inline]
fn tag(text: &[u8], start: usize, flags: Flags, out: &mut Parsed) {
    let mut message = start;
    if text.get(start) == Some(&b':') {
        message += 1 + usize::from(text.get(start + 1) == Some(&b' '));
    }
    if (message == start || text.get(message) == Some(&b'%'))
        && let Some(tag) = read_tag(&text[message..], flags)
    {
        out.program = Some(Span::new(message, tag.program));
        out.pid = tag.pid.map(|pid| Span::new(message + pid.offset as usize, pid.len as usize));
        message += tag.len;
    }
    if message > start && flags.has(Flags::STORE_LEGACY_MSGHDR) {
        out.msghdr = Some(Span::between(start, message));
    }
    out.message = Some(Span::between(message, text.len()));
}

/// The parts of `program[pid]: `.
struct Tag {
    program: usize,
    pid: Option<Span>,
    len: usize,
}

/// Reads the tag that `text` starts with.
#[inline]
fn read_tag(text: &[u8], flags: Flags) -> Option<Tag> {
    if matches!(text.first()?, 0..=b'"' | b'\'' | b',' | b';' | b'<'..=b'>' | b'[' | b']' | b'`' | b'{'..=127)
    {
        return None;
    }
    let program = scan::word_end(text, 0)?;
    if program == 0 || !matches!(text[program], b' ' | b':' | b'[' | b'\t' | b'\n') {
        return None;
    }
    if flags.has(Flags::CHECK_PROGRAM) && !is_program(&text[..program]) {
        return None;
    }
    let mut at = program;
    let mut pid = None;
    if text[at] == b'[' {
        let close = scan::bracket_end(text, program).filter(|close| text[*close] == b']')?;
        at = close + 1;
        if !matches!(text.get(at), None | Some(b':' | b' ' | b'\t')) {
            return None;
        }
        pid = Some(Span::between(program + 1, close)).filter(|pid| !pid.is_empty());
    } else if text[at..].starts_with(b" : ") {
        at += 1;
    }
    at += usize::from(text.get(at) == Some(&b':'));
    at += usize::from(text.get(at) == Some(&b' '));
    Some(Tag { program, pid, len: at })
}

/// Tells whether `text` starts with a word that a colon or a bracket makes a tag, not only the space after
/// it.
#[cold]
fn is_marked_tag(text: &[u8]) -> bool {
    scan::word_end(text, 0).is_some_and(|end| matches!(text[end], b':' | b'['))
}

/// True for a word that looks like a program's name: a letter somewhere, and nothing strange.
fn is_program(word: &[u8]) -> bool {
    let allowed = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.' | b'(' | b')' | b'+' | b'@')
    };
    word.iter().any(u8::is_ascii_alphabetic) && word.iter().all(allowed)
}

#[inline]
fn skip_spaces(text: &[u8], mut at: usize) -> usize {
    while text.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}
