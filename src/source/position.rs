//! A place in a file that is followed: [`Position`], and how the state file has it: [`Stored`].
//!
//! ```text
//!  offset=1180 inode=264502 device=2049 head=1024:4f31c6d2a0b97e15 then=264507:2049,264511:2049
//!         │           └──────────┴── which file            │    └── xxh3 of so many bytes
//!         └── the first byte that is not acknowledged      └── of the file's first bytes
//! ```
//!
//! Behind `then` are the files that were read after it, in their order, when there are some: it was renamed
//! meanwhile, and perhaps the one after it, too, and nothing of them is acknowledged.
//!
//! The head tells a file from another one that has its inode or its name: a log that was truncated and has
//! grown again, or a new one that got the inode of one that was removed.

use std::fmt;

use twox_hash::XxHash3_64;

/// The most bytes of a file's head that are compared.
pub(crate) const HEAD: usize = 1024;

/// The first bytes of a file, as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Head {
    /// The number of bytes.
    pub(crate) len: u32,
    hash: u64,
}

impl Head {
    /// That of a file which begins with `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(HEAD)];
        Self { len: bytes.len() as u32, hash: XxHash3_64::oneshot(bytes) }
    }
}

/// The identity of a file on this machine, as long as nobody removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Inode {
    /// Its number.
    pub(crate) number: u64,
    /// The number of the device that has it.
    pub(crate) device: u64,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// The bytes before it.
    pub(crate) offset: u64,
    /// The file.
    pub(crate) inode: Inode,
    /// Its first bytes, as far as they were read.
    pub(crate) head: Head,
}

impl Position {
    /// The place so many bytes after this one.
    pub(crate) fn after(self, bytes: u64) -> Self {
        Self { offset: self.offset + bytes, ..self }
    }
}

/// A place in a file, as the state has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stored {
    /// The place of the first byte that is not acknowledged.
    pub(crate) position: Position,
    /// The files that were read after this one.
    pub(crate) then: Vec<Inode>,
}

impl Stored {
    /// Reads what [`fmt::Display`] writes; `None` for anything else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut words = text.split(' ');
        let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let offset = decimal(value("offset")?)?;
        let inode = Inode { number: decimal(value("inode")?)?, device: decimal(value("device")?)? };
        let (len, hash) = value("head")?.split_once(':')?;
        let len = u32::try_from(decimal(len)?).ok().filter(|len| *len as usize <= HEAD)?;
        let is_hash = hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
        let hash = u64::from_str_radix(hash, 16).ok().filter(|_| is_hash)?;
        let then = match words.next() {
            None => Vec::new(),
            Some(word) => {
                let inode = |text: &str| {
                    let (number, device) = text.split_once(':')?;
                    Some(Inode { number: decimal(number)?, device: decimal(device)? })
                };
                word.strip_prefix("then=")?.split(',').map(inode).collect::<Option<_>>()?
            }
        };
        let position = Position { offset, inode, head: Head { len, hash } };
        words.next().is_none().then_some(Self { position, then })
    }
}

/// Reads a stored position, and writes it again; `None` for what is none.
pub fn stored_position(text: &[u8]) -> Option<String> {
    Stored::parse(text).map(|stored| stored.to_string())
}

/// A number without a sign or spaces.
fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Stored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { offset, inode: Inode { number, device }, head: Head { len, hash } } = self.position;
        write!(out, "offset={offset} inode={number} device={device} head={len}:{hash:016x}")?;
        for (index, Inode { number, device }) in self.then.iter().enumerate() {
            let before = if index == 0 { " then=" } else { "," };
            write!(out, "{before}{number}:{device}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Breaks without it: after a restart a file is read from another place.
        #[test]
        fn a_position_comes_back(offset: u64, number: u64, device: u64, head: Vec<u8>, then: Vec<(u64, u64)>) {
            let position = Position { offset, inode: Inode { number, device }, head: Head::of(&head) };
            let then = then.into_iter().map(|(number, device)| Inode { number, device }).collect();
            let stored = Stored { position, then };
            prop_assert_eq!(Stored::parse(stored.to_string().as_bytes()), Some(stored));
        }

        /// Breaks without it: a damaged state file ends the engine, or is read as another place than the one
        /// it would be written as.
        #[test]
        fn anything_else_is_refused(
            text in "(offset=[0-9+ ]{0,22} inode=[0-9]{1,3} device=[0-9]{1,3} head=[0-9]{0,5}:[0-9a-fA-F]{15,17}( then=[0-9:,]{0,9})?|.*)"
        ) {
            if let Some(stored) = Stored::parse(text.as_bytes()) {
                prop_assert_eq!(Stored::parse(stored.to_string().as_bytes()), Some(stored));
            }
        }
    }

    /// Breaks without it: a number that is too large, a head that no file has, or a text that was cut is
    /// taken for a position.
    #[test]
    fn positions_that_cannot_be() {
        let good = "offset=1 inode=2 device=3 head=4:00000000000000ff";
        assert!(Stored::parse(good.as_bytes()).is_some());
        for bad in [
            "",
            "offset=1",
            "offset=-1 inode=2 device=3 head=4:00000000000000ff",
            "offset=+1 inode=2 device=3 head=4:00000000000000ff",
            "offset= inode=2 device=3 head=4:00000000000000ff",
            "offset=99999999999999999999 inode=2 device=3 head=4:00000000000000ff",
            "offset=1 inode=2 device=3 head=1025:00000000000000ff",
            "offset=1 inode=2 device=3 head=4:+0000000000000ff",
            "offset=1 inode=2 device=3 head=4:ff",
            "offset=1 inode=2 device=3 head=4:00000000000000ff then=",
            "offset=1 inode=2 device=3 head=4:00000000000000ff then=1:2,",
            "offset=1 inode=2 device=3 head=4:00000000000000ff ",
            "inode=2 offset=1 device=3 head=4:00000000000000ff",
        ] {
            assert_eq!(Stored::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Stored::parse(&[0xff]), None);
    }
}
