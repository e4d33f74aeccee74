//! The two sides of TLS with their material: [`ServerTls`], [`ClientTls`].
//!
//! What a side has at a time is one value behind one lock, which is held for the copy of a pointer: a
//! handshake has the whole of one or of the other, and a connection keeps what it began with. Sessions are
//! resumed within one material alone.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{ClientConnection, KeyLog, NoKeyLog, ServerConnection};

use super::material::{Material, Problem};
use super::options::TlsOptions;
use super::stream::TlsStream;
use super::verifier::{OfClients, OfServers, Trust};
use crate::config::{Config, Diagnostic};
use crate::pattern::Matcher;

/// A side's configuration of rustls, and the files that it was made of.
struct Made<C> {
    config: Arc<C>,
    trust: Arc<Trust>,
    /// Sentences about what is not wrong, but perhaps not meant.
    warnings: Vec<String>,
    digest: [u8; 32],
}

/// A side: its options, and what they mean by the files as they are.
struct Endpoint<C> {
    options: TlsOptions,
    /// The patterns of `trusted-dn()`.
    names: Vec<Matcher>,
    make: fn(&Self) -> Result<Made<C>, Problem>,
    made: RwLock<Option<Arc<Made<C>>>>,
}

impl<C> Endpoint<C> {
    fn new(
        options: &TlsOptions,
        config: &Config,
        make: fn(&Self) -> Result<Made<C>, Problem>,
    ) -> Result<(Self, Vec<String>), Diagnostic> {
        options.check(config)?;
        let names = options.patterns(config)?;
        let endpoint = Self { options: options.clone(), names, make, made: RwLock::default() };
        let (_, warnings) = endpoint.read().map_err(|problem| problem.at(config))?;
        Ok((endpoint, warnings))
    }

    /// Reads the material; true when it is another than before.
    fn read(&self) -> Result<(bool, Vec<String>), Problem> {
        let made = (self.make)(self)?;
        let warnings = made.warnings.clone();
        let mut place = self.made.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = place.as_ref().is_none_or(|before| before.digest != made.digest);
        if is_new {
            *place = Some(Arc::new(made));
        }
        Ok((is_new, warnings))
    }

    fn made(&self) -> Arc<Made<C>> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(made) = made else { unreachable!("it is there from the first reading on") };
        made
    }
}

/// The side that is connected to.
pub(crate) struct ServerTls(Endpoint<ServerConfig>);

/// The side that connects.
pub(crate) struct ClientTls(Endpoint<ClientConfig>);

impl ServerTls {
    /// Makes it of `options`; the sentences are warnings.
    ///
    /// # Errors
    /// Options that do not go together, and files that cannot be used, at their places in `config`.
    pub(crate) fn new(options: &TlsOptions, config: &Config) -> Result<(Self, Vec<String>), Diagnostic> {
        Endpoint::new(options, config, server).map(|(endpoint, warnings)| (Self(endpoint), warnings))
    }

    /// Reads the files again, at a reload: true when there is something new in them, which later handshakes
    /// have. The sentences are warnings.
    ///
    /// # Errors
    /// A file that cannot be used: what was read before stays.
    pub(crate) fn reload(&self) -> Result<(bool, Vec<String>), String> {
        self.0.read().map_err(Problem::in_words)
    }

    /// Begins TLS on a connection that was accepted at `now`.
    ///
    /// # Errors
    /// The configuration is none that TLS can begin with.
    pub(crate) fn accept<S: Read + Write>(&self, socket: S, now: Instant) -> io::Result<TlsStream<S>> {
        let made = self.0.made();
        let connection = ServerConnection::new(made.config.clone()).map_err(io::Error::other)?;
        let ignores_eof = self.0.options.ignore_unexpected_eof;
        Ok(TlsStream::new(connection.into(), socket, made.trust.clone(), ignores_eof, now))
    }
}

impl ClientTls {
    /// Makes it of `options`; the sentences are warnings.
    ///
    /// # Errors
    /// As of [`ServerTls::new`].
    pub(crate) fn new(options: &TlsOptions, config: &Config) -> Result<(Self, Vec<String>), Diagnostic> {
        Endpoint::new(options, config, client).map(|(endpoint, warnings)| (Self(endpoint), warnings))
    }

