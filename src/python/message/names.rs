//! The meaning of a key of `msg[key]`: [`Name`].
//!
//! A macro is computed from the message; `msg["PRI"]` reads it, and writing to it is accepted and changes
//! nothing. Those of [`SETTABLE`] are computed until they are set.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::message::FieldName;
use crate::python::type_name::type_name;
use crate::template::{is_computed, macro_names};

/// The names of all macros.
pub(crate) fn macros() -> impl Iterator<Item = String> {
    macro_names().filter(|name| is_computed(name))
}

/// The meaning of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// MESSAGE, also as MSG and MSGONLY.
    Message,
    /// A name that the engine knows.
    Known(FieldName),
    /// `.SDATA.` and this: an SD-ID, a point, a PARAM-NAME.
    Sdata(&'a [u8]),
    /// Any other name.
    Text(&'a [u8]),
    /// A macro.
    Macro(&'a str),
}

/// The macros that a source may set: then they are values like others.
pub(crate) const SETTABLE: [&str; 2] = ["PEERIP", "PEERPORT"];

impl<'a> Name<'a> {
    /// The name under which a value is kept: a macro that a source may set is a name like any other then.
    #[inline]
    #[must_use]
    pub(crate) fn stored(self) -> Self {
        match self {
            Self::Macro(name) if SETTABLE.contains(&name) => Self::Text(name.as_bytes()),
            other => other,
        }
    }

    /// The meaning of `key`.
    #[inline]
    pub(crate) fn of(key: &'a [u8]) -> Self {
        if let Some(rest) = key.strip_prefix(b".SDATA.") {
            return if split_sdata(rest).is_some() { Self::Sdata(rest) } else { Self::Text(key) };
        }
        match key.first() {
            Some(b'A'..=b'Z') => Self::of_capitals(key),
            _ => Self::Text(key),
        }
    }

    fn of_capitals(key: &'a [u8]) -> Self {
        let Ok(name) = std::str::from_utf8(key) else { return Self::Text(key) };
        if matches!(name, "MESSAGE" | "MSG" | "MSGONLY") {
            return Self::Message;
        }
        // The names that sources set most come first; the sender's address is kept like them but read as a
        // macro.
        match FieldName::known(name) {
            Some(FieldName::SourceIp | FieldName::SourcePort) => return Self::Macro(name),
            Some(known) => return Self::Known(known),
            None => {}
        }
        if is_computed(name) { Self::Macro(name) } else { Self::Text(key) }
    }
}

/// The SD-ID and the PARAM-NAME of `id.param`: the last point separates them, and neither is empty.
pub(crate) fn split_sdata(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let point = memchr::memrchr(b'.', rest)?;
    let (id, param) = (&rest[..point], &rest[point + 1..]);
    (!id.is_empty() && !param.is_empty()).then_some((id, param))
}

/// The bytes of a key.
///
/// # Errors
/// `TypeError` for anything but exactly `str` or `bytes`, `UnicodeEncodeError` for lone surrogates.
#[inline]
pub(crate) fn key_bytes<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    if let Ok(text) = key.cast_exact::<PyString>() {
        return Ok(text.to_str()?.as_bytes());
    }
    if let Ok(bytes) = key.cast_exact::<PyBytes>() {
        return Ok(bytes.as_bytes());
    }
    let given = type_name(key);
    Err(PyTypeError::new_err(format!(
        "key is not a string object: expected exactly str or bytes, got {given}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A macro of templates that is no name here would be written and never read.
    #[test]
    fn macros_of_templates_are_names() {
        assert!(macros().all(|name| Name::of(name.as_bytes()) == Name::Macro(&name)));
        for name in macro_names() {
            let is_value = name == "TRANSPORT" || !matches!(Name::of(name.as_bytes()), Name::Text(_));
            assert!(is_value, "{name}");
        }
    }

    /// Breaks without it: a key of `msg[key]` reads another value than in native.
    #[test]
    fn names() {
        assert_eq!(Name::of(b"MSGONLY"), Name::Message);
        assert_eq!(Name::of(b"FULLHOST_FROM"), Name::Known(FieldName::HostFrom));
        assert_eq!(Name::of(b"S_ISODATE"), Name::Macro("S_ISODATE"));
        assert_eq!(Name::of(b"S_PRI"), Name::Text(b"S_PRI"));
        assert_eq!(Name::of(b"PEERIP").stored(), Name::Text(b"PEERIP"));
        assert_eq!(Name::of(b"PRI").stored(), Name::Macro("PRI"));
        assert_eq!(Name::of(b"message"), Name::Text(b"message"));
        assert_eq!(Name::of(b".SDATA.a@1.b.c"), Name::Sdata(b"a@1.b.c"));
        assert_eq!(split_sdata(b"a@1.b.c"), Some((&b"a@1.b"[..], &b"c"[..])));
        for plain in [&b".SDATA.a"[..], b".SDATA.", b".SDATA.a.", b"", b"\xff"] {
            assert_eq!(Name::of(plain), Name::Text(plain));
        }
    }
}
