//! Whole configurations, good and bad: `tests/data/config`.
//!
//! What each bad one is told stands beside it in `bad/*.snap`. After a change of a message, run
//! `INSTA_UPDATE=always cargo test --test config`, and read the difference.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inrush::config::{
    Config, DestinationDriver, DestinationRef, Diagnostics, Environment, FileOptions, Level, LogItem, OnError,
    OptionValue, ParseFlag, PythonSourceOptions, Restart, SourceDriver, SourceRef, TsFormat, UseDns, Version, load,
    parse_str,
};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config").join(name)
}

fn good(name: &str) -> Config {
    load(&data(name)).unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

fn parse(text: &str) -> Result<Config, Diagnostics> {
    parse_str("test.conf", text, &Environment::default())
}

/// Parses a text that must be right, without warnings.
fn right(text: &str) -> Config {
    let config = parse(text).unwrap_or_else(|errors| panic!("{text}:\n{errors}"));
    assert!(config.warnings.is_empty(), "{text}:\n{}", config.warnings[0]);
    config
}

/// The messages for a text that is wrong.
fn wrong(text: &str) -> Vec<String> {
    let errors = parse(text).expect_err(text);
    errors.iter().map(|error| error.message().to_owned()).collect()
}

fn python(config: &Config, source: &str) -> PythonSourceOptions {
    match &config.sources[source].drivers[0].driver {
        SourceDriver::Python(options) => (**options).clone(),
        SourceDriver::Internal(_) => panic!("{source} is not python()"),
    }
}

fn file(config: &Config, destination: &str, index: usize) -> FileOptions {
    match &config.destinations[destination].drivers[index].driver {
        DestinationDriver::File(options) => (**options).clone(),
        DestinationDriver::Stdout(_) => panic!("{destination} is not file()"),
    }
}

/// The options of the one source of `source s { python(class(A) OPTIONS); };`.
fn options(written: &str) -> PythonSourceOptions {
    python(&right(&format!("source s {{ python(class(A) {written}); }};")), "s")
}

#[test]
fn the_sample_of_the_documentation() {
    let config = good("sample.conf");
    assert!(config.warnings.is_empty());
    assert_eq!(config.version, Version::CURRENT);
    assert!(config.options.log_flow_control);
    let [block] = config.python_blocks.as_slice() else { panic!("one block") };
    assert_eq!(block.line, 3);
    assert!(block.code.starts_with("\nfrom syslogng import"));
    assert!(block.code.ends_with("self.stop = True\n"));
    let [LogItem::Source(SourceRef::Inline(source)), LogItem::Destination(DestinationRef::Inline(destination))] =
        config.logs[0].items.as_slice()
    else {
        panic!("{:?}", config.logs[0].items)
    };
    assert_eq!(source.name, "#anon-source0");
    assert_eq!(source.drivers[0].id, "#anon-source0#0");
    let SourceDriver::Python(python) = &source.drivers[0].driver else { panic!("python()") };
    assert_eq!(python.class.value, "Gen");
    assert_eq!(config.sources_text.text(python.class.span), "\"Gen\"");
    assert_eq!(python.options["count"], OptionValue::Int(10));
    assert_eq!(python.source.tags, ["t1"]);
    let DestinationDriver::File(file) = &destination.drivers[0].driver else { panic!("file()") };
    assert_eq!(file.path.text, "out.log");
    assert_eq!(file.writer.template.as_ref().unwrap().text, "$MSG\n");
}

#[test]
fn every_option_of_python() {
    let config = good("every_option.conf");
    assert!(config.warnings.is_empty(), "{}", config.warnings[0]);
    let all = python(&config, "s_every");
    let text = |text: &str| OptionValue::Str(text.to_owned());
    assert_eq!(all.class.value, "door.Events");
    let expected = [
        ("text", text("a")),
        ("word", text("b")),
        ("count", OptionValue::Int(12)),
        ("size", OptionValue::Int(65536)),
        ("neg", OptionValue::Int(-3)),
        ("hex", OptionValue::Int(16)),
        ("oct", OptionValue::Int(0o640)),
        ("ratio", OptionValue::Float(0.5)),
        ("api_token", text("x")),
        ("yes_word", OptionValue::Bool(true)),
        ("cap", OptionValue::Bool(true)),
        ("low", text("true")),
        ("list", OptionValue::List(vec!["a".to_owned(), "b c".to_owned()])),
        ("url", text("http://x/")),
        ("wait", text("5s")),
        ("ip", text("1.2.3.4")),
        ("format", all.options["format"].clone()),
        ("empty", all.options["empty"].clone()),
        ("state", text("/var/lib/state")),
        ("kind", text("door")),
    ];
    let written: Vec<_> = all.options.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    assert_eq!(written, expected);
    assert!(matches!(&all.options["format"], OptionValue::Template(text) if text.value == "$MSG\n"));
    assert!(matches!(&all.options["empty"], OptionValue::Template(text) if text.value.is_empty()));
    assert_eq!(all.loaders.iter().map(|module| module.value.as_str()).collect::<Vec<_>>(), ["hy", "json"]);
    assert_eq!(all.persist_name.unwrap().value, "box");
    assert!(!all.internal);
    assert!(!all.flags.is_set(ParseFlag::Parse) && all.flags.is_set(ParseFlag::AssumeUtf8));
    assert_eq!((all.default_facility, all.default_severity), (Some(19), Some(4)));
    assert_eq!(all.source.log_iw_size, Some(2000));
    assert_eq!((all.source.keep_hostname, all.source.chain_hostnames), (Some(true), Some(false)));
    assert_eq!(all.source.tags, ["a", "b", "c"]);
    assert_eq!(all.source.use_dns, Some(UseDns::PersistOnly));
    assert!(all.source.use_syslogng_pid && !all.source.read_old_records);
    assert_eq!(all.restart, Restart::Always);
    assert_eq!(all.restart_backoff.initial, Duration::from_millis(500));
    assert_eq!(all.restart_backoff.max, Duration::from_secs(30));
    assert_eq!(all.stop_timeout, Duration::from_secs(3));
    assert_eq!(all.max_inflight_bytes, 16 << 20);
    assert_eq!((all.batch_size, all.batch_timeout), (Some(256), Some(Duration::from_millis(20))));
    assert_eq!(config.sources["s_every"].drivers[1].id, "s_every#1");
    assert_eq!(config.use_virtualenv, Some(false));
    assert_eq!(config.config_id.as_deref(), Some("every-option"));
}

#[test]
fn every_option_of_file() {
    let config = good("every_option.conf");
    let all = file(&config, "d_file", 0);
    assert_eq!(all.path.text, "/var/log/$HOST/${PROGRAM}.log");
    let template = all.writer.template.unwrap();
    assert_eq!((template.name.as_deref(), template.text.as_str()), (Some("t_block"), "${MSG}\n"));
    assert_eq!(template.escape, Some(false));
    assert!(all.writer.flags.no_multi_line);
    let files = all.permissions.file(&config.options.file);
    assert_eq!((files.owner, files.group.unwrap().value.as_str(), files.perm), (None, "100", Some(0o600)));
    let dirs = all.permissions.dir(&config.options.dir);
    assert_eq!((dirs.owner.unwrap().value.as_str(), dirs.group, dirs.perm), ("root", None, Some(0o700)));
    assert_eq!((all.time_reap, all.writer.time_reopen), (Some(Duration::from_secs(10)), Some(Duration::from_secs(5))));
    assert_eq!((all.writer.flush_lines, all.writer.driver.log_fifo_size), (Some(1), Some(20_000)));
    let formats = all.writer.template_options;
    assert_eq!((formats.ts_format, formats.frac_digits), (Some(TsFormat::Unix), Some(6)));
    assert_eq!(formats.on_error, Some(OnError::SilentlyDropProperty));
    assert_eq!(file(&config, "d_file", 1).path.text, "/dev/null");
}

#[test]
fn global_options_and_paths() {
    let config = good("every_option.conf");
    let options = &config.options;
    assert!(options.keep_hostname && options.log_flow_control && options.keep_timestamp);
    assert_eq!(options.file.owner.as_ref().unwrap().value, "adm");
    assert_eq!((options.file.perm, options.dir.perm), (Some(0o640), Some(0o755)));
    assert_eq!((options.ts_format, options.frac_digits), (TsFormat::Rfc3339, 3));
    assert_eq!(options.stats.level, 1);
    assert_eq!(options.file_template.as_ref().unwrap().name.as_deref(), Some("plain"));
    assert_eq!((options.log_fifo_size, options.log_msg_size), (10_000, 65_536));
    let main = &config.logs[0];
    assert_eq!((main.name.as_str(), main.flags.flow_control), ("main", Some(true)));
    let [_, _, LogItem::Log(first), LogItem::Log(second)] = main.items.as_slice() else { panic!() };
    assert!(first.flags.is_final && !first.flags.fallback);
    assert!(second.flags.fallback && second.flags.flow_control == Some(false));
    assert!(config.logs[1].flags.catchall);
}

#[test]
fn python_blocks_keep_their_code_and_lines() {
    let config = good("python_blocks.conf");
    let lines: Vec<_> = config.python_blocks.iter().map(|block| block.line).collect();
    assert_eq!(lines, [1, 7, 8, 10]);
    let text = std::fs::read_to_string(data("python_blocks.conf")).unwrap();
    for block in &config.python_blocks {
        let padded = "\n".repeat(block.line as usize - 1) + &block.code;
        for (code, written) in padded.lines().zip(text.lines()).filter(|(code, _)| !code.trim().is_empty()) {
            assert!(written.contains(code), "{code:?} is not on the line {written:?}");
        }
    }
    assert_eq!(config.python_blocks[1].code, "x = {'a': 1} ");
    assert!(config.python_blocks[0].code.contains("`not`"));
}

#[test]
fn includes() {
    let config = good("include.d/main.conf");
    assert_eq!(config.sources.keys().collect::<Vec<_>>(), ["s_a", "s_b"]);
    let where_from = config.sources_text.path(config.sources["s_b"].drivers[0].span);
    assert!(where_from.ends_with("pieces/inside.txt"));
    assert_eq!(file(&config, "d_c", 0).path.text, "/var/log/c.log");
    let warnings: Vec<_> = config.warnings.iter().map(|warning| warning.message()).collect();
    assert_eq!(warnings, ["the library of blocks (scl.conf) is not part of Inrush; the line has no effect"]);
}

#[test]
fn a_missing_file_is_an_error() {
    let errors = load(Path::new("/nonexistent/inrush.conf")).unwrap_err();
    assert!(errors.to_string().starts_with("error: cannot read `/nonexistent/inrush.conf`"));
}

#[test]
fn bad_configurations_are_told_what_is_wrong() {
    let directory = data("bad");
    let mut names: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let environment = Environment {
            variables: HashMap::from([("HOME".to_owned(), "/home/user".to_owned())]),
            include_path: vec![directory.clone()],
            config_dir: directory.clone(),
        };
        let name = path.file_name().unwrap().to_str().unwrap();
        let errors = parse_str(name, &std::fs::read_to_string(&path).unwrap(), &environment).expect_err(name);
        assert!(errors.error_count() > 0);
        let shown = errors.to_string().replace(&format!("{}/", directory.display()), "");
        insta::with_settings!({snapshot_path => &directory, prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name.trim_end_matches(".conf"), shown);
        });
    }
}