    /// Reads the files again, as [`ServerTls::reload`] does.
    ///
    /// # Errors
    /// A file that cannot be used: what was read before stays.
    pub(crate) fn reload(&self) -> Result<(bool, Vec<String>), String> {
        self.0.read().map_err(Problem::in_words)
    }

    /// Sentences about what is not wrong with the files, but perhaps not meant.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.0.made().warnings.clone()
    }

    /// The configuration of rustls, for whoever makes connections of his own.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.0.made().config.clone()
    }

    /// Begins TLS on a connection to `host`, which was made at `now`. The certificate has to be that of `host`:
    /// the name or the address in the configuration, not what was found for it.
    ///
    /// # Errors
    /// `host` is no name that a certificate can have.
    pub(crate) fn connect<S: Read + Write>(
        &self,
        host: &str,
        socket: S,
        now: Instant,
    ) -> io::Result<TlsStream<S>> {
        let made = self.0.made();
        let connection = ClientConnection::new(made.config.clone(), server_name(host)?);
        let connection = connection.map_err(io::Error::other)?;
        let ignores_eof = self.0.options.ignore_unexpected_eof;
        Ok(TlsStream::new(connection.into(), socket, made.trust.clone(), ignores_eof, now))
    }
}

/// `host` as the name of a server.
fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(ip.into()));
    }
    // A name may end with a dot, which no certificate has.
    let name = host.strip_suffix('.').unwrap_or(host).to_owned();
    ServerName::try_from(name)
        .map_err(|_| io::Error::other(format!("`{host}` is no name that a certificate can have")))
}

fn server(endpoint: &Endpoint<ServerConfig>) -> Result<Made<ServerConfig>, Problem> {
    let options = &endpoint.options;
    let problem = |error: String| Problem::of_block(options, error);
    let provider = options.choices.provider();
    let Material { identity, authorities, warnings, digest } = Material::read(options, &provider)?;
    let verifier =
        OfClients::new(options, endpoint.names.clone(), &authorities, &provider).map_err(problem)?;
    let trust = verifier.trust.clone();
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&options.choices.versions())
        .map_err(|error| problem(error.to_string()))?
        .with_client_cert_verifier(Arc::new(verifier));
    let mut config = builder.with_cert_resolver(Arc::new(Own(identity)));
    // The server chooses: its list is the best first.
    config.ignore_client_order = true;
    config.key_log = key_log(options)?;
    Ok(Made { config: Arc::new(config), trust, warnings, digest })
}

fn client(endpoint: &Endpoint<ClientConfig>) -> Result<Made<ClientConfig>, Problem> {
    let options = &endpoint.options;
    let problem = |error: String| Problem::of_block(options, error);
    let provider = options.choices.provider();
    let Material { identity, authorities, warnings, digest } = Material::read(options, &provider)?;
    let verifier =
        OfServers::new(options, endpoint.names.clone(), &authorities, &provider).map_err(problem)?;
    let trust = verifier.trust.clone();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&options.choices.versions())
        .map_err(|error| problem(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(own) => builder.with_client_cert_resolver(Arc::new(Own(Some(own)))),
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = options.sni;
    config.key_log = key_log(options)?;
    Ok(Made { config: Arc::new(config), trust, warnings, digest })
}

/// The side's own certificate. A server without one fails each handshake.
#[derive(Debug)]
struct Own(Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

impl rustls::client::ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Writes the keys of connections, as `keylog-file()` says.
struct KeyFile(Mutex<File>);

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile")
    }
}

fn key_log(options: &TlsOptions) -> Result<Arc<dyn KeyLog>, Problem> {
    let Some(path) = &options.keylog_file else { return Ok(Arc::new(NoKeyLog {})) };
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path.value);
    let file = opened.map_err(|error| Problem::new(path, error.to_string()))?;
    Ok(Arc::new(KeyFile(Mutex::new(file))))
}

impl KeyLog for KeyFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = label.to_owned();
        for part in [client_random, secret] {
            line.push(' ');
            for byte in part {
                // Writing into a text does not fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        line.push('\n');
        // Without the line the connection is as good.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.0.options).finish()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(&self.0.options).finish()
    }
}
