//! The PROXY protocol, 1 and 2: who is behind a proxy (`proxy-protocol.txt` of `HAProxy`).
//!
//! ```text
//! 1   PROXY TCP4 192.0.2.1 192.0.2.2 56324 514\r\n            §2.1: at most 107 bytes
//!     PROXY UNKNOWN …\r\n                                     the proxy's own, or it does not know
//! 2   \r\n\r\n\0\r\nQUIT\n                                    §2.2: 12 bytes
//!     version 2 and LOCAL (0) or PROXY (1)                    4 bits each
//!     family and protocol                                     4 bits each
//!     length of what follows                                  2 bytes
//!     addresses: 12 bytes (IPv4), 36 (IPv6)                   source, destination, their ports
//!     type, length, value; …                                  1 byte, 2 bytes, the value
//! ```
//!
//! [`read`] is asked again with the same bytes and more of them, until it has an answer. It needs to see no
//! more than [`MAX_LEN`] bytes for one. A line may end with a line feed alone.
//!
//! What the header says is believed, so it must come from a proxy: sources have a list of them. A connection
//! of which it says `UNKNOWN` or `LOCAL` is its proxy's, which is the sender then.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most bytes of a header.
pub const MAX_LEN: usize = 1500;
/// The most bytes of a line of version 1, without its end.
const MAX_LINE: usize = 105;
/// The start of a header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The bytes of a header of version 2 before its addresses.
const FIXED: usize = 16;

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// A connection that the proxy hands on.
    Proxied {
        /// The sender.
        source: SocketAddr,
        /// The address that the sender has connected to.
        destination: SocketAddr,
    },
    /// A connection whose sender is the proxy itself, or is not known.
    Local,
}

/// The reason why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHeader {
    /// The bytes are not the start of one.
    None,
    /// It is longer than a header may be.
    TooLong,
    /// A line of version 1 has not the parts that it should have.
    Line,
    /// A text that is no address of the family that is named.
    Address,
    /// A text that is no port.
    Port,
    /// A version other than 2 after the signature.
    Version,
    /// A command other than LOCAL and PROXY.
    Command,
    /// A family of addresses, or a protocol, that no sender of logs has.
    Family,
    /// It is too short for the addresses of its family.
    TooShort,
    /// A value behind the addresses goes beyond the end.
    Value,
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "it does not begin with a header",
            Self::TooLong => "the header is too long",
            Self::Line => "the header is not as in PROXY TCP4 192.0.2.1 192.0.2.2 56324 514",
            Self::Address => "an address in the header is none of its family",
            Self::Port => "a port in the header is none",
            Self::Version => "the header has another version than 1 and 2",
            Self::Command => "the header has another command than LOCAL and PROXY",
            Self::Family => "the header has a family of addresses that is not taken here",
            Self::TooShort => "the header is too short for its addresses",
            Self::Value => "a value in the header goes beyond its end",
        })
    }
}

/// The answer to the bytes that have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The start of a header, whose rest has not come.
    Incomplete,
    /// A header.
    Complete {
        /// What it says.
        header: Header,
        /// Its bytes: what the sender has sent begins after them.
        consumed: usize,
    },
}

/// Reads the header at the start of a connection, of which `bytes` has come so far.
///
/// ```
/// use inrush::transport::proxy::{Answer, Header, read};
/// let bytes = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 514\r\n<13>hello\n";
/// let Ok(Answer::Complete { header: Header::Proxied { source, .. }, consumed }) = read(bytes) else { panic!() };
/// assert_eq!((source.to_string().as_str(), &bytes[consumed..]), ("192.0.2.1:56324", &b"<13>hello\n"[..]));
/// assert_eq!(read(&bytes[..20]), Ok(Answer::Incomplete));
/// ```
///
/// # Errors
/// There is none, or a broken one: nobody can say where the sender's own bytes begin.
pub fn read(bytes: &[u8]) -> Result<Answer, BadHeader> {
    const TEXT: &[u8] = b"PROXY ";
    if starts(bytes, TEXT) {
        return if bytes.len() < TEXT.len() { Ok(Answer::Incomplete) } else { line(bytes) };
    }
    read_binary(bytes)
}

/// Reads the header of a datagram, which is whole, and always of version 2.
///
/// # Errors
/// There is none, or a broken one.
pub fn read_datagram(bytes: &[u8]) -> Result<(Header, usize), BadHeader> {
    match read_binary(bytes)? {
        Answer::Complete { header, consumed } => Ok((header, consumed)),
        Answer::Incomplete => Err(BadHeader::TooShort),
    }
}

/// Tells whether `bytes` start with `start`, or are the start of it.
fn starts(bytes: &[u8], start: &[u8]) -> bool {
    let len = bytes.len().min(start.len());
    bytes[..len] == start[..len]
}

