//! The hosts file (`hosts(5)`): [`HostsFile`].
//!
//! ```text
//! # a comment
//! 192.0.2.7     web.example.org  web www     # the first name is the name, the others are aliases
//! 2001:db8::7   web.example.org
//! ```
//!
//! The first line that has an address names it, as for the system's resolver. An IPv4 address mapped into
//! IPv6 is that IPv4 address. A line that is none of this is reported by its number, and the others hold.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use hashbrown::HashMap;

/// The names in a hosts file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The name of each address.
    pub(super) names: HashMap<IpAddr, String>,
    /// The numbers of the lines that could not be read, counted from 1.
    pub(super) bad_lines: Vec<usize>,
}

/// A hosts file that is read again whenever it is another one than before.
#[derive(Debug)]
pub(super) struct HostsFile {
    path: PathBuf,
    read: Option<Version>,
}

/// The version of a file: what differs when it was written to or replaced.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl HostsFile {
    /// The file at `path`, not yet read.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: None }
    }

    /// Its path.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The names in it now, or `None` when it is the one that was read last.
    ///
    /// # Errors
    /// When it cannot be read. The next call tries again.
    pub(super) fn read_if_changed(&mut self) -> io::Result<Option<Table>> {
        let found = fs::metadata(&self.path)?;
        if !found.is_file() {
            // Opening a pipe would wait for somebody to write to it.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if self.read.as_ref() == Some(&Version::of(&found)) {
            return Ok(None);
        }
        let mut file = File::open(&self.path)?;
        // Taken before the content: what is written meanwhile is another version, and is read next time.
        let version = Version::of(&file.metadata()?);
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        self.read = Some(version);
        Ok(Some(parse(&String::from_utf8_lossy(&content))))
    }
}

/// Reads the text of a hosts file.
pub(super) fn parse(text: &str) -> Table {
    let mut table = Table::default();
    for (index, line) in text.lines().enumerate() {
        let content = line.split_once('#').map_or(line, |(before, _)| before);
        let mut words = content.split_whitespace();
        let Some(address) = words.next() else { continue };
        match (address.parse::<IpAddr>(), words.next()) {
            (Ok(ip), Some(name)) if is_host_name(name) => {
                table.names.entry(ip.to_canonical()).or_insert_with(|| name.to_owned());
            }
            // An address of one interface only (RFC 4007, section 11): senders are told apart without it.
            (Err(_), Some(_)) if is_zoned(address) => {}
            _ => table.bad_lines.push(index + 1),
        }
    }
    table
}

fn is_zoned(address: &str) -> bool {
    address.split_once('%').is_some_and(|(ip, zone)| ip.parse::<IpAddr>().is_ok() && !zone.is_empty())
}

/// True when `name` can stand for a host: 1 to 255 bytes without spaces and control characters, and no
/// address.
///
/// Whoever owns an address decides what the reverse zone answers. With an address as the answer, a sender
/// could pass for another one.
pub(super) fn is_host_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.chars().any(|c| c.is_whitespace() || c.is_control())
        && name.parse::<IpAddr>().is_err()
        && !is_zoned(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(table: &Table, ip: &str) -> Option<String> {
        table.names.get(&ip.parse::<IpAddr>().unwrap()).cloned()
    }

    /// Breaks without it: a host has another name than other programs read from the hosts file.
    #[test]
    fn the_first_name_of_the_first_line_counts() {
        let table = parse(
            "127.0.0.1\tlocalhost\n\
             \n\
             # 192.0.2.1 commented\n\
             192.0.2.2   web.example.org web www # 192.0.2.3 not\r\n\
             \t 2001:DB8::7 six\n\
             192.0.2.2 second\n\
             ::ffff:192.0.2.4 mapped\n\
             fe80::1%lo0 zoned\n\
             192.0.2.5 last#comment",
        );
        assert!(table.bad_lines.is_empty());
        assert_eq!(table.names.len(), 5);
        for (ip, expected) in [
            ("127.0.0.1", "localhost"),
            ("192.0.2.2", "web.example.org"),
            ("2001:db8:0::7", "six"),
            ("192.0.2.4", "mapped"),
            ("192.0.2.5", "last"),
        ] {
            assert_eq!(name(&table, ip).as_deref(), Some(expected), "{ip}");
        }
    }

    /// Breaks without it: one bad line makes all names of the hosts file unknown.
    #[test]
    fn bad_lines_are_counted_and_the_others_hold() {
        let table =
            parse("192.0.2.1\nhost 192.0.2.2\n192.0.2.256 x\n192.0.2.3 192.0.2.4\n192.0.2.5 good\n%x y\n");
        assert_eq!(table.bad_lines, [1, 2, 3, 4, 6]);
        assert_eq!(table.names.len(), 1);
        assert_eq!(name(&table, "192.0.2.5").as_deref(), Some("good"));
    }

    /// Breaks without it: a sender whose reverse zone says an address passes for another host.
    #[test]
    fn a_name_is_no_address_and_has_no_spaces() {
        for good in ["a", "web.example.org", "under_score", "10.0.0.1.example.org", "bücher"] {
            assert!(is_host_name(good), "{good}");
        }
        let long = "a".repeat(256);
        for bad in ["", "10.0.0.1", "::1", "fe80::1%eth0", "a b", "a\nb", "a\0", &long] {
            assert!(!is_host_name(bad), "{bad:?}");
        }
    }

    /// Breaks without it: each message reads the hosts file, or a change of it is never seen.
    #[test]
    fn the_file_is_read_once_for_each_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        let mut hosts = HostsFile::new(path.clone());
        assert_eq!(hosts.read_if_changed().unwrap_err().kind(), io::ErrorKind::NotFound);

        fs::write(&path, "192.0.2.1 one\n").unwrap();
        assert_eq!(name(&hosts.read_if_changed().unwrap().unwrap(), "192.0.2.1").as_deref(), Some("one"));
        assert_eq!(hosts.read_if_changed().unwrap(), None);

        fs::write(&path, "192.0.2.1 three\n").unwrap();
        assert_eq!(name(&hosts.read_if_changed().unwrap().unwrap(), "192.0.2.1").as_deref(), Some("three"));

        // The same size, perhaps in the same tick of the clock: another file all the same.
        let other = folder.path().join("other");
        fs::write(&other, "192.0.2.1 seven\n").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(name(&hosts.read_if_changed().unwrap().unwrap(), "192.0.2.1").as_deref(), Some("seven"));

        assert!(
            HostsFile::new(folder.path().to_owned()).read_if_changed().is_err(),
            "a folder is no hosts file"
        );
    }

    proptest! {
        /// Each line, whatever a file holds, is a name, a comment, or counted as bad; and every name is one.
        #[test]
        fn no_text_breaks_it(text in "([0-9a-f:.%# \t\r\n]|[a-z]{1,3}|192\\.0\\.2\\.[0-9]){0,60}") {
            let table = parse(&text);
            prop_assert!(table.names.values().all(|name| is_host_name(name)));
            prop_assert!(table.names.len() + table.bad_lines.len() <= text.lines().count());
        }
    }
}
