//! Whole configurations, good and bad: `tests/data/config`.
//!
//! What each bad one is told stands beside it in `bad/*.snap`. After a change of a message, run
//! `INSTA_UPDATE=always cargo test --test config`, and read the difference.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inrush::config::{
    Config, DestinationRef, Diagnostic, Diagnostics, Environment, Level, LogItem, MarkMode, OptionValue,
    Ownership, SourceRef, UseDns, Version, inspect, load, parse_str,
};
use inrush::destination::file::FileOptions;
use inrush::destination::stdout::StdoutOptions;
use inrush::drivers::VOCABULARY;
use inrush::source::{InternalSourceOptions, PythonDriver, PythonSourceOptions, Restart};
use inrush::syslog::Flags;
use inrush::template::{OnError, TsFormat};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config").join(name)
}

fn good(name: &str) -> Config {
    load(&data(name), &VOCABULARY).unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

fn parse(text: &str) -> Result<Config, Diagnostics> {
    parse_str("test.conf", text, &Environment::new(&VOCABULARY))
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
    config.sources[source].drivers()[0].options::<PythonSourceOptions>().expect("python()").clone()
}

fn file(config: &Config, destination: &str, index: usize) -> FileOptions {
    config.destinations[destination].drivers()[index].options::<FileOptions>().expect("file()").clone()
}

/// The options of the one source of `source s { python(class(A) OPTIONS); };`.
fn options(written: &str) -> PythonSourceOptions {
    python(&right(&format!("source s {{ python(class(A) {written}); }};")), "s")
}

/// Breaks without it: the first configuration that a newcomer copies is refused, or means something else.
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
    let [
        LogItem::Source(SourceRef::Inline(source)),
        LogItem::Destination(DestinationRef::Inline(destination)),
    ] = config.logs[0].items.as_slice()
    else {
        panic!("{:?}", config.logs[0].items)
    };
    assert_eq!(source.name, "#anon-source0");
    assert_eq!(source.drivers()[0].id, "#anon-source0#0");
    let python = source.drivers()[0].options::<PythonSourceOptions>().expect("python()");
    assert_eq!(python.class.name.value, "Gen");
    assert_eq!(config.sources_text.text(python.class.name.span), "\"Gen\"");
    assert_eq!(python.class.options["count"], OptionValue::Int(10));
    assert_eq!(python.source.tags, ["t1"]);
    let file = destination.drivers()[0].options::<FileOptions>().expect("file()");
    assert_eq!(file.path.text, "out.log");
    assert_eq!(file.writer.template.as_ref().unwrap().text, "$MSG\n");
}

/// Breaks without it: an option that nothing acts on is accepted in silence, and somebody relies on it.
#[test]
fn an_option_without_effect_is_said() {
    let text = "options { threaded(no); flush-lines(1000); }; log { source { internal(); }; };";
    let config = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap();
    let warnings: Vec<_> = config.warnings.iter().map(Diagnostic::message).collect();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].starts_with("`threaded` has no effect"), "{warnings:?}");
    assert!(warnings[1].starts_with("`flush-lines` has no effect"), "{warnings:?}");
}

/// Breaks without it: `python-fetcher()` refuses an option of every source, or its delays are not kept.
#[test]
fn a_fetcher_has_the_options_of_a_source_and_its_own_delays() {
    let config = good("every_option.conf");
    let all = python(&config, "s_fetcher");
    assert_eq!((all.driver, all.class.name.value.as_str()), (PythonDriver::Fetcher, "door.Pages"));
    assert_eq!(all.fetch_no_data_delay, Some(Duration::from_millis(250)));
    assert_eq!(all.time_reopen, Duration::from_secs(5));
    assert_eq!((all.source.log_iw_size, all.source.tags.len()), (Some(500), 1));
    assert_eq!(all.persist_name.unwrap().value, "pages");
    assert_eq!(all.stop_timeout, Duration::from_secs(2));
    let plain = python(&right("source s { python_fetcher(class(A)); };"), "s");
    assert_eq!((plain.fetch_no_data_delay, plain.time_reopen), (None, Duration::from_secs(1)));
    assert_eq!(options("").driver, PythonDriver::Source);
}

