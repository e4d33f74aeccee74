//! The life of a source of sockets: [`NetworkSource`].
//!
//! `init` opens the sockets, so that an address that is taken refuses the configuration; `start` gives each a
//! thread. A source that is the same after a reload goes on with its connections, unless `keep-alive(no)`.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::datagrams::{DatagramReceiver, Socket};
use super::plan::{At, Plan};
use super::poll::{Poll, Waker};
use super::streams::{Listener, StreamReceiver};
use crate::config::{Config, Diagnostic, GlobalOptions};
use crate::fault::panic_text;
use crate::flow::Exit;
use crate::source::{EngineLog, Input, NotStarted, SocketCounters, Source, Start};
use crate::transport::socket::{
    Opened, SocketError, listen_stream, listen_tcp, passed_datagrams, receive_datagrams, receive_udp,
};

/// The sockets that systemd makes for whoever takes the log of this machine.
const PASSED: [&str; 2] = ["/dev/log", "/run/systemd/journal/syslog"];

/// The time that its threads may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What all receivers of a source have.
#[derive(Clone)]
pub(super) struct Common {
    pub input: Input,
    pub log: Arc<dyn EngineLog>,
    /// `source ID`
    pub name: Arc<str>,
    pub exit: Arc<Exit>,
    pub counters: Arc<SocketCounters>,
}

/// A socket that is open, with what waits for it.
enum Open {
    Stream(Listener, Poll),
    Datagrams(Socket, Poll),
}

/// A source of sockets.
pub(in crate::source) struct NetworkSource {
    common: Common,
    plan: Arc<Plan>,
    open: Vec<Open>,
    wakers: Vec<Arc<Waker>>,
    /// The threads that have not ended.
    running: Arc<AtomicUsize>,
}

impl NetworkSource {
    /// The source `input`, which is to do what `plan` says.
    pub(super) fn new(input: &Input, log: &Arc<dyn EngineLog>, plan: Plan) -> Self {
        let connections = if plan.transport.framing.is_some() { plan.max_connections } else { 0 };
        let counters = Arc::new(SocketCounters::new(connections));
        input.status.set_sockets(&counters);
        let common = Common {
            input: input.clone(),
            log: Arc::clone(log),
            name: Arc::from(format!("source {}", input.driver.id)),
            exit: Arc::default(),
            counters,
        };
        Self { common, plan: Arc::new(plan), open: Vec::new(), wakers: Vec::new(), running: Arc::default() }
    }

    fn open_one(&self, poll: Poll) -> Result<Open, SocketError> {
        let Plan { at, socket, listen_backlog, transport, .. } = &*self.plan;
        Ok(match (at, transport.framing.is_some()) {
            (At::Inet(at), true) => {
                let opened = self.said(listen_tcp(*at, socket, *listen_backlog)?);
                if let Ok(real) = opened.socket.local_addr() {
                    self.say_port(at.port(), real.port());
                }
                Open::Stream(Listener::Tcp(opened), poll)
            }
            (At::Inet(at), false) => {
                let mut options = socket.clone();
                options.so_reuseport |= self.plan.receivers > 1;
                let opened = self.said(receive_udp(*at, &options)?);
                if let Ok(real) = opened.socket.local_addr() {
                    self.say_port(at.port(), real.port());
                }
                Open::Datagrams(Socket::Udp(opened), poll)
            }
            (At::Passed, _) => {
                Open::Datagrams(Socket::Unix(self.said(passed_datagrams(None, socket)?)), poll)
            }
            (At::Unix(path, file), true) => {
                let opened = self.said(listen_stream(path.as_bytes(), file, socket, *listen_backlog)?);
                Open::Stream(Listener::Unix(opened), poll)
            }
            (At::Unix(path, file), false) => {
                let opened = match self.passed_at(path) {
                    Some(opened) => opened,
                    None => self.said(receive_datagrams(path.as_bytes(), file, socket)?),
                };
                Open::Datagrams(Socket::Unix(opened), poll)
            }
        })
    }

    /// The socket at `path` that the manager of services has passed, where it is one that is passed.
    fn passed_at(&self, path: &str) -> Option<Opened<UnixDatagram>> {
        if !PASSED.contains(&path) {
            return None;
        }
        let opened = passed_datagrams(Some(path.as_bytes()), &self.plan.socket).ok()?;
        self.common.log.info(&format!("{}: {path} is the socket that was passed", self.common.name));
        Some(self.said(opened))
    }

    /// Says what is not as it was asked for.
    fn said<S>(&self, opened: Opened<S>) -> Opened<S> {
        for warning in &opened.warnings {
            self.common.log.warning(&format!("{}: {warning}", self.common.name));
        }
        opened
    }

    /// Says which port the kernel has chosen.
    fn say_port(&self, asked: u16, real: u16) {
        if asked == 0 {
            let what = format!("port(0): the kernel has chosen port {real}");
            self.common.log.warning(&format!("{}: {what}", self.common.name));
        }
    }
}

