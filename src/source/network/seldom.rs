//! What is said of something that may happen often: [`Seldom`].

use std::time::{Duration, Instant};

/// The time between two lines.
const BETWEEN: Duration = Duration::from_secs(1);

/// Lets one line a second be said, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    next: Option<Instant>,
    others: u64,
}

impl Seldom {
    /// The end of the line that is to be said now; `None`: it is counted.
    pub(super) fn say(&mut self) -> Option<String> {
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            self.others += 1;
            return None;
        }
        self.next = Some(now + BETWEEN);
        match std::mem::take(&mut self.others) {
            0 => Some(String::new()),
            others => Some(format!("; and {others} times since the last line about it")),
        }
    }
}
