//! Whether the other side is trusted: [`Trust`].
//!
//! ```text
//!  peer-verify() trusts all ──────────────────────────────────────────────► accepted
//!  a fingerprint of trusted-fingerprints() ── none is written ─┐
//!       │ it is this certificate's        └─ another one ──────┼──────────► refused
//!       │                                                      ▼
//!       │         signed by an authority (or named in ca-file() itself), in its time, for this purpose,
//!       │         not revoked, and for the name of the host ── no ────────► refused
//!       ▼                                                      ▼
//!  a fingerprint of trusted-keys(), and a pattern of trusted-dn(), where there are such ──► accepted
//! ```
//!
//! rustls verifies chains, purposes, revocation and names. It takes no certificate for a server's or a client's
//! that says of itself that it is an authority's, as self-signed ones made by `openssl req -x509` do: one that
//! is in `ca-file()` byte for byte is verified here.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::certificate::{Certificate, PeerFacts};
use super::material::Authorities;
use super::options::{Digest, Fingerprint, PeerVerify, TlsOptions};
use crate::pattern::Matcher;

/// The rules by which a peer is trusted.
#[derive(Debug)]
pub(super) struct Trust {
    mode: PeerVerify,
    names: Vec<Matcher>,
    keys: Vec<Fingerprint>,
    fingerprints: Vec<Fingerprint>,
    common_name_fallback: bool,
    ignore_hostname_mismatch: bool,
    /// The authorities, as they are in their files.
    anchors: Vec<CertificateDer<'static>>,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The reason why a certificate is refused, where it is one of these rules.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn refused(why: String) -> Error {
    CertificateError::Other(OtherError(Arc::new(Refused(why)))).into()
}

impl Trust {
    fn new(
        options: &TlsOptions,
        names: Vec<Matcher>,
        authorities: &Authorities,
        provider: &CryptoProvider,
    ) -> Self {
        let mode = options.peer_verify;
        // A client without a certificate of these authorities sends none: only where it would be refused.
        let tells = mode.trusted && options.trusted_fingerprints.is_empty();
        Self {
            mode,
            names,
            keys: options.trusted_keys.clone(),
            fingerprints: options.trusted_fingerprints.clone(),
            common_name_fallback: options.common_name_fallback,
            ignore_hostname_mismatch: options.ignore_hostname_mismatch,
            anchors: authorities.certificates.clone(),
            hints: if tells { authorities.roots.subjects() } else { Vec::new() },
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// Decides on `certificate`, whose chain `verify` verifies.
    fn decide(
        &self,
        certificate: &CertificateDer<'_>,
        verify: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.mode.trusted {
            return Ok(());
        }
        if self.fingerprints.is_empty() {
            verify()?;
        } else if matching(&self.fingerprints, certificate).is_none() {
            return Err(refused("it has none of the trusted-fingerprints()".to_owned()));
        }
        if !self.keys.is_empty() && matching(&self.keys, certificate).is_none() {
            return Err(refused("it has none of the trusted-keys()".to_owned()));
        }
        if self.names.is_empty() {
            return Ok(());
        }
        let subject = read(certificate)?.subject();
        if self.names.iter().any(|pattern| pattern.is_match(subject.as_bytes())) {
            return Ok(());
        }
        Err(refused(format!("its subject `{subject}` is none of the trusted-dn()")))
    }

    /// Verifies a certificate that is named as trusted itself; `None` for any other.
    fn verify_named(
        &self,
        certificate: &CertificateDer<'_>,
        is_server: bool,
        now: UnixTime,
    ) -> Option<Result<(), Error>> {
        self.anchors.iter().any(|anchor| anchor == certificate).then(|| {
            let read = read(certificate)?;
            if !read.is_begun(now) {
                return Err(CertificateError::NotValidYet.into());
            }
            if read.has_ended(now) {
                return Err(CertificateError::Expired.into());
            }
            if read.is_for(is_server) { Ok(()) } else { Err(CertificateError::InvalidPurpose.into()) }
        })
    }

    /// Decides on a certificate that is trusted and does not have the name of the host.
    fn other_name(
        &self,
        certificate: &CertificateDer<'_>,
        host: &ServerName<'_>,
        error: Error,
    ) -> Result<(), Error> {
        if self.ignore_hostname_mismatch {
            return Ok(());
        }
        let read = read(certificate)?;
        let has_common_name = || read.common_name().is_some_and(|name| is_name_of(name, host));
        if self.common_name_fallback && !read.names_hosts && has_common_name() {
            return Ok(());
        }
        Err(error)
    }

    /// What is known of the other side by its certificate.
    pub(super) fn facts(&self, certificate: &CertificateDer<'_>) -> PeerFacts {
        let facts = Certificate::read(certificate).map(|read| read.facts());
        let found = matching(&self.fingerprints, certificate).or_else(|| matching(&self.keys, certificate));
        PeerFacts { fingerprint: found.map(|found| found.written.clone()), ..facts.unwrap_or_default() }
    }
}

fn read<'a>(certificate: &'a CertificateDer<'_>) -> Result<Certificate<'a>, Error> {
    Certificate::read(certificate).ok_or_else(|| CertificateError::BadEncoding.into())
}

/// The one of `list` that is the fingerprint of `certificate`.
fn matching<'a>(list: &'a [Fingerprint], certificate: &[u8]) -> Option<&'a Fingerprint> {
    list.iter().find(|fingerprint| match fingerprint.digest {
        Digest::Sha1 => Sha1::digest(certificate)[..] == fingerprint.bytes,
        Digest::Sha256 => Sha256::digest(certificate)[..] == fingerprint.bytes,
        Digest::Sha512 => Sha512::digest(certificate)[..] == fingerprint.bytes,
    })
}

