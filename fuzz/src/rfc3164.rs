//! RFC 3164 and what goes by its name: where the parts are, relative to each other.
//!
//! Every part may be missing, so there is no simpler grammar to compare with. What holds all the same: the
//! parts stand in the order of the documentation, do not overlap, have the characters that end them around
//! them, and the message is the rest of the text.

use inrush::syslog::{Flags, Marks, Parsed, Protocol};

use super::message::{check_parsed, check_record, options, parsed, record, trimmed};

/// Parses `data`: three bytes of flags, and a message.
pub fn run(data: &[u8]) {
    let Some((options, input)) = options(data) else { return };
    let out = parsed(input, &options);
    check_parsed(input, &options, &out);
    let batch = record(input, &options);
    check_record(input, &options, &out, batch.message(0));
    if out.protocol == Protocol::Rfc3164 {
        check_parts(trimmed(input), options.flags, &out);
    }
}

fn check_parts(text: &[u8], flags: Flags, out: &Parsed) {
    let message = out.message.expect("a message, perhaps empty").range();
    assert_eq!(message.end, text.len(), "the message is the rest of the text");
    let mut at = 0;
    for span in [out.sequence, out.host, out.program, out.pid].into_iter().flatten() {
        assert!(!span.is_empty(), "a part without text: {out:?}");
        // A router's host stands before the stamp and after the counter; anything else is in this order too.
        assert!(at <= span.range().start, "in order, and apart: {out:?}");
        at = span.range().end;
    }
    assert!(at <= message.start, "the message comes last: {out:?}");
    if let Some(sequence) = out.sequence {
        assert!(sequence.of(text).iter().all(u8::is_ascii_digit));
    }
    if let Some(host) = out.host {
        assert!(!host.of(text).contains(&b' '), "a host of two words");
        assert!(out.stamp.is_some(), "a host without a stamp");
        let forwarded = out.marks.has(Marks::FORWARDED) || out.sequence.is_some();
        assert!(flags.has(Flags::EXPECT_HOSTNAME) || forwarded, "a host that nobody expected");
    }
    if let Some(program) = out.program {
        assert!(!program.of(text).iter().any(|byte| matches!(byte, b' ' | b':' | b'[')));
    } else {
        assert!(out.pid.is_none(), "a process without a program");
        assert_ne!(out.msghdr.map(|span| span.len), Some(0), "a header of nothing");
    }
    if let Some(pid) = out.pid {
        assert_eq!((text[pid.range().start - 1], text[pid.range().end]), (b'[', b']'));
    }
    if let Some(header) = out.msghdr {
        let end = out.program.map_or(message.start, |program| program.range().start);
        let before = &text[header.range().start..end];
        assert!(matches!(before, b"" | b":" | b": "), "the tag and a colon before it: {out:?}");
        assert_eq!(header.range().end, message.start, "the tag and nothing else");
    }
    if out.marks.has(Marks::KERNEL) {
        assert!(out.program.is_none() && out.pri < 8);
    }
}
