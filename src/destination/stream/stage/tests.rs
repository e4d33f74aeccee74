use std::sync::Arc;

use super::super::line::{Framing, LineFormat, Sizes};
use super::*;
use crate::flow::{Ack, Credit};
use crate::message::{Need, Origin, Pool, Selection, Writer};

fn chunk(texts: &[&str], next: usize) -> Chunk {
    let (origin, pool) = (Arc::new(Origin::named("s_test")), Arc::new(Pool::new()));
    let need = Need { bytes: 64, ..Need::default() };
    let mut writer = Writer::open(&origin, &pool, need);
    for text in texts {
        let mut row = writer.row(need).unwrap();
        row.payload_copy(text.as_bytes());
        row.publish();
    }
    let (count, credit) = (texts.len() as u32, Arc::new(Credit::new(10, 1000)));
    assert_eq!(credit.try_take(count, 0), count);
    let ack = Ack::new(&credit, &Arc::default(), count, 0);
    let view = Selection::all(Arc::new(writer.finish()));
    Chunk { delivery: Delivery { view, ack, flow_control: true }, next, first: Numbers::FIRST }
}

/// Breaks without it: a message that cannot be made into a line takes others with it, leaves half a line
/// before the next, or shifts which lines count as written.
#[test]
fn a_message_that_makes_no_line_is_its_text() {
    let line = Line {
        format: LineFormat::Faulty,
        without_breaks: false,
        framing: Framing::Newline,
        sizes: Sizes::default(),
    };
    let pending: VecDeque<_> =
        [chunk(&["out already", "one", "bad"], 1), chunk(&["bad"], 0), chunk(&["two", "bad"], 0)].into();
    let mut stage = Stage::default();
    let failed = stage
        .fill(&pending, None, &line, Bounds::new(usize::MAX, false), &mut Context::default())
        .unwrap_err();
    assert!(failed.0 == 3 && failed.1.contains("a fault was asked for"), "{failed:?}");
    let whole = &stage.buffer;
    assert_eq!(whole.escape_ascii().to_string(), r"[one]\nbad\nbad\n[two]\nbad\n");
    assert_eq!(stage.lines.iter().map(|line| line.written_end).collect::<Vec<_>>(), [6, 10, 14, 20, 24]);
    let torn =
        Torn { head: b"to".to_vec(), tail: b"rn\n".to_vec(), around_text: false, written: 2, size: None };
    stage
        .fill(&pending, Some(&torn), &line, Bounds::new(usize::MAX, false), &mut Context::default())
        .unwrap_err();
    assert_eq!(stage.buffer.escape_ascii().to_string(), r"torn\nbad\nbad\n[two]\nbad\n");
}
