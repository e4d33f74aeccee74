//! From the lines of the open files and blocks to the text that is cut into tokens: backticks are replaced.
//!
//! A name between backticks stands for an argument of the block that the line is in, else for what `@define`
//! said, else for an environment variable, else for nothing. What is replaced at a time goes up to a `{` at
//! most: the text after it may be raw.
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::backtick::{self, Piece};
use super::block::{Arguments, Block};
use super::diagnostic::Level;
use super::input::Input;
use super::lexer::{Before, Lexer, Lexing};
use super::span::{FileId, Span};

impl Lexing<'_> {
    /// Goes on with `file`, and comes back when it ends.
    pub(super) fn open(&mut self, file: FileId) {
        self.lexer.inputs.push(Input::new(file, Arc::clone(self.report.map.file(file))));
    }

    /// Goes on with `body`, the text of `block`, which is used at `used`, and comes back when it ends.
    pub(super) fn open_block(
        &mut self,
        block: &Arc<Block>,
        body: Span,
        used: Span,
        arguments: Arc<Arguments>,
    ) {
        let range = body.start as usize..body.end as usize;
        if let Err(excess) = self.lexer.budget.take_use(range.len()) {
            return self.too_much(used, excess);
        }
        let file = self.report.map.add_use(body.file, used, &block.name);
        let source = Arc::clone(self.report.map.file(file));
        self.lexer.before = Before::End;
        self.lexer.inputs.push(Input::of_block(file, source, range, Arc::clone(block), arguments));
    }

    /// Goes on with `text`, which the generator `block` has made for its use at `used`, and comes back when it
    /// ends.
    pub(super) fn open_made(&mut self, block: &Arc<Block>, text: String, used: Span) {
        if let Err(excess) = self.lexer.budget.take_use(text.len()) {
            return self.too_much(used, excess);
        }
        let file = self.report.map.add_made(text, used, &block.name);
        let source = Arc::clone(self.report.map.file(file));
        self.lexer.before = Before::End;
        self.lexer.inputs.push(Input::made(file, source, Arc::clone(block)));
    }

    /// Reads one more line of the innermost file, or the part of it up to a `{`; false at its end.
    pub(super) fn refill(&mut self) -> bool {
        let Lexer { inputs, defines, environment, quote, budget, .. } = &mut *self.lexer;
        let report = &mut *self.report;
        let Some(input) = inputs.last_mut() else { return false };
        let source = Arc::clone(&input.source);
        let Some(range) = input.next_line() else { return false };
        let (line, start) = (&source.text[range.clone()], range.start);
        if memchr::memchr(b'`', line.as_bytes()).is_none() {
            input.push(line, range, true);
            return true;
        }
        let span = |at: &Range<usize>| Span {
            file: input.file,
            start: (start + at.start) as u32,
            end: (start + at.end) as u32,
        };
        let arguments = input.arguments();
        let mut unknown = HashSet::new();
        let mut excess = None;
        let backtick::Expanded { pieces, error, end } = backtick::expand(line, *quote, |name, at| {
            let argument = arguments.and_then(|arguments| arguments.get(name));
            let define = || defines.get(&name.replace('_', "-")).map(String::as_str);
            let variable = || environment.variables.get(name).map(String::as_str);
            let value = argument.or_else(define).or_else(variable).unwrap_or_else(|| {
                unknown.insert(name.to_owned());
                ""
            });
            match budget.take_value(value.len()) {
                Ok(()) => Some(value.to_owned()),
                Err(over) => {
                    excess = Some((span(&at), over));
                    None
                }
            }
        });
        if let Some((at, excess)) = excess {
            self.too_much(at, excess);
            return false;
        }
        for piece in &pieces {
            if let Piece::Value { at, name, value } = piece
                && !name.is_empty()
            {
                // Warned first: the note that comes with an expansion would only repeat it.
                if unknown.contains(name) {
                    let own = arguments.map(|arguments| arguments.names()).unwrap_or_default();
                    let known = own.into_iter().chain(defines.keys().map(String::as_str));
                    let help = report.suggestion(Level::Warning, name, known);
                    let message = format!("`{name}` is neither defined nor in the environment");
                    report.warn(span(at), message, help);
                }
                if error.as_ref().is_none_or(|error| error.at != *at) {
                    report.map.add_expansion(span(at), name, value);
                }
            }
        }
        if let Some(error) = error {
            report.error(span(&error.at), error.message, error.help.map(str::to_owned));
        }
        for piece in pieces {
            match piece {
                Piece::Verbatim(at) => input.push(&line[at.clone()], start + at.start..start + at.end, true),
                // An empty piece still has a place: errors after it must not point before it.
                Piece::Value { at, value, .. } => input.push(&value, start + at.start..start + at.end, false),
            }
        }
        input.skip_to(start + end);
        true
    }
}
