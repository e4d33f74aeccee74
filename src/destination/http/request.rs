//! The requests of one worker: [`HttpWorker`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use ureq::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT,
};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use ureq::{Agent, Error};

use super::Http;
use super::answer::shown;
use super::client::agent;
use super::compression::read_decoded;
use super::status::{Action, action_of, retry_after};
use crate::destination::exchange::{Failure, Group, Outcome, Refusal, Sent, Worker};
use crate::message::MessageRef;
use crate::template::{Context, HostCalls, Template, TimeZoneUse, Zone, ZoneClock};

/// The most bytes of a body: a request beyond is begun anew, whatever `batch-lines()` says.
const MOST_BODY: usize = 64 * 1024 * 1024;
/// The most bytes that are read of an answer that nobody looks into.
const MOST_ANSWER: usize = 64 * 1024;
/// The most redirects that are followed.
const REDIRECTS: u32 = 3;

/// A worker of `http()`, with its own connections.
pub(super) struct HttpWorker {
    http: Arc<Http>,
    number: usize,
    /// The client of each url.
    agents: Vec<Agent>,
    context: Context,
    clock: ZoneClock,
    body: Vec<u8>,
    packed: Vec<u8>,
    scratch: Vec<u8>,
    /// The headers of a request that has one message.
    syslog_headers: Vec<(HeaderName, Template)>,
}

/// An answer.
struct Answer {
    code: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl HttpWorker {
    pub(super) fn new(http: Arc<Http>, number: usize) -> Self {
        let settings = &http.settings;
        let tls = http.tls.as_ref().map(|(tls, _)| tls);
        let agents: Vec<Agent> = settings.urls.iter().map(|url| agent(settings, url, tls)).collect();
        http.agents().extend(agents.iter().cloned());
        if http.is_over.load(Ordering::Acquire) {
            super::Exchange::interrupt(&*http);
        }
        let context = Context::new(&settings.options, Arc::clone(&settings.identity), TimeZoneUse::Send);
        Self {
            number,
            agents,
            context,
            clock: ZoneClock::new(Zone::local()),
            body: Vec::new(),
            packed: Vec::new(),
            scratch: Vec::new(),
            syslog_headers: syslog_headers(),
            http,
        }
    }

    /// Makes the body of a request; how many messages of `group` are in it.
    fn make_body(&mut self, group: &Group) -> usize {
        let settings = &self.http.settings;
        self.body.clear();
        self.body.shrink_to(4 * 1024 * 1024);
        let most = settings.batch_bytes.unwrap_or(MOST_BODY).min(MOST_BODY);
        let mut taken = 0;
        for (message, numbers) in group.messages() {
            self.context.sequence = numbers.sequence;
            if taken == 0 {
                settings.body_prefix.format(message, &self.context, &mut self.body);
            } else {
                self.body.extend_from_slice(settings.delimiter.as_bytes());
            }
            settings.body.format(message, &self.context, &mut self.body);
            taken += 1;
            if self.body.len() + settings.body_suffix.len() >= most {
                break;
            }
        }
        self.body.extend_from_slice(settings.body_suffix.as_bytes());
        taken
    }

    /// The headers of a request, which are those of its first message.
    fn make_headers(&mut self, first: MessageRef<'_>) -> HeaderMap {
        let settings = &self.http.settings;
        let mut headers = HeaderMap::new();
        for header in &settings.headers {
            self.scratch.clear();
            header.value.format(first, &self.context, &mut self.scratch);
            if let (Ok(name), Some(value)) =
                (HeaderName::from_bytes(header.name.as_bytes()), header_value(&self.scratch))
            {
                headers.append(name, value);
            }
        }
        if !settings.is_batched {
            for (name, template) in &self.syslog_headers {
                self.scratch.clear();
                template.format(first, &self.context, &mut self.scratch);
                if let Some(value) = header_value(&self.scratch) {
                    headers.insert(name.clone(), value);
                }
            }
        }
        let mut default = |name: HeaderName, value: &str| {
            if !headers.contains_key(&name)
                && let Some(value) = header_value(value.as_bytes())
            {
                headers.insert(name, value);
            }
        };
        default(CONTENT_TYPE, "application/x-www-form-urlencoded");
        default(USER_AGENT, &settings.user_agent);
        if let Some(coding) = settings.accept_encoding {
            default(ACCEPT_ENCODING, coding);
        }
        headers
    }

    /// Sends what was made to the url `target`, and to where it says that it has moved.
    fn request(&self, target: usize, url: &str, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Error> {
        let settings = &self.http.settings;
        let mut headers = headers.clone();
        let authorization = settings.authorization.as_ref().or(settings.urls[target].authorization.as_ref());
        if let Some(value) = authorization.and_then(|secret| HeaderValue::from_str(secret.reveal()).ok())
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, value);
        }
        let mut url: Uri = url.parse().map_err(|_| Error::BadUri(url.to_owned()))?;
        let mut redirects = 0;
        loop {
            let answer = self.call_twice(target, &url, &headers, body)?;
            let moved = settings.accept_redirects && matches!(answer.code, 301 | 302 | 303 | 307 | 308);
            let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            match to.and_then(|to| redirected(&url, to)).filter(|_| moved && redirects < REDIRECTS) {
                None => return Ok(answer),
                Some(to) => {
                    if to.authority() != url.authority() || to.scheme() != url.scheme() {
                        headers.remove(AUTHORIZATION);
                        let secret = settings.headers.iter().filter(|header| header.is_secret);
                        secret.for_each(|header| drop(headers.remove(header.name.as_str())));
                    }
                    (url, redirects) = (to, redirects + 1);
                }
            }
        }
    }

