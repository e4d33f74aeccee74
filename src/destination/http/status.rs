//! What the status of an answer means: [`Action`].

use std::time::{Duration, SystemTime};

/// What is done about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The messages have arrived.
    Success,
    /// They are refused for good.
    Drop,
    /// They are sent again after a pause; `retries()` counts.
    Error,
    /// They are sent again after a pause, for ever.
    NotConnected,
}

impl Action {
    /// The words of `response-action()`.
    pub(super) const WORDS: &[(&'static str, Self)] = &[
        ("success", Self::Success),
        ("drop", Self::Drop),
        ("retry", Self::Error),
        ("disconnect", Self::NotConnected),
    ];
}

/// What the status `code` means where `response-action()` says nothing.
///
/// 400 and 413 say that the request itself is wrong: it would come back for ever, and all that waits behind it
/// would never go. So `retries()` counts them.
pub(super) fn action_of(code: u16) -> Action {
    match code {
        200..300 => Action::Success,
        102 | 103 | 304 | 400 | 413 | 428 | 504 => Action::Error,
        410 | 416 | 422 | 424 | 425 | 451 | 508 => Action::Drop,
        _ => Action::NotConnected,
    }
}

/// The pause that the header Retry-After asks for (RFC 9110 §10.2.3): a number of seconds, or a date.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    let then =
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(date.timestamp().as_second()).ok()?);
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a status is taken for another one's, and messages are lost or block all others.
    #[test]
    fn every_status_has_its_action() {
        let codes =
            |action: Action| -> Vec<u16> { (100..600).filter(|code| action_of(*code) == action).collect() };
        assert_eq!(codes(Action::Success), (200..300).collect::<Vec<_>>());
        assert_eq!(codes(Action::Error), [102, 103, 304, 400, 413, 428, 504]);
        assert_eq!(codes(Action::Drop), [410, 416, 422, 424, 425, 451, 508]);
        assert_eq!(codes(Action::NotConnected).len(), 500 - 100 - 14);
    }

    /// Breaks without it: a server that asks for time is asked again at once, or never.
    #[test]
    fn pauses_are_seconds_or_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, expected) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("99999999999999999999", Some(u64::from(u32::MAX))),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("soon", None),
            ("Sun, 06 Nov 1900 08:49:27 GMT", None),
        ] {
            assert_eq!(retry_after(value, now).map(|pause| pause.as_secs()), expected, "{value}");
        }
    }
}
