//! `env`: variables of the environment.

use super::Arguments;

/// `$(env)`: their values, with a space between; a name without one has no place.
pub(super) fn env(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    for (index, name) in arguments.texts().enumerate() {
        let Some(value) = variable(&name) else { continue };
        out.extend_from_slice(&value);
        if index + 1 < arguments.count() {
            out.push(b' ');
        }
    }
}

/// The variable of the environment called `name`.
fn variable(name: &[u8]) -> Option<Vec<u8>> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    // A name with `=` or NUL in it is no variable's; the call would panic on it.
    let sound = !name.is_empty() && !name.iter().any(|b| matches!(b, b'=' | 0));
    sound.then(|| std::env::var_os(std::ffi::OsStr::from_bytes(name)))?.map(OsStringExt::into_vec)
}
