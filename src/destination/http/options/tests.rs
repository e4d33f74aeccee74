//! Tests of the options of `http()`.
use super::*;
use crate::config::{Diagnostics, Environment, parse_str};
use crate::drivers::VOCABULARY;

fn parse(options: &str) -> Result<Config, Diagnostics> {
    let text = format!("destination d {{ http({options}); }}; destination e {{ stdout(); }};");
    parse_str("test.conf", &text, &Environment::new(&VOCABULARY))
}

/// Breaks without it: a configuration is accepted that sends messages where nobody wants them, or nowhere.
#[test]
fn what_cannot_work_is_refused_at_its_place() {
    for (options, expected) in [
        ("url(\"http://h/$HOST\") batch-lines(2)", "messages of one batch may have different urls"),
        ("url(\"http://$HOST/\")", "nowhere else"),
        ("url(\"http://h/ ftp://h/\")", "only http:// and https://"),
        ("headers(\"no header\")", "a header has a name"),
        ("headers(\"a b: c\")", "no name of a header"),
        ("headers(\"Content-Length: 5\")", "not to be set"),
        ("headers(\"a: $(b\")", "a: "),
        ("accept-encoding(br)", "no coding"),
        ("query(\"=x\")", "expected name=value"),
        ("url(\"http://h\") path(\"$(echo\")", "`http://h/$(echo`"),
        ("proxy(\"socks5://h\")", "proxy is spoken to by http://"),
        ("response-action(99 => drop)", "out of range"),
        ("response-action(400 => explode)", "`explode` is not possible here"),
        ("response-adapter(mine)", "`mine` is not possible here"),
        ("workers(0)", "out of range"),
        ("on-reject(e)", "expected `destination(name)`"),
        ("tls(pkcs12-file(a))", "pkcs12-file"),
        ("peer-verify(perhaps)", "`perhaps` is not possible here"),
        ("python-http-header(class(A))", "`python-http-header` is not supported"),
        ("flush-lines(1)", "unknown option `flush-lines`"),
    ] {
        let error = parse(options).map(|_| ()).expect_err(options).to_string();
        assert!(error.contains(expected), "{options}: {error}");
    }
    for (options, expected) in [
        ("method(get)", "the method is POST or PUT"),
        ("url(\"http://a/ http://b/\")", "2 urls and 1 workers"),
    ] {
        let warnings = parse(options).unwrap().warnings;
        assert!(warnings.iter().any(|one| one.message().contains(expected)), "{options}: {warnings:?}");
    }
    assert!(parse("password(\"secret\") user(me) batch-timeout(-1) workers(2)").is_ok());
}

/// Breaks without it: what a block adds to the address of a service goes somewhere else, or a value ends
/// the query that it stands in.
#[test]
fn urls_are_completed() {
    for (url, options, expected) in [
        ("http://h", "", "http://h"),
        ("http://h", "path(\"/a/b\")", "http://h/a/b"),
        ("http://h/", "path(\"a/b\")", "http://h/a/b"),
        ("http://h/x/?q=1#part", "path(\"/a\") query(\"r=2\")", "http://h/x/a?q=1&r=2"),
        ("http://h/?q", "query(\"r=\" \"\" \"s=a b&c=$d\")", "http://h/?q&s=a%20b%26c%3D%24d"),
        ("http://h", "query(\"r=2\" \"s=3\")", "http://h?r=2&s=3"),
    ] {
        let config = parse(&format!("url(\"{url}\") {options}")).unwrap();
        let options: &HttpOptions = config.destinations["d"].drivers()[0].options().unwrap();
        assert_eq!(options.completed(url), expected);
    }
    assert!(parse("url(\"http://h\") query(\"a=$(echo\") headers(\"\" \"A: b\")").is_ok());
    assert!(
        parse("url(\"http://h\") path(\"/$HOST\") batch-lines(2)")
            .unwrap_err()
            .to_string()
            .contains("different urls")
    );
}
