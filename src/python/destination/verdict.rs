//! The meaning of what a destination's methods return: [`Verdict`].

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyTuple};

use crate::python::escape::escaped;

const DROP: i64 = 0;
const ERROR: i64 = 1;
const EXPLICIT_ACK_MGMT: i64 = 2;
const SUCCESS: i64 = 3;
const QUEUED: i64 = 4;
const NOT_CONNECTED: i64 = 5;
/// The result that is no member of `LogDestinationResult`.
pub(super) const RETRY: i64 = 6;

/// The most characters of a result that are shown.
const LONGEST: usize = 60;

/// The fate of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They have arrived.
    Success,
    /// They are tried again, `retries()` times; the reason, where the result itself says none.
    Error(Option<String>),
    /// They are given up.
    Drop,
    /// They wait for `flush()`.
    Queued,
    /// They are kept until there is a connection again.
    NotConnected,
    /// They are tried again at once.
    Retry,
}

impl Verdict {
    /// The meaning of `result`: a `LogDestinationResult`, another int, or a bool.
    pub(super) fn of(result: &Bound<'_, PyAny>) -> Self {
        if let Ok(truth) = result.cast::<PyBool>() {
            return if truth.is_true() { Self::Success } else { Self::Error(None) };
        }
        match result.extract::<i64>() {
            Ok(DROP) => Self::Drop,
            Ok(ERROR) => Self::Error(None),
            Ok(SUCCESS) => Self::Success,
            Ok(QUEUED) => Self::Queued,
            Ok(NOT_CONNECTED) => Self::NotConnected,
            Ok(RETRY) => Self::Retry,
            Ok(EXPLICIT_ACK_MGMT) => {
                Self::Error(Some("EXPLICIT_ACK_MGMT, for which there is no way to acknowledge".to_owned()))
            }
            Ok(_) | Err(_) => {
                Self::Error(Some(format!("{}, which is no LogDestinationResult", shown(result))))
            }
        }
    }

    /// The meaning of what `send_batch()` returned for `count` messages: one result for all of them, or one for
    /// each.
    pub(super) fn of_batch(result: &Bound<'_, PyAny>, count: usize) -> Result<Vec<Self>, Self> {
        let each: Vec<_> = if let Ok(list) = result.cast::<PyList>() {
            list.iter().collect()
        } else if let Ok(tuple) = result.cast::<PyTuple>() {
            tuple.iter().collect()
        } else {
            return Err(Self::of(result));
        };
        if each.len() != count {
            let text = format!("{} results for {count} messages", each.len());
            return Err(Self::Error(Some(text)));
        }
        let verdicts: Vec<_> = each.iter().map(Self::of).collect();
        let is_one_of_all =
            |verdict: &&Self| matches!(verdict, Self::Queued | Self::NotConnected | Self::Retry);
        match verdicts.iter().position(|verdict| is_one_of_all(&verdict)) {
            Some(at) => {
                let text =
                    format!("{} for message {at}: of a single one, SUCCESS, ERROR or DROP", shown(&each[at]));
                Err(Self::Error(Some(text)))
            }
            None => Ok(verdicts),
        }
    }
}

/// A result as Python shows it.
fn shown(result: &Bound<'_, PyAny>) -> String {
    let text = result.repr().map_or_else(|_| "an object".to_owned(), |text| escaped(&text));
    text.chars().take(LONGEST).collect()
}
