use super::*;
use proptest::prelude::*;

/// The twin of [`pairs`]: digit by digit.
fn pairs_slowly(text: [u8; 8], form: [u8; 8]) -> Option<Vec<(usize, u8)>> {
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    if !text.iter().zip(&form).all(fits) {
        return None;
    }
    let starts = (0..7).filter(|at| form[*at] == b'0' && form[*at + 1] == b'0');
    Some(starts.map(|at| (at, two(text[at], text[at + 1]))).collect())
}

proptest! {
    /// Breaks without it: a byte that is nearly a digit is taken for one, or runs over into the number
    /// beside it.
    #[test]
    fn eight_at_once_as_one_by_one(
        text in prop::array::uniform8(prop_oneof![
            4 => b'0'..=b'9',
            1 => prop::sample::select(b"/:-;.,\x00\x0f\x2f\x3a\x3f\xb0\xb9\xf0\xff Tt".to_vec()),
            1 => any::<u8>(),
        ]),
        date in any::<bool>(),
        shaped in any::<bool>(),
    ) {
        let form = if date { *b"0000-00-" } else { *b"00:00:00" };
        let mut text = text;
        if shaped {
            (0..8).filter(|at| form[*at] != b'0').for_each(|at| text[at] = form[at]);
        }
        let fast = pairs(text, form);
        match pairs_slowly(text, form) {
            None => prop_assert_eq!(fast, None),
            Some(slow) => {
                let fast = fast.unwrap();
                prop_assert!(slow.into_iter().all(|(at, number)| fast[at] == number));
            }
        }
    }
}

proptest! {
    /// Breaks without it: a fraction is read one digit off, or ends at a byte that is nearly a digit.
    #[test]
    fn fractions_at_once_as_one_by_one(
        digits in "[0-9]{0,12}",
        after in prop::collection::vec(any::<u8>(), 0..10),
    ) {
        let text = [digits.as_bytes(), &after].concat();
        let point_and_text = [b".", text.as_slice()].concat();
        prop_assert_eq!(read_fraction(&point_and_text), read_short_fraction(&text));
    }
}

/// The end of the fraction and of the offset decides where the host begins.
#[test]
fn lengths() {
    let len = |text: &str| read_iso(text.as_bytes()).map(|(_, len)| len);
    assert_eq!(len("2026-11-22T10:00:00 host"), Some(19));
    assert_eq!(len("2026-11-22 10:00:00,5Z host"), Some(22));
    assert_eq!(len("2026-11-22T10:00:00.123456789+0100 host"), Some(34));
    assert_eq!(len("2026-11-22T10:00:00-07 host"), Some(22));
    assert_eq!(len("2026-11-22T10:00:00. host"), Some(19));
    let len = |text: &str| read_bsd(text.as_bytes(), &Zone::utc()).map(|(_, len)| len);
    assert_eq!(len("Nov 22 10:00:00 host"), Some(15));
    assert_eq!(len("Nov  2 10:00:00"), Some(15));
    assert_eq!(len("nov 2 10:00:00 x"), Some(14));
    assert_eq!(len("Nov 22 2026 10:00:00: %"), Some(20));
    assert_eq!(len("Nov 22 10:00:00.123 CET: %"), Some(23));
    assert_eq!(len("Nov 22 10:00:00 CET 2026 host"), Some(24));
    assert_eq!(len("Nov 22 10:00:00 2026 +0100 host"), Some(26));
    assert_eq!(len("Nov 22 10:00:00 CETUS host"), Some(15));
}

/// A text that is nearly a stamp is none: it would move a message by months, or panic later.
#[test]
fn near_misses() {
    let iso =
        ["2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-00T00:00:00Z"];
    assert!(iso.iter().all(|text| read_iso(text.as_bytes()).is_none()));
    let bsd =
        ["Nov 31 10:00:00 ", "Nov 0 10:00:00 ", "Nov 22 10:00:00x", "Nov 22 10:61:00", "Nov221 0:00:00"];
    assert!(bsd.iter().all(|text| read_bsd(text.as_bytes(), &Zone::utc()).is_none()));
    assert!(parse_rfc3339(b"2026-11-22T10:00:00").is_none());
    assert!(parse_rfc3339(b"2026-11-22T10:00:00Z ").is_none());
    assert!(parse_rfc3339(b"2026-11-22T10:00:00+24:00").is_none());
}

/// A leap second is the first second of the next minute.
#[test]
fn leap_second() {
    let [leap, next] = [b"2016-12-31T23:59:60Z", b"2017-01-01T00:00:00Z"].map(|text| parse_rfc3339(text));
    assert_eq!(leap, next);
    assert!(leap.is_some());
}
