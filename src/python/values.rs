//! Python values to typed texts, and back.
//!
//! | Python | type | text |
//! |---|---|---|
//! | `str`, `bytes` | string | UTF-8, or the bytes as they are; NULs are kept |
//! | `int` of 64 bits | integer | decimal |
//! | `bool` | boolean | `true`, `false` |
//! | `float` | double | the shortest decimal that reads back as the same number: `0.1`, `1e-7`, `1e300`; `inf`, `-inf`, `nan` |
//! | `None` | null | nothing |
//! | `list` of `str` and `bytes` | list | [`list`] |
//! | `datetime` | datetime | seconds since the epoch, a point, milliseconds |
//!
//! The type must be exactly that one: an `IntEnum` member is an `int` by inheritance, and what its author
//! wants to see in a log is anybody's guess. Only a `datetime` may be a subclass's, because those (pandas,
//! pendulum) are datetimes.
//!
//! Reading goes the same way back, but a text is always `bytes`, and a number, boolean or datetime whose text
//! is none is the `bytes` of its text.

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDateTime, PyFloat, PyInt, PyList, PyString};

use super::datetime;
use super::type_name::type_name;
use crate::message::{ValueType, list};

/// The text of a value to be stored.
#[derive(Debug)]
pub(crate) enum Written<'a> {
    /// The bytes of the Python object, or those that are always the same.
    Borrowed(&'a [u8]),
    /// Made from it.
    Owned(Vec<u8>),
}

impl Written<'_> {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// The type and the text of `value`, which is to be stored as `key`. May run Python code, that of a `tzinfo`.
///
/// # Errors
/// `ValueError` for a type that a message cannot hold, `UnicodeEncodeError` (a `ValueError`) for a `str` with
/// lone surrogates, `OverflowError` for an `int` beyond 64 bits; the first and the last name the key.
pub(crate) fn write<'a>(key: &[u8], value: &'a Bound<'_, PyAny>) -> PyResult<(ValueType, Written<'a>)> {
    Ok(if let Ok(text) = value.cast_exact::<PyString>() {
        (ValueType::String, Written::Borrowed(text.to_str()?.as_bytes()))
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        (ValueType::String, Written::Borrowed(bytes.as_bytes()))
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        let number: i64 = number.extract().map_err(|_| beyond_64_bits(key))?;
        (ValueType::Integer, Written::Owned(number.to_string().into_bytes()))
    } else if let Ok(truth) = value.cast_exact::<PyBool>() {
        (ValueType::Boolean, Written::Borrowed(if truth.is_true() { b"true" } else { b"false" }))
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        (ValueType::Double, Written::Owned(float_text(number.value()).into_bytes()))
    } else if value.is_none() {
        (ValueType::Null, Written::Borrowed(b""))
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        (ValueType::List, Written::Owned(list_text(key, list)?))
    } else if let Ok(moment) = value.cast::<PyDateTime>() {
        (ValueType::Datetime, Written::Owned(datetime::text(datetime::of(moment)?.unix_micros)))
    } else {
        return Err(unsupported(key, value));
    })
}

fn list_text(key: &[u8], list: &Bound<'_, PyList>) -> PyResult<Vec<u8>> {
    let mut out = Vec::new();
    for (index, element) in list.iter().enumerate() {
        if let Ok(text) = element.cast_exact::<PyString>() {
            list::push(text.to_str()?.as_bytes(), index == 0, &mut out);
        } else if let Ok(bytes) = element.cast_exact::<PyBytes>() {
            list::push(bytes.as_bytes(), index == 0, &mut out);
        } else {
            let (key, given) = (key_text(key), type_name(&element));
            let error = format!("{key}: element {index} of the list: expected str or bytes, got {given}");
            return Err(PyValueError::new_err(error));
        }
    }
    Ok(out)
}

/// A key for an error message.
pub(crate) fn key_text(key: &[u8]) -> String {
    format!("'{}'", String::from_utf8_lossy(key))
}

