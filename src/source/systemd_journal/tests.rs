use super::*;
use crate::config::{Environment, parse_str};
use crate::drivers::VOCABULARY;

/// The configuration with `systemd-journal(OPTIONS)`.
fn config(version: &str, options: &str) -> Result<Config, String> {
    let text = format!("@version: {version}\nsource s {{ systemd-journal({options}); }};");
    parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).map_err(|errors| errors.to_string())
}

fn options(config: &Config) -> &JournalOptions {
    config.sources["s"].drivers()[0].options().unwrap()
}

/// Breaks without it: an option is accepted and changes nothing.
#[test]
fn options_arrive() {
    let plain = config("current", "").unwrap();
    let own = options(&plain);
    assert_eq!(
        (own.prefix(&plain), own.max_field_size, own.defaults()),
        (".journald.".to_owned(), 65_536, (16, 5))
    );
    assert!(own.reads_old && own.reads_old_on_error && !own.match_boot && own.namespace.is_none());
    let old = config("3.7", "").unwrap();
    assert_eq!(options(&old).prefix(&old), "");
    let all = config(
        "current",
        r#"prefix("j.") max_field_size(9) namespace("+web") match-boot(yes) matches("A" => "x y" "B" => 3)
           read-old-records(no) read-old-records-on-error(no) persist-name("p") max-inflight-bytes(5)
           default-facility(mail) default-level(err) time-zone("UTC") keep-hostname(yes) log-iw-size(7)"#,
    )
    .unwrap();
    let own = options(&all);
    assert_eq!((own.prefix(&all), own.max_field_size, own.defaults()), ("j.".to_owned(), 9, (2, 3)));
    assert_eq!(own.matches, [("A".to_owned(), "x y".to_owned()), ("B".to_owned(), "3".to_owned())]);
    assert_eq!(own.namespace.as_ref().unwrap().value, "+web");
    assert!(own.match_boot && !own.reads_old && !own.reads_old_on_error);
    let planned = own.plan(&all, "s").unwrap();
    assert_eq!((planned.window, planned.max_bytes, planned.is_local), (7, 5, true));
    assert_eq!(
        (own.common().keep_hostname, own.persist_name.as_ref().unwrap().value.as_str()),
        (Some(true), "p")
    );
}

/// Breaks without it: an option that journalctl refuses is found out when it runs, again and again.
#[test]
fn what_cannot_be_is_refused() {
    for (wrong, said) in [
        (r#"matches("unit" => "x")"#, "`unit` is no field of the journal"),
        (r#"matches("__CURSOR" => "x")"#, "`__CURSOR` is no field of the journal"),
        (r#"matches("1A" => "x")"#, "`1A` is no field of the journal"),
        (r#"matches("A" "x")"#, "expected `=>`"),
        (r#"namespace("a b")"#, "this is no namespace of the journal"),
        (r#"namespace("")"#, "this is no namespace of the journal"),
        (r#"prefix("a b")"#, "this is no prefix for names"),
        ("max-field-size(0)", "0"),
        ("flags(no-parse)", "flags"),
    ] {
        let errors = config("current", wrong).unwrap_err();
        assert!(errors.contains(said), "{wrong}: {errors}");
    }
}

/// Breaks without it: `match-boot(yes)` reads nothing.
#[test]
fn the_boot_has_a_number() {
    let id = boot_id().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}
