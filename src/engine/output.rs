//! A destination's thread: waits for its turn, then takes what its queue has, writes, waits.
//!
//! `start_all` starts the threads of a plan, `run` is what each of them does until it is ordered to end
//! ([`Orders`](super::queue::Orders)).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::log::Log;
use super::plan::{Output, PlannedOutput};
use super::succession::{Predecessor, Turn, await_turn};
use crate::destination::{Destination, Handover};
use crate::fault::{self, panic_text};
use crate::flow::{Delivery, Inbox, nap_precisely};
use crate::template::end_host_thread;

/// Starts the threads of `fresh`; one that may write a file of those in `going` waits for its end. Where the
/// system has no thread to give, those that were started end.
pub(super) fn start_all(fresh: Vec<PlannedOutput>, going: &[Arc<Output>], log: &Log) -> io::Result<()> {
    let mut started: Vec<Arc<Output>> = Vec::new();
    for PlannedOutput { output, driver, inbox, predecessors, .. } in fresh {
        let leaves = |one: &Arc<Output>| predecessors.iter().any(|before| Arc::ptr_eq(before, one));
        let before = going.iter().filter_map(|one| one.before(&output, leaves(one))).collect();
        let result = start(Arc::clone(&output), driver, inbox, before, log.clone());
        started.push(output);
        if let Err(error) = result {
            for output in started {
                output.orders.retire.store(true, Ordering::Release);
                output.queue.wake();
            }
            return Err(error);
        }
    }
    Ok(())
}

fn start(
    output: Arc<Output>,
    mut driver: Box<dyn Destination>,
    mut inbox: Inbox<Delivery>,
    before: Vec<Predecessor>,
    log: Log,
) -> io::Result<()> {
    let name = format!("to:{}", output.id);
    let thread_name = name.clone();
    let in_turn = move || {
        let Output { counters, shared, orders, end, queue, .. } = &*output;
        let lost = match await_turn(before, &mut inbox, counters, (shared, orders, end)) {
            Turn::Come(left, held) => {
                for left in left {
                    driver.take_over(left);
                }
                for delivery in held {
                    driver.push(delivery);
                }
                run(driver, inbox, &output)
            }
            Turn::Pass(mut left, held) => {
                left.push(Handover::unsorted(held, counters));
                hand(left, &output, |_| ())
            }
            Turn::Never(lost) => lost,
        };
        queue.full().end();
        end_host_thread();
        end.set(lost);
    };
    let run = move || {
        nap_precisely();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(in_turn)) {
            fault::fatal(&thread_name, &*panic, |text| log.last_error(text));
        }
    };
    thread::Builder::new().name(name).spawn(run).map(drop)
}

/// Runs `driver` on what comes into `inbox` until it is ordered to stop; returns how many messages it
/// could not write by then.
fn run(mut driver: Box<dyn Destination>, mut inbox: Inbox<Delivery>, output: &Output) -> u64 {
    loop {
        // A driver has what is its messages' in order again after a panic when it has begun anew.
        let round = catch_unwind(AssertUnwindSafe(|| round(&mut *driver, &mut inbox, output)));
        match round {
            Ok(Some(lost)) => return lost,
            Ok(None) => {}
            Err(panic) => driver.start_anew(&panic_text(&*panic)),
        }
    }
}

/// Takes what there is, writes and waits once. When it is the end, it returns how many messages could not be
/// written.
fn round(driver: &mut dyn Destination, inbox: &mut Inbox<Delivery>, output: &Output) -> Option<u64> {
    let Output { shared, orders, queue, .. } = output;
    let stopping = orders.stop.load(Ordering::Acquire);
    while let Some(delivery) = inbox.try_recv() {
        driver.push(delivery);
    }
    if stopping {
        let within = Duration::from_millis(orders.stop_within_ms.load(Ordering::Relaxed));
        return Some(driver.stop(Instant::now() + within));
    }
    if orders.reopen.swap(false, Ordering::AcqRel) {
        driver.reopen();
    }
    driver.flush(Instant::now());
    if orders.retire.load(Ordering::Acquire) && inbox.is_empty() {
        let has_heir = output.end.has_heir();
        if driver.is_idle() && !(has_heir && driver.has_something_to_leave()) {
            return Some(driver.stop(Instant::now()));
        }
        if has_heir && !driver.prepares_to_leave(Instant::now()) {
            inbox.wait(driver.next_deadline());
            return None;
        }
        if has_heir {
            let left = driver.hand_over();
            return Some(hand(vec![left], output, |text| driver.notice(text)));
        }
        if orders.give_up.load(Ordering::Acquire) {
            return Some(driver.give_up());
        }
        let (messages, bytes) = driver.waiting();
        shared.set_waiting(messages, bytes);
    }
    let suspended = driver.is_suspended();
    shared.suspended.store(suspended, Ordering::Relaxed);
    if suspended {
        // Nobody is to wait for a destination that the configuration does not have any more.
        let lost = driver.let_go_of_credit(orders.retire.load(Ordering::Acquire));
        if let Some((source, lost)) = lost {
            queue.full().note(&source, lost);
        }
    } else {
        queue.full().end();
    }
    inbox.wait(driver.next_deadline());
    None
}

/// Leaves what waits to the heir; returns how many messages are lost, as it has gone.
fn hand(left: Vec<Handover>, output: &Output, notice: impl FnOnce(String)) -> u64 {
    let messages: u64 = left.iter().map(Handover::messages).sum();
    match output.end.hand(left) {
        Ok(()) => {
            if messages > 0 {
                notice(format!("{messages} messages that wait go to the destination that takes its place"));
            }
            0
        }
        Err(left) => left.into_iter().map(Handover::give_up).sum(),
    }
}

impl Output {
    /// Opens its files anew.
    pub(super) fn reopen(&self) {
        self.orders.reopen.store(true, Ordering::Release);
        self.queue.wake();
    }
}
