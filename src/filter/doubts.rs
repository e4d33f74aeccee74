//! Conditions that no message can meet.

use super::facility::FacilityOptions;
use super::level::LevelOptions;
use super::text::TextOptions;
use crate::config::{Condition, FilterTest, Span};

/// The parts of `condition` that no message can meet, each with its place and the reason.
pub(crate) fn doubts(condition: &Condition) -> Vec<(Span, String)> {
    let (mut found, mut left) = (Vec::new(), vec![condition]);
    while let Some(condition) = left.pop() {
        match condition {
            Condition::Not(inner) => left.push(inner),
            Condition::Or(parts) => left.extend(parts),
            Condition::And(parts) => {
                found.extend(contradiction(parts));
                left.extend(parts);
            }
            Condition::Reference(_) | Condition::Test(_) | Condition::Comparison(_) => {}
        }
    }
    found
}

/// The first of `parts` that is never met together with those before it.
fn contradiction(parts: &[Condition]) -> Option<(Span, String)> {
    let (mut facilities, mut levels) = (u128::MAX, u128::MAX);
    let mut texts: Vec<&TextOptions> = Vec::new();
    for test in parts.iter().filter_map(as_test) {
        if let Some(FacilityOptions { set }) = test.options() {
            facilities &= set;
        }
        if let Some(LevelOptions { set }) = test.options() {
            levels &= set;
        }
        if let Some(text) = test.options::<TextOptions>() {
            let other = texts.iter().find(|before| before.excludes(text));
            if let Some(other) = other {
                let (one, two) = (other.pattern(), text.pattern());
                let message =
                    format!("this filter lets no message pass: `{}` is \"{one}\" or \"{two}\"", test.word);
                return Some((test.span, message));
            }
            texts.push(text);
        }
        if facilities == 0 || levels == 0 {
            let message = format!("this filter lets no message pass: a message has one {}", test.word);
            return Some((test.span, message));
        }
    }
    None
}

fn as_test(condition: &Condition) -> Option<&FilterTest> {
    match condition {
        Condition::Test(test) => Some(test),
        _ => None,
    }
}
