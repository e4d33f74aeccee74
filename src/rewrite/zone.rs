//! `set-time-zone(…)`, `fix-time-zone(…)`, `guess-time-zone(…)`: the zone of a message's time.
//!
//! | function | instant | clock on the wall |
//! |---|---|---|
//! | `set-time-zone` | stays | shown in the zone |
//! | `fix-time-zone` | moves | stays: it was the zone's. An hour that a change of the clocks left out is the one after it |
//! | `guess-time-zone` | moves | stays: it was that of a zone where it was just now, to the quarter of an hour |

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::value::{Contexts, Value};
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Parsed, Parser, TEMPLATE, apply, names};
use crate::config::{Config, Spanned, TemplateOptions, TemplateText};
use crate::message::{RevisedRow, Stamp};
use crate::printable;
use crate::template::{Zone, ZoneClock};

/// Offsets of zones are multiples of it, in seconds.
const QUARTER: i64 = 900;

/// The greatest distance of a clock from the time of receipt, in seconds, for it to be guessed.
const NEAR: i64 = 30;

/// The time that is meant: `time-stamp()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Which {
    /// The message's own.
    #[default]
    Stamp,
    /// That of its receipt.
    Received,
}

/// The words of `time-stamp()`.
pub(crate) const WHICH: &[(&str, Which)] =
    &[("stamp", Which::Stamp), ("recvd", Which::Received), ("r", Which::Received), ("s", Which::Stamp)];

/// `set-time-zone("template" time-stamp() condition())` and `fix-time-zone(…)`, with the options of templates.
#[derive(Debug, Clone)]
pub(super) struct ZoneOptions {
    /// The template of the zone's name.
    pub text: TemplateText,
    /// `time-stamp()`
    pub which: Which,
    /// The format of the template.
    pub template: TemplateOptions,
    /// Tells whether the clock on the wall stays.
    pub fixes: bool,
}

impl FunctionOptions for ZoneOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let text = parser.rewrite_template(head)?;
        if let Some(literal) = text.template.as_literal().filter(|text| zone(text).is_none()) {
            let message = format!("unknown time zone `{}`: times stay as they are", literal.escape_ascii());
            let help = "expected a name like Europe/Budapest, or an offset like +01:00".to_owned();
            parser.report.warn(text.span, message, Some(help));
        }
        let fixes = head.word == "fix-time-zone";
        let mut options = Self { text, which: Which::Stamp, template: TemplateOptions::default(), fixes };
        let known = || std::iter::once("time-stamp").chain(names(TEMPLATE)).collect();
        parser.rewrite_options(head.open, &known, |parser, key| match &*key.value.replace('_', "-") {
            "time-stamp" => Some(parser.choice(WHICH).map(|which| options.which = which)),
            _ => apply(TEMPLATE, &mut options.template, parser, key),
        });
        Ok(options)
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let name = Value::compile(config, &self.text, &self.template, contexts)?;
        let Self { which, fixes, .. } = *self;
        Ok(Box::new(InZone { name, which, fixes, is_said: AtomicBool::new(false) }))
    }
}

/// `guess-time-zone(time-stamp() condition())`
#[derive(Debug, Clone, Default)]
pub(super) struct GuessOptions {
    /// `time-stamp()`
    pub which: Option<Spanned<()>>,
}

impl FunctionOptions for GuessOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        parser.rewrite_options(head.open, &|| vec!["time-stamp"], |parser, key| {
            (key.value.replace('_', "-") == "time-stamp").then(|| {
                let which = parser.choice(WHICH)?;
                if which == Which::Received {
                    let message = "the time of receipt is right, and there is nothing to be guessed";
                    parser.report.warn(key.span, message, None);
                    options.which = Some(Spanned::new((), key.span));
                }
                Ok(())
            })
        });
        Ok(options)
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        Ok(Box::new(Guess { is_idle: self.which.is_some() }))
    }
}

/// The zone called `name`: an offset has a colon.
pub(crate) fn zone(name: &[u8]) -> Option<Zone> {
    let name = std::str::from_utf8(name).ok()?;
    let is_offset = name.starts_with(['+', '-']);
    if is_offset && (name.len() != 6 || name.as_bytes()[3] != b':') {
        return None;
    }
    Zone::parse(name)
}

/// A zone that was asked for.
#[derive(Debug)]
pub(super) struct KnownZone {
    rules: TimeZone,
    clock: ZoneClock,
}

