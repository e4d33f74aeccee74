//! Libraries of blocks: where they are found, and that nothing in them is in the way of those who use little
//! of them.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]
#![allow(clippy::print_stdout, reason = "a test that is left out says so")]

use std::fs;
use std::path::{Path, PathBuf};

use inrush::config::{
    Config, Diagnostic, Diagnostics, Environment, Level, Library, load_with, parse_str, run_command,
};
use inrush::drivers::VOCABULARY;
use tempfile::TempDir;

/// A machine with an installed library, and a configuration of the user's.
struct Machine(TempDir);

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let machine = Self(TempDir::new().unwrap());
        for (name, text) in files {
            machine.write(name, text);
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn environment(&self) -> Environment {
        let library = Library { root: self.path("usr"), config_dirs: vec![self.path("etc")] };
        Environment {
            include_path: vec![self.path("own"), self.path("own/scl"), library.include()],
            config_dir: self.path("own"),
            library: Some(library),
            run_command,
            ..Environment::new(&VOCABULARY)
        }
    }

    fn load(&self, text: &str) -> Result<Config, Diagnostics> {
        self.write("own/main.conf", text);
        load_with(&self.path("own/main.conf"), &self.environment())
    }
}

fn texts(config: &Config) -> Vec<(&str, &str)> {
    config.templates.iter().map(|(name, template)| (name.as_str(), template.text.text.as_str())).collect()
}

fn messages(all: &[Diagnostic]) -> Vec<&str> {
    all.iter().map(Diagnostic::message).collect()
}

const INSTALLED: &[(&str, &str)] = &[
    ("etc/scl.conf", "@module appmodel\n@include 'scl/*/*.conf'\n@define of-the-end 1\n"),
    (
        "usr/share/syslog-ng/include/scl/a/plugin.conf",
        "@requires json-plugin\n@requires http \"install it\"\nblock destination lines(file() ...) { file(\"`file`\" `__VARARGS__`); };\n",
    ),
    (
        "usr/share/syslog-ng/include/scl/b/plugin.conf",
        "block source web() { sun-streams(); };\n@requires nonsense\nblock source never() { internal(); };\n",
    ),
    (
        "usr/share/syslog-ng/include/scl/c/plugin.conf",
        "@module confgen context(root) name(many) exec(\"`scl-root`/c/many.sh\")\n",
    ),
    ("usr/share/syslog-ng/include/scl/README", "no configuration {\n"),
];

/// Breaks without it: a file that includes scl.conf, as nearly all do, is refused for what it never uses, or
/// does not find what it uses.
#[test]
fn an_installed_library_is_found_and_used() {
    let machine = Machine::new(INSTALLED);
    let text = "@include \"scl.conf\"\ndestination d { lines(file(/x) create-dirs(yes)); };\ntemplate t \"`of-the-end`\";";
    let config = machine.load(text).unwrap();
    assert!(config.warnings.is_empty(), "{}", config.warnings[0]);
    assert_eq!(config.destinations["d"].drivers().len(), 1);
    assert_eq!(texts(&config), [("t", "1")]);
    let errors =
        machine.load("@include \"scl.conf\"\nsource s { web(); };\nsource t { never(); };").unwrap_err();
    let shown = errors.to_string();
    assert!(shown.contains("the source `sun-streams` is not supported by this version"), "{shown}");
    assert!(shown.contains("scl/b/plugin.conf:1:22") && shown.contains("`web` is used here"), "{shown}");
    // What is required is not there, so the rest of the file is left out.
    assert!(shown.contains("unknown source driver `never`"), "{shown}");
    assert_eq!(errors.error_count(), 2);
}

/// Breaks without it: the user's own scl.conf, or own blocks, are not taken.
#[test]
fn what_lies_beside_the_configuration_comes_first() {
    let machine = Machine::new(INSTALLED);
    machine.write("own/scl.conf", "@include \"scl/*/*.conf\"\ntemplate own \"own\";\n");
    machine.write("own/scl/a/own.conf", "template beside \"`scl-root`\";\n");
    let config = machine.load("@include \"scl.conf\"\ndestination d { lines(file(/x)); };").unwrap();
    let root = machine.path("own/scl").display().to_string();
    assert_eq!(texts(&config), [("beside", root.as_str()), ("own", "own")]);
}

