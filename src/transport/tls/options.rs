//! The options of `tls(…)`: [`TlsOptions`].
//!
//! What rustls cannot do is refused by name, with what to do instead: an option that makes a connection
//! safer and is accepted without doing so would be worse than one that is not accepted.

use std::fmt;

use super::suites::{Choices, Version};
use crate::config::grammar::{Key, Kind, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, Span, Spanned};
use crate::pattern::{Flags, Matcher, Type};

mod values;

use values::{
    cipher_suite, curve_list, extended_key_usage_verify, fingerprints, keylog_file, ocsp_stapling_verify,
    refuse, ssl_options, ssl_version,
};

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
