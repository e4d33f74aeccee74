//! Conditions: [`Filter`].

use std::any::Any;
use std::sync::Arc;

use super::Test;
use crate::config::{self, Config, Diagnostic};
use crate::message::{MessageRef, Rows, Selection};
use crate::path::{Out, Step};

/// A filter of a log path, or the condition of an `if`.
#[derive(Debug)]
pub struct Filter {
    name: String,
    condition: Condition,
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
        Ok(Self { name: name.to_owned(), condition: Condition::compile(config, condition)? })
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
        })
    }

    fn matches(&self, message: MessageRef<'_>) -> bool {
        match self {
            Self::Not(inner) => !inner.matches(message),
            Self::And(parts) => parts.iter().all(|part| part.matches(message)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(message)),
            Self::Test(test) => test.matches(message),
        }
    }

    /// Those of `rows` that meet it. A part of `and` and `or` sees only the rows that the parts before it
    /// have left open.
    fn select(&self, selection: &Selection, rows: &Rows) -> Rows {
        match self {
            Self::Not(inner) => rows.without(&inner.select(selection, rows)),
            Self::And(parts) => {
                let narrowed = |left: Rows, part: &Self| {
                    if left.is_empty() { left } else { part.select(selection, &left) }
                };
                parts.iter().fold(rows.clone(), narrowed)
            }
            Self::Or(parts) => {
                let mut met = Rows::NONE;
                for part in parts {
                    let left = rows.without(&met);
                    if left.is_empty() {
                        break;
                    }
                    met = met.or(&part.select(selection, &left));
                }
                met
            }
            Self::Test(test) => test.select(selection, rows),
        }
    }
}

impl Step for Filter {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let condition = &self.condition;
        out.narrow(selection, |all| condition.select(all, all.rows()), |message| condition.matches(message));
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
