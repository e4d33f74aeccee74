//! From the text of a pattern to its nodes: [`Reader`].

use super::class::Class;
use super::{Branch, Node};

/// The deepest that groups may be nested.
const MAX_DEPTH: usize = 50;

/// The settings that `(?…)` changes up to the end of its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    pub(super) ignore_case: bool,
    pub(super) dot_all: bool,
}

/// A character of a set, or a set in it.
enum Member {
    One(u8),
    Class(Class),
}

/// Reads a pattern; `None` anywhere says that it is PCRE2's.
pub(super) struct Reader<'p> {
    pub(super) pattern: &'p str,
    pub(super) at: usize,
    pub(super) utf8: bool,
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
    pub(super) fn branches(&mut self, mut modes: Modes, depth: usize) -> Option<Vec<Branch>> {
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

    /// Reads the rest of an escape, behind its `\`.
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
