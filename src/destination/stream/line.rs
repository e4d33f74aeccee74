//! One message to one line: [`LineFormat`].

use crate::message::MessageRef;
use crate::template::{Context, Template, append_rfc5424_header};

/// The format of a line.
#[derive(Debug, Clone)]
pub enum LineFormat {
    /// The text that the template gives; the newline is the template's own affair.
    Template(Template),
    /// `flags(syslog-protocol)`: the header of RFC 5424, then the template's text or MESSAGE, and a
    /// newline if it has none.
    SyslogProtocol(Option<Template>),
    /// MESSAGE in brackets, and a panic in the middle of it where it is `bad`.
    #[cfg(test)]
    Faulty,
}

/// A line format with the flags that change every line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) format: LineFormat,
    /// `flags(no-multi-line)`: line breaks inside a line become spaces.
    pub(super) no_multi_line: bool,
}

impl Line {
    /// True when a line can be written in three pieces, the middle one being MESSAGE as it is.
    pub(super) fn is_around_message(&self, context: &Context) -> bool {
        !self.no_multi_line
            && match &self.format {
                LineFormat::Template(template) => template.is_around_message(context),
                LineFormat::SyslogProtocol(template) => template.is_none(),
                #[cfg(test)]
                LineFormat::Faulty => false,
            }
    }

    /// True when lines differ in MESSAGE alone as long as [`Template::is_steady`] has it.
    pub(super) fn is_steady(&self, context: &Context) -> bool {
        let LineFormat::Template(template) = &self.format else { return false };
        !self.no_multi_line && template.is_steady(context)
    }

    /// True when a line is MESSAGE as it is with a newline after it: `$MSG\n`.
    pub(super) fn is_message_and_newline(&self, context: &Context) -> bool {
        let LineFormat::Template(template) = &self.format else { return false };
        self.is_around_message(context) && template.as_message_with_suffix() == Some((&b""[..], &b"\n"[..]))
    }

    /// True when each line has a newline at its end.
    pub(super) fn ends_lines(&self) -> bool {
        match &self.format {
            LineFormat::Template(template) => template.text().ends_with('\n'),
            LineFormat::SyslogProtocol(_) => true,
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
            LineFormat::SyslogProtocol(template) => {
                append_rfc5424_header(message, context, out);
                match template {
                    Some(template) => template.format(message, context, out),
                    None => out.extend_from_slice(message.text()),
                }
                if out.last() != Some(&b'\n') {
                    out.push(b'\n');
                }
            }
        }
        if self.no_multi_line {
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
        let mut split = out.len();
        match &self.format {
            LineFormat::Template(template) => {
                template.format_around(message, context, out, |out| {
                    split = out.len();
                    between(out);
                });
            }
            #[cfg(test)]
            LineFormat::Faulty => self.append(message, context, out),
            LineFormat::SyslogProtocol(_) => {
                append_rfc5424_header(message, context, out);
                split = out.len();
                between(out);
                if message.text().last() != Some(&b'\n') {
                    out.push(b'\n');
                }
            }
        }
        split
    }
}
