//! The regular expressions of which the crate `regex` knows as well as PCRE2 whether a text matches.
//!
//! Only the question is asked *whether* there is a match. So it does not matter which of two alternatives is
//! tried first, or whether a repetition is greedy; what matters is which texts an expression stands for, and
//! that is the same for everything in this table:
//!
//! | construct | written for `regex` as |
//! |---|---|
//! | a character; `\` before one that is no letter or digit; `\n \r \t \f \e \a`, `\xHH` below 80 | its bytes, as numbers; with `utf8` its code |
//! | `.`, `[…]` with ASCII in it, `[:alpha:]`, `\d \w \s \D \W \S` | the set of ASCII characters that it is, and whether all others belong to it |
//! | `^`, `\A`; `\z`; `\b`, and without `utf8` `\B` | `\A`, `\z`, `\b` and `\B` of ASCII |
//! | `$`, `\Z` where nothing can follow | `\n?\z`: nothing asks where the match ends |
//! | groups: `(…)`, `(?:…)`, named ones; `(?i)`, `(?s)`, `(?i:…)` | `(?:…)`; letters as both cases |
//! | `* + ? {n} {n,} {n,m}`, also lazy | the same |
//!
//! Everything else is PCRE2's: what looks around or back, possessive repetitions and atomic groups, `\K`,
//! `\R`, `\X`, `\p`, `\h`, `\Q`, verbs, recursion, comments, `(?m)`, `(?x)`, characters beyond ASCII in a set
//! or before a repetition, flags(newline), ignore-case together with utf8, and whatever is not in the table.
//!
//! A repetition at either end that may be empty changes nothing about the answer, and is left out. An
//! expression that is a text, perhaps with `^` before and `$` behind it, needs no engine at all.

use std::fmt::Write as _;

use super::options::{Flag, Flags};

/// The deepest that groups may be nested, and the most states that an expression may have.
const MAX_DEPTH: usize = 50;
const MAX_STATES: usize = 1000;

/// An expression for another engine than PCRE2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Regular {
    /// A text.
    Literal {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Tells whether it stands at the start.
        start: bool,
        /// The end that it stands at.
        end: End,
    },
    /// An expression of the crate `regex`, with Unicode where `utf8` is set.
    Expression(String),
}

/// The end that a text stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// None.
    Anywhere,
    /// That of the text.
    Text,
    /// That of the text, or the newline there.
    Line,
}

impl Regular {
    /// `pattern`, which PCRE2 has accepted, if it has nothing but what the table has.
    pub(super) fn of(pattern: &str, flags: Flags) -> Option<Self> {
        let (utf8, ignore_case) = (flags.has(Flag::Utf8), flags.has(Flag::IgnoreCase));
        if flags.has(Flag::Newline) || (utf8 && ignore_case) {
            return None;
        }
        let mut reader = Reader { pattern, at: 0, utf8 };
        let mut branches = reader.branches(Modes { ignore_case, dot_all: false }, 0)?;
        if reader.at < pattern.len() || !ends_last(&branches, true) {
            return None;
        }
        branches.iter_mut().for_each(trim);
        if states(&branches) > MAX_STATES {
            return None;
        }
        if let [branch] = branches.as_slice()
            && let Some(literal) = as_literal(branch, utf8)
        {
            return Some(literal);
        }
        let mut expression = String::new();
        write_branches(&branches, utf8, &mut expression);
        Some(Self::Expression(expression))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// A byte, or with `utf8` a character.
    Unit(u32),
    Class(Class),
    Start,
    /// `\z`
    End,
    /// `$`
    LineEnd,
    Boundary,
    NoBoundary,
    Group(Vec<Branch>),
    Repeat(Box<Node>, u32, Option<u32>),
}

type Branch = Vec<Node>;

/// A set of characters: those of ASCII, and whether all others belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Class {
    ascii: u128,
    others: bool,
}

impl Class {
    const NONE: Self = Self { ascii: 0, others: false };

    fn of(is_member: impl Fn(u8) -> bool) -> Self {
        let ascii = (0..128_u8).filter(|byte| is_member(*byte)).fold(0, |set, byte| set | 1 << byte);
        Self { ascii, others: false }
    }

    fn not(self) -> Self {
        Self { ascii: !self.ascii, others: !self.others }
    }

    fn or(self, other: Self) -> Self {
        Self { ascii: self.ascii | other.ascii, others: self.others || other.others }
    }

    fn has(self, byte: u8) -> bool {
        self.ascii >> byte & 1 == 1
    }