/// Breaks without it: a machine without a library refuses the file, or has not even the blocks of Inrush.
#[test]
fn the_own_library_needs_no_other() {
    let machine = Machine::new(&[]);
    let slack = "destination d { slack(hook-url(\"http://127.0.0.1/\")); };";
    let config = machine.load(&format!("@include \"scl.conf\"\n{slack}")).unwrap();
    assert!(config.warnings.is_empty(), "{}", config.warnings[0]);
    assert_eq!(config.destinations["d"].drivers()[0].word, "http");
    assert!(machine.load(&format!("@include \"scl/slack/slack.conf\"\n{slack}")).is_ok());
    let errors = machine.load("@include \"scl/nonsense/nonsense.conf\"\n").unwrap_err();
    assert!(errors.to_string().contains("there is no file or directory `scl/nonsense/nonsense.conf`"));
}

/// Breaks without it: what Inrush has itself fails with the text of an installed library, or a user's own block
/// gives way.
#[test]
fn the_own_library_comes_before_an_installed_one_and_after_the_users_blocks() {
    let machine = Machine::new(INSTALLED);
    let file = "usr/share/syslog-ng/include/scl/slack/slack.conf";
    machine.write(file, "block destination slack(hook-url()) { java(); };\n");
    let slack = "destination d { slack(hook-url(\"http://127.0.0.1/\")); };";
    for include in ["scl.conf", "scl/slack/slack.conf"] {
        let config = machine.load(&format!("@include \"{include}\"\n{slack}")).unwrap();
        assert_eq!(config.destinations["d"].drivers()[0].word, "http", "{include}");
    }
    let file = "usr/share/syslog-ng/include/scl/sudo/sudo.conf";
    machine.write(file, "application sudo[syslog] { parser { java(); }; };\n");
    let text = "@include \"scl.conf\"\nparser p { app-parser(topic(syslog)); };";
    let log = "log { source { internal(); }; parser(p); destination { stdout(); }; };";
    assert!(machine.load(&format!("{text}\n{log}")).is_ok());
    let own = "application sudo[syslog] { parser { java(); }; };";
    let error = machine.load(&format!("{own}\n{text}\n{log}")).unwrap_err().to_string();
    assert!(error.contains("`java`"), "{error}");
    machine.write("own/scl/slack/mine.conf", "block destination slack(hook-url()) { stdout(); };\n");
    for include in ["scl.conf", "slack"] {
        let config = machine.load(&format!("@include \"{include}\"\n{slack}")).unwrap();
        assert_eq!(config.destinations["d"].drivers()[0].word, "stdout", "{include}");
    }
}

/// Breaks without it: a name that the files of a library use between backticks is empty.
#[test]
fn the_directories_have_their_names() {
    let machine = Machine::new(INSTALLED);
    let text = "template root '`syslog-ng-root`'; template data '`syslog_ng_data`';
template include '`syslog-ng-include`'; template sysconfdir '`syslog-ng-sysconfdir`';
template scl '`scl-root`'; template modules '`module-path` `module-install-dir`';
template path '`include-path`'; template console '`tty10`';
log { source { internal(); }; };";
    let config = machine.load(text).unwrap();
    assert!(config.warnings.is_empty(), "{}", config.warnings[0]);
    let at = |name: &str| machine.path(name).display().to_string();
    let share = at("usr/share/syslog-ng");
    let expected = [
        ("root", at("usr")),
        ("data", share.clone()),
        ("include", format!("{share}/include")),
        ("sysconfdir", at("own")),
        ("scl", format!("{share}/include/scl")),
        ("modules", format!("{0} {0}", at("usr/lib/syslog-ng"))),
        ("path", format!("{}:{}:{share}/include", at("own"), at("own/scl"))),
        ("console", "/dev/tty10".to_owned()),
    ];
    assert_eq!(texts(&config), expected.each_ref().map(|(name, text)| (*name, text.as_str())));
}

