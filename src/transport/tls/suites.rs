//! Names of cipher suites, versions and curves, as OpenSSL and as the standards have them.

use std::sync::Arc;

use rustls::crypto::ring::{self, cipher_suite as have};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::nearest::did_you_mean;

/// The versions of TLS that there are here, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

impl Version {
    fn of_rustls(self) -> &'static SupportedProtocolVersion {
        match self {
            Self::Tls12 => &version::TLS12,
            Self::Tls13 => &version::TLS13,
        }
    }
}

/// A cipher suite: OpenSSL's name, and rustls's.
struct Suite {
    openssl: &'static str,
    suite: &'static SupportedCipherSuite,
}

/// The cipher suites, the best first.
static SUITES: [Suite; 9] = [
    Suite { openssl: "TLS_AES_256_GCM_SHA384", suite: &have::TLS13_AES_256_GCM_SHA384 },
    Suite { openssl: "TLS_AES_128_GCM_SHA256", suite: &have::TLS13_AES_128_GCM_SHA256 },
    Suite { openssl: "TLS_CHACHA20_POLY1305_SHA256", suite: &have::TLS13_CHACHA20_POLY1305_SHA256 },
    Suite { openssl: "ECDHE-ECDSA-AES256-GCM-SHA384", suite: &have::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 },
    Suite { openssl: "ECDHE-ECDSA-AES128-GCM-SHA256", suite: &have::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 },
    Suite {
        openssl: "ECDHE-ECDSA-CHACHA20-POLY1305",
        suite: &have::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Suite { openssl: "ECDHE-RSA-AES256-GCM-SHA384", suite: &have::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 },
    Suite { openssl: "ECDHE-RSA-AES128-GCM-SHA256", suite: &have::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 },
    Suite {
        openssl: "ECDHE-RSA-CHACHA20-POLY1305",
        suite: &have::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    },
];

/// Words of OpenSSL's lists that exclude what there is not here anyway, so that excluding it changes nothing.
const NEVER: &[&str] = &[
    "aNULL",
    "eNULL",
    "NULL",
    "ADH",
    "AECDH",
    "aDSS",
    "DSS",
    "PSK",
    "kPSK",
    "aPSK",
    "SRP",
    "kRSA",
    "EXP",
    "EXPORT",
    "LOW",
    "MEDIUM",
    "MD5",
    "RC2",
    "RC4",
    "DES",
    "3DES",
    "IDEA",
    "SEED",
    "CAMELLIA",
    "ARIA",
    "SSLv2",
    "SSLv3",
    "SHA1",
    "SHA",
    "kDHE",
    "DHE",
    "DH",
    "kEDH",
    "EDH",
    "CBC",
    "AES256-SHA",
    "AES128-SHA",
];

/// The cipher suites that `written`, a list in OpenSSL's way, names: their places in [`SUITES`].
///
/// # Errors
/// A name that there is not here, and what there is instead.
pub(super) fn suites(written: &str, version: Option<Version>) -> Result<Vec<usize>, (String, String)> {
    let mut chosen = Vec::new();
    for name in written.split([':', ',', ' ', ';']).filter(|name| !name.is_empty()) {
        if let Some(excluded) = name.strip_prefix(['!', '-'])
            && NEVER.iter().any(|never| never.eq_ignore_ascii_case(excluded))
        {
            continue;
        }
        let is_named = |suite: &Suite| {
            suite.openssl.eq_ignore_ascii_case(name)
                || standard(suite).eq_ignore_ascii_case(&name.replace('-', "_"))
        };
        let is_of = |suite: &Suite| version.is_none_or(|version| version == version_of(suite));
        match SUITES.iter().position(|suite| is_named(suite) && is_of(suite)) {
            Some(at) if chosen.contains(&at) => {}
            Some(at) => chosen.push(at),
            None => return Err(unknown(name, &is_of)),
        }
    }
    if chosen.is_empty() {
        return Err((format!("`{written}` names no cipher suite"), all(&|_| true)));
    }
    Ok(chosen)
}

fn unknown(name: &str, is_of: &dyn Fn(&Suite) -> bool) -> (String, String) {
    let names = SUITES.iter().filter(|suite| is_of(suite)).map(|suite| suite.openssl);
    let help = did_you_mean(name, names).unwrap_or_else(|| all(is_of));
    (format!("there is no cipher suite `{name}` here"), help)
}

fn all(is_of: &dyn Fn(&Suite) -> bool) -> String {
    let names: Vec<_> = SUITES.iter().filter(|suite| is_of(suite)).map(|suite| suite.openssl).collect();
    format!("there are {}", names.join(", "))
}

/// The name of a suite in the standards: rustls says TLS13 for what they call TLS.
fn standard(suite: &Suite) -> String {
    let name = suite.suite.suite().as_str().unwrap_or_default();
    name.replace("TLS13_", "TLS_")
}

fn version_of(suite: &Suite) -> Version {
    match suite.suite {
        SupportedCipherSuite::Tls12(_) => Version::Tls12,
        SupportedCipherSuite::Tls13(_) => Version::Tls13,
    }
}

/// The elliptic curves of key exchanges, by all their names.
const CURVES: [(&[&str], usize); 3] =
    [(&["X25519"], 0), (&["P-256", "prime256v1", "secp256r1"], 1), (&["P-384", "secp384r1"], 2)];

fn curve(at: usize) -> &'static dyn SupportedKxGroup {
    [ring::kx_group::X25519, ring::kx_group::SECP256R1, ring::kx_group::SECP384R1][at]
}

