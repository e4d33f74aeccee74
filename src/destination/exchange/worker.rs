//! The thread of a worker: [`start`].

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Exchange, Group, Outcome, Sent, Worker};
use crate::destination::Site;
use crate::fault::panic_text;
use crate::template::end_host_thread;

/// The time for which a worker goes on with the next request of its group before it says what is delivered.
pub(crate) const TELL: Duration = Duration::from_millis(10);

/// A group for a worker.
pub(super) struct Job {
    pub(super) group: Group,
    /// The number that its [`Done`] has.
    pub(super) ticket: u64,
    /// The messages of one request at most.
    pub(super) lines: usize,
}

/// What a worker says of a job.
pub(super) struct Done {
    /// The number of the worker.
    pub(super) slot: usize,
    pub(super) ticket: u64,
    /// The messages that requests before the last one have delivered.
    pub(super) delivered: usize,
    /// The bytes that were sent.
    pub(super) bytes: u64,
    /// The messages of the last request.
    pub(super) taken: usize,
    /// What became of the last request, or the text of the panic that ended it.
    pub(super) outcome: Result<Outcome, String>,
}

/// Starts the thread of the worker `slot`, which says in `done` what became of its jobs. It ends when nobody
/// can give it a job any more.
///
/// # Errors
/// The system has no thread to give.
pub(super) fn start(
    exchange: &Arc<dyn Exchange>,
    slot: usize,
    site: &Site,
    done: Sender<Done>,
) -> io::Result<(Sender<Job>, JoinHandle<()>)> {
    let (sender, jobs) = channel();
    let (exchange, site) = (Arc::clone(exchange), site.clone());
    let name = format!("{}:{slot}", exchange.kind());
    let thread =
        thread::Builder::new().name(name).spawn(move || run(&exchange, slot, &site, &jobs, &done))?;
    Ok((sender, thread))
}

fn run(exchange: &Arc<dyn Exchange>, slot: usize, site: &Site, jobs: &Receiver<Job>, done: &Sender<Done>) {
    let mut worker: Option<Box<dyn Worker>> = None;
    if exchange.starts_early() {
        // A panic comes again with the first job, where somebody is told of it.
        worker = catch_unwind(AssertUnwindSafe(|| Arc::clone(exchange).worker(slot, site))).ok();
    }
    while let Ok(Job { group, ticket, lines }) = jobs.recv() {
        let mut progress = Progress::default();
        let sent = catch_unwind(AssertUnwindSafe(|| {
            let worker = worker.get_or_insert_with(|| Arc::clone(exchange).worker(slot, site));
            progress.send_all(&mut **worker, &group, lines)
        }));
        let left = group.len() - progress.delivered;
        let (taken, outcome) = match sent {
            Ok((taken, outcome)) => (taken, Ok(outcome)),
            Err(panic) => {
                worker = None;
                (left.min(lines), Err(panic_text(&*panic)))
            }
        };
        // The memory of the messages is free by the time that their acks are.
        drop(group);
        let Progress { delivered, bytes } = progress;
        let told = done.send(Done { slot, ticket, delivered, bytes, taken, outcome });
        if told.is_err() {
            break;
        }
        (site.wake)();
    }
    if let Some(mut worker) = worker {
        // Nobody is there any more to be told of a panic.
        let _ = catch_unwind(AssertUnwindSafe(|| worker.close()));
        drop(worker);
    }
    end_host_thread();
}

/// How far a worker has come with its group.
#[derive(Default)]
struct Progress {
    delivered: usize,
    bytes: u64,
}

impl Progress {
    /// Sends requests until all is delivered, one is not, or it is time to say so; the number of messages of
    /// the last request, and what became of it.
    fn send_all(&mut self, worker: &mut dyn Worker, group: &Group, lines: usize) -> (usize, Outcome) {
        let begun = Instant::now();
        loop {
            let left = group.len() - self.delivered;
            let request = if self.delivered == 0 && left <= lines {
                worker.send(group)
            } else {
                worker.send(&group.part(self.delivered, lines))
            };
            let Sent { delivered, taken, bytes, outcome } = request;
            self.bytes += bytes;
            let delivered = delivered.min(left.min(lines) - 1);
            self.delivered += delivered;
            let (left, lines) = (left - delivered, lines - delivered);
            let taken = taken.clamp(1, left.min(lines));
            let is_delivered = matches!(outcome, Outcome::Delivered);
            if !is_delivered || taken == left || begun.elapsed() >= TELL {
                return (taken, outcome);
            }
            self.delivered += taken;
        }
    }
}
