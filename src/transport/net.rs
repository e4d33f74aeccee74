//! Nets of addresses: [`Net`], and lists of them ([`Nets`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::grammar::{Parsed, Parser, TokenKind};

/// A net: its address, and the bits of an address that count. Those of IPv4 are the last 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net {
    address: u128,
    mask: u128,
    is_v6: bool,
}

impl Net {
    /// `A`, `A/bits` or, of IPv4, `A/mask`.
    pub(crate) fn read(text: &str, is_v6: bool) -> Option<Self> {
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

    /// Tells whether `address` is in it. One of the other family is in no net.
    pub(crate) fn has(self, address: IpAddr) -> bool {
        let address: u128 = match address {
            IpAddr::V4(address) if !self.is_v6 => u32::from(address).into(),
            IpAddr::V6(address) if self.is_v6 => address.into(),
            _ => return false,
        };
        address & self.mask == self.address
    }
}

/// A list of nets, of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Nets(Vec<Net>);

impl Nets {
    /// Reads the nets that are the value of an option, as in `proxy-from("10.0.0.0/8" "::1")`.
    pub(crate) fn read(parser: &mut Parser) -> Parsed<Self> {
        let mut nets = Vec::new();
        while !parser.sees(&TokenKind::RParen) {
            let text = parser.text_or_number("an address or a net, in quotes")?;
            let written = text.value.trim();
            let Some(net) = Net::read(written, written.contains(':')) else {
                let message = format!("`{written}` is no net");
                let help = "as in \"10.0.0.0/8\" or \"2001:db8::/32\"".to_owned();
                return Err(parser.report.error(text.span, message, Some(help)));
            };
            nets.push(net);
        }
        Ok(Self(nets))
    }

    /// Tells whether `address` is in one of them. An address of IPv4 that came by a socket of IPv6 is one of
    /// IPv4.
    pub(crate) fn have(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.has(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it: somebody who is no proxy says for whom he speaks, or a proxy may not.
    #[test]
    fn a_list_has_the_addresses_of_its_nets() {
        let net = |text: &str| Net::read(text, text.contains(':')).unwrap();
        let nets = Nets(vec![net("10.0.0.0/8"), net("::1"), net("2001:db8::/32")]);
        for (address, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:11.1.2.3", false),
            ("::1", true),
            ("::2", false),
            ("2001:db8:1::", true),
        ] {
            assert_eq!(nets.have(address.parse().unwrap()), expected, "{address}");
        }
        assert!(!Nets::default().have(Ipv4Addr::LOCALHOST.into()));
    }
}
