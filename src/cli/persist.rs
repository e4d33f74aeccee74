//! `inrush persist`: what a state file holds, for a person or a program.
//!
//! It reads and changes nothing. While an engine has the file, its content changes; so that is refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::PersistRequest;
use crate::error::Error;
use crate::state::value::decimal;
use crate::state::{Key, Value, look_into};

type Stores = BTreeMap<Key, BTreeMap<Key, Value>>;

/// Does what is asked for, and returns the text to print.
///
/// # Errors
/// An engine has the file, it is damaged, it is no state file, or the system says no: as a sentence.
pub fn run(request: &PersistRequest) -> Result<String, Error> {
    match request {
        PersistRequest::List { file } => read(file).map(|stores| list(&stores)),
        PersistRequest::Dump { file } => read(file).map(|stores| dump(&stores)),
    }
}

fn read(file: &Path) -> Result<Stores, Error> {
    Ok(look_into(file)?)
}

/// Each store that has values, and how many.
fn list(stores: &Stores) -> String {
    let mut out = String::new();
    for (name, values) in stores.iter().filter(|(_, values)| !values.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}\t{}", String::from_utf8_lossy(name), values.len());
    }
    out
}

/// All values as JSON. What JSON has no type for is an object that names it: `{"bytes": "00ff"}`, in
/// hexadecimal.
fn dump(stores: &Stores) -> String {
    let text = |key: &Key| String::from_utf8_lossy(key).into_owned();
    let store = |values: &BTreeMap<Key, Value>| -> Map<String, Json> {
        values.iter().map(|(key, value)| (text(key), shown(value))).collect()
    };
    let filled = stores.iter().filter(|(_, values)| !values.is_empty());
    let all: Map<String, Json> = filled.map(|(name, values)| (text(name), store(values).into())).collect();
    format!("{:#}\n", Json::from(all))
}

fn shown(value: &Value) -> Json {
    match value {
        Value::Text(text) => String::from_utf8_lossy(text).into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Integer(bytes) => match value.as_i64() {
            Some(number) => number.into(),
            None => json!({ "int": decimal(bytes) }),
        },
        Value::Bytes(bytes) => {
            let mut digits = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(digits, "{byte:02x}");
            }
            json!({ "bytes": digits })
        }
    }
}
