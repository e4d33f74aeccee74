//! Rows that are given values of the same names, and of others.

use proptest::prelude::*;

use super::*;

/// Something that a step does to a row.
#[derive(Debug, Clone)]
enum Change {
    Named(u8),
    Known(u8),
    Plain,
    Unset(u8),
    Field(u8),
    Again(u8),
    Tag(u8),
    Message,
}

const NAMES: [&str; 6] = [".a.one", ".a.two", "three", "HOST", ".SDATA.id.name", ".SDATA.plain"];

fn change() -> impl Strategy<Value = Change> {
    let name = || 0..NAMES.len() as u8;
    prop_oneof![
        12 => name().prop_map(Change::Named),
        4 => name().prop_map(Change::Known),
        2 => Just(Change::Plain),
        1 => name().prop_map(Change::Unset),
        1 => name().prop_map(Change::Field),
        1 => name().prop_map(Change::Again),
        1 => name().prop_map(Change::Tag),
        1 => Just(Change::Message),
    ]
}

fn make(row: &mut RevisedRow<'_>, change: &Change, value: &str) {
    let (value_type, value) = (ValueType::String, Text::Copy(value.as_bytes()));
    let name = |number: u8| NAMES[usize::from(number)];
    match change {
        Change::Named(number) => row.set_named(name(*number).as_bytes(), value_type, value),
        Change::Known(number) => row.set_value(&ValueName::new(name(*number)), value_type, value),
        Change::Plain => row.set(FieldName::Text, b"three", value_type, value),
        Change::Unset(number) => row.unset_value(&ValueName::new(name(*number))),
        // A name that the row does not have.
        Change::Field(number) => {
            let name = format!("new {number}");
            if row.read().named(name.as_bytes()).is_none() {
                row.field(FieldName::Text, Text::Copy(name.as_bytes()), value_type, value);
            }
        }
        // One that it may have.
        Change::Again(number) => {
            row.field(FieldName::Text, Text::Copy(name(*number).as_bytes()), value_type, value);
        }
        Change::Tag(number) => row.tag(name(*number).as_bytes()),
        Change::Message => row.message(value),
    }
}

/// The changes of each row of a batch; most rows have those of the row before.
fn rows() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let row = (proptest::collection::vec(change(), 0..8), proptest::collection::vec(change(), 0..2), 0..4_u8);
    proptest::collection::vec(row, 2..8).prop_map(|rows| {
        let mut before = Vec::new();
        rows.into_iter()
            .map(|(own, more, kind)| {
                if kind == 0 {
                    before = own;
                }
                let mut changes = before.clone();
                if kind == 1 {
                    changes.truncate(changes.len() / 2);
                }
                changes.extend(more);
                changes
            })
            .collect()
    })
}

/// Breaks without it: a name that a row has twice, as a source may give it, is there twice in the next one.
#[test]
fn a_name_that_was_added_twice_is_no_guide() {
    let mut selection = selection(2);
    revise(&mut selection, |row| {
        for value in [b"1", b"2"] {
            let (value_type, value) = (ValueType::String, Text::Copy(value));
            match row.row() {
                0 => row.field(FieldName::Text, Text::Copy(b"n"), value_type, value),
                _ => row.set_named(b"n", value_type, value),
            }
        }
        true
    });
    assert_eq!([0, 1].map(|row| selection.message(row).fields().len()), [3, 2]);
    assert_eq!(shown(selection.message(1)), "text 1 PID=1 n=2");
}

proptest! {
    /// Breaks without it: a value that comes in the same order as in the row before is there twice, or is the
    /// other row's.
    #[test]
    fn rows_of_a_batch_are_as_each_would_be_alone(steps in proptest::collection::vec(rows(), 1..3)) {
        let len = steps.iter().map(Vec::len).min().unwrap();
        let mut together = selection(len as u32);
        for (step, rows) in steps.iter().enumerate() {
            revise(&mut together, |row| {
                for (number, change) in rows[row.row() as usize].iter().enumerate() {
                    make(row, change, &format!("{step}{number}"));
                }
                true
            });
        }
        // The same lookup for all rows, so that the place of a value in one is looked at first in the next.
        for name in NAMES {
            let lookup = Lookup::new(name.as_bytes());
            for message in together.messages() {
                prop_assert_eq!(message.look_up(&lookup), message.named(name.as_bytes()), "{} in {}", name, shown(message));
            }
        }
        for number in 0..len as u32 {
            let mut alone = selection(len as u32);
            alone.set_rows(Rows::Range(number..number + 1));
            for (step, rows) in steps.iter().enumerate() {
                revise(&mut alone, |row| {
                    for (number, change) in rows[row.row() as usize].iter().enumerate() {
                        make(row, change, &format!("{step}{number}"));
                    }
                    true
                });
            }
            prop_assert_eq!(shown(together.row(number)), shown(alone.row(number)));
            prop_assert_eq!(together.row(number).fields().len(), alone.row(number).fields().len());
        }
    }
}
