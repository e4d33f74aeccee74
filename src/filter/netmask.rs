//! `netmask(…)` and `netmask6(…)`: the address of the sender.
//!
//! A message without a sender's address, as from a program of this machine, comes from 127.0.0.1 and from
//! `::1`. An address of the other family is in no net.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use super::{Compiled, FilterOptions, Test, keep};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser, TokenKind};
use crate::message::{FieldName, MessageRef, Rows, Selection};

/// `netmask("10.0.0.0/8")`
#[derive(Debug, Clone, Copy)]
pub struct NetmaskOptions {
    net: Net,
}

/// A net: its address, and the bits of an address that count. Those of IPv4 are the last 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Net {
    address: u128,
    mask: u128,
    is_v6: bool,
}

impl Net {
    /// `A`, `A/bits` or, of IPv4, `A/mask`.
    fn read(text: &str, is_v6: bool) -> Option<Self> {
        let (address, mask) =
            text.split_once('/').map_or((text, None), |(address, mask)| (address, Some(mask)));
        let size = if is_v6 { 128 } else { 32 };
        let all = u128::MAX >> (128 - size);
        let mask = match mask {
            None => all,
            Some(bits) if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let bits = bits.parse::<u32>().ok().filter(|bits| *bits <= size)?;
                all & all.checked_shl(size - bits).unwrap_or(0)
            }
            Some(mask) if !is_v6 => u32::from(mask.parse::<Ipv4Addr>().ok()?).into(),
            Some(_) => return None,
        };
        let address: u128 = if is_v6 {
            address.parse::<Ipv6Addr>().ok()?.into()
        } else {
            u32::from(address.parse::<Ipv4Addr>().ok()?).into()
        };
        Some(Self { address: address & mask, mask, is_v6 })
    }

    /// Tells whether the address `sender` is in it; an empty one is this machine's.
    fn has(self, sender: &[u8]) -> bool {
        let address = if sender.is_empty() {
            if self.is_v6 { Some(Ipv6Addr::LOCALHOST.into()) } else { Some(Ipv4Addr::LOCALHOST.into()) }
        } else {
            std::str::from_utf8(sender).ok().and_then(|sender| sender.parse().ok())
        };
        let address: u128 = match address {
            Some(IpAddr::V4(address)) if !self.is_v6 => u32::from(address).into(),
            Some(IpAddr::V6(address)) if self.is_v6 => address.into(),
            _ => return false,
        };
        address & self.mask == self.address
    }
}

impl FilterOptions for NetmaskOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let is_v6 = head.word == "netmask6";
        let read = read(parser, is_v6);
        if read.is_err() {
            parser.close_parenthesis(head.open);
        }
        read.map(|net| Self { net })
    }

    fn compile(&self, _: &Config) -> Compiled {
        Ok(Arc::new(Netmask(self.net)))
    }
}

fn read(parser: &mut Parser, is_v6: bool) -> Parsed<Net> {
    let text = parser.text_or_number("an address in quotes")?;
    let Some(net) = Net::read(text.value.trim(), is_v6) else {
        let (family, example) =
            if is_v6 { ("IPv6", "netmask6(\"2001:db8::/32\")") } else { ("IPv4", "netmask(\"10.0.0.0/8\")") };
        let message = format!("`{}` is no net of {family}", text.value);
        return Err(parser.report.error(text.span, message, Some(format!("as in {example}"))));
    };
    parser.expect(&TokenKind::RParen)?;
    Ok(net)
}

#[derive(Debug)]
struct Netmask(Net);

fn sender(message: MessageRef<'_>) -> &[u8] {
    message.known(FieldName::SourceIp).unwrap_or_default()
}

impl Test for Netmask {
    fn matches(&self, message: MessageRef<'_>) -> bool {
        self.0.has(sender(message))
    }

    /// Messages that follow each other are mostly of one sender: its address is read once.
    fn select(&self, selection: &Selection, rows: &Rows, _: Instant) -> Rows {
        let mut last: Option<(&[u8], bool)> = None;
        keep(rows, |row| {
            let sender = sender(selection.row(row));
            match last {
                Some((before, is_inside)) if before == sender => is_inside,
                _ => {
                    let is_inside = self.0.has(sender);
                    last = Some((sender, is_inside));
                    is_inside
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: messages of another net pass.
    #[test]
    fn a_net_has_its_addresses() {
        for (net, sender, expected) in [
            ("127.0.0.0/8", "", true),
            ("127.0.0.1", "", true),
            ("127.0.0.0/255.0.0.0", "", true),
            ("10.0.0.0/8", "", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.0/31", "10.0.0.1", true),
            ("10.0.0.0/31", "10.0.0.2", false),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("1.2.3.4", "1.2.3.4", true),
            ("1.2.3.4/32", "1.2.3.5", false),
            ("0.0.0.0/0", "::1", false),
            ("0.0.0.0/0", "::ffff:1.2.3.4", false),
            ("0.0.0.0/0", "nobody", false),
        ] {
            assert_eq!(Net::read(net, false).unwrap().has(sender.as_bytes()), expected, "{net} {sender}");
        }
        for (net, sender, expected) in [
            ("::1", "", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:ffff::", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8::1/128", "2001:db8::2", false),
            ("fe80::/10", "febf::1", true),
        ] {
            assert_eq!(Net::read(net, true).unwrap().has(sender.as_bytes()), expected, "{net} {sender}");
        }
        let wrong = [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/x",
            "10.0.0",
            "host",
            "::1",
            "10.0.0.0/-1",
            "1.2.3.4/8/8",
        ];
        for net in wrong {
            assert_eq!(Net::read(net, false), None, "{net}");
        }
        let wrong = ["10.0.0.0/8", "::/129", "::/", "::/ffff::", "x"];
        for net in wrong {
            assert_eq!(Net::read(net, true), None, "{net}");
        }
    }
}
