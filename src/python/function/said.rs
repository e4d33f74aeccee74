//! The lines of a function in the log: [`Said`].

use std::time::{Duration, Instant};

/// The least time from one line to the next.
const QUIET: Duration = Duration::from_secs(60);

/// The last thing that was said of a function: that it fails, or nothing and that it works. A function that fails now
/// and then gives a line a minute, and no more.
#[derive(Debug, Default)]
pub(super) struct Said {
    is_failing: bool,
    /// The time of the last line.
    last: Option<Instant>,
    /// The calls that have failed since it was last said that it works.
    failed: u64,
}

impl Said {
    fn is_quiet(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET)
    }

    /// Notes that a call has failed; whether that is to be said.
    pub(super) fn fails(&mut self, now: Instant) -> bool {
        self.failed += 1;
        let is_news = !self.is_failing && !self.is_quiet(now);
        if is_news {
            (self.is_failing, self.last) = (true, Some(now));
        }
        is_news
    }

    /// Notes that a call has not failed; how many have before, where that is to be said.
    pub(super) fn works(&mut self, now: Instant) -> Option<u64> {
        let is_news = self.is_failing && !self.is_quiet(now);
        is_news.then(|| {
            (self.is_failing, self.last) = (false, Some(now));
            std::mem::take(&mut self.failed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a function that fails for each second message fills the log, or one that fails for all of
    /// them is not heard of.
    #[test]
    fn each_change_is_said_and_no_more_than_one_a_minute() {
        let (mut said, start) = (Said::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(said.works(at(0)), None, "nobody has heard that it fails");
        assert!(said.fails(at(0)));
        for second in 1..60 {
            assert!(!said.fails(at(second)));
            assert_eq!(said.works(at(second)), None);
        }
        assert!(!said.fails(at(60)), "that is known");
        assert_eq!(said.works(at(61)), Some(61));
        assert_eq!(said.works(at(200)), None);
        assert!(said.fails(at(201)));
        assert_eq!(said.works(at(300)), Some(1));
    }
}