    /// The characters from `first` to `last`, with those of the other case.
    fn range(first: u8, last: u8, ignore_case: bool) -> Self {
        let is_inside = |byte: u8| (first..=last).contains(&byte);
        Self::of(|byte| {
            is_inside(byte)
                || (ignore_case
                    && (is_inside(byte.to_ascii_lowercase()) || is_inside(byte.to_ascii_uppercase())))
        })
    }

    /// The set of `\d` and its like.
    fn shorthand(letter: char) -> Option<Self> {
        let positive = match letter.to_ascii_lowercase() {
            'd' => Self::of(|byte| byte.is_ascii_digit()),
            'w' => Self::of(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            's' => Self::of(is_space),
            _ => return None,
        };
        Some(if letter.is_ascii_uppercase() { positive.not() } else { positive })
    }

    /// The set that is called `name` between `[:` and `:]`.
    fn posix(name: &str, ignore_case: bool) -> Option<Self> {
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

/// The settings that `(?…)` changes up to the end of its group.
#[derive(Debug, Clone, Copy)]
struct Modes {
    ignore_case: bool,
    dot_all: bool,
}

/// A character of a set, or a set in it.
enum Member {
    One(u8),
    Class(Class),
}

/// Reads a pattern; `None` anywhere says that it is PCRE2's.
struct Reader<'p> {
    pattern: &'p str,
    at: usize,
    utf8: bool,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.pattern[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// The branches of a group, up to its `)`.
    fn branches(&mut self, mut modes: Modes, depth: usize) -> Option<Vec<Branch>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (mut all, mut branch) = (Vec::new(), Branch::new());
        loop {
            match self.peek() {
                None | Some(')') => {
                    all.push(branch);
                    return Some(all);
                }
                Some('|') => {
                    self.at += 1;
                    all.push(std::mem::take(&mut branch));
                }
                Some(_) => self.item(&mut modes, depth, &mut branch)?,
            }
        }
    }

    /// One item, with its repetition.
    fn item(&mut self, modes: &mut Modes, depth: usize, branch: &mut Branch) -> Option<()> {
        let node = match self.next()? {
            '^' => Node::Start,
            '$' => Node::LineEnd,
            '.' if modes.dot_all => Node::Class(Class::NONE.not()),
            '.' => Node::Class(Class::of(|byte| byte == b'\n').not()),
            '[' => Node::Class(self.class(*modes)?),
            '(' => return self.group(modes, depth, branch),
            '\\' => self.escape(*modes)?,
            '*' | '+' | '?' => return None,
            // Nearly a repetition: what it is depends on PCRE2's version.
            '{' if self.rest().starts_with(|next: char| next.is_ascii_digit() || " \t,".contains(next)) => {
                return None;
            }
            other if other.is_ascii() => unit(other as u8, *modes),
            other if self.utf8 => Node::Unit(other.into()),
            other => {
                // A repetition would be of its last byte.
                let mut bytes = [0; 4];
                let bytes = other.encode_utf8(&mut bytes).bytes();
                branch.extend(bytes.map(|byte| Node::Unit(byte.into())));
                return (!self.sees_repetition()).then_some(());
            }
        };
        let is_place =
            matches!(node, Node::Start | Node::End | Node::LineEnd | Node::Boundary | Node::NoBoundary);
        if is_place {
            branch.push(node);
            return (!self.sees_repetition()).then_some(());
        }
        branch.push(self.repeated(node)?);
        Some(())
    }

    fn sees_repetition(&self) -> bool {
        self.rest().starts_with(['*', '+', '?', '{'])
    }

    /// `node` with the repetition behind it.
    fn repeated(&mut self, node: Node) -> Option<Node> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') if self.rest()[1..].starts_with(|next: char| next.is_ascii_digit()) => {
                return self.counted(node);
            }
            _ => return Some(node),
        };
        self.at += 1;
        self.end_repetition(Node::Repeat(Box::new(node), least, most))
    }

    /// `{n}`, `{n,}` or `{n,m}`
    fn counted(&mut self, node: Node) -> Option<Node> {
        let inside = self.rest()[1..].split_once('}')?.0;
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<u32>().ok()).flatten()
        };
        let (least, most) = match inside.split_once(',') {
            None => (number(inside)?, Some(number(inside)?)),
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        // PCRE2 10.46 takes a `.*` that occurs no time for the start of a pattern.
        if most == Some(0) {
            return None;
        }
        self.at += inside.len() + 2;
        self.end_repetition(Node::Repeat(Box::new(node), least, most))
    }

    /// Takes what makes a repetition lazy. A possessive one, and one of a repetition, are PCRE2's.
    fn end_repetition(&mut self, node: Node) -> Option<Node> {
        self.eat("?");
        (!self.sees_repetition()).then_some(node)
    }

    /// A group behind its `(`, with its repetition, or what changes modes.
    fn group(&mut self, modes: &mut Modes, depth: usize, branch: &mut Branch) -> Option<()> {
        let mut inner = *modes;
        if self.eat("?") {
            let named =
                if self.eat("'") { Some("'") } else { (self.eat("P<") || self.eat("<")).then_some(">") };
            match named {
                Some(end) => self.name(end)?,
                None if self.modes(&mut inner)? => {}
                None => {
                    *modes = inner;
                    return (!self.sees_repetition()).then_some(());
                }
            }
        } else if self.rest().starts_with('*') {
            return None;
        }
        let branches = self.branches(inner, depth + 1)?;
        if !self.eat(")") {
            return None;
        }
        branch.push(self.repeated(Node::Group(branches))?);
        Some(())
    }

    /// Letters behind `(?`, up to a `:`; false where a `)` comes instead.
    fn modes(&mut self, modes: &mut Modes) -> Option<bool> {
        let mut value = true;
        loop {
            match self.next()? {
                '-' if value => value = false,
                'i' if !self.utf8 => modes.ignore_case = value,
                's' => modes.dot_all = value,
                ':' => return Some(true),
                ')' => return Some(false),
                _ => return None,
            }
        }
    }

    /// The name of a group, up to `end`. What looks behind has none here.
    fn name(&mut self, end: &str) -> Option<()> {
        let name = self.rest().split_once(end)?.0;
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        self.at += name.len() + end.len();
        is_name.then_some(())
    }

    /// What stands behind a `\`.
    fn escape(&mut self, modes: Modes) -> Option<Node> {
        let letter = self.next()?;
        if let Some(class) = Class::shorthand(letter) {
            return Some(Node::Class(class));
        }
        Some(match letter {
            'A' => Node::Start,
            'z' => Node::End,
            'Z' => Node::LineEnd,
            'b' => Node::Boundary,
            'B' if !self.utf8 => Node::NoBoundary,
            other => unit(self.escaped_byte(other)?, modes),
        })
    }

    /// The byte that `\` and `letter` stand for.
    fn escaped_byte(&mut self, letter: char) -> Option<u8> {
        Some(match letter {
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'f' => 0x0c,
            'e' => 0x1b,
            'a' => 0x07,
            'x' => {
                let digits =
                    self.rest().get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
                let byte = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)?;
                self.at += 2;
                byte
            }
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => other as u8,
            _ => return None,
        })
    }

    /// A set behind its `[`.
    fn class(&mut self, modes: Modes) -> Option<Class> {
        let is_negated = self.eat("^");
        let (mut class, mut is_first) = (Class::NONE, true);
        while is_first || !self.eat("]") {
            is_first = false;
            let found = match self.member(modes)? {
                Member::Class(found) => {
                    self.refuse_range()?;
                    found
                }
                Member::One(first) if self.sees_range() => {
                    self.at += 1;
                    let Member::One(last) = self.member(modes)? else { return None };
                    self.refuse_range()?;
                    if first == b'-' || last == b'-' || first > last {
                        return None;
                    }
                    Class::range(first, last, modes.ignore_case)
                }
                Member::One(byte) => Class::range(byte, byte, modes.ignore_case),
            };
            class = class.or(found);
        }
        let class = if is_negated { class.not() } else { class };
        (class != Class::NONE).then_some(class)
    }

    /// Tells whether a `-` comes that does not stand at the end of its set.
    fn sees_range(&self) -> bool {
        self.rest().starts_with('-') && !self.rest().starts_with("-]")
    }

    fn refuse_range(&self) -> Option<()> {
        (!self.sees_range()).then_some(())
    }

    fn member(&mut self, modes: Modes) -> Option<Member> {
        Some(match self.next()? {
            '\\' => {
                let letter = self.next()?;
                match Class::shorthand(letter) {
                    Some(class) => Member::Class(class),
                    None => Member::One(self.escaped_byte(letter)?),
                }
            }
            '[' if self.rest().starts_with([':', '.', '=']) => {
                let name = self.rest().strip_prefix(':')?.split_once(":]")?.0;
                let class = Class::posix(name, modes.ignore_case)?;
                self.at += name.len() + 3;
                Member::Class(class)
            }
            other if other.is_ascii() => Member::One(other as u8),
            _ => return None,
        })
    }
}

