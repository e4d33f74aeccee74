//! `$(getent)`: what the system knows of users, groups, services and protocols.

use nix::unistd::{Gid, Group, Uid, User};

use super::Arguments;

/// `$(getent database key [field])`
pub(super) fn getent(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let text = |index: usize| String::from_utf8(arguments.text(index)).ok();
    let (Some(database), Some(key)) = (text(0), text(1)) else { return };
    let field = if arguments.count() > 2 { text(2) } else { Some(String::new()) };
    let Some(field) = field else { return };
    let found = match &*database {
        "passwd" => user(&key, &field),
        "group" => group(&key, &field),
        "services" if field.is_empty() => row("/etc/services", &key),
        "protocols" if field.is_empty() => row("/etc/protocols", &key),
        _ => None,
    };
    out.extend_from_slice(found.unwrap_or_default().as_bytes());
}

/// The database is one, and the field.
pub(super) fn check_getent(arguments: &[Option<&[u8]>]) -> Option<String> {
    let fields: &[&[u8]] = match arguments.first().copied().flatten()? {
        b"passwd" => &[b"name", b"uid", b"gid", b"gecos", b"dir", b"shell"],
        b"group" => &[b"name", b"gid", b"members"],
        b"services" | b"protocols" => &[],
        other => {
            let other = String::from_utf8_lossy(other);
            return Some(format!(
                "`getent` has no database `{other}`, and writes nothing: there are passwd, group, services, protocols"
            ));
        }
    };
    let field = arguments.get(2).copied().flatten()?;
    let shown = String::from_utf8_lossy(field);
    (!fields.contains(&field)).then(|| format!("`getent` has no field `{shown}` there, and writes nothing"))
}

fn user(key: &str, field: &str) -> Option<String> {
    let number = key.parse().ok();
    let user = match number {
        Some(number) => User::from_uid(Uid::from_raw(number)),
        None => User::from_name(key),
    }
    .ok()??;
    Some(match field {
        "" if number.is_none() => user.uid.to_string(),
        "" | "name" => user.name,
        "uid" => user.uid.to_string(),
        "gid" => user.gid.to_string(),
        "gecos" => user.gecos.to_string_lossy().into_owned(),
        "dir" => user.dir.to_string_lossy().into_owned(),
        "shell" => user.shell.to_string_lossy().into_owned(),
        _ => return None,
    })
}

fn group(key: &str, field: &str) -> Option<String> {
    let number = key.parse().ok();
    let group = match number {
        Some(number) => Group::from_gid(Gid::from_raw(number)),
        None => Group::from_name(key),
    }
    .ok()??;
    Some(match field {
        "" if number.is_none() => group.gid.to_string(),
        "" | "name" => group.name,
        "gid" => group.gid.to_string(),
        "members" => group.mem.join(","),
        _ => return None,
    })
}

/// The number of a name, or the name of a number, in a file with `name number[/protocol] alias …` a line.
fn row(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let (name, number) = (words.next()?, words.next()?);
        let number = number.split('/').next().unwrap_or_default();
        if number == key {
            return Some(name.to_owned());
        }
        (name == key || words.any(|alias| alias == key)).then(|| number.to_owned())
    })
}
