//! One message to one line: [`LineFormat`].

use crate::message::MessageRef;
use crate::template::{BSD_LINE, Context, Template, append_rfc5424_header};

/// The format of a line.
#[derive(Debug, Clone)]
pub enum LineFormat {
    /// The text that the template gives; the newline is the template's own affair.
    Template(Template),
    /// `flags(syslog-protocol)`: the header of RFC 5424, then the template's text or MESSAGE, and a
    /// newline if it has none.
    SyslogProtocol(Option<Template>),
    /// The header of RFC 3164, MESSAGE and a newline, as the template makes them that
    /// [`bsd`](Self::bsd) has; control characters of header fields but tabs become `_`.
    Bsd(Template),
    /// MESSAGE in brackets, and a panic in the middle of it where it is `bad`.
    #[cfg(test)]
    Faulty,
}

impl LineFormat {
    /// The line of RFC 3164.
    ///
    /// # Panics
    /// Never: the template is fixed.
    pub(crate) fn bsd() -> Self {
        match Template::compile(BSD_LINE) {
            Ok(template) => Self::Bsd(template),
            Err(error) => unreachable!("{error}"),
        }
    }
}

/// The end of a line, for those who read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// The newline that it has.
    #[default]
    Newline,
    /// It is so long as a number before it says (RFC 6587, section 3.4.1).
    OctetCounting,
    /// That of the datagram that it has for itself.
    Datagram,
}

/// The sizes that lines have, whatever is in them. Zero: as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// `truncate-size()`: the most bytes before the newline.
    pub(crate) most: usize,
    /// `pad-size()`: the bytes of each line, with its newline and the NULs behind it.
    pub(crate) pad: usize,
}

impl Sizes {
    #[inline]
    fn is_any(self) -> bool {
        (self.most | self.pad) != 0
    }

    /// Gives the line that begins at `start` in `out` its size; true if it was longer than `pad-size()`.
    #[inline]
    pub(super) fn apply(self, start: usize, out: &mut Vec<u8>) -> bool {
        self.is_any() && self.give(start, out)
    }

    /// The same, where one is asked for.
    #[cold]
    fn give(self, start: usize, out: &mut Vec<u8>) -> bool {
        let ends_in_newline = out[start..].last() == Some(&b'\n');
        let text = out.len() - start - usize::from(ends_in_newline);
        if self.most > 0 && text > self.most {
            shorten(start + self.most, ends_in_newline, out);
        }
        if self.pad == 0 || out.len() == start {
            return false;
        }
        let is_longer = out.len() - start > self.pad;
        if is_longer {
            shorten(start + self.pad - usize::from(ends_in_newline), ends_in_newline, out);
        }
        out.resize(start + self.pad, 0);
        is_longer
    }
}

/// Cuts the text that `out` ends with, but not its newline.
fn shorten(end: usize, ends_in_newline: bool, out: &mut Vec<u8>) {
    out.truncate(end);
    if ends_in_newline {
        out.push(b'\n');
    }
}

/// A line format with what changes every line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) format: LineFormat,
    /// `flags(no-multi-line)`: line breaks inside a line become spaces.
    pub(super) without_breaks: bool,
    pub(super) framing: Framing,
    pub(super) sizes: Sizes,
}

impl Line {
    /// True when a line can be written in three pieces, the middle one being MESSAGE as it is.
    pub(super) fn is_around_message(&self, context: &Context) -> bool {
        !self.without_breaks
            && !self.sizes.is_any()
            && match &self.format {
                LineFormat::Template(template) | LineFormat::Bsd(template) => {
                    template.is_around_message(context)
                }
                LineFormat::SyslogProtocol(template) => template.is_none(),
                #[cfg(test)]
                LineFormat::Faulty => false,
            }
    }

    /// True when lines differ in MESSAGE alone as long as [`Template::is_steady`] has it.
    pub(super) fn is_steady(&self, context: &Context) -> bool {
        let (LineFormat::Template(template) | LineFormat::Bsd(template)) = &self.format else { return false };
        !self.without_breaks && !self.sizes.is_any() && template.is_steady(context)
    }

