//! Whole configurations, good and bad.
use std::path::{Path, PathBuf};

use inrush::config::*;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config").join(name)
}

fn good(name: &str) -> Config {
    load(&data(name)).unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

#[test]
fn the_sample_of_the_documentation() {
    let config = good("sample.conf");
    println!("{config:#?}");
    let config = good("every_option.conf");
    println!("{config:#?}");
    for w in &config.warnings {
        println!("{w}\n");
    }
    for bad in [
        "source s { python(class(A) log-iw-sise(10)); };\ndestination d { file(\"x\" throttle(1)) };\nlog { source(t); destination(d) flags(flow-controll); };",
        "source s { python(class(A); };\nlog { source(s); };\nsauce x { };",
        "source s { python(class(A)); \ndestination d { file(x); };\nfilter f { host(a) };\nlog { source(s); filter(f); destination(d); flags(final flow-control no-flow-control); source(s); }",
        "options { keep-hostname(maybe); frac-digits(12); foo(1); };\n@define x \"it's\"\ntemplate a \"`x` `y`\";\nsource s { python(options(\"a\" \"b\" \"c\")); internal(log-iw-size(`y`)); };\ntemplate a '';",
        "source s { python(class(\"A)); };",
        "log {",
    ] {
        println!("----\n{}", parse_str("bad.conf", bad, &Environment::default()).unwrap_err());
    }
}