impl Source for NetworkSource {
    fn name(&self) -> String {
        self.common.name.to_string()
    }

    /// False of one whose connections end at a reload.
    fn goes_on_under(&self, _: &GlobalOptions, _: &GlobalOptions) -> bool {
        self.plan.keep_alive || self.plan.transport.framing.is_none()
    }

    fn init(&mut self, config: &Config) -> Result<(), Diagnostic> {
        let driver = &self.common.input.driver;
        for _ in 0..self.plan.receivers {
            let poll = Poll::new().map_err(|error| {
                config.error(driver.span, format!("{}(): epoll: {error}", driver.word), None)
            })?;
            match self.open_one(poll) {
                Ok(open) => self.open.push(open),
                Err(error) if self.plan.optional => {
                    let what = format!("{error}; it is optional(yes), and receives nothing");
                    self.common.log.warning(&format!("{}: {what}", self.common.name));
                }
                Err(error) => {
                    self.open.clear();
                    return Err(config.error(driver.span, format!("{}(): {error}", driver.word), None));
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, with: &Start) -> Result<(), NotStarted> {
        let open = std::mem::take(&mut self.open);
        self.running.store(open.len().max(1), Ordering::Release);
        self.wakers = open.iter().map(Open::waker).collect();
        let wakers = self.wakers.clone();
        let resume = move || wakers.iter().for_each(|waker| waker.wake());
        self.common.input.lane.credit().set_on_resume(Box::new(resume));
        if open.is_empty() {
            return Ok(());
        }
        for open in open {
            let end =
                End { running: Arc::clone(&self.running), common: self.common.clone(), with: with.clone() };
            let (plan, gate) = (Arc::clone(&self.plan), with.gate.clone());
            let run = move || {
                gate.wait();
                let run = AssertUnwindSafe(|| open.run(&end.common, &plan));
                if let Err(panic) = catch_unwind(run) {
                    let text = panic_text(&*panic);
                    end.common.input.status.count_exception(&text);
                    end.common
                        .log
                        .error(&format!("{}: fault in the engine: {text}; it has ended", end.common.name));
                }
                drop(end);
            };
            let started = thread::Builder::new().name(self.common.input.driver.id.clone()).spawn(run);
            if let Err(error) = started {
                // The thread's end was dropped with what it would have run.
                self.ask_to_stop();
                let text = format!("{}: its thread cannot be started: {error}", self.name());
                return Err(NotStarted { summary: error.to_string(), text });
            }
        }
        Ok(())
    }

    /// Reads the certificates again.
    fn reloaded(&mut self) {
        let Some(tls) = &self.plan.tls else { return };
        let (log, name) = (&self.common.log, &self.common.name);
        match tls.reload() {
            Ok((is_new, warnings)) => {
                if is_new {
                    log.info(&format!("{name}: certificates were read again"));
                }
                for warning in warnings {
                    log.warning(&format!("{name}: {warning}"));
                }
            }
            Err(why) => log.error(&format!("{name}: {why}; what was read before stays")),
        }
    }

    fn ask_to_stop(&mut self) {
        self.common.input.status.ask_to_stop();
        self.common.exit.request();
        if self.wakers.is_empty() {
            self.common.input.status.end();
        }
        self.wakers.iter().for_each(|waker| waker.wake());
    }

    fn is_alive(&self) -> bool {
        self.common.input.status.is_alive()
    }

    fn stop_timeout(&self) -> Duration {
        STOP_TIMEOUT
    }

    fn where_it_stands(&self) -> String {
        "it has not ended".to_owned()
    }

    fn close(&mut self) {
        self.common.input.lane.close();
    }

    fn deinit(&mut self) {
        self.open.clear();
    }
}

impl Open {
    fn waker(&self) -> Arc<Waker> {
        match self {
            Self::Stream(_, poll) | Self::Datagrams(_, poll) => Arc::clone(poll.waker()),
        }
    }

    fn run(self, common: &Common, plan: &Arc<Plan>) {
        let made = match self {
            Self::Stream(listener, poll) => {
                StreamReceiver::new(common, plan, listener, poll).map(|mut receiver| receiver.run())
            }
            Self::Datagrams(socket, poll) => {
                DatagramReceiver::new(common, plan, socket, poll).map(|mut receiver| receiver.run())
            }
        };
        if let Err(error) = made {
            common.log.error(&format!("{}: it cannot receive: {error}", common.name));
        }
    }
}

/// Says, when the last thread drops it, that the source has ended.
struct End {
    running: Arc<AtomicUsize>,
    common: Common,
    with: Start,
}

impl Drop for End {
    fn drop(&mut self) {
        if self.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.common.input.status.end();
            (self.with.ended)();
        }
    }
}
