//! The names of hosts for templates: `$(dns-resolve-ip)`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{HostNames, LogSourceOptions, NameOptions, ThisSystem};
use crate::config::{Config, UseDns};
use crate::template;

/// The names of hosts for a template, as a source with these options has them. All calls of one place share
/// what was looked up.
pub(crate) fn names_for_template(config: &Config, asked: template::NameOptions) -> Arc<dyn template::Names> {
    let own = LogSourceOptions {
        use_dns: asked.use_dns.map(|yes| if yes { UseDns::Yes } else { UseDns::No }),
        use_fqdn: asked.use_fqdn,
        dns_cache: asked.dns_cache,
        normalize_hostnames: asked.normalize_hostnames,
        ..LogSourceOptions::default()
    };
    let options = NameOptions::new(&config.options, &own);
    let names = HostNames::new(options.clone(), Arc::new(ThisSystem::new()));
    Arc::new(TemplateNames { options, names })
}

struct TemplateNames {
    options: NameOptions,
    names: HostNames,
}

/// Its options, and not what it has found: a destination is the same one as before by this text.
impl fmt::Debug for TemplateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

impl template::Names for TemplateNames {
    fn name_of(&self, ip: IpAddr) -> Arc<str> {
        self.names.cached(ip).unwrap_or_else(|| self.names.look_up(ip))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;
    use crate::message::{Batch, Need, Origin, Pool, Writer};
    use crate::template::Context;

    fn message() -> Batch {
        let origin = std::sync::Arc::new(Origin::named("s"));
        let mut writer = Writer::open(&origin, &std::sync::Arc::new(Pool::new()), Need::default());
        let need = Need { bytes: 64, ..Need::default() };
        let mut row = writer.row(need).unwrap();
        row.payload_copy(b"127.0.0.9");
        row.publish();
        writer.finish()
    }

    fn text(config: &str) -> Result<String, String> {
        let config =
            parse_str("x", config, &Environment::new(&VOCABULARY)).map_err(|errors| errors.to_string())?;
        let (batch, mut out) = (message(), Vec::new());
        config.templates["t"].text.template.format(batch.message(0), &Context::default(), &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    /// Breaks without it: a template names a host otherwise than sources do, or by the options of nobody.
    #[test]
    fn a_template_names_hosts_as_sources_do() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = dir.path().join("hosts");
        std::fs::write(&hosts, "127.0.0.9 Nine.Example.org\n::9 six\n").unwrap();
        let options =
            format!("options {{ dns-cache-hosts(\"{}\"); use-dns(persist-only); }};", hosts.display());
        for (call, expected) in [
            ("$(dns-resolve-ip $MSG)", "Nine"),
            ("$(dns-resolve-ip --use-fqdn yes $MSG)", "Nine.Example.org"),
            ("$(dns-resolve-ip --use-fqdn=yes --normalize-hostnames=on $MSG)", "nine.example.org"),
            ("$(dns-resolve-ip --dns-cache no --use-dns no 127.0.0.1)", "127.0.0.1"),
            ("$(dns-resolve-ip ::9)$(dns-resolve-ip 127.0.0.77)", "six127.0.0.77"),
            ("$(dns-resolve-ip nope)|$(dns-resolve-ip '')|", "||"),
        ] {
            let config = format!("{options} template t \"{call}\";");
            assert_eq!(text(&config).as_deref(), Ok(expected), "{call}");
        }
        for (call, expected) in [
            ("$(dns-resolve-ip)", "takes an address"),
            ("$(dns-resolve-ip a b)", "there is one address"),
            ("$(dns-resolve-ip --use-dns maybe a)", "`--use-dns` is yes or no, not `maybe`"),
            ("$(dns-resolve-ip --use-dsn no a)", "did you mean `--use-dns`"),
        ] {
            let error = text(&format!("template t \"{call}\";")).unwrap_err();
            assert!(error.contains(expected), "{call}: {error}");
        }
    }

    /// Breaks without it: a place of the record that is not there ends the line, or the database is looked
    /// for when the first message comes.
    #[test]
    fn a_template_has_fields_of_the_record_of_an_address() {
        let database = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/geoip/test.mmdb");
        let value = |call: &str| text(&format!("template t '{call}';"));
        let with = |rest: &str| value(&format!("$(geoip2 --database {database} {rest})"));
        assert_eq!(with("2001:db8::1").as_deref(), Ok("ZZ"));
        assert_eq!(with("-f country.iso_code 2001:db8::1").as_deref(), Ok("ZZ"));
        assert_eq!(with("-f subdivisions.1.iso_code 81.2.69.142").as_deref(), Ok("LND"));
        assert_eq!(with("--field=location.latitude 81.2.69.142").as_deref(), Ok("51.514200"));
        for nothing in
            ["-f country.nope 2001:db8::1", "-f country 2001:db8::1", "$MSG", "nope", "-f \"\" ::1"]
        {
            assert_eq!(with(nothing).as_deref(), Ok(""), "{nothing}");
        }
        for (call, expected) in [
            ("$(geoip2 -d /none.mmdb ::1)".to_owned(), "is no database of addresses"),
            (format!("$(geoip2 -d {database})"), "takes an address"),
            (format!("$(geoip2 -d {database} ::1 ::2)"), "there is one address"),
        ] {
            let error = value(&call).unwrap_err();
            assert!(error.contains(expected), "{call}: {error}");
        }
    }
}
