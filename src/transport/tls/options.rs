//! The options of `tls(…)`: [`TlsOptions`].
//!
//! What rustls cannot do is refused by name, with what to do instead: an option that makes a connection
//! safer and is accepted without doing so would be worse than one that is not accepted.

use std::fmt;

use super::suites::{Choices, Version, curves, suites};
use crate::config::grammar::{Key, Kind, Parsed, Parser, Place, Reported, Table, TokenKind, apply, names};
use crate::config::{Config, Diagnostic, Span, Spanned};
use crate::pattern::{Flags, Matcher, Type};

/// The side of a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The side that is connected to: a source.
    Server,
    /// The side that connects: a destination.
    Client,
}

/// `peer-verify()`: what the certificate of the other side has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerVerify {
    /// There has to be one. (A server always has one.)
    pub(crate) required: bool,
    /// It has to be trusted.
    pub(crate) trusted: bool,
}

const REQUIRED_TRUSTED: PeerVerify = PeerVerify { required: true, trusted: true };
const OPTIONAL_UNTRUSTED: PeerVerify = PeerVerify { required: false, trusted: false };

/// The words of `peer-verify()`.
const MODES: &[(&str, PeerVerify)] = &[
    ("required-trusted", REQUIRED_TRUSTED),
    ("required-untrusted", PeerVerify { required: true, trusted: false }),
    ("optional-trusted", PeerVerify { required: false, trusted: true }),
    ("optional-untrusted", OPTIONAL_UNTRUSTED),
    ("yes", REQUIRED_TRUSTED),
    ("no", OPTIONAL_UNTRUSTED),
    ("on", REQUIRED_TRUSTED),
    ("off", OPTIONAL_UNTRUSTED),
];

/// The digest of a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

/// A fingerprint of a certificate: `SHA256:00:AA:…`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
    /// The text that it was read of, which messages have.
    pub(super) written: String,
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The options of `tls(…)`.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, by the name users know")]
pub(crate) struct TlsOptions {
    /// The place of the block, or of the driver.
    pub(crate) span: Span,
    /// `key-file()`
    pub(super) key_file: Option<Spanned<String>>,
    /// `cert-file()`: the certificate, and those between it and the authority.
    pub(super) cert_file: Option<Spanned<String>>,
    /// `ca-file()`
    pub(super) ca_file: Option<Spanned<String>>,
    /// `ca-dir()`
    pub(super) ca_dir: Option<Spanned<String>>,
    /// `crl-dir()`
    pub(super) crl_dir: Option<Spanned<String>>,
    /// `use-system-cert-store()`
    pub(super) use_system_cert_store: bool,
    /// `peer-verify()`
    pub(crate) peer_verify: PeerVerify,
    /// `trusted-dn()`
    pub(super) trusted_dn: Vec<Spanned<String>>,
    /// `trusted-keys()`
    pub(super) trusted_keys: Vec<Fingerprint>,
    /// `trusted-fingerprints()`
    pub(super) trusted_fingerprints: Vec<Fingerprint>,
    /// `cipher-suite()`, `ssl-version()`, `ssl-options()`, `ecdh-curve-list()`
    pub(super) choices: Choices,
    /// `ssl-options(ignore-hostname-mismatch)`
    pub(super) ignore_hostname_mismatch: bool,
    /// `ssl-options(ignore-unexpected-eof)`
    pub(super) ignore_unexpected_eof: bool,
    /// `common-name-fallback()`: a certificate without names of hosts is one of its common name.
    pub(super) common_name_fallback: bool,
    /// `sni()`
    pub(super) sni: bool,
    /// `keylog-file()`
    pub(super) keylog_file: Option<Spanned<String>>,
}

const NO_COMPRESSION: &str = "since no data is ever compressed by TLS";
const ALWAYS: &str = "since the purpose of a certificate is always verified";

