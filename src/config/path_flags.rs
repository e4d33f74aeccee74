//! `flags()` of a log path.
use super::parser::{Parsed, Parser};
use super::span::Spanned;
use super::token::{TokenKind, same_word};

/// `flags()` of a log path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathFlags {
    /// `flow-control` or `no-flow-control`; `None` means: as in `options {}`, or as the path around it.
    pub flow_control: Option<bool>,
    /// `final`: what went this way goes no further.
    pub is_final: bool,
    /// `fallback`: only what went no other way.
    pub fallback: bool,
    /// `catchall`: every message of every source with a name.
    pub catchall: bool,
}

const FLAGS: [&str; 7] =
    ["flow-control", "no-flow-control", "final", "fallback", "catchall", "catch-all", "drop-unmatched"];

impl Parser {
    /// Reads what comes after `flags`; `depth` is how many paths are around the one that they are of.
    pub(super) fn path_flags(&mut self, depth: usize) -> Parsed<PathFlags> {
        let mut flags = PathFlags::default();
        let mut flow_control: Option<Spanned<bool>> = None;
        self.expect(&TokenKind::LParen)?;
        while !self.eat(&TokenKind::RParen) {
            let word = self.string("a flag")?;
            if self.is_old_flag(&word) {
                continue;
            }
            let Some(flag) = FLAGS.iter().find(|flag| same_word(flag, &word.value)) else {
                let help = self.suggestion(&word.value, FLAGS);
                let message = format!("unknown flag `{}`: it has no effect", word.value);
                self.report.warn(word.span, message, help);
                continue;
            };
            match *flag {
                "flow-control" | "no-flow-control" => {
                    let wanted = Spanned::new(*flag == "flow-control", word.span);
                    if let Some(other) = flow_control.filter(|other| other.value != wanted.value) {
                        let message = "a path cannot have both flow-control and no-flow-control";
                        self.report.error_with(word.span, message, other.span, "the other one", None);
                    }
                    flow_control = Some(wanted);
                }
                "final" => flags.is_final = true,
                "fallback" => flags.fallback = true,
                "drop-unmatched" => {
                    let message = "`drop-unmatched` has no effect: it was removed from the language in 4.1";
                    self.report.warn(word.span, message, None);
                }
                _ => {
                    flags.catchall = true;
                    if depth > 0 {
                        let message = format!("`{flag}` is for log paths that are in no other one");
                        self.report.error(word.span, message, None);
                    }
                }
            }
        }
        flags.flow_control = flow_control.map(|flag| flag.value);
        Ok(flags)
    }
}
