//! The receiver of datagrams: [`DatagramReceiver`], the work of one thread.
//!
//! Datagrams are received many at a time (`recvmmsg(2)`), no more than there is credit for, with the time at
//! which the kernel got each, the address that it was sent to, and how many the kernel dropped. Without credit
//! nothing is received: then the kernel's buffer fills, and what does not fit is dropped there, and counted.
//!
//! A datagram is copied once, from the memory that it is received into: that is made for the longest datagram,
//! and a view would keep all of it (`docs/decisions/datagrams-are-copied.md`).

mod waiting;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::credentials::Process;
use super::naming::Naming;
use super::packets::{Packet, Packets};
use super::plan::Plan;
use super::poll::{Interest, Notification, Poll};
use super::seldom::Seldom;
use super::sender::{Sender, Senders, Values};
use super::source::Common;
use super::transport::Proxied;
use crate::flow::clock::WallClock;
use crate::message::{Endpoint, Endpoints, Stamp};
use crate::source::reader::{Decoder, Views};
use crate::transport::proxy::{self, Header};
use crate::transport::socket::Opened;

/// The number of the socket.
const SOCKET: u64 = 0;
/// The most datagrams of one turn.
const TURN: u32 = 64;
/// The most senders that are remembered, and for how long.
const SENDERS: usize = 1024;
const REMEMBERED: Duration = Duration::from_secs(30);

/// A socket that receives datagrams.
#[derive(Debug)]
pub(super) enum Socket {
    /// UDP.
    Udp(Opened<UdpSocket>),
    /// A unix socket.
    Unix(Opened<UnixDatagram>),
}

/// The sender of a datagram, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum From {
    /// An address, the one that it was sent to, and the proxy between them.
    Inet(SocketAddr, SocketAddr, Option<SocketAddr>),
    /// A process, where the kernel says which.
    Local(Option<Process>),
}

/// A datagram that was received and is not posted.
#[derive(Debug)]
struct Kept {
    from: From,
    text: Vec<u8>,
    now: Stamp,
}

/// Receives datagrams.
pub(super) struct DatagramReceiver {
    common: Common,
    plan: Arc<Plan>,
    /// The address of the socket.
    local: Option<SocketAddr>,
    /// `None` while it receives.
    packets: Option<Packets>,
    poll: Poll,
    views: Views,
    clock: WallClock,
    senders: Senders,
    naming: Naming,
    known: HashMap<From, Sender, RandomState>,
    forget_at: Instant,
    /// The senders whose names are looked up, by the numbers under which they are told.
    asked: HashMap<u64, IpAddr, RandomState>,
    next_number: u64,
    /// Datagrams that wait for the names of their senders.
    nameless: VecDeque<Kept>,
    nameless_bytes: usize,
    /// Those whose senders have names, before all that come later.
    ready: VecDeque<Kept>,
    decoder: Option<Decoder>,
    decoded: Vec<u8>,
    is_stalled: bool,
    said: Seldom,
}

impl DatagramReceiver {
    /// A receiver of what comes to `socket`.
    ///
    /// # Errors
    /// The system has no room for it.
    pub(super) fn new(common: &Common, plan: &Arc<Plan>, socket: Socket, poll: Poll) -> io::Result<Self> {
        let local = match &socket {
            Socket::Udp(udp) => Some(udp.socket.local_addr()?),
            Socket::Unix(_) => None,
        };
        let packets = Packets::new(socket, TURN as usize, plan.reading.max_len)?;
        poll.add(packets.socket(), SOCKET, Interest::Read)?;
        let mut clock = WallClock::new();
        let input = &common.input;
        let views = Views::new(input.producer(), Arc::clone(&plan.reading.posting), clock.now());
        let naming = Naming::new(&input.names, poll.waker());
        Ok(Self {
            common: common.clone(),
            plan: Arc::clone(plan),
            local,
            packets: Some(packets),
            poll,
            views,
            clock,
            senders: Senders::new(input, plan),
            naming,
            known: HashMap::default(),
            forget_at: Instant::now() + REMEMBERED,
            asked: HashMap::default(),
            next_number: 0,
            nameless: VecDeque::new(),
            nameless_bytes: 0,
            ready: VecDeque::new(),
            decoder: plan.reading.decoder(),
            decoded: Vec::new(),
            is_stalled: false,
            said: Seldom::default(),
        })
    }

