//! The finder beside a slow one that has all bytes at once.

use proptest::prelude::*;

use super::*;

/// The messages of `bytes`, which come in pieces of these sizes, and those that are left at the end.
fn found(mut finder: MessageFinder, bytes: &[u8], pieces: &[usize]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let (mut all, mut rest, mut at) = (Vec::new(), Vec::new(), 0);
    let mut sizes = pieces.iter().copied().chain(std::iter::repeat(usize::MAX));
    loop {
        let mut from = 0;
        while let Some(next) = finder.next(&rest, &mut from) {
            assert!(next.text.end <= next.end && next.end == from);
            all.push(rest[next.text].to_vec());
        }
        rest.drain(..from);
        assert!(rest.len() <= finder.most_left() + 1, "{} bytes are left", rest.len());
        if at == bytes.len() {
            break;
        }
        let size = sizes.next().unwrap_or(usize::MAX).max(1).min(bytes.len() - at);
        rest.extend_from_slice(&bytes[at..at + size]);
        at += size;
    }
    let last = finder.last(&rest, &mut 0).map(|last| rest[last.text].to_vec());
    (all, last)
}

fn texts(all: &(Vec<Vec<u8>>, Option<Vec<u8>>)) -> (Vec<&str>, Option<&str>) {
    let text = |bytes: &Vec<u8>| std::str::from_utf8(bytes).unwrap().to_owned().leak() as &str;
    (all.0.iter().map(text).collect(), all.1.as_ref().map(text))
}

fn multi_line(mode: MultiLineMode, prefix: Option<&str>, end: Option<&str>) -> MultiLine {
    let pattern = |text| Pattern::of(&Matcher::new(text, Type::Pcre, Flags::default()).unwrap());
    mode.put_together(prefix.map(pattern), end.map(pattern)).unwrap()
}

fn of_mode(
    mode: MultiLineMode,
    prefix: Option<&str>,
    end: Option<&str>,
    text: &str,
) -> (Vec<String>, Option<String>) {
    let mut both = Vec::new();
    for pieces in [&[][..], &[1; 200]] {
        let finder = MessageFinder::new(Form::MultiLine(Box::new(multi_line(mode, prefix, end))), 100, false);
        let all = found(finder, text.as_bytes(), pieces);
        let (all, last) = texts(&all);
        both.push((all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>(), last.map(str::to_owned)));
    }
    assert_eq!(both[0], both[1], "whatever the pieces are");
    both.swap_remove(0)
}

fn owned(all: &[&str], last: Option<&str>) -> (Vec<String>, Option<String>) {
    (all.iter().map(|&text| text.to_owned()).collect(), last.map(str::to_owned))
}

/// Breaks without it: lines lose or keep their ends, an empty one is a message, or one without an end is
/// taken for complete.
#[test]
fn lines() {
    let finder = || MessageFinder::new(Form::Lines, 100, false);
    let all = found(finder(), b"one\r\n\n\0two\0\rthree\n\r\npart", &[]);
    assert_eq!(texts(&all), (vec!["one", "two", "three"], Some("part")));
    let all = found(MessageFinder::new(Form::Lines, 100, true), b"x\n\n\ny\n", &[2, 1]);
    assert_eq!(texts(&all), (vec!["x", "", "", "y"], None));
}

/// Breaks without it: a long line takes memory without end, or a part of it is lost.
#[test]
fn a_line_that_is_too_long_comes_in_parts() {
    let text = ["b".repeat(120), "next".to_owned(), "c".repeat(50), String::new()].join("\n");
    let finder = MessageFinder::new(Form::Lines, 50, false);
    let (all, last) = found(finder, text.as_bytes(), &[7; 100]);
    let lengths: Vec<_> = all.iter().map(Vec::len).collect();
    assert_eq!((lengths, last), (vec![50, 50, 20, 4, 50], None));
}

