//! Answers that say of single messages what became of them: [`Adapter`].
//!
//! Some services answer 200 and refuse single messages of the request in the answer's body, or answer with an
//! error that names the one that is wrong. What they refuse is refused by itself, and the others are not:
//!
//! * Elasticsearch and `OpenSearch`, `_bulk`: an item for each document, with a status of its own;
//! * Splunk's HTTP event collector: `invalid-event-number`, the first event that is wrong;
//! * Loki: 400 for entries that it will never take;
//! * `OpenObserve`: how many records failed, and not which.

use serde_json::Value;

use crate::destination::exchange::{Failure, Fate, Outcome, Refusal};
use crate::printable;

/// The service that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adapter {
    Splunk,
    OpenObserve,
    Elasticsearch,
    Loki,
}

impl Adapter {
    /// The words of `response-adapter()`.
    pub(super) const WORDS: &[(&'static str, Self)] = &[
        ("splunk", Self::Splunk),
        ("openobserve", Self::OpenObserve),
        ("elasticsearch", Self::Elasticsearch),
        ("loki", Self::Loki),
    ];

    /// The most bytes of an answer that it reads.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Elasticsearch => 16 * 1024 * 1024,
            Self::Splunk | Self::OpenObserve | Self::Loki => 64 * 1024,
        }
    }

    /// What became of `messages`, where the answer has more to say than its status.
    pub(super) fn read(self, code: u16, body: &[u8], messages: usize) -> Option<Outcome> {
        match self {
            Self::Elasticsearch if (200..300).contains(&code) => Some(bulk(body, messages)),
            Self::Splunk if code >= 400 => splunk(code, body, messages),
            Self::OpenObserve if (200..300).contains(&code) => open_observe(body),
            Self::Loki if code == 400 => Some(Outcome::Rejected(Refusal {
                reason: format!("Loki refuses the entries: {}", shown(body)),
                status: code.to_string(),
                is_asked_for: false,
            })),
            _ => None,
        }
    }
}

/// A body as a log shows it: its first KiB, without control characters.
pub(super) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let line = printable::line(text.trim());
    printable::message(&line, 1024).into_owned()
}

fn bulk(body: &[u8], messages: usize) -> Outcome {
    let unreadable = |why: String| {
        Outcome::Error(Failure::new(format!("the answer to _bulk cannot be read ({why}): {}", shown(body))))
    };
    let answer: Value = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(error) => return unreadable(error.to_string()),
    };
    match answer["errors"] {
        Value::Bool(false) => return Outcome::Delivered,
        Value::Bool(true) => {}
        _ => return unreadable("it does not say whether there are errors".to_owned()),
    }
    let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.len() != messages {
        return unreadable(format!("{} items for {messages} messages", items.len()));
    }
    let mut fates = Vec::with_capacity(messages);
    for item in items {
        let item = item.as_object().and_then(|item| item.values().next()).unwrap_or(&Value::Null);
        let Some(status) = item["status"].as_u64() else {
            return unreadable("an item has no status".to_owned());
        };
        let error = &item["error"];
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let reason = match error {
            Value::Object(_) => format!("{}: {}", text(&error["type"]), text(&error["reason"])),
            other => text(other),
        };
        let (reason, code) = (shown(reason.as_bytes()), status.to_string());
        fates.push(match status {
            // A document that is there already is one that was sent twice.
            200..300 | 409 => Fate::Delivered,
            429 | 500..600 => {
                Fate::Again(Failure { text: format!("{status} {reason}"), status: code, pause: None })
            }
            _ => Fate::Rejected(Refusal { reason, status: code, is_asked_for: false }),
        });
    }
    Outcome::Rows(fates)
}

/// The event that is wrong is refused; the others are sent again, as nobody says whether they were taken.
fn splunk(code: u16, body: &[u8], messages: usize) -> Option<Outcome> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let invalid = usize::try_from(answer["invalid-event-number"].as_u64()?).ok()?;
    let text = answer["text"].as_str().unwrap_or_default();
    let reason = format!("{}: event {invalid}", shown(text.as_bytes()));
    let status = code.to_string();
    if invalid >= messages {
        return Some(Outcome::Error(Failure { text: reason, status, pause: None }));
    }
    let mut fates = vec![Fate::Untried; messages];
    fates[invalid] = Fate::Rejected(Refusal { reason, status, is_asked_for: false });
    Some(Outcome::Rows(fates))
}

fn open_observe(body: &[u8]) -> Option<Outcome> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let failed = |stream: &&Value| stream["failed"].as_u64().is_some_and(|failed| failed > 0);
    let stream = answer["status"].as_array()?.iter().find(failed)?;
    let error = stream["error"].as_str().unwrap_or_default();
    let text = format!("OpenObserve refuses {} records: {}", stream["failed"], shown(error.as_bytes()));
    Some(Outcome::Error(Failure::new(text)))
}

