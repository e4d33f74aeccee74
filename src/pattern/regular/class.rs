//! Sets of characters, as `[…]` and `\d` are: [`Class`].

/// A set of characters: those of ASCII, and whether all others belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    ascii: u128,
    /// Tells whether all that is not ASCII belongs to it.
    pub(super) others: bool,
}

impl Class {
    pub(super) const NONE: Self = Self { ascii: 0, others: false };

    pub(super) fn of(is_member: impl Fn(u8) -> bool) -> Self {
        let ascii = (0..128_u8).filter(|byte| is_member(*byte)).fold(0, |set, byte| set | 1 << byte);
        Self { ascii, others: false }
    }

    pub(super) fn not(self) -> Self {
        Self { ascii: !self.ascii, others: !self.others }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self { ascii: self.ascii | other.ascii, others: self.others || other.others }
    }

    pub(super) fn has(self, byte: u8) -> bool {
        self.ascii >> byte & 1 == 1
    }

    /// Tells whether it has `byte`, in texts that are bytes.
    pub(super) fn has_byte(self, byte: u8) -> bool {
        if byte.is_ascii() { self.has(byte) } else { self.others }
    }

    /// The characters from `first` to `last`, with those of the other case.
    pub(super) fn range(first: u8, last: u8, ignore_case: bool) -> Self {
        let is_inside = |byte: u8| (first..=last).contains(&byte);
        Self::of(|byte| {
            is_inside(byte)
                || (ignore_case
                    && (is_inside(byte.to_ascii_lowercase()) || is_inside(byte.to_ascii_uppercase())))
        })
    }

    /// The set of `\d` and its like.
    pub(super) fn shorthand(letter: char) -> Option<Self> {
        let positive = match letter.to_ascii_lowercase() {
            'd' => Self::of(|byte| byte.is_ascii_digit()),
            'w' => Self::of(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            's' => Self::of(is_space),
            _ => return None,
        };
        Some(if letter.is_ascii_uppercase() { positive.not() } else { positive })
    }

    /// The set that is called `name` between `[:` and `:]`.
    pub(super) fn posix(name: &str, ignore_case: bool) -> Option<Self> {
        if let Some(name) = name.strip_prefix('^') {
            return (!name.starts_with('^')).then(|| Self::posix(name, ignore_case))?.map(Self::not);
        }
        Some(match name {
            "lower" | "upper" if ignore_case => Self::of(|byte| byte.is_ascii_alphabetic()),
            "alpha" => Self::of(|byte| byte.is_ascii_alphabetic()),
            "lower" => Self::of(|byte| byte.is_ascii_lowercase()),
            "upper" => Self::of(|byte| byte.is_ascii_uppercase()),
            "alnum" => Self::of(|byte| byte.is_ascii_alphanumeric()),
            "ascii" => Self::of(|_| true),
            "blank" => Self::of(|byte| matches!(byte, b' ' | b'\t')),
            "cntrl" => Self::of(|byte| byte.is_ascii_control()),
            "digit" => Self::of(|byte| byte.is_ascii_digit()),
            "graph" => Self::of(|byte| byte.is_ascii_graphic()),
            "print" => Self::of(|byte| byte.is_ascii_graphic() || byte == b' '),
            "punct" => Self::of(|byte| byte.is_ascii_punctuation()),
            "space" => Self::of(is_space),
            "word" => Self::of(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "xdigit" => Self::of(|byte| byte.is_ascii_hexdigit()),
            _ => return None,
        })
    }
}

/// Space, tab, newline, vertical tab, form feed, carriage return.
fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}
