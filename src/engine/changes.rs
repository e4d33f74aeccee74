//! The changes that a reload makes to each driver, for those who asked for it: [`Changes`].

use std::fmt;

use serde_json::{Value, json};

/// The fates of the drivers of one kind, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fates {
    /// The same as before: they never stopped.
    pub kept: Vec<String>,
    /// Stopped, and started with other options.
    pub replaced: Vec<String>,
    /// Not there before.
    pub started: Vec<String>,
    /// Not there any more.
    pub stopped: Vec<String>,
}

/// The fates of all drivers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The sources.
    pub sources: Fates,
    /// The destinations.
    pub destinations: Fates,
}

/// The ids before, the ids after, and which of those after are kept.
pub(super) type Step<'s> = (Vec<String>, Vec<String>, &'s dyn Fn(usize) -> bool);

impl Fates {
    fn new((before, after, is_kept): Step<'_>) -> Self {
        let stopped = before.iter().filter(|id| !after.contains(id)).cloned().collect();
        let mut fates = Self { stopped, ..Self::default() };
        for (index, id) in after.into_iter().enumerate() {
            let list = match (is_kept(index), before.contains(&id)) {
                (true, _) => &mut fates.kept,
                (false, true) => &mut fates.replaced,
                (false, false) => &mut fates.started,
            };
            list.push(id);
        }
        fates
    }

    fn named(&self) -> [(&'static str, &Vec<String>); 4] {
        [
            ("kept", &self.kept),
            ("replaced", &self.replaced),
            ("started", &self.started),
            ("stopped", &self.stopped),
        ]
    }

    fn to_json(&self) -> Value {
        self.named().into_iter().map(|(name, ids)| (name.to_owned(), json!(ids))).collect()
    }
}

impl Changes {
    /// The changes that a step makes to sources and destinations.
    pub(super) fn new(sources: Step<'_>, destinations: Step<'_>) -> Self {
        Self { sources: Fates::new(sources), destinations: Fates::new(destinations) }
    }

    /// `{"sources": {"kept": […], "replaced": […], "started": […], "stopped": […]}, "destinations": {…}}`
    pub(crate) fn to_json(&self) -> Value {
        json!({ "sources": self.sources.to_json(), "destinations": self.destinations.to_json() })
    }
}

impl fmt::Display for Fates {
    /// `kept a#0, b#0; replaced c#0`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.named().into_iter().filter(|(_, ids)| !ids.is_empty());
        let lists: Vec<_> = lists.map(|(name, ids)| format!("{name} {}", ids.join(", "))).collect();
        f.write_str(&if lists.is_empty() { "none".to_owned() } else { lists.join("; ") })
    }
}

impl fmt::Display for Changes {
    /// `sources: kept a#0; destinations: …` on two lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sources: {}\ndestinations: {}", self.sources, self.destinations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a reload names a driver twice, or not at all.
    #[test]
    fn every_driver_has_one_fate() {
        let ids = |ids: &str| ids.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let fates = Fates::new((ids("a b c"), ids("d b a"), &|index| index == 1));
        assert_eq!(fates.to_string(), "kept b; replaced a; started d; stopped c");
        let changes = Changes { sources: fates, destinations: Fates::default() };
        assert!(changes.to_string().ends_with("\ndestinations: none"));
        assert_eq!(changes.to_json()["sources"]["replaced"], json!(["a"]));
    }
}
