//! Time zones that a configuration names.

use super::span::Spanned;
use super::{Config, Diagnostic};
use crate::template::Zone;

impl Config {
    /// The time zone that an option names.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn zone(&self, zone: &Spanned<String>) -> Result<Zone, Diagnostic> {
        Zone::parse(&zone.value).ok_or_else(|| {
            let help = "expected a name like Europe/Budapest, or an offset like +01:00".to_owned();
            self.error(zone.span, format!("unknown time zone `{}`", zone.value), Some(help))
        })
    }
}
