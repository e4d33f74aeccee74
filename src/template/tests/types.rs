//! Types of results.

use super::super::surroundings::Alone;
use super::super::{Condition, Later, NamedTemplate, NamedTemplates};
use super::*;
use std::ops::Range;

/// A configuration for a version before 4.0, and for one before 3.5.
pub(super) struct Old {
    pub(super) has_backslashes: bool,
}

impl Surroundings for Old {
    fn is_typed(&self) -> bool {
        false
    }

    fn has_backslashes(&self) -> bool {
        self.has_backslashes
    }

    fn condition(&mut self, _: &str, _: Range<usize>) -> Result<Later<Arc<dyn Condition>>, Option<String>> {
        Err(None)
    }

    fn template(&mut self, _: &str, _: Range<usize>) -> Result<Later<NamedTemplate>, String> {
        Err(String::new())
    }

    fn templates(&mut self) -> Result<Later<NamedTemplates>, String> {
        Err(String::new())
    }

    fn function(&mut self, _: &str) -> Option<NamedTemplate> {
        None
    }

    fn functions(&self) -> Vec<String> {
        Vec::new()
    }
}

const PAIRS: &[Typed<'_>] = &[
    ("i", ValueType::Integer, b"5"),
    ("b", ValueType::Boolean, b"true"),
    ("n", ValueType::Null, b""),
    ("e", ValueType::Integer, b""),
    ("l", ValueType::List, b"a,b"),
    ("raw", ValueType::Bytes, b"\x00\xff"),
    ("1", ValueType::String, b"one"),
    ("PROGRAM", ValueType::Integer, b"7"),
];

/// Breaks without it: a number that a source has set is a string where it is compared, set or put into JSON.
#[test]
fn a_single_element_keeps_its_type() {
    use ValueType::{Boolean, Datetime, Integer, List, Null, String};
    let batch = batch(b"hello", PAIRS);
    for (template, text, value_type) in [
        ("$i", "5", Integer),
        ("${b}", "true", Boolean),
        ("$n", "", Null),
        ("$nope", "", Null),
        ("$i ", "5 ", String),
        ("$i$i", "55", String),
        ("5", "5", String),
        ("", "", String),
        ("${e:-x}", "x", String),
        ("${i:-x}", "5", Integer),
        ("${FACILITY_NUM:-x}", "1", Integer),
        ("$MSG", "hello", String),
        ("$PROGRAM", "7", Integer),
        ("$MSGID", "", Null),
        ("$HOST", "vm", String),
        ("$PRI", "13", String),
        ("$YEAR", "2026", String),
        ("$UNIXTIME", "1767225605", Datetime),
        ("$R_UNIXTIME", "1767225605", Datetime),
        ("$TAGS", ".source.s", List),
        ("$*", "one", List),
        ("$SOURCEPORT", "0", Integer),
        ("$raw", "", Null),
        ("x${raw}y", "xy", String),
        ("$(length abc)", "3", Integer),
        ("$(echo $i)", "5", String),
        ("$_", "", Null),
        ("${i}@1", "", String),
        ("${i}@0", "5", Integer),
    ] {
        assert_eq!(
            result(template, &batch, &Options::default(), &mut Alone),
            (text.to_owned(), value_type),
            "{template}"
        );
    }
}

/// Breaks without it: a configuration for an old version gets types that it does not know.
#[test]
fn before_4_0_everything_is_a_string_but_what_has_a_hint() {
    let batch = batch(b"hello", PAIRS);
    for template in ["$i", "$nope", "$TAGS", "$(length abc)", "$FACILITY_NUM"] {
        let mut old = Old { has_backslashes: false };
        assert_eq!(
            result(template, &batch, &Options::default(), &mut old).1,
            ValueType::String,
            "{template}"
        );
    }
    let template = Template::compile_in(b"$MSG", &mut Old { has_backslashes: false }).unwrap();
    let mut out = Vec::new();
    let hinted = template.with_type(ValueType::Integer);
    assert_eq!(hinted.format_typed(batch.message(0), &Context::default(), &mut out), ValueType::Integer);
}

/// Breaks without it: a file for a version before 3.5 gets its backslashes in the output.
#[test]
fn before_3_5_a_backslash_quotes() {
    let batch = batch(b"hello", PAIRS);
    for (template, expected) in [("\\$i\\\\$i", "$i\\5"), ("a\\", "a\\"), ("\\n", "n")] {
        let mut old = Old { has_backslashes: true };
        assert_eq!(result(template, &batch, &Options::default(), &mut old).0, expected, "{template}");
        assert_ne!(result(template, &batch, &Options::default(), &mut Alone).0, "$i\\5", "{template}");
    }
}

/// Breaks without it: bytes get into a text, or nobody can send them at all.
#[test]
fn bytes_are_written_under_their_own_hint_alone() {
    let (batch, context) = (batch(b"hello", PAIRS), Context::default());
    let written = |hint: ValueType| {
        let (mut plain, mut typed) = (Vec::new(), Vec::new());
        let template = Template::compile("$raw").unwrap().with_type(hint);
        let value_type = template.format_typed(batch.message(0), &context, &mut typed);
        template.format(batch.message(0), &context, &mut plain);
        assert_eq!(plain, typed);
        (typed, value_type)
    };
    assert_eq!(written(ValueType::Bytes), (b"\x00\xff".to_vec(), ValueType::Bytes));
    assert_eq!(written(ValueType::Protobuf), (Vec::new(), ValueType::Protobuf));
    assert_eq!(written(ValueType::String), (Vec::new(), ValueType::String));
}

/// Breaks without it: a text that is escaped counts as the number that it was.
#[test]
fn what_is_escaped_is_a_string() {
    let options = Options { template_escape: true, ..Options::default() };
    let batch = batch(b"hello", PAIRS);
    assert_eq!(result("$i", &batch, &options, &mut Alone), ("5".to_owned(), ValueType::String));
}
