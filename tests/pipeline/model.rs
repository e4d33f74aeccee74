//! Any sequence of what can happen to a pipeline, against a plain model of it.
//!
//! The invariant: what is in the file at the end is what the model says, in its order; what is not there was
//! dropped as the model says; and at every step the counts of the engine are those of the model.

use proptest::prelude::*;

use crate::rig::{Rig, until};

const WINDOW: u64 = 6;
const FIFO: u64 = 9;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// This producer posts until it has posted so many, or there is no credit.
    Post(usize, u64),
    CloseBatch(usize),
    /// The directory of the file goes away.
    Stall,
    /// It comes back.
    Unstall,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Drain,
    Retire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2usize, 1..2 * WINDOW).prop_map(|(who, count)| Step::Post(who, count)),
        2 => (0..2usize).prop_map(Step::CloseBatch),
        1 => Just(Step::Stall),
        1 => Just(Step::Unstall),
    ]
}

/// The plain model: a window, and a queue in front of a file.
#[derive(Debug, Default)]
struct Model {
    stalled: bool,
    /// True when the destination has noticed, which it does at the first message.
    noticed: bool,
    posted: u64,
    queued: Vec<u64>,
    written: Vec<u64>,
    dropped: u64,
}

impl Model {
    /// The messages that the window lets through of `count` posts, when what arrives is not waited for.
    fn room(&self, flow_control: bool) -> u64 {
        if flow_control { WINDOW - self.queued.len() as u64 } else { WINDOW }
    }

    /// One message that was taken.
    fn take(&mut self, flow_control: bool) {
        let number = self.posted;
        self.posted += 1;
        if !self.stalled {
            self.written.push(number);
        } else if flow_control || !self.noticed || (self.queued.len() as u64) < FIFO {
            self.queued.push(number);
        } else {
            self.dropped += 1;
        }
    }
}

fn run(flow_control: bool, steps: &[Step], end: End) {
    let flags = if flow_control { "flags(flow-control);" } else { "" };
    let mut rig = Rig::new(&format!(
        r#"
        options {{ time-reopen(3600); create-dirs(no); }};
        source s {{ python(class("A") log-iw-size({WINDOW})); }};
        log {{ source(s); destination {{ file("DIR/live/out" template("$MSG\n") log-fifo-size({FIFO})); }}; {flags} }};
        "#
    ));
    rig.mkdir("live");
    let mut posters = [rig.poster(0), rig.poster(0)];
    let mut model = Model::default();
    let settle = |model: &Model| {
        until("the engine is where the model is", || {
            let (source, to) = (rig.source(0), rig.to(0));
            let held = if flow_control { model.queued.len() as i64 } else { 0 };
            to.posted == model.posted
                && (to.delivered, to.in_flight) == (model.written.len() as u64, model.queued.len() as u64)
                && to.dropped == model.dropped
                && to.suspended == model.noticed
                && source.free == WINDOW as i64 - held
                && source.totals.posted == model.posted
        });
    };
    for step in steps {
        match *step {
            Step::Post(who, count) => {
                // Where credit comes back at once, a burst is what the window lets through.
                let room = model.room(flow_control);
                let first_in_trouble = model.stalled && !model.noticed;
                let most = if first_in_trouble && !flow_control { 1 } else { count.min(room) };
                for _ in 0..most {
                    posters[who].try_post(model.posted.to_string().as_bytes()).unwrap();
                    model.take(flow_control);
                    model.noticed = model.stalled;
                    // Two producers have a batch each: only what is settled is in order between them.
                    if flow_control && model.stalled && count > room && model.room(true) == 0 {
                        assert!(posters[who].try_post(b"beyond").is_err(), "the window is full");
                    }
                }
                settle(&model);
            }
            Step::CloseBatch(who) => posters[who].producer.close_batch(),
            Step::Stall if !model.stalled => {
                rig.rename("live", "away");
                model.stalled = true;
            }
            Step::Unstall if model.stalled => {
                rig.rename("away", "live");
                model.stalled = false;
                model.noticed = false;
                let queued = std::mem::take(&mut model.queued);
                model.written.extend(queued);
                settle(&model);
            }
            Step::Stall | Step::Unstall => {}
        }
    }
    drop(posters);
    let mut dropped = model.dropped;
    match end {
        End::Drain => dropped += model.queued.len() as u64,
        End::Retire => {
            rig.reload("");
            if model.stalled {
                rig.rename("away", "live");
            }
            let queued = std::mem::take(&mut model.queued);
            model.written.extend(queued);
            until("it is finished", || rig.pipeline.leaving() == 0);
        }
    }
    let lost = rig.pipeline.drain(crate::rig::PATIENCE);
    assert_eq!(lost, model.queued.len() as u64);
    let name = if model.stalled && matches!(end, End::Drain) { "away/out" } else { "live/out" };
    let written: Vec<_> = model.written.iter().map(u64::to_string).collect();
    assert_eq!(rig.lines(name), written);
    let (totals, _) = rig.finish(&[model.posted]);
    assert_eq!((totals[0].delivered, totals[0].dropped_total()), (written.len() as u64, dropped));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Breaks without it: whatever the examples beside it do not think of.
    #[test]
    fn a_pipeline_does_what_the_model_does(
        flow_control: bool,
        steps in prop::collection::vec(step(), 1..25),
        end in prop_oneof![Just(End::Drain), Just(End::Retire)],
    ) {
        run(flow_control, &steps, end);
    }
}
