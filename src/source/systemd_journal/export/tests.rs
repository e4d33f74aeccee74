use proptest::prelude::*;

use super::*;

/// The names and the values of an entry.
type Fields = Vec<(String, Vec<u8>)>;

/// The fields of the entries of `text`, which comes in pieces.
fn fields(text: &[u8], piece: usize, max_value: usize) -> Result<Vec<Fields>, NoExport> {
    let mut reader = ExportReader::new("", max_value);
    let mut entries = Vec::new();
    for mut piece in text.chunks(piece) {
        while let Some(entry) = reader.next(&mut piece)? {
            let part = |range: &Range<usize>| entry.part(range).to_vec();
            let field =
                |field: &ExportField| (String::from_utf8(part(&field.name)).unwrap(), part(&field.value));
            entries.push(entry.fields.iter().map(field).collect());
        }
    }
    Ok(entries)
}

/// The slow twin: all of the text at once. `None` for what is not in the format.
fn twin(mut text: &[u8], max_value: usize) -> Option<Vec<Fields>> {
    let (mut entries, mut entry, mut is_new) = (Vec::new(), Vec::new(), true);
    while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
        let (line, mut rest) = (&text[..end], &text[end + 1..]);
        let at = line.iter().position(|byte| *byte == b'=');
        let name = &line[..at.unwrap_or(line.len())];
        if line.is_empty() {
            if !is_new {
                entries.push(std::mem::take(&mut entry));
            }
            is_new = true;
        } else {
            if name.is_empty() || name.len() > MAX_NAME || !name.iter().all(u8::is_ascii_graphic) {
                return None;
            }
            let value = if let Some(at) = at {
                &line[at + 1..]
            } else {
                let Some((length, data)) = rest.split_first_chunk() else { break };
                let length = u64::from_le_bytes(*length);
                if length > MAX_VALUE {
                    return None;
                }
                let Some((value, after)) = data.split_at_checked(length as usize) else { break };
                match after.split_first() {
                    None => break,
                    Some((b'\n', after)) => rest = after,
                    Some(_) => return None,
                }
                value
            };
            let text = String::from_utf8(name.to_vec()).unwrap();
            let is_kept = !name.starts_with(b"__");
            // An address alone is an entry, too, where it says something.
            is_new &= !is_kept && text != "__CURSOR" && text != "__REALTIME_TIMESTAMP";
            if is_kept {
                entry.push((text, value[..value.len().min(max_value)].to_vec()));
            }
        }
        text = rest;
    }
    Some(entries)
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![4 => "[A-Z_]{1,9}", 1 => Just("MESSAGE".to_owned())];
    prop_oneof![
        (name.clone(), "[^\n]{0,20}").prop_map(|(name, text)| format!("{name}={text}\n").into_bytes()),
        (name, prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(name, data)| {
            let length = (data.len() as u64).to_le_bytes();
            [name.as_bytes(), b"\n", &length, &data, b"\n"].concat()
        }),
    ]
}

proptest! {
    /// Breaks without it: an entry depends on how its bytes were read, or binary values are taken apart.
    #[test]
    fn entries_are_those_of_the_twin(
        entries in prop::collection::vec(prop::collection::vec(field(), 1..6), 0..5),
        piece in 1..40_usize,
        max_value in 1..30_usize,
    ) {
        let entry = |fields: &Vec<Vec<u8>>| [fields.concat(), b"\n".to_vec()].concat();
        let text: Vec<u8> = entries.iter().flat_map(entry).collect();
        let read = fields(&text, piece, max_value).unwrap();
        prop_assert_eq!(Some(read.clone()), twin(&text, max_value));
        let has_fields = |fields: &&Vec<Vec<u8>>| fields.iter().any(|field| !field.starts_with(b"__"));
        prop_assert!(read.len() >= entries.iter().filter(has_fields).count());
    }

    /// Breaks without it: what no journal writes ends the engine, or is read differently in other pieces.
    #[test]
    fn anything_may_come(text: Vec<u8>, piece in 1..9_usize) {
        prop_assert_eq!(journal_entries(&text, piece, 16), journal_entries(&text, usize::MAX, 16));
        let is_refused = journal_entries(&text, 1, 16).last().is_some_and(|last| last == "no export");
        prop_assert_eq!(fields(&text, piece, 16).is_err(), is_refused);
    }
}

/// Breaks without it: the place of an entry is lost, or is among its values.
#[test]
fn addresses_are_no_values() {
    let mut reader = ExportReader::new(".j.", 100);
    let text =
        b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1700000000123456\n__MONOTONIC_TIMESTAMP=5\n_PID=7\n\nA=b";
    let mut input = &text[..];
    let entry = reader.next(&mut input).unwrap().unwrap();
    assert_eq!((&*entry.cursor, entry.realtime), (&b"s=1;i=2"[..], Some(1_700_000_000_123_456)));
    assert_eq!((&*entry.bytes, entry.fields.len()), (&b".j._PID7"[..], 1));
    assert_eq!(input, b"A=b");
    assert_eq!(reader.next(&mut input), Ok(None));
    reader.restart();
    let mut input = &b"X=y\n\n"[..];
    assert_eq!(
        reader.next(&mut input).unwrap().unwrap().bytes,
        b".j.Xy",
        "the rest of the one before is gone"
    );
}

/// Breaks without it: a field of gigabytes, or thousands of fields, take the memory of the machine.
#[test]
fn what_is_kept_is_bounded() {
    let mut reader = ExportReader::new("", MAX_ENTRY * 2);
    let mut read = |mut text: &[u8]| {
        let mut whole = None;
        while let Some(entry) = reader.next(&mut text).unwrap() {
            whole = Some(entry.clone());
        }
        whole
    };
    let large = vec![b'x'; MAX_ENTRY / 2];
    for name in ["A=", "B=", "C="] {
        read(name.as_bytes());
        read(&large);
        read(b"\n");
    }
    let entry = read(b"D=d\n\n").unwrap();
    assert_eq!((entry.fields.len(), entry.left_out, entry.cut), (2, 2, 0));
    assert!(entry.bytes.len() < MAX_ENTRY);
    (0..MAX_FIELDS + 3).for_each(|_| assert_eq!(read(b"A=1\n"), None));
    let entry = read(b"\n").unwrap();
    assert_eq!((entry.fields.len(), entry.left_out), (MAX_FIELDS, 3));
    let mut cuts = ExportReader::new("", 3);
    let entry = cuts.next(&mut &b"A=1234\nB\n\x04\0\0\0\0\0\0\0a\nbc\nC=123\n\n"[..]).unwrap().unwrap();
    assert_eq!((&*entry.bytes, entry.cut), (&b"A123Ba\nbC123"[..], 2));
    let mut long = vec![b'A'; MAX_NAME + 1];
    assert_eq!(cuts.next(&mut &*long), Err(NoExport));
    long.truncate(MAX_NAME);
    let mut cursor = ExportReader::new("", 3);
    let text = [&b"__CURSOR="[..], &vec![b'c'; MAX_CURSOR + 1], b"\nA=1\n\n"].concat();
    assert_eq!(cursor.next(&mut &*text).unwrap().unwrap().cursor, b"", "none, rather than a part");
}

/// Breaks without it: a program that is no journalctl is read as one.
#[test]
fn what_is_not_in_the_format() {
    for text in
        [&b"Failed to open\n"[..], b"=x\n", b"A\n\x01\0\0\0\0\0\0\0xy", b"A\n\0\0\0\0\0\0\0\x01", b"\x01=1\n"]
    {
        assert_eq!(fields(text, 3, 10), Err(NoExport), "{text:?}");
    }
}
