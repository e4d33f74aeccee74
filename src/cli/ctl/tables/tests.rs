//! Tables of answers, as they are shown.

use serde_json::json;

use super::*;

fn answer() -> Value {
    json!({
        "version": "1.0", "pid": 7, "phase": "running", "uptime_seconds": 61, "posted": 12_345,
        "delivered": 11_000, "dropped": 300, "filtered": 1_000, "generated": 10, "rejected": 10, "in_flight": 45,
        "sources": [{
            "id": "s#0", "posted": 12_345, "bytes": 1_000_000, "delivered": 11_000,
            "dropped": {"queue_full": 300, "stopped": 0}, "filtered": 1_000, "generated": 10, "rejected": 10, "in_flight": 45, "refused": 0, "window": 100,
            "free": 55, "free_bytes": -5, "blocked_seconds": 0.25, "oldest_unacknowledged_seconds": 75.3,
            "post_gil_seconds": 12.34,
            "suspensions": 2, "state": "running", "exceptions": 1, "restarts": 1, "last_error": "E: \x1b[m",
        }],
        "destinations": [{
            "id": "d#0", "posted": 12_345, "delivered": 12_000, "dropped": 300, "in_flight": 45,
            "bytes": 99, "retries": 4, "errors": 5, "suspended": true,
        }],
    })
}

/// Without it: a number is missing, or stands under the heading of another.
#[test]
fn tables_of_an_answer() {
    let expected = "\
inrush 1.0, process 7, running for 1 min 1 s
12,345 posted + 10 generated
    = 11,000 delivered + 300 dropped + 1,000 filtered + 10 rejected + 45 in flight

SOURCE  POSTED    BYTES  DELIVERED  DROPPED  FILTERED  IN FLIGHT  STATE
s#0     12,345  977 KiB     11,000      300     1,000         45  running

SOURCE     CREDIT  FREE BYTES  SUSPENSIONS  BLOCKED      OLDEST  GIL IN POSTS  REFUSED
s#0     55 of 100        -5 B            2   250 ms  1 min 15 s        12.3 s        0

SOURCE  EXCEPTIONS  RESTARTS  LAST ERROR
s#0              1         1  E: \\u{1b}[m

SOURCE  DROPPED  REASON
s#0         300  queue_full

DESTINATION  RECEIVED  WRITTEN  DROPPED  QUEUED  RETRIES  ERRORS  BYTES  STATE
d#0            12,345   12,000      300      45        4       5   99 B  cannot write
";
    assert_eq!(stats(&answer()), expected);
    let expected = "\
SOURCE  STATE    IN FLIGHT  WINDOW      OLDEST  BLOCKED  EXCEPTIONS  RESTARTS
s#0     running         45     100  1 min 15 s   250 ms           1         1
    last error: E: \\u{1b}[m
";
    assert_eq!(sources(&answer()), expected);
}

/// Without it: the tables of a busy engine do not fit into a terminal, or an error's text is nowhere
/// whole.
#[test]
fn busy_engines_fit_into_a_hundred_columns() {
    let mut answer = answer();
    let error = format!("run(): ValueError: {}", "no luck today, ".repeat(20));
    for source in answer["sources"].as_array_mut().unwrap() {
        source["id"] = json!("s_doors#0");
        for name in ["posted", "delivered", "bytes"] {
            source[name] = json!(2_345_678_901_u64);
        }
        for name in ["window", "free"] {
            source[name] = json!(100_000);
        }
        source["state"] = json!("waiting for credit");
        source["blocked_seconds"] = json!(300_000.5);
        source["last_error"] = json!(error);
    }
    for to in answer["destinations"].as_array_mut().unwrap() {
        to["id"] = json!("d_file#0");
        for name in ["posted", "delivered", "bytes"] {
            to[name] = json!(2_345_678_901_u64);
        }
    }
    let (all, short) = (stats(&answer), sources(&answer));
    for line in all.lines().chain(short.lines()) {
        assert!(line.chars().count() <= COLUMNS, "{} columns: {line}", line.chars().count());
    }
    assert!(all.contains("no luck today, no luck today, no…\n"), "{all}");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&short).contains(&words(&error)), "{short}");
}

/// Breaks without it: one long word of an exception makes a line that no terminal shows whole, or a cut
/// falls into a character.
#[test]
fn a_word_without_an_end_is_cut_into_lines() {
    let lines = wrapped(&"é".repeat(250));
    let counts: Vec<_> = lines.lines().map(|line| line.chars().count()).collect();
    assert_eq!(counts, [100, 100, 250 - 192 + INDENT.len()]);
}

/// Breaks without it: an engine without sources gives a panic in place of a table.
#[test]
fn an_engine_without_sources_still_has_totals() {
    assert!(stats(&json!({})).ends_with("- posted = - delivered + - dropped + - in flight\n"));
}
