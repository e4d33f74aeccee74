//! Files beside the configuration that options name, and that have texts of the language in them: databases
//! of values, and filters. What is wrong in one is shown in it.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use super::filter::FilterStatement;
use super::include::read_included;
use super::lexer::Lexer;
use super::parser::{Parsed, Parser};
use super::preamble::Version;
use super::span::{FileId, SourceFile, Span, Spanned};
use super::template_text::{CompiledTemplate, TemplateText};
use super::token::{Run, Text, TokenKind};
use crate::message::ValueType;

/// A file that an option names.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    id: FileId,
    file: Arc<SourceFile>,
}

impl Beside {
    /// Its text.
    pub(crate) fn text(&self) -> &str {
        &self.file.text
    }

    /// The place of the bytes `range` of it.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        Span { file: self.id, start: range.start as u32, end: range.end as u32 }
    }

    /// The text `value`, which stands at `range` as it is, or with escapes.
    pub(crate) fn part(&self, range: Range<usize>, value: String) -> Text {
        let verbatim = self.text().get(range.clone()) == Some(value.as_str());
        let span = self.span(range.clone());
        Text { value, not_utf8: None, span, runs: vec![Run { at: 0, source: range, verbatim }] }
    }
}

impl Parser {
    /// Reads the file `name`, which is relative to the directory of the configuration.
    pub(crate) fn open_beside(&mut self, name: &Spanned<String>) -> Parsed<Beside> {
        let path = self.path_beside(&name.value);
        let text = match read_included(&path, self.lexer.budget.text()) {
            Ok(text) => text,
            Err(message) => return Err(self.report.error(name.span, message, None)),
        };
        if let Err(excess) = self.lexer.budget.take_file(text.len()) {
            return Err(self.report.error(name.span, excess.message, Some(excess.help)));
        }
        let id = self.report.map.add(path, text, Some(name.span));
        Ok(Beside { id, file: Arc::clone(self.report.map.file(id)) })
    }

    /// The file `name`, which is relative to the directory of the configuration, and is looked at from here on.
    pub(crate) fn path_beside(&self, name: &str) -> PathBuf {
        let environment = &self.lexer.environment;
        let path = environment.config_dir.join(name);
        environment.progress.note(&path);
        path
    }

    /// The template that is written in a file beside the configuration.
    pub(crate) fn template_beside(&mut self, text: Text, hint: Option<ValueType>) -> Parsed<TemplateText> {
        let span = text.span;
        let compiled = self.compiled(text)?;
        let template = match hint {
            Some(hint) => compiled.template.with_type(hint),
            None => compiled.template,
        };
        Ok(TemplateText::new(span, CompiledTemplate { template, ..compiled }))
    }

    /// Tells whether the version that the file is for has types.
    pub(crate) fn has_types(&self) -> bool {
        self.version() >= Version { major: 4, minor: 0 }
    }

    /// The filters of the file `name`, which has nothing but statements of filters, by their names.
    pub(crate) fn filters_beside(
        &mut self,
        name: &Spanned<String>,
    ) -> Parsed<IndexMap<String, FilterStatement>> {
        let file = self.open_beside(name)?;
        self.in_file(file.id, |parser| {
            let mut filters: IndexMap<String, FilterStatement> = IndexMap::new();
            while !parser.sees(&TokenKind::End) {
                if parser.eat(&TokenKind::Semicolon) {
                    continue;
                }
                if !parser.peek().is("filter") {
                    return Err(parser.unexpected("`filter name { … };`"));
                }
                let start = parser.next().span;
                let name = parser.string("a name for the filter")?;
                let filter = parser.filter_body(name.value.clone(), start.to(name.span))?;
                let first = filters.get(&name.value).map(|first| first.span);
                parser.duplicate("filter", &name, first)?;
                parser.semicolons();
                for reference in filter.condition.references() {
                    let message =
                        format!("`{}` is another filter: a filter of this file has none", reference.value);
                    parser.report.error(reference.span, message, None);
                }
                filters.insert(name.value, filter);
            }
            Ok(filters)
        })
    }

    /// Reads the text of `file` with `read`, as a configuration.
    pub(super) fn in_file<R>(&mut self, file: FileId, read: impl FnOnce(&mut Self) -> R) -> R {
        let mut lexer = Lexer::new(&self.report, file, self.lexer.environment.clone());
        lexer.defines.clone_from(&self.lexer.defines);
        lexer.pragmas.version = self.lexer.pragmas.version;
        std::mem::swap(&mut lexer.blocks, &mut self.lexer.blocks);
        let mut outer = self.begin_text(lexer);
        let result = read(self);
        std::mem::swap(&mut outer.lexer.blocks, &mut self.lexer.blocks);
        self.end_text(outer);
        result
    }
}
