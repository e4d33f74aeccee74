//! Templates as they stand in a configuration, and the options of how they are formatted.
use std::ops::Deref;
use std::sync::{Arc, LazyLock, OnceLock};

use super::span::{Span, Spanned};
use super::{Config, Diagnostic};
use crate::template::{OnError, Options, Template, TsFormat};

/// A template where one is used: a text, or the name of a `template` statement, which may come later.
///
/// Until the whole configuration is read, one that may be a name is empty.
#[derive(Debug, Clone)]
pub struct TemplateText {
    /// The place of the text, or of the name that stands for it.
    pub span: Span,
    compiled: Arc<OnceLock<CompiledTemplate>>,
}

/// A template's text, compiled.
#[derive(Debug, Clone, Default)]
pub struct CompiledTemplate {
    /// The `template` statement that it was taken from.
    pub name: Option<String>,
    /// The text.
    pub text: String,
    /// The text, compiled.
    pub template: Template,
    /// `template-escape()` of the `template` statement.
    pub escape: Option<bool>,
}

impl TemplateText {
    /// A template that may be the name of a statement, to be [set](Self::set) later.
    pub(super) fn unset(span: Span) -> Self {
        Self { span, compiled: Arc::default() }
    }

    /// A template that is known.
    pub(super) fn new(span: Span, compiled: CompiledTemplate) -> Self {
        Self { span, compiled: Arc::new(compiled.into()) }
    }

    /// Sets what an [unset](Self::unset) one and its clones stand for.
    pub(super) fn set(&self, compiled: CompiledTemplate) {
        // The first one stays: nothing is set twice.
        let _ = self.compiled.set(compiled);
    }
}

impl Deref for TemplateText {
    type Target = CompiledTemplate;

    fn deref(&self) -> &CompiledTemplate {
        static EMPTY: LazyLock<CompiledTemplate> = LazyLock::new(CompiledTemplate::default);
        self.compiled.get().unwrap_or(&EMPTY)
    }
}

/// `template NAME "text";` or `template NAME { template("text"); template-escape(no); };`
#[derive(Debug, Clone)]
pub struct TemplateStatement {
    /// The name, and the place of the statement.
    pub name: Spanned<String>,
    /// The template.
    pub text: TemplateText,
}

/// The format of templates; what is not written here is as in `options {}`.
#[derive(Debug, Clone, Default)]
pub struct TemplateOptions {
    /// `ts-format()`
    pub ts_format: Option<TsFormat>,
    /// `frac-digits()`: from 0 to 6.
    pub frac_digits: Option<u8>,
    /// `time-zone()`, also called `send-time-zone()`.
    pub send_time_zone: Option<Spanned<String>>,
    /// `local-time-zone()`
    pub local_time_zone: Option<Spanned<String>>,
    /// `template-escape()`
    pub template_escape: Option<bool>,
    /// `on-error()`
    pub on_error: Option<OnError>,
}

impl TemplateOptions {
    /// These options, with those of `config` for what is not written here. `escape` is `template-escape()` of
    /// the `template` statement.
    ///
    /// # Errors
    /// Time zones that nobody knows, at their places.
    pub(crate) fn resolve(&self, config: &Config, escape: Option<bool>) -> Result<Options, Diagnostic> {
        let global = &config.options;
        let zone = |own: &Option<Spanned<String>>, global: &Option<Spanned<String>>| {
            own.as_ref().or(global.as_ref()).map(|zone| config.zone(zone)).transpose()
        };
        Ok(Options {
            ts_format: self.ts_format.unwrap_or(global.ts_format),
            frac_digits: self.frac_digits.unwrap_or(global.frac_digits),
            send_time_zone: zone(&self.send_time_zone, &global.send_time_zone)?,
            local_time_zone: zone(&self.local_time_zone, &global.local_time_zone)?,
            on_error: self.on_error.unwrap_or(global.on_error),
            template_escape: self.template_escape.or(escape).unwrap_or(global.template_escape),
        })
    }
}
