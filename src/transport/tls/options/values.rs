//! The values of the options of `tls(…)` that are more than a text, a word or a path.

use super::{Choices, Digest, Fingerprint, TlsOptions, Version};
use crate::config::grammar::{Kind, Parsed, Parser, Place, Reported, Table, TokenKind, apply, names};
use crate::config::{Span, Spanned};
use crate::transport::tls::suites::{curves, suites};

const ALWAYS: &str = "since the purpose of a certificate is always verified";

/// Refuses an option that is known and cannot be had.
pub(super) fn refuse(parser: &mut Parser, name: &str, help: &str) -> Parsed<()> {
    let span = parser.option_span();
    let message = format!("the option `{name}` is not supported by this version of Inrush");
    Err(parser.report.error(span, message, Some(help.to_owned())))
}

pub(super) fn fingerprints(parser: &mut Parser, to: &mut Vec<Fingerprint>) -> Parsed<()> {
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
pub(super) fn cipher_suite(parser: &mut Parser, choices: &mut Choices) -> Parsed<()> {
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

pub(super) fn curve_list(parser: &mut Parser) -> Parsed<Vec<usize>> {
    let text = parser.string("a list of curves, with colons between them")?;
    curves(&text.value).map_err(|problem| problem_at(parser, text.span, problem))
}

fn problem_at(parser: &mut Parser, span: Span, (message, help): (String, String)) -> Reported {
    parser.report.error(span, message, Some(help))
}

/// `ssl-version()`: the oldest version that is taken.
pub(super) fn ssl_version(parser: &mut Parser) -> Parsed<Option<Version>> {
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

pub(super) fn ssl_options(parser: &mut Parser, to: &mut TlsOptions) -> Parsed<()> {
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

pub(super) fn keylog_file(parser: &mut Parser) -> Parsed<Spanned<String>> {
    let path = parser.string("the path of a file")?;
    let message = "keylog-file() writes the keys of every connection: whoever reads it can read them all";
    parser.report.warn(
        path.span,
        message,
        Some("it is for finding faults; leave it out otherwise".to_owned()),
    );
    Ok(path)
}

pub(super) fn ocsp_stapling_verify(parser: &mut Parser, _: &mut TlsOptions) -> Parsed<()> {
    let span = parser.option_span();
    if parser.yes_no()? {
        let message = "`ocsp-stapling-verify(yes)` is not supported by this version of Inrush";
        return Err(parser.report.error(span, message, Some("use crl-dir()".to_owned())));
    }
    Ok(())
}

pub(super) fn extended_key_usage_verify(parser: &mut Parser, _: &mut TlsOptions) -> Parsed<()> {
    let span = parser.option_span();
    if !parser.yes_no()? {
        parser.report.warn(span, format!("`extended-key-usage-verify(no)` has no effect {ALWAYS}"), None);
    }
    Ok(())
}