impl KnownZone {
    /// The zone called `name`, if there is one.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let zone = zone(name)?;
        Some(Self { rules: zone.to_time_zone(), clock: ZoneClock::new(zone) })
    }

    /// The same instant in this zone.
    fn set(&mut self, stamp: Stamp) -> Stamp {
        let offset_seconds = self.clock.offset_at(stamp.unix_micros.div_euclid(1_000_000));
        Stamp { offset_seconds, ..stamp }
    }

    /// The same clock on the wall in this zone.
    fn fix(&mut self, stamp: Stamp) -> Option<Stamp> {
        let wall = stamp.unix_micros + i64::from(stamp.offset_seconds) * 1_000_000;
        let wall = Timestamp::from_microsecond(wall).ok()?.to_zoned(TimeZone::UTC).datetime();
        let instant = self.rules.to_ambiguous_timestamp(wall).compatible().ok()?;
        Some(self.set(Stamp { unix_micros: instant.as_microsecond(), offset_seconds: 0 }))
    }
}

#[derive(Debug)]
struct InZone {
    name: Value,
    which: Which,
    fixes: bool,
    /// Tells whether it was said that a zone is unknown.
    is_said: AtomicBool,
}

impl Operation for InZone {
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        let message = row.read();
        let stamp = match self.which {
            Which::Stamp => message.stamp(),
            Which::Received => message.recvd(),
        };
        let name = self.name.of(message, scratch).1.to_vec();
        let zone = scratch.zone(&name);
        let changed = match zone {
            Some(zone) if self.fixes => zone.fix(stamp),
            Some(zone) => Some(zone.set(stamp)),
            None => None,
        };
        let Some(changed) = changed else {
            if !self.is_said.swap(true, Ordering::Relaxed) {
                let name = String::from_utf8_lossy(&name);
                let name = printable::message(&name, 100);
                scratch.say(format!(
                    "unknown time zone `{name}`, the time stays as it is; it is the first, and no other will be reported"
                ));
            }
            return;
        };
        match self.which {
            _ if changed == stamp => {}
            Which::Stamp => row.stamp(changed),
            Which::Received => row.recvd(changed),
        }
    }
}

#[derive(Debug)]
struct Guess {
    is_idle: bool,
}

impl Operation for Guess {
    fn apply(&self, row: &mut RevisedRow<'_>, _: &mut Scratch) {
        let (stamp, recvd) = (row.read().stamp(), row.read().recvd());
        if let Some(guessed) = guess(stamp, recvd.unix_micros).filter(|_| !self.is_idle) {
            row.stamp(guessed);
        }
    }
}

/// The time that `stamp` shows, where its clock shows what it is at `now`; `None` where that is its own zone,
/// or none.
pub(crate) fn guess(stamp: Stamp, now: i64) -> Option<Stamp> {
    let late = (now - stamp.unix_micros).div_euclid(1_000_000);
    let quarters = (late + QUARTER / 2).div_euclid(QUARTER);
    let shift = quarters * QUARTER;
    if (late - shift).abs() > NEAR || late.abs() >= 86_400 || shift == 0 {
        return None;
    }
    let offset_seconds = stamp.offset_seconds - i32::try_from(shift).ok()?;
    Some(Stamp { unix_micros: stamp.unix_micros + shift * 1_000_000, offset_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a time is moved that was right, or was never now, or by another zone.
    #[test]
    fn a_zone_is_guessed_near_a_quarter_of_an_hour() {
        const NOW: i64 = 1_780_308_000;
        let guessed = |hours: f64, skew: i64| {
            let seconds = NOW - (hours * 3600.0) as i64 - skew;
            let stamp = Stamp { unix_micros: seconds * 1_000_000, offset_seconds: 7200 };
            let guessed = guess(stamp, NOW * 1_000_000);
            guessed.map(|guessed| (guessed.unix_micros / 1_000_000 - NOW, guessed.offset_seconds - 7200))
        };
        assert_eq!(guessed(6.0, 0), Some((0, -21_600)));
        assert_eq!(guessed(-3.5, 5), Some((-5, 12_600)));
        assert_eq!(guessed(-3.5, -25), Some((25, 12_600)));
        assert_eq!(guessed(0.25, 30), Some((-30, -900)));
        for (hours, skew) in [(0.0, 3), (2.0, 40), (2.0, -31), (24.0, 0), (-24.0, 0), (0.2, 0)] {
            assert_eq!(guessed(hours, skew), None, "{hours} {skew}");
        }
    }
}
