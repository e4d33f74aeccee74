//! Patterns as a tree: [`Tree`], and the search of one that a text begins with.
//!
//! ```text
//! "login @ESTRING:u: @from x"          login ─┬─ @ESTRING:u: @ ── from x ■
//! "login @IPv4:a@"                            └─ @IPv4:a@ ■
//! "logout"                             log ─── out ■
//! ```
//!
//! From a node the search goes on with literal text first, then with the parsers in the order of the file, and
//! comes back where neither leads on. The first node found that ends a pattern where the text ends is the
//! result. Where there is none, it is the one behind the most text of all that were come to: a pattern need not
//! go to the end.
//!
//! A node is come to in one way only, at one place of the text, as a parser takes the same each time. So a
//! search visits each node once at most, and takes time in proportion to the text and to the parsers that it
//! meets. It goes by a stack of its own, and allocates nothing once that is large enough.

use super::pattern::{PatternParser, Piece};

/// Patterns, each with a number.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    pub(super) parsers: Vec<PatternParser>,
}

#[derive(Debug, Default)]
struct Node {
    /// The literal text that leads here from the node before; empty behind a parser.
    label: Box<[u8]>,
    /// The nodes that go on with literal text, by its first byte, in the order of the bytes.
    literals: Vec<(u8, u32)>,
    /// The parsers that go on, and the nodes behind them.
    parsers: Vec<(u32, u32)>,
    /// The pattern that ends here.
    value: Option<u32>,
}

/// A value that a parser of a pattern has found: the number of the parser, and a part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capture {
    pub(super) parser: u32,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The memory of searches, and the values of the last one.
#[derive(Debug, Default)]
pub(super) struct Search {
    stack: Vec<Frame>,
    captures: Vec<Capture>,
    best: Vec<Capture>,
}

/// A node that the search is at.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: u32,
    at: usize,
    is_behind_parser: bool,
    /// The number of values that were found before the node.
    captures: usize,
    /// The next way on: two for literal text, then the parsers.
    next: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], parsers: Vec::new() }
    }
}

impl Tree {
    /// Puts a pattern in.
    ///
    /// # Errors
    /// The number of the pattern that is the same.
    pub(super) fn insert(&mut self, pieces: Vec<Piece>, value: u32) -> Result<(), u32> {
        let mut node = 0;
        for piece in pieces {
            node = match piece {
                Piece::Literal(text) => self.literal(node, &text),
                Piece::Parser(parser) => self.parser(node, parser),
            };
        }
        if let Some(before) = self.nodes[node].value {
            return Err(before);
        }
        self.nodes[node].value = Some(value);
        Ok(())
    }

