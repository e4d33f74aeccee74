//! The words of `transport()`, and what the drivers make of them: [`Transport`].

use super::driver::Driver;
use crate::config::{Config, Diagnostic, Spanned};
use crate::syslog::framing::Framing;
use crate::transport::socket::Protocol;

/// The proxy in front of a source, by how it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxied {
    /// There is none.
    No,
    /// Its header comes first, in clear; behind TLS where there is some.
    Inside,
    /// Its header comes first, in clear, and then TLS.
    BeforeTls,
}

/// The way in which bytes come, and how they are cut into messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transport {
    /// The word.
    pub word: &'static str,
    /// The framing of a stream; `None`: each datagram is a message.
    pub framing: Option<Framing>,
    /// Tells whether it is TLS, which needs `tls()`; where it is not, `tls()` may still be there with some.
    pub tls: bool,
    /// The proxy.
    pub proxied: Proxied,
}

/// A transport without TLS and without a proxy.
const fn plain(word: &'static str, framing: Option<Framing>) -> Transport {
    Transport { word, framing, tls: false, proxied: Proxied::No }
}

const LINES: Framing = Framing::Text;

/// The words, as `network()` has them.
const WORDS: &[Transport] = &[
    plain("tcp", Some(LINES)),
    plain("udp", None),
    Transport { tls: true, ..plain("tls", Some(LINES)) },
    plain("auto", Some(Framing::Auto)),
    plain("text", Some(LINES)),
    plain("framed", Some(Framing::OctetCounted)),
    plain("text-with-nuls", Some(Framing::TextWithNuls)),
    plain("nul-terminated", Some(Framing::NulTerminated)),
    Transport { proxied: Proxied::Inside, ..plain("proxied-tcp", Some(LINES)) },
    Transport { tls: true, proxied: Proxied::Inside, ..plain("proxied-tls", Some(LINES)) },
    Transport { tls: true, proxied: Proxied::BeforeTls, ..plain("proxied-tls-passthrough", Some(LINES)) },
    Transport { proxied: Proxied::Inside, ..plain("proxied-udp", None) },
];

impl Transport {
    /// That of `driver` where it has no `transport()`.
    pub(super) fn of_driver(driver: Driver) -> Self {
        let word = match driver {
            Driver::Udp | Driver::Udp6 => "udp",
            Driver::UnixStream => return plain("unix-stream", Some(LINES)),
            Driver::UnixDgram | Driver::SystemdSyslog => return plain("unix-dgram", None),
            _ => "tcp",
        };
        match WORDS.iter().find(|known| known.word == word) {
            Some(known) => known.framed_for(driver),
            None => unreachable!("a word of the table"),
        }
    }

    /// That which `word` names.
    ///
    /// # Errors
    /// There is none of that name, at its place.
    pub(super) fn named(word: &Spanned<String>, driver: Driver, config: &Config) -> Result<Self, Diagnostic> {
        let name = word.value.to_ascii_lowercase().replace('_', "-");
        if let Some(known) = WORDS.iter().find(|known| known.word == name) {
            return Ok(known.framed_for(driver));
        }
        let words = WORDS.iter().map(|known| known.word);
        let help = crate::nearest::did_you_mean(&name, words.clone())
            .unwrap_or_else(|| format!("one of {}", words.collect::<Vec<_>>().join(", ")));
        Err(config.error(word.span, format!("unknown transport `{}`", word.value), Some(help)))
    }

    /// With the framing that the driver has where `network()` has lines.
    fn framed_for(self, driver: Driver) -> Self {
        let has_own = matches!(self.word, "text" | "framed" | "text-with-nuls" | "nul-terminated");
        let framing = match self.framing {
            Some(LINES) if driver == Driver::Syslog && !has_own => Some(Framing::OctetCounted),
            other => other,
        };
        Self { framing, ..self }
    }

    /// The protocol above IP.
    pub(super) fn protocol(self) -> Protocol {
        if self.framing.is_some() { Protocol::Tcp } else { Protocol::Udp }
    }

    /// The port where none is written.
    pub(super) fn default_port(self, driver: Driver) -> u16 {
        match (driver, self.word) {
            (Driver::Syslog, "tcp" | "auto" | "proxied-tcp" | "proxied-tls" | "proxied-tls-passthrough") => {
                601
            }
            (Driver::Syslog, "tls") => 6514,
            _ => 514,
        }
    }

    /// The macro TRANSPORT.
    pub(super) fn name(self, driver: Driver) -> String {
        let word = self.word;
        match driver {
            Driver::UnixStream | Driver::UnixDgram | Driver::SystemdSyslog => format!("local+{word}"),
            Driver::Syslog => match word {
                "tcp" => "rfc6587".to_owned(),
                "udp" => "rfc5426".to_owned(),
                "tls" => "rfc5425".to_owned(),
                "proxied-udp" => format!("rfc5426+{word}"),
                _ => format!("rfc6587+{word}"),
            },
            _ => format!("bsdsyslog+{word}"),
        }
    }
}
