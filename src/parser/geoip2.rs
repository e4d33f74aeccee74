//! `geoip2()`: the record of an address in a database of `MaxMind`'s format, as values.
//!
//! ```text
//! "81.2.69.142" ─► {country: {iso_code: GB, names: {en: …, de: …}}, location: {latitude: 51.5142}}
//!               ─► .geoip2.country.iso_code=GB .geoip2.country.names.en=… .geoip2.location.latitude=51.514200
//! ```
//!
//! The database is read with the configuration, once for all places that name the parser, and kept in memory.

mod record;

use std::net::IpAddr;

use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Table, TokenKind};
use crate::config::{Config, Spanned};
use crate::geoip::Database;
use crate::rewrite::Contexts;

/// The options of `geoip2()`.
#[derive(Debug, Clone, Default)]
pub(super) struct GeoOptions {
    /// `database()`
    database: Option<Spanned<String>>,
    /// `prefix()`
    prefix: Option<String>,
    /// The database, when it is read.
    reader: Option<Database>,
    text: TextOptions,
}

const TABLE: Table<GeoOptions> = &[
    ("database", Kind::Text(|to, name| to.database = Some(name))),
    ("prefix", Kind::Text(|to, prefix| to.prefix = Some(prefix.value))),
];

impl GeoOptions {
    /// Reads the database.
    fn read_database(&mut self, parser: &mut Parser, head: DriverHead) -> Parsed<()> {
        let (path, span) = if let Some(name) = &self.database {
            (parser.path_beside(&name.value), name.span)
        } else if let Some(path) = Database::default_path() {
            (path, head.span)
        } else {
            let message = "geoip2() has no database: none is in /usr/share/GeoIP or /var/lib/GeoIP";
            let help = Some("name one, as in database(\"GeoLite2-City.mmdb\")".to_owned());
            return Err(parser.report.error(head.span, message, help));
        };
        match Database::open(&path) {
            Ok(reader) => self.reader = Some(reader),
            Err(why) => {
                let message = format!("`{}` is no database of addresses: {why}", path.display());
                return Err(parser.report.error(span, message, None));
            }
        }
        Ok(())
    }
}

impl ParserOptions for GeoOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        if matches!(parser.peek().kind, TokenKind::Text(_)) {
            let text = parser.template_argument().inspect_err(|_| {
                parser.close_parenthesis(head.open);
            })?;
            options.text.template = Some(text);
        }
        read_options(parser, head, (TABLE, &mut options), |options| &mut options.text);
        if options.text.template.is_none() {
            let help = Some("as in geoip2(\"$SOURCEIP\")".to_owned());
            return Err(parser.report.error(head.span, "geoip2() needs the template of an address", help));
        }
        options.read_database(parser, head)?;
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        let Some(database) = self.reader.clone() else { unreachable!("the options were read with it") };
        let prefix = self.prefix.as_deref().unwrap_or(".geoip2");
        let prefix = prefix.strip_suffix('.').unwrap_or(prefix);
        Ok(Box::new(Geo { database, prefix: prefix.into() }))
    }
}

#[derive(Debug)]
struct Geo {
    database: Database,
    prefix: Box<str>,
}

impl Parse for Geo {
    fn parse(&self, text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let address = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<IpAddr>().ok());
        let Some(address) = address else { return Ok(()) };
        match self.database.record(address) {
            Ok(None) => {}
            Ok(Some(data)) => {
                buffers.name.clear();
                buffers.name.extend_from_slice(self.prefix.as_bytes());
                record::set(&data, &mut buffers.name, found);
            }
            // A broken database says nothing of the address.
            Err(error) => found.say(format!("the record of {address} cannot be read: {error}")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
