//! The PROXY protocol: bytes that come one by one give the header that they would give at once, and that of a
//! slow twin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use inrush::transport::proxy::{Answer, Header, MAX_LEN, read, read_datagram};

/// Reads `data`, the start of a connection.
pub fn run(data: &[u8]) {
    let expected = twin(data);
    match read(data) {
        Ok(Answer::Incomplete) => {
            assert_eq!(expected, Twin::Begun);
            assert!(data.len() < MAX_LEN, "a buffer that grows without an answer");
        }
        Ok(Answer::Complete { header, consumed }) => assert_eq!(expected, Twin::Header(header, consumed)),
        Err(_) => assert_eq!(expected, Twin::Bad),
    }
    // The first answer that is not "more" is the last one, whatever comes after.
    let steps = data.len().min(MAX_LEN);
    if let Some((len, first)) =
        (0..=steps).map(|len| (len, read(&data[..len]))).find(|(_, answer)| *answer != Ok(Answer::Incomplete))
    {
        match (first, read(data)) {
            (Ok(first), all) => {
                assert_eq!(all, Ok(first));
                let Answer::Complete { consumed, .. } = first else { unreachable!() };
                assert_eq!(consumed, len, "it is known with its last byte");
            }
            (Err(_), all) => assert!(all.is_err()),
        }
    }
    if let Ok((header, consumed)) = read_datagram(data) {
        assert_eq!(read(data), Ok(Answer::Complete { header, consumed }));
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Twin {
    Begun,
    Header(Header, usize),
    Bad,
}

fn twin(data: &[u8]) -> Twin {
    if b"PROXY ".starts_with(data) || b"\r\n\r\n\0\r\nQUIT\n".starts_with(data) {
        return Twin::Begun;
    }
    if data.starts_with(b"PROXY ") { text(data) } else { binary(data).unwrap_or(Twin::Bad) }
}

fn text(data: &[u8]) -> Twin {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
        return if data.len() < 107 { Twin::Begun } else { Twin::Bad };
    };
    let mut line = data[..end].to_vec();
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    let Ok(line) = String::from_utf8(line) else { return Twin::Bad };
    if line.len() > 105 || end > 106 {
        return Twin::Bad;
    }
    let words: Vec<&str> = line.split(' ').collect();
    if words[1] == "UNKNOWN" {
        return Twin::Header(Header::Local, end + 1);
    }
    if words.len() != 6 || words[4].contains('+') || words[5].contains('+') {
        return Twin::Bad;
    }
    let ip = |text: &str| match words[1] {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => None,
    };
    match (ip(words[2]), ip(words[3]), words[4].parse::<u16>(), words[5].parse::<u16>()) {
        (Some(from), Some(to), Ok(source), Ok(destination)) => Twin::Header(
            Header::Proxied {
                source: SocketAddr::new(from, source),
                destination: SocketAddr::new(to, destination),
            },
            end + 1,
        ),
        _ => Twin::Bad,
    }
}

/// `None` for what is no header.
fn binary(data: &[u8]) -> Option<Twin> {
    if !data.starts_with(b"\r\n\r\n\0\r\nQUIT\n") {
        return None;
    }
    if data.len() < 16 {
        return Some(Twin::Begun);
    }
    let end = 16 + usize::from(data[14]) * 256 + usize::from(data[15]);
    let is_proxy = match data[12] {
        0x20 => false,
        0x21 => true,
        _ => return None,
    };
    if end > 1500 || is_proxy && (data[13] / 16 > 2 || data[13] % 16 > 2) {
        return None;
    }
    if data.len() < end {
        return Some(Twin::Begun);
    }
    if !is_proxy || data[13] / 16 == 0 {
        return Some(Twin::Header(Header::Local, end));
    }
    let size = if data[13] / 16 == 1 { 4 } else { 16 };
    let mut left = data[16..end].to_vec();
    let mut take = |count: usize| (left.len() >= count).then(|| left.drain(..count).collect::<Vec<u8>>());
    let ip = |bytes: Vec<u8>| match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).unwrap()),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap()),
    };
    let (from, to) = (ip(take(size)?), ip(take(size)?));
    let ports = take(4)?;
    let port = |at: usize| u16::from(ports[at]) * 256 + u16::from(ports[at + 1]);
    let header =
        Header::Proxied { source: SocketAddr::new(from, port(0)), destination: SocketAddr::new(to, port(2)) };
    while !left.is_empty() {
        let mut take = |count: usize| (left.len() >= count).then(|| left.drain(..count).collect::<Vec<u8>>());
        let head = take(3)?;
        take(usize::from(head[1]) * 256 + usize::from(head[2]))?;
    }
    Some(Twin::Header(header, end))
}
