//! Who is trusted: every mode of both sides with every kind of certificate.

use rcgen::ExtendedKeyUsagePurpose;
use sha2::Digest;

use super::authority::{Authority, Leaf, Store, Wanted, client, server};
use super::*;

const UNKNOWN: &str = "no authority that is trusted here has signed it";
const PURPOSE: &str = "it is not for this side of a connection";
const EXPIRED: &str = "it has expired";

fn expects(met: &Met, expected: &str, what: &str) {
    let got = outcome(met);
    assert!(if expected == "ok" { got == "ok" } else { got.contains(expected) }, "{what}: {got}");
}

fn fingerprint(leaf: &Leaf) -> String {
    let bytes = sha2::Sha256::digest(leaf.certificate.der());
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("SHA256:{}", pairs.join(":"))
}

/// Without it: a client that should be refused gets in, or one that should get in is refused.
#[test]
fn modes_of_a_server() {
    let (store, ours, other) = (Store::new(), Authority::new("Ours"), Authority::new("Other"));
    let own = store.own("server", &ours.sign(&server()), &[]);
    let ca = store.write("ca.pem", ours.pem());
    let between = ours.between("Between");
    let old = Wanted { until: (2001, 1, 1), ..client() };
    let wrong = Wanted { purposes: vec![ExtendedKeyUsagePurpose::ServerAuth], ..client() };
    let any = Wanted { purposes: vec![], ..client() };
    let certificates = [
        ("none", String::new()),
        ("good", store.own("good", &ours.sign(&client()), &[])),
        ("any purpose", store.own("any", &ours.sign(&any), &[])),
        ("chain", store.own("chain", &between.sign(&client()), &[&between])),
        ("broken chain", store.own("broken", &between.sign(&client()), &[])),
        ("self-signed", store.own("self", &client().self_signed(), &[])),
        ("other authority", store.own("other", &other.sign(&client()), &[])),
        ("wrong purpose", store.own("wrong", &ours.sign(&wrong), &[])),
        ("expired", store.own("old", &ours.sign(&old), &[])),
    ];
    let none = "peer-verify() requires one";
    let trusted = ["ok", "ok", "ok", UNKNOWN, UNKNOWN, UNKNOWN, PURPOSE, EXPIRED];
    for (mode, without, with) in [
        ("required-trusted", none, trusted),
        ("yes", none, trusted),
        ("optional_trusted", "ok", trusted),
        ("required-untrusted", none, ["ok"; 8]),
        ("optional-untrusted", "ok", ["ok"; 8]),
        ("no", "ok", ["ok"; 8]),
    ] {
        let server = server_side(&format!("{own} ca-file({ca}) peer-verify({mode})"));
        let asks = !matches!(mode, "optional-untrusted" | "no");
        let expected = std::iter::once(without).chain(with);
        for ((name, certificate), expected) in certificates.iter().zip(expected) {
            // 1.2 tells a client in the handshake what 1.3 tells it later.
            for version in ["no-tlsv13", "no-tlsv12"] {
                let of_client = format!("{certificate} ca-file({ca}) ssl-options({version})");
                let met = meet(&server, &client_side(&of_client), "localhost");
                expects(&met, expected, &format!("{mode}, {name}, {version}"));
                if let Ok(pair) = met {
                    let has = pair.server.peer().is_some();
                    assert_eq!(has, asks && *name != "none", "{mode}, {name}");
                }
            }
        }
    }
}

/// Without it: a message goes to a server that should not have it, or stays although it should go.
#[test]
fn modes_of_a_client() {
    let (store, ours, other) = (Store::new(), Authority::new("Ours"), Authority::new("Other"));
    let ca = store.write("ca.pem", ours.pem());
    let between = ours.between("Between");
    let named = |names| Wanted { names, ..server() };
    let wrong = Wanted { purposes: vec![ExtendedKeyUsagePurpose::ClientAuth], ..server() };
    let certificates = [
        ("good", ours.sign(&server()), "ok"),
        ("expired", ours.sign(&Wanted { until: (2001, 1, 1), ..server() }), EXPIRED),
        ("wrong purpose", ours.sign(&wrong), PURPOSE),
        ("self-signed", server().self_signed(), UNKNOWN),
        ("other authority", other.sign(&server()), UNKNOWN),
        ("its namesake", Authority::new("Ours").sign(&server()), "but it has not signed it"),
        ("other name", ours.sign(&named(&["elsewhere.example"])), "not valid for name"),
        ("address alone", ours.sign(&named(&["127.0.0.1"])), "not valid for name"),
        ("common name alone", ours.sign(&named(&[])), "not valid for"),
        ("broken chain", between.sign(&server()), UNKNOWN),
    ];
    for (name, leaf, expected) in &certificates {
        let server = server_side(&format!("{} peer-verify(no)", store.own(name, leaf, &[])));
        for mode in ["required-trusted", "optional-trusted"] {
            let met = meet(&server, &client_side(&format!("ca-file({ca}) peer-verify({mode})")), "localhost");
            expects(&met, expected, name);
        }
        for mode in ["required-untrusted", "optional-untrusted"] {
            expects(&meet(&server, &client_side(&format!("peer-verify({mode})")), "localhost"), "ok", name);
        }
    }
    let chain = store.own("chain", &between.sign(&server()), &[&between]);
    let server = server_side(&format!("{chain} peer-verify(no)"));
    let client = client_side(&format!("ca-file({ca})"));
    expects(&meet(&server, &client, "localhost"), "ok", "chain");
    expects(&meet(&server, &client, "127.0.0.1"), "ok", "by its address");
    expects(&meet(&server, &client, "127.0.0.2"), "not valid for", "another address");
    expects(&meet(&server, &client, "LOCALHOST."), "ok", "the same name");
}

