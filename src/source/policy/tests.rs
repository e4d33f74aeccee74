use proptest::prelude::*;

use super::*;
use crate::config::Environment;
use crate::config::{Spanned, parse_str};
use crate::drivers::VOCABULARY;
use crate::message::ReleaseNow;
use crate::source::PythonSourceOptions;

/// The policy of `source s_in { python(class(A) OPTIONS); };` on the host `node`.
fn policy(options: &str) -> SourcePolicy {
    policy_with("", options)
}

fn policy_with(global: &str, options: &str) -> SourcePolicy {
    let text = format!("options {{ {global} }}; source s_in {{ python(class(A) {options}); }};");
    let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
    let python = config.sources["s_in"].drivers()[0].options::<PythonSourceOptions>().expect("python()");
    SourcePolicy::new("s_in", &Arc::from("node"), &config.options, &python.source)
}

fn origin(policy: &SourcePolicy) -> Origin {
    policy.origin(3600, Arc::new(ReleaseNow))
}

/// HOST and `HOST_FROM` of a message, put together as a reader does.
fn seen(policy: &SourcePolicy, own: Option<&str>, sender: Option<&str>) -> (String, String) {
    let own = own.map(str::as_bytes);
    let hosts = policy.hosts(own, sender);
    let kept = own.filter(|_| !policy.overwrites(FieldName::Host));
    let origin = origin(policy);
    let host = hosts.host.as_deref().or(kept).unwrap_or(origin.host.as_bytes());
    let host_from = hosts.host_from.unwrap_or(origin.host_from.as_bytes());
    (String::from_utf8(host.to_vec()).unwrap(), String::from_utf8(host_from.to_vec()).unwrap())
}

/// Breaks without it: HOST or `HOST_FROM` is another one than the options say.
#[test]
fn hosts_by_option() {
    let own = Some("own");
    let peer = Some("peer");
    #[rustfmt::skip]
    let table = [
        // options                                   own       sender  HOST         HOST_FROM
        ("",                                         None,     None,   "node",      "node"),
        ("",                                         None,     peer,   "peer",      "peer"),
        ("",                                         own,      None,   "node",      "node"),
        ("",                                         own,      peer,   "peer",      "peer"),
        ("",                                         Some(""), peer,   "peer",      "peer"),
        ("keep-hostname(yes)",                       None,     None,   "node",      "node"),
        ("keep-hostname(yes)",                       None,     peer,   "peer",      "peer"),
        ("keep-hostname(yes)",                       own,      None,   "own",       "node"),
        ("keep-hostname(yes)",                       own,      peer,   "own",       "peer"),
        ("keep-hostname(yes)",                       Some(""), None,   "node",      "node"),
        ("keep-hostname(yes)",                       Some(""), peer,   "peer",      "peer"),
        ("chain-hostnames(yes)",                     None,     None,   "node/node", "node"),
        ("chain-hostnames(yes)",                     None,     peer,   "peer/peer", "peer"),
        ("chain-hostnames(yes)",                     own,      None,   "own/node",  "node"),
        ("chain-hostnames(yes)",                     own,      peer,   "own/peer",  "peer"),
        ("chain-hostnames(yes)",                     Some(""), None,   "node/node", "node"),
        ("chain-hostnames(yes) keep-hostname(yes)",  None,     None,   "node/node", "node"),
        ("chain-hostnames(yes) keep-hostname(yes)",  None,     peer,   "peer/peer", "peer"),
        ("chain-hostnames(yes) keep-hostname(yes)",  own,      peer,   "own",       "peer"),
        ("chain-hostnames(yes) keep-hostname(yes)",  Some(""), None,   "node/node", "node"),
        ("host-override(fix)",                       None,     None,   "fix",       "node"),
        ("host-override(fix)",                       own,      peer,   "fix",       "peer"),
        ("host-override(fix) keep-hostname(yes)",    own,      peer,   "fix",       "peer"),
        ("host-override(fix) keep-hostname(yes)",    Some(""), None,   "fix",       "node"),
        ("host-override(fix) chain-hostnames(yes)",  own,      peer,   "fix",       "peer"),
    ];
    for (options, own, sender, host, host_from) in table {
        let seen = seen(&policy(options), own, sender);
        assert_eq!(seen, (host.to_owned(), host_from.to_owned()), "{options}: {own:?} from {sender:?}");
    }
}

