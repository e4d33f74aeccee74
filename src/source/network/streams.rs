//! The receiver of connections: [`StreamReceiver`], the work of one thread.
//!
//! It serves a listener and all of its connections. Each connection that has something gets a turn, which is one
//! read, and then the next one; so a peer that floods takes no more than its turns. Two things suspend reading:
//!
//! * a connection that has its share of the window in flight is not waited for until half of it is back;
//! * without credit nothing is read but the listener. Those that have frames left go first when there is credit.
//!
//! A peer that is not read fills the kernel's buffers, and then it blocks.

mod admission;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::connection::Connection;
use super::naming::Naming;
use super::opening::{self, Opening};
use super::plan::Plan;
use super::poll::{Interest, Notification, Poll};
use super::room::ReadRoom;
use super::seldom::Seldom;
use super::sender::{Sender, Senders, Values};
use super::source::Common;
use super::turn::{Notice, Tools, Turn};
use crate::flow::clock::WallClock;
use crate::flow::unshared::Unshared;
use crate::message::Endpoints;
use crate::source::reader::{NotAdmitted, Views};
use crate::transport::socket::Opened;

/// The number of the listener among the sockets.
const LISTENER: u64 = 0;
/// The time between looks at connections that have been silent for long.
const LOOK: Duration = Duration::from_millis(250);
/// The time that frames without credit may take at the end.
const LAST_CREDIT: Duration = Duration::from_secs(1);

/// What listens.
#[derive(Debug)]
pub(super) enum Listener {
    /// TCP.
    Tcp(Opened<TcpListener>),
    /// A unix socket.
    Unix(Opened<UnixListener>),
}

impl AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.socket.as_fd(),
            Self::Unix(listener) => listener.socket.as_fd(),
        }
    }
}

/// A connection with what is known of its peer.
#[derive(Debug)]
struct Peer {
    connection: Connection,
    /// The address at the other end, that of a proxy where there is one.
    ip: Option<IpAddr>,
    /// The peer in the log.
    text: String,
    /// The ends of the connection, until the sender is known.
    endpoints: Option<Endpoints>,
    values: Values,
    /// The sender; `None` while its name is looked up.
    sender: Option<Sender>,
    /// What comes before its messages.
    opening: Option<Opening>,
    /// Keeps its socket from the forks of the process.
    _unshared: Unshared,
}

/// Receives from connections.
pub(super) struct StreamReceiver {
    common: Common,
    plan: Arc<Plan>,
    listener: Listener,
    poll: Poll,
    peers: HashMap<u64, Peer, RandomState>,
    next_number: u64,
    /// The connections that have frames without credit, or may be read again.
    due: VecDeque<u64>,
    /// There is no credit.
    is_stalled: bool,
    /// Nothing is accepted before.
    accept_at: Option<Instant>,
    /// The number of connections before their messages.
    openings: usize,
    /// The next look at silent connections.
    look_at: Instant,
    views: Views,
    room: ReadRoom,
    clock: WallClock,
    senders: Senders,
    naming: Naming,
    rejections: Seldom,
}

impl StreamReceiver {
    /// A receiver for the connections of `listener`.
    ///
    /// # Errors
    /// The system has no room for its sockets.
    pub(super) fn new(common: &Common, plan: &Arc<Plan>, listener: Listener, poll: Poll) -> io::Result<Self> {
        poll.add(&listener, LISTENER, Interest::Read)?;
        let mut clock = WallClock::new();
        let input = &common.input;
        let views = Views::new(input.producer(), Arc::clone(&plan.reading.posting), clock.now());
        let naming = Naming::new(&input.names, poll.waker());
        Ok(Self {
            common: common.clone(),
            plan: Arc::clone(plan),
            listener,
            poll,
            peers: HashMap::default(),
            next_number: LISTENER + 1,
            due: VecDeque::new(),
            is_stalled: false,
            accept_at: None,
            openings: 0,
            look_at: Instant::now(),
            views,
            room: ReadRoom::new(input.lane.pool(), input.lane.credit()),
            clock,
            senders: Senders::new(input, plan),
            naming,
            rejections: Seldom::default(),
        })
    }

    /// Receives until the source is asked to end.
    pub(super) fn run(&mut self) {
        let mut ready = Vec::new();
        while !self.common.exit.is_requested() {
            self.wait(&mut ready);
            self.hear();
            self.serve_due();
            for number in ready.drain(..) {
                if number == LISTENER {
                    self.accept();
                } else if !self.is_stalled {
                    self.serve(number);
                }
            }
            self.look();
        }
        self.end();
    }

