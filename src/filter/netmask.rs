//! `netmask(…)` and `netmask6(…)`: the address of the sender.
//!
//! A message without a sender's address, as from a program of this machine, comes from 127.0.0.1 and from
//! `::1`. An address of the other family is in no net.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Compiled, FilterOptions, Test, keep};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser, TokenKind};
use crate::message::{FieldName, MessageRef, Rows, Selection};
use crate::template::Moment;
use crate::transport::net::Net;

/// `netmask("10.0.0.0/8")`
#[derive(Debug, Clone, Copy)]
pub struct NetmaskOptions {
    net: Net,
    is_v6: bool,
}

impl FilterOptions for NetmaskOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let is_v6 = head.word == "netmask6";
        let read = read(parser, is_v6);
        if read.is_err() {
            parser.close_parenthesis(head.open);
        }
        read.map(|net| Self { net, is_v6 })
    }

    fn compile(&self, _: &Config) -> Compiled {
        Ok(Arc::new(Netmask { net: self.net, is_v6: self.is_v6 }))
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
struct Netmask {
    net: Net,
    is_v6: bool,
}

fn sender(message: MessageRef<'_>) -> &[u8] {
    message.known(FieldName::SourceIp).unwrap_or_default()
}

/// Tells whether the address `sender` is in `net`; an empty one is this machine's.
fn has(net: Net, is_v6: bool, sender: &[u8]) -> bool {
    let address = if sender.is_empty() {
        Some(if is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() })
    } else {
        std::str::from_utf8(sender).ok().and_then(|sender| sender.parse().ok())
    };
    address.is_some_and(|address| net.has(address))
}

impl Test for Netmask {
    fn matches(&self, message: MessageRef<'_>, _: Moment) -> bool {
        has(self.net, self.is_v6, sender(message))
    }

    /// Messages that follow each other are mostly of one sender: its address is read once.
    fn select(&self, selection: &Selection, rows: &Rows, _: Moment) -> Rows {
        let mut last: Option<(&[u8], bool)> = None;
        keep(rows, |row| {
            let sender = sender(selection.row(row));
            match last {
                Some((before, is_inside)) if before == sender => is_inside,
                _ => {
                    let is_inside = has(self.net, self.is_v6, sender);
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
            assert_eq!(
                has(Net::read(net, false).unwrap(), false, sender.as_bytes()),
                expected,
                "{net} {sender}"
            );
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
            assert_eq!(
                has(Net::read(net, true).unwrap(), true, sender.as_bytes()),
                expected,
                "{net} {sender}"
            );
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
