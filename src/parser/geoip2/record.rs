//! The values of a record: [`set`].

use crate::geoip::Data;
use crate::message::ValueType;
use crate::parser::Found;

/// The deepest that a record is looked into.
const MAX_DEPTH: usize = 32;

/// Sets the values of `data`, whose names begin with `name`: members behind a dot, and of an array their
/// numbers. Of the member `names`, which has one for each language, only the English one is set.
pub(super) fn set(data: &Data<'_>, name: &mut Vec<u8>, found: &mut Found<'_, '_>) {
    set_at(data, 0, name, found);
}

fn set_at(data: &Data<'_>, depth: usize, name: &mut Vec<u8>, found: &mut Found<'_, '_>) {
    let len = name.len();
    let mut set_member = |key: &[u8], data: &Data<'_>| {
        if depth < MAX_DEPTH {
            name.push(b'.');
            name.extend_from_slice(key);
            set_at(data, depth + 1, name, found);
            name.truncate(len);
        }
    };
    match data {
        Data::Text(text) => found.value(name, ValueType::String, text.as_bytes()),
        Data::Number(text) => found.value(name, ValueType::String, text.as_bytes()),
        Data::Map(members) => {
            for (key, data) in members {
                match data {
                    Data::Map(languages) if *key == "names" => {
                        let english = languages.iter().find(|(language, _)| *language == "en");
                        if let Some((_, data)) = english {
                            set_member(b"names.en", data);
                        }
                    }
                    _ => set_member(key.as_bytes(), data),
                }
            }
        }
        Data::List(elements) => {
            for (number, data) in elements.iter().enumerate() {
                set_member(number.to_string().as_bytes(), data);
            }
        }
        Data::Other => {}
    }
}
