//! `usertty()`: lines onto the terminals of users who are logged in.
//!
//! ```text
//!  message ─► FULLDATE HOST MESSAGE, control characters written out ─► each terminal of the user
//!                                              takes it at once, or gets nothing for time-reopen()
//! ```
//!
//! A terminal is opened for the lines of one flush and closed again: nobody's line is held open, and the next
//! person on it is asked for. Nothing waits: a terminal that does not take a line at once (it is stopped, or
//! nobody reads it) has lost it, and is left alone for a while. A message counts as delivered when the
//! terminals that there are were tried.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{
    Counters, Destination, DestinationOptions, DriverOptions, Handover, Planned, Report, ReportFn, Severity,
    Site,
};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, Spanned, TemplateOptions};
use crate::flow::{Delivery, DropReason};
use crate::message::MessageRef;
use crate::printable::line;
use crate::template::this_process;
use crate::template::{Context, Template, TimeZoneUse, Zone, ZoneClock};

mod logins;
mod terminal;

use logins::Logins;
use terminal::Terminals;

/// The line before the message.
const HEAD: &str = "$FULLDATE $HOST ";
/// Lines are written when they have this many bytes: what a terminal takes at once.
const BUFFER: usize = 4096;

/// `usertty("user" …)`
#[derive(Debug, Clone)]
pub(super) struct UserTtyOptions {
    /// The user; `*`: all of them.
    user: Spanned<String>,
    /// `escaping()`: whether backslashes and quotes of messages get a backslash.
    escaping: bool,
    /// `time-reopen()`: how long a terminal is left alone that has not taken a line.
    time_reopen: Option<Duration>,
}

const USERTTY: Table<UserTtyOptions> = &[
    ("escaping", Kind::YesNo(|to, yes| to.escaping = yes)),
    ("time-reopen", Kind::Seconds(|to, time| to.time_reopen = Some(time))),
];

impl DestinationOptions for UserTtyOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let user = parser.string("the name of a user, or \"*\"").inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        if user.value.is_empty() {
            let help = "\"*\" is all who are logged in".to_owned();
            parser.report.error(user.span, "a user without a name", Some(help));
        }
        let mut options = Self { user, escaping: false, time_reopen: None };
        let known = || names(USERTTY).collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            apply(USERTTY, &mut options, parser, key)
        });
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        None
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let time_reopen = self.time_reopen.unwrap_or(config.options.time_reopen);
        let options = TemplateOptions::default().resolve(config, None)?;
        let Ok(head) = Template::compile(HEAD) else { unreachable!("a template of macros") };
        let (user, escaping) = (self.user.value.clone(), self.escaping);
        Ok(Planned {
            identity: format!("usertty {user:?} {escaping} {time_reopen:?} {options:+?}"),
            address: user.clone(),
            claim: None,
            fifo_size: config.options.log_fifo_size as u64,
            is_soft: true,
            on_reject: None,
            hosted: None,
            buffer: None,
            make: Box::new(move |site| {
                let context = Context::new(&options, this_process(), TimeZoneUse::Send);
                let terminals = Terminals::new(Logins::of_machine(), &user, time_reopen);
                Box::new(UserTty::new(&user, escaping, (head, context), terminals, site))
            }),
        })
    }
}

/// Writes lines onto terminals.
struct UserTty {
    user: String,
    escaping: bool,
    head: Template,
    context: Context,
    clock: ZoneClock,
    terminals: Terminals,
    pushed: VecDeque<Delivery>,
    waiting: u64,
    /// Lines, and the ends of each.
    lines: Vec<u8>,
    ends: Vec<usize>,
    head_text: Vec<u8>,
    counters: Arc<Counters>,
    log: ReportFn,
}

impl UserTty {
    fn new(
        user: &str,
        escaping: bool,
        (head, context): (Template, Context),
        terminals: Terminals,
        site: Site,
    ) -> Self {
        Self {
            user: user.to_owned(),
            escaping,
            head,
            context,
            clock: ZoneClock::new(Zone::local()),
            terminals,
            pushed: VecDeque::new(),
            waiting: 0,
            lines: Vec::new(),
            ends: Vec::new(),
            head_text: Vec::new(),
            counters: site.counters,
            log: site.report,
        }
    }

    fn report(&self, severity: Severity, text: String) {
        (self.log)(Report { severity, text });
    }

