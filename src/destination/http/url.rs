//! The urls of `http()`: [`Url`].

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::client::ProxyUrl;
use crate::destination::secret::Secret;
use crate::message::MessageRef;
use crate::template::{Context, Piece, Template};

/// The value of the header Authorization for this user.
pub(super) fn basic(user: &str, password: &str) -> Secret {
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
}

/// One url: `scheme://authority` as it is written, and a template of the rest.
#[derive(Debug, Clone)]
pub(super) struct Url {
    /// `http://host:port`, without a user.
    pub(super) origin: String,
    /// The host, without brackets and port.
    pub(super) host: String,
    pub(super) is_https: bool,
    /// The path and the query.
    rest: Template,
    /// The user that is written in it, as the header Authorization.
    pub(super) authorization: Option<Secret>,
    /// Its path is a secret: logs and statistics show the host.
    pub(super) is_secret: bool,
    /// The proxy of its requests.
    pub(super) proxy: Option<ProxyUrl>,
}

impl Url {
    /// Reads `text`.
    ///
    /// # Errors
    /// It is no url of HTTP, or has macros where it says to whom it leads.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, after) = text
            .split_once("://")
            .ok_or_else(|| format!("`{}` is no url: it begins with http:// or https://", masked(text)))?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(format!("`{}`: only http:// and https:// are possible", masked(text))),
        };
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        if authority.contains('$') {
            let message = "macros are possible in the path and the query of a url, and nowhere else";
            return Err(format!("`{}`: {message}", masked(text)));
        }
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let host = host_of(host_port)
            .ok_or_else(|| format!("`{}`: `{host_port}` is no host with a port", masked(text)))?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        let rest =
            Template::compile(&rest).map_err(|error| format!("`{}`: {}", masked(text), error.message))?;
        let authorization = user.map(|user| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            basic(&decoded(user), &decoded(password))
        });
        let scheme = if is_https { "https" } else { "http" };
        let origin = format!("{scheme}://{host_port}");
        Ok(Self { origin, host, is_https, rest, authorization, is_secret: false, proxy: None })
    }

    /// Tells whether it is the same for all messages.
    pub(super) fn is_literal(&self) -> bool {
        self.rest.as_literal().is_some()
    }

    /// The url as users are shown it: without a user, with its macros, and with nothing that is a secret.
    pub(super) fn shown(&self) -> String {
        let rest = if self.is_secret { "/***" } else { self.rest.text() };
        format!("{}{rest}", self.origin)
    }

    /// `url`, which was made of it, as users are shown it: a query may have a token in it.
    pub(super) fn shown_for<'a>(&'a self, url: &'a str) -> Cow<'a, str> {
        if self.is_secret {
            return self.shown().into();
        }
        url.split_once('?').map_or(url, |(url, _)| url).into()
    }

    /// Tells whether its path ends with `end`, as it is written.
    pub(super) fn path_ends_with(&self, end: &str) -> bool {
        let text = self.rest.text();
        text.split_once('?').map_or(text, |(path, _)| path).trim_end_matches('/').ends_with(end)
    }

    /// The url for `message`.
    pub(super) fn format(&self, message: MessageRef<'_>, context: &Context, scratch: &mut Vec<u8>) -> String {
        let mut url = self.origin.clone();
        self.rest.format_pieces(message, context, scratch, |piece| match piece {
            Piece::Literal(text) => push_encoded(text, |byte| byte.is_ascii_graphic(), &mut url),
            Piece::Value(text) => push_encoded(text, is_unreserved, &mut url),
        });
        url
    }
}

/// The host of `host:port`, without brackets.
fn host_of(host_port: &str) -> Option<String> {
    let (host, port) = if let Some(rest) = host_port.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        (host, port)
    } else {
        let end = host_port.find(':').unwrap_or(host_port.len());
        let (host, port) = host_port.split_at(end);
        let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte) || byte >= 0x80;
        if !host.bytes().all(is_sound) {
            return None;
        }
        (host, port)
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (is_port && !host.is_empty()).then(|| host.to_owned())
}

