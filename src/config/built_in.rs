//! The blocks that the language has itself, without a library: [`BUILT_IN`].
//!
//! | block | becomes |
//! |---|---|
//! | `source system()` | the log of this machine: systemd's journal, or `/dev/log` and the kernel's log |
//! | `source default-network-drivers()` | the ports that devices send to |
//! | `destination getvirtconsole()` | the console that shows the log, where this machine has one |
//! | `parser app-parser()` | the applications of a topic: see [`application`](super::application) |
//!
//! Their texts are made at each use, and read in its place, as those of all blocks. A configuration may
//! define a block of the same name: that one counts from there on, but for one of an installed library.

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::generator::GeneratorArguments;
use super::parser::{Parsed, Parser};
use super::span::Span;
use super::token::same_word;

/// Makes the text for a use of a block with these arguments, at this place.
pub(super) type MakeText = fn(&mut Parser, &GeneratorArguments, Span) -> Parsed<String>;

/// The blocks, each with its context and its name.
pub(super) const BUILT_IN: &[(&str, &str, MakeText)] = &[
    ("source", "system", system),
    ("source", "default-network-drivers", default_network_drivers),
    ("destination", "getvirtconsole", console),
    ("parser", "app-parser", Parser::app_parser),
];

/// Tells whether there is a block of this name.
pub(super) fn is_built_in(context: &str, name: &str) -> bool {
    BUILT_IN.iter().any(|(own, known, _)| *own == context && same_word(known, name))
}

/// The directory that systemd makes where it is the manager of services.
const SYSTEMD: &str = "run/systemd/system";
/// The files of the kernel's log, the better one first.
const KERNEL: [&str; 2] = ["dev/kmsg", "proc/kmsg"];

/// `system()`
fn system(parser: &mut Parser, arguments: &GeneratorArguments, used: Span) -> Parsed<String> {
    let is_ignored = |name: &str| same_word("exclude-kmsg", name);
    if arguments.iter().any(|(name, _)| is_ignored(name)) {
        parser.report.warn(
            used,
            "`exclude-kmsg` has no effect: messages of the kernel can be filtered",
            None,
        );
    }
    let others: Vec<_> = arguments.iter().filter(|(name, _)| !is_ignored(name)).cloned().collect();
    let applications = applications(parser, "syslog", &others, used)?;
    let root = parser.lexer.environment.root.clone();
    let below = |path: &str| root.as_ref().map(|root| root.join(path));
    if below(SYSTEMD).is_some_and(|path| path.is_dir()) {
        let journal = "systemd-journal(match-boot(yes)); ";
        let is_alone = applications.is_empty();
        let text = || format!("channel {{ source {{ {journal}}}; {applications}}};\n");
        return Ok(if is_alone { journal.to_owned() } else { text() });
    }
    let kernel = KERNEL.into_iter().find(|path| below(path).is_some_and(|path| File::open(path).is_ok()));
    let kernel = if let Some(path) = kernel {
        format!("file(\"/{path}\" program-override(\"kernel\") flags(kernel) keep-timestamp(no)); ")
    } else {
        let help = "the engine needs the right to read /dev/kmsg or /proc/kmsg (CAP_SYSLOG)".to_owned();
        parser.report.warn(used, "system() has no messages of the kernel here", Some(help));
        String::new()
    };
    // The process that has sent a message is known, whatever the message says.
    let pid = "rewrite { set(\"${.unix.pid}\" value(\"PID\") condition(\"${.unix.pid}\" ne \"\")); }; ";
    let log = "unix-dgram(\"/dev/log\" flags(syslog-protocol)); ";
    Ok(format!("channel {{ source {{ {log}{kernel}}}; {pid}{applications}}};\n"))
}

/// The part of a path that has the applications of `topic` take messages apart, as far as there are some,
/// with the `arguments` of `app-parser()`.
fn applications(
    parser: &mut Parser,
    topic: &str,
    arguments: &GeneratorArguments,
    used: Span,
) -> Parsed<String> {
    if arguments.iter().any(|(name, _)| same_word("topic", name)) {
        return Err(parser.report.error(used, "unknown option `topic`", None));
    }
    let topics = [("topic".to_owned(), topic.to_owned())];
    let all: Vec<_> = topics.iter().chain(arguments).cloned().collect();
    // It checks the arguments, whether there are applications or not.
    let text = parser.app_parser(&all, used)?;
    // Without an `else`, messages of no application go on as they are.
    let text = if parser.has_applications(topic) {
        format!("if {{ parser {{ {text} }}; }}; ")
    } else {
        String::new()
    };
    Ok(text)
}

/// The parameters of `default-network-drivers()`, with their defaults.
const NETWORK: [(&str, &str); 10] = [
    ("tcp-port", "514"),
    ("udp-port", "514"),
    ("rfc5424-tcp-port", "601"),
    ("rfc5424-tls-port", "6514"),
    ("max-connections", "10"),
    ("log-iw-size", "1000"),
    ("log-msg-size", "65536"),
    ("flags", ""),
    ("tls", ""),
    ("hook-commands", ""),
];