/// Breaks without it: an option of another driver is taken and does nothing.
#[test]
fn what_a_fetcher_does_not_take_is_refused() {
    for option in ["log-fetch-limit(10)", "check-hostname(yes)", "encoding(utf-8)", "log-msg-size(1000)"] {
        let messages = wrong(&format!("source s {{ python-fetcher(class(A) {option}); }};"));
        let name = option.split('(').next().unwrap();
        assert_eq!(messages, [format!("unknown option `{name}`")]);
    }
    for option in ["time-reopen(1)", "fetch-no-data-delay(1)"] {
        let messages = wrong(&format!("source s {{ python(class(A) {option}); }};"));
        assert!(messages[0].starts_with("python() has no option"), "{messages:?}");
    }
    assert_eq!(wrong("source s { python-fetcher(); };"), ["python-fetcher() needs the name of a class"]);
    assert_eq!(wrong("source s { python-fetcher(class(A) fetch-no-data-delay(-1)); };").len(), 1);
    let text = "source s { python-fetcher(class(A) restart(never)); }; log { source(s); };";
    let config = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap();
    assert!(config.warnings[0].message().starts_with("`restart` has no effect on a fetcher"));
}

/// Breaks without it: an option of `python()` is accepted and reaches no field, or another one.
#[test]
fn every_option_of_python() {
    let config = good("every_option.conf");
    let without_effect = |warning: &Diagnostic| warning.message().contains("has no effect");
    assert!(config.warnings.iter().all(without_effect), "{:?}", config.warnings);
    let all = python(&config, "s_every");
    let text = |text: &str| OptionValue::Str(text.to_owned());
    assert_eq!(all.class.name.value, "door.Events");
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
        ("format", all.class.options["format"].clone()),
        ("empty", all.class.options["empty"].clone()),
        ("state", text("/var/lib/state")),
        ("kind", text("door")),
    ];
    let written: Vec<_> =
        all.class.options.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    assert_eq!(written, expected);
    assert!(matches!(&all.class.options["format"], OptionValue::Template(text) if text.value == "$MSG\n"));
    assert!(matches!(&all.class.options["empty"], OptionValue::Template(text) if text.value.is_empty()));
    assert_eq!(
        all.class.loaders.iter().map(|module| module.value.as_str()).collect::<Vec<_>>(),
        ["hy", "json"]
    );
    assert_eq!(all.persist_name.unwrap().value, "box");
    assert!(!all.internal);
    assert!(!all.parsing.flags.has(Flags::PARSE) && all.parsing.flags.has(Flags::ASSUME_UTF8));
    assert_eq!((all.parsing.default_facility, all.parsing.default_severity), (Some(19), Some(4)));
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
    assert_eq!(config.sources["s_every"].drivers()[1].id, "s_every#1");
    assert_eq!(config.use_virtualenv, Some(false));
    assert_eq!(config.config_id.as_deref(), Some("every-option"));
}

/// Breaks without it: an option of `file()` is accepted and reaches no field, or another one.
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
    assert_eq!(
        (all.time_reap, all.writer.time_reopen),
        (Some(Duration::from_secs(10)), Some(Duration::from_secs(5)))
    );
    assert_eq!((all.writer.flush_lines, all.writer.driver.log_fifo_size), (Some(1), Some(20_000)));
    assert_eq!(
        (all.writer.suppress, all.writer.mark_freq, all.writer.mark_mode),
        (Some(Duration::from_secs(7)), Some(Duration::from_secs(9)), Some(MarkMode::DstIdle))
    );
    let hooks = &config.destinations["d_file"].drivers()[0].hooks;
    assert_eq!((hooks.setup.as_deref(), &hooks.teardown), (Some("true"), &None));
    let formats = all.writer.template_options;
    assert_eq!((formats.ts_format, formats.frac_digits), (Some(TsFormat::Unix), Some(6)));
    assert_eq!(formats.on_error, Some(OnError::SilentlyDropProperty));
    assert_eq!(file(&config, "d_file", 1).path.text, "/dev/null");
}

