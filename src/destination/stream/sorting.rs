//! Messages to the files that their paths name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::StreamDestination;
use super::target::Target;
use crate::destination::{Numbers, Severity};
use crate::fault::panic_text;
use crate::flow::{Delivery, DropReason};
use crate::message::Rows;
use crate::template::HostCalls;

impl StreamDestination {
    /// Sends each message to the file that its path names; the order in each file is that of the batch.
    pub(super) fn push_sorted(&mut self, delivery: &Delivery, first: Numbers) {
        self.path_context.now = self.clock.now();
        let now = Instant::now();
        let mut touched: Vec<(usize, Numbers)> = Vec::new();
        let (mut index, mut last) = (0, None);
        let calls = HostCalls::open();
        while index < delivery.view.len() {
            // Until a row is added to a file's, nothing has happened to it.
            let all = catch_unwind(AssertUnwindSafe(|| {
                while index < delivery.view.len() {
                    let id = self.target_of(delivery, index, first, last, now);
                    last = Some(id);
                    if let Some(target) = &mut self.targets[id] {
                        if target.rows.is_empty() {
                            touched.push((id, first.later(index)));
                        }
                        target.rows.push(delivery.view.rows().at(index));
                    }
                    index += 1;
                }
            }));
            if let Err(panic) = all {
                self.drop_without_path(delivery, index, &panic_text(&*panic));
                index += 1;
            }
        }
        drop(calls);
        for (id, first) in touched {
            let Some(target) = &mut self.targets[id] else { continue };
            let rows = std::mem::take(&mut target.rows);
            let all = rows.len() == delivery.view.len();
            let view =
                if all { delivery.view.clone() } else { delivery.view.with_rows(Rows::List(rows.into())) };
            let (ack, flow_control) = (delivery.ack.clone(), delivery.flow_control);
            self.push_to(id, Delivery { view, ack, flow_control }, first);
        }
    }

    /// The number of the file that the path of the message at `index` names; it is likely to be `last` again.
    #[inline]
    fn target_of(
        &mut self,
        delivery: &Delivery,
        index: usize,
        first: Numbers,
        last: Option<usize>,
        now: Instant,
    ) -> usize {
        self.path_context.sequence = first.later(index).sequence;
        let path = self.paths.build(&self.path, delivery.view.message(index), &self.path_context);
        let targets = &mut self.targets;
        let same = last.filter(|id| targets[*id].as_ref().is_some_and(|last| *last.path == *path));
        same.or_else(|| self.by_path.get(path).copied()).unwrap_or_else(|| {
            let id = self.free.pop().unwrap_or(targets.len());
            let target = Some(Target::new(path, false, now));
            if id == targets.len() {
                targets.push(target);
            } else {
                targets[id] = target;
            }
            self.by_path.insert(path.into(), id);
            id
        })
    }

    /// Drops the message at `index`: nothing says which file it belongs to.
    #[cold]
    fn drop_without_path(&mut self, delivery: &Delivery, index: usize, panic: &str) {
        let row = delivery.view.rows().at(index);
        delivery.ack.drop_rows(&Rows::Range(row..row + 1), DropReason::Fault);
        self.context.counters.count_dropped(1);
        let what = format!("the path of a message could not be made: {panic}; it is dropped");
        self.context.report(Severity::Error, format!("`{}`: fault in the engine: {what}", self.path.text()));
    }
}