/// A header of version 1.
fn line(bytes: &[u8]) -> Result<Answer, BadHeader> {
    let Some(end) = memchr::memchr(b'\n', &bytes[..bytes.len().min(MAX_LINE + 2)]) else {
        return if bytes.len() < MAX_LINE + 2 { Ok(Answer::Incomplete) } else { Err(BadHeader::TooLong) };
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    if line.len() > MAX_LINE {
        return Err(BadHeader::TooLong);
    }
    let line = std::str::from_utf8(line).map_err(|_| BadHeader::Line)?;
    let mut parts = line.split(' ').skip(1);
    let mut part = || parts.next().ok_or(BadHeader::Line);
    let is_v6 = match part()? {
        "TCP4" => false,
        "TCP6" => true,
        "UNKNOWN" => return Ok(Answer::Complete { header: Header::Local, consumed: end + 1 }),
        _ => return Err(BadHeader::Line),
    };
    let (from, to) = (address(part()?, is_v6)?, address(part()?, is_v6)?);
    let (source, destination) = (port(part()?)?, port(part()?)?);
    if parts.next().is_some() {
        return Err(BadHeader::Line);
    }
    let header = Header::Proxied {
        source: SocketAddr::new(from, source),
        destination: SocketAddr::new(to, destination),
    };
    Ok(Answer::Complete { header, consumed: end + 1 })
}

fn address(text: &str, is_v6: bool) -> Result<IpAddr, BadHeader> {
    let address = if is_v6 {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    };
    address.ok_or(BadHeader::Address)
}

fn port(text: &str) -> Result<u16, BadHeader> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(BadHeader::Port)
}

/// A header of version 2.
fn read_binary(bytes: &[u8]) -> Result<Answer, BadHeader> {
    if !starts(bytes, SIGNATURE) {
        return Err(BadHeader::None);
    }
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(Answer::Incomplete) };
    let (command, family, protocol) = (fixed[12] & 0xf, fixed[13] >> 4, fixed[13] & 0xf);
    let len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if fixed[12] >> 4 != 2 {
        return Err(BadHeader::Version);
    }
    if command > 1 {
        return Err(BadHeader::Command);
    }
    // 3 is that of unix sockets; protocols are none, streams, datagrams.
    if command == 1 && (family > 2 || protocol > 2) {
        return Err(BadHeader::Family);
    }
    if FIXED + len > MAX_LEN {
        return Err(BadHeader::TooLong);
    }
    let Some(content) = rest.get(..len) else { return Ok(Answer::Incomplete) };
    let header = match (command, family) {
        (0, _) | (_, 0) => Header::Local,
        (_, 1) => proxied::<4>(content)?,
        _ => proxied::<16>(content)?,
    };
    Ok(Answer::Complete { header, consumed: FIXED + len })
}