    /// Appends the line of `message`.
    fn format(&mut self, message: MessageRef<'_>) {
        self.head_text.clear();
        self.head.format(message, &self.context, &mut self.head_text);
        let head = String::from_utf8_lossy(&self.head_text);
        self.lines.extend_from_slice(line(&head).as_bytes());
        let text = String::from_utf8_lossy(message.text());
        let text = line(text.trim_end_matches(['\n', '\0']));
        if self.escaping {
            for piece in text.split_inclusive(['\\', '"', '\'']) {
                let (before, last) = piece.split_at(piece.len() - 1);
                let sign = if matches!(last, "\\" | "\"" | "'") { "\\" } else { "" };
                for part in [before, sign, last] {
                    self.lines.extend_from_slice(part.as_bytes());
                }
            }
        } else {
            self.lines.extend_from_slice(text.as_bytes());
        }
        self.lines.push(b'\n');
        self.ends.push(self.lines.len());
    }

    /// Writes the lines that were formatted.
    fn write(&mut self, now: Instant) {
        for trouble in self.terminals.write(&self.lines, &self.ends, now, &self.counters) {
            let mut text = format!("usertty({}): {}", line(&self.user), trouble.terminal);
            // Writing to a String cannot fail.
            let _ = write!(text, " takes nothing: {}; it is left alone for a while", trouble.error);
            self.counters.errors.fetch_add(1, Ordering::Relaxed);
            if trouble.is_new {
                self.report(Severity::Warning, text);
            }
        }
        self.lines.clear();
        self.ends.clear();
    }

    fn drop_all(&mut self, reason: DropReason) -> u64 {
        for delivery in self.pushed.drain(..) {
            delivery.ack.drop_rows(delivery.view.rows(), reason);
        }
        let lost = std::mem::take(&mut self.waiting);
        self.counters.count_dropped(lost);
        lost
    }
}

impl Destination for UserTty {
    fn push(&mut self, delivery: Delivery) {
        self.waiting += delivery.view.len() as u64;
        self.pushed.push_back(delivery);
    }

    fn flush(&mut self, now: Instant) {
        if self.pushed.is_empty() {
            return;
        }
        self.context.now = self.clock.now();
        self.terminals.look(now);
        // One that a fault ends is among them still.
        while let Some(view) = self.pushed.front().map(|delivery| delivery.view.clone()) {
            if !self.terminals.is_empty() {
                for message in view.messages() {
                    self.format(message);
                    if self.lines.len() >= BUFFER {
                        self.write(now);
                    }
                }
                self.write(now);
            }
            self.pushed.pop_front();
            self.waiting -= view.len() as u64;
            self.counters.count_delivered(view.len() as u64);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn reopen(&mut self) {
        self.terminals.look_again();
    }

    fn is_idle(&self) -> bool {
        self.pushed.is_empty()
    }

    fn is_suspended(&self) -> bool {
        false
    }

    fn waiting(&self) -> (u64, u64) {
        let bytes =
            self.pushed.iter().map(|delivery| delivery.view.len() as u64 * delivery.view.bytes_each());
        (self.waiting, bytes.sum())
    }

    fn let_go_of_credit(&mut self, all: bool) -> Option<(Arc<str>, u64)> {
        for delivery in self.pushed.iter_mut().filter(|delivery| all || !delivery.flow_control) {
            delivery.ack.let_go_of_credit();
        }
        None
    }

    fn take_over(&mut self, left: Handover) {
        let log = Arc::clone(&self.log);
        let report = move |text| log(Report { severity: Severity::Error, text });
        let begun = left.leftover.map(|leftover| leftover.into_deliveries(&report)).unwrap_or_default();
        for delivery in begun.into_iter().map(|(delivery, _)| delivery).chain(left.deliveries) {
            self.push(delivery);
        }
    }

    fn hand_over(&mut self) -> Handover {
        self.waiting = 0;
        Handover::unsorted(self.pushed.drain(..).collect(), &self.counters)
    }

    fn start_anew(&mut self, panic: &str) {
        let text =
            format!("fault in the engine: usertty({}) has failed: {panic}; it begins anew", line(&self.user));
        self.report(Severity::Error, text);
        self.drop_all(DropReason::Fault);
        self.lines.clear();
        self.ends.clear();
    }

    fn give_up(&mut self) -> u64 {
        self.drop_all(DropReason::Removed)
    }

    fn notice(&self, text: String) {
        self.report(Severity::Notice, text);
    }

    fn stop(&mut self, _: Instant) -> u64 {
        self.flush(Instant::now());
        0
    }
}

#[cfg(test)]
mod tests;