/// Breaks without it: a file that is in use for years is refused for `owner(-1)`, or gets an owner or bits
/// that nobody asked for.
#[test]
fn minus_one_leaves_owner_and_permission_as_they_are() {
    let whole = "options { owner(root); group(7); perm(0640); dir-owner(root); dir-group(7); dir-perm(0750); };
         destination d { file(\"/x\" owner(-1) group(\"-1\") perm(-1) dir-owner(-1) dir-group(-1) dir_perm(-1)); };";
    let config = right(whole);
    let own = file(&config, "d", 0).permissions;
    let nothing = Ownership::default();
    assert_eq!((own.file(&config.options.file), own.dir(&config.options.dir)), (nothing.clone(), nothing));
    let config = right(
        "options { owner(-1); group(-1); perm(-1); dir-owner(-1); dir-group(-1); dir-perm(-1); };
         destination d { file(\"/x\" perm(0644)); };",
    );
    assert_eq!((&config.options.file, &config.options.dir), (&Ownership::default(), &Ownership::default()));
    assert_eq!(file(&config, "d", 0).permissions.file(&config.options.file).perm, Some(0o644));
    assert_eq!(
        wrong("options { perm(-2); };"),
        ["-2 is out of range: expected a whole number from 0 to 4095"]
    );
    assert_eq!(
        wrong("destination d { file(\"/x\\x00y\"); };"),
        ["the path of the file has a NUL byte, which no path can have"]
    );
}

/// Breaks without it: a configuration with the old spelling is refused, or the value is kept without a word.
#[test]
fn sync_of_a_file_is_flush_lines() {
    let config = parse("destination d { file(\"/x\" sync(20)); stdout(sync(0)); };").unwrap();
    assert_eq!(file(&config, "d", 0).writer.flush_lines, Some(20));
    let warnings: Vec<_> = config.warnings.iter().map(Diagnostic::message).collect();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].starts_with("sync() is an old spelling of flush-lines(), which has no effect"));
}

/// Breaks without it: an option of `options { }` or a flag of a path is accepted and reaches no field.
#[test]
fn global_options_and_paths() {
    let config = good("every_option.conf");
    let options = &config.options;
    assert!(options.keep_hostname && options.log_flow_control && options.keep_timestamp);
    assert_eq!(options.file.owner.as_ref().unwrap().value, "adm");
    assert_eq!((options.file.perm, options.dir.perm), (Some(0o640), Some(0o755)));
    assert_eq!((options.suppress, options.mark_freq), (Duration::from_secs(3), Duration::from_secs(4)));
    assert_eq!(options.mark_mode, MarkMode::Periodical);
    assert_eq!((options.ts_format, options.frac_digits), (TsFormat::Iso, 3));
    assert_eq!(options.stats.level, 1);
    assert_eq!(options.file_template.as_ref().unwrap().name.as_deref(), Some("plain"));
    assert_eq!((options.log_fifo_size, options.log_msg_size), (10_000, 65_536), "the defaults");
    let written = parse("options { log-fifo-size(12); log_msg_size(2KiB); };").unwrap().options;
    assert_eq!((written.log_fifo_size, written.log_msg_size), (12, 2048));
    let main = &config.logs[0];
    assert_eq!((main.name.as_str(), main.flags.flow_control), ("main", Some(true)));
    let [_, _, LogItem::Log(first), LogItem::Log(second)] = main.items.as_slice() else { panic!() };
    assert!(first.flags.is_final && !first.flags.fallback);
    assert!(second.flags.fallback && second.flags.flow_control == Some(false));
    assert!(config.logs[1].flags.catchall);
}

/// Breaks without it: a traceback names another line than the one in the configuration.
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

/// Breaks without it: an included file is skipped, read in another order, or an error in it is shown in the
/// file around it.
#[test]
fn includes() {
    let config = good("include.d/main.conf");
    assert_eq!(config.sources.keys().collect::<Vec<_>>(), ["s_a", "s_b"]);
    let where_from = config.sources_text.path(config.sources["s_b"].drivers()[0].span);
    assert!(where_from.ends_with("pieces/inside.txt"));
    assert_eq!(file(&config, "d_c", 0).path.text, "/var/log/c.log");
    assert!(config.warnings.is_empty());
}

/// Breaks without it: a service with a wrong path starts with nothing to do.
#[test]
fn a_missing_file_is_an_error() {
    let errors = load(Path::new("/nonexistent/inrush.conf"), &VOCABULARY).unwrap_err();
    assert!(errors.to_string().starts_with("error: cannot read `/nonexistent/inrush.conf`"));
}

/// Breaks without it: an error changes its words, its place or its carets, and nobody has read the new ones.
#[test]
fn bad_configurations_are_told_what_is_wrong() {
    let directory = data("bad");
    let mut names: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let environment = Environment {
            variables: HashMap::from([("HOME".to_owned(), "/home/user".to_owned())]),
            include_path: vec![directory.clone()],
            config_dir: directory.clone(),
            ..Environment::new(&VOCABULARY)
        };
        let name = path.file_name().unwrap().to_str().unwrap();
        let errors = parse_str(name, &std::fs::read_to_string(&path).unwrap(), &environment).expect_err(name);
        assert!(errors.error_count() > 0);
        let shown = errors.to_string().replace(&directory.display().to_string(), "BAD").replace("BAD/", "");
        insta::with_settings!({snapshot_path => &directory, prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name.trim_end_matches(".conf"), shown);
        });
    }
}

