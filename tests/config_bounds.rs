//! Bounds of a configuration: how far it may grow, and how much is said about a bad one.
use std::fmt::Write as _;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use inrush::config::{Diagnostic, Diagnostics, Environment, Level, load, load_again, load_with, parse_str};
use inrush::drivers::VOCABULARY;
use rustix::fs::{CWD, FileType, Mode};
use tempfile::TempDir;

/// The errors for a text, which must not be accepted.
fn wrong(text: &str) -> Diagnostics {
    match parse_str("test.conf", text, &Environment::new(&VOCABULARY)) {
        Ok(_) => panic!("accepted: {}", &text[..text.len().min(100)]),
        Err(errors) => errors,
    }
}

/// The place and the message of the first error.
fn first(errors: &Diagnostics) -> (Option<(u32, u32)>, String) {
    let error = errors.iter().find(|one| one.level() == Level::Error).expect("an error");
    (error.place().map(|(_, line, column)| (line, column)), error.message().to_owned())
}

/// A directory with a main file, and what is said about it when it is read from there.
fn wrong_in(directory: &Path, text: &str) -> Diagnostics {
    fs::write(directory.join("main.conf"), text).expect("a directory of our own");
    let path = directory.join("main.conf");
    load_with(&path, &Environment::of_process(&path, &VOCABULARY)).expect_err("this must be refused")
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
}

/// Breaks without it: a dozen lines eat all memory of the machine, and a reload ends the engine.
#[test]
fn names_that_name_each_other_are_bounded() {
    let mut text = "@define a0 lol\n".to_owned();
    for level in 1..=12 {
        let names = format!("`a{}` ", level - 1).repeat(10);
        writeln!(text, "@define a{level} \"{names}\"").unwrap();
    }
    text.push_str("template t \"`a12`\";\nlog { source { internal(); }; };\n");
    let (place, message) = first(&wrong(&text));
    assert_eq!(
        message,
        "the configuration is larger than 32 MiB, with all that it includes and all that backticks stand for"
    );
    // a1 to a6 take 50 MB altogether, most of it in the line of a7.
    assert_eq!(place.unwrap().0, 8);
}

/// Breaks without it: a name that stands for little, written a million times, takes a hundred times its size.
#[test]
fn names_between_backticks_are_bounded() {
    let (_, message) = first(&wrong(&"`x`".repeat(1_000_001)));
    assert_eq!(message, "the configuration has more than 1000000 names between backticks");
    let (_, message) = first(&wrong(&"; ".repeat(4_000_001)));
    assert_eq!(message, "the configuration has more than 4000000 words and signs");
}

/// Breaks without it: as many texts as an environment variable is long times its uses.
#[test]
fn environment_variables_count_as_text() {
    let mut environment = Environment::new(&VOCABULARY);
    environment.variables.insert("LONG".to_owned(), "x".repeat(1 << 20));
    let text = "@define d \"`LONG`\"\n".repeat(40);
    let errors = parse_str("test.conf", &text, &environment).unwrap_err();
    assert!(first(&errors).1.starts_with("the configuration is larger than 32 MiB"));
}

/// Breaks without it: files that include the same files twice are read 2^n times.
#[test]
fn files_that_are_included_twice_count_twice() {
    let directory = TempDir::new().unwrap();
    for level in 0..20 {
        let next = format!("@include \"f{}.conf\"\n", level + 1);
        fs::write(directory.path().join(format!("f{level}.conf")), next.repeat(2)).unwrap();
    }
    fs::write(directory.path().join("f20.conf"), "").unwrap();
    let errors = wrong_in(directory.path(), "@include \"f0.conf\"\n");
    let message = first(&errors).1;
    assert_eq!(message, "the configuration consists of more than 10000 files");
    assert_eq!(errors.error_count(), 1, "one place is enough");
}

/// Breaks without it: a file of the wrong kind, or a device, is read until memory ends.
#[test]
fn large_files_are_refused() {
    let directory = TempDir::new().unwrap();
    let large = directory.path().join("large.conf");
    fs::File::create(&large).unwrap().set_len((32 << 20) + 1).unwrap();
    let errors = load(&large, &VOCABULARY).unwrap_err().to_string();
    assert!(errors.contains("large.conf` is too large: a configuration has at most 32 MiB"), "{errors}");
    let errors = wrong_in(directory.path(), "log { };\n@include \"large.conf\"\n");
    assert_eq!(first(&errors).0, Some((2, 10)));
    assert!(first(&errors).1.contains("large.conf` is too large"));
    let errors = load(Path::new("/dev/zero"), &VOCABULARY).unwrap_err().to_string();
    assert!(errors.contains("`/dev/zero` is too large"), "{errors}");
    let long = "#".repeat((32 << 20) + 1);
    assert!(wrong(&long).to_string().contains("`test.conf` is too large"));
}

