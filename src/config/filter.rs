//! Filters: `filter NAME { … };`, `filter { … }` in a path, and the conditions of `if`.
//!
//! ```text
//! sequence     or (";" or)*        and. The last ";" may be missing;
//!                                  one before "and" or "or" means nothing
//! or           and ("or" and)*
//! and          not ("and" not)*
//! not          "not" not | "(" sequence ")" | filter(NAME) | function(…) | comparison
//! ```
//!
//! A filter may name one that comes later, so names are looked up when all statements are read; a circle of
//! names is an error then.
use std::sync::Arc;

use indexmap::IndexMap;

use super::comparison::Comparison;
use super::driver::{DriverHead, Options, Syntax};
use super::option_table::Key;
use super::parser::{Parsed, Parser};
use super::report::Reported;
use super::span::{Span, Spanned};
use super::token::{TokenKind, same_word};
use super::unsupported::Place;
use crate::message::ValueType;

#[cfg(test)]
mod tests;

/// The deepest that parentheses and `not` may be nested. Each level takes stack in the parser.
const MAX_DEPTH: usize = 64;

/// `filter NAME { … };`, or a filter written inside a log path.
#[derive(Debug, Clone)]
pub struct FilterStatement {
    /// The name; of an anonymous filter, one that nobody can have written.
    pub name: String,
    /// The start of the statement.
    pub span: Span,
    /// The condition that a message has to meet.
    pub condition: Condition,
}

/// A condition on messages.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Met when the other one is not.
    Not(Box<Condition>),
    /// Met when all are; they are tried in their order.
    And(Vec<Condition>),
    /// Met when one is; they are tried in their order.
    Or(Vec<Condition>),
    /// `filter(name)`: one of [`Config::filters`](super::Config::filters).
    Reference(Spanned<String>),
    /// A filter function.
    Test(FilterTest),
    /// A comparison of two templates.
    Comparison(Comparison),
}

/// A filter function with its options.
#[derive(Debug, Clone)]
pub struct FilterTest {
    /// The word that names it, as `level`.
    pub word: &'static str,
    /// The place of the word.
    pub span: Span,
    /// Its options.
    pub options: Arc<dyn Options>,
}

impl FilterTest {
    /// Its options, if they are of this type.
    pub fn options<T: Options>(&self) -> Option<&T> {
        let options: &dyn std::any::Any = &*self.options;
        options.downcast_ref()
    }
}

impl Condition {
    /// Stands for one that an error was reported in: the configuration is refused.
    const WRONG: Self = Self::And(Vec::new());

    /// The filters that it refers to, in their order.
    pub fn references(&self) -> Vec<&Spanned<String>> {
        let (mut found, mut left) = (Vec::new(), vec![self]);
        while let Some(condition) = left.pop() {
            match condition {
                Self::Not(inner) => left.push(inner),
                Self::And(parts) | Self::Or(parts) => left.extend(parts.iter().rev()),
                Self::Reference(name) => found.push(name),
                Self::Test(_) | Self::Comparison(_) => {}
            }
        }
        found
    }

    /// This one and `other`.
    fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut parts) => {
                parts.push(other);
                Self::And(parts)
            }
            one => Self::And(vec![one, other]),
        }
    }

    /// This one or `other`.
    fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut parts) => {
                parts.push(other);
                Self::Or(parts)
            }
            one => Self::Or(vec![one, other]),
        }
    }
}

impl Parser {
    /// `{ … }` of a filter called `name`, whose statement is at `span`.
    pub(super) fn filter_body(&mut self, name: String, span: Span) -> Parsed<FilterStatement> {
        self.expect(&TokenKind::LBrace)?;
        let condition = self.sequence(0, &TokenKind::RBrace);
        let ended = condition.and_then(|condition| self.expect(&TokenKind::RBrace).map(|_| condition));
        let condition = ended.inspect_err(|Reported| self.skip_body())?;
        self.warn_of_doubts(&condition);
        Ok(FilterStatement { name, span, condition })
    }

