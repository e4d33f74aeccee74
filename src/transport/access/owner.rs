//! Names of users and groups to their numbers.
//!
//! `/etc/passwd` and `/etc/group` are read first. A name that is in neither (LDAP, `sssd`) is asked of
//! `getent`, which knows every source that the system is set up with; the C library's own functions
//! for that are not callable without unsafe code. All of it happens when a configuration is read.

use std::process::{Command, Stdio};

/// The number of the user called `text`, which may be a number itself.
///
/// # Errors
/// When nobody has that name.
pub(super) fn user_id(text: &str) -> Result<u32, String> {
    find(text, "/etc/passwd", "passwd").ok_or_else(|| format!("there is no user `{text}`"))
}

/// The number of the group called `text`, which may be a number itself.
///
/// # Errors
/// When no group has that name.
pub(super) fn group_id(text: &str) -> Result<u32, String> {
    find(text, "/etc/group", "group").ok_or_else(|| format!("there is no group `{text}`"))
}

fn find(text: &str, file: &str, database: &str) -> Option<u32> {
    if let Ok(number) = text.parse::<u32>() {
        // The largest number stands for "leave it" in the system call.
        return (number != u32::MAX).then_some(number);
    }
    let listed = std::fs::read(file).unwrap_or_default();
    entry(&String::from_utf8_lossy(&listed), text).or_else(|| ask(database, text))
}

/// The third field of the line whose first is `name`.
fn entry(lines: &str, name: &str) -> Option<u32> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

fn ask(database: &str, name: &str) -> Option<u32> {
    let plain = |c: char| c.is_alphanumeric() || "._-@\\ $".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
        return None;
    }
    let output = Command::new("getent")
        .args([database, name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    entry(&String::from_utf8_lossy(&output.stdout), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: `owner()` refuses a number, or takes a name that nobody has.
    #[test]
    fn names_and_numbers_are_both_good() {
        assert_eq!(user_id("root"), Ok(0));
        assert_eq!(group_id("12"), Ok(12));
        assert_eq!(user_id("no-such-user"), Err("there is no user `no-such-user`".to_owned()));
        assert!(group_id("-x").is_err() && group_id("").is_err() && group_id("4294967295").is_err());
    }

    /// Breaks without it: a file belongs to a user whose name begins like the one that was asked for.
    #[test]
    fn entries_are_found_by_their_whole_name() {
        let lines = "roo:x:1:1::/:\nroot:x:0:0::/root:/bin/sh\nbroken\nodd:x:y\n";
        assert_eq!((entry(lines, "root"), entry(lines, "roo")), (Some(0), Some(1)));
        assert_eq!((entry(lines, "broken"), entry(lines, "odd"), entry(lines, "")), (None, None, None));
    }
}