const TLS: Table<TlsOptions> = &[
    ("key-file", Kind::Text(|to, path| to.key_file = Some(path))),
    ("cert-file", Kind::Text(|to, path| to.cert_file = Some(path))),
    ("ca-file", Kind::Text(|to, path| to.ca_file = Some(path))),
    ("ca-dir", Kind::Text(|to, path| to.ca_dir = Some(path))),
    ("crl-dir", Kind::Text(|to, path| to.crl_dir = Some(path))),
    ("use-system-cert-store", Kind::YesNo(|to, yes| to.use_system_cert_store = yes)),
    ("peer-verify", Kind::Other(|parser, to| parser.choice(MODES).map(|mode| to.peer_verify = mode))),
    ("trusted-dn", Kind::Texts(|to, pattern| to.trusted_dn.push(pattern))),
    ("trusted-keys", Kind::Other(|parser, to| fingerprints(parser, &mut to.trusted_keys))),
    ("trusted-fingerprints", Kind::Other(|parser, to| fingerprints(parser, &mut to.trusted_fingerprints))),
    ("cipher-suite", Kind::Other(|parser, to| cipher_suite(parser, &mut to.choices))),
    ("ssl-version", Kind::Other(|parser, to| ssl_version(parser).map(|least| to.choices.least = least))),
    ("ssl-options", Kind::Other(ssl_options)),
    (
        "ecdh-curve-list",
        Kind::Other(|parser, to| curve_list(parser).map(|list| to.choices.curves = Some(list))),
    ),
    ("keylog-file", Kind::Other(|parser, to| keylog_file(parser).map(|path| to.keylog_file = Some(path)))),
    ("allow-compress", Kind::Unused(NO_COMPRESSION, &Kind::YesNo(|_, _| {}))),
    ("pkcs12-file", Kind::Other(|parser, _| refuse(parser, "pkcs12-file", PKCS12))),
    ("dhparam-file", Kind::Other(|parser, _| refuse(parser, "dhparam-file", DHPARAM))),
    ("conf-cmds", Kind::Other(|parser, _| refuse(parser, "conf-cmds", CONF_CMDS))),
    ("sigalgs", Kind::Other(|parser, _| refuse(parser, "sigalgs", SIGALGS))),
    ("client-sigalgs", Kind::Other(|parser, _| refuse(parser, "client-sigalgs", SIGALGS))),
];

/// The options of the side that connects.
const CLIENT: Table<TlsOptions> = &[
    ("sni", Kind::YesNo(|to, yes| to.sni = yes)),
    ("common-name-fallback", Kind::YesNo(|to, yes| to.common_name_fallback = yes)),
    ("ocsp-stapling-verify", Kind::Other(ocsp_stapling_verify)),
    ("extended-key-usage-verify", Kind::Other(extended_key_usage_verify)),
];

const PKCS12: &str = "take it apart: openssl pkcs12 -in FILE -nodes, and use key-file() and cert-file()";
const DHPARAM: &str = "leave it out: keys are exchanged by elliptic curves alone, see ecdh-curve-list()";
const CONF_CMDS: &str = "leave it out: they are commands of OpenSSL; see ssl-version() and cipher-suite()";
const SIGALGS: &str = "leave it out: every algorithm that is offered is a sound one";

impl TlsOptions {
    /// The options as they are when nothing is written; `span` is the place of the driver.
    pub(crate) fn new(span: Span) -> Self {
        Self {
            span,
            key_file: None,
            cert_file: None,
            ca_file: None,
            ca_dir: None,
            crl_dir: None,
            use_system_cert_store: false,
            peer_verify: REQUIRED_TRUSTED,
            trusted_dn: Vec::new(),
            trusted_keys: Vec::new(),
            trusted_fingerprints: Vec::new(),
            choices: Choices::default(),
            ignore_hostname_mismatch: false,
            ignore_unexpected_eof: false,
            common_name_fallback: false,
            sni: false,
            keylog_file: None,
        }
    }