#[cold]
fn beyond_64_bits(key: &[u8]) -> PyErr {
    let key = key_text(key);
    PyOverflowError::new_err(format!("{key}: the int is too large, expected -2**63 to 2**63 - 1"))
}

#[cold]
fn unsupported(key: &[u8], value: &Bound<'_, PyAny>) -> PyErr {
    let (key, given) = (key_text(key), type_name(value));
    PyValueError::new_err(format!(
        "{key}: expected exactly str, bytes, int, float, bool, None, list of str or bytes, or a datetime, got {given}"
    ))
}

/// The shortest decimal that reads back as `number`, with an exponent below 1e-5 and from 1e16.
fn float_text(number: f64) -> String {
    if number.is_nan() { "nan".to_owned() } else { format!("{number:?}") }
}

/// A value that was read, as plain data: made where Python code must not run, turned into an object where it
/// may.
#[derive(Debug)]
pub(crate) enum Read {
    /// Text, and what does not read as its type.
    Bytes(Py<PyBytes>),
    /// An integer.
    Int(i64),
    /// A double.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// Null.
    None,
    /// A list.
    List(Vec<Vec<u8>>),
    /// A datetime in microseconds since the epoch, with its text.
    Datetime(i64, Py<PyBytes>),
}

impl Read {
    /// The value that `text` is when it is of type `value_type`. Runs no Python code.
    pub(crate) fn of(py: Python<'_>, value_type: ValueType, text: &[u8]) -> Self {
        let bytes = || PyBytes::new(py, text).unbind();
        let read = match value_type {
            ValueType::Integer => parsed(text).or_else(|| hexadecimal(text)).map(Self::Int),
            ValueType::Double => parsed(text).map(Self::Float),
            ValueType::Boolean => match text {
                b"true" | b"1" => Some(Self::Bool(true)),
                b"false" | b"0" => Some(Self::Bool(false)),
                _ => None,
            },
            ValueType::Null => Some(Self::None),
            ValueType::List => Some(Self::List(list::decode(text))),
            ValueType::Datetime => datetime::parse(text).map(|micros| Self::Datetime(micros, bytes())),
            ValueType::String | ValueType::Json | ValueType::Bytes | ValueType::Protobuf => None,
        };
        read.unwrap_or_else(|| Self::Bytes(bytes()))
    }

    /// The Python object.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn into_object(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(match self {
            Self::Bytes(bytes) => bytes.into_bound(py).into_any(),
            Self::Int(number) => number.into_pyobject(py)?.into_any(),
            Self::Float(number) => PyFloat::new(py, number).into_any(),
            Self::Bool(truth) => PyBool::new(py, truth).to_owned().into_any(),
            Self::None => py.None().into_bound(py),
            Self::List(elements) => {
                let elements = elements.iter().map(|element| PyBytes::new(py, element));
                PyList::new(py, elements.collect::<Vec<_>>())?.into_any()
            }
            Self::Datetime(micros, text) => match datetime::local(py, micros) {
                Ok(moment) => moment.into_any(),
                Err(_) => text.into_bound(py).into_any(),
            },
        })
    }
}

/// An integer that is written as `0x1f`.
fn hexadecimal(text: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(text).ok()?.strip_prefix("0x")?;
    let is_plain = digits.starts_with(|first: char| first.is_ascii_hexdigit());
    i64::from_str_radix(digits, 16).ok().filter(|_| is_plain)
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Breaks without it: a float is written in another form than Python's.
    #[test]
    fn floats() {
        let cases = [
            (0.1, "0.1"),
            (2.0, "2.0"),
            (-0.0, "-0.0"),
            (1e-7, "1e-7"),
            (1e300, "1e300"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (number, text) in cases {
            assert_eq!(float_text(number), text);
        }
    }

    proptest! {
        /// Every number comes back bit by bit.
        #[test]
        fn floats_come_back(number: f64) {
            let back: f64 = parsed(float_text(number).as_bytes()).unwrap();
            prop_assert!(back.to_bits() == number.to_bits() || number.is_nan() && back.is_nan());
        }
    }
}
