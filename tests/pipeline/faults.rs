//! Panics on the engine's threads: what they cost, and that everything else goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use inrush::flow::{DropReason, LateParser};
use inrush::message::Head;
use inrush::message::batch::Text;
use inrush::message::{FieldName, LateParsed, Release, Segments, Selection, ValueType};

use crate::foreign::{Owners, post};
use crate::rig::{Rig, until};

/// Panics at every hundredth number.
#[derive(Debug)]
struct Faulty;

impl LateParser for Faulty {
    fn parse(&self, selection: &mut Selection) -> LateParsed {
        selection.parse_late(|text, _, row| {
            row.field(FieldName::Program, Text::Copy(b""), ValueType::String, Text::Copy(b"p"));
            assert!(!text.ends_with(b"00"), "it ends with noughts");
        })
    }
}

/// Breaks without it: a parser that panics ends the worker: this source and all others of the worker stand
/// still for ever.
#[test]
fn a_parser_that_panics_costs_its_message_the_parse_alone() {
    let rig = Rig::new(
        r#"
        source s { python(class("A") log-iw-size(10000)); };
        source other { python(class("B")); };
        source s_internal { internal(); };
        log { source(s); source(other); destination { file("DIR/out" template("$PROGRAM/$MSG\n")); }; flags(flow-control); };
        log { source(s_internal); destination { file("DIR/internal" template("$MSG\n")); }; };
        "#,
    );
    let mut poster = rig.poster(0);
    assert!(poster.producer.lane().parse_late(&(Arc::new(Faulty) as Arc<dyn LateParser>)));
    let mut expected = Vec::new();
    for number in 0..3000 {
        let text = number.to_string();
        // Opens a batch where there is none, and waits for credit.
        if !poster.producer.post_unparsed_fast(&Head::default(), text.as_bytes()) {
            poster.post(text.as_bytes());
            poster.producer.allow_fast_posts(u32::MAX);
            expected.push(format!("/{text}"));
            continue;
        }
        poster.taken += 1;
        expected.push(if text.ends_with("00") { format!("/{text}") } else { format!("p/{text}") });
    }
    rig.wait_idle();
    assert_eq!(rig.lines("out"), expected);
    let said = rig.lines("internal");
    let what = "source s: fault in the engine: the parser failed at message";
    assert!(said.iter().any(|line| line.starts_with(what) && line.contains("ends with noughts")), "{said:?}");
    let mut other = rig.poster(1);
    other.post(b"from another source");
    rig.wait_idle();
    assert_eq!(rig.lines("out").last().map(String::as_str), Some("/from another source"));
    rig.pipeline.drain(crate::rig::PATIENCE);
}

/// Panics once.
#[derive(Debug, Default)]
struct FaultyRelease(AtomicBool);

impl Release for FaultyRelease {
    fn release(&self, segments: Segments) {
        drop(segments);
        assert!(self.0.swap(true, Ordering::SeqCst), "the first release fails");
    }
}

/// Breaks without it: a panic on a destination's or a worker's thread ends it, and its sources wait for ever.
#[test]
fn a_release_that_panics_ends_no_thread() {
    for way in ["destination { file(\"DIR/out\" template(\"$MSG\\n\")); }; flags(flow-control);", ""] {
        let release: Arc<dyn Release> = Arc::<FaultyRelease>::default();
        let config =
            format!("source s {{ python(class(\"A\") log-iw-size(5)); }}; log {{ source(s); {way} }};");
        let rig = Rig::with_release(&config, &release);
        let owners = Arc::<Owners>::default();
        let mut poster = rig.poster(0);
        for number in 0..100 {
            let text = format!("number {number}");
            until("there is credit", || {
                poster.producer.before_wait();
                post(&mut poster, &owners, text.as_bytes()).is_ok()
            });
        }
        drop(poster.producer);
        rig.wait_idle();
        if !way.is_empty() {
            assert_eq!(rig.lines("out").last().map(String::as_str), Some("number 99"), "it still writes");
        }
        let (totals, _) = rig.finish(&[100]);
        let lost = totals[0].dropped[DropReason::Fault as usize];
        assert_eq!(totals[0].delivered + totals[0].filtered + lost, 100);
        assert!(lost < 20, "{lost} of 100 are lost, with a window of 5");
    }
}