/// Tells whether a reader takes HOST for a chain: where the engine made it, and nowhere else.
#[test]
fn chains_are_known_as_chains() {
    let is_chained = |options: &str, own: Option<&[u8]>, sender: Option<&str>| {
        let policy = policy(options);
        let hosts = policy.hosts(own, sender);
        let kept = own.is_some() && !policy.overwrites(FieldName::Host) && hosts.host.is_none();
        if hosts.host.is_none() { !kept && origin(&policy).host_is_chained } else { hosts.is_chained }
    };
    let (own, peer) = (Some(&b"own"[..]), Some("peer"));
    for (own, sender) in [(None, None), (None, peer), (own, None), (own, peer), (Some(&b""[..]), None)] {
        let has_own = own.is_some_and(|host| !host.is_empty());
        assert!(is_chained("chain-hostnames(yes)", own, sender));
        assert_eq!(is_chained("chain-hostnames(yes) keep-hostname(yes)", own, sender), !has_own);
        assert!(!is_chained("chain-hostnames(yes) host-override(fix)", own, sender));
        assert!(!is_chained("keep-hostname(yes)", own, sender) && !is_chained("", own, sender));
    }
    assert_eq!(policy("chain-hostnames(yes)").hosts(own, None).host_field(), FieldName::ChainedHost);
    assert_eq!(policy("").hosts(own, peer).host_field(), FieldName::Host);
}

/// The engine's own messages are counted, and chained to the name of their source.
#[test]
fn messages_of_this_host() {
    let local = |options: &str| origin(&policy(options).for_local_messages());
    assert_eq!(&*local("chain-hostnames(yes)").host, "s_in@node");
    assert!(local("chain-hostnames(yes)").host_is_chained);
    assert_eq!((&*local("").host, local("").host_is_chained), ("node", false));
    assert_eq!(&*local("chain-hostnames(yes) host-override(fix)").host, "fix");
    assert!(local("").is_local && !origin(&policy("")).is_local);
}

/// Most messages have no sender, or come from one host: their rows must stay free of hosts.
#[test]
fn a_row_carries_only_what_its_origin_does_not_say() {
    let nothing = Hosts { host: None, is_chained: false, host_from: None };
    for options in ["", "keep-hostname(yes)", "host-override(x)", "chain-hostnames(yes)"] {
        assert_eq!(policy(options).hosts(None, None), nothing, "{options}");
        assert_eq!(policy(options).hosts(None, Some("node")), nothing, "the sender is this host; {options}");
    }
    let plain = policy("");
    assert!(
        matches!(plain.hosts(Some(b"own"), Some("peer")).host, Some(Cow::Borrowed(_))),
        "nothing is copied"
    );
    let keeping = policy("keep-hostname(yes)");
    assert_eq!(keeping.hosts(Some(b"\xff"), None), nothing, "kept as it is");
    let chaining = policy("chain-hostnames(yes)");
    assert_eq!(chaining.hosts(Some(b"\xff"), None).host.as_deref(), Some(&b"\xff/node"[..]));
}

/// Breaks without it: a value that the source replaces is written first, or one that it keeps is lost.
#[test]
fn what_a_message_brings_in_vain() {
    let fields = [
        FieldName::Host,
        FieldName::HostFrom,
        FieldName::Program,
        FieldName::Pid,
        FieldName::LegacyMsgHdr,
        FieldName::MsgId,
        FieldName::Text,
    ];
    let lost = |options: &str| fields.map(|field| policy(options).overwrites(field));
    assert_eq!(lost(""), [true, true, false, false, false, false, false]);
    assert_eq!(lost("keep-hostname(yes)"), [false, true, false, false, false, false, false]);
    assert_eq!(lost("keep-hostname(yes) host-override(x)"), [true, true, false, false, false, false, false]);
    assert_eq!(
        lost("keep-hostname(yes) program-override(x)"),
        [false, true, true, false, true, false, false]
    );
    assert_eq!(
        lost("keep-hostname(yes) use-syslogng-pid(yes)"),
        [false, true, false, true, true, false, false]
    );
}