/// Addresses of `N` bytes, their ports, and the values behind them, of which nothing is used.
fn proxied<const N: usize>(content: &[u8]) -> Result<Header, BadHeader>
where
    IpAddr: From<[u8; N]>,
{
    let (from, rest) = content.split_first_chunk::<N>().ok_or(BadHeader::TooShort)?;
    let (to, rest) = rest.split_first_chunk::<N>().ok_or(BadHeader::TooShort)?;
    let ([a, b, c, d], mut values) = rest.split_first_chunk::<4>().ok_or(BadHeader::TooShort)?;
    while let [_, high, low, rest @ ..] = values {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        values = rest.get(len..).ok_or(BadHeader::Value)?;
    }
    if !values.is_empty() {
        return Err(BadHeader::Value);
    }
    let socket = |ip: [u8; N], port| SocketAddr::new(IpAddr::from(ip), u16::from_be_bytes(port));
    Ok(Header::Proxied { source: socket(*from, [*a, *b]), destination: socket(*to, [*c, *d]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(source: &str, destination: &str) -> Header {
        Header::Proxied { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    /// The header and what follows it, read byte by byte.
    fn of_stream(bytes: &[u8]) -> Result<(Header, &[u8]), BadHeader> {
        for len in 0..=bytes.len() {
            match read(&bytes[..len])? {
                Answer::Incomplete => assert!(len < MAX_LEN, "it waits for ever"),
                Answer::Complete { header, consumed } => {
                    assert_eq!(consumed, len, "it is known with its last byte");
                    return Ok((header, &bytes[consumed..]));
                }
            }
        }
        panic!("incomplete: {}", bytes.escape_ascii())
    }

    fn binary(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend((content.len() as u16).to_be_bytes());
        bytes.extend(content);
        bytes
    }

    const V4: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187];

    /// Without it: messages through a proxy are said to come from somebody else.
    #[test]
    fn lines_are_read() {
        let (local, four) = (Header::Local, proxied("10.1.2.3:1111", "10.9.9.9:2222"));
        let six = proxied("[2001:db8::1]:65535", "[::1]:0");
        for (text, expected) in [
            ("PROXY TCP4 10.1.2.3 10.9.9.9 1111 2222\r\n", four),
            ("PROXY TCP4 10.1.2.3 10.9.9.9 1111 2222\n", four),
            ("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", six),
            ("PROXY UNKNOWN\r\n", local),
            ("PROXY UNKNOWN ffff::1 whatever 1 2 3\r\n", local),
        ] {
            let stream = format!("{text}<13>m\n");
            assert_eq!(of_stream(stream.as_bytes()), Ok((expected, &b"<13>m\n"[..])), "{text:?}");
        }
    }

    /// Without it: a sender that is no proxy says who it is, or a broken header is taken for a message.
    #[test]
    fn broken_lines_are_refused() {
        for (text, expected) in [
            ("<13>no header\n", BadHeader::None),
            ("\r\nx", BadHeader::None),
            ("PROXX", BadHeader::None),
            ("PROXY \r\n", BadHeader::Line),
            ("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", BadHeader::Line),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", BadHeader::Line),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", BadHeader::Line),
            ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", BadHeader::Line),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", BadHeader::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n", BadHeader::Address),
            ("PROXY TCP4 ::1 ::1 1 2\r\n", BadHeader::Address),
            ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", BadHeader::Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", BadHeader::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", BadHeader::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n", BadHeader::Port),
        ] {
            assert_eq!(of_stream(text.as_bytes()), Err(expected), "{text:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(91));
        assert_eq!(long.len(), MAX_LINE);
        assert_eq!(of_stream(format!("{long}\r\n").as_bytes()), Ok((Header::Local, &b""[..])));
        assert_eq!(of_stream(format!("{long}x\r\n").as_bytes()), Err(BadHeader::TooLong));
        assert_eq!(of_stream(format!("{long}x\n").as_bytes()), Err(BadHeader::TooLong));
        assert_eq!(of_stream(format!("{long}{long}").as_bytes()), Err(BadHeader::TooLong));
    }

    /// Without it: the same of version 2; a length that lies makes a message of what is none.
    #[test]
    fn binary_headers_are_read() {
        let four = proxied("1.2.3.4:80", "5.6.7.8:443");
        let with = |tail: &[u8]| [V4, tail].concat();
        let six = [&[0x20, 1, 0xd, 0xb8], &[0; 11][..], &[1], &[0; 15], &[1, 0, 80, 1, 187]].concat();
        for (bytes, expected) in [
            (binary(1, 0x11, V4), Ok(four)),
            (binary(1, 0x12, V4), Ok(four)),
            (binary(1, 0x11, &with(&[4, 0, 2, 9, 9, 1, 0, 0])), Ok(four)),
            (binary(1, 0x21, &six), Ok(proxied("[2001:db8::1]:80", "[::1]:443"))),
            (binary(1, 0x00, b"anything"), Ok(Header::Local)),
            (binary(0, 0x11, &[]), Ok(Header::Local)),
            (binary(0, 0x31, &[7; 216]), Ok(Header::Local)),
            (binary(1, 0x11, &V4[..11]), Err(BadHeader::TooShort)),
            (binary(1, 0x21, V4), Err(BadHeader::TooShort)),
            (binary(1, 0x11, &with(&[4, 0, 3, 9, 9])), Err(BadHeader::Value)),
            (binary(1, 0x11, &with(&[4, 0])), Err(BadHeader::Value)),
            (binary(1, 0x31, &[7; 216]), Err(BadHeader::Family)),
            (binary(1, 0x13, V4), Err(BadHeader::Family)),
            (binary(2, 0x11, V4), Err(BadHeader::Command)),
            (binary(0x10, 0x11, V4), Err(BadHeader::Version)),
            (binary(1, 0x11, &[0; 2000]), Err(BadHeader::TooLong)),
            (binary(1, 0x11, &[0; 1485]), Err(BadHeader::TooLong)),
        ] {
            let stream = [&bytes[..], b"<13>m"].concat();
            assert_eq!(of_stream(&stream), expected.map(|header| (header, &b"<13>m"[..])), "{bytes:?}");
            assert_eq!(read_datagram(&stream), expected.map(|header| (header, bytes.len())), "{bytes:?}");
        }
        let longest = binary(1, 0x11, &with(&[&[4, 0x05, 0xbd][..], &[0; 1469]].concat()));
        assert_eq!((longest.len(), of_stream(&longest)), (MAX_LEN, Ok((four, &b""[..]))));
        assert_eq!(read_datagram(&binary(1, 0x11, V4)[..27]), Err(BadHeader::TooShort));
        assert_eq!(read_datagram(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), Err(BadHeader::None));
    }

    /// Without it: an answer changes when more bytes come.
    #[test]
    fn more_bytes_change_nothing() {
        for bytes in [binary(1, 0x11, V4), b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n".to_vec()] {
            let known = read(&bytes);
            for more in [&b"\n"[..], b"\r\nPROXY ", &[0; 2000]] {
                assert_eq!(read(&[&bytes, more].concat()), known);
            }
        }
    }
}