/// Breaks without it: modules are looked for in the directory from which the service was started.
#[test]
fn directories_of_modules_start_from_that_of_the_file() {
    let environment = Environment { config_dir: data(""), ..Environment::new(&VOCABULARY) };
    let text = "options { python-path(\"bad\" include.d); python-path(\"/\"); python-path(nowhere); };";
    let config = parse_str("test.conf", text, &environment).unwrap();
    let paths: Vec<_> = config.python_directories().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, [data(""), data("bad"), data("include.d"), PathBuf::from("/"), data("nowhere")]);
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].message().ends_with("nowhere` does not exist: no module will be found there"));
    assert!(right("").python_directories().is_empty());
}

/// Breaks without it: `inrush check` says nothing about the Python code of a file with one bracket missing.
#[test]
fn what_can_be_read_of_a_bad_configuration_is_there() {
    let inspected = inspect(&data("bad/references.conf"), &Environment::new(&VOCABULARY));
    assert!(!inspected.is_whole && !inspected.found.is_empty());
    assert!(!inspected.config.unwrap().all_paths().is_empty());
    // Code that others refer to may be missing.
    for name in ["bad/python_unclosed.conf", "bad/include.conf", "nowhere.conf"] {
        assert!(inspect(&data(name), &Environment::new(&VOCABULARY)).config.is_none(), "{name}");
    }
    let inspected = inspect(&data("sample.conf"), &Environment::new(&VOCABULARY));
    assert!(inspected.is_whole && inspected.config.is_some());
}

/// Breaks without it: a file with doubled semicolons, CRLF, a byte order mark or quoted names is refused,
/// which native accepts.
#[test]
fn words_and_separators() {
    let config = right(
        "source s_a{internal(log_fifo_size(1k))};;; ; log{source('s_a');destination{stdout()};};"
            .replace(")}", ");}")
            .as_str(),
    );
    assert!(config.sources.contains_key("s_a"));
    right("options {}; source \"with blanks\" { internal() ; ; }; log { source(\"with blanks\"); };");
    right("\u{feff}@version: current\r\nsource s {\r\n internal();\r\n};\r\n");
    right("");
    right("# only a comment");
}

/// Breaks without it: a spelling of `options()` that native takes gives the source other values.
#[test]
fn options_of_python_in_other_forms() {
    assert_eq!(options("options(a b) options(a c)").class.options["a"], OptionValue::Str("c".to_owned()));
    assert_eq!(options("options(a-b-c 1)").class.options.keys().collect::<Vec<_>>(), ["a_b_c"]);
    assert_eq!(options("options(k('v') l(5))").class.options["l"], OptionValue::Int(5));
    assert_eq!(options("options()").class.options.len(), 0);
    assert_eq!(options("options(k \"yes\")").class.options["k"], OptionValue::Str("yes".to_owned()));
    assert_eq!(options("options(k [])").class.options["k"], OptionValue::List(Vec::new()));
    assert_eq!(options("options(k False)").class.options["k"], OptionValue::Bool(false));
    assert_eq!(
        options("options(LogTemplate LogTemplate)").class.options["LogTemplate"],
        OptionValue::Str("LogTemplate".to_owned())
    );
}

