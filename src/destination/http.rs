//! `http()`: messages as requests of HTTP/1.1, one or many in each.
//!
//! ```text
//!  group ─► body-prefix body delimiter body … body-suffix ─► compressed? ─► POST url, one of them
//!                                                                              │
//!     delivered ◄─ 2xx ── status, or response-action() ◄── answer ◄────────────┘
//!     error, not connected, refused: the exchange's business
//! ```
//!
//! * `options`: what a configuration says; `url`: templates of which only path and query may have macros, with
//!   values percent-encoded;
//! * `request`: the worker, which makes bodies and headers and asks one target after the other; `client`: its
//!   connections, over TCP, a proxy or a unix socket; `targets`: which of several urls is asked;
//! * `tls`: `https://`, with the certificates that are there when it connects;
//! * `status`: what an answer's status means; `answer`: services that refuse single messages in an answer that
//!   says 200, or say in its body which they refuse;
//! * `compression`: of bodies and answers.
//!
//! Nothing of what a message says can change where it goes or what a request looks like: values in urls are
//! encoded, and control characters in headers become blanks. A body is sent by its length, whatever is in it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

mod answer;
mod client;
mod compression;
mod header;
mod options;
mod request;
mod status;
mod targets;
mod tls;
mod url;

pub(crate) use options::HttpOptions;

use super::exchange::{Exchange, Worker};
use super::{Report, Severity, Site};
use options::HttpSettings;
use request::HttpWorker;
use targets::Targets;

use crate::transport::tls::ClientTls;

/// Reads the answer `code` with `body`, which is in the content coding `coding`, as each reader of answers does:
/// for each the number of messages of a request of `messages` that got an outcome of their own, where it gave
/// them one. For the fuzz target of answers.
pub fn read_answer(code: u16, coding: Option<&str>, body: &[u8], messages: usize) -> Vec<usize> {
    const MOST: usize = 1 << 16;
    let Ok(text) = compression::read_decoded(body, coding, MOST) else { return Vec::new() };
    debug_assert!(text.len() <= MOST, "an answer has no bound");
    answer::own_outcomes(code, &text, messages)
}

/// The part of `http()` that its workers share.
struct Http {
    settings: HttpSettings,
    targets: Targets,
    /// What `https://` trusts; the sentences are warnings of it.
    tls: Option<(Arc<ClientTls>, Vec<String>)>,
    /// The clients of all workers, to be interrupted.
    agents: Mutex<Vec<ureq::Agent>>,
    is_over: AtomicBool,
    is_told: AtomicBool,
}

impl Http {
    fn new(settings: HttpSettings, tls: Option<(Arc<ClientTls>, Vec<String>)>) -> Self {
        Self {
            targets: Targets::new(settings.urls.len(), settings.time_reopen),
            settings,
            tls,
            agents: Mutex::default(),
            is_over: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
        }
    }

    fn agents(&self) -> std::sync::MutexGuard<'_, Vec<ureq::Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells once by which proxy requests go, and what is doubtful about certificates.
    fn tell(&self, site: &Site) {
        if self.is_told.swap(true, Ordering::Relaxed) {
            return;
        }
        for text in self.tls.iter().flat_map(|(_, warnings)| warnings) {
            (site.report)(Report { severity: Severity::Warning, text: text.clone() });
        }
        for (target, proxy) in self.settings.urls.iter().filter_map(|url| Some((url, url.proxy.as_ref()?))) {
            let text = format!("requests to `{}` go through the proxy {}", target.shown(), proxy.shown());
            (site.report)(Report { severity: Severity::Notice, text });
        }
    }
}

impl Exchange for Http {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn worker(self: Arc<Self>, number: usize, site: &Site) -> Box<dyn Worker> {
        self.tell(site);
        Box::new(HttpWorker::new(self, number))
    }

    fn reload(&self, site: &Site) {
        let Some((tls, _)) = &self.tls else { return };
        match tls.reload() {
            Ok((_, warnings)) => {
                for text in warnings {
                    (site.report)(Report { severity: Severity::Warning, text });
                }
            }
            Err(text) => (site.report)(Report { severity: Severity::Error, text }),
        }
    }

    fn interrupt(&self) {
        self.is_over.store(true, Ordering::Release);
        for agent in self.agents().drain(..) {
            agent.shutdown();
        }
    }
}

/// The state of its targets is no part of what makes a destination the same after a reload.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
