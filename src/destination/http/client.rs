//! The connections of `http()`: [`agent`].

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle,
    TcpConnector, Transport,
};
use ureq::{Agent, Error, Proxy, ProxyProtocol};

use super::options::HttpSettings;
use super::tls::TlsConnector;
use super::url::{Url, masked};
use crate::destination::secret::Secret;
use crate::transport::tls::ClientTls;

/// The longest that a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The url of a proxy, which may have a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ProxyUrl {
    url: Secret,
    /// The variable of the environment that it comes from.
    from: Option<&'static str>,
}

impl ProxyUrl {
    /// The proxy at `url`.
    ///
    /// # Errors
    /// It is no url of a proxy.
    pub(super) fn new(url: &str, from: Option<&'static str>) -> Result<Self, String> {
        match Proxy::new(url) {
            Ok(proxy) if proxy.protocol() == ProxyProtocol::Http => Ok(Self { url: Secret::new(url), from }),
            Ok(_) => Err(format!("`{}`: a proxy is spoken to by http://", masked(url))),
            Err(_) => Err(format!("`{}` is no url of a proxy", masked(url))),
        }
    }

    /// The proxy that the environment names for requests to `host`.
    pub(super) fn of_environment(is_https: bool, host: &str) -> Option<Result<Self, String>> {
        let value = |name: &&'static str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let variable = |names: &[&'static str]| names.iter().find_map(|name| Some((*name, value(name)?)));
        if let Some((_, list)) = variable(&["no_proxy", "NO_PROXY"])
            && is_excepted(&list, host)
        {
            return None;
        }
        // HTTP_PROXY may be a header of somebody's request, where a program is started by CGI.
        let own: &[&str] = if is_https { &["https_proxy", "HTTPS_PROXY"] } else { &["http_proxy"] };
        let (name, url) = variable(own).or_else(|| variable(&["all_proxy", "ALL_PROXY"]))?;
        Some(Self::new(&url, Some(name)).map_err(|error| format!("{name}: {error}")))
    }

    /// The proxy as users are shown it.
    pub(super) fn shown(&self) -> String {
        let from = self.from.map(|name| format!(", which {name} names")).unwrap_or_default();
        format!("`{}`{from}", masked(self.url.reveal()))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxyUrl").field(&self.url).finish()
    }
}

/// Tells whether `list`, the value of `no_proxy`, has `host`: by its name, or a domain that it is in.
fn is_excepted(list: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
        entry == "*" || host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
    })
}

/// The client for requests to `url`.
pub(super) fn agent(settings: &HttpSettings, url: &Url, tls: Option<&Arc<ClientTls>>) -> Agent {
    let proxy = url.proxy.as_ref().and_then(|proxy| Proxy::new(proxy.url.reveal()).ok());
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .user_agent(AutoHeaderValue::None)
        .accept(AutoHeaderValue::None)
        .accept_encoding(AutoHeaderValue::None)
        .timeout_global(Some(settings.timeout))
        .timeout_connect(Some(CONNECT.min(settings.timeout)))
        .timeout_resolve(Some(CONNECT.min(settings.timeout)))
        .build();
    let tls = TlsConnector(tls.cloned());
    if let Some(path) = &settings.unix_socket {
        return Agent::with_parts(config, UnixConnector(path.clone()).chain(tls), NoResolver);
    }
    let connector = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default()).chain(tls);
    Agent::with_parts(config, connector, DefaultResolver::default())
}

/// Nothing is looked up for a unix socket.
#[derive(Debug)]
struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
        Ok(addresses)
    }
}

/// Connects to a unix socket, whatever the url says.
#[derive(Debug)]
struct UnixConnector(PathBuf);

impl Connector for UnixConnector {
    type Out = UnixTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<UnixTransport>, Error> {
        let stream = Arc::new(Stream(UnixStream::connect(&self.0)?));
        let handle: Weak<dyn ShutdownHandle> = Arc::downgrade(&stream) as Weak<dyn ShutdownHandle>;
        (details.register_shutdown)(handle)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(UnixTransport { stream, buffers }))
    }
}

struct Stream(UnixStream);

impl ShutdownHandle for Stream {
    fn shutdown(&self) {
        // It is shut already when that fails.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection over a unix socket.
struct UnixTransport {
    stream: Arc<Stream>,
    buffers: LazyBuffers,
}

impl fmt::Debug for UnixTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixTransport").field(&self.stream.0).finish()
    }
}

/// `error` as the client's, with the reason of a time that is over.
fn told(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let mut stream = &self.stream.0;
        stream.set_write_timeout(timeout.for_write().not_zero().map(|time| *time))?;
        stream.write_all(&self.buffers.output()[..amount]).map_err(|error| told(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let mut stream = &self.stream.0;
        stream.set_read_timeout(timeout.for_read().not_zero().map(|time| *time))?;
        let amount = stream.read(self.buffers.input_append_buf()).map_err(|error| told(error, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        is_quiet(&self.stream.0).unwrap_or(false)
    }
}

/// Tells whether a connection is open, and has no bytes that nobody asked for.
fn is_quiet(mut stream: &UnixStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false)?;
    Ok(matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: requests to a host of the own network go to the proxy, or others go past it.
    #[test]
    fn hosts_are_excepted_by_name_and_by_domain() {
        for (list, host, expected) in [
            ("*", "h", true),
            ("localhost,h.example", "h.example", true),
            ("example", "h.example", true),
            (".example", "h.example", true),
            ("*.example", "H.EXAMPLE", true),
            ("ample", "h.example", false),
            ("h.example", "example", false),
            ("", "h", false),
            ("a, b", "b", true),
        ] {
            assert_eq!(is_excepted(list, host), expected, "{list} {host}");
        }
    }

    /// Breaks without it: the password of a proxy is in the log.
    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        let proxy = ProxyUrl::new("http://me:secret@proxy:3128", Some("http_proxy")).unwrap();
        assert_eq!(proxy.shown(), "`http://***@proxy:3128`, which http_proxy names");
        assert!(!format!("{proxy:?}").contains("secret"));
        assert!(ProxyUrl::new("socks5://proxy", None).is_err());
        assert!(ProxyUrl::new("http://", None).is_err());
    }
}