    /// True when lines stand one behind the other, each of them MESSAGE as it is with a newline after it:
    /// `$MSG\n`.
    pub(super) fn is_message_and_newline(&self, context: &Context) -> bool {
        let LineFormat::Template(template) = &self.format else { return false };
        self.framing == Framing::Newline
            && self.is_around_message(context)
            && template.as_message_with_suffix() == Some((&b""[..], &b"\n"[..]))
    }

    /// True when each line has a newline at its end.
    pub(super) fn ends_lines(&self) -> bool {
        if self.sizes.pad > 0 {
            return false;
        }
        match &self.format {
            LineFormat::Template(template) => template.text().ends_with('\n'),
            LineFormat::SyslogProtocol(_) | LineFormat::Bsd(_) => true,
            #[cfg(test)]
            LineFormat::Faulty => true,
        }
    }

    /// Appends the whole line.
    #[inline]
    pub(super) fn append(&self, message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
        let start = out.len();
        match &self.format {
            LineFormat::Template(template) => template.format(message, context, out),
            #[cfg(test)]
            LineFormat::Faulty => {
                out.push(b'[');
                assert_ne!(message.text(), b"bad", "a fault was asked for");
                out.extend_from_slice(message.text());
                out.extend_from_slice(b"]\n");
            }
            LineFormat::Bsd(_) => {
                let _ =
                    self.append_around(message, context, out, |out| out.extend_from_slice(message.text()));
            }
            LineFormat::SyslogProtocol(template) => {
                append_rfc5424_header(message, context, out);
                self.keep_whole(&mut out[start..]);
                match template {
                    Some(template) => template.format(message, context, out),
                    None => out.extend_from_slice(message.text()),
                }
                if out.last() != Some(&b'\n') {
                    out.push(b'\n');
                }
            }
        }
        if self.without_breaks {
            let end = out.len() - usize::from(out[start..].last() == Some(&b'\n'));
            for byte in &mut out[start..end] {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
    }

    /// Appends what stands before MESSAGE, what `between` appends, and what stands after MESSAGE; returns
    /// where the first of these ends.
    pub(super) fn append_around(
        &self,
        message: MessageRef<'_>,
        context: &Context,
        out: &mut Vec<u8>,
        between: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let start = out.len();
        let mut split = start;
        match &self.format {
            LineFormat::Template(template) => {
                template.format_around(message, context, out, |out| {
                    split = out.len();
                    between(out);
                });
            }
            LineFormat::Bsd(template) => template.format_around(message, context, out, |out| {
                split = out.len();
                // Names of hosts and programs are what a sender says.
                for byte in out[start..].iter_mut().filter(|byte| byte.is_ascii_control() && **byte != b'\t')
                {
                    *byte = b'_';
                }
                between(out);
            }),
            #[cfg(test)]
            LineFormat::Faulty => self.append(message, context, out),
            LineFormat::SyslogProtocol(_) => {
                append_rfc5424_header(message, context, out);
                self.keep_whole(&mut out[start..]);
                split = out.len();
                between(out);
                if message.text().last() != Some(&b'\n') {
                    out.push(b'\n');
                }
            }
        }
        split
    }

    /// Makes spaces of what ends a line, in values of structured data, where a newline is the end of it for
    /// those who read it from a connection.
    fn keep_whole(&self, header: &mut [u8]) {
        if self.framing == Framing::Newline {
            for byte in header.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r' | b'\0')) {
                *byte = b' ';
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a record has another length than its reader expects, or lines run together.
    #[test]
    fn lines_have_their_sizes() {
        for (most, pad, line, expected, is_longer) in [
            (6, 0, "after-die\n", "after-\n", false),
            (6, 0, "after-die", "after-", false),
            (6, 0, "six666\n", "six666\n", false),
            (6, 0, "seven77\n", "seven7\n", false),
            (0, 8, "one\n", "one\n\0\0\0\0", false),
            (0, 8, "1234567\n", "1234567\n", false),
            (0, 8, "12345678\n", "1234567\n", true),
            (0, 8, "123456789", "12345678", true),
            (3, 8, "12345\n", "123\n\0\0\0\0", false),
            (0, 1, "12\n", "\n", true),
            (0, 8, "", "", false),
        ] {
            let mut out = format!("before{line}").into_bytes();
            assert_eq!(Sizes { most, pad }.apply(6, &mut out), is_longer, "{line:?}");
            assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}"), "{most} {pad}");
        }
    }
}