/// The characters that stand for themselves everywhere (RFC 3986 §2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Appends `text` with all that is not unreserved encoded.
pub(super) fn push_unreserved(text: &str, url: &mut String) {
    push_encoded(text.as_bytes(), is_unreserved, url);
}

fn push_encoded(text: &[u8], stays: impl Fn(u8) -> bool, url: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        if stays(*byte) {
            url.push(char::from(*byte));
        } else {
            url.push('%');
            url.push(char::from(HEX[usize::from(byte >> 4)]));
            url.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// `text` with its `%XX` read.
fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    let hex = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    while let Some(byte) = bytes.get(at) {
        if let (b'%', Some((high, low))) = (byte, hex(at + 1).zip(hex(at + 2))) {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `text` without the user that may be in it.
pub(super) fn masked(text: &str) -> String {
    let Some((scheme, after)) = text.split_once("://") else { return text.to_owned() };
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    match after[..end].rfind('@') {
        Some(at) => format!("{scheme}://***{}", &after[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a message chooses the server that it is sent to, or a password is shown.
    #[test]
    fn urls_are_read_and_macros_have_their_place() {
        for (text, expected) in [
            ("http://h", "http://h/"),
            ("http://h:8080?q=$HOST", "http://h:8080/?q=$HOST"),
            ("https://h/a/b#part", "https://h/a/b"),
            ("HTTP://[::1]:80/$HOST", "http://[::1]:80/$HOST"),
            ("http://me:se%20cret@h/x", "http://h/x"),
        ] {
            assert_eq!(Url::parse(text).unwrap().shown(), expected, "{text}");
        }
        for (text, expected) in [
            ("h/x", "no url"),
            ("ftp://h/", "only http:// and https://"),
            ("http://$HOST/", "nowhere else"),
            ("http://h:$PORT/", "nowhere else"),
            ("http://$USER@h/", "nowhere else"),
            ("$SCHEME://h/", "only http:// and https://"),
            ("http:///x", "no host"),
            ("http://a b/", "no host"),
            ("http://h:99999/", "no host"),
            ("http://[::1/", "no host"),
            ("http://h/$(echo", "`http://h/$(echo`"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let mut url = Url::parse("http://me:se%20cret@h/x").unwrap();
        assert_eq!(url.authorization.as_ref().unwrap().reveal(), "Basic bWU6c2UgY3JldA==");
        let shown = format!("{url:?} {}", masked("http://me:secret@h/x@y"));
        assert!(!shown.contains("cret@") && shown.ends_with("http://***@h/x@y"), "{shown}");
        assert_eq!(url.shown_for("http://h/x?token=1"), "http://h/x");
        url.is_secret = true;
        assert_eq!((url.shown().as_str(), &*url.shown_for("http://h/x")), ("http://h/***", "http://h/***"));
        assert_ne!(format!("{:?}", Secret::new("a")), format!("{:?}", Secret::new("b")));
    }

    /// Breaks without it: a value of a message ends the path or the query that it stands in.
    #[test]
    fn values_are_encoded_and_the_url_itself_is_not() {
        use crate::message::{Need, Origin, Pool, Selection, Writer};
        let need = Need { bytes: 64, ..Need::default() };
        let mut writer =
            Writer::open(&std::sync::Arc::new(Origin::named("s")), &std::sync::Arc::new(Pool::new()), need);
        let mut row = writer.row(need).unwrap();
        row.payload_copy("a/../b?c&d=e#f%g \r\nHost: x é".as_bytes());
        row.publish();
        let view = Selection::all(std::sync::Arc::new(writer.finish()));
        let url = Url::parse("http://h/p%20q/$MSG?x=1&y=$MSG").unwrap();
        let encoded = "a%2F..%2Fb%3Fc%26d%3De%23f%25g%20%0D%0AHost%3A%20x%20%C3%A9";
        let made = url.format(view.message(0), &Context::default(), &mut Vec::new());
        assert_eq!(made, format!("http://h/p%20q/{encoded}?x=1&y={encoded}"));
    }
}