/// Breaks without it: `program-override()` or `use-syslogng-pid()` does not reach the messages.
#[test]
fn the_origin_has_the_overrides() {
    let plain = origin(&policy(""));
    assert_eq!((&*plain.source, plain.program.as_deref(), plain.pid.as_deref()), ("s_in", None, None));
    assert_eq!(plain.recvd_offset, 3600);
    assert!(plain.transport.is_none());

    let all = origin(&policy("program-override(prog) use-syslogng-pid(yes) host-override(fix)"));
    assert_eq!((all.program.as_deref(), &*all.host, &*all.host_from), (Some("prog"), "fix", "node"));
    assert_eq!(all.pid.as_deref().unwrap(), std::process::id().to_string());
}

/// Breaks without it: a tag is there twice, or the source's own is missing.
#[test]
fn tags_are_those_written_and_the_source() {
    let tags =
        |options: &str| origin(&policy(options)).tags.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(tags(""), [".source.s_in"]);
    assert_eq!(tags("tags(\"b\" \"a\") tags(\"b\")"), ["b", "a", ".source.s_in"]);
    assert_eq!(tags("tags(\".source.s_in\")"), [".source.s_in"], "once");
}

/// Breaks without it: `keep-timestamp()` of the source or of `options { }` is read and not followed.
#[test]
fn a_time_stamp_is_kept_or_not() {
    let own = Stamp { unix_micros: 1, offset_seconds: 2 };
    let recvd = Stamp { unix_micros: 3, offset_seconds: 4 };
    for (global, source, seen) in [
        ("", "", own),
        ("", "keep-timestamp(no)", recvd),
        ("keep-timestamp(no);", "", recvd),
        ("keep-timestamp(no);", "keep-timestamp(yes)", own),
        ("keep-timestamp(yes);", "keep-timestamp(no)", recvd),
    ] {
        let policy = policy_with(global, source);
        assert_eq!(policy.stamp(own, recvd), seen, "{global} {source}");
        assert_eq!(policy.keeps_timestamp(), seen == own, "a post takes the short way only where it may");
    }
}

/// Breaks without it: an option of the source's own is read and not followed.
#[test]
fn a_source_says_otherwise_than_the_global_options() {
    let global = "keep-hostname(yes); chain-hostnames(yes); keep-timestamp(no);";
    let as_global = policy_with(global, "");
    assert_eq!(seen(&as_global, Some("own"), None).0, "own");
    assert_eq!(seen(&as_global, None, None).0, "node/node");
    assert!(!as_global.keeps_timestamp());
    let otherwise = policy_with(global, "keep-hostname(no) chain-hostnames(no) keep-timestamp(yes)");
    assert_eq!(seen(&otherwise, Some("own"), None).0, "node");
    assert!(otherwise.keeps_timestamp());
}

proptest! {
    /// A reader sees, whatever the options and the message, what the rules say, written down one after the
    /// other.
    #[test]
    fn the_rules_in_order(
        keep: bool,
        chain: bool,
        fixed in prop::option::of("[a-z]{0,2}"),
        own in prop::option::of("[a-z]{0,2}"),
        sender in prop::option::of(prop_oneof![Just("node".to_owned()), "[a-z]{1,2}"]),
    ) {
        let span = parse_str("t", "source s { python(class(A)); };", &Environment::new(&VOCABULARY))
            .unwrap()
            .sources["s"]
            .span;
        let options = LogSourceOptions {
            keep_hostname: Some(keep),
            chain_hostnames: Some(chain),
            host_override: fixed.clone().map(|host| Spanned::new(host, span)),
            ..LogSourceOptions::default()
        };
        let policy = SourcePolicy::new("s_in", &Arc::from("node"), &GlobalOptions::default(), &options);

        let from = sender.clone().unwrap_or_else(|| "node".to_owned());
        let mut host = own.clone().unwrap_or_default();
        if !keep || host.is_empty() {
            host = match (chain, host.is_empty()) {
                (true, true) => format!("{from}/{from}"),
                (true, false) => format!("{host}/{from}"),
                (false, _) => from.clone(),
            };
        }
        if let Some(fixed) = fixed {
            host = fixed;
        }
        prop_assert_eq!(seen(&policy, own.as_deref(), sender.as_deref()), (host, from));
    }
}