/// Breaks without it: a short record is a message, or zeros are part of one.
#[test]
fn records() {
    let finder = MessageFinder::new(Form::Records(10), 100, false);
    let all = found(finder, b"abc\n\0\0\0\0\0\x000123456789\0\0\0\0\0\0\0\0\0\0short", &[3, 9]);
    assert_eq!(texts(&all), (vec!["abc", "0123456789"], Some("short")));
}

/// Breaks without it: a byte of one character and one of the next are taken for a line feed.
#[test]
fn lines_of_two_bytes() {
    // U+0A00 U+000A U+0A0A U+000A
    let finder = MessageFinder::new(Form::Wide(false), 100, false);
    let little = [0, 0x0a, 0x0a, 0, 0x0a, 0x0a, 0x0a, 0, 0x41, 0];
    let (all, last) = found(finder, &little, &[1, 2, 2, 1, 3]);
    assert_eq!((all, last), (vec![vec![0, 0x0a], vec![0x0a, 0x0a]], Some(vec![0x41, 0])));
    let finder = MessageFinder::new(Form::Wide(true), 4, false);
    let big = [0, 0x41, 0, 0x42, 0, 0x43, 0, 0x0a];
    let (all, last) = found(finder, &big, &[3]);
    assert_eq!((all, last), (vec![vec![0, 0x41, 0, 0x42], vec![0, 0x43]], None));
}

/// Breaks without it: lines that belong together are apart, or the last ones do not wait for what follows.
#[test]
fn indented_lines() {
    let all = of_mode(MultiLineMode::Indented, None, None, "first\n  c\n\tc2\nsecond\n");
    assert_eq!(all, owned(&["first\n  c\n\tc2"], Some("second")));
    let all = of_mode(MultiLineMode::Indented, None, None, " x\r\n y\r\nz\r\n\r\nlast");
    assert_eq!(all, owned(&[" x\r\n y", "z"], Some("last")));
}

/// Breaks without it: a message does not begin with its prefix, or has what follows it.
#[test]
fn prefixes_garbage_and_suffixes() {
    let text = "junk\nS one\nmore END t\nignored\nS two\nS three\n";
    let all = of_mode(MultiLineMode::PrefixGarbage, Some("^S"), Some("END"), text);
    assert_eq!(all, owned(&["junk", "S one\nmore ", "ignored", "S two"], Some("S three")));
    let all = of_mode(MultiLineMode::PrefixGarbage, Some("^S"), Some("END"), "a\nb\nS\nc END\nd\ne\nS\n");
    assert_eq!(all, owned(&["a\nb", "S\nc ", "d\ne"], Some("S")));
    let text = "S one\nmore END t\nleft\nS two\nS three\n";
    let all = of_mode(MultiLineMode::PrefixSuffix, Some("^S"), Some("END"), text);
    assert_eq!(all, owned(&["S one\nmore END", "left", "S two"], Some("S three")));
    let all = of_mode(MultiLineMode::PrefixSuffix, None, Some("END$"), "a\nb END\nc\nS END\nd");
    assert_eq!(all, owned(&["a\nb END", "c\nS END"], Some("d")));
    let all = of_mode(MultiLineMode::PrefixGarbage, None, Some("END"), "a\nb END t\nc\n");
    assert_eq!(all, owned(&["a\nb "], Some("c")));
    let all = of_mode(MultiLineMode::PrefixGarbage, Some("^S"), None, "S a\nb\nS c\n");
    assert_eq!(all, owned(&["S a\nb"], Some("S c")));
    let all = of_mode(MultiLineMode::PrefixSuffix, Some("^S"), Some("END"), "x\nS one END\nS two END y\n");
    assert_eq!(all, owned(&["x", "S one END", "S two END"], None));
}

/// Breaks without it: a message without an end takes memory without end, or a part of it is lost.
#[test]
fn a_message_that_is_too_long_comes_in_parts_of_whole_lines() {
    let line = format!(" {}\n", "c".repeat(38));
    let text = format!("first\n{}{}", line.repeat(5), " d".repeat(75));
    let (all, last) = of_mode(MultiLineMode::Indented, None, None, &text);
    let parts: Vec<_> = all.iter().chain(&last).map(String::len).collect();
    assert_eq!(parts, [6 + 40 + 39, 40 + 39, 39, 100, 50]);
    assert_eq!(all.concat().replace('\n', "").len() + 50, text.replace('\n', "").len());
}

