//! The unix sockets that sources make, each for one source: [`check_socket_files`].

use std::path::{Path, PathBuf};

use super::socket_file;
use crate::config::{Config, Diagnostic, Driver, Span};

/// Checks that no two of `drivers` make one socket: a socket that is made takes the place of the one before it,
/// which would never receive anything again.
///
/// # Errors
/// One for each driver that makes the socket of an earlier one.
pub(crate) fn check_socket_files<'d>(
    config: &Config,
    drivers: impl IntoIterator<Item = &'d Driver>,
) -> Vec<Diagnostic> {
    let mut made: Vec<(PathBuf, Span)> = Vec::new();
    let mut errors = Vec::new();
    for file in drivers.into_iter().filter_map(socket_file) {
        let path = in_real_directory(Path::new(&file.value));
        if let Some((_, first)) = made.iter().find(|(other, _)| *other == path) {
            let message = format!("two sources make the socket {}: each needs one of its own", file.value);
            errors.push(config.error_with(file.span, message, *first, "the other one", None));
        } else {
            made.push((path, file.span));
        }
    }
    errors
}

/// The path without links to directories, where its directory is there: `/var/run` is `/run`.
fn in_real_directory(path: &Path) -> PathBuf {
    let Some(directory) = path.parent() else { return path.to_owned() };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    match (directory.canonicalize().ok(), path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::check_socket_files;

    /// The errors of two sources, of a stream and of datagrams, at these paths.
    fn errors(stream: &str, datagrams: &str) -> Vec<String> {
        let text = format!(
            "source a {{ unix-stream(\"{stream}\"); }};
             source b {{ unix-dgram(\"{datagrams}\"); tcp(port(5514)); }};
             log {{ source(a); source(b); }};"
        );
        let config = crate::parse("test.conf", &text).unwrap();
        let drivers = config.sources.values().flat_map(|statement| statement.drivers());
        let found = check_socket_files(&config, drivers);
        found.iter().map(|error| error.message().to_owned()).collect()
    }

    /// Breaks without it: of two sources with one socket, the first is deaf, and nobody is told.
    #[test]
    fn each_source_has_a_socket_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir(path("real")).unwrap();
        symlink("real", path("link")).unwrap();
        for (one, other) in
            [("log", "log"), ("log", "./log"), ("real/log", "link/log"), ("gone/log", "gone//log")]
        {
            let found = errors(&path(one), &path(other));
            let expected = format!("two sources make the socket {}: each needs one of its own", path(other));
            assert_eq!(found, [expected], "{one} {other}");
        }
        for (one, other) in [("log", "log2"), ("real/log", "log"), ("gone/log", "other/log")] {
            assert!(errors(&path(one), &path(other)).is_empty(), "{one} {other}");
        }
    }
}
