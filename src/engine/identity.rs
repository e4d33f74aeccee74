//! The identity of a source: what makes it the same one after a reload.
//!
//! Two drivers are the same when their texts are. A text is the debug text of the options without their
//! places in the file (`{:+?}`), so an option that is added to the language later is part of it without
//! anything to be done here. Of the global options a source has all but those that are known to be for
//! destinations alone (and `time-reopen()`, which matters to fetchers that say nothing else: their host looks
//! at that). A destination has those that it ended up with
//! ([`Planned::identity`](crate::destination::Planned::identity)).

use crate::config::{Config, Driver, GlobalOptions};

/// The text of a source driver in the statement called `statement`.
pub(crate) fn source(config: &Config, statement: &str, driver: &Driver) -> String {
    format!("{:+?}", (statement, driver, for_sources(&config.options)))
}

/// The global options without those that no source looks at.
fn for_sources(global: &GlobalOptions) -> GlobalOptions {
    let none = GlobalOptions::default();
    GlobalOptions {
        time_reopen: none.time_reopen,
        time_reap: none.time_reap,
        log_fifo_size: none.log_fifo_size,
        log_flow_control: none.log_flow_control,
        flush_lines: none.flush_lines,
        create_dirs: none.create_dirs,
        file: none.file,
        dir: none.dir,
        ts_format: none.ts_format,
        frac_digits: none.frac_digits,
        send_time_zone: none.send_time_zone,
        local_time_zone: none.local_time_zone,
        template_escape: none.template_escape,
        on_error: none.on_error,
        file_template: none.file_template,
        mark_freq: none.mark_freq,
        mark_mode: none.mark_mode,
        stats: none.stats,
        python_reload_modules: none.python_reload_modules,
        ..global.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse_str};
    use crate::destination;
    use crate::drivers::VOCABULARY;

    fn texts(options: &str, source_options: &str, file_options: &str) -> (String, String) {
        let text = format!(
            "options {{ {options} }}; source s {{ python(class(\"A\") {source_options}); }};
             destination d {{ file(\"/x\" {file_options}); }}; log {{ source(s); destination(d); }};"
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        let (from, to) = (&config.sources["s"].drivers()[0], &config.destinations["d"].drivers()[0]);
        (source(&config, "s", from), destination::plan(&config, to).unwrap().identity)
    }

    /// Breaks without it: a comment restarts every source, or a changed option restarts none.
    #[test]
    fn a_driver_is_the_same_at_another_place_and_not_with_other_options() {
        let plain = texts("", "options(\"a\" => 1)", "template(\"$MSG\\n\")");
        let moved = texts("\n\n", "  options( a 1 )", "  template(  \"$MSG\\n\")");
        assert_eq!(plain, moved);
        for (options, source, file, changed) in [
            ("", "options(\"a\" => 2)", "template(\"$MSG\\n\")", (true, false)),
            ("", "options(\"a\" => 1.0)", "template(\"$MSG\\n\")", (true, false)),
            ("", "options(\"a\" => 1) tags(t)", "template(\"$MSG\\n\")", (true, false)),
            ("", "options(\"a\" => 1)", "template(\"$MSG\")", (false, true)),
            ("", "options(\"a\" => 1)", "template(\"$MSG\\n\") log-fifo-size(7)", (false, true)),
            ("keep-hostname(yes);", "options(\"a\" => 1)", "template(\"$MSG\\n\")", (true, false)),
            ("recv-time-zone(\"+01:00\");", "options(\"a\" => 1)", "template(\"$MSG\\n\")", (true, false)),
            ("time-reopen(7);", "options(\"a\" => 1)", "template(\"$MSG\\n\")", (false, true)),
            ("perm(0644);", "options(\"a\" => 1)", "template(\"$MSG\\n\")", (false, true)),
            ("log-flow-control(yes);", "options(\"a\" => 1)", "template(\"$MSG\\n\")", (false, false)),
        ] {
            let other = texts(options, source, file);
            assert_eq!((other.0 != plain.0, other.1 != plain.1), changed, "{options} {source} {file}");
        }
    }
}
