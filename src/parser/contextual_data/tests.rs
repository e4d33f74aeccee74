//! Values of databases as messages get them.

use std::fs;

use tempfile::TempDir;

use crate::parser::tests::{parsed, said};

/// A directory with a database, and perhaps a file of filters.
fn directory(database: &str, filters: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data.csv"), database).unwrap();
    fs::write(directory.path().join("filters.conf"), filters).unwrap();
    directory
}

/// The parser with these options, and the database in `directory`.
fn body(directory: &TempDir, options: &str) -> String {
    let path = directory.path().display();
    format!(
        "add-contextual-data(database(\"{path}/data.csv\") {});",
        options.replace("DIR", &path.to_string())
    )
}

/// Breaks without it: a message has the values of another one, or not the last of one name.
#[test]
fn values_are_those_of_the_selector() {
    let database = "h,role,web\n\nx,role,db\r\nh, site , a b \nh,role,app\n\
                    h,quoted,\"v \"\"q\"\" $HOST\"\n\r\nh,empty,\"\"\n";
    let data = directory(database, "");
    let found = |options: &str| parsed(&body(&data, options), "x");
    let of_h = "empty=s\"\" quoted=s\"v \"q\" h\" role=s\"app\" site=s\"a b\"";
    assert_eq!(found("selector(\"$HOST\")"), of_h);
    assert_eq!(found("selector(\"$MESSAGE\")"), "role=s\"db\"");
    assert_eq!(found("selector(\"none\")"), "");
    assert_eq!(found("selector(\"none\") default-selector(\"x\")"), "role=s\"db\"");
    assert_eq!(found("selector(\"none\") default-selector(\"y\")"), "");
    assert_eq!(found("selector(\"$MESSAGE\") prefix(\".db.\")"), ".db.role=s\"db\"");
    assert_eq!(found("selector(\"X\")"), "");
    assert_eq!(found("selector(\"X\") ignore-case(yes)"), "role=s\"db\"");
    assert_eq!(found("selector(\"X\") ignore-case(no)"), "");
}

/// Breaks without it: a number of a database is a text, or a text with parentheses is no text any more.
#[test]
fn values_have_types() {
    let database = "h,a,int(5)\nh,b,\"list(\"\"x,$HOST\"\")\"\nh,c,f(x) y\n\
                    h,d,int(5) x\nh,e,double($PID)\nh,f,boolean(true)\n";
    let data = directory(database, "");
    let found = parsed(&body(&data, "selector(\"$HOST\")"), "x");
    assert_eq!(found, "a=i\"5\" b=L\"\"x,h\"\" c=s\"f(x) y\" d=s\"int(5) x\" e=d\"42\" f=b\"true\"");
}

/// Breaks without it: a pattern behind the first that fits counts, or one is a text.
#[test]
fn selectors_are_patterns() {
    let data = directory("web-*,role,web\n*,role,other\nweb-1,role,first\n", "");
    let found = |options: &str| parsed(&body(&data, options), "web-1");
    assert_eq!(found("selector(glob(\"$MESSAGE\"))"), "role=s\"web\"");
    assert_eq!(found("selector(glob(\"$HOST\"))"), "role=s\"other\"");
    assert_eq!(found("selector(glob(\"WEB-2\")) ignore-case(yes)"), "role=s\"other\"");
}

/// Breaks without it: a filter that a message does not meet gives it values, or not the first one of the
/// database.
#[test]
fn selectors_are_filters() {
    let filters = "filter f_none { not host(\"h\"); };\nfilter f_prog { program(\"prog\"); };\n\
                   filter f_all { message(\"\"); };";
    let data = directory("f_none,v,0\nf_all,v,1\nf_prog,v,2\nrest,v,3\n", filters);
    assert_eq!(
        parsed(&body(&data, "selector(filters(\"DIR/filters.conf\")) default-selector(\"rest\")"), "x"),
        "v=s\"1\""
    );
    let data = directory("f_none,v,0\nrest,v,3\n", filters);
    let with = "selector(filters(\"DIR/filters.conf\")) default-selector(\"rest\")";
    assert_eq!(parsed(&body(&data, with), "x"), "v=s\"3\"");
    assert_eq!(said(&body(&data, with)), "");
    let without = said(&body(&data, "selector(filters(\"DIR/filters.conf\"))"));
    assert!(without.contains("no filter is called `rest`: these values are never set"), "{without}");
    for (filters, expected) in [
        ("log { };", "expected `filter name { … };`"),
        ("filter f { nothing(x); };", "unknown filter function `nothing`"),
        ("filter f { host(x); }; filter f { host(y); };", "there is already a filter called `f`"),
        ("filter f { host(x); }; filter g { filter(f); };", "a filter of this file has none"),
        ("filter f { host(x);", "expected"),
    ] {
        let data = directory("f,v,1\n", filters);
        let found = said(&body(&data, "selector(filters(\"DIR/filters.conf\"))"));
        assert!(found.contains(expected) && found.contains("filters.conf"), "{filters}: {found}");
    }
}

/// Breaks without it: a mistake in a database is found by nobody, or not at its place.
#[test]
fn databases_are_checked() {
    for (database, expected) in [
        ("h,a,1\nh,a\n", "data.csv:2:1"),
        ("h,a,1,2\n", "expected three columns"),
        ("h\n", "expected three columns"),
        ("  \n", "expected three columns"),
        ("h,a,itn(5)\n", "unknown type `itn`"),
        ("h,a,f(x)\n", "a text is string(f(x))"),
        ("h,,1\n", "has from 1 to 255 bytes, and this is one of 0"),
        ("h,a,1\nh,b,$(none x)\n", "data.csv:2:"),
        ("h,b,${x\n", "data.csv:1:"),
    ] {
        let data = directory(database, "");
        let found = said(&body(&data, "selector(\"$HOST\")"));
        assert!(found.contains(expected), "{database}: {found}");
    }
    let data = directory("h,a,1\n", "");
    for (body, expected) in [
        (body(&data, ""), "needs a selector()"),
        ("add-contextual-data(selector(\"$HOST\"));".to_owned(), "needs a database()"),
        (
            "add-contextual-data(database(\"x.txt\") selector(x));".to_owned(),
            "the name of one ends with .csv",
        ),
        (
            "add-contextual-data(database(\"/none.csv\") selector(\"x\"));".to_owned(),
            "cannot read `/none.csv`",
        ),
        (body(&data, "selector(glub(\"x\"))"), "unknown"),
        (body(&data, "selector(\"x\") template(\"y\")"), "unknown"),
        (body(&data, "selector(\"x\") prefix"), "expected"),
    ] {
        let found = said(&body);
        assert!(found.contains(expected), "{body}: {found}");
    }
    let binary = tempfile::tempdir().unwrap();
    fs::write(binary.path().join("data.csv"), b"h,a,1\nh,b,\xff\n").unwrap();
    assert!(said(&self::body(&binary, "selector(\"x\")")).contains("is not UTF-8: see line 2"));
}
