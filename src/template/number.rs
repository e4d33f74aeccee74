//! Decimal numbers as text, without the machinery of `core::fmt`.

/// Appends `number` in decimal.
#[inline]
pub(super) fn push_decimal(out: &mut Vec<u8>, number: u64) {
    push_padded(out, number, 1);
}

/// Appends `number` in decimal, with zeroes in front up to `width` digits, at most 20.
#[inline]
pub(super) fn push_padded(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[start.min(digits.len() - width.min(digits.len()))..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a number loses a digit or its padding.
    #[test]
    fn numbers_are_what_fmt_says() {
        for number in [0, 7, 10, 99, 12_345, u64::MAX] {
            for width in 1..=20 {
                let mut out = Vec::new();
                push_padded(&mut out, number, width);
                assert_eq!(String::from_utf8(out).unwrap(), format!("{number:0width$}"));
            }
        }
    }
}
