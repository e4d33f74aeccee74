//! Options and files: what is read, what is refused, and what a reload changes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::authority::{Authority, Store, Wanted, client, quoted, server};
use super::*;

fn server_error(text: &str) -> String {
    let (config, options) = options(Role::Source, text);
    ServerTls::new(&options, &config).expect_err(text).to_string()
}

fn warnings(role: Role, text: &str) -> Vec<String> {
    let (config, _) = options(role, text);
    config.warnings.iter().map(|warning| warning.message().to_owned()).collect()
}

/// Without it: an option that cannot do what it says is accepted, or its error does not say where it stands.
#[test]
fn what_cannot_be_had_is_refused_by_name() {
    for (option, expected) in [
        ("pkcs12-file(\"x\")", "the option `pkcs12-file` is not supported"),
        ("dhparam-file(\"x\")", "the option `dhparam-file` is not supported"),
        ("conf-cmds(\"MinProtocol\" => \"TLSv1\")", "the option `conf-cmds` is not supported"),
        ("sigalgs(\"x\")", "the option `sigalgs` is not supported"),
        ("client-sigalgs(\"x\")", "the option `client-sigalgs` is not supported"),
        ("ssl-version(tlsv1_1)", "versions of TLS before 1.2 are not supported"),
        ("ssl-version(\"sslv3\")", "versions of TLS before 1.2 are not supported"),
        ("ssl-version(tlsv2)", "`tlsv2` is not possible here"),
        ("ssl-options(ignore-validity-period)", "`ignore-validity-period` is not supported"),
        ("ssl-options(no-tslv12)", "did you mean `no-tlsv12`?"),
        ("ocsp-stapling-verify(yes)", "`ocsp-stapling-verify(yes)` is not supported"),
        ("peer-verify(trusted)", "`trusted` is not possible here"),
        ("cipher-suite(\"AES256-SHA\")", "there is no cipher suite `AES256-SHA` here"),
        ("cipher-suite(\"DHE-RSA-AES256-GCM-SHA384\")", "there is no cipher suite"),
        ("cipher-suite(\"HIGH:!aNULL\")", "there is no cipher suite `HIGH` here"),
        ("cipher-suite(\"!aNULL\")", "names no cipher suite"),
        ("cipher-suite(tls13(\"ECDHE-RSA-AES128-GCM-SHA256\"))", "there is no cipher suite"),
        ("ecdh-curve-list(\"P-521\")", "there is no curve `P-521` here"),
        ("trusted-keys(\"MD5:00\")", "the digest `MD5` is none of SHA1, SHA256, SHA512"),
        ("trusted-fingerprints(\"SHA1:00:11\")", "expected 20 bytes after `SHA1:`, found 2"),
        ("trusted-fingerprints(\"SHA1:xx\")", "expected bytes as two hexadecimal digits each"),
        ("trusted-fingerprints(\"00\")", "expected the name of a digest"),
        ("no-such-option(1)", "unknown option `no-such-option`"),
    ] {
        let text = error(Role::Destination, &format!("inet(tls({option}))"));
        assert!(text.contains(expected) && text.contains("test.conf:1:"), "{option}: {text}");
    }
    let text = error(Role::Source, "inet(tls(sni(yes)))");
    assert!(text.contains("unknown option `sni`"), "{text}");
}

