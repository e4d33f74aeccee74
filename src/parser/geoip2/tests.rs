//! Records as values.

use crate::parser::tests::{parsed, said};

const DATABASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/geoip/test.mmdb");

fn body(options: &str) -> String {
    format!("geoip2({options} database(\"{DATABASE}\"));")
}

/// Breaks without it: a value of a record has another name, text or language.
#[test]
fn records_are_flat() {
    let found = parsed(&body("\"$MESSAGE\" prefix(g)"), "81.2.69.142");
    let expected = [
        "g.country.iso_code=s\"GB\"",
        "g.country.names.en=s\"United Kingdom\"",
        "g.location.accuracy_radius=s\"10\"",
        "g.location.latitude=s\"51.514200\"",
        "g.location.longitude=s\"-0.093100\"",
        "g.subdivisions.0.iso_code=s\"ENG\"",
        "g.subdivisions.1.iso_code=s\"LND\"",
        "g.traits.is_anycast=s\"false\"",
        "g.traits.is_static=s\"true\"",
        "g.traits.shift=s\"-5\"",
    ];
    assert_eq!(found, expected.join(" "));
    assert_eq!(parsed(&body("\"2001:db8::1\""), "x"), ".geoip2.country.iso_code=s\"ZZ\"");
    assert_eq!(
        parsed(&body("template(\"$MESSAGE\") prefix(\".a.\")"), "2001:db8::1"),
        ".a.country.iso_code=s\"ZZ\""
    );
}

/// Breaks without it: a text that is no address, or one that nobody knows, keeps its message from going on.
#[test]
fn other_texts_change_nothing() {
    for text in ["10.0.0.1", "notanip", "", "81.2.69", "81.2.69.142 x", "::ffff:0:0:1", "81.2.69.142:80"] {
        assert_eq!(parsed(&body("\"$MESSAGE\""), text), "", "{text}");
    }
}

/// Breaks without it: a mistake in the options is found by nobody, or not at its place.
#[test]
fn options_are_checked() {
    let wrong = format!("geoip2(\"$HOST\" database(\"{}/Cargo.toml\"));", env!("CARGO_MANIFEST_DIR"));
    for (body, expected) in [
        (format!("geoip2(database(\"{DATABASE}\"));"), "geoip2() needs the template of an address"),
        (
            "geoip2(\"$HOST\" database(\"/none.mmdb\"));".to_owned(),
            "`/none.mmdb` is no database of addresses",
        ),
        ("geoip2(\"$HOST\" database(\"/\"));".to_owned(), "it is no regular file"),
        (wrong, "is no database of addresses"),
        (body("\"$HOST\" prefx(x)"), "did you mean `prefix`?"),
    ] {
        let found = said(&body);
        assert!(found.contains(expected), "{body}: {found}");
    }
}