    /// Receives until the source is asked to end.
    pub(super) fn run(&mut self) {
        let mut ready = Vec::new();
        while !self.common.exit.is_requested() {
            if self.is_stalled {
                self.poll.wait_for_one(None::<&UdpSocket>, None);
            } else {
                self.poll.wait(None, &mut ready);
            }
            if self.is_stalled && self.common.input.lane.credit().is_available() {
                self.is_stalled = false;
            }
            self.hear();
            if !self.is_stalled {
                self.post_ready();
            }
            if !self.is_stalled {
                self.receive();
            }
        }
        // What has no name yet has its address.
        self.name_all();
        self.post_ready();
        if !self.ready.is_empty() {
            let what = format!("{} datagrams had no credit, and are lost", self.ready.len());
            self.common.log.error(&format!("{}: {what}", self.common.name));
        }
    }

    /// Hears the names of senders.
    fn hear(&mut self) {
        while let Some(news) = self.poll.waker().notification() {
            if let Notification::Named(number, name) = news
                && let Some(ip) = self.asked.remove(&number)
            {
                self.named(ip, &name);
            }
        }
    }

    /// Receives and posts as many datagrams as there are, up to a turn's worth and the credit.
    fn receive(&mut self) {
        let now = Instant::now();
        if now >= self.forget_at {
            // Names change, and so do the processes of a number.
            self.known.clear();
            self.forget_at = now + if self.local.is_some() { REMEMBERED } else { Duration::from_secs(1) };
        }
        let Ok(most) = self.views.admitted(TURN) else { return self.stall() };
        let Some(mut packets) = self.packets.take() else { return };
        let dropped = match packets.receive(most as usize, |packet| self.take(&packet)) {
            Ok(dropped) => dropped,
            Err(error) => {
                self.common.counters.count_failed();
                if let Some(others) = self.said.say() {
                    self.common.log.error(&format!("{}: receiving: {error}{others}", self.common.name));
                }
                0
            }
        };
        self.packets = Some(packets);
        if let Some(decoder) = &mut self.decoder
            && decoder.take_invalid() > 0
            && let Some(others) = self.said.say()
        {
            let what = format!("bytes are no character of encoding(): they are left out{others}");
            self.common.log.warning(&format!("{}: {what}", self.common.name));
        }
        if dropped > 0 {
            self.common.counters.count_dropped(dropped);
            if let Some(others) = self.said.say() {
                let what = format!("the kernel dropped {dropped} datagrams: its buffer was full{others}");
                self.common.log.warning(&format!("{}: {what}", self.common.name));
            }
        }
        self.views.finish();
    }

    fn stall(&mut self) {
        self.is_stalled = true;
        self.views.before_wait();
        self.common.input.lane.credit().suspend();
    }

