//! Documents that nobody wrote, read by `serde_json`, too.

use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Map, Number, Value};

use crate::message::list;
use crate::parser::tests::{compiled, messages, values};
use crate::path::alone;

/// Any value with at most so many containers in each other.
fn value() -> impl Strategy<Value = Value> {
    let text = || prop_oneof!["[a-z]{0,40}", any::<String>(), "[\"\\\\/\u{1}-\u{1f}é😀 ,']{0,12}"];
    let scalar = prop_oneof![
        4 => text().prop_map(Value::String),
        2 => any::<i64>().prop_map(Value::from),
        // Doubles that six digits behind the point are enough for.
        1 => any::<i32>().prop_map(|eighths| Value::Number(Number::from_f64(f64::from(eighths) / 8.0).unwrap())),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
        1 => proptest::collection::vec(text().prop_map(Value::String), 0..4).prop_map(Value::Array),
    ];
    scalar.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            members(inner).prop_map(Value::Object),
        ]
    })
}

/// Members of few names, so that documents have them in common.
fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec(("[a-d]|\"[é\n]|long name of a member", value), 0..6)
        .prop_map(|members| members.into_iter().collect())
}

/// The values of a document, as [`values`] shows them: `name` is that of the object with these members.
fn flattened(name: &str, members: &Map<String, Value>, out: &mut Vec<String>) {
    for (key, value) in members {
        let name = format!("{name}{key}");
        out.push(match value {
            Value::Null => format!("{name}=null\"\""),
            Value::Bool(value) => format!("{name}=b\"{value}\""),
            Value::Number(number) if number.is_i64() => format!("{name}=i\"{number}\""),
            Value::Number(number) => format!("{name}=d\"{:.6}\"", number.as_f64().unwrap()),
            Value::String(text) => format!("{name}=s\"{text}\""),
            Value::Array(elements) => match elements.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
                None => format!("{name}=J\"{value}\""),
                Some(texts) => {
                    let mut text = Vec::new();
                    for (number, element) in texts.iter().enumerate() {
                        list::push(element.as_bytes(), number == 0, &mut text);
                    }
                    format!("{name}=L\"{}\"", String::from_utf8(text).unwrap())
                }
            },
            Value::Object(members) => {
                flattened(&format!("{name}."), members, out);
                continue;
            }
        });
    }
}

proptest! {
    /// Breaks without it: a document that no vector has gives another value than `serde_json` reads in it, or
    /// one of the message before.
    #[test]
    fn documents_of_a_batch_are_what_serde_json_reads(
        documents in proptest::collection::vec((members(value()), any::<bool>()), 1..5),
    ) {
        let texts: Vec<String> = documents
            .iter()
            .map(|(members, is_pretty)| match is_pretty {
                true => serde_json::to_string_pretty(members).unwrap(),
                false => serde_json::to_string(members).unwrap(),
            })
            .collect();
        let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let parser = compiled("json-parser(prefix(\".j.\"));");
        let (parsed, _) = alone(&*parser, messages(&texts), Instant::now());
        prop_assert_eq!(parsed.len(), documents.len());
        for (row, (members, _)) in documents.iter().enumerate() {
            let mut expected = Vec::new();
            flattened(".j.", members, &mut expected);
            expected.sort();
            prop_assert_eq!(values(&parsed, row as u32), expected);
        }
    }
}
