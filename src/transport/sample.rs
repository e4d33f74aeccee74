//! A driver of tests whose options are those of this room: `inet(…)` and `unix(…)`, as source and as
//! destination.

use std::sync::{Arc, LazyLock};

use super::socket::{AddressOptions, Family, Role, SocketOptions};
use super::tls::{Side, TlsOptions};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostics, Environment, Options, Spanned, Syntax, Vocabulary, parse_str};

/// What was read of the driver.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) socket: SocketOptions,
    pub(crate) address: AddressOptions,
    pub(crate) host: Option<Spanned<String>>,
    pub(crate) tls: Option<TlsOptions>,
}

const SAMPLE: Table<Sample> =
    &[("host", Kind::Other(|parser, to| parser.host("a host").map(|host| to.host = Some(host))))];

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary {
    sources: vec![
        Syntax { word: "inet", read: |parser, head| read(parser, head, Family::Inet, Role::Source) },
        Syntax { word: "unix", read: |parser, head| read(parser, head, Family::Unix, Role::Source) },
    ],
    destinations: vec![
        Syntax { word: "inet", read: |parser, head| read(parser, head, Family::Inet, Role::Destination) },
        Syntax { word: "unix", read: |parser, head| read(parser, head, Family::Unix, Role::Destination) },
    ],
    ..crate::drivers::vocabulary()
});

#[expect(clippy::unnecessary_wraps, reason = "a syntax may fail")]
fn read(parser: &mut Parser, head: DriverHead, family: Family, role: Role) -> Parsed<Arc<dyn Options>> {
    let mut sample = Sample::default();
    let (place, side) = match role {
        Role::Source => (Place::SourceOption, Side::Server),
        Role::Destination => (Place::DestinationOption, Side::Client),
    };
    let known =
        || names(SAMPLE).chain(SocketOptions::names(family)).chain(AddressOptions::names(role)).collect();
    parser.options_in_parentheses(head.open, place, &known, |parser, key| {
        if key.value == "tls" {
            let tls = sample.tls.get_or_insert_with(|| TlsOptions::new(key.span));
            return Some(tls.read(parser, key, side));
        }
        apply(SAMPLE, &mut sample, parser, key)
            .or_else(|| sample.socket.apply(parser, key, family, role))
            .or_else(|| sample.address.apply(parser, key, role))
    });
    Ok(Arc::new(sample))
}

/// Reads `driver` as a source's or a destination's.
pub(crate) fn sample(role: Role, driver: &str) -> Result<(Config, Sample), Diagnostics> {
    let statement = match role {
        Role::Source => "source",
        Role::Destination => "destination",
    };
    let text = format!("{statement} x {{ {driver}; }};");
    let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY))?;
    let driver = match role {
        Role::Source => config.sources["x"].drivers()[0],
        Role::Destination => config.destinations["x"].drivers()[0],
    };
    let sample = driver.options::<Sample>().expect("the driver of this file").clone();
    Ok((config, sample))
}

/// The first error of `driver`, as a user sees it.
pub(crate) fn error(role: Role, driver: &str) -> String {
    sample(role, driver).expect_err(driver).to_string()
}
