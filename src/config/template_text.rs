//! Templates as they stand in a configuration, and the options of how they are formatted.
use super::span::{Span, Spanned};
use crate::template::{OnError, Template, TsFormat};

/// A template's text, compiled.
#[derive(Debug, Clone)]
pub struct TemplateText {
    /// The `template` statement that it was taken from.
    pub name: Option<String>,
    /// The text.
    pub text: String,
    /// The text, compiled.
    pub template: Template,
    /// `template-escape()` of the `template` statement.
    pub escape: Option<bool>,
    /// Where the text, or the name that stands for it, was written.
    pub span: Span,
}

/// `template NAME "text";` or `template NAME { template("text"); template-escape(no); };`
#[derive(Debug, Clone)]
pub struct TemplateStatement {
    /// The name, and the place of the statement.
    pub name: Spanned<String>,
    /// The template.
    pub text: TemplateText,
}

/// How templates are formatted; what is not written here is as in `options {}`.
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