/// Without it: names are compared otherwise than the standard and the options say.
#[test]
fn names_of_hosts() {
    let (store, ours) = (Store::new(), Authority::new("Ours"));
    let ca = store.write("ca.pem", ours.pem());
    let mut tried = 0;
    let mut check = |names, common_name, host, option: &str, expected: &str| {
        let wanted = Wanted { names, common_name, ..server() };
        tried += 1;
        let own = store.own(&tried.to_string(), &ours.sign(&wanted), &[]);
        let server = server_side(&format!("{own} peer-verify(no)"));
        let client = client_side(&format!("ca-file({ca}) {option}"));
        expects(&meet(&server, &client, host), expected, &format!("{names:?} {common_name} {host} {option}"));
    };
    let (no, fallback) = ("not valid for", "common-name-fallback(yes)");
    check(&["*.example.org"], "x", "a.example.org", "", "ok");
    check(&["*.example.org"], "x", "a.b.example.org", "", no);
    check(&["*.example.org"], "x", "example.org", "", no);
    check(&[], "a.example.org", "a.example.org", "", no);
    check(&[], "a.example.org", "A.example.org", fallback, "ok");
    check(&[], "*.example.org", "a.example.org", fallback, "ok");
    check(&[], "*.example.org", "a.b.example.org", fallback, no);
    check(&[], "*.org", "example.org", fallback, no);
    check(&[], "127.0.0.1", "127.0.0.1", fallback, "ok");
    check(&["b.example.org"], "a.example.org", "a.example.org", fallback, no);
    check(&["b.example.org"], "x", "a.example.org", "ssl-options(ignore-hostname-mismatch)", "ok");
    // Neither option makes an authority trusted.
    let server = server_side(&format!("{} peer-verify(no)", store.own("self", &server().self_signed(), &[])));
    for option in [fallback, "ssl-options(ignore-hostname-mismatch)"] {
        let met = meet(&server, &client_side(&format!("ca-file({ca}) {option}")), "a.example.org");
        expects(&met, UNKNOWN, option);
    }
}

/// Without it: a self-signed certificate that is its own authority works nowhere, or works beyond its time, its
/// purpose and its names.
#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_named() {
    let store = Store::new();
    let own_authority = Wanted { is_ca: true, ..server() };
    for (name, wanted, expected) in [
        ("authority", own_authority.clone(), "ok"),
        ("plain", server(), "ok"),
        ("expired", Wanted { until: (2001, 1, 1), ..own_authority.clone() }, EXPIRED),
        ("other name", Wanted { names: &["elsewhere"], ..own_authority.clone() }, "not valid for"),
        (
            "wrong purpose",
            Wanted { purposes: vec![ExtendedKeyUsagePurpose::ClientAuth], ..own_authority.clone() },
            PURPOSE,
        ),
    ] {
        let leaf = wanted.self_signed();
        let server = server_side(&format!("{} peer-verify(no)", store.own(name, &leaf, &[])));
        let ca = store.write(&format!("{name}.ca"), leaf.certificate.pem());
        expects(&meet(&server, &client_side(&format!("ca-file({ca})")), "localhost"), expected, name);
    }
    // The same of a client.
    let leaf = Wanted { is_ca: true, ..client() }.self_signed();
    let ca = store.write("client.ca", leaf.certificate.pem());
    let of_server = store.own("server", &server().self_signed(), &[]);
    let server = server_side(&format!("{of_server} ca-file({ca})"));
    let own = store.own("client", &leaf, &[]);
    let met = meet(&server, &client_side(&format!("{own} peer-verify(no)")), "localhost");
    expects(&met, "ok", "client");
    let stranger = store.own("stranger", &Wanted { is_ca: true, ..client() }.self_signed(), &[]);
    let met = meet(&server, &client_side(&format!("{stranger} peer-verify(no)")), "localhost");
    expects(&met, "it is the certificate of an authority, and none that ca-file() has", "the same name");
}

