//! A destination's thread: takes what its queue has, writes, waits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::queue::Shared;
use crate::destination::FileDestination;
use crate::fault::panic_text;
use crate::flow::{Delivery, Inbox};

/// What the thread is asked by others; whoever sets one wakes it.
#[derive(Debug, Default)]
pub struct Orders {
    /// Open the files anew.
    pub reopen: AtomicBool,
    /// Write what is there, however long it takes, then end.
    pub retire: AtomicBool,
    /// Write what is there as far as time allows, then end.
    pub stop: AtomicBool,
    /// How many milliseconds the end may take.
    pub stop_within_ms: AtomicU64,
}

/// Runs `driver` on what comes into `inbox` until it is ordered to stop; returns how many messages it
/// could not write by then.
pub fn run(
    mut driver: FileDestination,
    mut inbox: Inbox<Delivery>,
    shared: &Arc<Shared>,
    orders: &Orders,
) -> u64 {
    loop {
        // A driver has what is its messages' in order again after a panic when it has begun anew.
        let round = catch_unwind(AssertUnwindSafe(|| round(&mut driver, &mut inbox, shared, orders)));
        match round {
            Ok(Some(lost)) => return lost,
            Ok(None) => {}
            Err(panic) => driver.start_anew(&panic_text(&*panic)),
        }
    }
}

/// Takes what there is, writes and waits once. When it is the end, it returns how many messages could not be written.
fn round(
    driver: &mut FileDestination,
    inbox: &mut Inbox<Delivery>,
    shared: &Shared,
    orders: &Orders,
) -> Option<u64> {
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
    if orders.retire.load(Ordering::Acquire) && inbox.is_empty() && driver.is_idle() {
        return Some(driver.stop(Instant::now()));
    }
    let suspended = driver.is_suspended();
    shared.suspended.store(suspended, Ordering::Relaxed);
    if suspended {
        // Nobody is to wait for a destination that the configuration does not have any more.
        driver.let_go_of_credit(orders.retire.load(Ordering::Acquire));
    }
    inbox.wait(driver.next_deadline());
    None
}
