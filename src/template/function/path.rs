//! Functions of paths: `basename`, `dirname`.

use super::Arguments;

/// `$(basename)`
pub(super) fn basename(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(last_component(&arguments.text(0)));
}

/// `$(dirname)`
pub(super) fn dirname(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(without_last_component(&arguments.text(0)));
}

/// The last component of a path, as the command of that name gives it.
fn last_component(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map(|at| at + 1);
    match end {
        None if path.is_empty() => b".",
        None => b"/",
        Some(end) => {
            let start = path[..end].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
            &path[start..end]
        }
    }
}

/// The path without its last component.
fn without_last_component(path: &[u8]) -> &[u8] {
    let Some(slash) = path.iter().rposition(|b| *b == b'/') else { return b"." };
    let end = path[..slash].iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    if end == 0 { b"/" } else { &path[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: `$(basename)` and `$(dirname)` differ from the commands for `/`, a double slash or
    /// nothing.
    #[test]
    fn paths_are_split_as_the_commands_do() {
        for (path, base, dir) in [
            ("/a/b", "b", "/a"),
            ("a", "a", "."),
            ("/", "/", "/"),
            ("/a", "a", "/"),
            ("a//b", "b", "a"),
            ("", ".", "."),
        ] {
            assert_eq!(last_component(path.as_bytes()), base.as_bytes(), "{path}");
            assert_eq!(without_last_component(path.as_bytes()), dir.as_bytes(), "{path}");
        }
    }
}