    /// Sends a request; once more where a connection that was kept open is found to be closed.
    fn call_twice(
        &self,
        target: usize,
        url: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Answer, Error> {
        match self.call(target, url, headers, body) {
            Err(Error::Io(error)) if is_closed(&error) && !self.http.is_over.load(Ordering::Acquire) => {
                self.call(target, url, headers, body)
            }
            result => result,
        }
    }

    fn call(&self, target: usize, url: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Error> {
        let settings = &self.http.settings;
        let method = if settings.method == "PUT" { Method::PUT } else { Method::POST };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers.clone();
        let answer = self.agents[target].run(request)?;
        let (parts, body) = answer.into_parts();
        let most = settings.adapter_for(target).map_or(MOST_ANSWER, super::answer::Adapter::most);
        let coding = parts.headers.get(CONTENT_ENCODING).and_then(|coding| coding.to_str().ok());
        let body = read_decoded(body.into_reader(), coding, most)?;
        Ok(Answer { code: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// What the answer of `target` means for `taken` messages.
    fn judge(&self, target: usize, url: &str, answer: &Answer, taken: usize) -> Outcome {
        let settings = &self.http.settings;
        let code = answer.code;
        let own = settings.response_action.get(&code).copied();
        if own.is_none()
            && let Some(outcome) =
                settings.adapter_for(target).and_then(|adapter| adapter.read(code, &answer.body, taken))
        {
            return outcome;
        }
        let text = || {
            let body = shown(&answer.body);
            let body = if body.is_empty() { body } else { format!(": {body}") };
            let url = settings.urls[target].shown_for(url);
            format!("`{url}` answered {code}{body}")
        };
        let pause = || {
            let value = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
            matches!(code, 429 | 503).then(|| retry_after(value, SystemTime::now())).flatten()
        };
        let failure = || Failure { text: text(), status: code.to_string(), pause: pause() };
        match own.unwrap_or_else(|| action_of(code)) {
            Action::Success => Outcome::Delivered,
            Action::Error => Outcome::Error(failure()),
            Action::NotConnected => Outcome::NotConnected(failure()),
            Action::Drop => Outcome::Rejected(Refusal {
                reason: text(),
                status: code.to_string(),
                is_asked_for: own.is_some(),
            }),
        }
    }
}

impl Worker for HttpWorker {
    fn send(&mut self, group: &Group) -> Sent {
        self.context.now = self.clock.now();
        let calls = HostCalls::open();
        let taken = self.make_body(group);
        let Some((first, numbers)) = group.messages().next() else {
            return Sent::one(0, 0, Outcome::Delivered);
        };
        self.context.sequence = numbers.sequence;
        let mut headers = self.make_headers(first);
        // Not while an answer is waited for.
        drop(calls);
        let settings = &self.http.settings;
        let mut body = &self.body;
        if let Some(coding) = settings.compression
            && coding.compress(&self.body, &mut self.packed).is_ok()
            && (settings.force_compression || self.packed.len() < self.body.len())
        {
            body = &self.packed;
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        let (mut tried, mut last, mut bytes) = (Vec::new(), None, 0);
        while let Some(target) = self.http.targets.choose(self.number, &tried, Instant::now()) {
            tried.push(target);
            let url = settings.urls[target].format(first, &self.context, &mut self.scratch);
            let outcome = match self.request(target, &url, &headers, body) {
                Ok(answer) => {
                    bytes += body.len() as u64;
                    self.judge(target, &url, &answer, taken)
                }
                Err(error) => {
                    let text = format!("`{}` cannot be asked: {error}", settings.urls[target].origin);
                    Outcome::NotConnected(Failure::new(text))
                }
            };
            let works = !matches!(outcome, Outcome::NotConnected(_));
            self.http.targets.note(target, works, Instant::now());
            last = Some(outcome);
            if works || self.http.is_over.load(Ordering::Acquire) {
                break;
            }
        }
        let outcome = last.unwrap_or_else(|| Outcome::NotConnected(Failure::new("there is no url")));
        Sent::one(taken, bytes, outcome)
    }
}

/// The headers of a request that has one message, with the templates of their values.
fn syslog_headers() -> Vec<(HeaderName, Template)> {
    let headers = [
        ("x-syslog-host", "$HOST"),
        ("x-syslog-program", "$PROGRAM"),
        ("x-syslog-facility", "$FACILITY"),
        ("x-syslog-level", "$LEVEL"),
    ];
    let compiled = headers.into_iter().map(|(name, value)| match Template::compile(value) {
        Ok(template) => (HeaderName::from_static(name), template),
        Err(error) => unreachable!("{error}"),
    });
    compiled.collect()
}

/// `text` as a header's value: without a line break or another control character, which would be a header or a
/// request of its own. Nothing for an empty one.
fn header_value(text: &[u8]) -> Option<HeaderValue> {
    let clean: Vec<u8> = text.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect();
    let clean = clean.trim_ascii();
    if clean.is_empty() { None } else { HeaderValue::from_bytes(clean).ok() }
}

/// Tells whether the far end has closed a connection.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// The url that `location` names, read where `url` is.
fn redirected(url: &Uri, location: &str) -> Option<Uri> {
    let to: Uri = if location.starts_with("//") {
        format!("{}:{location}", url.scheme_str()?).parse().ok()?
    } else if location.starts_with('/') {
        format!("{}://{}{location}", url.scheme_str()?, url.authority()?).parse().ok()?
    } else {
        location.parse().ok()?
    };
    // What is encrypted is not sent on in clear.
    let is_sound = match to.scheme_str() {
        Some("https") => true,
        Some("http") => url.scheme_str() == Some("http"),
        _ => false,
    };
    (is_sound && to.host().is_some()).then_some(to)
}