/// A character, with its other case where that is meant, too.
fn unit(byte: u8, modes: Modes) -> Node {
    if modes.ignore_case && byte.is_ascii_alphabetic() {
        Node::Class(Class::range(byte, byte, true))
    } else {
        Node::Unit(byte.into())
    }
}

/// Tells whether nothing can follow a `$`; `is_last` says so of the end of `branches`.
fn ends_last(branches: &[Branch], is_last: bool) -> bool {
    let in_branch = |branch: &Branch| {
        let last = branch.len().saturating_sub(1);
        branch.iter().enumerate().all(|(at, node)| node_ends_last(node, is_last && at == last))
    };
    branches.iter().all(in_branch)
}

fn node_ends_last(node: &Node, is_last: bool) -> bool {
    match node {
        Node::LineEnd => is_last,
        Node::Group(inner) => ends_last(inner, is_last),
        Node::Repeat(inner, ..) => node_ends_last(inner, false),
        _ => true,
    }
}

/// Leaves out what may be empty at either end.
fn trim(branch: &mut Branch) {
    let is_idle = |node: &Node| matches!(node, Node::Repeat(_, 0, _));
    let end = branch.iter().rposition(|node| !is_idle(node)).map_or(0, |last| last + 1);
    branch.truncate(end);
    let start = branch.iter().position(|node| !is_idle(node)).unwrap_or(0);
    branch.drain(..start);
}

