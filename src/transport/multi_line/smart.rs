//! Stack traces: [`Smart`].
//!
//! A table of states says which lines go on with a trace. Lines that begin one are looked for in every line
//! that goes on with none; such a line by itself is a message of one line. The forms are those that the
//! documentation of each language shows:
//!
//! | language | begins | goes on |
//! |---|---|---|
//! | Java, Kotlin, Scala | `java.io.IOException: …`, `Exception in thread "main" …` | `\tat …`, `Caused by: …`, `\t... 12 more` |
//! | JavaScript | `TypeError: …` | `    at …` |
//! | C# | `Unhandled exception. …`, `System.IO.IOException: …` | `   at …`, ` ---> …`, `   --- End of …` |
//! | Python | `Traceback (most recent call last):` | indented lines, the exception, the trace that it came from |
//! | Go | `panic: …`, `fatal error: …`, `goroutine 1 [running]:` | calls, places, further goroutines, `exit status 2` |
//! | Ruby | `a.rb:3:in 'f': … (RuntimeError)` | `\tfrom …` |
//! | PHP | `PHP Fatal error:  Uncaught …` | `Stack trace:`, `#0 …`, `  thrown in …` |
//! | Dart | `Unhandled exception:` | the exception, `#0      …` |

use std::sync::LazyLock;

use regex::bytes::RegexSet;

use super::Verdict;

/// The kind of the line before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// It was a message by itself.
    #[default]
    Outside,
    /// One of a trace with calls that begin with `at`: Java, JavaScript, C#.
    Calls,
    /// One of the calls of Python, or of Ruby in the order of Python.
    Python,
    /// The exception of Python.
    PythonException,
    /// An empty line after it.
    PythonEmpty,
    /// The line that says that another trace follows.
    PythonCause,
    Go,
    Ruby,
    Php,
    /// The first one of Dart: the exception follows.
    DartFirst,
    Dart,
}

/// The states, in the order of their tables.
const STATES: [State; 11] = [
    State::Outside,
    State::Calls,
    State::Python,
    State::PythonException,
    State::PythonEmpty,
    State::PythonCause,
    State::Go,
    State::Ruby,
    State::Php,
    State::DartFirst,
    State::Dart,
];

/// The first line of a trace of Python.
const PYTHON: &str = r"^\s*(?:\+ )?(?:Exception Group )?Traceback \(most recent call last\):\s*$";
/// The line between two traces of Python of which one led to the other.
const PYTHON_CAUSE: &str = r"^\s*(?:\| )?(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception):\s*$";

