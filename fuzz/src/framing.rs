//! Framing: a stream that arrives in pieces gives the messages that it would give in one piece, and those of
//! a slow twin.
//!
//! Two bytes come first: the kind of framing with the bound on a message, and how large the pieces are.

use inrush::syslog::framing::{Frame, Framing, Rest, Splitter};

/// A part of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Message(Vec<u8>, bool),
    /// Nobody can say where the next message begins.
    Lost,
    Last(Vec<u8>),
    /// A counted message without its end.
    Unfinished,
}

const FRAMINGS: [Framing; 5] =
    [Framing::Auto, Framing::Text, Framing::OctetCounted, Framing::TextWithNuls, Framing::NulTerminated];

/// Splits `data`: two bytes of choices, and a stream.
pub fn run(data: &[u8]) {
    let [kind, step, stream @ ..] = data else { return };
    let framing = FRAMINGS[usize::from(kind % 5)];
    let (trims, keeps_empty) = (kind & 0x80 != 0, kind & 0x40 != 0);
    let max_len = match (kind & 0x3f) / 5 {
        0 => 65_536,
        small => usize::from(small),
    };
    let splitter = || Splitter::new(framing, max_len).trimming(trims).keeping_empty(keeps_empty);
    let whole = split(splitter(), max_len, stream, stream.len().max(1));
    let pieces = split(splitter(), max_len, stream, usize::from(*step).max(1));
    assert_eq!(whole, pieces, "in pieces of {step} bytes");
    assert_eq!(whole, twin(framing, max_len, (trims, keeps_empty), stream), "the twin");
}

fn split(mut splitter: Splitter, max_len: usize, stream: &[u8], step: usize) -> Vec<Part> {
    let (mut start, mut end) = (0, 0);
    let mut parts = Vec::new();
    loop {
        let buffer = &stream[start..end];
        match splitter.next_frame(buffer) {
            Frame::Complete { span, consumed, cut } => {
                assert!(consumed > 0 && span.range().end <= consumed && consumed <= buffer.len());
                assert!(span.len as usize <= max_len);
                parts.push(Part::Message(span.of(buffer).to_vec(), cut));
                start += consumed;
            }
            Frame::Skipped { consumed } => {
                assert!(consumed > 0 && consumed <= buffer.len());
                start += consumed;
            }
            Frame::Incomplete { needed } => {
                assert!(needed > 0, "it would be asked again for ever");
                assert!(buffer.len() <= max_len + 12, "a buffer that grows without a message");
                if end == stream.len() {
                    break;
                }
                end = stream.len().min(end + step);
            }
            Frame::Bad(_) => {
                parts.push(Part::Lost);
                return parts;
            }
        }
    }
    let rest = &stream[start..];
    match splitter.rest(rest) {
        Rest::Nothing => {}
        Rest::Message(span) => parts.push(Part::Last(span.of(rest).to_vec())),
        Rest::Unfinished => parts.push(Part::Unfinished),
    }
    parts
}

fn twin(framing: Framing, max_len: usize, (trims, keeps_empty): (bool, bool), stream: &[u8]) -> Vec<Part> {
    let digits = stream.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_counted = match framing {
        Framing::Auto => (1..=10).contains(&digits) && stream.get(digits) == Some(&b' '),
        other => other == Framing::OctetCounted,
    };
    if is_counted {
        return counted(max_len, trims, stream);
    }
    let (ends, stripped): (&[u8], &[u8]) = match framing {
        Framing::TextWithNuls => (b"\n", b"\r\n"),
        Framing::NulTerminated => (b"\0", b""),
        _ => (b"\n\0", b"\r\n\0"),
    };
    let strip = |mut text: &[u8]| {
        while let [first, rest @ ..] = text
            && stripped.contains(first)
        {
            text = rest;
        }
        while let [rest @ .., last] = text
            && stripped.contains(last)
        {
            text = rest;
        }
        text.to_vec()
    };
    let (mut parts, mut rest) = (Vec::new(), stream);
    loop {
        let end = rest.iter().take(max_len + 1).position(|byte| ends.contains(byte));
        match end {
            Some(end) => {
                let text = strip(&rest[..end]);
                parts.extend((keeps_empty || !text.is_empty()).then_some(Part::Message(text, false)));
                rest = &rest[end + 1..];
            }
            None if rest.len() > max_len => {
                parts.push(Part::Message(rest[..max_len].to_vec(), true));
                rest = &rest[max_len..];
            }
            None => {
                let text = strip(rest);
                parts.extend((!text.is_empty()).then_some(Part::Last(text)));
                return parts;
            }
        }
    }
}

fn counted(max_len: usize, trims: bool, stream: &[u8]) -> Vec<Part> {
    let (mut parts, mut rest) = (Vec::new(), stream);
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits <= 10 && digits == rest.len() {
            parts.push(Part::Unfinished);
            break;
        }
        if digits > 10 || rest[digits] != b' ' {
            parts.push(Part::Lost);
            break;
        }
        let count: u64 = std::str::from_utf8(&rest[..digits]).unwrap_or("").parse().unwrap_or(0);
        let after = &rest[digits + 1..];
        let is_too_long = count > max_len as u64;
        if is_too_long && !trims {
            parts.push(Part::Lost);
            break;
        }
        let len = usize::try_from(count).unwrap_or(usize::MAX).min(max_len);
        if after.len() < len {
            parts.push(Part::Unfinished);
            break;
        }
        parts.extend((len > 0).then(|| Part::Message(after[..len].to_vec(), is_too_long)));
        let Some(next) = usize::try_from(count).ok().and_then(|count| after.get(count..)) else {
            parts.push(Part::Unfinished);
            break;
        };
        rest = next;
    }
    parts
}
