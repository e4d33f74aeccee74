//! The program of a source's messages, as its log paths have it: [`Program`].
//!
//! ```text
//!  nodes:  step ─► send ─► fork ─► step ─► …
//!                           ├─ branch: nodes     in order; a message that a final branch matched meets no later one
//!                           └─ branch: nodes     fallback: only for messages that no other branch matched
//! ```
//!
//! A tee is a fork whose branches keep their copies: the messages go on behind it as they came, whatever
//! happens in it. It stands for a destination that has paths of its own.
//!
//! A fork stands for the log paths of a source, for embedded paths, a junction, and `if`. A message matches a
//! branch when it comes out at its end, or, where the branch has a condition, when it meets that. What comes
//! out of the branches goes on behind the fork, a copy for each branch it came out of.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Step;
use crate::config::Span;

/// The program of one source.
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub(super) nodes: Vec<Node>,
    /// The ids of the destinations that it may send to, each once.
    destinations: Vec<String>,
    /// The sends, where every message of a batch takes all of them and no two lead to one destination.
    sends: Option<Vec<SendTo>>,
    /// The paths that no message meets.
    unreached: Vec<Unreached>,
}

/// A way to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendTo {
    /// The number of the destination in the program.
    pub destination: usize,
    /// Tells whether the source waits for it.
    pub flow_control: bool,
    /// The log path that it is in, where a configuration has it.
    pub path: Option<Span>,
}

/// One node. Its number is larger than those of the nodes before it, those inside of them included.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Step { number: u32, step: Arc<dyn Step> },
    Send { number: u32, way: SendTo },
    Fork(Fork),
    Tee(Fork),
}

/// Branches for the same messages.
#[derive(Debug, Clone)]
pub(super) struct Fork {
    pub(super) branches: Vec<Branch>,
    /// Tells whether a message comes out of one branch at most.
    pub(super) is_exclusive: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// The part that alone decides whether a message matches; without it, that it comes out at the end does.
    pub(super) condition: Option<Arc<dyn Step>>,
    pub(super) nodes: Vec<Node>,
    pub(super) is_final: bool,
    pub(super) is_fallback: bool,
    /// The log path that it is.
    path: Option<Span>,
    /// The number of its exit.
    pub(super) exit: u32,
}

impl Program {
    /// The program of `items`, whose sends lead to the destinations with these `ids`; it keeps those that it
    /// has a way to.
    pub fn new(items: Vec<Item>, ids: &[&str]) -> Self {
        let mut unreached = Vec::new();
        let items = items.into_iter().map(|item| item.simplified(&mut unreached)).collect();
        let mut nodes = number(items, &mut 0);
        let mut used = BTreeSet::new();
        each_send(&mut nodes, &mut |way| {
            used.insert(way.destination);
        });
        each_send(&mut nodes, &mut |way| way.destination = used.range(..way.destination).count());
        let destinations = used.iter().map(|number| ids[*number].to_owned()).collect();
        let sends = plain_sends(&nodes);
        Self { nodes, destinations, sends, unreached }
    }

    /// All sends, in their order.
    pub fn all_sends(&self) -> Vec<SendTo> {
        let (mut nodes, mut sends) = (self.nodes.clone(), Vec::new());
        each_send(&mut nodes, &mut |way| sends.push(*way));
        sends
    }

    /// The ids of the destinations that it may send to.
    pub fn destinations(&self) -> &[String] {
        &self.destinations
    }

    /// The paths that no message meets.
    pub fn unreached(&self) -> &[Unreached] {
        &self.unreached
    }

    /// The paths that messages may meet.
    pub fn reached(&self) -> Vec<Span> {
        let mut paths = Vec::new();
        collect_paths(&self.nodes, &mut paths);
        paths
    }

    /// The sends that every message takes, where nothing else is to be done.
    pub fn sends(&self) -> Option<&[SendTo]> {
        self.sends.as_deref()
    }

    /// Tells whether one of its steps calls the host of the engine.
    pub fn is_hosted(&self) -> bool {
        self.steps().into_iter().any(|step| step.is_hosted())
    }