/// The curves that `written`, a list with colons, names.
///
/// # Errors
/// A name that there is not here, and what there is instead.
pub(super) fn curves(written: &str) -> Result<Vec<usize>, (String, String)> {
    let mut chosen = Vec::new();
    for name in written.split([':', ',', ' ']).filter(|name| !name.is_empty()) {
        let found =
            CURVES.iter().find(|(names, _)| names.iter().any(|known| known.eq_ignore_ascii_case(name)));
        match found {
            Some((_, at)) if chosen.contains(at) => {}
            Some((_, at)) => chosen.push(*at),
            None => {
                let names: Vec<_> = CURVES.iter().map(|(names, _)| names[0]).collect();
                return Err((
                    format!("there is no curve `{name}` here"),
                    format!("there are {}", names.join(", ")),
                ));
            }
        }
    }
    if chosen.is_empty() {
        return Err((format!("`{written}` names no curve"), "as in \"X25519:P-256\"".to_owned()));
    }
    Ok(chosen)
}

/// The choices that a side makes among what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Choices {
    /// The suites of TLS 1.2, by their places; `None` for all.
    pub(super) tls12: Option<Vec<usize>>,
    /// The same of TLS 1.3.
    pub(super) tls13: Option<Vec<usize>>,
    /// The curves, by their places; `None` for all.
    pub(super) curves: Option<Vec<usize>>,
    /// The oldest version.
    pub(super) least: Option<Version>,
    /// The versions that are switched off.
    pub(super) without: Vec<Version>,
}

impl Choices {
    /// Notes the suites of `cipher-suite("…")`: each counts for its version, and the other is left as it is.
    pub(super) fn choose(&mut self, suites: Vec<usize>) {
        for at in suites {
            let list = match version_of(&SUITES[at]) {
                Version::Tls12 => &mut self.tls12,
                Version::Tls13 => &mut self.tls13,
            };
            list.get_or_insert_default().push(at);
        }
    }

    /// The versions that are left.
    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        [Version::Tls13, Version::Tls12]
            .into_iter()
            .filter(|version| self.least.is_none_or(|least| *version >= least))
            .filter(|version| !self.without.contains(version))
            .map(Version::of_rustls)
            .collect()
    }

    /// The provider with what is chosen of it.
    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = ring::default_provider();
        let chosen = |version| match version {
            Version::Tls12 => self.tls12.as_ref(),
            Version::Tls13 => self.tls13.as_ref(),
        };
        let mut suites = Vec::new();
        for version in [Version::Tls13, Version::Tls12] {
            if let Some(places) = chosen(version) {
                suites.extend(places.iter().map(|at| *SUITES[*at].suite));
            } else {
                let of_version = SUITES.iter().filter(|suite| version_of(suite) == version);
                suites.extend(of_version.map(|suite| *suite.suite));
            }
        }
        provider.cipher_suites = suites;
        if let Some(curves) = &self.curves {
            provider.kx_groups = curves.iter().map(|at| curve(*at)).collect();
        }
        Arc::new(provider)
    }
}
