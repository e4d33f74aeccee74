//! Datagrams that wait for the names of their senders, or for credit.

use std::net::IpAddr;
use std::sync::Arc;

use super::{DatagramReceiver, From, Kept};
use crate::source::network::sender::Sender;

/// The most datagrams, and bytes, that wait for the names of their senders.
const NAMELESS: usize = 1024;
const NAMELESS_BYTES: usize = 1 << 20;

impl DatagramReceiver {
    /// Keeps a datagram until the name of its sender is known. Too many of them do without a name.
    pub(super) fn keep(&mut self, datagram: Kept) {
        self.nameless_bytes += datagram.text.len();
        self.nameless.push_back(datagram);
        if self.nameless.len() > NAMELESS || self.nameless_bytes > NAMELESS_BYTES {
            self.name_all();
        }
    }

    /// The sender at `ip` is called `name`.
    pub(super) fn named(&mut self, ip: IpAddr, name: &Arc<str>) {
        let is_its =
            |kept: &Kept| matches!(kept.from, From::Inet(from, ..) if from.ip().to_canonical() == ip);
        for kept in std::mem::take(&mut self.nameless) {
            if is_its(&kept) {
                self.make_ready(kept, name);
            } else {
                self.nameless.push_back(kept);
            }
        }
    }

    /// Gives all that wait for a name their address for one.
    pub(super) fn name_all(&mut self) {
        self.asked.clear();
        for kept in std::mem::take(&mut self.nameless) {
            if let From::Inet(from, ..) = kept.from {
                let name = Arc::from(from.ip().to_canonical().to_string());
                self.make_ready(kept, &name);
            }
        }
    }

    fn make_ready(&mut self, kept: Kept, name: &Arc<str>) {
        self.nameless_bytes -= kept.text.len();
        if !self.known.contains_key(&kept.from) {
            self.remember(kept.from, Some(name), None);
        }
        self.ready.push_back(kept);
    }

    /// Posts what has waited for a name and has one, as far as there is credit.
    pub(super) fn post_ready(&mut self) {
        while let Some(kept) = self.ready.pop_front() {
            if self.views.is_admitted().is_err() {
                self.ready.push_front(kept);
                return self.stall();
            }
            let sender = match self.known.get(&kept.from) {
                Some(sender) => sender.clone(),
                // Forgotten since: its name is known still, or it has none.
                None => self.remember_again(kept.from),
            };
            self.post(&sender, &kept.text, kept.now);
        }
        self.views.finish();
    }

    fn remember_again(&mut self, from: From) -> Sender {
        let ip = match from {
            From::Inet(address, ..) => Some(address.ip().to_canonical()),
            From::Local(_) => None,
        };
        let name =
            ip.map(|ip| self.common.input.names.cached(ip).unwrap_or_else(|| Arc::from(ip.to_string())));
        self.remember(from, name.as_ref(), None)
    }
}
