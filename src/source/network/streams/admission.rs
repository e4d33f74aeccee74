//! New connections: which are taken in, and what comes before their messages.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Listener, Peer, StreamReceiver};
use crate::flow::Share;
use crate::flow::unshared::Unshared;
use crate::message::{Endpoint, Endpoints};
use crate::source::network::connection::Connection;
use crate::source::network::credentials::Process;
use crate::source::network::opening::{self, Opened, Opening};
use crate::source::network::poll::Notification;
use crate::source::network::sender::Values;
use crate::source::network::stream::Stream;
use crate::transport::socket::accepted;

/// The most connections that are accepted at a wake-up.
const ACCEPTS: usize = 30;
/// The pause of accepting when the system has no descriptor.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);

impl StreamReceiver {
    /// Goes on with what comes before the messages of a connection.
    pub(super) fn open(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let Some(opening) = &mut peer.opening else { return };
        let connection = &mut peer.connection;
        let tls = self.plan.tls.as_deref();
        match opening.go_on(connection.socket_mut(), tls, &mut peer.endpoints) {
            Ok(Opened::Waits(interest)) => self.poll.change(connection.socket(), number, interest),
            Ok(Opened::Done(read)) => {
                self.poll.remove(connection.socket());
                connection.is_waited_for = false;
                connection.begin_with(&read, &mut self.room);
                connection.last_input = Instant::now();
                if let Stream::Tls(tls) = connection.socket()
                    && let Some(facts) = tls.peer()
                {
                    peer.values.extend(opening::values(facts));
                }
                peer.opening = None;
                self.openings -= 1;
                self.name(number);
            }
            Err(error) => {
                self.common.counters.count_failed();
                self.close(number, &error.to_string(), true);
            }
        }
    }

    /// Gives the connection with this number its sender, or has its name looked up.
    fn name(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let ip = peer.endpoints.as_ref().and_then(|ends| ends.source.ip.parse::<IpAddr>().ok());
        let name = match ip.map(|ip| self.naming.ask(number, ip)) {
            // It comes as a notification.
            Some(None) => return,
            Some(name) => name,
            None => None,
        };
        let (endpoints, values) = (peer.endpoints.take(), std::mem::take(&mut peer.values));
        peer.sender = Some(self.senders.sender(name.as_ref(), endpoints, values));
        self.due.push_back(number);
    }

    /// Accepts those that wait, not too many at a time.
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            let accepted = match &self.listener {
                Listener::Tcp(listener) => {
                    listener.socket.accept().map(|(stream, from)| (Stream::Tcp(Arc::new(stream)), Some(from)))
                }
                Listener::Unix(listener) => {
                    listener.socket.accept().map(|(stream, _)| (Stream::Unix(stream), None))
                }
            };
            match accepted {
                Ok((stream, from)) => self.admit(stream, from),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => {
                    self.poll.remove(&self.listener);
                    self.accept_at = Some(Instant::now() + NO_DESCRIPTOR);
                    if let Some(others) = self.rejections.say() {
                        let what = format!("no connection can be accepted: {error}{others}");
                        self.common.log.error(&format!("{}: {what}", self.common.name));
                    }
                    return;
                }
            }
        }
    }

    /// Takes a connection in, unless there are too many.
    fn admit(&mut self, stream: Stream, from: Option<SocketAddr>) {
        let text = from.map_or_else(|| "a local program".to_owned(), |from| from.to_string());
        let most = self.plan.max_connections;
        if self.peers.len() >= most as usize {
            return self.reject(&text, &format!("max-connections({most}) are open"));
        }
        if let Some(most) = self.plan.max_connections_per_ip
            && let Some(ip) = from.map(|from| from.ip().to_canonical())
            && self.peers.values().filter(|peer| peer.ip == Some(ip)).count() >= most as usize
        {
            let why = format!("max-connections-per-ip({most}) are open from there");
            return self.reject(&text, &why);
        }
        if let Some(from) = from
            && self.plan.proxy_from.as_ref().is_some_and(|nets| !nets.have(from.ip()))
        {
            return self.reject(&text, "it is none of proxy-from()");
        }
        if let Err(error) = self.take_in(stream, from, &text) {
            self.common.counters.count_failed();
            self.common
                .log
                .error(&format!("{}: the connection of {text} cannot be used: {error}", self.common.name));
        }
    }

    /// Counts a connection that is not taken in, and says why.
    fn reject(&mut self, peer: &str, why: &str) {
        self.common.counters.count_rejected();
        if let Some(others) = self.rejections.say() {
            let what = format!("the connection of {peer} is rejected: {why}{others}");
            self.common.log.error(&format!("{}: {what}", self.common.name));
        }
    }

    fn take_in(&mut self, stream: Stream, from: Option<SocketAddr>, text: &str) -> io::Result<()> {
        let number = self.next_number;
        self.next_number += 1;
        let (endpoints, values) = match (&stream, from) {
            (Stream::Tcp(stream), Some(from)) => {
                accepted(stream, &self.plan.socket)?;
                let dest = Endpoint::from(stream.local_addr()?);
                (Some(Endpoints { source: from.into(), dest, peer: None, protocol: 6 }), Values::new())
            }
            (Stream::Unix(stream), _) => {
                stream.set_nonblocking(true)?;
                let process = self.plan.socket.so_passcred.then(|| Process::of_peer(stream)).flatten();
                (None, process.map_or_else(Values::new, Process::values))
            }
            _ => (None, Values::new()),
        };
        let waker = Arc::clone(self.poll.waker());
        let share = Arc::new(Share::new(Box::new(move || waker.tell(Notification::ShareIsFree(number)))));
        let Some(framing) = self.plan.transport.framing else { return Ok(()) };
        let connection = Connection::new(stream, framing, &self.plan.reading, share);
        let opening = Opening::new(self.plan.transport, self.plan.tls.is_some());
        let is_opening = opening.is_some();
        let unshared = Unshared::new(connection.socket());
        let peer = Peer {
            _unshared: unshared,
            connection,
            ip: from.map(|from| from.ip().to_canonical()),
            text: text.to_owned(),
            endpoints,
            values,
            sender: None,
            opening,
        };
        self.peers.insert(number, peer);
        self.common.counters.count_accepted();
        self.common.counters.set_connections(self.peers.len());
        self.common.log.info(&format!("{}: connection of {text} accepted", self.common.name));
        if is_opening {
            self.openings += 1;
            self.due.push_back(number);
        } else {
            self.name(number);
        }
        Ok(())
    }
}
