//! The choices of value-pairs as they are written, in order: [`Builder`].

use super::super::Template;
use super::super::glob::Glob;
use super::super::item::Items;
use super::super::macros::{macro_values, resolve};
use super::{Candidates, Change, Maker, Rekey, Scopes, ValuePairs};
use crate::message::ValueType;

/// The macros and values of RFC 3164.
const RFC_3164: &[&str] = &["FACILITY", "PRIORITY", "HOST", "PROGRAM", "PID", "MESSAGE", "DATE"];

/// The scopes there are.
const SCOPES: &[&str] = &[
    "nv-pairs",
    "dot-nv-pairs",
    "all-nv-pairs",
    "rfc3164",
    "core",
    "base",
    "rfc5424",
    "syslog-proto",
    "selected-macros",
    "sdata",
    "all-macros",
    "everything",
    "none",
];

/// The choices of value-pairs, as they are written.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct Builder {
    scopes: Scopes,
    /// The macros of the scopes.
    macros: Vec<&'static str>,
    all_macros: bool,
    globs: Vec<(Glob, bool)>,
    rekeys: Vec<Rekey>,
    pairs: Vec<(Vec<u8>, Maker)>,
    keeps_types: bool,
    pub(in crate::template) includes_bytes: bool,
    pub(in crate::template) omits_empty: bool,
    /// A dot in front of a name becomes an underscore, after all else.
    pub(in crate::template) no_leading_dot: bool,
}

impl Builder {
    /// No choices: values have their types if `keeps_types`.
    pub(crate) fn new(keeps_types: bool) -> Self {
        Self { keeps_types, ..Self::default() }
    }

    /// Adds the scope called `word`.
    ///
    /// # Errors
    /// The nearest scope, or all of them, when there is none of that name.
    pub(crate) fn scope(&mut self, word: &str) -> Result<(), String> {
        let (scopes, macros) = (&mut self.scopes, &mut self.macros);
        match &*word.replace('_', "-") {
            "nv-pairs" => scopes.plain = true,
            "dot-nv-pairs" => scopes.dotted = true,
            "all-nv-pairs" => (scopes.plain, scopes.dotted) = (true, true),
            "rfc3164" | "core" | "base" => macros.extend(RFC_3164),
            "rfc5424" | "syslog-proto" => {
                macros.extend(RFC_3164);
                macros.push("MSGID");
                scopes.sdata = true;
            }
            "selected-macros" => {
                macros.extend(RFC_3164);
                macros.extend(["TAGS", "SOURCEIP", "SEQNUM"]);
            }
            "sdata" => scopes.sdata = true,
            "all-macros" => {
                self.all_macros = true;
                macros.push("MESSAGE");
            }
            "everything" => {
                (scopes.plain, scopes.dotted, self.all_macros) = (true, true, true);
                macros.extend(RFC_3164);
                macros.push("MSGID");
            }
            "none" => (*scopes, *macros, self.all_macros) = (Scopes::default(), Vec::new(), false),
            other => {
                let nearest = crate::nearest::did_you_mean(other, SCOPES.iter().copied());
                return Err(nearest.unwrap_or_else(|| format!("the scopes are {}", SCOPES.join(", "))));
            }
        }
        Ok(())
    }

    /// Includes the names that have one of `patterns`.
    pub(crate) fn include(&mut self, patterns: &[Vec<u8>]) {
        self.globs.extend(patterns.iter().map(|pattern| (Glob::new(pattern), true)));
    }

    /// Excludes the names that have one of `patterns`.
    pub(crate) fn exclude(&mut self, patterns: &[Vec<u8>]) {
        self.globs.extend(patterns.iter().map(|pattern| (Glob::new(pattern), false)));
    }

    /// Adds a value that `items` make, which are said to be of type `hint`.
    pub(in crate::template) fn pair(&mut self, name: Vec<u8>, items: Items, hint: Option<ValueType>) {
        self.pairs.push((name, Maker::Template(items, hint)));
    }

    /// Adds a value that `template` makes.
    pub(crate) fn template(&mut self, name: Vec<u8>, template: &Template) {
        self.pairs.push((name, Maker::Shared(template.clone())));
    }

    /// Sets whether binary values are taken, too.
    pub(crate) fn include_bytes(&mut self, includes: bool) {
        self.includes_bytes = includes;
    }

    /// Changes the names that have one of `patterns`.
    pub(crate) fn rekey(&mut self, patterns: &[Vec<u8>], changes: Vec<Change>) {
        if !changes.is_empty() {
            let globs = patterns.iter().map(|pattern| Glob::new(pattern)).collect();
            self.rekeys.push(Rekey { globs, changes });
        }
    }

    /// Sets whether values have their types.
    pub(in crate::template) fn keep_types(&mut self, keeps: bool) {
        self.keeps_types = keeps;
    }

    /// Makes the named values of the choices.
    pub(crate) fn build(self) -> ValuePairs {
        // The last pattern that matches decides, and without one the scope.
        let chooses = |name: &str, in_scope: bool| {
            let last = self.globs.iter().rev().find(|(glob, _)| glob.matches(name.as_bytes()));
            last.map_or(in_scope, |(_, includes)| *includes)
        };
        let mut chosen = Vec::new();
        for (name, value) in macro_values() {
            let in_scope = self.all_macros || self.macros.contains(&&*name);
            if chooses(&name, in_scope) {
                chosen.push((name.into_bytes(), Maker::Macro(value)));
            }
        }
        // Those of the scopes that are values by themselves.
        for name in self.macros.iter().copied().filter(|name| chooses(name, true)) {
            if !chosen.iter().any(|(other, _)| *other == name.as_bytes()) {
                chosen.push((name.as_bytes().to_vec(), Maker::Macro(resolve(name))));
            }
        }
        // The pairs, and all names as they are after the changes; of one name the last stays.
        chosen.extend(self.pairs);
        let mut made: Vec<(Box<[u8]>, Maker)> = Vec::with_capacity(chosen.len());
        for (mut name, maker) in chosen {
            for rekey in &self.rekeys {
                if rekey.globs.iter().any(|glob| glob.matches(&name)) {
                    rekey.changes.iter().for_each(|change| change.apply(&mut name));
                }
            }
            if self.no_leading_dot && name.first() == Some(&b'.') {
                name[0] = b'_';
            }
            made.retain(|(other, _)| **other != *name);
            made.push((name.into(), maker));
        }
        made.sort_by(|one, other| one.0.cmp(&other.0));
        // The values that no scope and no pattern can choose are not looked at.
        let candidates = match self.scopes {
            _ if self.globs.iter().any(|(_, includes)| *includes) => Candidates::All,
            Scopes { plain: true, .. } => Candidates::All,
            Scopes { dotted: true, .. } | Scopes { sdata: true, .. } => Candidates::Dotted,
            Scopes { .. } => Candidates::None,
        };
        ValuePairs {
            scopes: self.scopes,
            globs: self.globs,
            rekeys: self.rekeys,
            made,
            keeps_types: self.keeps_types,
            includes_bytes: self.includes_bytes,
            omits_empty: self.omits_empty,
            no_leading_dot: self.no_leading_dot,
            candidates,
        }
    }
}
