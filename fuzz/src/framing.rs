//! Framing: a stream that arrives in pieces gives the messages that it would give in one piece, and those of
//! a slow twin.
//!
//! Two bytes come first: the kind of framing with the bound on a message, and how large the pieces are.

use inrush::syslog::framing::{BadFrame, Frame, Framing, Splitter};

/// A part of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Message(Vec<u8>, bool),
    /// So many bytes of the stream, or what there is of them, belong to a message that is too long.
    Skipped(usize),
    /// Nobody can say where the next message begins.
    Lost,
    Last(Vec<u8>),
}

/// Splits `data`: two bytes of choices, and a stream.
pub fn run(data: &[u8]) {
    let [kind, step, stream @ ..] = data else { return };
    let framing = [Framing::Auto, Framing::Newline, Framing::OctetCounted][usize::from(kind % 3)];
    // No message is bounded to less than the longest head of a frame, eleven digits and a space.
    let max_len = match kind / 3 {
        0 => 65_536,
        small => 16 + usize::from(small),
    };
    let whole = split(framing, max_len, stream, stream.len().max(1));
    let pieces = split(framing, max_len, stream, usize::from(*step).max(1));
    assert_eq!(whole, pieces, "in pieces of {step} bytes");
    assert_eq!(whole, twin(framing, max_len, stream), "the twin");
}

fn split(framing: Framing, max_len: usize, stream: &[u8], step: usize) -> Vec<Part> {
    let (mut splitter, mut start, mut end) = (Splitter::new(framing, max_len), 0, 0);
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
            Frame::Incomplete { needed } => {
                assert!(needed > 0, "it would be asked again for ever");
                assert!(buffer.len() <= max_len + 12, "a buffer that grows without a message");
                if end == stream.len() {
                    break;
                }
                end = stream.len().min(end + step);
            }
            Frame::Bad { skip: 0, .. } => {
                parts.push(Part::Lost);
                return parts;
            }
            Frame::Bad { reason, skip } => {
                assert_eq!(reason, BadFrame::TooLong);
                parts.push(Part::Skipped(skip));
                start = stream.len().min(start + skip);
                end = end.max(start);
            }
        }
    }
    let rest = &stream[start..];
    parts.extend(splitter.last_frame(rest).map(|span| Part::Last(span.of(rest).to_vec())));
    parts
}

fn twin(framing: Framing, max_len: usize, stream: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let count = (1..=10).contains(&digits) && rest[0] != b'0' && rest.get(digits) == Some(&b' ');
        let counted = match framing {
            Framing::Newline => false,
            Framing::OctetCounted => true,
            Framing::Auto => count && rest.get(digits + 1) == Some(&b'<'),
        };
        if !counted {
            let line = rest.iter().take(max_len + 1).position(|byte| *byte == b'\n');
            match line {
                Some(len) => {
                    parts.push(Part::Message(rest[..len].to_vec(), false));
                    rest = &rest[len + 1..];
                }
                None if rest.len() > max_len => {
                    parts.push(Part::Message(rest[..max_len].to_vec(), true));
                    rest = &rest[max_len..];
                }
                None => {
                    parts.push(Part::Last(rest.to_vec()));
                    break;
                }
            }
            continue;
        }
        if !count {
            // Perhaps only the beginning of a count.
            let begun = digits == rest.len() && (1..=10).contains(&digits) && rest[0] != b'0';
            parts.push(if begun { Part::Last(rest.to_vec()) } else { Part::Lost });
            break;
        }
        let len: usize = std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap();
        let after = &rest[digits + 1..];
        if len > max_len {
            parts.push(Part::Skipped(digits + 1 + len));
            rest = &after[len.min(after.len())..];
        } else if len > after.len() {
            parts.extend((!after.is_empty()).then(|| Part::Last(after.to_vec())));
            break;
        } else {
            parts.push(Part::Message(after[..len].to_vec(), false));
            rest = &after[len..];
        }
    }
    parts
}
