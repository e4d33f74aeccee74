//! Tests of the library of blocks, of its text and of its place in a configuration.
use super::super::{Config, Diagnostics, Environment, parse_str};
use super::*;
use crate::drivers::VOCABULARY;

fn parse(text: &str) -> Result<Config, Diagnostics> {
    let path = "log { source { internal(); }; destination { stdout(); }; };";
    parse_str("test.conf", &format!("{text}\n{path}"), &Environment::new(&VOCABULARY))
}

/// Breaks without it: a file of the directory is forgotten in the table, or a block in it is never found.
#[test]
fn all_files_are_in_the_table() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/python/inrush/scl");
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, FILES.iter().map(|file| file.name).collect::<Vec<_>>());
    for file in FILES {
        let statements = file.text.lines().filter(|line| line.starts_with("block ")).count();
        assert_eq!(file.heads().count(), statements, "{}", file.name);
        assert!(statements > 0, "{}", file.name);
    }
    let words: Vec<_> = file_of("destination", "splunk_hec_event").into_iter().collect();
    assert_eq!(words, [FILES.iter().position(|file| file.name == "splunk").unwrap()]);
}

/// Breaks without it: a word is refused as not supported although the library has it.
#[test]
fn no_block_is_refused_by_name() {
    let places = [Place::Source, Place::Destination, Place::Parser, Place::Filter, Place::Rewrite];
    for place in places {
        for name in names(place.context()) {
            assert!(!VOCABULARY.refused(place).contains(&name), "{name}");
            assert!(VOCABULARY.syntaxes(place).iter().all(|syntax| syntax.word != name), "{name}");
        }
    }
}

/// Breaks without it: each start reads the library, which few use, or blocks are there without being asked for.
#[test]
fn files_are_read_at_the_first_use() {
    let files = |text: &str| {
        let config = parse(text).unwrap();
        assert!(config.warnings.is_empty(), "{}", config.warnings[0]);
        let paths = config.sources_text.all_paths();
        paths.map(|path| path.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(files("@include \"scl.conf\""), ["test.conf"]);
    let slack = "destination d1 { slack(hook-url(\"http://127.0.0.1/x\")); };";
    let again = slack.replace("d1", "d2");
    // Two uses are two places of the same text.
    let text = format!("@include \"scl.conf\"\n{slack}\n{again}");
    let file = "inrush:scl/slack.conf";
    assert_eq!(files(&text), ["test.conf", file, file, file]);
    // Nothing of it is a file of the user's, which somebody could change.
    assert_eq!(parse(&text).unwrap().sources_text.paths().count(), 1);
    let error = parse(slack).unwrap_err().to_string();
    assert!(error.contains("unknown destination driver `slack`"), "{error}");
    assert!(error.contains("write @include \"scl.conf\" above"), "{error}");
    // As the files of other libraries are named.
    assert!(parse(&format!("@include \"scl/slack/slack.conf\"\n{slack}")).is_ok());
    let error = parse("@include \"scl/none/slack.conf\"").unwrap_err().to_string();
    assert!(error.contains("there is no file or directory"), "{error}");
}

/// Breaks without it: an error shows a text that the user has not written, and cannot change.
#[test]
fn errors_are_shown_where_the_block_is_used() {
    let text = "@include \"scl.conf\"\ndestination d { slack(hook-url(\"http://h/\") workers(none)); };";
    let errors = parse(text).unwrap_err();
    let error = errors.iter().next().unwrap();
    let (path, line, column) = error.place().unwrap();
    assert_eq!((path.to_str().unwrap(), line, column), ("test.conf", 2, 17));
    let shown = errors.to_string();
    assert!(shown.contains("in the text of the block, of Inrush's library"), "{shown}");
    assert!(shown.contains("was read as: workers(none)"), "{shown}");
    let error = parse("@include \"scl.conf\"\ndestination d { slack(); };").unwrap_err();
    let (path, line, _) = error.iter().next().unwrap().place().unwrap();
    assert_eq!((path.to_str().unwrap(), line), ("test.conf", 2));
    assert!(error.to_string().contains("the block `slack` needs `hook-url(…)`"), "{error}");
    let error = parse("@include \"scl.conf\"\ndestination d { slakc(); };").unwrap_err().to_string();
    assert!(error.contains("did you mean `slack`?"), "{error}");
}

/// Breaks without it: a user's own block does something else than the user has written.
#[test]
fn own_blocks_of_a_configuration_come_first() {
    let block = "block destination slack(...) { file(\"/mine\"); };";
    for text in [
        format!("{block}\n@include \"scl.conf\"\n"),
        format!("@include \"scl.conf\"\n{block}\n"),
        format!("@include \"scl.conf\"\ndestination e {{ slack(hook-url(\"http://h/\")); }};\n{block}\n"),
    ] {
        let config = parse(&format!("{text}destination d {{ slack(); }};")).unwrap();
        assert_eq!(config.destinations["d"].drivers()[0].word, "file", "{text}");
    }
}
