//! Parameters of structured data by their whole names.

use proptest::prelude::*;

use super::*;

/// SD-IDs and names with dots in them, so that a whole name may be several of both.
const IDS: [&str; 5] = ["a", "a.b", "b", "", "long.enough@32473"];
const PARAMETERS: [&str; 6] = ["c", "b.c", "", "d", "parameter", "enough@32473.d"];

/// The slow twin: the whole name of each parameter, and the last one counts.
fn slow(message: MessageRef<'_>, whole: &str) -> Option<(ValueType, Vec<u8>)> {
    let is_it = |pair: &crate::message::Pair<'_>| {
        let name = [b".SDATA.", pair.sd_id, b".", pair.name].concat();
        pair.id == FieldName::SdParam && name == whole.as_bytes()
    };
    let found = message.pairs().filter(is_it).last()?;
    Some((found.value_type, found.value.to_vec()))
}

proptest! {
    /// Breaks without it: a parameter has the value of one in another element, or the first of two values.
    #[test]
    fn parameters_are_found_by_their_whole_names(
        fields in proptest::collection::vec((0..IDS.len(), 0..PARAMETERS.len(), 0..4), 0..12),
        unset in proptest::collection::vec((0..IDS.len(), 0..PARAMETERS.len()), 0..2),
    ) {
        let mut selection = selection(1);
        let names = IDS.iter().flat_map(|id| PARAMETERS.map(|name| format!(".SDATA.{id}.{name}")));
        revise(&mut selection, |row| {
            for (number, (id, name, kind)) in fields.iter().enumerate() {
                let value = number.to_string();
                let (text, value) = (ValueType::String, Text::Copy(value.as_bytes()));
                if *kind == 0 {
                    row.field(FieldName::SdId, Text::Copy(b""), text, Text::Copy(IDS[*id].as_bytes()));
                } else {
                    row.field(FieldName::SdParam, Text::Copy(PARAMETERS[*name].as_bytes()), text, value);
                }
            }
            for (id, name) in &unset {
                row.unset_value(&ValueName::new(&format!(".SDATA.{}.{}", IDS[*id], PARAMETERS[*name])));
            }
            true
        });
        let message = selection.message(0);
        for whole in names.chain([".SDATA.".to_owned(), ".SDATA.c".to_owned(), ".SDATA".to_owned()]) {
            let found = message.named(whole.as_bytes()).map(|(kind, text)| (kind, text.to_vec()));
            prop_assert_eq!(&found, &slow(message, &whole), "{}", whole);
            let looked_up = message.look_up(&Lookup::new(whole.as_bytes()));
            prop_assert_eq!(looked_up.map(|(kind, text)| (kind, text.to_vec())), found);
        }
    }
}