/// The messages that [`MultiLine`] makes, by the description of the modes: lines are put together one by one.
fn slow(mode: MultiLineMode, text: &str) -> (Vec<String>, Option<String>) {
    let (mut all, mut open): (Vec<String>, Option<String>) = (Vec::new(), None);
    let (lines, rest) = match text.rfind('\n') {
        Some(end) => (text[..end].split('\n').collect::<Vec<_>>(), &text[end + 1..]),
        None => (Vec::new(), text),
    };
    for line in lines {
        let continues = match mode {
            MultiLineMode::Indented => line.starts_with([' ', '\t']),
            _ => !line.starts_with('S'),
        };
        if !continues {
            all.extend(open.take());
        }
        let before = open.take().map(|before| before + "\n").unwrap_or_default();
        match line.find("END").filter(|_| mode != MultiLineMode::Indented) {
            None => open = Some(before + line),
            Some(at) => {
                let end = if mode == MultiLineMode::PrefixSuffix { at + 3 } else { at };
                all.push(before + &line[..end]);
            }
        }
    }
    let last = match open {
        Some(open) if rest.is_empty() => Some(open),
        Some(open) => Some(open + "\n" + rest),
        None => Some(rest.to_owned()),
    };
    let trim = |text: &String| text.trim_matches(['\n', '\r', '\0']).to_owned();
    let keep = |text: &String| !text.is_empty();
    (all.iter().map(trim).filter(keep).collect(), last.map(|last| trim(&last)).filter(keep))
}

proptest! {
    /// Breaks without it: where a read ends decides which lines are together, or one is lost or torn.
    #[test]
    fn finds_the_messages_of_the_slow_one(
        words in prop::collection::vec(prop::sample::select(vec!["S", " ", "\t", "END", "x", "\n", "\n", "SEND"]), 0..60),
        pieces in prop::collection::vec(1_usize..9, 0..40),
        mode in prop::sample::select(vec![MultiLineMode::Indented, MultiLineMode::PrefixGarbage, MultiLineMode::PrefixSuffix]),
    ) {
        let text = words.concat();
        let (prefix, end) = match mode {
            MultiLineMode::Indented => (None, None),
            _ => (Some("^S"), Some("END")),
        };
        let finder = MessageFinder::new(Form::MultiLine(Box::new(multi_line(mode, prefix, end))), 1000, false);
        let all = found(finder, text.as_bytes(), &pieces);
        let (all, last) = texts(&all);
        let (slow_all, slow_last) = slow(mode, &text);
        prop_assert_eq!(all, slow_all);
        prop_assert_eq!(last, slow_last.as_deref());
    }

    /// Breaks without it: bytes are lost, doubled or in another order where a line is longer than a message
    /// may be, or with bytes that no text has.
    #[test]
    fn nothing_is_lost_whatever_the_pieces(
        bytes in prop::collection::vec(prop::sample::select(vec![b'a', b'b', b'\n', 0, b'\r', 0xff]), 0..200),
        pieces in prop::collection::vec(1_usize..9, 0..80),
        most in 1_usize..12,
    ) {
        let whole = found(MessageFinder::new(Form::Lines, most, false), &bytes, &[]);
        let parts = found(MessageFinder::new(Form::Lines, most, false), &bytes, &pieces);
        prop_assert_eq!(&whole, &parts);
        let text = |bytes: &[u8]| bytes.iter().copied().filter(|byte| !b"\n\r\0".contains(byte)).collect::<Vec<_>>();
        let all: Vec<u8> = whole.0.iter().chain(&whole.1).flatten().copied().collect();
        prop_assert_eq!(text(&all), text(&bytes));
    }
}