    /// The options of `http()`, which trusts what the system trusts, and says which host it wants.
    pub(crate) fn of_http(span: Span) -> Self {
        Self { use_system_cert_store: true, sni: true, ..Self::new(span) }
    }

    /// The names of the options.
    pub(crate) fn names(side: Side) -> impl Iterator<Item = &'static str> {
        names(TLS).chain(names(own(side)))
    }

    /// Reads the value of the option `key`, if it is one of these: for drivers that have them beside their
    /// own.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key, side: Side) -> Option<Parsed<()>> {
        apply(TLS, self, parser, key).or_else(|| apply(own(side), self, parser, key))
    }

    /// Reads the options of `tls(`, up to its `)`, which is left. Options that were read before stay.
    pub(crate) fn read(&mut self, parser: &mut Parser, key: &Key, side: Side) -> Parsed<()> {
        self.span = key.span;
        let place = match side {
            Side::Server => Place::SourceOption,
            Side::Client => Place::DestinationOption,
        };
        let known = || Self::names(side).collect();
        parser.nested_options(place, &known, |parser, key| self.apply(parser, key, side))?;
        self.warn(parser, side);
        Ok(())
    }

    /// Warns about what was read and cannot be meant. For drivers that have these options beside their own,
    /// when all are read.
    pub(crate) fn warn(&self, parser: &mut Parser, side: Side) {
        let trusts = self.ca_file.is_some() || self.ca_dir.is_some() || self.use_system_cert_store;
        if self.peer_verify.trusted && !trusts && self.trusted_fingerprints.is_empty() {
            let whom = match side {
                Side::Server => "no client that has a certificate",
                Side::Client => "no server",
            };
            let message = format!("{whom} is trusted here: no authority is named that could have signed it");
            let help = "name one with ca-file() or ca-dir(), or the system's with use-system-cert-store(yes)";
            parser.report.warn(self.span, message, Some(help.to_owned()));
        }
        let lists = [
            ("trusted-dn", self.trusted_dn.is_empty()),
            ("trusted-keys", self.trusted_keys.is_empty()),
            ("trusted-fingerprints", self.trusted_fingerprints.is_empty()),
        ];
        for (name, _) in lists.iter().filter(|(_, is_empty)| !self.peer_verify.trusted && !is_empty) {
            let message = format!("`{name}` has no effect where peer-verify() trusts every certificate");
            parser.report.warn(self.span, message, Some("use peer-verify(required-trusted)".to_owned()));
        }
        if side == Side::Server && self.cert_file.is_none() {
            let message = "there is no certificate: every handshake will fail";
            parser.report.warn(
                self.span,
                message,
                Some("name it with cert-file() and key-file()".to_owned()),
            );
        }
    }

    /// The patterns of `trusted-dn()`.
    ///
    /// # Errors
    /// One that cannot be used, at its place.
    pub(super) fn patterns(&self, config: &Config) -> Result<Vec<Matcher>, Diagnostic> {
        let compile = |text: &Spanned<String>| {
            Matcher::new(&text.value, Type::Glob, Flags::default())
                .map_err(|error| config.error(text.span, error.reason, None))
        };
        self.trusted_dn.iter().map(compile).collect()
    }

    /// Checks what can be checked only when all options are read.
    ///
    /// # Errors
    /// A key without a certificate, a certificate without a key, no version that is left.
    pub(super) fn check(&self, config: &Config) -> Result<(), Diagnostic> {
        let alone = |path: &Spanned<String>, other: &str, what: &str| {
            Err(config.error(path.span, format!("there is no {what} for it"), Some(format!("add {other}()"))))
        };
        match (&self.key_file, &self.cert_file) {
            (Some(key), None) => return alone(key, "cert-file", "certificate"),
            (None, Some(cert)) => return alone(cert, "key-file", "key"),
            _ => {}
        }
        if self.choices.versions().is_empty() {
            let message = "no version of TLS is left: there are 1.2 and 1.3";
            return Err(config.error(self.span, message, None));
        }
        Ok(())
    }
}

