use super::*;
use crate::config::{Environment, parse_str};
use crate::drivers::VOCABULARY;

/// The plan of `usertty(OPTIONS)`.
fn planned(options: &str) -> Planned {
    let text = format!("options {{ time-reopen(7); }}; destination d {{ usertty({options}); }};");
    let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
    config.destinations["d"].drivers()[0].options::<UserTtyOptions>().unwrap().plan(&config).unwrap()
}

/// Breaks without it: an option changes nothing, or a reload keeps the old one.
#[test]
fn options_arrive() {
    let plain = planned("\"root\"");
    assert_eq!(plain.address, "root");
    assert!(plain.identity.contains("false 7s"), "{}", plain.identity);
    let all = planned("root escaping(yes) time-reopen(2)");
    assert!(all.identity.contains("true 2s"), "{}", all.identity);
    assert_ne!(planned("\"*\"").identity, plain.identity);
}

/// Breaks without it: a terminal that takes nothing is tried with each message, is told each time, or never
/// again.
#[test]
fn what_takes_nothing_is_left_alone_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let sessions = directory.path().join("sessions");
    std::fs::create_dir(&sessions).unwrap();
    std::fs::write(sessions.join("1"), "USER=root\nTTY=null\n").unwrap();
    let logins = Logins::new(&directory.path().join("utmp"), &sessions);
    let mut terminals = Terminals::new(logins, "root", Duration::from_secs(10));
    let (start, counters) = (Instant::now(), Counters::default());
    let write = |terminals: &mut Terminals, after: u64| {
        let now = start + Duration::from_secs(after);
        terminals.look(now);
        let troubles = terminals.write(b"line\n", &[5], now, &counters);
        troubles.iter().map(|trouble| (trouble.terminal.clone(), trouble.is_new)).collect::<Vec<_>>()
    };
    let null = || "/dev/null".to_owned();
    assert_eq!(write(&mut terminals, 0), [(null(), true)]);
    assert_eq!(write(&mut terminals, 9), []);
    assert_eq!(write(&mut terminals, 10), [(null(), false)]);
    assert_eq!(write(&mut terminals, 11), []);
    terminals.look_again();
    assert_eq!(write(&mut terminals, 11), [(null(), false)]);
    std::fs::write(sessions.join("1"), "USER=other\nTTY=null\n").unwrap();
    write(&mut terminals, 11);
    assert!(!terminals.is_empty(), "looked a moment ago");
    assert_eq!(write(&mut terminals, 12), []);
    assert!(terminals.is_empty());
    assert_eq!(counters.bytes.load(Ordering::Relaxed), 0);
}
