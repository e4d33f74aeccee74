//! The options of `http()`: [`HttpOptions`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Http;
use super::answer::Adapter;
use super::client::ProxyUrl;
use super::compression::Compression;
use super::header::Header;
use super::status::Action;
use super::url::{self, Url, basic};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, TokenKind, apply, names};
use crate::config::{Config, Diagnostic, Span, Spanned, TemplateText};
use crate::destination::exchange::{ExchangeOptions, ExchangeSettings};
use crate::destination::secret::Secret;
use crate::destination::{DestinationOptions, DriverOptions, Planned};
use crate::template::this_process;
use crate::template::{Identity, Options, Template};
use crate::transport::tls::{ClientTls, Side, TlsOptions};

/// The time of a request where `timeout()` says nothing.
const TIMEOUT: Duration = Duration::from_secs(60);

/// `http(…)`
#[derive(Debug, Clone)]
pub(crate) struct HttpOptions {
    /// `url()`: one or more, each a text with its place.
    url: Vec<Spanned<String>>,
    /// The end of the path of every url, behind its own.
    path: Option<String>,
    /// `name=value`, for the query of every url.
    query: Vec<Spanned<String>>,
    url_is_secret: bool,
    headers: Vec<Spanned<String>>,
    method: Option<Spanned<String>>,
    user: Option<String>,
    password: Option<Hidden>,
    user_agent: Option<String>,
    body: Option<TemplateText>,
    body_prefix: Option<TemplateText>,
    body_suffix: Option<String>,
    delimiter: Option<String>,
    timeout: Duration,
    accept_redirects: bool,
    response_action: BTreeMap<u16, Action>,
    response_adapter: Option<Adapter>,
    content_compression: Option<Compression>,
    force_content_compression: bool,
    accept_encoding: Option<Spanned<String>>,
    proxy: Option<Spanned<Hidden>>,
    unix_socket: Option<String>,
    /// `tls()`, and the same options beside the others.
    tls: TlsOptions,
    exchange: ExchangeOptions,
}

/// A text that its debug text does not show, but tells from another one.
type Hidden = Secret;

const HTTP: Table<HttpOptions> = &[
    ("url", Kind::Texts(|to, url| to.url.push(url))),
    ("path", Kind::Text(|to, path| to.path = Some(path.value))),
    ("query", Kind::Texts(|to, pair| to.query.push(pair))),
    ("url-is-secret", Kind::YesNo(|to, yes| to.url_is_secret = yes)),
    ("headers", Kind::Texts(|to, header| to.headers.push(header))),
    ("method", Kind::Text(|to, method| to.method = Some(method))),
    ("user", Kind::Text(|to, user| to.user = Some(user.value))),
    ("password", Kind::Text(|to, password| to.password = Some(Secret::new(password.value)))),
    ("user-agent", Kind::Text(|to, agent| to.user_agent = Some(agent.value))),
    ("body", Kind::Template(|to, body| to.body = Some(body))),
    ("template", Kind::Template(|to, body| to.body = Some(body))),
    ("body-prefix", Kind::Template(|to, prefix| to.body_prefix = Some(prefix))),
    ("body-suffix", Kind::Text(|to, suffix| to.body_suffix = Some(suffix.value))),
    ("delimiter", Kind::Text(|to, delimiter| to.delimiter = Some(delimiter.value))),
    ("timeout", Kind::Seconds(|to, time| to.timeout = time)),
    ("accept-redirects", Kind::YesNo(|to, yes| to.accept_redirects = yes)),
    ("response-action", Kind::Other(response_action)),
    (
        "response-adapter",
        Kind::Other(|parser, to| {
            parser.choice(Adapter::WORDS).map(|adapter| to.response_adapter = Some(adapter))
        }),
    ),
    (
        "content-compression",
        Kind::Other(|parser, to| parser.choice(CODINGS).map(|coding| to.content_compression = coding)),
    ),
    ("force-content-compression", Kind::YesNo(|to, yes| to.force_content_compression = yes)),
    ("accept-encoding", Kind::Text(|to, coding| to.accept_encoding = Some(coding))),
    ("proxy", Kind::Text(|to, url| to.proxy = Some(Spanned::new(Secret::new(url.value), url.span)))),
    ("unix-socket", Kind::Text(|to, path| to.unix_socket = Some(path.value))),
];