fn own(side: Side) -> Table<TlsOptions> {
    match side {
        Side::Server => &[],
        Side::Client => CLIENT,
    }
}

/// Refuses an option that is known and cannot be had.
fn refuse(parser: &mut Parser, name: &str, help: &str) -> Parsed<()> {
    let span = parser.option_span();
    let message = format!("the option `{name}` is not supported by this version of Inrush");
    Err(parser.report.error(span, message, Some(help.to_owned())))
}

fn fingerprints(parser: &mut Parser, to: &mut Vec<Fingerprint>) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let text = parser.string("a fingerprint, as in \"SHA256:00:AA:…\"")?;
        match fingerprint(&text.value) {
            Ok(fingerprint) => to.push(fingerprint),
            Err(why) => {
                let help = "as openssl x509 -fingerprint -sha256 shows it: SHA256:00:AA:…".to_owned();
                return Err(parser.report.error(text.span, why, Some(help)));
            }
        }
    }
    Ok(())
}

fn fingerprint(written: &str) -> Result<Fingerprint, String> {
    let (name, hex) = written.split_once(':').ok_or("expected the name of a digest and a colon")?;
    let (digest, len) = match &*name.trim().to_ascii_uppercase().replace('-', "") {
        "SHA1" => (Digest::Sha1, 20),
        "SHA256" => (Digest::Sha256, 32),
        "SHA512" => (Digest::Sha512, 64),
        _ => return Err(format!("the digest `{name}` is none of SHA1, SHA256, SHA512")),
    };
    let digits: Vec<_> = hex.trim().split(':').collect();
    let byte = |digits: &&str| {
        let is_byte = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_byte.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
    };
    let bytes: Option<Vec<u8>> = digits.iter().map(byte).collect();
    match bytes {
        Some(bytes) if bytes.len() == len => Ok(Fingerprint { digest, bytes, written: written.to_owned() }),
        Some(bytes) => Err(format!("expected {len} bytes after `{name}:`, found {}", bytes.len())),
        None => Err("expected bytes as two hexadecimal digits each, with colons between them".to_owned()),
    }
}

/// `cipher-suite("…")` or `cipher-suite(tls12-and-older("…") tls13("…"))`.
fn cipher_suite(parser: &mut Parser, choices: &mut Choices) -> Parsed<()> {
    const PARTS: Table<Choices> = &[
        ("tls12-and-older", Kind::Other(|parser, to| list(parser, to, Some(Version::Tls12)))),
        ("tls13", Kind::Other(|parser, to| list(parser, to, Some(Version::Tls13)))),
    ];
    if matches!(parser.peek().kind, TokenKind::Text(_)) {
        return list(parser, choices, None);
    }
    let known = || names(PARTS).collect();
    parser.nested_options(Place::DestinationOption, &known, |parser, key| apply(PARTS, choices, parser, key))
}

fn list(parser: &mut Parser, choices: &mut Choices, version: Option<Version>) -> Parsed<()> {
    let text = parser.string("a list of cipher suites, with colons between them")?;
    let chosen = suites(&text.value, version).map_err(|problem| problem_at(parser, text.span, problem))?;
    choices.choose(chosen);
    Ok(())
}

fn curve_list(parser: &mut Parser) -> Parsed<Vec<usize>> {
    let text = parser.string("a list of curves, with colons between them")?;
    curves(&text.value).map_err(|problem| problem_at(parser, text.span, problem))
}

fn problem_at(parser: &mut Parser, span: Span, (message, help): (String, String)) -> Reported {
    parser.report.error(span, message, Some(help))
}

