//! Patterns of names: `*` is any text, `?` one character ([`Glob`]).

/// A pattern of the names of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    pattern: Box<[u8]>,
    /// It has neither `*` nor `?`, so it names one value.
    is_exact: bool,
}

impl Glob {
    /// The pattern that `text` is.
    pub(crate) fn new(text: &[u8]) -> Self {
        let is_exact = !text.iter().any(|byte| matches!(byte, b'*' | b'?'));
        Self { pattern: text.into(), is_exact }
    }

    /// Tells whether `name` has the pattern, all of it.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        if self.is_exact {
            return *self.pattern == *name;
        }
        if let [prefix @ .., b'*'] = &*self.pattern
            && !prefix.iter().any(|byte| matches!(byte, b'*' | b'?'))
        {
            return name.starts_with(prefix);
        }
        matches(&self.pattern, name)
    }
}

/// Tells whether `name` has `pattern`. After a star that failed it goes on one character later with the last
/// star alone, which is enough: what the stars before it matched can stay.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += character(&name[n..]);
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((after, from)) = star else { return false };
                let from = from + character(&name[from..]);
                star = Some((after, from));
                (p, n) = (after, from);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The length of the first character of `text`; a byte that begins none is one.
fn character(text: &[u8]) -> usize {
    let length = match text[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    text.get(..length).filter(|start| std::str::from_utf8(start).is_ok()).map_or(1, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a value is in the output that no pattern asked for, or is missing there.
    #[test]
    fn patterns_match_the_whole_name() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("a.*", "a.b.c", true),
            ("*.c", "a.b.c", true),
            ("*b*d", "abcbd", true),
            ("*b*d", "abcbde", false),
            ("?", "é", true),
            ("??", "é", false),
            ("*é?", "aéé", true),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("a[b]", "a[b]", true),
        ] {
            assert_eq!(Glob::new(pattern.as_bytes()).matches(name.as_bytes()), expected, "{pattern} {name}");
        }
        assert!(Glob::new(b"?").matches(b"\xff") && !Glob::new(b"?").matches(b"\xc3\xff"));
    }
}