/// Breaks without it: a source without an option behaves otherwise than the documentation says.
#[test]
fn what_is_not_written_has_the_default_of_the_language() {
    let defaults = options("");
    assert_eq!(defaults.source.log_iw_size, None);
    assert_eq!(defaults.restart, Restart::OnFailure);
    assert_eq!(defaults.restart_backoff.max, Duration::from_secs(60));
    assert_eq!(defaults.stop_timeout, Duration::from_secs(10));
    assert_eq!(defaults.max_inflight_bytes, 64 << 20);
    let expected = [
        ("parse", true),
        ("check-hostname", false),
        ("syslog-protocol", true),
        ("assume-utf8", false),
        ("validate-utf8", false),
        ("sanitize-utf8", false),
        ("multi-line", true),
        ("store-legacy-msghdr", true),
        ("store-raw-message", false),
        ("expect-hostname", true),
        ("guess-timezone", false),
        ("header", true),
        ("rfc3164-fallback", true),
    ];
    assert_eq!(defaults.parsing.flags.iter().collect::<Vec<_>>(), expected);
}

/// Breaks without it: a file of an older version is refused, or runs with a value that is ignored.
#[test]
fn old_spellings_are_warned_about_and_obeyed() {
    let text = "@version: 3.17\noptions { stats-level(2); long-hostnames(yes); sync(5); threaded(yes); };
        source s { python(class(A) log-prefix('a:b:') imports(x)); };";
    let config = parse(text).unwrap();
    assert_eq!(config.version, Version { major: 3, minor: 17 });
    assert_eq!((config.options.stats.level, config.options.chain_hostnames), (2, true));
    assert_eq!(config.options.flush_lines, 5);
    let python = python(&config, "s");
    assert_eq!(python.source.program_override.unwrap().value, "a:b");
    assert_eq!(python.class.loaders[0].value, "x");
    assert_eq!(config.warnings.len(), 8);
    assert!(config.warnings.iter().all(|warning| warning.level() == Level::Warning));
}

/// Breaks without it: a template that is defined at the end of the file is unknown at its beginning.
#[test]
fn templates_may_come_after_their_use() {
    let config = right("destination d { file(x template(t)); stdout(template(\"t\")); }; template t '$MSG';");
    assert_eq!(file(&config, "d", 0).writer.template.unwrap().text, "$MSG");
    let stdout = config.destinations["d"].drivers()[1].options::<StdoutOptions>().expect("stdout()");
    assert_eq!(stdout.writer.template.as_ref().unwrap().name.as_deref(), Some("t"));
    assert_eq!(wrong("template t { template-escape(no); };"), ["the template `t` has no text"]);
}

/// Breaks without it: one missing sign gives a page of errors, or words that name no sign.
#[test]
fn one_mistake_is_one_error() {
    for (text, message) in [
        ("source s { internal() };", "expected `;`, found `}`"),
        ("source s { internal(; };", "expected `)`, found `;`"),
        ("source s { internal };", "expected `(`, found `}`"),
        ("source { internal(); };", "expected a name for the source, found `{`"),
        ("source s internal();", "expected `{`, found `internal`"),
        ("log { source s; };", "expected `(` and the name of a source, or `{`, found `s`"),
        ("log { 5; };", "expected an item of a log path, as in source(name), found `5`"),
        ("log { source(); destination { stdout(); }; };", "expected the name of a source, found `)`"),
        ("options { owner };", "expected `(`, found `}`"),
        ("options { \"owner\"(a); };", "expected an option, as in name(value);, found \"owner\""),
        ("options(use-dns(no));", "expected `{`, found `(`"),
        (
            "destination d { file(\"/x\" template(\"$MSG\") \"x\"); };",
            "expected an option, as in name(value), found \"x\"",
        ),
        ("\"text\";", "expected a statement, found \"text\""),
        ("};", "this brace closes nothing"),
        ("python(class(A));", "expected `{`, found `(`"),
        ("template;", "expected a name for the template, found `;`"),
        ("log a b { };", "expected `{`, found `b`"),
        ("source s { python(); };", "python() needs the name of a class"),
    ] {
        assert_eq!(wrong(text), [message], "{text}");
    }
}