/// Without it: an option does nothing, and whoever wrote it believes to be safe.
#[test]
fn what_is_perhaps_not_meant_is_warned_about() {
    let of_client = |text| warnings(Role::Destination, text);
    let no_authority = "no server is trusted here: no authority is named that could have signed it";
    assert_eq!(of_client(""), [no_authority]);
    assert!(of_client("peer-verify(no)").is_empty());
    assert!(of_client("use-system-cert-store(yes)").is_empty());
    let list = of_client("peer-verify(no) trusted-dn(\"*\")");
    assert_eq!(list, ["`trusted-dn` has no effect where peer-verify() trusts every certificate"]);
    let compress = of_client("peer-verify(no) allow-compress(yes)");
    assert_eq!(compress, ["`allow-compress` has no effect since no data is ever compressed by TLS"]);
    assert!(of_client("peer-verify(no) extended-key-usage-verify(no)")[0].contains("has no effect"));
    assert!(of_client("peer-verify(no) extended-key-usage-verify(yes) ocsp-stapling-verify(no)").is_empty());
    assert!(of_client("peer-verify(no) keylog-file(\"/tmp/x\")")[0].contains("whoever reads it"));
    let of_server = warnings(Role::Source, "peer-verify(no)");
    assert_eq!(of_server, ["there is no certificate: every handshake will fail"]);
    let http = TlsOptions::of_http(options(Role::Destination, "").1.span);
    assert!(http.sni && http.use_system_cert_store && http.peer_verify.trusted);
}