/// Breaks without it: a reload waits for ever for a pipe that nobody writes to, and a device never ends.
#[test]
fn only_regular_files_are_included() {
    let directory = TempDir::new().unwrap();
    fifo(&directory.path().join("pipe.conf"));
    let _listener = UnixListener::bind(directory.path().join("socket.conf")).unwrap();
    for (name, kind) in
        [("pipe.conf", "a named pipe"), ("socket.conf", "a socket"), ("/dev/zero", "a device")]
    {
        let errors = wrong_in(directory.path(), &format!("log {{ }};\n@include \"{name}\"\n"));
        let (place, message) = first(&errors);
        assert_eq!(place, Some((2, 10)), "{name}");
        assert!(
            message.ends_with(&format!("{name}` is {kind}: only regular files can be included")),
            "{message}"
        );
    }
    let pipe = directory.path().join("pipe.conf");
    let again = load_again(&pipe, &Environment::new(&VOCABULARY)).unwrap_err().to_string();
    assert!(
        again.contains("is a named pipe: a configuration is read again from regular files only"),
        "{again}"
    );
    assert!(load(directory.path(), &VOCABULARY).unwrap_err().to_string().contains("is a directory"));
}

/// Breaks without it: the main file can no longer be a pipe, as in `inrush check -f <(generate)`.
#[test]
fn the_main_file_may_be_a_pipe() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("main.conf");
    fifo(&path);
    let writer = std::thread::spawn({
        let path = path.clone();
        move || fs::write(path, "log { source { internal(); }; destination { stdout(); }; };\n").unwrap()
    });
    assert_eq!(load(&path, &VOCABULARY).unwrap().logs.len(), 1);
    writer.join().unwrap();
}

/// Breaks without it: a long line that ends too early gives a hundred times its size in errors.
#[test]
fn of_a_long_line_the_part_around_the_place_is_shown() {
    let text = format!("@version: current\n{}", "log { ".repeat(20_000));
    let errors = wrong(&text);
    assert_eq!(errors.iter().count(), 21);
    assert!(errors.to_string().len() < 20_000, "{} bytes", errors.to_string().len());
    let line = format!("{} nonsense {};", "options { }; ".repeat(1000), "x".repeat(10_000));
    let shown = wrong(&line).to_string();
    assert!(shown.contains("--> test.conf:1:13002\n"), "{shown}");
    assert!(shown.contains("1 | …s { }; options") && shown.contains("options { };  nonsense xxx"), "{shown}");
    let widest = shown.lines().map(|line| line.chars().count()).max();
    assert!(widest < Some(200), "{shown}");
    let carets = shown.lines().find(|line| line.contains('^')).unwrap();
    let excerpt = shown.lines().find(|line| line.contains("nonsense ")).unwrap();
    let (under, word) = (carets.find('^').unwrap(), excerpt.find("nonsense ").unwrap());
    assert_eq!(carets[..under].chars().count(), excerpt[..word].chars().count());
    assert_eq!(carets.matches('^').count(), "nonsense".len());
}

/// Breaks without it: one word of a megabyte, or a label far away, is drawn whole.
#[test]
fn what_is_drawn_is_bounded_wherever_it_is_made() {
    for text in [
        "x".repeat(1 << 20),
        format!("log {{ source(\"{}\"); }};", "é".repeat(1 << 20)),
        format!("template {0} \"a\"; template {0} \"b\";", "n".repeat(1 << 20)),
        format!("log {{ source(a{}); }};", " ".repeat(1 << 20)),
        format!("@version: {}\n", "9".repeat(1 << 20)),
        format!("@{}\n", "z".repeat(1 << 20)),
        format!("`{}`\nx", "b".repeat(1 << 20)),
        format!("template t \"{}${{unclosed\";", "\n".repeat(1 << 20)),
    ] {
        let errors = wrong(&text);
        let drawn = errors.to_string();
        assert!(
            drawn.len() < 10_000,
            "{} bytes for {}…",
            drawn.len(),
            text.chars().take(40).collect::<String>()
        );
    }
}

/// Breaks without it: each of a million wrong words is compared with all known ones, and each brace that is
/// never closed sends the reader over the whole file. Takes minutes then.
#[test]
fn noise_is_read_in_one_go() {
    for noise in [
        "options;",
        "lgo;",
        "x{",
        "source(",
        "`a`x;",
        "python { {\n}\n",
        "template ",
        "a(b;",
        "log { source(s",
    ] {
        let text = noise.repeat((1 << 18) / noise.len());
        let errors = wrong(&text);
        assert!(errors.error_count() > 0 && errors.iter().count() <= 42, "{noise}");
    }
}