/// Breaks without it: a class that is missing is told without the line that names it.
#[test]
fn later_problems_can_be_shown_at_their_place() {
    let config = right("source s {\n  python(class(\"Dor\"));\n};");
    let class = python(&config, "s").class.name;
    let shown = config.error(class.span, "there is no class `Dor`", Some("did you mean `Door`?".to_owned()));
    assert_eq!(shown.place(), Some((PathBuf::from("test.conf"), 2, 16)));
    let expected = "error: there is no class `Dor`
 --> test.conf:2:16
  |
2 |   python(class(\"Dor\"));
  |                ^^^^^
  |
  = help: did you mean `Door`?";
    assert_eq!(shown.to_string(), expected);
    assert!(shown.render(true).contains('\x1b') && !shown.render(false).contains('\x1b'));
}

/// Breaks without it: a file of brackets overflows the stack and ends the process.
#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let deep = "log { ".repeat(100_000);
    assert!(wrong(&deep).iter().any(|message| message.contains("levels deep")));
    wrong(&format!("source s {{ python({}", "a(".repeat(100_000)));
}

/// Breaks without it: `@define allow-config-dups 1` is ignored, or the first of two definitions wins.
#[test]
fn duplicates_are_allowed_on_request() {
    let text = "@define allow-config-dups 1\nsource s { internal(); }; source s { python(class(A)); };";
    let config = parse(text).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(python(&config, "s").class.name.value, "A");
}

/// Breaks without it: a variable of the environment overrules a `@define` of the file.
#[test]
fn the_environment_is_looked_up_after_the_defines() {
    let environment = Environment {
        variables: HashMap::from([
            ("kind".to_owned(), "env".to_owned()),
            ("ONLY_ENV".to_owned(), "1k".to_owned()),
        ]),
        ..Environment::new(&VOCABULARY)
    };
    let text = "@define kind \"def\"\nsource s { internal(tags(\"`kind`\") log-fifo-size(`ONLY_ENV`)); };";
    let config = parse_str("test.conf", text, &environment).unwrap();
    let internal = config.sources["s"].drivers()[0].options::<InternalSourceOptions>().expect("internal()");
    assert_eq!(
        (internal.source.tags.as_slice(), internal.log_fifo_size),
        (&["def".to_owned()][..], Some(1000))
    );
}

mod any_input {
    //! No input makes the parser panic or hang, and whatever it says can be drawn.

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{Environment, Level, data, parse_str};

    /// Parses `text`, draws what is said about it, and checks what holds for every input.
    fn survive(text: &str) {
        match parse_str("any.conf", text, &Environment::new(&inrush::drivers::VOCABULARY)) {
            Ok(config) => {
                assert!(config.warnings.iter().all(|warning| warning.level() == Level::Warning));
                for warning in &config.warnings {
                    warning.render(true);
                }
                for block in &config.python_blocks {
                    assert!(text.contains(&block.code));
                }
            }
            Err(errors) => {
                assert!(errors.error_count() > 0);
                assert!(!errors.to_string().is_empty());
                for error in &errors {
                    // CR LF is one end of a line, and counted twice here.
                    let lines = text.split(['\n', '\r']).count() as u32;
                    assert!(error.place().is_none_or(|(_, line, _)| line <= lines || text.contains("@line")));
                }
            }
        }
    }

    const PIECES: [&str; 70] = [
        "source",
        "destination",
        "log",
        "options",
        "template",
        "python",
        "block",
        "filter",
        "parser",
        "rewrite",
        "junction",
        "channel",
        "if",
        "file",
        "internal",
        "stdout",
        "class",
        "flags",
        "tags",
        "final",
        "fallback",
        "catchall",
        "flow-control",
        "no-flow-control",
        "stats",
        "level",
        "perm",
        "owner",
        "log-iw-size",
        "keep-hostname",
        "LogTemplate",
        "s",
        "d",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ";",
        ";",
        ",",
        "=>",
        "..",
        "...",
        "==",
        "\"",
        "'",
        "\"x\"",
        "'y'",
        "\"$MSG\\n\"",
        "`",
        "`s`",
        "``",
        "\\",
        "\\\n",
        "\n",
        "\r",
        "\n@define s \"v\"\n",
        "\n@version: 4.2\n",
        "\n@line \"f\" 7 1\n",
        "@",
        "#",
        "5",
        "0x5",
        "-1.5",
        "99999999999999999999",
        "yes",
        "f'{",
        "\u{e9}\u{65e5}\t",
    ];

    /// Breaks without it: a body that begins with something else than a word ends the process, where nothing can
    /// stand in it yet.
    #[test]
    fn bodies_that_begin_with_no_word() {
        for place in ["source", "destination", "parser", "rewrite", "filter"] {
            for piece in ["{", "(", "\"x\"", "5", "=>", "]", "\u{10000}"] {
                survive(&format!("{place} x {{ {piece} }};"));
                survive(&format!("log {{ {place} {{ {piece} }}; }};"));
                survive(&format!("log {{ junction {{ channel {{ {place} {{ {piece} }}; }}; }}; }};"));
            }
        }
    }

    fn sample() -> impl Strategy<Value = String> {
        let names = [
            "sample.conf",
            "every_option.conf",
            "python_blocks.conf",
            "bad/options.conf",
            "bad/unsupported.conf",
            "bad/blocks.conf",
        ];
        select(names.map(|name| std::fs::read_to_string(data(name)).expect("a file of the tests")).to_vec())
    }

    /// A cut: from where to where (in thousandths of the text), and what takes its place.
    fn cut() -> impl Strategy<Value = (usize, usize, String)> {
        let piece = prop_oneof![
            select(PIECES.to_vec()).prop_map(str::to_owned),
            any::<char>().prop_map(String::from)
        ];
        (0..=1000_usize, 0..30_usize, piece)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Breaks without it: some text panics the reader of configurations.
        #[test]
        fn any_text(text in any::<String>()) {
            survive(&text);
        }

        /// Breaks without it: words in an order that nobody thought of panic the reader.
        #[test]
        fn any_sequence_of_pieces(pieces in prop::collection::vec(select(PIECES.to_vec()), 0..120), glue in select(vec!["", " "])) {
            survive(&pieces.join(glue));
        }

        /// Breaks without it: a right configuration with one part changed panics the reader, or is accepted
        /// with a reference to nothing.
        #[test]
        fn samples_with_pieces_replaced(mut text in sample(), cuts in prop::collection::vec(cut(), 1..5)) {
            for (at, length, piece) in cuts {
                let boundary = |mut at: usize| {
                    while !text.is_char_boundary(at) {
                        at -= 1;
                    }
                    at
                };
                let start = boundary(text.len() * at / 1000);
                let end = boundary((start + length).min(text.len())).max(start);
                text.replace_range(start..end, &piece);
            }
            survive(&text);
        }

        /// A `python {}` block ends where its code ends, whatever brackets and strings the code has, as long
        /// as they are balanced.
        #[test]
        fn balanced_code_is_taken_whole(code in code()) {
            let text = format!("python {{\n{code}\n}};\nsource s {{ internal(); }};\n");
            let config = parse_str("any.conf", &text, &Environment::new(&inrush::drivers::VOCABULARY)).unwrap();
            prop_assert_eq!(&config.python_blocks[0].code, &format!("\n{code}\n"));
            prop_assert_eq!(config.sources.len(), 1);
        }
    }

    /// Python expressions of brackets, strings, f-strings and comments.
    fn code() -> impl Strategy<Value = String> {
        let leaf = select(vec![
            "x",
            "1",
            "'}'",
            "\"{\"",
            "'\\''",
            "\"\\\"}\"",
            "'''it's }'''",
            "\"\"\"a \"quote\" {\"\"\"",
            "rb'\\'}'",
            "# don't {\n",
            "f'{x}'",
            "f'{{'",
            "u\"'\"",
            "f'{x!r:>{w}}'",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(", "))),
                inner.clone().prop_map(|one| format!("{{{one}: ({one})}}")),
                inner.clone().prop_map(|one| format!("f'''{{ {one} }}'''")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("{a} + {b}")),
            ]
        })
    }
}