/// For each reader the number of messages that it gives an outcome of their own, where it does.
pub(super) fn own_outcomes(code: u16, body: &[u8], messages: usize) -> Vec<usize> {
    let outcomes = Adapter::WORDS.iter().filter_map(|(_, adapter)| adapter.read(code, body, messages));
    let own = outcomes.filter_map(|outcome| match outcome {
        Outcome::Rows(fates) => Some(fates.len()),
        _ => None,
    });
    own.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fates(outcome: Option<Outcome>) -> Vec<String> {
        match outcome {
            Some(Outcome::Rows(fates)) => fates
                .iter()
                .map(|fate| match fate {
                    Fate::Delivered => "delivered".to_owned(),
                    Fate::Rejected(refusal) => format!("rejected {} {}", refusal.status, refusal.reason),
                    Fate::Again(failure) => format!("again {}", failure.status),
                    Fate::Untried => "untried".to_owned(),
                })
                .collect(),
            other => vec![format!("{other:?}").split(['(', ' ']).next().unwrap_or_default().to_owned()],
        }
    }

    /// Breaks without it: a document that Elasticsearch refused counts as delivered, or one that it took is
    /// sent again.
    #[test]
    fn each_item_of_a_bulk_has_its_own_outcome() {
        let read = |body: &str, messages| {
            let outcome = Adapter::Elasticsearch.read(200, body.as_bytes(), messages).unwrap();
            let label = format!("{outcome:?}");
            (fates(Some(outcome)), label)
        };
        let items = r#"{"took":1,"errors":true,"items":[
            {"index":{"status":201}},
            {"create":{"status":409,"error":{"type":"version_conflict","reason":"there"}}},
            {"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"bad"}}},
            {"index":{"status":429,"error":{"type":"rejected","reason":"busy"}}},
            {"index":{"status":404,"error":"no index"}}]}"#;
        let expected = [
            "delivered",
            "delivered",
            "rejected 400 mapper_parsing_exception: bad",
            "again 429",
            "rejected 404 no index",
        ];
        assert_eq!(read(items, 5).0, expected);
        assert!(read(r#"{"errors":false,"items":[]}"#, 5).1.starts_with("Delivered"));
        assert!(read(items, 4).1.contains("5 items for 4 messages"));
        for broken in ["", "{", "[]", r#"{"errors":true,"items":[{}]}"#, r#"{"items":[]}"#] {
            assert!(read(broken, 1).1.starts_with("Error"), "{broken}");
        }
        assert!(Adapter::Elasticsearch.read(500, b"", 1).is_none());
    }

    /// Breaks without it: one wrong event keeps a whole request from Splunk for ever, or takes it along.
    #[test]
    fn splunk_names_the_event_that_is_wrong() {
        let body = br#"{"text":"Incorrect data format","code":6,"invalid-event-number":1}"#;
        let expected = ["untried", "rejected 400 Incorrect data format: event 1", "untried"];
        assert_eq!(fates(Adapter::Splunk.read(400, body, 3)), expected);
        assert_eq!(fates(Adapter::Splunk.read(400, body, 1)), ["Some"], "there is no such event");
        assert!(Adapter::Splunk.read(403, br#"{"text":"Invalid token","code":4}"#, 3).is_none());
        assert!(Adapter::Splunk.read(200, body, 3).is_none());
    }

    /// Breaks without it: records that `OpenObserve` did not take count as delivered.
    #[test]
    fn failed_records_of_openobserve_are_an_error() {
        let failed = br#"{"code":200,"status":[{"name":"s","successful":1,"failed":2,"error":"no"}]}"#;
        assert!(matches!(Adapter::OpenObserve.read(200, failed, 3), Some(Outcome::Error(_))));
        let fine = br#"{"code":200,"status":[{"name":"s","successful":3,"failed":0}]}"#;
        assert!(Adapter::OpenObserve.read(200, fine, 3).is_none());
        assert!(Adapter::OpenObserve.read(200, b"<html>", 3).is_none());
    }

    /// Breaks without it: a log has control characters of a server, or all of a long page.
    #[test]
    fn bodies_are_shown_short_and_on_one_line() {
        let long = shown(&[b'x'; 5000]);
        assert!(long.len() < 1100 && long.starts_with("xxx"), "{}", long.len());
        let hostile = shown(b"  a\r\nb\x1b[31m\xff ");
        assert!(hostile.starts_with("a\\r\\nb\\u{1b}[31m") && !hostile.contains('\n'), "{hostile}");
    }

    proptest! {
        /// Breaks without it: an answer panics a worker, or has more outcomes than messages.
        #[test]
        fn any_answer_is_read_or_refused(
            code in 100..600_u16,
            body in prop_oneof![
                any::<Vec<u8>>(),
                r#"\{"errors":(true|false|1),"items":\[(\{"[a-z]{0,3}":\{"status":[0-9]{1,6}\}\},?){0,4}\]\}"#
                    .prop_map(String::into_bytes),
                r#"\{"text":"[a-z]{0,3}","invalid-event-number":-?[0-9]{1,20}\}"#.prop_map(String::into_bytes),
            ],
            messages in 1..6_usize,
        ) {
            prop_assert!(own_outcomes(code, &body, messages).iter().all(|own| *own == messages));
        }
    }
}
