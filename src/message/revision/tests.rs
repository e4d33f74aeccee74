mod given;
mod names;
mod structured;

use std::fmt::Write;
use std::sync::Arc;

use super::*;
use crate::message::batch::Text;
use crate::message::{
    Fault, FieldName, Lookup, MessageRef, Need, Origin, Pool, Rows, Selection, Stamp, ValueName, ValueType,
    Writer,
};

const NAMES: [FieldName; 3] = [FieldName::Host, FieldName::Program, FieldName::Pid];

/// A batch of so many rows: `text N`, with PID N.
fn batch(origin: Origin, rows: u32) -> Arc<Batch> {
    let mut writer = Writer::open(&Arc::new(origin), &Arc::new(Pool::new()), Need::default());
    for number in 0..rows {
        let mut row = writer.row(Need { bytes: 64, fields: 1, ..Need::default() }).unwrap();
        row.payload_copy(format!("text {number}").as_bytes());
        let value = number.to_string();
        row.field(FieldName::Pid, Text::Copy(b""), ValueType::String, Text::Copy(value.as_bytes()));
        row.publish();
    }
    Arc::new(writer.finish())
}

fn selection(rows: u32) -> Selection {
    Selection::all(batch(Origin::named("s"), rows))
}

fn set(row: &mut RevisedRow<'_>, name: &str, value: &str) {
    row.set(FieldName::Text, name.as_bytes(), ValueType::String, Text::Copy(value.as_bytes()));
}