    /// All steps, conditions included.
    pub fn steps(&self) -> Vec<&Arc<dyn Step>> {
        let mut steps = Vec::new();
        collect_steps(&self.nodes, &mut steps);
        steps
    }
}

fn each_send(nodes: &mut [Node], visit: &mut dyn FnMut(&mut SendTo)) {
    for node in nodes {
        match node {
            Node::Step { .. } => {}
            Node::Send { way, .. } => visit(way),
            Node::Fork(fork) | Node::Tee(fork) => {
                for branch in &mut fork.branches {
                    each_send(&mut branch.nodes, visit);
                }
            }
        }
    }
}

fn collect_steps<'p>(nodes: &'p [Node], steps: &mut Vec<&'p Arc<dyn Step>>) {
    for node in nodes {
        match node {
            Node::Step { step, .. } => steps.push(step),
            Node::Send { .. } => {}
            Node::Fork(fork) | Node::Tee(fork) => {
                for branch in &fork.branches {
                    steps.extend(&branch.condition);
                    collect_steps(&branch.nodes, steps);
                }
            }
        }
    }
}

fn collect_paths(nodes: &[Node], paths: &mut Vec<Span>) {
    for node in nodes {
        if let Node::Fork(fork) | Node::Tee(fork) = node {
            for branch in &fork.branches {
                paths.extend(branch.path);
                collect_paths(&branch.nodes, paths);
            }
        }
    }
}

/// The parts of a program.
#[derive(Debug, Clone)]
pub enum Item {
    /// A step.
    Step(Arc<dyn Step>),
    /// A way out.
    Send(SendTo),
    /// Branches: what comes out of them goes on.
    Fork(Vec<Choice>),
    /// Branches for copies: the messages themselves go on.
    Tee(Vec<Choice>),
}

/// A branch that a program is made of.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The part that alone decides whether a message matches, as in `if (E)`.
    pub condition: Option<Arc<dyn Step>>,
    /// Its items.
    pub items: Vec<Item>,
    /// `flags(final)`
    pub is_final: bool,
    /// `flags(fallback)`
    pub is_fallback: bool,
    /// The log path that it is, where a configuration has it.
    pub path: Option<Span>,
}

/// A path that no message meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unreached {
    /// The path.
    pub path: Span,
    /// The path that takes all messages before it.
    pub taken_by: Option<Span>,
}

impl Choice {
    /// Tells whether it matches every message.
    fn always_matches(&self) -> bool {
        self.condition.is_none() && self.items.iter().all(Item::always_passes)
    }
}

impl Item {
    /// Tells whether every message comes out of it, once at least.
    fn always_passes(&self) -> bool {
        match self {
            Self::Step(_) => false,
            Self::Send(_) | Self::Tee(_) => true,
            Self::Fork(choices) => always_passes(choices),
        }
    }

    /// The same without branches that no message can meet, which go to `unreached`, and with the fallbacks
    /// behind the others, as messages meet them.
    fn simplified(self, unreached: &mut Vec<Unreached>) -> Self {
        match self {
            Self::Fork(choices) => Self::Fork(simplified(choices, unreached)),
            Self::Tee(choices) => Self::Tee(simplified(choices, unreached)),
            other => other,
        }
    }
}

fn simplified(choices: Vec<Choice>, unreached: &mut Vec<Unreached>) -> Vec<Choice> {
    let mut simple = |choice: Choice| {
        let items = choice.items.into_iter().map(|item| item.simplified(unreached)).collect();
        Choice { items, ..choice }
    };
    let choices: Vec<Choice> = choices.into_iter().map(&mut simple).collect();
    let matched_by = choices.iter().find(|choice| !choice.is_fallback && choice.always_matches());
    let matched_by = matched_by.map(|choice| choice.path);
    let mut ended_by = [None; 2];
    let mut kept: Vec<Choice> = Vec::new();
    for choice in choices {
        let ended = &mut ended_by[usize::from(choice.is_fallback)];
        let by = (*ended).or(matched_by.filter(|_| choice.is_fallback));
        if let Some(taken_by) = by {
            unreached.extend(choice.path.map(|path| Unreached { path, taken_by }));
            continue;
        }
        *ended = (choice.is_final && choice.always_matches()).then_some(choice.path);
        kept.push(choice);
    }
    kept.sort_by_key(|choice| choice.is_fallback);
    kept
}