    /// Warns of the parts of `condition` that no message can meet.
    fn warn_of_doubts(&mut self, condition: &Condition) {
        for (span, message) in (self.vocabulary.doubts)(condition) {
            self.report.warn(span, message, None);
        }
    }

    /// `( … )` of an `if` at `span`.
    pub(super) fn if_condition(&mut self, span: Span) -> Parsed<FilterStatement> {
        let open = self.open_parenthesis()?;
        match self.sequence(0, &TokenKind::RParen) {
            Ok(condition) if self.eat(&TokenKind::RParen) => {
                self.warn_of_doubts(&condition);
                Ok(FilterStatement { name: self.anonymous("filter"), span, condition })
            }
            condition => {
                if condition.is_ok() {
                    self.unexpected("`and`, `or`, `;` or `)`");
                }
                self.close_parenthesis(open);
                Err(Reported)
            }
        }
    }

    /// The value of `condition()`, up to its `)`; the word is at `span`.
    pub(super) fn condition(&mut self, span: Span) -> Parsed<FilterStatement> {
        let condition = self.sequence(0, &TokenKind::RParen)?;
        if !self.sees(&TokenKind::RParen) {
            return Err(self.unexpected("`and`, `or`, `;` or `)`"));
        }
        self.warn_of_doubts(&condition);
        Ok(FilterStatement { name: self.anonymous("filter"), span, condition })
    }

    /// The value of an option that is a condition, up to its `)`.
    pub(crate) fn condition_option(&mut self) -> Parsed<FilterStatement> {
        let span = self.option_span();
        let statement = self.condition(span)?;
        self.conditions.push(statement.condition.clone());
        Ok(statement)
    }

    /// Conditions with `;` between them, up to `end`.
    pub(super) fn sequence(&mut self, depth: usize, end: &TokenKind) -> Parsed<Condition> {
        let first = self.and_condition(depth)?;
        let mut whole = self.more_or(first, depth)?;
        while self.sees(&TokenKind::Semicolon) {
            while self.eat(&TokenKind::Semicolon) {}
            if self.sees(end) {
                break;
            }
            if self.peek().is("and") {
                whole = self.more_and(whole, depth)?;
                whole = self.more_or(whole, depth)?;
            } else if self.peek().is("or") {
                whole = self.more_or(whole, depth)?;
            } else {
                let next = self.and_condition(depth)?;
                whole = whole.and(self.more_or(next, depth)?);
            }
        }
        Ok(whole)
    }

    /// Reads what follows `first` with `or` between.
    fn more_or(&mut self, first: Condition, depth: usize) -> Parsed<Condition> {
        let mut whole = first;
        while self.peek().is("or") {
            self.next();
            whole = whole.or(self.and_condition(depth)?);
        }
        Ok(whole)
    }

    fn and_condition(&mut self, depth: usize) -> Parsed<Condition> {
        let first = self.operand(depth)?;
        self.more_and(first, depth)
    }

    /// Reads what follows `first` with `and` between.
    fn more_and(&mut self, first: Condition, depth: usize) -> Parsed<Condition> {
        let mut whole = first;
        while self.peek().is("and") {
            self.next();
            whole = whole.and(self.operand(depth)?);
        }
        Ok(whole)
    }

