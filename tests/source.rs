//! A source's options, from the configuration's text to what a reader of its batches sees.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::message::batch::Text;
use inrush::message::{FieldName, Need, Pool, ReleaseNow, Stamp, ValueType, Writer};
use inrush::source::{HostNames, NameOptions, Outside, PythonSourceOptions, SourcePolicy};

/// A network of two hosts, and the local one, whose name is `Collector.Example.org`.
#[derive(Debug)]
struct Network(HashMap<IpAddr, &'static str>);

impl Outside for Network {
    fn node_name(&self) -> String {
        "Collector.Example.org".to_owned()
    }

    fn canonical_name(&self, _: &str) -> Option<String> {
        None
    }

    fn name_of(&self, ip: IpAddr) -> Option<String> {
        self.0.get(&ip).map(ToString::to_string)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

fn network() -> Arc<dyn Outside> {
    let hosts = [("192.0.2.1", "Web.Example.org"), ("2001:db8::2", "mail.example.org")];
    Arc::new(Network(hosts.into_iter().map(|(ip, name)| (ip.parse().unwrap(), name)).collect()))
}

struct Source {
    names: HostNames,
    policy: SourcePolicy,
}

impl Source {
    /// `options { GLOBAL }; source s_net { python(class(A) OWN); };`
    fn new(global: &str, own: &str) -> Self {
        let text = format!("options {{ {global} }}; source s_net {{ python(class(A) {own}); }};");
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        let python = config.sources["s_net"].drivers()[0].options::<PythonSourceOptions>().expect("python()");
        let names = HostNames::new(NameOptions::new(&config.options, &python.source), network());
        let policy = SourcePolicy::new("s_net", names.local(), &config.options, &python.source);
        Self { names, policy }
    }

    /// Posts a message with `fields` from `sender`, and gives what a reader sees of `asked`.
    fn post(
        &self,
        fields: &[(FieldName, &str)],
        sender: Option<&str>,
        asked: &[FieldName],
    ) -> Vec<Option<String>> {
        let sender = sender.map(|ip| {
            let ip = ip.parse().unwrap();
            self.names.cached(ip).unwrap_or_else(|| self.names.look_up(ip))
        });
        let own = fields.iter().find(|(id, _)| *id == FieldName::Host).map(|(_, value)| value.as_bytes());
        let hosts = self.policy.hosts(own, sender.as_deref());

        let origin = Arc::new(self.policy.origin(0, Arc::new(ReleaseNow)));
        let mut writer = Writer::open(&origin, &Arc::new(Pool::new()), Need::default());
        let mut row = writer.row(Need { bytes: 256, fields: 8, ..Need::default() }).unwrap();
        row.payload_copy(b"text");
        let mut write = |id: FieldName, value: &[u8]| {
            row.field(id, Text::Copy(b""), ValueType::String, Text::Copy(value));
        };
        for (id, value) in fields {
            if !self.policy.overwrites(*id) {
                write(*id, value.as_bytes());
            }
        }
        if let Some(host) = &hosts.host {
            write(hosts.host_field(), host);
        }
        if let Some(host_from) = hosts.host_from {
            write(FieldName::HostFrom, host_from);
        }
        let recvd = Stamp { unix_micros: 9, offset_seconds: 0 };
        let stamp = self.policy.stamp(Stamp { unix_micros: 5, offset_seconds: 60 }, recvd);
        row.stamps(stamp, recvd.unix_micros);
        row.publish();
        let batch = writer.finish();
        let message = batch.message(0);
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        asked.iter().map(|id| message.known(*id).map(text)).collect()
    }

    fn hosts(&self, own: Option<&str>, sender: Option<&str>) -> [String; 2] {
        let fields: Vec<_> = own.map(|host| (FieldName::Host, host)).into_iter().collect();
        let seen = self.post(&fields, sender, &[FieldName::Host, FieldName::HostFrom]);
        [seen[0].clone().unwrap(), seen[1].clone().unwrap()]
    }
}

const WEB: Option<&str> = Some("192.0.2.1");

/// Breaks without it: HOST is what the message claims, or the whole name of the sender.
#[test]
fn by_default_a_host_is_the_short_name_of_the_sender() {
    let source = Source::new("", "");
    assert_eq!(source.hosts(None, None), ["Collector", "Collector"]);
    assert_eq!(source.hosts(Some("own"), None), ["Collector", "Collector"]);
    assert_eq!(source.hosts(Some("own"), WEB), ["Web", "Web"]);
    assert_eq!(source.hosts(None, Some("2001:db8::2")), ["mail", "mail"]);
    assert_eq!(source.hosts(None, Some("192.0.2.99")), ["192.0.2.99", "192.0.2.99"]);
}

/// Breaks without it: `use-fqdn()`, `custom-domain()`, `use-dns()` or `normalize-hostnames()` is read and not
/// followed.
#[test]
fn names_follow_the_options() {
    let full = Source::new("use-fqdn(yes); normalize-hostnames(yes);", "");
    assert_eq!(full.hosts(None, WEB), ["web.example.org", "web.example.org"]);
    assert_eq!(full.hosts(None, None), ["collector.example.org", "collector.example.org"]);
    let custom = Source::new("use-fqdn(yes); custom-domain(\"example.net\");", "keep-hostname(yes)");
    assert_eq!(custom.hosts(None, None), ["Collector.example.net", "Collector.example.net"]);
    assert_eq!(custom.hosts(Some("Own"), WEB), ["Own", "Web.Example.org"]);
    let addresses = Source::new("use-dns(yes);", "use-dns(no) chain-hostnames(yes)");
    assert_eq!(addresses.hosts(Some("own"), WEB), ["own/192.0.2.1", "192.0.2.1"]);
    assert_eq!(addresses.hosts(None, WEB), ["192.0.2.1/192.0.2.1", "192.0.2.1"]);
}

/// Breaks without it: a message keeps what `program-override()` or `host-override()` is to replace.
#[test]
fn overrides_win_over_what_the_message_brings() {
    let all = "program-override(prog) host-override(fix) keep-hostname(yes) use-syslogng-pid(yes)";
    let brought = [
        (FieldName::Host, "own"),
        (FieldName::HostFrom, "forged"),
        (FieldName::Program, "app"),
        (FieldName::Pid, "1"),
        (FieldName::LegacyMsgHdr, "app[1]: "),
        (FieldName::MsgId, "id"),
    ];
    let asked = brought.map(|(id, _)| id);
    let pid = std::process::id().to_string();
    let seen = Source::new("", all).post(&brought, WEB, &asked);
    let expected = [Some("fix"), Some("Web"), Some("prog"), Some(&pid), None, Some("id")];
    assert_eq!(seen, expected.map(|text| text.map(str::to_owned)));

    let seen = Source::new("", "keep-hostname(yes)").post(&brought, WEB, &asked);
    let expected = [Some("own"), Some("Web"), Some("app"), Some("1"), Some("app[1]: "), Some("id")];
    assert_eq!(seen, expected.map(|text| text.map(str::to_owned)));
}