/// `ssl-version()`: the oldest version that is taken.
fn ssl_version(parser: &mut Parser) -> Parsed<Option<Version>> {
    const WORDS: &[(&str, Oldest)] = &[
        ("tlsv1_2", Oldest::Is(Version::Tls12)),
        ("tlsv1_3", Oldest::Is(Version::Tls13)),
        ("default", Oldest::Any),
        ("sslv3", Oldest::TooOld),
        ("tlsv1", Oldest::TooOld),
        ("tlsv1_0", Oldest::TooOld),
        ("tlsv1_1", Oldest::TooOld),
    ];
    let span = parser.peek().span;
    match parser.choice(WORDS)? {
        Oldest::Is(version) => Ok(Some(version)),
        Oldest::Any => Ok(None),
        Oldest::TooOld => {
            let message = "versions of TLS before 1.2 are not supported by this version of Inrush";
            Err(parser.report.error(span, message, Some("write ssl-version(tlsv1_2)".to_owned())))
        }
    }
}

/// The meaning of a word of `ssl-version()`.
#[derive(Clone, Copy)]
enum Oldest {
    Is(Version),
    Any,
    TooOld,
}

fn ssl_options(parser: &mut Parser, to: &mut TlsOptions) -> Parsed<()> {
    const WORDS: [&str; 8] = [
        "no-sslv2",
        "no-sslv3",
        "no-tlsv1",
        "no-tlsv11",
        "no-tlsv12",
        "no-tlsv13",
        "ignore-hostname-mismatch",
        "ignore-unexpected-eof",
    ];
    // What is written replaces what was.
    to.choices.without.clear();
    (to.ignore_hostname_mismatch, to.ignore_unexpected_eof) = (false, false);
    while !parser.sees(&TokenKind::RParen) {
        let word = parser.string("a word of ssl-options()")?;
        match &*word.value.to_ascii_lowercase().replace('_', "-") {
            // There are none of them.
            "none" | "no-sslv2" | "no-sslv3" | "no-tlsv1" | "no-tlsv11" => {}
            "no-tlsv12" => to.choices.without.push(Version::Tls12),
            "no-tlsv13" => to.choices.without.push(Version::Tls13),
            "ignore-hostname-mismatch" => to.ignore_hostname_mismatch = true,
            "ignore-unexpected-eof" => to.ignore_unexpected_eof = true,
            "ignore-validity-period" => {
                let message = "`ignore-validity-period` is not supported by this version of Inrush";
                let help =
                    "a certificate that has expired can be named with trusted-fingerprints()".to_owned();
                return Err(parser.report.error(word.span, message, Some(help)));
            }
            _ => {
                let help = parser.suggestion(&word.value, WORDS);
                let message = format!("unknown word `{}` of ssl-options()", word.value);
                return Err(parser.report.error(word.span, message, help));
            }
        }
    }
    Ok(())
}

fn keylog_file(parser: &mut Parser) -> Parsed<Spanned<String>> {
    let path = parser.string("the path of a file")?;
    let message = "keylog-file() writes the keys of every connection: whoever reads it can read them all";
    parser.report.warn(
        path.span,
        message,
        Some("it is for finding faults; leave it out otherwise".to_owned()),
    );
    Ok(path)
}

fn ocsp_stapling_verify(parser: &mut Parser, _: &mut TlsOptions) -> Parsed<()> {
    let span = parser.option_span();
    if parser.yes_no()? {
        let message = "`ocsp-stapling-verify(yes)` is not supported by this version of Inrush";
        return Err(parser.report.error(span, message, Some("use crl-dir()".to_owned())));
    }
    Ok(())
}

fn extended_key_usage_verify(parser: &mut Parser, _: &mut TlsOptions) -> Parsed<()> {
    let span = parser.option_span();
    if !parser.yes_no()? {
        parser.report.warn(span, format!("`extended-key-usage-verify(no)` has no effect {ALWAYS}"), None);
    }
    Ok(())
}
