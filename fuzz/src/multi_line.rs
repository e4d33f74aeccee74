//! `multi_line`: messages of several lines, beside a slow twin that has all lines at once.
//!
//! Two bytes come first: the mode with the bound on a message, and how large the pieces are that are read.

use inrush::source::{MultiLineMode, messages_of};

const MODES: [MultiLineMode; 5] = [
    MultiLineMode::None,
    MultiLineMode::Indented,
    MultiLineMode::PrefixGarbage,
    MultiLineMode::PrefixSuffix,
    MultiLineMode::Smart,
];
/// The patterns of the modes that have some.
const PATTERNS: (&str, &str) = ("^S", "END");
/// A bound that no input reaches.
const LARGE: usize = 1 << 20;

/// Finds the messages of `data`: two bytes of choices, and the lines.
pub fn run(data: &[u8]) {
    let [kind, step, bytes @ ..] = data else { return };
    let mode = MODES[usize::from(kind & 0xf) % MODES.len()];
    let most = if kind >> 4 == 0 { LARGE } else { 16 * usize::from(kind >> 4) };
    let whole = messages_of(bytes, bytes.len(), mode, PATTERNS, most);
    let pieces = messages_of(bytes, usize::from(*step).max(1), mode, PATTERNS, most);
    assert_eq!(whole, pieces, "in pieces of {step} bytes");
    let (messages, last) = &whole;
    assert!(messages.iter().all(|message| !message.is_empty() && message.len() <= most), "the bound");
    if most == LARGE && !matches!(mode, MultiLineMode::None | MultiLineMode::Smart) {
        assert_eq!((messages, last), (&twin(mode, bytes).0, &twin(mode, bytes).1), "the twin");
    }
    if matches!(mode, MultiLineMode::None | MultiLineMode::Indented | MultiLineMode::Smart) {
        // Nothing but the ends of lines is left out.
        let text =
            |bytes: &[u8]| bytes.iter().copied().filter(|byte| !b"\n\r\0".contains(byte)).collect::<Vec<_>>();
        let all: Vec<u8> = messages.iter().chain(last).flatten().copied().collect();
        assert_eq!(text(&all), text(bytes), "no byte is lost or doubled");
    }
}

/// Puts lines together one by one.
fn twin(mode: MultiLineMode, bytes: &[u8]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let (mut all, mut open): (Vec<Vec<u8>>, Option<Vec<u8>>) = (Vec::new(), None);
    let complete = bytes.iter().rposition(|byte| *byte == b'\n');
    let rest = complete.map_or(bytes, |end| &bytes[end + 1..]);
    let lines = complete.map(|end| bytes[..end].split(|byte| *byte == b'\n').collect::<Vec<_>>());
    for line in lines.unwrap_or_default() {
        let goes_on = match mode {
            MultiLineMode::Indented => matches!(line.first(), Some(b' ' | b'\t')),
            _ => line.first() != Some(&b'S'),
        };
        if !goes_on {
            all.extend(open.take());
        }
        let mut message = open.take().map(|before| [&before[..], b"\n"].concat()).unwrap_or_default();
        let end = line.windows(3).position(|part| part == b"END");
        match end.filter(|_| mode != MultiLineMode::Indented) {
            None => {
                message.extend_from_slice(line);
                open = Some(message);
            }
            Some(at) => {
                let end = if mode == MultiLineMode::PrefixSuffix { at + 3 } else { at };
                message.extend_from_slice(&line[..end]);
                all.push(message);
            }
        }
    }
    let last = match open {
        Some(open) if rest.is_empty() => open,
        Some(open) => [&open[..], b"\n", rest].concat(),
        None => rest.to_vec(),
    };
    let trimmed = |text: &Vec<u8>| {
        let is_end = |byte: &u8| b"\n\r\0".contains(byte);
        let start = text.iter().position(|byte| !is_end(byte)).unwrap_or(text.len());
        let end = text.iter().rposition(|byte| !is_end(byte)).map_or(start, |last| last + 1);
        text[start..end].to_vec()
    };
    let messages = all.iter().map(trimmed).filter(|text| !text.is_empty()).collect();
    (messages, Some(trimmed(&last)).filter(|text| !text.is_empty()))
}
