//! The regular expressions of which the crate `regex` knows as well as PCRE2 whether a text matches.
//!
//! Only the question is asked *whether* there is a match. So it does not matter which of two alternatives is
//! tried first, or whether a repetition is greedy; what matters is which texts an expression stands for, and
//! that is the same for everything in this table:
//!
//! | construct | written for `regex` as |
//! |---|---|
//! | a character; `\` before one that is no letter or digit; `\n` and its like; `\xHH` below 80 | its number |
//! | `.`, `[…]` and `[:alpha:]` of ASCII, `\d \w \s \D \W \S` | the set: of ASCII, with or without all others |
//! | `^`, `\A`; `\z`; `\b`, and without `utf8` `\B` | `\A`, `\z`, `\b` and `\B` of ASCII |
//! | `$`, `\Z` where nothing can follow | `\n?\z`: nothing asks where the match ends |
//! | groups: `(…)`, `(?:…)`, named ones; `(?i)`, `(?s)`, `(?i:…)` | `(?:…)`; letters as both cases |
//! | `* + ? {n} {n,} {n,m}`, also lazy, but not `{0}` | the same |
//!
//! Everything else is PCRE2's: what looks around or back, possessive repetitions and atomic groups, `\K`,
//! `\R`, `\X`, `\p`, `\h`, `\Q`, verbs, recursion, comments, `(?m)`, `(?x)`, characters beyond ASCII in a set
//! or before a repetition, flags(newline), ignore-case together with utf8, and whatever is not in the table.
//!
//! A repetition at either end that may be empty changes nothing about the answer, and is left out. An
//! expression that is a text, perhaps with `^` before and `$` behind it, needs no engine at all, and neither
//! do sets of bytes one behind the other ([`Sequence`](super::sequence::Sequence)).

mod class;
mod read;

use std::fmt::Write as _;

use super::options::{Flag, Flags};
use super::sequence::MOST;
use class::Class;
use read::{Modes, Reader};

/// The most states that an expression may have.
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
    /// Sets of bytes, one behind the other.
    Sets(Vec<Vec<u8>>),
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
    /// `pattern`, which PCRE2 has accepted, if it has nothing but what the table has; and whether it is plain:
    /// characters and sets one behind the other, and nothing else. Then there is one way to match at a place, and
    /// the first match is the same for every engine.
    pub(super) fn of(pattern: &str, flags: Flags) -> Option<(Self, bool)> {
        let (utf8, ignore_case) = (flags.has(Flag::Utf8), flags.has(Flag::IgnoreCase));
        if flags.has(Flag::Newline) || (utf8 && ignore_case) {
            return None;
        }
        let mut reader = Reader { pattern, at: 0, utf8 };
        let mut branches = reader.branches(Modes { ignore_case, dot_all: false }, 0)?;
        if reader.at < pattern.len() || !ends_last(&branches, true) {
            return None;
        }
        let is_plain_node = |node: &Node| matches!(node, Node::Unit(_) | Node::Class(_));
        let is_plain =
            branches.len() == 1 && !branches[0].is_empty() && branches[0].iter().all(is_plain_node);
        branches.iter_mut().for_each(trim);
        if states(&branches) > MAX_STATES {
            return None;
        }
        if let [branch] = branches.as_slice()
            && let Some(literal) = as_literal(branch, utf8)
        {
            return Some((literal, is_plain));
        }
        if is_plain && let Some(sets) = as_sets(&branches[0], utf8) {
            return Some((Self::Sets(sets), true));
        }
        let mut expression = String::new();
        write_branches(&branches, utf8, &mut expression);
        Some((Self::Expression(expression), is_plain))
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

/// The sets of bytes that a plain branch is; with `utf8`, a set of more than ASCII is none.
fn as_sets(branch: &[Node], utf8: bool) -> Option<Vec<Vec<u8>>> {
    let mut sets = Vec::new();
    for node in branch {
        match node {
            Node::Unit(code) => add_unit(*code, utf8, |byte| sets.push(vec![byte]))?,
            Node::Class(class) if utf8 && class.others => return None,
            Node::Class(class) => sets.push((0..=u8::MAX).filter(|byte| class.has_byte(*byte)).collect()),
            _ => return None,
        }
    }
    (sets.len() <= MOST).then_some(sets)
}

/// Gives the bytes of a unit to `add`.
fn add_unit(code: u32, utf8: bool, mut add: impl FnMut(u8)) -> Option<()> {
    if utf8 {
        let mut encoded = [0; 4];
        char::from_u32(code)?.encode_utf8(&mut encoded).bytes().for_each(add);
    } else {
        add(code as u8);
    }
    Some(())
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
            Node::Unit(code) => add_unit(*code, utf8, |byte| bytes.push(byte))?,
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