/// The number of states that an expression comes to.
fn states(branches: &[Branch]) -> usize {
    branches.iter().flatten().fold(branches.len(), |sum, node| sum.saturating_add(node_states(node)))
}

fn node_states(node: &Node) -> usize {
    match node {
        Node::Group(inner) => states(inner),
        Node::Repeat(inner, least, most) => {
            node_states(inner).saturating_mul(most.unwrap_or(*least).max(1) as usize)
        }
        _ => 1,
    }
}

fn as_literal(branch: &[Node], utf8: bool) -> Option<Regular> {
    let (start, rest) = match branch {
        [Node::Start, rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (end, units) = match rest {
        [units @ .., Node::LineEnd] => (End::Line, units),
        [units @ .., Node::End] => (End::Text, units),
        units => (End::Anywhere, units),
    };
    let mut bytes = Vec::new();
    for node in units {
        match node {
            Node::Unit(code) if utf8 => {
                let mut encoded = [0; 4];
                bytes.extend_from_slice(char::from_u32(*code)?.encode_utf8(&mut encoded).as_bytes());
            }
            Node::Unit(byte) => bytes.push(*byte as u8),
            _ => return None,
        }
    }
    Some(Regular::Literal { bytes, start, end })
}

fn write_branches(branches: &[Branch], utf8: bool, out: &mut String) {
    for (at, branch) in branches.iter().enumerate() {
        if at > 0 {
            out.push('|');
        }
        for node in branch {
            write_node(node, utf8, out);
        }
    }
}

fn write_node(node: &Node, utf8: bool, out: &mut String) {
    match node {
        Node::Unit(code) => write_unit(*code, utf8, out),
        Node::Class(class) => write_class(*class, utf8, out),
        Node::Start => out.push_str(r"\A"),
        Node::End => out.push_str(r"\z"),
        Node::LineEnd => out.push_str(r"(?:\n?\z)"),
        Node::Boundary => out.push_str(r"(?-u:\b)"),
        Node::NoBoundary => out.push_str(r"(?-u:\B)"),
        Node::Group(branches) => {
            out.push_str("(?:");
            write_branches(branches, utf8, out);
            out.push(')');
        }
        Node::Repeat(inner, least, most) => {
            out.push_str("(?:");
            write_node(inner, utf8, out);
            out.push(')');
            let _ = match most {
                None => write!(out, "{{{least},}}"),
                Some(most) => write!(out, "{{{least},{most}}}"),
            };
        }
    }
}

fn write_unit(code: u32, utf8: bool, out: &mut String) {
    let _ = if utf8 { write!(out, "\\x{{{code:x}}}") } else { write!(out, "\\x{code:02x}") };
}

fn write_class(class: Class, utf8: bool, out: &mut String) {
    out.push('[');
    let mut byte = 0;
    while byte < 128 {
        let first = byte;
        while byte < 128 && class.has(byte) {
            byte += 1;
        }
        if byte > first {
            write_unit(first.into(), utf8, out);
            out.push('-');
            write_unit((byte - 1).into(), utf8, out);
        }
        byte += 1;
    }
    if class.others {
        out.push_str(if utf8 { r"\x{80}-\x{10ffff}" } else { r"\x80-\xff" });
    }
    out.push(']');
}