/// Breaks without it: files are looked for in other directories than the configuration says.
#[test]
fn the_include_path_can_be_defined() {
    let machine = Machine::new(&[
        ("own/one/b.conf", "template one_b \"\";"),
        ("own/two/a.conf", "template two_a \"\";"),
        ("own/two/b.conf", "template two_b \"\";"),
        ("own/two/.hidden.conf", "template hidden \"\";"),
        ("own/two/c.conf~", "template backup \"\";"),
        ("own/empty/.keep", ""),
    ]);
    let names = |text: &str| -> Result<Vec<String>, Diagnostics> {
        let log = "log { source { internal(); }; };";
        Ok(machine.load(&format!("{text}\n{log}"))?.templates.keys().cloned().collect())
    };
    let path = format!("@define include-path \"one:{}\"\n", machine.path("own/two").display());
    // A pattern is looked for in all directories, a plain name in the first that has it.
    assert_eq!(names(&format!("{path}@include \"*.conf\"")).unwrap(), ["one_b", "two_a", "two_b"]);
    assert_eq!(names(&format!("{path}@include \"b.conf\"")).unwrap(), ["one_b"]);
    assert_eq!(names(&format!("{path}@include \"a.conf\"")).unwrap(), ["two_a"]);
    assert!(names(&format!("{path}@include \"none-*.conf\"")).unwrap().is_empty());
    assert!(names("@include \"empty\"").unwrap().is_empty());
    assert_eq!(names("@include \"two\"").unwrap(), ["two_a", "two_b"]);
    let errors = names(&format!("{path}@include \"none.conf\"")).unwrap_err().to_string();
    let help = format!(
        "looked for it in {}, {}",
        machine.path("own/one").display(),
        machine.path("own/two").display()
    );
    assert!(
        errors.contains("there is no file or directory `none.conf`") && errors.contains(&help),
        "{errors}"
    );
}

/// Breaks without it: the output of a command is not read, or read as if it were somewhere else.
#[test]
fn a_command_makes_configuration() {
    let machine = Machine::new(INSTALLED);
    let script = machine.path("usr/share/syslog-ng/include/scl/c/many.sh");
    machine.write(
        "usr/share/syslog-ng/include/scl/c/many.sh",
        "#!/bin/sh\necho '@define made here'\nfor n in $confgen_names${confgen_none+x}; do echo \"template t_$n \\\"\\`made\\` $n\\\";\"; done\n",
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).unwrap();
    let config = machine.load("@include \"scl.conf\"\nmany(names(a b) none());").unwrap();
    assert_eq!(texts(&config), [("t_a", "here a"), ("t_b", "here b")]);
    machine.write(
        "own/confgen.conf",
        "@module confgen context(source) name(two) exec(\"echo 'internal(); intrenal();'\")\n\
         @module confgen context(destination) name(fails) exec(\"echo 'stdout();'; exit 3\")\n\
         @module confgen context(source) name(again) exec(\"echo 'more();'\")\n\
         @module confgen context(source) name(more) exec(\"echo 'again();'\")\n",
    );
    let text = "@include \"confgen.conf\"\nsource s { two(); };\ndestination d { fails(); };\nsource t { again(); };";
    let errors = machine.load(text).unwrap_err();
    let shown = errors.to_string();
    assert!(shown.contains("unknown source driver `intrenal`"), "{shown}");
    assert!(shown.contains("output of two():1:13") && shown.contains("`two` is used here"), "{shown}");
    assert!(shown.contains("the generator `fails` fails: it has failed: exit status: 3"), "{shown}");
    assert!(shown.contains("main.conf:3:17") && shown.contains("own/confgen.conf:2:"), "{shown}");
    assert!(shown.contains("the block `again` uses itself"), "{shown}");
    assert!(shown.contains("the way is again → more → again"), "{shown}");
    // A text that does not come from a file of the user's runs nothing.
    let text = "@module confgen context(source) name(x) exec(\"true\")\nsource s { x(); };";
    let errors = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap_err();
    assert!(errors.to_string().contains("commands are not run for this text"));
}

/// Breaks without it: a name of a console that every distribution's file has is refused.
#[test]
fn the_console_has_a_generator() {
    let text = "log { source { internal(); }; destination { getvirtconsole(); }; };";
    let config = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap();
    let is_there = Path::new("/dev/tty10").exists();
    assert!(format!("{:?}", config.logs).contains(if is_there { "/dev/tty10" } else { "/dev/null" }));
}