/// The lines that come after one of `state`, and the state after them. The first that matches counts.
fn lines(state: State) -> &'static [(&'static str, State)] {
    match state {
        State::Outside => &[
            (PYTHON, State::Python),
            (r#"^Exception in thread "[^"]*" \S"#, State::Calls),
            (r"^Unhandled [Ee]xception[.:] \S", State::Calls),
            (
                r"^(?:[A-Za-z_$][\w$]*\.)+[A-Za-z_$][\w$]*(?:Exception|Error|Throwable)(?::|\s*$)",
                State::Calls,
            ),
            (r"^(?:Uncaught )?(?:[A-Z][\w$]*)?Error(?: \[[^\]]*\])?(?::|\s*$)", State::Calls),
            (r"^(?:panic: |fatal error: |SIG[A-Z]+: )\S", State::Go),
            (r"^goroutine \d+ (?:gp=\S+ .*)?\[[^\]]*\]:\s*$", State::Go),
            (r"^\S+:\d+:in [`'][^']*': .*\([A-Z][\w:]*\)\s*$", State::Ruby),
            (r"\bUncaught [A-Za-z_][\w\\]*: .* in \S+:\d+\s*$", State::Php),
            (r"^Unhandled exception:\s*$", State::DartFirst),
        ],
        State::Calls => &[
            (r"^\s+at \S", State::Calls),
            (r"^\s*(?:Caused by|Suppressed): \S", State::Calls),
            (r"^\s*\.\.\. \d+ (?:more|common frames omitted)", State::Calls),
            (r"^\s*--- End of (?:inner exception )?stack trace", State::Calls),
            (r"^\s*---> \S", State::Calls),
            (r"^\s+\[(?:CIRCULAR REFERENCE|cause)\]?:", State::Calls),
        ],
        State::Python => &[
            (r"^\s+\S", State::Python),
            (r"^\S+:\d+:in [`']", State::PythonException),
            (r"^[A-Za-z_][\w.]*(?::.*)?\s*$", State::PythonException),
        ],
        State::PythonException | State::PythonEmpty => {
            &[(r"^\s*$", State::PythonEmpty), (PYTHON_CAUSE, State::PythonCause)]
        }
        State::PythonCause => &[(r"^\s*$", State::PythonCause), (PYTHON, State::Python)],
        State::Go => &[
            (r"^\s*$", State::Go),
            (r"^\t", State::Go),
            (r"^goroutine \d+ ", State::Go),
            (r"^\[signal ", State::Go),
            (r"^created by \S", State::Go),
            (r"^runtime(?: stack|\.\S+)", State::Go),
            (r"^[\w./*()\[\]{}-]+\(.*\)\s*$", State::Go),
            (r"^\.\.\.(?:additional|\d+) frames elided", State::Go),
            // The last one.
            (r"^exit status \d+\s*$", State::Outside),
        ],
        State::Ruby => &[(r"^\s+(?:\d+: )?from \S", State::Ruby), (r"^\s*\.\.\. \d+ levels", State::Ruby)],
        State::Php => &[
            (r"^(?:PHP )?Stack trace:\s*$", State::Php),
            (r"^(?:PHP )?\s*#\d+ ", State::Php),
            (r"^(?:PHP )?\s+\d+\. \S", State::Php),
            (r"^(?:PHP )?\s+thrown in \S", State::Php),
            (r"^Next [A-Za-z_][\w\\]*: ", State::Php),
            (r"^\s*$", State::Php),
        ],
        State::DartFirst => &[(r"\S", State::Dart)],
        State::Dart => &[
            (r"^#\d+\s+\S", State::Dart),
            (r"^<asynchronous suspension>\s*$", State::Dart),
            (r"^\.\.\.\s*$", State::Dart),
        ],
    }
}

/// The tables, compiled, in the order of [`STATES`].
static TABLES: LazyLock<[RegexSet; 11]> = LazyLock::new(|| {
    STATES.map(|state| match RegexSet::new(lines(state).iter().map(|(pattern, _)| pattern)) {
        Ok(set) => set,
        Err(error) => unreachable!("a test compiles them all: {error}"),
    })
});

/// The bytes of a line that are looked at: a trace is known by its lines' beginnings.
const LOOKED_AT: usize = 4096;

/// Finds stack traces; it knows the line before.
#[derive(Debug, Default)]
pub(crate) struct Smart(State);

impl Smart {
    /// Looks at the next line.
    pub(super) fn look(&mut self, line: &[u8]) -> Verdict {
        let start = &line[..line.len().min(LOOKED_AT)];
        if self.0 != State::Outside
            && let Some(next) = next(self.0, start)
        {
            self.0 = next;
            return Verdict::GoesOn;
        }
        let Some(first) = next(State::Outside, start) else {
            self.0 = State::Outside;
            return Verdict::BeginsAndEnds(line.len());
        };
        self.0 = first;
        Verdict::Begins
    }
}

/// The state after `line`, if it may come after one of `state`.
fn next(state: State, line: &[u8]) -> Option<State> {
    let index = STATES.iter().position(|each| *each == state)?;
    let first = TABLES[index].matches(line).into_iter().next()?;
    Some(lines(state)[first].1)
}

#[cfg(test)]
mod tests;
