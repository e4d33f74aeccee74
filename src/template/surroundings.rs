//! The configuration around a template: [`Surroundings`].
//!
//! The text of a template may name other templates, and hold conditions in the language of filters. This room
//! knows neither: whoever compiles a template for a configuration lends it what it refers to. What comes
//! later in the configuration is a [`Later`], which is set when everything is read.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::item::Scope;
use super::{HostFunction, Moment, Template};
use crate::message::{MessageRef, ValueType};

/// A condition inside of a template, as in `$(if (…) yes no)`.
pub trait Condition: fmt::Debug + Send + Sync {
    /// Tells whether `message` meets it in `moment`.
    fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool;
}

/// The names of hosts, as sources find them.
pub trait Names: fmt::Debug + Send + Sync {
    /// The name of the host at `ip`, or the address as text; it may take as long as name servers do.
    fn name_of(&self, ip: IpAddr) -> Arc<str>;
}

/// The options of a template for names of hosts; the rest is as in `options { }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NameOptions {
    /// `--use-dns`
    pub use_dns: Option<bool>,
    /// `--use-fqdn`
    pub use_fqdn: Option<bool>,
    /// `--dns-cache`
    pub dns_cache: Option<bool>,
    /// `--normalize-hostnames`
    pub normalize_hostnames: Option<bool>,
}

/// A thing that a template refers to, and that is known when the whole configuration is read.
pub type Later<T> = Arc<OnceLock<T>>;

/// A template by its name, with `template-escape()` of its statement.
#[derive(Debug, Clone)]
pub struct NamedTemplate {
    /// The template.
    pub template: Template,
    /// `template-escape()` of its statement.
    pub escapes: bool,
}

impl NamedTemplate {
    /// Appends its result, and tells the type.
    pub(super) fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let compiled = &self.template.compiled;
        compiled.items.append_typed(scope, self.template.hint, self.escapes, out)
    }
}

/// The templates of a configuration, by their names.
pub type NamedTemplates = std::collections::BTreeMap<String, NamedTemplate>;

/// The configuration around a template, as far as its text can refer to it.
pub trait Surroundings {
    /// Tells whether values keep their types: `@version` 4.0 and later.
    fn is_typed(&self) -> bool {
        true
    }

    /// Tells whether a backslash takes the next character as it is: `@version` before 3.5.
    fn has_backslashes(&self) -> bool {
        false
    }

    /// The condition that `text` says, which stands at `at` of the template.
    ///
    /// # Errors
    /// It is none; without a text where that was reported already.
    fn condition(
        &mut self,
        text: &str,
        at: Range<usize>,
    ) -> Result<Later<Arc<dyn Condition>>, Option<String>>;

    /// The names of hosts by these options.
    ///
    /// # Errors
    /// Nobody knows any.
    fn names(&mut self, options: NameOptions) -> Result<Later<Arc<dyn Names>>, String> {
        let _ = options;
        Err("names of hosts belong to the templates of a configuration".to_owned())
    }

    /// The function of the host's called `name`, whose name stands at `at` of the template.
    ///
    /// # Errors
    /// There is no host.
    fn host_function(
        &mut self,
        name: &str,
        at: Range<usize>,
    ) -> Result<Later<Arc<dyn HostFunction>>, String> {
        let _ = (name, at);
        Err("functions of Python belong to the templates of a configuration".to_owned())
    }

    /// The template called `name`, whose name stands at `at` of the template.
    ///
    /// # Errors
    /// There are no others.
    fn template(&mut self, name: &str, at: Range<usize>) -> Result<Later<NamedTemplate>, String>;

    /// All templates, for a name that only a message tells.
    ///
    /// # Errors
    /// There are no others.
    fn templates(&mut self) -> Result<Later<NamedTemplates>, String>;

    /// The function that a `template-function` statement above has made.
    fn function(&mut self, name: &str) -> Option<NamedTemplate>;

    /// The names of these functions.
    fn functions(&self) -> Vec<String>;
}

/// No configuration: a template for itself.
#[derive(Debug, Default)]
pub(super) struct Alone;

const ALONE: &str = "only a template of a configuration can name another one";

impl Surroundings for Alone {
    fn condition(&mut self, _: &str, _: Range<usize>) -> Result<Later<Arc<dyn Condition>>, Option<String>> {
        Err(Some("conditions belong to the templates of a configuration".to_owned()))
    }

    fn template(&mut self, _: &str, _: Range<usize>) -> Result<Later<NamedTemplate>, String> {
        Err(ALONE.to_owned())
    }

    fn templates(&mut self) -> Result<Later<NamedTemplates>, String> {
        Err(ALONE.to_owned())
    }

    fn function(&mut self, _: &str) -> Option<NamedTemplate> {
        None
    }

    fn functions(&self) -> Vec<String> {
        Vec::new()
    }
}