/// The words of `content-compression()`.
const CODINGS: &[(&str, Option<Compression>)] =
    &[("identity", None), ("gzip", Some(Compression::Gzip)), ("deflate", Some(Compression::Deflate))];

/// `response-action(400 => drop 5xx …)`
fn response_action(parser: &mut Parser, to: &mut HttpOptions) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let code = parser.integer(100, 599)?;
        parser.expect(&TokenKind::Arrow)?;
        let action = parser.choice(Action::WORDS)?;
        to.response_action.insert(code as u16, action);
    }
    Ok(())
}

impl HttpOptions {
    /// The options as they are when nothing is written; `span` is the place of the driver.
    fn new(span: Span) -> Self {
        Self {
            url: Vec::new(),
            path: None,
            query: Vec::new(),
            url_is_secret: false,
            headers: Vec::new(),
            method: None,
            user: None,
            password: None,
            user_agent: None,
            body: None,
            body_prefix: None,
            body_suffix: None,
            delimiter: None,
            timeout: Duration::ZERO,
            accept_redirects: false,
            response_action: BTreeMap::new(),
            response_adapter: None,
            content_compression: None,
            force_content_compression: false,
            accept_encoding: None,
            proxy: None,
            unix_socket: None,
            tls: TlsOptions::of_http(span),
            exchange: ExchangeOptions::default(),
        }
    }

    /// Reports what is wrong with options by themselves.
    fn check(&mut self, parser: &mut Parser) {
        if let Some(method) = &self.method
            && !["POST", "PUT"].iter().any(|known| known.eq_ignore_ascii_case(&method.value))
        {
            let message = format!("`{}`: the method is POST or PUT; it is POST", method.value);
            parser.report.warn(method.span, message, None);
            self.method = None;
        }
        for Spanned { value, span } in self.query.iter().filter(|pair| !pair.value.is_empty()) {
            if value.find('=').is_none_or(|at| at == 0) {
                let message = format!("`{value}` is no part of a query: expected name=value");
                parser.report.error(*span, message, None);
            }
        }
        for Spanned { value, span } in self.written_headers() {
            if let Err(message) = Header::parse(value) {
                parser.report.error(*span, message, None);
            }
        }
        if let Some(coding) = &self.accept_encoding
            && accept_encoding(&coding.value).is_none()
        {
            let help = Some("write gzip, deflate, identity, or \"\" for all of them".to_owned());
            parser.report.error(
                coding.span,
                format!("`{}` is no coding that is read here", coding.value),
                help,
            );
        }
        if let Some(proxy) = &self.proxy
            && let Err(message) = ProxyUrl::new(proxy.value.reveal(), None)
        {
            parser.report.error(proxy.span, message, None);
        }
        let (urls, workers) = (self.urls().count(), self.exchange.workers.unwrap_or(1) as usize);
        for (text, span) in self.urls() {
            match Url::parse(&self.completed(text)) {
                Err(message) => drop(parser.report.error(span, message, None)),
                Ok(url) => {
                    let needs_key = self.exchange.is_batched() && !url.is_literal();
                    if needs_key && self.exchange.worker_partition_key.is_none() {
                        let message = "messages of one batch may have different urls";
                        let help = Some(
                            "write worker-partition-key() with the macros of the url: messages of one key go together"
                                .to_owned(),
                        );
                        parser.report.error(span, message, help);
                    }
                }
            }
        }
        if let Some(first) = self.url.first().filter(|_| urls > workers) {
            let message =
                format!("{urls} urls and {workers} workers: some urls are asked only when others fail");
            parser.report.warn(first.span, message, Some(format!("write workers({urls})")));
        }
    }

