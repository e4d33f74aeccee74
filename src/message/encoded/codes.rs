//! The numbers of names and types in what is written: they stay what they are from version to version.

use crate::message::{FieldName, ValueType};

const NAMES: [FieldName; 16] = [
    FieldName::Text,
    FieldName::SdParam,
    FieldName::SdId,
    FieldName::Host,
    FieldName::HostFrom,
    FieldName::Program,
    FieldName::Pid,
    FieldName::MsgId,
    FieldName::LegacyMsgHdr,
    FieldName::RawMsg,
    FieldName::SourceIp,
    FieldName::SourcePort,
    FieldName::MsgFormat,
    FieldName::CiscoSequence,
    FieldName::ChainedHost,
    FieldName::Tag,
];

const TYPES: [ValueType; 10] = [
    ValueType::String,
    ValueType::Json,
    ValueType::Boolean,
    ValueType::Integer,
    ValueType::Double,
    ValueType::Datetime,
    ValueType::List,
    ValueType::Null,
    ValueType::Bytes,
    ValueType::Protobuf,
];

/// The number of a name.
pub(super) fn name_code(name: FieldName) -> u8 {
    name as u8
}

/// The name with a number.
pub(super) fn name_of(code: u8) -> Option<FieldName> {
    NAMES.get(usize::from(code)).copied()
}

/// The number of a type.
pub(super) fn type_code(value_type: ValueType) -> u8 {
    value_type as u8
}

/// The type with a number.
pub(super) fn type_of(code: u8) -> Option<ValueType> {
    TYPES.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a name or a type that is put between others makes something else of what an older
    /// version wrote.
    #[test]
    fn numbers_are_those_of_the_format() {
        for (code, name) in NAMES.iter().enumerate() {
            assert_eq!((name_code(*name), name_of(code as u8)), (code as u8, Some(*name)));
        }
        for (code, value_type) in TYPES.iter().enumerate() {
            assert_eq!((type_code(*value_type), type_of(code as u8)), (code as u8, Some(*value_type)));
        }
        assert_eq!((name_of(16), type_of(10)), (None, None));
    }
}