/// Tells whether `name`, the common name of a certificate, is that of `host`. A `*` stands for the whole first
/// label.
fn is_name_of(name: &str, host: &ServerName<'_>) -> bool {
    match host {
        ServerName::DnsName(host) => {
            let host = host.as_ref();
            let wildcard = name.strip_prefix("*.").filter(|rest| rest.contains('.')).is_some_and(|rest| {
                host.split_once('.')
                    .is_some_and(|(label, domain)| !label.is_empty() && domain.eq_ignore_ascii_case(rest))
            });
            wildcard || name.eq_ignore_ascii_case(host)
        }
        ServerName::IpAddress(host) => name.parse::<IpAddr>().is_ok_and(|name| name == IpAddr::from(*host)),
        _ => false,
    }
}

/// Tells whether the chain is good and the name alone is not.
fn is_about_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

/// The signatures of a handshake, as rustls verifies them.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signed, &self.trust.algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signed, &self.trust.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.trust.algorithms.supported_schemes()
        }
    };
}

/// Verifies servers, for clients.
#[derive(Debug)]
pub(super) struct OfServers {
    pub(super) trust: Arc<Trust>,
    /// Verifies chains; `None` where no authority is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
}

impl OfServers {
    /// # Errors
    /// A revocation list that cannot be read.
    pub(super) fn new(
        options: &TlsOptions,
        names: Vec<Matcher>,
        authorities: &Authorities,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let trust = Arc::new(Trust::new(options, names, authorities, provider));
        let builder =
            WebPkiServerVerifier::builder_with_provider(authorities.roots.clone(), provider.clone())
                .with_crls(authorities.crls.iter().cloned())
                .enforce_revocation_expiration();
        let chains = with_roots(&authorities.roots, || builder.build())?;
        Ok(Self { trust, chains })
    }
}

fn with_roots<V>(
    roots: &RootCertStore,
    build: impl FnOnce() -> Result<V, rustls::client::VerifierBuilderError>,
) -> Result<Option<V>, String> {
    if roots.is_empty() {
        return Ok(None);
    }
    build().map(Some).map_err(|error| error.to_string())
}

impl ServerCertVerifier for OfServers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let trust = &self.trust;
        let verify = || match trust.verify_named(certificate, true, now) {
            Some(verified) => {
                verified?;
                verify_server_name(&ParsedCertificate::try_from(certificate)?, host)
            }
            None => match &self.chains {
                Some(chains) => chains.verify_server_cert(certificate, others, host, ocsp, now).map(drop),
                None => Err(CertificateError::UnknownIssuer.into()),
            },
        };
        trust.decide(certificate, || match verify() {
            // rustls looks at the name when all else is good.
            Err(error) if is_about_name(&error) => trust.other_name(certificate, host, error),
            verified => verified,
        })?;
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

/// Verifies clients, for servers.
#[derive(Debug)]
pub(super) struct OfClients {
    pub(super) trust: Arc<Trust>,
    chains: Option<Arc<dyn ClientCertVerifier>>,
}

impl OfClients {
    /// # Errors
    /// A revocation list that cannot be read.
    pub(super) fn new(
        options: &TlsOptions,
        names: Vec<Matcher>,
        authorities: &Authorities,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let trust = Arc::new(Trust::new(options, names, authorities, provider));
        let builder =
            WebPkiClientVerifier::builder_with_provider(authorities.roots.clone(), provider.clone())
                .with_crls(authorities.crls.iter().cloned())
                .enforce_revocation_expiration();
        let chains = with_roots(&authorities.roots, || builder.build())?;
        Ok(Self { trust, chains })
    }
}

impl ClientCertVerifier for OfClients {
    fn offer_client_auth(&self) -> bool {
        self.trust.mode.required || self.trust.mode.trusted
    }

    fn client_auth_mandatory(&self) -> bool {
        self.trust.mode.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.trust.hints
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust.decide(certificate, || {
            if let Some(verified) = self.trust.verify_named(certificate, false, now) {
                return verified;
            }
            match &self.chains {
                Some(chains) => chains.verify_client_cert(certificate, others, now).map(drop),
                None => Err(CertificateError::UnknownIssuer.into()),
            }
        })?;
        Ok(ClientCertVerified::assertion())
    }

    signatures!();
}