    /// The headers but for empty texts, which an argument of a block may leave.
    fn written_headers(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.headers.iter().filter(|header| !header.value.is_empty())
    }

    /// `url` with `path()` and `query()`.
    fn completed(&self, url: &str) -> String {
        let url = url.split_once('#').map_or(url, |(before, _)| before);
        let (address, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
        let mut whole = address.to_owned();
        if let Some(path) = &self.path {
            whole.truncate(address.trim_end_matches('/').len());
            whole.extend(["/", path.trim_start_matches('/')]);
        }
        let mut separators = std::iter::once("?").chain(std::iter::repeat("&"));
        if let Some(query) = query {
            whole.extend(separators.next().into_iter().chain([query]));
        }
        let pairs = self.query.iter().filter_map(|pair| pair.value.split_once('='));
        for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
            whole.extend(separators.next());
            url::push_unreserved(name, &mut whole);
            whole.push('=');
            url::push_unreserved(value, &mut whole);
        }
        whole
    }

    /// The urls: those that are written, or the one that there is without any.
    fn urls(&self) -> impl Iterator<Item = (&str, Span)> {
        self.url.iter().flat_map(|url| url.value.split_whitespace().map(|text| (text, url.span)))
    }
}

/// The value of the header Accept-Encoding.
fn accept_encoding(written: &str) -> Option<&'static str> {
    match written.to_ascii_lowercase().as_str() {
        "" => Some("gzip, deflate"),
        "gzip" => Some("gzip"),
        "deflate" => Some("deflate"),
        "identity" => Some("identity"),
        _ => None,
    }
}

impl DestinationOptions for HttpOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::new(head.span);
        let known = || {
            let own = names(HTTP).chain(["tls"]).chain(TlsOptions::names(Side::Client));
            own.chain(ExchangeOptions::names()).collect()
        };
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            if key.value == "tls" {
                return Some(options.tls.read(parser, key, Side::Client));
            }
            apply(HTTP, &mut options, parser, key)
                .or_else(|| options.exchange.apply(parser, key))
                .or_else(|| options.tls.apply(parser, key, Side::Client))
        });
        options.check(parser);
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.exchange.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let written: Vec<_> = self.urls().collect();
        let default = [("http://localhost/", None)];
        let all = written.iter().map(|(text, span)| (*text, Some(*span)));
        let all: Vec<_> = if written.is_empty() { default.to_vec() } else { all.collect() };
        let mut urls = Vec::new();
        for (text, span) in all {
            let wrong = |message: String| match span {
                Some(span) => config.error(span, message, None),
                None => Diagnostic::without_place(message),
            };
            let mut url = Url::parse(&self.completed(text)).map_err(wrong)?;
            url.is_secret = self.url_is_secret;
            url.proxy = self.proxy_of(&url).map_err(wrong)?;
            urls.push(url);
        }
        let needs_tls = self.accept_redirects || urls.iter().any(|url| url.is_https);
        let time_reopen = self.exchange.time_reopen.unwrap_or(config.options.time_reopen);
        let escape = self.body.as_ref().and_then(|body| body.escape);
        let settings = HttpSettings {
            headers: self.written_headers().filter_map(|header| Header::parse(&header.value).ok()).collect(),
            method: if self.method.as_ref().is_some_and(|method| method.value.eq_ignore_ascii_case("PUT")) {
                "PUT"
            } else {
                "POST"
            },
            authorization: self
                .user
                .as_ref()
                .map(|user| basic(user, self.password.as_ref().map_or("", Secret::reveal))),
            user_agent: self
                .user_agent
                .clone()
                .unwrap_or_else(|| format!("Inrush/{}", env!("CARGO_PKG_VERSION"))),
            body: self.body.as_ref().map_or_else(message, |body| body.template.clone()),
            body_prefix: self.body_prefix.as_ref().map(|prefix| prefix.template.clone()).unwrap_or_default(),
            body_suffix: self.body_suffix.clone().unwrap_or_default(),
            delimiter: self.delimiter.clone().unwrap_or_else(|| "\n".to_owned()),
            batch_bytes: self.exchange.batch_bytes.filter(|bytes| *bytes > 0).map(|bytes| bytes as usize),
            is_batched: self.exchange.is_batched(),
            timeout: if self.timeout.is_zero() { TIMEOUT } else { self.timeout },
            accept_redirects: self.accept_redirects,
            response_action: self.response_action.clone(),
            adapter: self.response_adapter,
            compression: self.content_compression,
            force_compression: self.force_content_compression,
            accept_encoding: self.accept_encoding.as_ref().and_then(|coding| accept_encoding(&coding.value)),
            unix_socket: self.unix_socket.as_ref().map(PathBuf::from),
            time_reopen,
            options: self.exchange.template_options.resolve(config, escape)?,
            identity: this_process(),
            tls: needs_tls.then(|| format!("{:+?}", self.tls)),
            urls,
        };
        let address = settings.urls.iter().map(Url::shown).collect::<Vec<_>>().join(" ");
        let one_key = settings.is_batched && settings.urls.iter().any(|url| !url.is_literal());
        let tls = needs_tls.then(|| ClientTls::new(&self.tls, config)).transpose()?;
        let http = Http::new(settings, tls.map(|(tls, warnings)| (Arc::new(tls), warnings)));
        let http = Arc::new(http);
        let exchange = self.exchange.settings(config, http, address)?;
        Ok(ExchangeSettings { is_one_key_a_group: one_key, ..exchange }.planned())
    }
}

