//! Tests of filters that know of the messages before: the clock that they go by, and reloads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{batch, config};
use crate::path::{self, Step, alone};

/// The steps with a state of a configuration with these items in its only path, conditions included.
fn steps(statements: &str, items: &str) -> Vec<Arc<dyn Step>> {
    let config = config(&format!("{statements}\nlog {{ source {{ internal(); }}; {items} }};"));
    let compiled = path::compile(&config).unwrap();
    let steps = compiled.sources[0].program.steps();
    steps.into_iter().filter(|step| step.is_ordered()).cloned().collect()
}

/// The messages of a batch of five that `step` changes, or that pass it where it changes none.
fn count(step: &Arc<dyn Step>, at: Instant) -> usize {
    let (passed, _) = alone(&**step, batch(&["m"; 5]), at);
    let changed = passed.messages().filter(|message| message.named(b"v").is_some()).count();
    if changed > 0 { changed } else { passed.len() }
}

/// Breaks without it: the conditions of a path and of a rewrite go by another clock than its filters, so that tests have
/// to wait for a second.
#[test]
fn rates_go_by_the_clock_of_the_engine() {
    let start = Instant::now();
    for items in [
        "filter { rate-limit(rate(2)); };",
        "if (rate-limit(rate(2))) { };",
        "rewrite { set('x' value('v') condition(rate-limit(rate(2)))); };",
        // In a template of a comparison, beside one that lets all pass.
        "rewrite { set('x' value('v') condition('$(if rate-limit(rate(2)) a b)' eq 'a' and rate-limit(rate(9)))); };",
    ] {
        let steps = steps("", items);
        assert_eq!(steps.len(), 1, "{items}");
        let at = |seconds| count(&steps[0], start + Duration::from_secs(seconds));
        assert_eq!([at(0), at(3600), at(7200)], [2, 2, 2], "{items}");
    }
}

/// Breaks without it: a reload lets as many pass again, or one of a changed statement goes on with the old numbers.
#[test]
fn what_a_rate_has_left_outlives_a_reload_that_does_not_change_it() {
    let start = Instant::now();
    let filter = "filter f { rate-limit(rate(3) key(\"$PROGRAM\")) and not level(err); };";
    for (statements, items) in [
        (filter, "filter(f);"),
        (filter, "if (filter(f)) { };"),
        ("filter g { rate-limit(rate(3)) }; filter f { filter(g) or level(emerg); };", "filter(f);"),
        ("", "rewrite { set('x' value('v') condition(rate-limit(rate(3)))); };"),
    ] {
        let old = steps(statements, items);
        assert_eq!(count(&old[0], start), 3, "{items}");
        // Elsewhere in the file, with another one before it.
        let moved = format!("filter other {{ rate-limit(rate(9)); }};\n\n{statements}");
        let new = steps(&moved, &format!("{items} filter(other);"));
        assert_eq!(new[0].key(), old[0].key(), "{items}");
        new[0].take_over(&*old[0]);
        let (passed, _) = alone(&*new[0], batch(&["m"]), start);
        let set = passed.messages().filter(|message| message.named(b"v").is_some()).count();
        assert_eq!(set, 0, "{items}");
        assert_eq!(passed.len(), usize::from(items.starts_with("rewrite")), "{items}: nothing is left");
        let other = steps(&statements.replace("rate(3)", "rate(4)"), &items.replace("rate(3)", "rate(4)"));
        assert_ne!(other[0].key(), old[0].key(), "{items}");
    }
    // Two references are two of one text.
    let both = steps(filter, "filter(f); filter(f);");
    assert_ne!(both[0].key(), both[1].key());
    let without = config("filter f { level(err); }; log { source { internal(); }; filter(f); };");
    let compiled = path::compile(&without).unwrap();
    assert!(compiled.sources[0].program.steps().iter().all(|step| step.key().is_none()), "there is no state");
}
