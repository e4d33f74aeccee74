//! The drivers `unix-stream()` and `unix-dgram()`: [`UnixOptions`].

use std::sync::Mutex;

use super::dial::Dial;
use super::endpoint::Endpoint;
use super::options::settings;
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, Text, apply, names};
use crate::config::{Config, Diagnostic, Spanned};
use crate::destination::stream::{Framing, WriterOptions};
use crate::destination::{DestinationOptions, DriverOptions, Planned};
use crate::transport::socket::{Family, Role, SocketOptions};

/// The longest path of a socket that Linux takes.
const PATH_MAX: usize = 107;

/// `unix-stream("path" …)`, `unix-dgram("path" …)`
#[derive(Debug, Clone)]
pub struct UnixOptions {
    /// The word of the driver.
    word: &'static str,
    /// The path of the socket. It has no macros.
    path: Spanned<String>,
    /// `keep-alive()`: whether the connection goes on over a reload.
    keep_alive: bool,
    /// `close-on-input()`: whether data from the peer ends the connection.
    close_on_input: bool,
    socket: SocketOptions,
    writer: WriterOptions,
}

const UNIX: Table<UnixOptions> = &[
    ("keep-alive", Kind::YesNo(|to, yes| to.keep_alive = yes)),
    ("close-on-input", Kind::YesNo(|to, yes| to.close_on_input = yes)),
];

impl DestinationOptions for UnixOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let text = parser.text("the path of the socket").and_then(|text| parser.utf8(text));
        let Text { value, span, .. } = text.inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        let wrong = match value.len() {
            0 => Some("is empty".to_owned()),
            len if len > PATH_MAX => {
                Some(format!("has {len} bytes, and that of a socket has {PATH_MAX} at most"))
            }
            _ if value.contains('\0') => Some("has a NUL byte, which no path can have".to_owned()),
            _ => None,
        };
        if let Some(wrong) = wrong {
            parser.report.error(span, format!("the path of the socket {wrong}"), None);
        }
        let mut options = Self {
            word: head.word,
            path: Spanned::new(value, span),
            keep_alive: true,
            close_on_input: true,
            socket: SocketOptions::default(),
            writer: WriterOptions::default(),
        };
        let (family, role) = (Family::Unix, Role::Destination);
        let known =
            || names(UNIX).chain(SocketOptions::names(family)).chain(WriterOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            apply(UNIX, &mut options, parser, key)
                .or_else(|| options.socket.apply(parser, key, family, role))
                .or_else(|| options.writer.apply(parser, key))
        });
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.writer.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let is_stream = self.word == "unix-stream";
        let (kind, framing) =
            if is_stream { ("unix-stream", Framing::Newline) } else { ("unix-dgram", Framing::Datagram) };
        let (path, options) = (self.path.value.clone(), self.socket.clone());
        let dial = Dial {
            kind,
            endpoints: vec![Endpoint::Unix { path, is_stream, options }],
            failback: None,
            keep_alive: self.keep_alive,
            close_on_input: self.close_on_input,
            state: Mutex::default(),
        };
        let shown = format!("{kind}:{}", self.path.value);
        let settings = settings(&self.writer, false, config, (shown, framing, dial))?;
        Ok(Planned { claim: None, ..settings.planned() })
    }
}