/// Tells whether every message comes out of one of `choices`.
fn always_passes(choices: &[Choice]) -> bool {
    for is_fallback in [false, true] {
        for choice in choices.iter().filter(|choice| choice.is_fallback == is_fallback) {
            if choice.always_matches() {
                return true;
            }
            // A message that a condition let in, and that does not come out, meets no fallback, and after a
            // final branch no other.
            let may_end = choice.condition.is_some() && !choice.items.iter().all(Item::always_passes);
            if may_end
                && (choice.is_final
                    || choices.iter().all(|other| other.is_fallback || !other.always_matches()))
            {
                return false;
            }
        }
    }
    false
}

fn number(items: Vec<Item>, next: &mut u32) -> Vec<Node> {
    let take = move |next: &mut u32| {
        *next += 1;
        *next
    };
    let node = |item| match item {
        Item::Step(step) => Node::Step { number: take(next), step },
        Item::Send(way) => Node::Send { number: take(next), way },
        Item::Fork(choices) => Node::Fork(fork(choices, next)),
        Item::Tee(choices) => Node::Tee(fork(choices, next)),
    };
    items.into_iter().map(node).collect()
}

fn fork(choices: Vec<Choice>, next: &mut u32) -> Fork {
    let branch = |choice: Choice| {
        let Choice { condition, items, is_final, is_fallback, path } = choice;
        let nodes = number(items, next);
        *next += 1;
        Branch { condition, nodes, is_final, is_fallback, path, exit: *next }
    };
    let branches: Vec<Branch> = choices.into_iter().map(branch).collect();
    let is_exclusive = is_exclusive(&branches);
    Fork { branches, is_exclusive }
}

/// Tells whether a message matches one of `branches` at most: all but the last of a pass are final. One that
/// a condition let into a final branch, and that does not come out of it, meets no other.
fn is_exclusive(branches: &[Branch]) -> bool {
    [false, true].into_iter().all(|pass| {
        let mut of_pass = branches.iter().filter(|branch| branch.is_fallback == pass).rev();
        of_pass.next();
        of_pass.all(|branch| branch.is_final)
    })
}

/// The sends of a program without steps; `None` where it has some, or where two sends lead to one destination:
/// that has to get the copies of a message one after the other.
fn plain_sends(nodes: &[Node]) -> Option<Vec<SendTo>> {
    let mut sends: Vec<SendTo> = Vec::new();
    let is_plain = follow(nodes, &mut |way| {
        let is_first = sends.iter().all(|known| known.destination != way.destination);
        sends.push(way);
        is_first
    });
    is_plain.is_some().then_some(sends)
}

/// Calls `send` with each way that a message takes; how many copies of it come out. `None` when that depends
/// on the message, or when `send` gives false.
fn follow(nodes: &[Node], send: &mut dyn FnMut(SendTo) -> bool) -> Option<usize> {
    let Some((first, rest)) = nodes.split_first() else { return Some(1) };
    match first {
        Node::Step { .. } => None,
        Node::Send { way, .. } => {
            if !send(*way) {
                return None;
            }
            follow(rest, send)
        }
        Node::Fork(fork) => {
            let mut copies = 0;
            for branch in &fork.branches {
                if branch.condition.is_some() || branch.is_fallback {
                    return None;
                }
                for _ in 0..follow(&branch.nodes, send)? {
                    copies += follow(rest, send)?;
                }
            }
            Some(copies)
        }
        Node::Tee(tee) => {
            for branch in &tee.branches {
                if branch.condition.is_some() || branch.is_fallback {
                    return None;
                }
                follow(&branch.nodes, send)?;
            }
            follow(rest, send)
        }
    }
}

#[cfg(test)]
mod tests;