/// Without it: the engine starts with files that it cannot use, and each connection fails.
#[test]
fn files_that_cannot_be_used_are_errors_at_their_place() {
    let (store, ours) = (Store::new(), Authority::new("Ours"));
    let own = store.own("server", &ours.sign(&server()), &[]);
    let other = store.own("other", &ours.sign(&server()), &[]);
    let cert = |own: &str| own.split(' ').next().unwrap().to_owned();
    let key = |own: &str| own.split(' ').nth(1).unwrap().to_owned();
    let (empty, directory) = (store.write("empty", ""), quoted(&store.path("")));
    let encrypted = store
        .write("enc", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let old = store.write(
        "old",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    );
    let broken = store.write("broken", "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n");
    let nonsense = store.write("nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let bad_ca = store.write("ca/bad.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let text = store.write("texts/readme", "no list");
    let bad_list = store.write("lists/a.crl", [0x30, 1, 0]);
    let of = |path: &str| quoted(&store.path(path));
    for (text, expected) in [
        (cert(&own), "there is no key for it"),
        (key(&own), "there is no certificate for it"),
        (format!("{} {}", cert(&own), key(&other)), "it is not the key of the certificate in"),
        (format!("cert-file({empty}) {}", key(&own)), "there is no certificate in it (PEM)"),
        (format!("cert-file(\"/nonexistent\") {}", key(&own)), "/nonexistent: No such file"),
        (format!("cert-file({directory}) {}", key(&own)), "it is a directory"),
        (format!("{} key-file({empty})", cert(&own)), "there is no key in it (PEM)"),
        (format!("{} key-file({encrypted})", cert(&own)), "the key is encrypted"),
        (format!("{} key-file({encrypted})", cert(&own)), "openssl pkey -in FILE"),
        (format!("{} key-file({old})", cert(&own)), "the key is encrypted"),
        (format!("{} key-file({broken})", cert(&own)), "the key in it is broken"),
        (format!("{} key-file({nonsense})", cert(&own)), "nonsense: "),
        (format!("{own} ca-file({empty})"), "there is no certificate in it (PEM)"),
        (format!("{own} ca-file({bad_ca})"), "it is broken"),
        (format!("{own} ca-dir({})", of("ca")), "`bad.pem`: it is broken"),
        (format!("{own} ca-dir({})", of("lists")), "no file in it has a certificate"),
        (format!("{own} ca-dir(\"/nonexistent\")"), "/nonexistent: No such file"),
        (format!("{own} crl-dir({})", of("texts")), "no file in it has a revocation list"),
        (format!("{own} ca-file({}) crl-dir({})", of("server.pem"), of("lists")), "CRL"),
        (format!("{own} ssl-options(no-tlsv12 no-tlsv13)"), "no version of TLS is left"),
        (format!("{own} ssl-version(tlsv1_3) ssl-options(no-tlsv13)"), "no version of TLS is left"),
        (
            format!(
                "{own} ssl-version(tlsv1_3) cipher-suite(\"ECDHE-RSA-AES128-GCM-SHA256\") keylog-file(\"/nonexistent/x\")"
            ),
            "/nonexistent/x: ",
        ),
    ] {
        let error = server_error(&text);
        assert!(error.contains(expected) && error.contains("test.conf:1:"), "{text}: {error}");
        assert!(!error.contains("BEGIN") && !error.contains("AAAA"), "{error}");
    }
    let _ = (bad_list, text);
}

/// Without it: a key that everybody can read, or a certificate that is over, is found when it is too late.
#[test]
fn doubtful_files_are_warned_about() {
    let (store, ours) = (Store::new(), Authority::new("Ours"));
    let read = |own: &str| {
        let (config, options) = options(Role::Source, own);
        ServerTls::new(&options, &config).unwrap()
    };
    let own = store.own("server", &ours.sign(&server()), &[]);
    let warnings = read(&own).1;
    assert!(warnings.is_empty(), "{warnings:?}");
    fs::set_permissions(store.path("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(read(&own).1[0].ends_with("everybody on this machine can read the key"));
    let old = store.own("old", &ours.sign(&Wanted { until: (2001, 1, 1), ..server() }), &[]);
    let warnings = read(&old).1;
    assert!(warnings[0].ends_with("the certificate has expired"), "{warnings:?}");
    let soon = Timestamp::now().to_zoned(TimeZone::UTC).saturating_add(5.days()).date();
    let (year, month, day) = (soon.year().into(), soon.month() as u8, soon.day() as u8);
    let soon = store.own("soon", &ours.sign(&Wanted { until: (year, month, day), ..server() }), &[]);
    let warnings = read(&soon).1;
    assert!(warnings[0].ends_with("the certificate expires within 5 days"), "{warnings:?}");
}

/// Without it: a directory of authorities has to have the layout of OpenSSL, or what is left of it ends the
/// start.
#[test]
fn directories_of_authorities_have_either_layout() {
    let (store, ours, other) = (Store::new(), Authority::new("Ours"), Authority::new("Other"));
    let own = store.own("server", &ours.sign(&server()), &[]);
    store.write("hashed/readme.txt", "no certificate");
    store.write("hashed/ours.pem", ours.pem());
    symlink("ours.pem", store.path("hashed/1a2b3c4d.0")).unwrap();
    symlink("gone.pem", store.path("hashed/5a2b3c4d.0")).unwrap();
    fs::create_dir(store.path("hashed/sub")).unwrap();
    store.write("plain/one.crt", other.pem() + &ours.pem());
    store.write("others/one.crt", other.pem());
    let server = server_side(&format!("{own} peer-verify(no)"));
    for (directory, expected) in
        [("hashed", "ok"), ("plain", "ok"), ("others", "no authority that is trusted")]
    {
        let client = client_side(&format!("ca-dir({})", quoted(&store.path(directory))));
        let outcome = outcome(&meet(&server, &client, "localhost"));
        assert!(outcome.contains(expected), "{directory}: {outcome}");
    }
}

/// Without it: a version or a cipher that was excluded is used, or the order of the lists counts for nothing.
#[test]
fn versions_suites_and_curves_are_chosen() {
    let (store, ours) = (Store::new(), Authority::new("Ours"));
    let own = store.own("server", &ours.sign(&server()), &[]);
    let with = |of_server: &str, of_client: &str| {
        let server = server_side(&format!("{own} peer-verify(no) {of_server}"));
        let client = client_side(&format!("peer-verify(no) {of_client}"));
        match meet(&server, &client, "localhost") {
            Ok(pair) => pair.client.cipher().unwrap(),
            Err(reasons) => format!("{reasons:?}"),
        }
    };
    let old = "ssl-options(no-sslv2 no-tlsv1 no_tlsv13)";
    assert_eq!(with("", ""), "TLSv1.3, TLS13_AES_256_GCM_SHA384");
    assert_eq!(with(old, ""), "TLSv1.2, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    let no_version = with("ssl-version(tlsv1_3)", old);
    assert!(no_version.contains("the other side refuses: the version of TLS"), "{no_version}");
    let suites = "cipher-suite(\"TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:!aNULL\")";
    assert_eq!(with(suites, ""), "TLSv1.3, TLS13_CHACHA20_POLY1305_SHA256");
    assert_eq!(with(suites, old), "TLSv1.2, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    let of_both = "cipher-suite(tls12-and-older(\"TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256\") tls13(\"TLS_AES_128_GCM_SHA256\"))";
    assert_eq!(with("", of_both), "TLSv1.3, TLS13_AES_128_GCM_SHA256");
    assert_eq!(with(old, of_both), "TLSv1.2, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    assert!(
        with("ecdh-curve-list(\"prime256v1\")", "ecdh-curve-list(\"X25519:P-256\")").starts_with("TLSv1.3")
    );
    let no_curve = with("ecdh-curve-list(\"P-384\")", "ecdh-curve-list(\"X25519\")");
    assert!(no_curve.contains("Reasons"), "{no_curve}");
    let without = meet(&server_side("peer-verify(no)"), &client_side("peer-verify(no)"), "localhost");
    assert!(without.is_err(), "a server without a certificate");
}

/// Without it: a server sees the name that the client was told not to tell, or not the one that it was.
#[test]
fn the_name_is_told_where_it_is_asked_for() {
    let (store, ours) = (Store::new(), Authority::new("Ours"));
    let own = store.own("server", &ours.sign(&server()), &[]);
    let server = server_side(&format!("{own} peer-verify(no)"));
    for (option, expected) in [("sni(yes)", Some("localhost")), ("", None)] {
        let pair = meet(&server, &client_side(&format!("peer-verify(no) {option}")), "localhost").unwrap();
        assert_eq!(pair.server.told_name(), expected, "{option}");
    }
}

/// Without it: new certificates need a restart, a broken file ends what works, or connections that are there
/// break.
#[test]
fn a_reload_reads_the_files_again() {
    let (store, old, new) = (Store::new(), Authority::new("Old"), Authority::new("New"));
    let own = store.own("server", &old.sign(&server()), &[]);
    let server = server_side(&format!("{own} peer-verify(no)"));
    let (of_old, of_new) = (store.write("old.ca", old.pem()), store.write("new.ca", new.pem()));
    let (old_client, new_client) =
        (client_side(&format!("ca-file({of_old})")), client_side(&format!("ca-file({of_new})")));
    let mut before = meet(&server, &old_client, "localhost").unwrap();
    assert_eq!(server.reload(), Ok((false, vec![])));

    store.write("server.pem", "nothing");
    let error = server.reload().unwrap_err();
    assert!(error.ends_with("there is no certificate in it (PEM)"), "{error}");
    assert!(meet(&server, &old_client, "localhost").is_ok(), "what works goes on");

    store.own("server", &new.sign(&server_until(3000)), &[]);
    assert_eq!(server.reload(), Ok((true, vec![])));
    assert!(meet(&server, &new_client, "localhost").is_ok());
    assert!(meet(&server, &old_client, "localhost").is_err());
    before.client.write_all(b"still").unwrap();
    let mut got = [0; 5];
    before.server.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"still");

    // A client that no longer trusts an authority does not resume what it had with it.
    store.write("old.ca", new.pem());
    assert_eq!(old_client.reload(), Ok((true, vec![])));
    assert!(meet(&server, &old_client, "localhost").is_ok());
    let _ = client();
}

fn server_until(until: i32) -> Wanted {
    Wanted { until: (until, 1, 1), ..server() }
}

/// Without it: `keylog-file()` has nothing in it, or others can read it.
#[test]
fn keys_are_logged_where_it_is_asked_for() {
    let store = Store::new();
    let own = store.own("server", &server().self_signed(), &[]);
    let path = store.path("keys");
    let server = server_side(&format!("{own} peer-verify(no) keylog-file({})", quoted(&path)));
    meet(&server, &client_side("peer-verify(no)"), "localhost").unwrap();
    let log = fs::read_to_string(&path).unwrap();
    assert!(log.contains("CLIENT_TRAFFIC_SECRET_0 "), "{log}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
