//! Values of the state: [`Value`], with its type, and how it looks as bytes.
//!
//! ```text
//! value := type (u8)  length (u32)  content
//!          0 text     the bytes of the text: UTF-8, and for what Python's `str` may hold beyond that,
//!                     lone surrogates, the three bytes that UTF-8 would have for them
//!          1 integer  two's complement, little-endian, any length
//!          2 bytes    as they are
//!          3 bool     one byte, 0 or 1
//! ```

use std::fmt::Write as _;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text: UTF-8 that may contain encoded surrogates.
    Text(Box<[u8]>),
    /// An integer of any size: two's complement, little-endian. Never empty.
    Integer(Box<[u8]>),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// True or false.
    Bool(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        let all = number.to_le_bytes();
        let sign = if number < 0 { 0xff } else { 0 };
        let mut length = all.len();
        // A byte that only repeats the sign of the one below it says nothing.
        while length > 1 && all[length - 1] == sign && (all[length - 2] ^ sign) & 0x80 == 0 {
            length -= 1;
        }
        Self::Integer(all[..length].into())
    }
}

impl Value {
    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.content().len()
    }

    /// An integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        let Self::Integer(bytes) = self else { return None };
        let sign = if bytes.last()? & 0x80 == 0 { 0 } else { 0xff };
        let mut all = [sign; 8];
        let (low, high) = bytes.split_at(bytes.len().min(8));
        all[..low.len()].copy_from_slice(low);
        let number = i64::from_le_bytes(all);
        let is_whole = high.iter().all(|byte| *byte == sign) && (number < 0) == (sign != 0);
        is_whole.then_some(number)
    }

    fn content(&self) -> &[u8] {
        match self {
            Self::Text(bytes) | Self::Integer(bytes) | Self::Bytes(bytes) => bytes,
            Self::Bool(false) => &[0],
            Self::Bool(true) => &[1],
        }
    }

    /// Appends the bytes of this value to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Text(_) => 0,
            Self::Integer(_) => 1,
            Self::Bytes(_) => 2,
            Self::Bool(_) => 3,
        });
        write_bytes(self.content(), out);
    }

    /// Takes a value from the front of `bytes`; `None` when there is none.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        *bytes = rest;
        let content = read_bytes(bytes)?;
        match (kind, content) {
            (0, text) => Some(Self::Text(text.into())),
            (1, number) if !number.is_empty() => Some(Self::Integer(number.into())),
            (2, content) => Some(Self::Bytes(content.into())),
            (3, [0]) => Some(Self::Bool(false)),
            (3, [1]) => Some(Self::Bool(true)),
            _ => None,
        }
    }
}

/// Appends `content` to `out`, its length before it.
pub(super) fn write_bytes(content: &[u8], out: &mut Vec<u8>) {
    out.extend((content.len() as u32).to_le_bytes());
    out.extend(content);
}

/// Takes what [`write_bytes`] wrote from the front of `bytes`.
pub(super) fn read_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (content, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(content)
}

/// The decimal digits of the integer `bytes`, two's complement and little-endian.
pub(crate) fn decimal(bytes: &[u8]) -> String {
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut limbs: Vec<u32> = bytes
        .chunks(4)
        .map(|chunk| {
            let mut limb = [if negative { 0xff } else { 0 }; 4];
            limb[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(limb)
        })
        .collect();
    if negative {
        let mut carry = true;
        for limb in &mut limbs {
            (*limb, carry) = (!*limb).overflowing_add(u32::from(carry));
        }
        if carry {
            limbs.push(1);
        }
    }
    let mut groups = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let mut rest = 0u64;
        for limb in limbs.iter_mut().rev() {
            let whole = (rest << 32) | u64::from(*limb);
            *limb = (whole / 1_000_000_000) as u32;
            rest = whole % 1_000_000_000;
        }
        groups.push(rest);
    }
    let mut text = String::from(if negative { "-" } else { "" });
    text += &groups.pop().unwrap_or(0).to_string();
    for group in groups.iter().rev() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{group:09}");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn integer(number: i128) -> Value {
        Value::Integer(number.to_le_bytes().into())
    }

    /// Without it: a bookmark that is an offset comes back as another one, or with another sign.
    #[test]
    fn integers_keep_their_value() {
        for number in [0, 1, -1, 127, 128, -128, -129, 255, 256, i64::MAX, i64::MIN, 1 << 31, -(1 << 31)] {
            let value = Value::from(number);
            let Value::Integer(bytes) = &value else { panic!("not an integer") };
            assert_eq!(value.as_i64(), Some(number));
            assert_eq!(decimal(bytes), number.to_string());
            assert_eq!(integer(i128::from(number)).as_i64(), Some(number));
        }
        for number in [i128::MAX, i128::MIN, i128::from(i64::MAX) + 1, i128::from(i64::MIN) - 1] {
            assert_eq!(integer(number).as_i64(), None);
        }
        assert_eq!(Value::from(128), Value::Integer([128, 0].into()), "the sign is kept");
        assert_eq!(Value::from(-128), Value::Integer([128].into()), "and not repeated");
    }

    proptest! {
        /// The digits of an integer are those that the standard library has for it.
        #[test]
        fn decimal_is_right(number: i128) {
            prop_assert_eq!(decimal(&number.to_le_bytes()), number.to_string());
        }

        /// A value that was written is read back with its type, and nothing behind it is touched.
        #[test]
        fn values_come_back(content: Vec<u8>, kind in 0..4u8, flag: bool, after: Vec<u8>) {
            let value = match kind {
                0 => Value::Text(content.into()),
                1 if content.is_empty() => Value::from(0),
                1 => Value::Integer(content.into()),
                2 => Value::Bytes(content.into()),
                _ => Value::Bool(flag),
            };
            let mut out = Vec::new();
            value.write(&mut out);
            out.extend(&after);
            let mut rest = out.as_slice();
            prop_assert_eq!(Value::read(&mut rest), Some(value));
            prop_assert_eq!(rest, after);
        }

        /// Bytes that nobody wrote are a value or none, and never a panic.
        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            while Value::read(&mut rest).is_some() {}
        }
    }
}