/// `default-network-drivers()`
fn default_network_drivers(
    parser: &mut Parser,
    arguments: &GeneratorArguments,
    used: Span,
) -> Parsed<String> {
    if let Some((name, _)) =
        arguments.iter().find(|(name, _)| !NETWORK.iter().any(|(known, _)| same_word(known, name)))
    {
        let help = parser.suggestion(name, NETWORK.iter().map(|(known, _)| *known));
        return Err(parser.report.error(used, format!("unknown option `{name}`"), help));
    }
    let of = |option: &str| {
        let given = arguments.iter().rev().find(|(name, _)| same_word(option, name));
        let default = NETWORK.iter().find(|(name, _)| *name == option).map_or("", |(_, default)| default);
        given.map_or(default, |(_, text)| text.trim())
    };
    let hooks = match of("hook-commands") {
        "" => String::new(),
        hooks => format!(" hook-commands({hooks})"),
    };
    let every = format!("log-iw-size({}) log-msg-size({}){hooks}", of("log-iw-size"), of("log-msg-size"));
    let streams = format!("max-connections({}) {every}", of("max-connections"));
    let (tcp, udp) = (of("tcp-port"), of("udp-port"));
    let (counted, secured) = (of("rfc5424-tcp-port"), of("rfc5424-tls-port"));
    let flags = of("flags");
    let tls = match of("tls") {
        "" => {
            let help = "tls(key-file(\"…\") cert-file(\"…\"))".to_owned();
            let message = format!("without tls(…) nothing listens for TLS, on port {secured}");
            parser.report.warn(used, message, Some(help));
            String::new()
        }
        tls => format!("syslog(transport(\"tls\") port({secured}) flags({flags}) tls({tls}) {streams}); "),
    };
    let raw = applications(parser, "syslog-raw", &[], used)?;
    let parsed = applications(parser, "syslog", &[], used)?;
    let network = |flags: &str| {
        format!(
            "network(transport(\"tcp\") port({tcp}) flags({flags}) {streams}); \
             network(transport(\"udp\") port({udp}) flags({flags}) {every}); "
        )
    };
    let counted = format!("syslog(transport(\"tcp\") port({counted}) flags({flags}) {streams}); {tls}");
    let sources = if raw.is_empty() {
        let drivers = network(&format!("syslog-protocol, {flags}")) + &counted;
        if parsed.is_empty() {
            return Ok(drivers);
        }
        format!("source {{ {drivers}}}; ")
    } else {
        // Applications of raw messages look at them before they are parsed.
        let raw = raw.trim_end().trim_end_matches(';');
        let network = network("no-parse");
        format!(
            "junction {{ \
               channel {{ \
                 source {{ {network}}}; \
                 {raw} else {{ parser {{ syslog-parser(flags(syslog-protocol, {flags})); }}; }}; \
               }}; \
               channel {{ source {{ {counted}}}; }}; \
             }}; "
        )
    };
    Ok(format!("channel {{ {sources}{parsed}}};\n"))
}