    /// One operand of `and`, `or` and `;`.
    fn operand(&mut self, depth: usize) -> Parsed<Condition> {
        if depth >= MAX_DEPTH {
            let span = self.peek().span;
            let message = format!("conditions are nested more than {MAX_DEPTH} levels deep");
            return Err(self.report.error(span, message, None));
        }
        if self.sees(&TokenKind::LParen) {
            self.next();
            let inner = self.sequence(depth + 1, &TokenKind::RParen)?;
            if !self.eat(&TokenKind::RParen) {
                return Err(self.unexpected("`and`, `or`, `;` or `)`"));
            }
            return Ok(inner);
        }
        if self.peek().is("not") {
            self.next();
            return self.operand(depth + 1).map(|inner| Condition::Not(Box::new(inner)));
        }
        if self.opens_block(Place::Filter)? {
            return self.operand(depth + 1);
        }
        if self.starts_comparison() {
            return self.comparison();
        }
        let token = self.peek();
        let TokenKind::Word(word) = &token.kind else { return Err(self.no_function()) };
        let key = Key::new(word.clone(), token.span);
        if !self.sees_at(1, &TokenKind::LParen) {
            return Err(self.no_function());
        }
        if same_word(&key.value, "filter") {
            self.next();
            return self.reference("filter").map(Condition::Reference);
        }
        let types = ValueType::WORDS.iter().map(|(word, _)| *word);
        let words: Vec<_> = self.vocabulary.filters.iter().map(Syntax::word).chain(types).collect();
        let known = self.vocabulary.filters.iter().find(|syntax| same_word(syntax.word, &key.value));
        let Some(syntax) = known else {
            self.unknown_word(Place::Filter, &key, &words);
            self.next();
            let open = self.open_parenthesis()?;
            if !self.close_parenthesis(open) {
                return Err(Reported);
            }
            self.skip_comparison();
            return Ok(Condition::WRONG);
        };
        self.next();
        let open = self.open_parenthesis()?;
        match (syntax.read)(self, DriverHead { word: syntax.word, span: key.span, open }) {
            Ok(options) => Ok(Condition::Test(FilterTest { word: syntax.word, span: key.span, options })),
            // What is wrong in its parentheses was reported, and what follows them is read.
            Err(Reported) if self.has_closed(open) => Ok(Condition::WRONG),
            Err(Reported) => Err(Reported),
        }
    }

    /// Reports that no filter function is here.
    fn no_function(&mut self) -> Reported {
        self.unexpected("a filter function, as in level(err)")
    }

    /// Checks that the filters which `condition` names exist.
    pub(super) fn check_condition(
        &mut self,
        filters: &IndexMap<String, FilterStatement>,
        condition: &Condition,
    ) {
        for name in condition.references() {
            if !filters.contains_key(&name.value) {
                self.unknown_name("filter", &name.value, name.span, filters.keys());
            }
        }
    }

    /// Checks that no filter refers to itself, on whatever way.
    pub(super) fn check_circles(&mut self, filters: &IndexMap<String, FilterStatement>) {
        // The filters that are known to be in no circle, or in one that was reported.
        let mut done = vec![false; filters.len()];
        for start in 0..filters.len() {
            // The way from `start`: each filter, and its references that were not followed yet.
            let mut way: Vec<(usize, Vec<&Spanned<String>>)> = Vec::new();
            let mut next = Some(start);
            loop {
                if let Some(filter) = next.take().filter(|filter| !done[*filter]) {
                    let references = filters[filter].condition.references().into_iter().rev().collect();
                    way.push((filter, references));
                }
                let Some((filter, left)) = way.last_mut() else { break };
                let Some(reference) = left.pop() else {
                    done[*filter] = true;
                    way.pop();
                    continue;
                };
                let Some(to) = filters.get_index_of(&reference.value) else { continue };
                match way.iter().position(|(on_way, _)| *on_way == to) {
                    Some(first) => self.circle(filters, &way[first..], reference),
                    None => next = Some(to),
                }
            }
        }
    }

    /// Reports that `reference`, in the last filter of `way`, leads to the first one.
    fn circle(
        &mut self,
        filters: &IndexMap<String, FilterStatement>,
        way: &[(usize, Vec<&Spanned<String>>)],
        reference: &Spanned<String>,
    ) {
        let names: Vec<_> = way.iter().map(|(filter, _)| filters[*filter].name.as_str()).collect();
        let first = &filters[way[0].0];
        let message = format!("the filter `{}` refers to itself", first.name);
        let help = (names.len() > 1).then(|| format!("the way is {} → {}", names.join(" → "), first.name));
        self.report.error_with(reference.span, message, first.span, "the filter", help);
    }
}