fn revise(selection: &mut Selection, change: impl FnMut(&mut RevisedRow<'_>) -> bool) -> u64 {
    let mut faults = Vec::new();
    let more = selection.revise(&mut faults, change);
    assert_eq!(faults, []);
    more
}

/// A message as text.
fn shown(message: MessageRef<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut all = text(message.text());
    for pair in message.pairs() {
        let name = pair.id.text().map_or_else(|| text(pair.name), str::to_owned);
        write!(all, " {name}={}", text(pair.value)).unwrap();
    }
    for tag in message.tags() {
        write!(all, " #{}", text(tag)).unwrap();
    }
    all
}

fn all(selection: &Selection) -> Vec<String> {
    selection.messages().map(shown).collect()
}

/// Breaks without it: a branch sees what another one changed, or a change is lost that only one branch has
/// made.
#[test]
fn what_others_read_is_left_alone_and_what_nobody_reads_is_changed_in_place() {
    let mut first = selection(3);
    let plain = first.clone();
    revise(&mut first, |row| {
        if row.row() == 1 {
            row.message(Text::Payload(0, 4));
            row.pri(9);
        }
        true
    });
    assert_eq!(all(&plain), ["text 0 PID=0", "text 1 PID=1", "text 2 PID=2"]);
    assert_eq!(all(&first), ["text 0 PID=0", "text PID=1", "text 2 PID=2"]);
    assert_eq!((first.message(1).pri(), plain.message(1).pri()), (9, 0));
    let alone = Arc::as_ptr(first.revision().unwrap());
    revise(&mut first, |row| {
        set(row, "one", "1");
        true
    });
    assert!(first.revision().unwrap().parent().is_none(), "in place, {alone:?}");
    let mut second = first.clone();
    revise(&mut second, |row| {
        let pid = row.read().known(FieldName::Pid).unwrap().to_vec();
        set(row, "one", std::str::from_utf8(&pid).unwrap());
        row.unset(FieldName::Pid, b"");
        true
    });
    assert!(Arc::ptr_eq(second.revision().unwrap().parent().unwrap(), first.revision().unwrap()));
    assert_eq!(all(&first), ["text 0 PID=0 one=1", "text PID=1 one=1", "text 2 PID=2 one=1"]);
    assert_eq!(all(&second), ["text 0 one=0", "text one=1", "text 2 one=2"]);
    drop(first);
    assert_eq!(all(&second), ["text 0 one=0", "text one=1", "text 2 one=2"], "the parent is held");
    assert_eq!(second.joined(0, b'\n'), None);
}

/// Breaks without it: a value that is set again is read twice, or the first of it; one that is unset still
/// shows what all messages of the source have.
#[test]
fn the_last_of_a_name_counts_and_a_tombstone_unsets() {
    let origin = Origin {
        program: Some("common".into()),
        tags: ["t1", "t2"].map(Arc::from).into(),
        ..Origin::named("s")
    };
    let mut selection = Selection::all(batch(origin, 2));
    assert_eq!(shown(selection.message(0)), "text 0 PID=0 #t1 #t2");
    revise(&mut selection, |row| {
        for number in 0..50 {
            set(row, "n", &number.to_string());
            set(row, &format!("m{}", number % 3), "x");
        }
        row.set(FieldName::ChainedHost, b"", ValueType::String, Text::Copy(b"chained"));
        row.set(FieldName::Host, b"", ValueType::String, Text::Copy(b"own"));
        if row.row() == 0 {
            row.unset(FieldName::Program, b"");
            row.unset(FieldName::Text, b"m1");
            row.unset(FieldName::MsgId, b"");
            row.clear_tag(b"t1");
            row.tag(b"t3");
        }
        true
    });
    assert_eq!(shown(selection.message(0)), "text 0 PID=0 n=49 m0=x m2=x HOST=own #t2 #t3");
    assert_eq!(shown(selection.message(1)), "text 1 PID=1 n=49 m0=x m1=x m2=x HOST=own #t1 #t2");
    assert_eq!(selection.message(0).known(FieldName::Program), None);
    assert_eq!(selection.message(1).known(FieldName::Program), Some(&b"common"[..]));
    assert_eq!(selection.message(0).named(b"m1"), None);
    assert_eq!(selection.message(0).host(), (&b"own"[..], false));
    revise(&mut selection, |row| {
        row.tag(b"t1");
        row.set(FieldName::Program, b"", ValueType::String, Text::Copy(b"again"));
        row.unset(FieldName::Host, b"");
        true
    });
    assert_eq!(shown(selection.message(0)), "text 0 PID=0 n=49 m0=x m2=x PROGRAM=again #t2 #t1 #t3");
    assert_eq!(selection.message(0).known(FieldName::Host), Some(&b""[..]), "HOST is not the source's again");
}

/// Breaks without it: a panic or too many fields leave a message half changed, or cost another one its
/// change.
#[test]
fn a_row_is_changed_whole_or_not_at_all() {
    let mut selection = selection(6);
    let kept = selection.clone();
    let mut faults = Vec::new();
    selection.revise(&mut faults, |row| {
        set(row, "before", "x");
        row.message(Text::Copy(b"new"));
        assert!(row.row() != 2 && row.row() != 3, "not {}", row.row());
        let many = if row.row() == 4 { 65_534 } else { 1 };
        for number in 0..many {
            row.field(FieldName::Text, Text::Copy(b"many"), ValueType::Integer, Text::Copy(&[number as u8]));
        }
        row.row() != 5
    });
    let fault = |row| Fault { row, reason: format!("not {row}") };
    let full = Fault { row: 4, reason: "a message has at most 65535 fields".to_owned() };
    assert_eq!(faults, [fault(2), fault(3), full]);
    assert_eq!(*selection.rows(), Rows::Range(0..2));
    let revision = Arc::clone(selection.revision().unwrap());
    let read = |row| shown(kept.batch().revised(row, &revision));
    for row in 2..6 {
        assert_eq!(read(row), format!("text {row} PID={row}"));
    }
    assert_eq!(read(1), "new PID=1 before=x many=\0");
}

/// Breaks without it: changes of the same rows take more memory with each of a hundred steps.
#[test]
fn what_a_later_change_leaves_behind_is_cleared_away() {
    let mut selection = selection(100);
    let mut taken = 0;
    for step in 0..100_u32 {
        taken += revise(&mut selection, |row| {
            set(row, "step", &(step % 10).to_string());
            row.stamps(Stamp { unix_micros: i64::from(step), offset_seconds: 0 }, 0);
            true
        });
        assert_eq!(shown(selection.message(99)), format!("text 99 PID=99 step={}", step % 10));
    }
    let charge = selection.revision().unwrap().charge();
    assert!(charge < 40_000 && taken < 40_000 && taken >= charge, "{charge} bytes, {taken} were taken");
}

/// Breaks without it: a message comes out of a join as another branch had it.
#[test]
fn rows_of_several_branches_are_put_together_again() {
    let half = |selection: &Selection, odd: u32| {
        let rows: Vec<u32> = selection.rows().iter().filter(|row| row % 2 == odd).collect();
        selection.with_rows(Rows::from(rows))
    };
    let mark = |selection: &mut Selection, text: &str| {
        revise(selection, |row| {
            set(row, "by", text);
            row.message(Text::Copy(text.as_bytes()));
            true
        })
    };
    for (is_changed, by_even, by_odd) in [false, true]
        .into_iter()
        .flat_map(|a| [false, true].into_iter().flat_map(move |b| [(a, b, false), (a, b, true)]))
    {
        let mut before = selection(5);
        if is_changed {
            mark(&mut before, "before");
        }
        let (mut even, mut odd) = (half(&before, 0), half(&before, 1));
        for (part, is_marked, name) in [(&mut even, by_even, "even"), (&mut odd, by_odd, "odd")] {
            if is_marked {
                mark(part, name);
                mark(part, name);
            }
        }
        let expected: Vec<String> =
            (0..5).map(|row| shown(if row % 2 == 0 { even.row(row) } else { odd.row(row) })).collect();
        let more = even.unite(odd).unwrap();
        assert_eq!(all(&even), expected);
        assert_eq!(more > 0, by_even && by_odd, "only what both have changed is copied");
    }
}

/// Breaks without it: a row that a branch changed and gave up shows that change where another branch has it.
#[test]
fn a_row_that_was_given_up_is_its_other_branchs() {
    let before = selection(3);
    let mut one = before.clone();
    revise(&mut one, |row| {
        row.message(Text::Copy(b"changed"));
        row.row() != 1
    });
    revise(&mut one, |row| {
        row.message(Text::Copy(b"changed twice"));
        row.row() == 0
    });
    assert_eq!(*one.rows(), Rows::Range(0..1));
    one.unite(before.with_rows(Rows::Range(1..3))).unwrap();
    assert_eq!(all(&one), ["changed twice PID=0", "text 1 PID=1", "text 2 PID=2"]);
    let held = one.clone();
    let (mut first, mut second) = (one.with_rows(Rows::Range(0..1)), one.with_rows(Rows::Range(1..3)));
    for part in [&mut first, &mut second] {
        revise(part, |row| {
            row.pri(1);
            true
        });
    }
    let read = first.clone();
    let second = first.unite(second).unwrap_err();
    assert_eq!((second.len(), first.len(), held.len(), read.len()), (2, 1, 3, 1), "somebody reads both");
}

/// Breaks without it: fields of names that the engine knows are compared as texts, and one of them is lost.
#[test]
fn known_names_are_told_apart() {
    let mut selection = selection(1);
    revise(&mut selection, |row| {
        for (id, value) in NAMES.into_iter().zip([&b"h"[..], b"p", b"i"]) {
            row.set(id, b"", ValueType::String, Text::Copy(value));
        }
        true
    });
    assert_eq!(shown(selection.message(0)), "text 0 PID=i HOST=h PROGRAM=p");
}

/// Breaks without it: a step sees a message as it was before, or a later row has what an earlier one was
/// given.
#[test]
fn a_row_reads_as_what_was_changed_so_far() {
    let mut selection = selection(3);
    revise(&mut selection, |row| {
        assert_eq!(shown(row.read()), format!("text {0} PID={0}", row.row()));
        set(row, "one", "1");
        row.message(Text::Payload(5, 1));
        assert_eq!(shown(row.read()), format!("{0} PID={0} one=1", row.row()));
        row.unset(FieldName::Text, b"one");
        row.unset(FieldName::Pid, b"");
        set(row, "two", &row.row().to_string());
        assert_eq!(shown(row.read()), format!("{0} two={0}", row.row()));
        true
    });
    assert_eq!(all(&selection), ["0 two=0", "1 two=1", "2 two=2"]);
}

/// Breaks without it: a step that changes nothing takes memory, and destinations lose the quick way.
#[test]
fn what_was_not_changed_stays_the_batchs() {
    let mut untouched = selection(2);
    assert_eq!(
        revise(&mut untouched, |row| {
            row.unset(FieldName::Text, b"never set");
            row.unset_value(&ValueName::new("nor this"));
            row.clear_tag(b"nor this");
            row.unset_matches(0);
            true
        }),
        0
    );
    assert!(untouched.revision().is_none());
    revise(&mut untouched, |row| {
        row.pri(row.row() as u16);
        true
    });
    let first = Arc::clone(untouched.revision().unwrap());
    assert_eq!(revise(&mut untouched, |row| row.row() == 1), 0);
    assert!(Arc::ptr_eq(untouched.revision().unwrap(), &first), "no child was made");
    assert_eq!((untouched.len(), untouched.message(0).pri()), (1, 1));
}

/// Breaks without it: a row with many changes is slow, or its table of names finds another field than a look
/// at all of them.
#[test]
fn a_row_with_many_names_is_as_one_with_few() {
    let mut selection = selection(2);
    revise(&mut selection, |row| {
        for round in 0..3 {
            for number in 0..3000 {
                set(row, &number.to_string(), &format!("{round} of {number}"));
            }
        }
        row.unset(FieldName::Text, b"7");
        set(row, "again", "1");
        set(row, "again", "2");
        true
    });
    for message in selection.messages() {
        assert_eq!(message.pairs().count(), 1 + 2999 + 1);
        let value = |name: &[u8]| message.named(name).map(|(_, text)| text);
        assert_eq!((value(b"2999"), value(b"7")), (Some(&b"2 of 2999"[..]), None));
        assert_eq!(value(b"again"), Some(&b"2"[..]));
    }
}

/// Breaks without it: a chain of changes of one message takes memory for each of them.
#[test]
fn what_a_row_leaves_behind_itself_is_cleared_away() {
    let mut selection = selection(4);
    let taken = revise(&mut selection, |row| {
        set(row, "kept", "for ever");
        for step in 0..1000 {
            set(row, "long", &format!("{step:05000}"));
            row.message(Text::Copy(format!("{step:05000}").as_bytes()));
        }
        true
    });
    let charge = selection.revision().unwrap().charge();
    assert!(charge < 4 * 21_000 && taken == charge, "{charge} bytes, {taken} were taken");
    let expected = format!("{:05000} PID=3 kept=for ever long={0:05000}", 999);
    assert_eq!(shown(selection.message(3)), expected);
}