    /// Waits for something to do.
    fn wait(&mut self, ready: &mut Vec<u64>) {
        let now = Instant::now();
        let looks = (self.plan.idle_timeout.is_some() && !self.peers.is_empty()) || self.openings > 0;
        let look = (looks && !self.is_stalled).then_some(self.look_at);
        let until = look.into_iter().chain(self.accept_at).min();
        let timeout = until.map(|until| until.saturating_duration_since(now));
        if self.is_stalled {
            ready.clear();
            let listener = self.accept_at.is_none().then_some(&self.listener);
            if self.poll.wait_for_one(listener, timeout) {
                ready.push(LISTENER);
            }
        } else {
            let timeout = if self.due.is_empty() { timeout } else { Some(Duration::ZERO) };
            self.poll.wait(timeout, ready);
        }
        if self.accept_at.is_some_and(|at| at <= Instant::now()) {
            self.accept_at = None;
            // It was there before; without room for it the next pause follows.
            let _ = self.poll.add(&self.listener, LISTENER, Interest::Read);
        }
    }

    /// Hears what other threads say.
    fn hear(&mut self) {
        while let Some(news) = self.poll.waker().notification() {
            match news {
                Notification::ShareIsFree(number) => {
                    if let Some(peer) = self.peers.get_mut(&number)
                        && peer.connection.is_suspended
                    {
                        peer.connection.is_suspended = false;
                        self.due.push_back(number);
                    }
                }
                Notification::Named(number, name) => {
                    if let Some(peer) = self.peers.get_mut(&number) {
                        let (endpoints, values) = (peer.endpoints.take(), std::mem::take(&mut peer.values));
                        peer.sender = Some(self.senders.sender(Some(&name), endpoints, values));
                        self.due.push_back(number);
                    }
                }
            }
        }
        if self.is_stalled && self.common.input.lane.credit().is_available() {
            self.is_stalled = false;
            // What was not read because of us was not silent.
            let now = Instant::now();
            for peer in self.peers.values_mut() {
                peer.connection.last_input = now;
                if let Some(opening) = &mut peer.opening {
                    opening.deadline = now + opening::LIMIT;
                }
            }
        }
    }

    /// Gives those a turn that have waited, and has them waited for again.
    fn serve_due(&mut self) {
        for _ in 0..self.due.len() {
            if self.is_stalled {
                return;
            }
            let Some(number) = self.due.pop_front() else { return };
            let Some(peer) = self.peers.get(&number) else { continue };
            if !peer.connection.is_waited_for {
                if let Err(error) = self.poll.add(peer.connection.socket(), number, Interest::Read) {
                    self.close(number, &format!("it cannot be waited for: {error}"), true);
                    continue;
                }
                if let Some(peer) = self.peers.get_mut(&number) {
                    peer.connection.is_waited_for = true;
                }
            }
            self.serve(number);
        }
    }

    /// Gives the connection with this number its turn.
    fn serve(&mut self, number: u64) {
        let open = self.peers.len();
        let Some(peer) = self.peers.get_mut(&number) else { return };
        if peer.opening.is_some() {
            return self.open(number);
        }
        let Some(sender) = &peer.sender else { return };
        let now = self.clock.now();
        self.views.begin(now);
        let limit = self.plan.share(open);
        self.views.turn_to(&sender.origin, &sender.posting, Some((&peer.connection.share, limit)));
        let (log, name, text, max) =
            (&self.common.log, &self.common.name, &peer.text, self.plan.reading.max_len);
        let mut say = |notice| {
            let what = match notice {
                Notice::Cut => format!("a message is longer than log-msg-size({max}): it is cut"),
                Notice::Invalid => "bytes are no character of encoding(): they are left out".to_owned(),
            };
            log.warning(&format!("{name}: connection of {text}: {what}, as later ones will be"));
        };
        let mut tools = Tools {
            views: &mut self.views,
            room: &mut self.room,
            counters: &self.common.counters,
            now,
            say: &mut say,
        };
        match peer.connection.take_turn(&mut tools) {
            // Closed: the source is about to end.
            Turn::Goes | Turn::Waits(NotAdmitted::Closed) => {}
            Turn::HasMore => self.due.push_back(number),
            Turn::Waits(NotAdmitted::ShareIsFull) => {
                self.poll.remove(peer.connection.socket());
                (peer.connection.is_suspended, peer.connection.is_waited_for) = (true, false);
                peer.connection.share.wait(limit / 2);
            }
            Turn::Waits(NotAdmitted::NoCredit) => {
                self.due.push_back(number);
                self.is_stalled = true;
                self.views.before_wait();
                self.common.input.lane.credit().suspend();
            }
            Turn::Ended { cut_off: 0 } => self.close(number, "closed by its peer", false),
            Turn::Ended { cut_off } => {
                let why = format!(
                    "closed by its peer in the middle of a frame, of which {cut_off} bytes are dropped"
                );
                self.close(number, &why, true);
            }
            Turn::Failed(failure) => {
                self.common.counters.count_failed();
                self.close(number, &failure.to_string(), true);
            }
        }
    }

