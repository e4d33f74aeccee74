//! Traces as the languages write them, between lines of a log.

use super::*;
use crate::source::reader::finder::{Form, MessageFinder};
use crate::transport::multi_line::MultiLine;

/// The messages of `text`, of which nothing follows.
fn messages(text: &str) -> Vec<String> {
    let form = Form::MultiLine(Box::new(MultiLine::Smart(Smart::default())));
    let mut finder = MessageFinder::new(form, 1 << 16, false);
    let (bytes, mut from, mut all) = (text.as_bytes(), 0, Vec::new());
    while let Some(found) = finder.next(bytes, &mut from) {
        all.push(text[found.text].to_owned());
    }
    all.extend(finder.last(bytes, &mut from).map(|found| text[found.text].to_owned()));
    all
}

/// Breaks without it: the first `smart` source ends the engine.
#[test]
fn every_pattern_compiles() {
    assert_eq!(TABLES.len(), STATES.len());
    for (state, table) in STATES.iter().zip(TABLES.iter()) {
        assert_eq!(table.len(), lines(*state).len());
    }
}

/// Breaks without it: a trace comes line by line, or takes the lines around it with it.
#[test]
fn a_trace_of_each_language_is_one_message() {
    for trace in [
        "java.lang.IllegalStateException: no\n\tat com.example.App.run(App.java:12)\n\tat com.example.App.main(App.java:3)\nCaused by: java.io.IOException: disk\n\tat com.example.Disk.read(Disk.java:8)\n\t... 2 more",
        "Exception in thread \"main\" java.lang.RuntimeException: outer\n\tat Main.main(Main.java:5)\n\tSuppressed: java.lang.Exception: x\n\t\tat Main.close(Main.java:9)",
        "TypeError: x is not a function\n    at f (/srv/app.js:1:7)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
        "Error: plain\n    at Object.<anonymous> (/srv/app.js:3:9)",
        "Unhandled exception. System.InvalidOperationException: outer\n ---> System.IO.IOException: inner\n   at P.Read() in /p.cs:line 4\n   --- End of inner exception stack trace ---\n   at P.Main() in /p.cs:line 9",
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\n    ~^^\n  File \"a.py\", line 3, in f\n    raise ValueError(1)\nValueError: 1",
        "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", line 4\nmodule.OwnError",
        "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.f(...)\n\t/srv/main.go:8\nmain.main()\n\t/srv/main.go:12 +0x1d\nexit status 2",
        "goroutine 7 [chan receive]:\nmain.(*T).wait(0xc000010018, 0x1)\n\t/srv/main.go:30 +0x9c\ncreated by main.main in goroutine 1\n\t/srv/main.go:18 +0x5f",
        "a.rb:3:in 'Object#f': no (RuntimeError)\n\tfrom a.rb:7:in 'Object#g'\n\tfrom a.rb:9:in '<main>'",
        "PHP Fatal error:  Uncaught Exception: no in /srv/a.php:3\nStack trace:\n#0 /srv/a.php(7): f()\n#1 {main}\n  thrown in /srv/a.php on line 3",
        "Unhandled exception:\nException: no\n#0      f (file:///srv/a.dart:2:3)\n#1      main (file:///srv/a.dart:6:3)\n<asynchronous suspension>",
    ] {
        let text = format!("before\n{trace}\nafter\n\tindented\n");
        assert_eq!(messages(&text), ["before", trace, "after", "\tindented"], "{trace}");
        // A dump has the traces of all goroutines.
        if !trace.starts_with("goroutine") {
            let twice = format!("{trace}\n{trace}\n");
            assert_eq!(messages(&twice), [trace, trace], "one right behind the other");
        }
    }
}

/// Breaks without it: an ordinary line waits for the next one.
#[test]
fn a_line_that_begins_no_trace_is_a_message_at_once() {
    for line in
        ["ERROR: it failed", "at noon", "  File \"a.py\"", "#0 nothing", "panicking", "an Error: here", ""]
    {
        let mut smart = Smart::default();
        assert_eq!(smart.look(line.as_bytes()), Verdict::BeginsAndEnds(line.len()), "{line}");
    }
    assert_eq!(messages("java.io.IOException: alone\nnext\n"), ["java.io.IOException: alone", "next"]);
}