/// `getvirtconsole()`
#[expect(clippy::unnecessary_wraps, reason = "as the others make their texts")]
fn console(_: &mut Parser, _: &GeneratorArguments, _: Span) -> Parsed<String> {
    const CONSOLE: &str = "/dev/tty10";
    let is_there = fs::metadata(Path::new(CONSOLE)).is_ok_and(|file| file.file_type().is_char_device());
    Ok(format!("file(\"{}\");", if is_there { CONSOLE } else { "/dev/null" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment, parse_str};
    use crate::drivers::VOCABULARY;

    /// The configuration `source s { USE; };` after `before`, on a machine that has these files.
    fn on(files: &[&str], before: &str, usage: &str) -> Result<Config, String> {
        let machine = tempfile::tempdir().unwrap();
        for file in files {
            let path = machine.path().join(file);
            if file.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        }
        let environment = Environment { root: Some(machine.path().into()), ..Environment::new(&VOCABULARY) };
        let text = format!("@version: current\n{before} source s {{ {usage}; }};");
        parse_str("test.conf", &text, &environment).map_err(|errors| errors.to_string())
    }

    /// The sources that `config` has, as text, also those in paths.
    fn sources(config: &Config) -> String {
        format!("{:+?}", config.sources)
    }

    /// The number of drivers called `word`.
    fn count(text: &str, word: &str) -> usize {
        text.matches(&format!("word: \"{word}\"")).count()
    }

    const APPLICATION: &str = "application a[syslog] { filter { program(\"a\"); }; };";

    /// Breaks without it: the log of a machine is looked for where it is not.
    #[test]
    fn the_log_of_a_machine_is_where_it_has_it() {
        let systemd = "run/systemd/system/";
        for files in [&[systemd][..], &[systemd, "dev/kmsg"]] {
            let journal = sources(&on(files, "", "system()").unwrap());
            assert_eq!((count(&journal, "systemd-journal"), journal.matches("word: ").count()), (1, 1));
            assert!(journal.contains("match_boot: true"));
        }
        for (files, kernel) in [
            (&["dev/kmsg", "proc/kmsg"][..], Some("\"/dev/kmsg\"")),
            (&["proc/kmsg"], Some("\"/proc/kmsg\"")),
            (&["run/systemd/"], None),
        ] {
            let config = on(files, "", "system()").unwrap();
            let all = sources(&config);
            assert_eq!((count(&all, "unix-dgram"), count(&all, "file")), (1, usize::from(kernel.is_some())));
            assert!(all.contains("\"/dev/log\"") && all.contains(".unix.pid"), "{all}");
            assert!(kernel.is_none_or(|kernel| all.contains(kernel) && all.contains("\"kernel\"")), "{all}");
            let warned = config
                .warnings
                .iter()
                .any(|warning| warning.to_string().contains("no messages of the kernel"));
            assert_eq!(warned, kernel.is_none());
        }
    }

    /// Breaks without it: applications do not see the messages of the machine, or each message goes through a
    /// step for nothing.
    #[test]
    fn applications_take_the_messages_of_the_machine_apart() {
        let text = |before: &str| sources(&on(&["run/systemd/system/"], before, "system()").unwrap());
        assert!(text(APPLICATION).contains(".app.a") && !text("").contains("If"));
        let other = APPLICATION.replace("[syslog]", "[other]");
        assert_eq!(text(&other), text(""));
    }

    /// Breaks without it: an option that does nothing is accepted in silence, or a misspelt one.
    #[test]
    fn arguments_of_system() {
        let config = on(&["dev/kmsg"], "", "system(exclude-kmsg(yes))").unwrap();
        assert!(config.warnings[0].to_string().contains("`exclude-kmsg` has no effect"));
        on(&["dev/kmsg"], APPLICATION, "system(auto-parse-exclude(a))").unwrap();
        for (wrong, said) in [
            ("system(topic(x))", "unknown option `topic`"),
            ("system(auto_pars(no))", "unknown option `auto_pars`"),
            ("system(auto-parse(perhaps))", "expected yes or no"),
        ] {
            let errors = on(&["dev/kmsg"], "", wrong).unwrap_err();
            assert!(errors.contains(said), "{wrong}: {errors}");
        }
    }

    /// Breaks without it: devices send to a port at which nobody listens, or an option is lost on the way.
    #[test]
    fn the_ports_of_devices() {
        let config = on(&[], "", "default-network-drivers()").unwrap();
        let all = sources(&config);
        assert_eq!((count(&all, "network"), count(&all, "syslog")), (2, 1));
        assert!(config.warnings[0].to_string().contains("nothing listens for TLS, on port 6514"));
        let given = "default-network-drivers(tcp-port(1514) udp-port(1515) \
                     rfc5424_tcp_port(1601) rfc5424-tls-port(16514) \
                     max-connections(20) log-iw-size(2000) log-msg-size(1000) flags(no-multi-line) \
                     tls(key-file(\"k\") cert-file(\"c\") peer-verify(no)))";
        for before in ["", APPLICATION] {
            let config = on(&[], before, given).unwrap();
            let all = sources(&config);
            for part in ["1514", "1515", "1601", "16514"] {
                assert!(all.contains(part), "{part}: {all}");
            }
            assert_eq!((count(&all, "network"), count(&all, "syslog")), (2, 2));
            for (part, times) in
                [("log_iw_size: Some(+2000)", 4), ("log_msg_size: Some(+1000)", 4), (".app.a", 1)]
            {
                let expected = if part == ".app.a" && before.is_empty() { 0 } else { times };
                assert_eq!(all.matches(part).count().min(times), expected, "{part}: {all}");
            }
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        }
        let raw = APPLICATION.replace("[syslog]", "[syslog-raw]");
        let given_raw = on(&[], &raw, given).map_or_else(|errors| errors, |config| sources(&config));
        assert!(given_raw.contains("syslog-parser"), "{given_raw}");
        let errors = on(&[], "", "default-network-drivers(tcp-prt(1))").unwrap_err();
        assert!(errors.contains("unknown option `tcp_prt`") && errors.contains("tcp-port"), "{errors}");
    }

    /// Breaks without it: a block of a library's cannot take the place of one of the language's.
    #[test]
    fn a_configuration_may_have_its_own() {
        let own = on(&["run/systemd/system/"], "block source system() { internal(); };", "system()").unwrap();
        assert_eq!((count(&sources(&own), "internal"), count(&sources(&own), "systemd-journal")), (1, 0));
    }
}
