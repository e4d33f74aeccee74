//! The types of values.
//!
//! A value is always stored as text, as syslog carries it; the type says what the text means, so that
//! `42` set as a number comes back as a number.

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum ValueType {
    /// Text.
    #[default]
    String,
    /// A JSON document.
    Json,
    /// `true` or `false`.
    Boolean,
    /// A decimal 64-bit integer.
    Integer,
    /// A decimal floating point number.
    Double,
    /// Seconds since the epoch, with a fraction.
    Datetime,
    /// Texts with commas between, quoted where needed.
    List,
    /// Nothing: known to have no value.
    Null,
    /// Raw bytes, not text.
    Bytes,
    /// A protobuf message.
    Protobuf,
}

impl ValueType {
    /// True when readers of text (templates, Python's `keys()`) pass it over.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Bytes | Self::Protobuf)
    }
}
