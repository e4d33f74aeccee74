use std::collections::BTreeSet;

use super::*;
use crate::disk::model::Random;

/// The slow twin: each message by itself.
fn check(progress: &Progress, done: &BTreeSet<u64>) {
    let numbers = |range: &Range<u64>| range.clone().collect::<Vec<_>>();
    let all: Vec<_> =
        std::iter::once(&(0..progress.below)).chain(&progress.beyond).flat_map(numbers).collect();
    assert!(all.iter().eq(done), "{progress:?} {done:?}");
    assert!(progress.beyond.iter().all(|range| !range.is_empty() && range.start > progress.below));
    assert!(progress.beyond.windows(2).all(|pair| pair[0].end < pair[1].start), "{progress:?}");
    assert_eq!(progress.count(), done.len() as u64);
    for from in 0..70 {
        let open = (from..200).find(|number| !done.contains(number)).unwrap();
        assert_eq!(progress.next_open(from), open, "{progress:?} from {from}");
        let range = from..from + 7;
        assert_eq!(progress.covers(&range), range.clone().all(|number| done.contains(&number)));
        let within: Vec<_> = progress.within(&range).iter().flat_map(numbers).collect();
        assert!(within.iter().eq(done.range(range)), "{progress:?} within {from}..{}", from + 7);
    }
}

/// Breaks without it: a message counts as delivered that was not.
#[test]
fn progress_is_the_set_of_its_messages() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let (mut progress, mut other, mut done) = (Progress::default(), Progress::default(), BTreeSet::new());
        for _ in 0..12 {
            let start = random.below(60);
            let range = start..start + random.below(9);
            done.extend(range.clone());
            if random.chance(300) {
                other.add(range);
                progress.merge(&other, u64::MAX);
            } else {
                progress.add(range);
            }
            check(&progress, &done);
            let mut bytes = Vec::new();
            progress.write(&mut bytes);
            assert_eq!(Progress::read(&bytes, progress.end()), Some(progress.clone()));
            assert_eq!(Progress::read(&bytes, progress.end().wrapping_sub(1)).is_some(), progress.end() == 0);
            assert_eq!(Progress::read(&bytes[..bytes.len() - 1], u64::MAX), None);
        }
    }
}

/// Breaks without it: what is not durable is noted as delivered.
#[test]
fn a_merge_ends_at_its_limit() {
    let mut other = Progress::new(10);
    other.add(20..30);
    let mut progress = Progress::default();
    assert!(progress.merge(&other, 25));
    assert_eq!((progress.below(), progress.beyond().len(), progress.end()), (10, 1, 25));
    assert!(!progress.merge(&other, 25));
    assert!(Progress::default().merge(&other, 5));
}