    fn close(&mut self, number: u64, why: &str, is_error: bool) {
        let Some(mut peer) = self.peers.remove(&number) else { return };
        peer.connection.say_goodbye();
        self.openings -= usize::from(peer.opening.is_some());
        if peer.connection.is_waited_for {
            self.poll.remove(peer.connection.socket());
        }
        self.common.counters.set_connections(self.peers.len());
        let text = format!("{}: connection of {}: {why}", self.common.name, peer.text);
        if is_error { self.common.log.error(&text) } else { self.common.log.info(&text) }
    }

    /// Closes connections that have been silent for too long.
    fn look(&mut self) {
        let now = Instant::now();
        if self.is_stalled || now < self.look_at {
            return;
        }
        self.look_at = now + LOOK;
        if self.openings > 0 {
            let is_late = |peer: &Peer| peer.opening.as_ref().is_some_and(|opening| opening.deadline <= now);
            for number in self.numbers(is_late) {
                self.common.counters.count_failed();
                let why = format!(
                    "it took longer than {} s for TLS or the header of a proxy",
                    opening::LIMIT.as_secs()
                );
                self.close(number, &why, true);
            }
        }
        let Some(timeout) = self.plan.idle_timeout else { return };
        self.look_at = now + LOOK.min(timeout);
        let is_silent = |peer: &Peer| {
            let connection = &peer.connection;
            peer.sender.is_some()
                && !connection.is_suspended
                && !connection.has_left()
                && now.duration_since(connection.last_input) >= timeout
        };
        for number in self.numbers(is_silent) {
            let why = format!("closed: nothing came for idle-timeout({})", timeout.as_secs_f64());
            self.finish(number, Instant::now());
            self.close(number, &why, false);
        }
    }

    /// The connections that `is_meant` gives true for.
    fn numbers(&self, is_meant: impl Fn(&Peer) -> bool) -> Vec<u64> {
        self.peers.iter().filter(|(_, peer)| is_meant(peer)).map(|(number, _)| *number).collect()
    }

    /// Posts what is left of a connection that is about to be closed here.
    fn finish(&mut self, number: u64, deadline: Instant) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let Some(sender) = &peer.sender else { return };
        let now = self.clock.now();
        self.views.begin(now);
        loop {
            self.views.turn_to(&sender.origin, &sender.posting, Some((&peer.connection.share, u32::MAX)));
            let mut tools = Tools {
                views: &mut self.views,
                room: &mut self.room,
                counters: &self.common.counters,
                now,
                say: &mut |_| (),
            };
            let lost = peer.connection.give_up(&mut tools);
            if lost == 0 {
                return;
            }
            self.views.before_wait();
            let credit = self.common.input.lane.credit();
            if self.common.input.lane.is_closed() || Instant::now() >= deadline {
                let what = format!("{lost} bytes of {} had no credit, and are lost", peer.text);
                return self.common.log.error(&format!("{}: {what}", self.common.name));
            }
            credit.wait(Some(deadline));
        }
    }

    /// Closes all connections.
    fn end(&mut self) {
        let deadline = Instant::now() + LAST_CREDIT;
        let numbers: Vec<u64> = self.peers.keys().copied().collect();
        for number in numbers {
            self.finish(number, deadline);
            if let Some(mut peer) = self.peers.remove(&number) {
                peer.connection.say_goodbye();
            }
        }
        self.common.counters.set_connections(0);
        self.room.retire();
    }
}
