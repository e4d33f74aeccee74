//! `junction` and `if`: the branches within a log path.
use super::log_path::{IfBranch, LogItem, LogPath, Progress};
use super::parser::{Parsed, Parser};
use super::span::Span;
use super::token::TokenKind;

impl Parser {
    /// Reads what comes after `junction`.
    pub(super) fn junction(&mut self, depth: usize) -> Parsed<Vec<LogPath>> {
        let open = self.expect(&TokenKind::LBrace)?;
        let channels = self.body(open, None, |parser, _| {
            if !parser.peek().is("channel") && !parser.peek().is("log") {
                return Err(parser.unexpected("a channel, as in channel { … };"));
            }
            let span = parser.next().span;
            parser.log_path(span, depth + 1)
        });
        let with_source = channels.iter().find(|channel| channel.has_source());
        let without_source = channels.iter().find(|channel| !channel.has_source());
        if let (Some(with_source), Some(without_source)) = (with_source, without_source) {
            let message = "some channels of this junction have a source, and this one has none";
            let (at, there) = (without_source.span, with_source.span);
            return Err(self.report.error_with(at, message, there, "one with a source", None));
        }
        Ok(channels)
    }

    /// Checks the sources of the junction at `span`: where its channels have some, they are the first of the
    /// path.
    pub(super) fn check_sources(
        &mut self,
        progress: &mut Progress,
        span: Span,
        channels: &[LogPath],
    ) -> Parsed<()> {
        let with_source = channels.iter().find(|channel| channel.has_source());
        let before = progress.source.or(progress.other);
        progress.other.get_or_insert(span);
        let (Some(with_source), Some(before)) = (with_source, before) else { return Ok(()) };
        let message = "a branch with a source has to come before all other items of the path";
        Err(self.report.error_with(with_source.span, message, before, "this comes first", None))
    }

    /// The same for the branches of an `if`, which have sources all, or none has.
    pub(super) fn check_if_sources(
        &mut self,
        progress: &mut Progress,
        span: Span,
        item: &LogItem,
    ) -> Parsed<()> {
        let LogItem::If { branches, otherwise } = item else { return Ok(()) };
        let paths: Vec<LogPath> = item.paths().into_iter().cloned().collect();
        self.check_sources(progress, span, &paths)?;
        let Some(with_source) = paths.iter().find(|path| path.has_source()) else { return Ok(()) };
        let is_whole = otherwise.is_some()
            && branches.iter().all(|branch| branch.condition.is_none())
            && paths.iter().all(LogPath::has_source);
        if is_whole {
            return Ok(());
        }
        let message = "a source in a branch of `if` needs one in each, `else` too, and no condition";
        Err(self.report.error(with_source.span, message, None))
    }

    /// Reads what comes after `if`, which was at `start`, up to the last branch.
    pub(super) fn if_item(&mut self, start: Span, depth: usize) -> Parsed<LogItem> {
        let mut branches = vec![self.if_branch(start, depth)?];
        let mut otherwise = None;
        loop {
            let (is_elif, is_else) = (self.peek().is("elif"), self.peek().is("else"));
            if !is_elif && !is_else {
                return Ok(LogItem::If { branches, otherwise });
            }
            let span = self.next().span;
            if otherwise.is_some() {
                return Err(self.report.error(span, "nothing can come after `else { … }` but a `;`", None));
            }
            if is_elif {
                branches.push(self.if_branch(span, depth)?);
            } else {
                otherwise = Some(self.if_path(span, depth)?);
            }
        }
    }

    fn if_branch(&mut self, start: Span, depth: usize) -> Parsed<IfBranch> {
        let condition = match self.peek().kind {
            TokenKind::LParen => Some(self.if_condition(start)?),
            TokenKind::LBrace => None,
            _ => return Err(self.unexpected("`(` and a condition, or `{`")),
        };
        self.if_path(start, depth).map(|path| IfBranch { condition, path })
    }

    /// `{ … }` of a branch, whose word is at `start`.
    fn if_path(&mut self, start: Span, depth: usize) -> Parsed<LogPath> {
        if !self.sees(&TokenKind::LBrace) {
            return Err(self.unexpected("`{`"));
        }
        self.log_path(start, depth + 1)
    }
}