/// Without it: a certificate that was revoked is taken, or one of which nothing is known.
#[test]
fn revoked_certificates_are_refused() {
    let (store, ours) = (Store::new(), Authority::new("Ours"));
    let (ca, between) = (store.write("ca.pem", ours.pem()), ours.between("Between"));
    let own = store.own("server", &ours.sign(&server()), &[]);
    let good = store.own("good", &ours.sign(&Wanted { serial: 3, ..client() }), &[]);
    let bad = store.own("bad", &ours.sign(&Wanted { serial: 2, ..client() }), &[]);
    let chain = store.own("chain", &between.sign(&client()), &[&between]);
    store.write("pem/list.r0", ours.revoke(&[2], 4000).0);
    store.write("der/list.crl", ours.revoke(&[2], 4000).1);
    store.write("old/list.r0", ours.revoke(&[], 2021).0);
    for (directory, certificate, expected) in [
        ("pem", &good, "ok"),
        ("pem", &bad, "it was revoked"),
        ("der", &good, "ok"),
        ("der", &bad, "it was revoked"),
        ("pem", &chain, "crl-dir() has no list of the authority"),
        ("old", &good, "the list of its authority in crl-dir() has expired"),
    ] {
        let lists = authority::quoted(&store.path(directory));
        let server = server_side(&format!("{own} ca-file({ca}) crl-dir({lists})"));
        let met = meet(&server, &client_side(&format!("{certificate} ca-file({ca})")), "localhost");
        expects(&met, expected, directory);
    }
    // A client asks the same of a server.
    let revoked = store.own("revoked", &ours.sign(&Wanted { serial: 2, ..server() }), &[]);
    let lists = authority::quoted(&store.path("pem"));
    let client = client_side(&format!("ca-file({ca}) crl-dir({lists})"));
    expects(&meet(&server_side(&format!("{own} peer-verify(no)")), &client, "localhost"), "ok", "server");
    let met = meet(&server_side(&format!("{revoked} peer-verify(no)")), &client, "localhost");
    expects(&met, "it was revoked", "server");
}

/// Without it: whoever has a certificate of the right authority gets in, whatever the lists say.
#[test]
fn lists_of_names_and_keys() {
    let (store, ours) = (Store::new(), Authority::new("Ours"));
    let ca = store.write("ca.pem", ours.pem());
    let own = store.own("server", &ours.sign(&server()), &[]);
    let (leaf, alone) = (ours.sign(&client()), client().self_signed());
    let forged = Wanted { common_name: "x, O=Org", organization: None, ..client() };
    let certificates = [
        ("good", store.own("good", &leaf, &[])),
        ("no organization", store.own("none", &ours.sign(&Wanted { organization: None, ..client() }), &[])),
        ("forged", store.own("forged", &ours.sign(&forged), &[])),
        ("self-signed", store.own("alone", &alone, &[])),
        ("none", String::new()),
    ];
    let (good_print, alone_print) = (fingerprint(&leaf), fingerprint(&alone));
    let (subject, key, print) =
        ("is none of the trusted-dn()", "none of the trusted-keys()", "none of the trusted-fingerprints()");
    let none = "requires one";
    for (list, expected) in [
        ("trusted-dn(\"*, O=Org\")".to_owned(), ["ok", subject, subject, UNKNOWN, none]),
        ("trusted-dn(\"CN=nobody\" \"CN=client?, O=*\")".to_owned(), ["ok", subject, subject, UNKNOWN, none]),
        (format!("trusted-keys(\"{good_print}\")"), ["ok", key, key, UNKNOWN, none]),
        (format!("trusted-keys(\"{alone_print}\")"), [key, key, key, UNKNOWN, none]),
        (format!("trusted-fingerprints(\"{alone_print}\")"), [print, print, print, "ok", none]),
        (
            format!("trusted-fingerprints(\"{alone_print}\", \"{good_print}\") trusted-dn(\"*, O=Org\")"),
            ["ok", print, print, "ok", none],
        ),
        (
            format!("trusted-fingerprints(\"{alone_print}\") peer-verify(optional-trusted)"),
            [print, print, print, "ok", "ok"],
        ),
    ] {
        let server = server_side(&format!("{own} ca-file({ca}) {list}"));
        for ((name, certificate), expected) in certificates.iter().zip(expected) {
            let met = meet(&server, &client_side(&format!("{certificate} ca-file({ca})")), "localhost");
            expects(&met, expected, &format!("{list}, {name}"));
            if let Ok(pair) = met {
                let facts = pair.server.peer().unwrap_or_default();
                assert_eq!(facts.fingerprint.is_some(), *name != "none" && list.contains("SHA256"), "{list}");
            }
        }
    }
    // The same of a server.
    let alone = server().self_signed();
    let pinned = fingerprint(&alone);
    let server = server_side(&format!("{} peer-verify(no)", store.own("pinned", &alone, &[])));
    let by = |options: &str| meet(&server, &client_side(&format!("ca-file({ca}) {options}")), "any.example");
    expects(&by(&format!("trusted-keys(\"{pinned}\")")), UNKNOWN, "a key alone admits nobody");
    expects(&by(&format!("trusted-fingerprints(\"{pinned}\")")), "ok", "a fingerprint does");
}
