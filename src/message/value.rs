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
    /// The words of type hints, as in `int(…)`; of several for one type, its name comes first.
    pub const WORDS: &[(&str, Self)] = &[
        ("string", Self::String),
        ("boolean", Self::Boolean),
        ("integer", Self::Integer),
        ("int", Self::Integer),
        ("int32", Self::Integer),
        ("int64", Self::Integer),
        ("double", Self::Double),
        ("float", Self::Double),
        ("datetime", Self::Datetime),
        ("list", Self::List),
        ("json", Self::Json),
        ("literal", Self::Json),
        ("null", Self::Null),
        ("bytes", Self::Bytes),
        ("protobuf", Self::Protobuf),
    ];

    /// The word of its hint.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value_type)| *value_type == self).map_or("", |(word, _)| word)
    }

    /// The type that the hint `word` names.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| *name == word).map(|(_, value_type)| *value_type)
    }

    /// True when readers of text (templates, Python's `keys()`) pass it over.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Bytes | Self::Protobuf)
    }
}
