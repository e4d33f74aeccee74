//! Conditions: [`Filter`].

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Test;
use crate::config::{self, Config, Diagnostic};
use crate::message::{MessageRef, Rows, Selection};
use crate::path::{Out, Step};
use crate::pattern::Matcher;
use crate::template::{self, Moment};

/// A filter of a log path, or the condition of an `if` or of something else.
#[derive(Debug)]
pub struct Filter {
    name: String,
    condition: Condition,
    /// Its identity over a reload, where it has a state.
    key: Option<String>,
    /// Tells whether it was said that a match was given up.
    has_given_up: AtomicBool,
}

#[derive(Debug)]
enum Condition {
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Test(Arc<dyn Test>),
}

impl Filter {
    /// Compiles `condition` of the filter called `name`; what it refers to is compiled into it.
    ///
    /// # Errors
    /// Options that can only be checked when everything is read.
    pub fn compile(config: &Config, name: &str, condition: &config::Condition) -> Result<Self, Diagnostic> {
        let condition = Condition::compile(config, condition)?;
        Ok(Self { name: name.to_owned(), condition, key: None, has_given_up: AtomicBool::new(false) })
    }

    /// Tells whether its answer depends on the messages before.
    pub fn has_state(&self) -> bool {
        let mut has_state = false;
        self.condition.each(&mut |test| has_state |= test.has_state());
        has_state
    }

    /// The text of it by which one of another configuration is known to be the same.
    pub(crate) fn text(&self) -> String {
        format!("{:+?}", self.condition)
    }

    /// The same with `key` for its identity over a reload.
    #[must_use]
    pub(crate) fn with_key(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Takes over what the tests of `old`, which has the same text, know of the messages before.
    pub(crate) fn take_state_over(&self, old: &Self) {
        self.condition.take_over(&old.condition);
    }

    /// The rows of `selection` whose messages meet it. The selection keeps all of its rows; what patterns of
    /// the filter store of them is stored there.
    pub fn select(&self, selection: &mut Selection, out: &mut Out<'_>) -> Rows {
        let rows = selection.rows().clone();
        let met = self.condition.select(selection, &rows, out);
        self.report(out);
        met
    }

    /// Tells whether `message` meets it in `moment`. Nothing is stored.
    pub fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool {
        self.condition.matches(message, moment)
    }

    /// Says, the first time, that a match was given up.
    fn report(&self, out: &mut Out<'_>) {
        let mut given_up = 0;
        self.condition.each(&mut |test| given_up += test.matcher().map_or(0, Matcher::given_up));
        if given_up > 0 && !self.has_given_up.swap(true, Ordering::Relaxed) {
            out.say(format!(
                "filter {}: a match takes too many steps, and the message counts as one that does not match; \
                 it is the first of this filter, and no other will be reported",
                self.name
            ));
        }
    }
}

impl Condition {
    fn compile(config: &Config, condition: &config::Condition) -> Result<Self, Diagnostic> {
        let all = |parts: &[config::Condition]| {
            parts.iter().map(|part| Self::compile(config, part)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match condition {
            config::Condition::Not(inner) => Self::Not(Box::new(Self::compile(config, inner)?)),
            config::Condition::And(parts) => Self::And(all(parts)?),
            config::Condition::Or(parts) => Self::Or(all(parts)?),
            // The language has seen to it that the name is known, and that names make no circle.
            config::Condition::Reference(name) => {
                Self::compile(config, &config.filters[&name.value].condition)?
            }
            config::Condition::Test(test) => Self::Test(super::compile(config, test)?),
            config::Condition::Comparison(compared) => Self::Test(super::comparison::compile(compared)),
        })
    }

    /// Calls `visit` with each test.
    fn each(&self, visit: &mut dyn FnMut(&dyn Test)) {
        match self {
            Self::Not(inner) => inner.each(visit),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each(visit)),
            Self::Test(test) => visit(&**test),
        }
    }

    fn take_over(&self, old: &Self) {
        match (self, old) {
            (Self::Not(own), Self::Not(old)) => own.take_over(old),
            (Self::And(own), Self::And(old)) | (Self::Or(own), Self::Or(old)) => {
                own.iter().zip(old).for_each(|(own, old)| own.take_over(old));
            }
            (Self::Test(own), Self::Test(old)) => own.take_over(&**old),
            _ => {}
        }
    }

    fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool {
        match self {
            Self::Not(inner) => !inner.matches(message, moment),
            Self::And(parts) => parts.iter().all(|part| part.matches(message, moment)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(message, moment)),
            Self::Test(test) => test.matches(message, moment),
        }
    }

    /// Those of `rows` of `selection` that meet it. A part of `and` and `or` sees only the rows that the parts
    /// before it have left open, with what those have stored.
    fn select(&self, selection: &mut Selection, rows: &Rows, out: &mut Out<'_>) -> Rows {
        match self {
            Self::Not(inner) => rows.without(&inner.select(selection, rows, out)),
            Self::And(parts) => {
                let mut left = rows.clone();
                for part in parts {
                    if left.is_empty() {
                        break;
                    }
                    left = part.select(selection, &left, out);
                }
                left
            }
            Self::Or(parts) => {
                let mut met = Rows::NONE;
                for part in parts {
                    let left = rows.without(&met);
                    if left.is_empty() {
                        break;
                    }
                    met = met.or(&part.select(selection, &left, out));
                }
                met
            }
            Self::Test(test) => select(&**test, selection, rows, out),
        }
    }
}

/// Those of `rows` of `selection` that meet `test`, which stores what it has to.
fn select(test: &dyn Test, selection: &mut Selection, rows: &Rows, out: &mut Out<'_>) -> Rows {
    let moment = Moment::at(out.now());
    let mut part = selection.with_rows(rows.clone());
    out.narrow(&mut part, |part| test.select(part, rows, moment), |message| test.matches(message, moment));
    let met = part.rows().clone();
    // Nobody else may read the revision, so that it is changed in its place.
    drop(part);
    if !met.is_empty() && test.matcher().is_some_and(Matcher::stores) {
        let all = selection.rows().clone();
        selection.set_rows(met.clone());
        out.revise(selection, |row| {
            test.store(row);
            true
        });
        selection.set_rows(all);
    }
    met
}

impl template::Condition for Filter {
    fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool {
        self.condition.matches(message, moment)
    }
}

impl Step for Filter {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let met = self.select(selection, out);
        selection.set_rows(met);
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_ordered(&self) -> bool {
        self.has_state()
    }

    fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    fn take_over(&self, old: &dyn Step) {
        if let Some(old) = old.as_any().downcast_ref::<Self>() {
            self.take_state_over(old);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