/// Breaks without it: a file whose lines end with CR alone is one line, which `@version` swallows.
#[test]
fn a_carriage_return_ends_a_line() {
    let text = "@version: current\rsource s { nonsense(); };\r# a comment\rlog { source(s); };\r";
    assert_eq!(first(&wrong(text)), (Some((2, 12)), "unknown source driver `nonsense`".to_owned()));
    let shown = wrong(text).to_string();
    assert!(shown.contains("2 | source s { nonsense(); };\n"), "{shown}");
    let good = "@version: current\r@define x 7\rpython {\rdef f():\r    # } it's\r    return 'a\\\rb'\r};\r\
        log {\r source { internal(tags(\"`x`\" \"a\\\rb\")); }; destination { stdout(); }; };\r";
    let config = parse_str("test.conf", good, &Environment::new(&VOCABULARY)).unwrap();
    assert_eq!((config.logs.len(), config.python_blocks[0].line), (1, 3));
    assert_eq!(config.python_blocks[0].code, "\rdef f():\r    # } it's\r    return 'a\\\rb'\r");
    let mixed = good.replacen('\r', "\r\n", 3).replacen('\r', "\n", 1);
    assert_eq!(parse_str("test.conf", &mixed, &Environment::new(&VOCABULARY)).unwrap().logs.len(), 1);
    let two = "log { source(a);\r };\r\r\rlog { source(b); };";
    let places: Vec<_> = wrong(two).iter().filter_map(|one| one.place().map(|(_, line, _)| line)).collect();
    assert_eq!(places, [1, 5]);
}

/// Breaks without it: a version in quotes, which syslog-ng reads, is refused; what follows a version is
/// skipped in silence.
#[test]
fn a_version_may_be_quoted_and_stands_alone() {
    for written in ["3.38", "\"3.38\"", "'3.38'", "\"3.38.1\""] {
        let config =
            parse_str("test.conf", &format!("@version: {written}\n"), &Environment::new(&VOCABULARY))
                .unwrap();
        assert_eq!((config.version.major, config.version.minor), (3, 38), "{written}");
    }
    for wrong_version in ["3.38 log { };", "current current", "\"\"", "\"x\"", ""] {
        let errors = wrong(&format!("@version: {wrong_version}\n"));
        assert_eq!(first(&errors).1, "this line cannot be understood", "{wrong_version}");
    }
}

/// Breaks without it: the file of a distribution is refused.
#[test]
fn a_file_like_that_of_a_distribution_is_accepted() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("conf.d")).unwrap();
    fs::write(directory.path().join("conf.d/own.conf"), "destination d_own { file(\"/x\"); };\n").unwrap();
    let include = directory.path().join("conf.d/*.conf");
    let text = format!(
        "@version: 3.38\n@include \"scl.conf\"\n\
         options {{ chain_hostnames(off); flush_lines(0); use_dns(no); use_fqdn(no);\n\
         dns_cache(no); owner(\"root\"); group(\"adm\"); perm(0640);\n\
         stats_freq(0); bad_hostname(\"^gconfd$\");\n}};\n\
         source s_src {{ system(); internal(); }};\n\
         destination d_auth {{ file(\"/var/log/auth.log\"); }};\n\
         destination d_console {{ usertty(\"root\"); }};\n\
         destination d_all {{ file(`tty10`); }};\n\
         destination d_virtual {{ getvirtconsole(); }};\n\
         destination d_x {{ pipe(\"/dev/xconsole\"); }};\n\
         filter f_auth {{ facility(auth, authpriv) and not level(debug); }};\n\
         filter f_cron {{ facility(cron); }};\n\
         log {{ source(s_src); filter(f_auth); destination(d_auth); }};\n\
         log {{ source(s_src); destination(d_own); destination(d_all); }};\n\
         @include \"{}\"\n",
        include.display()
    );
    let path = directory.path().join("main.conf");
    fs::write(&path, text).unwrap();
    let read = load_with(&path, &Environment::of_process(&path, &VOCABULARY));
    let config = read.unwrap_or_else(|errors| panic!("{errors}"));
    assert!(config.destinations.contains_key("d_own") && config.sources.contains_key("s_src"));
    let console = "log { source { internal(); }; destination { file(`tty10`); }; };";
    let config = parse_str("test.conf", console, &Environment::new(&VOCABULARY)).unwrap();
    assert!(config.warnings.is_empty());
    assert!(format!("{:?}", config.logs).contains("/dev/tty10"));
}

/// Breaks without it: what is refused twice is told twice, or once without its second place.
#[test]
fn what_is_refused_twice_is_told_once() {
    let directory = TempDir::new().unwrap();
    let text = "destination d_a { mongodb(); };\ndestination d_b { mongodb(); };\n";
    let errors = wrong_in(directory.path(), text);
    let said: Vec<_> = errors.iter().filter(|one| one.level() == Level::Error).collect();
    assert_eq!(said.len(), 1, "{errors}");
    assert_eq!(said[0].message(), "the destination `mongodb` is not supported by this version of Inrush");
    assert!(errors.to_string().contains("also at line 2"), "{errors}");
}

/// Breaks without it: a flag of old files, which never had an effect, refuses them.
#[test]
fn nobackref_is_accepted_with_a_warning() {
    let text = "source s { python(class(A) flags(nobackref, no-parse)); };
        log { source(s); destination { file(\"/x\" flags(nobackref)); }; flags(nobackref, flow-control); };";
    let config = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap();
    let said: Vec<_> = config.warnings.iter().map(Diagnostic::message).collect();
    assert_eq!(said.len(), 3);
    assert!(said.iter().all(|said| said.starts_with("`nobackref` has no effect")), "{said:?}");
    assert_eq!(config.logs[0].flags.flow_control, Some(true));
}
