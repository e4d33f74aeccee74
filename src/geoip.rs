//! Databases of addresses in `MaxMind`'s format, which the parser `geoip2()` and the template function of
//! that name read.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{MaxMindDbError, Reader};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The databases where none is named: the first that is there.
const DATABASES: [&str; 2] = ["/usr/share/GeoIP/GeoLite2-City.mmdb", "/var/lib/GeoIP/GeoLite2-City.mmdb"];

/// A database in memory.
#[derive(Clone)]
pub(crate) struct Database(Arc<Reader<Vec<u8>>>);

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = self.0.metadata();
        f.debug_tuple("Database").field(&metadata.database_type).field(&metadata.build_epoch).finish()
    }
}

impl Database {
    /// The place of the database where none is named.
    pub(crate) fn default_path() -> Option<PathBuf> {
        DATABASES.iter().map(Path::new).find(|path| path.exists()).map(Path::to_owned)
    }

    /// Reads the database `path`; the error says what is wrong with it. A device has no end.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is no regular file".to_owned());
        }
        Reader::open_readfile(path).map(|reader| Self(Arc::new(reader))).map_err(|error| error.to_string())
    }

    /// The record of `address`, if there is one.
    ///
    /// # Errors
    /// The database is broken there.
    pub(crate) fn record(&self, address: IpAddr) -> Result<Option<Data<'_>>, MaxMindDbError> {
        self.0.lookup(address).and_then(|result| result.decode::<Data<'_>>())
    }
}

/// A record, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Data<'d> {
    Text(&'d str),
    Number(String),
    Map(Vec<(&'d str, Self)>),
    List(Vec<Self>),
    /// Bytes, and integers of 128 bits.
    Other,
}

impl Data<'_> {
    /// The text at `path`: names of members and numbers of elements, with dots between.
    pub(crate) fn text_at(&self, path: &str) -> Option<&str> {
        let mut at = self;
        for name in path.split('.') {
            at = match at {
                Self::Map(members) => &members.iter().find(|(key, _)| *key == name)?.1,
                Self::List(elements) => elements.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        match at {
            Self::Text(text) => Some(text),
            Self::Number(text) => Some(text),
            Self::Map(_) | Self::List(_) | Self::Other => None,
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