    fn add(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// The node behind `text` after `node`, which is made if it is not there.
    fn literal(&mut self, node: usize, text: &[u8]) -> usize {
        let (mut node, mut text) = (node, text);
        while let Some(first) = text.first() {
            let place = match self.nodes[node].literals.binary_search_by_key(first, |(byte, _)| *byte) {
                Ok(place) => place,
                Err(place) => {
                    let added = self.add(Node { label: text.into(), ..Node::default() });
                    self.nodes[node].literals.insert(place, (*first, added));
                    return added as usize;
                }
            };
            let child = self.nodes[node].literals[place].1;
            let label = &self.nodes[child as usize].label;
            let common = label.iter().zip(text).take_while(|(one, other)| one == other).count();
            if common < label.len() {
                // A node between, where the two part.
                let (head, tail): (Box<[u8]>, Box<[u8]>) = (label[..common].into(), label[common..].into());
                let literals = vec![(tail[0], child)];
                self.nodes[child as usize].label = tail;
                let between = self.add(Node { label: head, literals, ..Node::default() });
                self.nodes[node].literals[place].1 = between;
                node = between as usize;
            } else {
                node = child as usize;
            }
            text = &text[common..];
        }
        node
    }

    /// The node behind `parser` after `node`, which is made if it is not there.
    fn parser(&mut self, node: usize, parser: PatternParser) -> usize {
        let is_same = |(number, _): &&(u32, u32)| self.parsers[*number as usize].text == parser.text;
        if let Some((_, behind)) = self.nodes[node].parsers.iter().find(is_same) {
            return *behind as usize;
        }
        let behind = self.add(Node::default());
        self.parsers.push(parser);
        let number = self.parsers.len() as u32 - 1;
        self.nodes[node].parsers.push((number, behind));
        behind as usize
    }

    /// The number of the pattern that `text` begins with; the values are in `search`.
    pub(super) fn find(&self, text: &[u8], search: &mut Search) -> Option<u32> {
        let Search { stack, captures, best } = search;
        stack.clear();
        captures.clear();
        best.clear();
        let mut longest: Option<(usize, u32)> = None;
        let mut open = Some(Frame { node: 0, at: 0, is_behind_parser: false, captures: 0, next: 0 });
        loop {
            if let Some(frame) = open.take() {
                if let Some(value) = self.nodes[frame.node as usize].value {
                    if frame.at == text.len() {
                        std::mem::swap(best, captures);
                        return Some(value);
                    }
                    if longest.is_none_or(|(at, _)| frame.at > at) {
                        longest = Some((frame.at, value));
                        best.clone_from(captures);
                    }
                }
                stack.push(frame);
            }
            let Some(frame) = stack.last_mut() else { break };
            captures.truncate(frame.captures);
            let here = *frame;
            frame.next += 1;
            let node = &self.nodes[here.node as usize];
            match here.next {
                0 => open = self.step(node, text, here, false),
                1 => open = self.step(node, text, here, true),
                number => {
                    let Some((parser, behind)) = node.parsers.get(number - 2) else {
                        stack.pop();
                        continue;
                    };
                    let rest = &text[here.at..];
                    // Literal text that is all there is leaves nothing to a parser.
                    if rest.is_empty() && !here.is_behind_parser {
                        continue;
                    }
                    if let Some(taken) = self.parsers[*parser as usize].take(rest) {
                        captures.push(Capture {
                            parser: *parser,
                            start: here.at + taken.start,
                            end: here.at + taken.end,
                        });
                        open = Some(Frame {
                            node: *behind,
                            at: here.at + taken.len,
                            is_behind_parser: true,
                            captures: captures.len(),
                            next: 0,
                        });
                    }
                }
            }
        }
        longest.map(|(_, value)| value)
    }

    /// The node that goes on with the literal text at `here`; with `as_newline`, where a CR stands there, with
    /// the LF behind it.
    fn step(&self, node: &Node, text: &[u8], here: Frame, as_newline: bool) -> Option<Frame> {
        let first = match text.get(here.at..)? {
            [b'\r', b'\n', ..] if as_newline => b'\n',
            [first, ..] if !as_newline => *first,
            _ => return None,
        };
        let place = node.literals.binary_search_by_key(&first, |(byte, _)| *byte).ok()?;
        let child = node.literals[place].1;
        let len = matched(&self.nodes[child as usize].label, &text[here.at..])?;
        Some(Frame { node: child, at: here.at + len, is_behind_parser: false, next: 0, ..here })
    }
}

/// The bytes of `text` that `label` matches at its start: a newline also matches CR and LF.
fn matched(label: &[u8], text: &[u8]) -> Option<usize> {
    if text.starts_with(label) {
        return Some(label.len());
    }
    if !label.contains(&b'\n') {
        return None;
    }
    let mut at = 0;
    for byte in label {
        if *byte == b'\n' && text[at..].starts_with(b"\r\n") {
            at += 1;
        }
        if text.get(at) != Some(byte) {
            return None;
        }
        at += 1;
    }
    Some(at)
}

impl Search {
    /// The values of the last text for which there was a pattern.
    pub(super) fn found(&self) -> &[Capture] {
        &self.best
    }
}

#[cfg(test)]
mod tests;
