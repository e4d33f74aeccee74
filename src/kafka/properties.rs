//! The properties of a client, as `config(…)` names them: [`Properties`].
//!
//! The names and values are librdkafka's, and librdkafka checks them: a name that it does not know, or a value
//! that it does not take, is an error at its place when the file is read. Refused by name are the properties that
//! an option of the driver sets, those that the engine relies on, and GSSAPI, for which there is no library in
//! this build.
#![forbid(unsafe_code)]

use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use twox_hash::XxHash3_64;

use crate::config::Spanned;
use crate::config::grammar::{Parsed, Parser, TokenKind};

/// Properties that an option sets, with that option.
const BY_OPTION: &[(&str, &str)] = &[
    ("bootstrap.servers", "bootstrap-servers()"),
    ("metadata.broker.list", "bootstrap-servers()"),
    ("group.id", "group-id()"),
];

/// Properties that the engine sets, with the reason.
const BY_ENGINE: &[(&str, &str)] = &[
    ("enable.auto.commit", "offsets are committed when their messages are delivered"),
    ("enable.auto.offset.store", "offsets are committed when their messages are delivered"),
    ("auto.commit.enable", "offsets are committed when their messages are delivered"),
    ("log.queue", "its lines go to the log of the engine"),
    ("transactional.id", "records are sent without transactions"),
];

/// Parts of the names whose values are secret.
const SECRET: &[&str] = &["password", "secret", "sasl.oauthbearer.config", "key.pem"];

/// The properties of a client, in the order in which they were written.
#[derive(Clone, Default)]
pub(crate) struct Properties(Vec<(String, String)>);

impl Properties {
    /// Reads the content of `config(…)`, `"name" => value` or `name(value)`, up to its `)`.
    pub(crate) fn read(&mut self, parser: &mut Parser) -> Parsed<()> {
        while !parser.sees(&TokenKind::RParen) {
            let name = parser.string("the name of a property")?;
            let in_parentheses = parser.eat(&TokenKind::LParen);
            if !in_parentheses {
                parser.expect(&TokenKind::Arrow)?;
            }
            let value = parser.text_or_number("the value of the property")?;
            let value = parser.utf8(value)?;
            if in_parentheses {
                parser.expect(&TokenKind::RParen)?;
            }
            let value = Spanned::new(value.value, value.span);
            match refusal(&name.value, &value.value) {
                None => self.set(&name.value, &value.value),
                Some(Refusal { is_value, text, help }) => {
                    let span = if is_value { value.span } else { name.span };
                    parser.report.error(span, text, help);
                }
            }
        }
        Ok(())
    }

    /// Sets a property; the last value of a name counts.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// The value of `name`, where it was set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A client's configuration with `defaults`, and these properties over them.
    pub(crate) fn client_config(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.0 {
            config.set(name, value);
        }
        config
    }
}

/// The identity of a driver: secrets are there by a checksum.
impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let is_secret = SECRET.iter().any(|part| name.contains(part));
            (
                name,
                if is_secret {
                    format!("#{:x}", XxHash3_64::oneshot(value.as_bytes()))
                } else {
                    value.clone()
                },
            )
        });
        f.debug_map().entries(shown).finish()
    }
}

/// The reason why a property is not taken.
struct Refusal {
    /// True when it is the value that is wrong.
    is_value: bool,
    text: String,
    help: Option<String>,
}

/// The reason why the property `name` cannot be `value`, if there is one.
fn refusal(name: &str, value: &str) -> Option<Refusal> {
    let of_name = |text: String, help: Option<String>| Some(Refusal { is_value: false, text, help });
    if let Some((_, option)) = BY_OPTION.iter().find(|(known, _)| *known == name) {
        return of_name(format!("`{name}` is set by {option}"), Some(format!("use {option}")));
    }
    if let Some((_, why)) = BY_ENGINE.iter().find(|(known, _)| *known == name) {
        return of_name(format!("`{name}` is set by the engine: {why}"), None);
    }
    let is_mechanism = matches!(name, "sasl.mechanism" | "sasl.mechanisms");
    if name.starts_with("sasl.kerberos.") || (is_mechanism && value.eq_ignore_ascii_case("GSSAPI")) {
        let help = "use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER".to_owned();
        let text = "GSSAPI (Kerberos) is not part of this build of librdkafka".to_owned();
        return Some(Refusal { is_value: is_mechanism, text, help: Some(help) });
    }
    let error = ClientConfig::new().set(name, value).create_native_config().err()?;
    Some(match error {
        KafkaError::ClientConfig(_, text, ..) if text.starts_with("No such configuration property") => {
            Refusal {
                is_value: false,
                text: format!("unknown property `{name}`"),
                help: Some("the properties are those of librdkafka's CONFIGURATION.md".to_owned()),
            }
        }
        KafkaError::ClientConfig(_, text, ..) => Refusal { is_value: true, text, help: None },
        // A NUL byte in one of the two.
        error => Refusal { is_value: true, text: error.to_string(), help: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a property that means nothing is taken in silence, and a broker is never found, or found
    /// without what the user asked for.
    #[test]
    fn librdkafka_says_what_a_property_may_be() {
        assert!(refusal("compression.codec", "zstd").is_none());
        assert!(refusal("message.timeout.ms", "5000").is_none());
        for (name, value, is_value, part) in [
            ("compresion.codec", "zstd", false, "unknown property `compresion.codec`"),
            ("compression.codec", "lzma", true, "lzma"),
            ("linger.ms", "often", true, "Invalid value"),
            ("bootstrap.servers", "a:1", false, "is set by bootstrap-servers()"),
            ("enable.auto.commit", "true", false, "is set by the engine"),
            ("sasl.mechanisms", "GSSAPI", true, "GSSAPI"),
            ("sasl.kerberos.principal", "x", false, "GSSAPI"),
            ("client.id", "a\0b", true, "nul"),
        ] {
            let refused = refusal(name, value).unwrap_or_else(|| panic!("{name} = {value} is taken"));
            assert_eq!(refused.is_value, is_value, "{name}");
            assert!(refused.text.contains(part), "{name}: {}", refused.text);
        }
    }

    /// Breaks without it: TLS, SCRAM or a codec is missing in the library that was built.
    #[test]
    fn the_library_has_what_the_drivers_promise() {
        for (name, value) in [
            ("security.protocol", "sasl_ssl"),
            ("ssl.endpoint.identification.algorithm", "https"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("compression.codec", "gzip"),
            ("compression.codec", "snappy"),
            ("compression.codec", "lz4"),
            ("compression.codec", "zstd"),
        ] {
            assert!(refusal(name, value).is_none(), "{name} = {value}");
        }
        let config = ClientConfig::new().create_native_config().unwrap();
        let features = config.get("builtin.features").unwrap();
        for feature in
            ["ssl", "sasl_plain", "sasl_scram", "sasl_oauthbearer", "zstd", "gzip", "lz4", "snappy"]
        {
            assert!(features.split(',').any(|one| one == feature), "{feature} of {features}");
        }
        assert!(!features.contains("gssapi"), "{features}");
    }

    /// Breaks without it: a password stands in the log, or a changed one is no change at a reload.
    #[test]
    fn secrets_are_told_apart_and_not_shown() {
        let shown = |password| {
            let mut properties = Properties::default();
            properties.set("sasl.username", "me");
            properties.set("sasl.password", password);
            format!("{properties:?}")
        };
        assert!(shown("hunter2").contains("\"me\"") && !shown("hunter2").contains("hunter2"));
        assert_ne!(shown("hunter2"), shown("hunter3"));
    }
}
