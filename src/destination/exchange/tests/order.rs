//! Whatever the far end does, and whenever there is a reload, each message has one outcome, and those of one
//! thread arrive in the order in which they were posted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    /// A batch of messages of these threads.
    Push(Vec<u8>),
    /// So many seconds pass.
    Wait(u64),
    /// Another destination takes its place.
    Reload,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => prop::collection::vec(0..3_u8, 1..6).prop_map(Event::Push),
        3 => (0..100_u64).prop_map(Event::Wait),
        1 => Just(Event::Reload),
    ];
    prop::collection::vec(event, 1..20)
}

/// The settings of a run, and what its requests meet with.
#[derive(Debug, Clone)]
struct Run {
    workers: usize,
    batch_lines: usize,
    batch_timeout: Option<u64>,
    retries: u32,
    has_rejects: bool,
    answers: Vec<u8>,
}

fn run() -> impl Strategy<Value = Run> {
    let answers = prop::collection::vec(0..12_u8, 1..40);
    (1..4_usize, 1..5_usize, prop::option::of(1..90_u64), 1..4_u32, any::<bool>(), answers).prop_map(
        |(workers, batch_lines, batch_timeout, retries, has_rejects, answers)| Run {
            workers,
            batch_lines,
            batch_timeout,
            retries,
            has_rejects,
            answers,
        },
    )
}

fn answer(number: u8, texts: &[String]) -> Sent {
    let refusal = || Refusal { reason: "no".to_owned(), ..Refusal::default() };
    match number {
        0..5 => delivered(texts),
        5 => Sent::one(1, 1, Outcome::Delivered),
        6 => sent(texts, Outcome::Error(Failure::new("error"))),
        7 => sent(texts, Outcome::NotConnected(Failure::new("gone"))),
        8 => sent(texts, Outcome::Retry(Failure::new("again"))),
        9 => sent(texts, Outcome::Rejected(refusal())),
        10 => {
            let fate = |index| if index % 2 == 0 { Fate::Delivered } else { Fate::Rejected(refusal()) };
            sent(texts, Outcome::Rows((0..texts.len()).map(fate).collect()))
        }
        _ => panic!("a fault"),
    }
}

impl Run {
    fn apply(&self, settings: &mut ExchangeSettings) {
        settings.workers = self.workers;
        settings.batch_lines = self.batch_lines;
        settings.batch_timeout = self.batch_timeout.map(Duration::from_secs);
        settings.retries = self.retries;
        if self.workers > 1 {
            settings.partition_key = Some(Template::compile("$(substr $MSG 0 1)").unwrap());
            settings.is_one_key_a_group = self.retries == 2;
        }
    }
}

/// Carries `events` out, and looks at what has become of the messages.
fn check(run: &Run, events: &[Event]) {
    let (answers, mut number) = (run.answers.clone(), 0);
    let fake = Fake::new(move |texts| {
        number += 1;
        answer(answers.get(number - 1).copied().unwrap_or_default(), texts)
    });
    let mut rig = if run.has_rejects {
        Rig::with_rejects(&fake, |settings| run.apply(settings))
    } else {
        Rig::new(&fake, |settings| run.apply(settings))
    };
    let mut posted: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for event in events {
        match event {
            Event::Push(threads) => {
                let texts: Vec<String> = threads
                    .iter()
                    .map(|thread| {
                        let of_thread = posted.entry(*thread).or_default();
                        of_thread.push(format!("{thread}-{}", of_thread.len()));
                        of_thread[of_thread.len() - 1].clone()
                    })
                    .collect();
                rig.push(&texts.iter().map(String::as_str).collect::<Vec<_>>());
                rig.flush();
            }
            Event::Wait(seconds) => rig.after(Duration::from_secs(*seconds)),
            Event::Reload => {
                rig.flush();
                assert!(rig.destination.prepares_to_leave(rig.now));
                let left = rig.destination.hand_over();
                let taken = Arc::clone(&rig.rejected);
                let to = Rejects::new("d#0", Arc::new(move |delivery| taken.lock().unwrap().push(delivery)));
                let rejects = if run.has_rejects { to } else { Rejects::default() };
                rig.destination =
                    make(&fake, &rig.counters, &rig.reports, rejects, |settings| run.apply(settings));
                rig.destination.take_over(left);
            }
        }
    }
    let (taken, totals) = rig.finish();
    assert_eq!(totals.delivered, taken.len() as u64, "one outcome each");
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), taken.len(), "a message is there twice");
    for (thread, texts) in posted {
        let of_thread = taken.iter().filter(|text| text.starts_with(&format!("{thread}-")));
        let mut rest = texts.iter();
        for text in of_thread {
            assert!(rest.any(|next| next == text), "{text} is out of order in {taken:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Breaks without it: see the module.
    #[test]
    fn each_message_has_one_outcome_and_its_place(run in run(), events in events()) {
        check(&run, &events);
    }
}