    /// Takes a datagram in.
    fn take(&mut self, packet: &Packet<'_>) {
        self.common.counters.count_bytes(packet.bytes.len());
        let from = match (packet.from, self.local) {
            (Some(from), Some(local)) => {
                let dest = SocketAddr::new(packet.dest.unwrap_or(local.ip()), local.port());
                From::Inet(from, dest, None)
            }
            _ => From::Local(packet.process),
        };
        if packet.is_cut {
            self.common.counters.count_cut();
            if let Some(others) = self.said.say() {
                let most = self.plan.reading.max_len;
                let what = format!("a datagram is longer than log-msg-size({most}), and is cut{others}");
                self.common.log.warning(&format!("{}: {what}", self.common.name));
            }
        }
        let (from, bytes) = match self.behind_proxy(from, packet.bytes) {
            Ok(known) => known,
            Err(why) => {
                self.common.counters.count_failed();
                if let Some(others) = self.said.say() {
                    self.common
                        .log
                        .error(&format!("{}: a datagram is refused: {why}{others}", self.common.name));
                }
                return;
            }
        };
        let text = trimmed(bytes);
        if text.is_empty() {
            return;
        }
        let now = match packet.received {
            None => self.clock.now(),
            Some(micros) => Stamp { unix_micros: micros, offset_seconds: self.clock.local_offset(micros) },
        };
        let sender = self.known.get(&from).cloned().or_else(|| self.sender(from));
        match sender {
            Some(sender) if self.ready.is_empty() => self.post(&sender, text, now),
            Some(_) => self.ready.push_back(Kept { from, text: text.to_vec(), now }),
            None => self.keep(Kept { from, text: text.to_vec(), now }),
        }
    }

    /// The sender that the header of a proxy names, and the bytes behind it.
    fn behind_proxy<'p>(&self, from: From, bytes: &'p [u8]) -> Result<(From, &'p [u8]), String> {
        let From::Inet(proxy, dest, _) = from else { return Ok((from, bytes)) };
        let Plan { transport, proxy_from, .. } = &*self.plan;
        if proxy_from.as_ref().is_some_and(|nets| !nets.have(proxy.ip())) {
            return Err(format!("{proxy} is none of proxy-from()"));
        }
        if transport.proxied == Proxied::No {
            return Ok((from, bytes));
        }
        match proxy::read_datagram(bytes) {
            Ok((Header::Proxied { source, destination }, consumed)) => {
                Ok((From::Inet(source, destination, Some(proxy)), &bytes[consumed..]))
            }
            Ok((Header::Local, consumed)) => Ok((From::Inet(proxy, dest, None), &bytes[consumed..])),
            Err(bad) => Err(format!("PROXY protocol of {proxy}: {bad}")),
        }
    }

    /// The sender at `from`; `None` while its name is looked up.
    fn sender(&mut self, from: From) -> Option<Sender> {
        let ip = match from {
            From::Local(process) => return Some(self.remember(from, None, process)),
            From::Inet(address, ..) => address.ip().to_canonical(),
        };
        if self.asked.values().any(|asked| *asked == ip) {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        let Some(name) = self.naming.ask(number, ip) else {
            self.asked.insert(number, ip);
            return None;
        };
        Some(self.remember(from, Some(&name), None))
    }

    fn remember(&mut self, from: From, name: Option<&Arc<str>>, process: Option<Process>) -> Sender {
        let endpoints = match from {
            From::Inet(source, dest, peer) => {
                let (dest, peer) = (Endpoint::from(dest), peer.map(Endpoint::from));
                Some(Endpoints { source: source.into(), dest, peer, protocol: 17 })
            }
            From::Local(_) => None,
        };
        let values = process.map_or_else(Values::new, Process::values);
        let sender = self.senders.sender(name, endpoints, values);
        if self.known.len() >= SENDERS {
            self.known.clear();
        }
        self.known.insert(from, sender.clone());
        sender
    }

    /// Posts a datagram, for which there is credit.
    fn post(&mut self, sender: &Sender, text: &[u8], now: Stamp) {
        if !self.views.is_at(&sender.origin) {
            self.views.send();
            self.views.turn_to(&sender.origin, &sender.posting, None);
        }
        // It was looked at before the datagram was taken.
        if self.views.admit().is_err() {
            return;
        }
        match &mut self.decoder {
            None => self.views.copy(text, now),
            Some(decoder) => {
                self.decoded.clear();
                decoder.decode(text, true, &mut self.decoded);
                self.views.copy(&self.decoded, now);
            }
        }
    }
}

/// `datagram` without line feeds and NULs at its end.
fn trimmed(datagram: &[u8]) -> &[u8] {
    let off = datagram.iter().rev().take_while(|byte| matches!(byte, b'\n' | 0)).count();
    &datagram[..datagram.len() - off]
}
