//! The output of commands: [`print`](print()), whose end is a sentence or silence, whatever the stream is.

use std::io::{self, ErrorKind, Write};

/// The exit code of a command whose output was not taken.
pub(crate) const NOT_WRITTEN: i32 = 1;

/// Writes `text` to stdout; the exit code: `code`, or [`NOT_WRITTEN`] when the stream does not take it. That
/// is said on stderr, unless the reader has gone (`| head`): it has what it wanted.
pub(crate) fn print(text: &str, code: i32) -> i32 {
    print_to(io::stdout().lock(), &mut io::stderr().lock(), text, code)
}

/// Writes `bytes` to stdout, where a command has more to print than one text.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Writes `text` to stderr. Where that does not take it there is nobody left to tell; the exit code says that
/// something is wrong.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn print_to(mut out: impl Write, complaints: &mut impl Write, text: &str, code: i32) -> i32 {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let Err(error) = written else { return code };
    if error.kind() != ErrorKind::BrokenPipe {
        let _ = writeln!(complaints, "inrush: cannot write the output: {error}");
    }
    if code == 0 { NOT_WRITTEN } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Without it: output that is lost looks like success, or `| head` complains.
    #[test]
    fn lost_output_is_a_failure() {
        let said = |kind, code| {
            let mut said = Vec::new();
            let code = print_to(Fails(kind), &mut said, "text", code);
            (code, String::from_utf8(said).unwrap().lines().count())
        };
        assert_eq!(said(ErrorKind::StorageFull, 0), (NOT_WRITTEN, 1));
        assert_eq!(said(ErrorKind::BrokenPipe, 0), (NOT_WRITTEN, 0));
        assert_eq!(said(ErrorKind::BrokenPipe, 2), (2, 0));
        let mut out = Vec::new();
        assert_eq!(print_to(&mut out, &mut Vec::new(), "text", 0), 0);
        assert_eq!(out, b"text");
    }
}