impl HttpOptions {
    /// The proxy of requests to `url`.
    fn proxy_of(&self, url: &Url) -> Result<Option<ProxyUrl>, String> {
        if self.unix_socket.is_some() {
            return Ok(None);
        }
        match &self.proxy {
            Some(proxy) => ProxyUrl::new(proxy.value.reveal(), None).map(Some),
            None => ProxyUrl::of_environment(url.is_https, &url.host).transpose(),
        }
    }
}

/// `$MESSAGE`
fn message() -> Template {
    match Template::compile("$MESSAGE") {
        Ok(template) => template,
        Err(error) => unreachable!("{error}"),
    }
}

/// What `http()` runs by.
#[derive(Debug)]
pub(super) struct HttpSettings {
    pub(super) urls: Vec<Url>,
    pub(super) headers: Vec<Header>,
    pub(super) method: &'static str,
    pub(super) authorization: Option<Secret>,
    pub(super) user_agent: String,
    pub(super) body: Template,
    pub(super) body_prefix: Template,
    pub(super) body_suffix: String,
    pub(super) delimiter: String,
    pub(super) batch_bytes: Option<usize>,
    pub(super) is_batched: bool,
    pub(super) timeout: Duration,
    pub(super) accept_redirects: bool,
    pub(super) response_action: BTreeMap<u16, Action>,
    pub(super) adapter: Option<Adapter>,
    pub(super) compression: Option<Compression>,
    pub(super) force_compression: bool,
    pub(super) accept_encoding: Option<&'static str>,
    pub(super) unix_socket: Option<PathBuf>,
    /// The options of TLS, where it is used, as what tells two destinations apart.
    #[expect(dead_code, reason = "its debug text is read, and nothing else")]
    pub(super) tls: Option<String>,
    pub(super) time_reopen: Duration,
    pub(super) options: Options,
    pub(super) identity: Arc<Identity>,
}

impl HttpSettings {
    /// The reader of what the url `target` answers: the one that is written, or that of `…/_bulk`.
    pub(super) fn adapter_for(&self, target: usize) -> Option<Adapter> {
        let is_bulk = self.urls[target].path_ends_with("/_bulk");
        self.adapter.or(is_bulk.then_some(Adapter::Elasticsearch))
    }
}

#[cfg(test)]
mod tests;