/// Breaks without it: files of before 3.20 do not load, or those of after it may have what is no statement.
#[test]
fn old_files_include_others_with_a_statement() {
    let machine = Machine::new(&[("own/a.conf", "internal();"), ("own/b.conf", "template t \"x\";\n")]);
    let text =
        "source s { include \"a.conf\"; internal(); };\n  include\n 'b.conf' ; template include \"y\";";
    let config = machine.load(&format!("@version: 3.19\n{text}")).unwrap();
    assert_eq!(config.sources["s"].drivers().len(), 2);
    assert_eq!(texts(&config), [("t", "x"), ("include", "y")]);
    let old = "`include` is an old spelling of @include";
    assert_eq!(messages(&config.warnings).iter().filter(|one| **one == old).count(), 2);
    let errors = machine.load(&format!("@version: 3.20\n{text}")).unwrap_err().to_string();
    assert!(errors.contains("unknown source driver `include`"), "{errors}");
    assert!(errors.contains("`include` is no statement since version 3.20"), "{errors}");
}

/// Breaks without it: the library of this machine has a file that the reader refuses, although nobody uses
/// what is in it.
#[test]
fn the_library_of_this_machine_is_read() {
    let Some(library) = Library::installed() else {
        println!("no library of blocks is installed here");
        return;
    };
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("main.conf");
    fs::write(&path, "@version: current\n@include \"scl.conf\"\nlog { source { internal(); }; };\n").unwrap();
    let config = load_with(&path, &Environment::of_process(&path, &VOCABULARY));
    let config = config.unwrap_or_else(|errors| panic!("{}: {errors}", library.root.display()));
    assert!(config.warnings.iter().all(|warning| warning.level() == Level::Warning));
}

/// Breaks without it: a library whose applications nobody uses is refused for what stands in them.
#[test]
fn applications_are_taken_as_they_are_written() {
    let machine = Machine::new(&[]);
    let text = "application door[syslog] {\n\tfilter { nonsense('}' `name`) };\n\tparser { none(); };\n};
application \"a b\"['t-1'] { }; transformation x[y] { transform[z] { step[1] { filterx { }; }; }; };
block root more(name()) {\napplication `name`[t] { filter { program(\"`name`\"); }; };\n}; more(name(own));
log { source { internal(); }; };";
    let config = machine.load(text).unwrap();
    assert!(config.warnings.is_empty(), "{}", config.warnings[0]);
    for (text, message) in [
        ("application x { };", "expected `[`, found `{`"),
        ("application x[] { };", "expected a topic, as in name[topic] { … }, found `]`"),
        ("application [x] { };", "expected a name, as in application name[topic] { … }, found `[`"),
        ("application x[y];", "expected `{`, found `;`"),
        (
            "application x[y] { filter { };",
            "expected filter, parser, filterx or `}`, found the end of the file",
        ),
        ("application x[y] { filter { x { };", "the brace of this block is never closed"),
        ("application x[y] { rewrite { }; };", "expected filter, parser or filterx, found `rewrite`"),
    ] {
        assert_eq!(messages(machine.load(text).unwrap_err().iter().as_slice()), [message], "{text}");
    }
}

/// Breaks without it: a whole file, as people have them, is refused for something else than the drivers that
/// there are not yet.
#[test]
fn whole_files_are_refused_for_their_drivers_alone() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config/whole");
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let refused = text.lines().find_map(|line| line.strip_prefix("# refused:")).unwrap();
        let mut expected: Vec<_> = refused.split_whitespace().map(str::to_owned).collect();
        let environment = Environment::of_process(&path, &VOCABULARY);
        let found = match load_with(&path, &environment) {
            Ok(config) => config.warnings,
            Err(errors) => errors.into(),
        };
        let errors = found.iter().filter(|one| one.level() == Level::Error);
        let mut said: Vec<_> = errors
            .map(|error| {
                let word = error.message().split('`').nth(1).unwrap_or_default();
                let is_driver =
                    error.message().starts_with("the ") && error.message().contains("not supported");
                if is_driver { word.to_owned() } else { error.render(false) }
            })
            .collect();
        said.sort();
        said.dedup();
        expected.sort();
        assert_eq!(said, expected, "{}", path.display());
    }
}
