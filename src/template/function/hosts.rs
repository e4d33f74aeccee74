//! Addresses: `dns-resolve-ip`, the name of a host, and `geoip2`, a field of a database.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::Compiled;
use super::options::{self, Given, Known};
use crate::geoip::Database;
use crate::message::ValueType;
use crate::template::build::{Build, Source};
use crate::template::item::{Call, Items, Scope};
use crate::template::surroundings::{Later, NameOptions, Names};

/// The field of a record where none is named.
const FIELD: &str = "country.iso_code";

/// The address that `items` say.
fn address(items: &Items, scope: Scope<'_>) -> Option<IpAddr> {
    std::str::from_utf8(&items.text(scope)).ok()?.trim().parse().ok()
}

/// `$(dns-resolve-ip [options] ip)`
#[derive(Debug)]
struct DnsResolveIp {
    names: Later<Arc<dyn Names>>,
    ip: Items,
}

/// Compiles `$(dns-resolve-ip)`.
pub(super) fn dns_resolve_ip(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    const OWN: &[Known] = &[
        Known::value("use-fqdn", ' '),
        Known::value("use-dns", ' '),
        Known::value("dns-cache", ' '),
        Known::value("normalize-hostnames", ' '),
    ];
    let usage = "$(dns-resolve-ip [--use-dns yes|no] [--use-fqdn yes|no] … ip)";
    let (mut wanted, mut ip) = (NameOptions::default(), None);
    for given in options::read(build, sources, OWN)? {
        match given {
            Given::Argument(source) if ip.is_none() => ip = Some(build.items(&source)?),
            Given::Argument(source) => return Err(build.error(&source, "there is one address", usage)),
            Given::Option(name, at, value) => {
                let yes = match value.as_ref().map(Source::text).unwrap_or_default().as_str() {
                    "yes" | "on" | "1" => true,
                    "no" | "off" | "0" => false,
                    other => {
                        let at = value.as_ref().unwrap_or(&at);
                        return Err(build.error(
                            at,
                            &format!("`--{name}` is yes or no, not `{other}`"),
                            usage,
                        ));
                    }
                };
                let option = match name {
                    "use-fqdn" => &mut wanted.use_fqdn,
                    "use-dns" => &mut wanted.use_dns,
                    "dns-cache" => &mut wanted.dns_cache,
                    _ => &mut wanted.normalize_hostnames,
                };
                *option = Some(yes);
            }
        }
    }
    let Some(ip) = ip else { return Err(build.call_error("`dns-resolve-ip` takes an address", usage)) };
    Ok(Box::new(DnsResolveIp { names: build.names(wanted)?, ip }))
}

impl Call for DnsResolveIp {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        if let (Some(ip), Some(names)) = (address(&self.ip, scope), self.names.get()) {
            out.extend_from_slice(names.name_of(ip).as_bytes());
        }
        ValueType::String
    }
}

/// `$(geoip2 [--database file] [--field name] ip)`
#[derive(Debug)]
struct GeoIp2 {
    database: Database,
    field: String,
    ip: Items,
}

/// Compiles `$(geoip2)`, and reads its database.
pub(super) fn geoip2(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    const OWN: &[Known] = &[Known::value("database", 'd'), Known::value("field", 'f')];
    let usage = "$(geoip2 [--database file] [--field a.b] ip)";
    let (mut path, mut field, mut ip) = (None, FIELD.to_owned(), None);
    for given in options::read(build, sources, OWN)? {
        match given {
            Given::Argument(source) if ip.is_none() => ip = Some(build.items(&source)?),
            Given::Argument(source) => return Err(build.error(&source, "there is one address", usage)),
            Given::Option("field", _, value) => field = value.as_ref().map(Source::text).unwrap_or_default(),
            Given::Option(_, at, value) => path = Some(value.unwrap_or(at)),
        }
    }
    let Some(ip) = ip else { return Err(build.call_error("`geoip2` takes an address", usage)) };
    let file = path.as_ref().map(|path| PathBuf::from(path.text())).or_else(Database::default_path);
    let Some(file) = file else {
        let message = "`geoip2` has no database: none is in /usr/share/GeoIP or /var/lib/GeoIP";
        return Err(build.call_error(message, usage));
    };
    match Database::open(&file) {
        Ok(database) => Ok(Box::new(GeoIp2 { database, field, ip })),
        Err(why) => {
            let message = format!("`{}` is no database of addresses: {why}", file.display());
            Err(path.map_or_else(
                || build.call_error(&message, usage),
                |path| build.error(&path, &message, usage),
            ))
        }
    }
}

impl Call for GeoIp2 {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        // A record that is broken says nothing of the address.
        let record = address(&self.ip, scope).and_then(|ip| self.database.record(ip).ok()?);
        if let Some(text) = record.as_ref().and_then(|record| record.text_at(&self.field)) {
            out.extend_from_slice(text.as_bytes());
        }
        ValueType::String
    }
}
