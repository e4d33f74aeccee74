//! The value that an operation writes: [`Value`], and the memory that it is made in, [`Scratch`].

use std::fmt;
use std::time::Instant;

use super::zone::KnownZone;
use crate::config::{Config, Diagnostic, TemplateOptions, TemplateText};
use crate::message::{MessageRef, ValueType};
use crate::template::this_process;
use crate::template::{Context, Moment, Options, Template, TimeZoneUse, Zone, ZoneClock};

/// The most time zones that are kept.
const ZONES: usize = 32;

/// The longest text that the memory of a rewrite is kept for.
const KEPT: usize = 64 * 1024;

/// A text that is written: a template, or the same for all messages.
#[derive(Debug)]
pub(crate) enum Value {
    Constant(ValueType, Box<[u8]>),
    Template(Template, usize),
}

impl Value {
    /// The value of `text`, formatted as `options` say.
    ///
    /// # Errors
    /// Options that can only be checked when everything is read.
    pub(crate) fn compile(
        config: &Config,
        text: &TemplateText,
        options: &TemplateOptions,
        contexts: &mut Contexts,
    ) -> Result<Self, Diagnostic> {
        let resolved = options.resolve(config, text.escape)?;
        if let Some(literal) = text.template.as_literal() {
            return Ok(Self::Constant(text.template.hint().unwrap_or_default(), literal.into()));
        }
        Ok(Self::Template(text.template.clone(), contexts.of(options, resolved)))
    }

    /// Its text, where it is the same for all messages.
    pub(super) fn constant(&self) -> Option<&[u8]> {
        match self {
            Self::Constant(_, text) => Some(text),
            Self::Template(..) => None,
        }
    }

    /// Tells whether it is the same for all messages.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(..))
    }

    /// The type and the text for `message`.
    #[inline]
    pub(crate) fn of<'v>(
        &'v self,
        message: MessageRef<'_>,
        scratch: &'v mut Scratch,
    ) -> (ValueType, &'v [u8]) {
        match self {
            Self::Constant(value_type, text) => (*value_type, text),
            Self::Template(template, context) => {
                scratch.text.clear();
                let context = &scratch.contexts[*context];
                let value_type = template.format_typed(message, context, &mut scratch.text);
                (value_type, &scratch.text)
            }
        }
    }
}

/// The ways in which the templates of a rewrite are formatted: mostly one.
#[derive(Debug, Default)]
pub(crate) struct Contexts(Vec<(String, Options)>);

impl Contexts {
    /// The number of the context for templates with these `options`, of which `resolved` is the whole.
    pub(crate) fn of(&mut self, options: &TemplateOptions, resolved: Options) -> usize {
        let key = format!("{options:+?}");
        let known = self.0.iter().position(|(other, _)| *other == key);
        known.unwrap_or_else(|| {
            self.0.push((key, resolved));
            self.0.len() - 1
        })
    }

    /// New memory for a rewrite with these contexts.
    pub(crate) fn scratch(&self) -> Scratch {
        let context =
            |(_, options): &(String, Options)| Context::new(options, this_process(), TimeZoneUse::Send);
        let clock = (!self.0.is_empty()).then(|| ZoneClock::new(Zone::local()));
        Scratch {
            contexts: self.0.iter().map(context).collect(),
            clock,
            moment: Moment::default(),
            text: Vec::new(),
            zones: Vec::new(),
            said: Vec::new(),
        }
    }
}

/// The memory of a rewrite at work.
pub struct Scratch {
    contexts: Vec<Context>,
    /// The time, for those contexts.
    clock: Option<ZoneClock>,
    moment: Moment,
    text: Vec<u8>,
    /// The time zones that were asked for lately, by their names.
    zones: Vec<(Box<[u8]>, Option<KnownZone>)>,
    /// The lines that are to be said in the log.
    said: Vec<String>,
}

impl Scratch {
    /// The context with this number.
    pub(crate) fn context(&self, number: usize) -> &Context {
        &self.contexts[number]
    }

    /// Has `text` said in the log.
    pub(crate) fn say(&mut self, text: String) {
        self.said.push(text);
    }

    /// The zone called `name`, if there is one.
    pub(super) fn zone(&mut self, name: &[u8]) -> Option<&mut KnownZone> {
        let known = self.zones.iter().position(|(known, _)| **known == *name);
        let at = known.unwrap_or_else(|| {
            if self.zones.len() >= ZONES {
                self.zones.clear();
            }
            self.zones.push((name.into(), KnownZone::of(name)));
            self.zones.len() - 1
        });
        self.zones[at].1.as_mut()
    }

    /// Gives what is to be said in the log to `say`.
    pub(crate) fn said(&mut self, say: impl FnMut(String)) {
        self.said.drain(..).for_each(say);
    }

    /// A buffer, with what was in it before.
    pub(super) fn memory(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// A copy of `text`.
    pub(super) fn copy(&mut self, text: &[u8]) -> &[u8] {
        self.text.clear();
        self.text.extend_from_slice(text);
        &self.text
    }

    /// The time of the messages.
    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    /// Begins with other messages, at `now` of the engine's clock.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.moment = Moment::at(now);
        if self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
        if let Some(clock) = &mut self.clock {
            let stamp = clock.now();
            self.moment.now = Some(stamp);
            for context in &mut self.contexts {
                (context.now, context.steady) = (stamp, Some(now));
            }
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("contexts", &self.contexts).finish_non_exhaustive()
    }
}
