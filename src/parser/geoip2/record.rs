//! A record of a database: [`Data`].

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::message::ValueType;
use crate::parser::Found;

/// The deepest that a record is looked into.
const MAX_DEPTH: usize = 32;

/// A record, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data<'d> {
    Text(&'d str),
    Number(String),
    Map(Vec<(&'d str, Self)>),
    List(Vec<Self>),
    /// Bytes, and integers of 128 bits.
    Other,
}

impl Data<'_> {
    /// Sets the values of it, whose names begin with `name`: members behind a dot, and of an array their
    /// numbers. Of the member `names`, which has one for each language, only the English one is set.
    pub(super) fn set(&self, name: &mut Vec<u8>, found: &mut Found<'_, '_>) {
        self.set_at(0, name, found);
    }

    fn set_at(&self, depth: usize, name: &mut Vec<u8>, found: &mut Found<'_, '_>) {
        let len = name.len();
        let mut set_member = |key: &[u8], data: &Self| {
            if depth < MAX_DEPTH {
                name.push(b'.');
                name.extend_from_slice(key);
                data.set_at(depth + 1, name, found);
                name.truncate(len);
            }
        };
        match self {
            Self::Text(text) => found.value(name, ValueType::String, text.as_bytes()),
            Self::Number(text) => found.value(name, ValueType::String, text.as_bytes()),
            Self::Map(members) => {
                for (key, data) in members {
                    match data {
                        Self::Map(languages) if *key == "names" => {
                            let english = languages.iter().find(|(language, _)| *language == "en");
                            if let Some((_, data)) = english {
                                set_member(b"names.en", data);
                            }
                        }
                        _ => set_member(key.as_bytes(), data),
                    }
                }
            }
            Self::List(elements) => {
                for (number, data) in elements.iter().enumerate() {
                    set_member(number.to_string().as_bytes(), data);
                }
            }
            Self::Other => {}
        }
    }
}

impl<'de> Deserialize<'de> for Data<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

/// A reader of a [`Data`].
struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Data<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a record")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Data<'de>, E> {
        Ok(Data::Text(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Data<'de>, E> {
        Ok(Data::Text(if value { "true" } else { "false" }))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Data<'de>, E> {
        Ok(Data::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Data<'de>, E> {
        Ok(Data::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Data<'de>, E> {
        Ok(Data::Number(format!("{value:.6}")))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Data<'de>, E> {
        Ok(Data::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Data<'de>, E> {
        Ok(Data::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Data::Map(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Data<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Data::List(list))
    }
}
