use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;

use super::*;
use crate::config::Spanned;
use crate::transport::sample::{Sample, error, sample};

mod unix;

/// The end of whatever a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

fn source(options: &str) -> Sample {
    sample(Role::Source, options).unwrap_or_else(|errors| panic!("{options}: {errors}")).1
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::new([127, 0, 0, 1].into(), port)
}

fn wait_for(socket: &impl AsFd, flags: PollFlags) {
    let within = Timespec { tv_sec: 30, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(socket, flags)], Some(&within)), Ok(1), "nothing comes");
}

/// Without it: an option of sockets is accepted and sets another one, or its default is not the one promised.
#[test]
fn options_arrive_and_have_their_defaults() {
    assert_eq!(source("inet()").socket, SocketOptions::default());
    let of = |text: &str| source(&format!("inet({text})")).socket;
    let default = SocketOptions::default;
    for (text, expected) in [
        ("so-rcvbuf(64Ki)", SocketOptions { so_rcvbuf: 65_536, ..default() }),
        ("so-keepalive(no)", SocketOptions { so_keepalive: Some(false), ..default() }),
        ("so_reuseport(yes)", SocketOptions { so_reuseport: true, ..default() }),
        ("tcp-keepalive-time(5)", SocketOptions { tcp_keepalive_time: 5, ..default() }),
        ("tcp-keepalive-intvl(6)", SocketOptions { tcp_keepalive_intvl: 6, ..default() }),
        ("tcp-keepalive-probes(7)", SocketOptions { tcp_keepalive_probes: 7, ..default() }),
        ("ip-freebind(yes)", SocketOptions { ip_freebind: true, ..default() }),
    ] {
        assert_eq!(of(text), expected, "{text}");
    }
    assert_eq!(of("interface(eth0)").interface.unwrap().value, "eth0");
    let to = sample(Role::Destination, "inet(so-sndbuf(9) so-broadcast(yes) ip-ttl(8) ip-tos(7))").unwrap().1;
    let expected = SocketOptions { so_sndbuf: 9, so_broadcast: true, ip_ttl: 8, ip_tos: 7, ..default() };
    assert_eq!(to.socket, expected);
    assert!(source("unix()").socket.so_passcred && !source("unix(so-passcred(no))").socket.so_passcred);
    assert!(!source("unix(pass-unix-credentials(no))").socket.so_passcred);
}

/// Without it: an option does nothing where it stands, and its user relies on it.
#[test]
fn options_without_effect_are_warned_about() {
    let warnings = |role, text: &str| {
        let (config, _) = sample(role, text).unwrap();
        config.warnings.iter().map(|warning| warning.message().to_owned()).collect::<Vec<_>>()
    };
    let sent = "has no effect in a source: it is for what is sent";
    for name in ["so-sndbuf(1)", "so-broadcast(yes)", "ip-ttl(1)", "ip-tos(1)"] {
        let option = &name[..name.find('(').unwrap()];
        assert_eq!(warnings(Role::Source, &format!("inet({name})")), [format!("`{option}` {sent}")]);
        assert!(warnings(Role::Destination, &format!("inet({name})")).is_empty(), "{name}");
    }
    let received = "has no effect in a destination: it is for what is received";
    assert_eq!(warnings(Role::Destination, "inet(so-rcvbuf(1))"), [format!("`so-rcvbuf` {received}")]);
    assert_eq!(
        warnings(Role::Source, "unix(so-keepalive(yes))"),
        ["`so-keepalive` has no effect on unix sockets"]
    );
}

/// Without it: a value that no system takes is found when the engine runs, or never.
#[test]
fn wrong_options_are_refused_at_their_place() {
    for (role, driver, expected) in [
        (Role::Source, "inet(so-rcvbuf(-1))", "-1 is out of range"),
        (
            Role::Source,
            "inet(tcp-keepalive-probes(128))",
            "128 is out of range: expected a whole number from 0 to 127",
        ),
        (Role::Source, "inet(ip-ttl(256))", "256 is out of range"),
        (Role::Source, "inet(interface(\"a-very-long-name\"))", "is no name of a network device"),
        (Role::Source, "inet(interface(\"\"))", "is no name of a network device"),
        (Role::Source, "inet(so-passcred(no))", "unknown option `so-passcred`"),
        (Role::Source, "unix(ip-ttl(1))", "unknown option `ip-ttl`"),
        (Role::Source, "inet(port(65536))", "65536 is out of range: expected a whole number from 0 to 65535"),
        (Role::Source, "inet(port(-1))", "-1 is out of range"),
        (Role::Source, "inet(port(\"514x\"))", "`514x` is neither a port nor the name of a service"),
        (Role::Source, "inet(port(\"\"))", "`` is neither a port nor the name of a service"),
        (Role::Source, "inet(port(\"70000\"))", "\"70000\" is out of range"),
        (Role::Source, "inet(ip-protocol(5))", "`5` is not possible here"),
        (Role::Source, "inet(ip(\"a b\"))", "is neither an address nor the name of a host"),
        (Role::Source, "inet(destport(1))", "unknown option `destport`"),
        (Role::Destination, "inet(ip(\"127.0.0.1\"))", "unknown option `ip`"),
    ] {
        let text = error(role, driver);
        assert!(text.contains(expected) && text.contains("test.conf:1:"), "{driver}: {text}");
    }
}

/// Without it: a source listens somewhere else than its options say.
#[test]
fn addresses_are_as_written() {
    let listen = |options: &str, protocol| {
        let (config, sample) = sample(Role::Source, &format!("inet({options})")).unwrap();
        sample.address.listen(&config, protocol, 514, IpProtocol::V4).map_err(|error| error.to_string())
    };
    for (options, expected) in [
        ("", "0.0.0.0:514"),
        ("ip-protocol(6)", "[::]:514"),
        ("port(0)", "0.0.0.0:0"),
        ("port(\"601\") ip(127.0.0.1)", "127.0.0.1:601"),
        ("localport(0x10) localip(\"127.0.0.2\")", "127.0.0.2:16"),
        ("ip(\"[::1]\") ip-protocol(6)", "[::1]:514"),
        ("ip(\"localhost\") port(1)", "127.0.0.1:1"),
    ] {
        assert_eq!(listen(options, Protocol::Tcp).unwrap().to_string(), expected, "{options}");
    }
    if Path::new("/etc/services").exists() {
        assert_eq!(listen("port(domain)", Protocol::Udp).unwrap().port(), 53);
        assert_eq!(listen("port(\"https\")", Protocol::Tcp).unwrap().port(), 443);
    }
    let unknown = listen("port(no-such-service)", Protocol::Tcp).unwrap_err();
    assert!(unknown.contains("there is no tcp service `no-such-service`"), "{unknown}");
    let other = listen("ip(\"::1\")", Protocol::Tcp).unwrap_err();
    assert!(
        other.contains("`::1` is an address of IPv6") && other.contains("write ip-protocol(6)"),
        "{other}"
    );
    let other = listen("ip(127.0.0.1) ip-protocol(6)", Protocol::Tcp).unwrap_err();
    assert!(other.contains("write ip-protocol(4)"), "{other}");
}

/// Without it: a destination sends to another port than it was told, or to none.
#[test]
fn targets_are_as_written() {
    let target = |options: &str| {
        let (config, sample) = sample(Role::Destination, &format!("inet({options})")).unwrap();
        let host = sample.host.expect("host()");
        let (protocol, ip) = (Protocol::Tcp, IpProtocol::V4);
        let from = sample.address.from(&config, protocol, ip).map_err(|error| error.to_string())?;
        let to = sample.address.target(&host, &config, protocol, 601, ip);
        to.map(|to| (to.to_string(), from)).map_err(|error| error.to_string())
    };
    assert_eq!(target("host(logs)"), Ok(("logs:601".to_owned(), None)));
    assert_eq!(target("host(\"::1\") ip-protocol(6) port(7)").unwrap().0, "[::1]:7");
    assert_eq!(target("host(h) destport(8) localip(127.0.0.1)"), Ok(("h:8".to_owned(), Some(local(0)))));
    assert_eq!(target("host(h) localport(9)").unwrap().1.unwrap().to_string(), "0.0.0.0:9");
    assert!(target("host(h) port(0)").unwrap_err().contains("nothing can be sent to port 0"));
    assert!(target("host(\"::1\")").unwrap_err().contains("write ip-protocol(6)"));
}

fn name(host: &str) -> Address {
    Address { host: host.to_owned(), port: 1, ip: IpProtocol::V4 }
}

/// Without it: a resolver that does not answer holds up whoever asks, or each try leaves one more thread
/// without end.
#[test]
fn a_dead_resolver_holds_up_nobody() {
    let (release, dead) = mpsc::channel::<()>();
    let dead = std::sync::Mutex::new(dead);
    let resolver = Resolver::new(move |_, _| {
        let _ = dead.lock().unwrap().recv();
        Ok(vec![local(1)])
    });
    let (woken, wakes) = mpsc::channel();
    let lookups: Vec<_> = (0..16)
        .map(|_| {
            let woken = woken.clone();
            resolver.resolve(&name("slow.example"), move || woken.send(()).unwrap())
        })
        .collect();
    assert!(lookups.iter().all(|lookup| lookup.answer().is_none()));
    let refused = resolver.resolve(&name("one.more"), || {}).answer().unwrap().unwrap_err();
    assert_eq!(refused, "`one.more` cannot be looked up: 16 other names wait for the resolver");
    assert_eq!(
        resolver.resolve(&name("192.0.2.1"), || {}).answer().unwrap().unwrap()[0].to_string(),
        "192.0.2.1:1"
    );
    let late = resolver.resolve_within(&name("192.0.2.1"), Duration::ZERO);
    assert!(late.is_ok(), "an address is no name");
    drop(release);
    for _ in 0..16 {
        wakes.recv_timeout(PATIENCE).unwrap();
    }
    assert!(lookups.iter().all(|lookup| lookup.answer() == Some(Ok(vec![local(1)]))));
    assert_eq!(resolver.resolve_within(&name("again.example"), PATIENCE), Ok(vec![local(1)]));
}

/// Without it: what the resolver says is not what is used.
#[test]
fn answers_are_of_the_version_that_is_asked_for() {
    let six = "[::1]:1".parse().unwrap();
    let resolver = Resolver::new(move |host, _| match host {
        "both" => Ok(vec![six, local(1), local(1), local(2)]),
        "panics" => panic!("no"),
        _ => Err(ErrorKind::NotFound.into()),
    });
    let ask = |host, ip| resolver.resolve_within(&Address { ip, ..name(host) }, PATIENCE);
    assert_eq!(ask("both", IpProtocol::V4), Ok(vec![local(1), local(2)]));
    assert_eq!(ask("both", IpProtocol::V6), Ok(vec![six]));
    assert!(ask("none", IpProtocol::V4).unwrap_err().starts_with("`none` has no address: "));
    assert!(ask("panics", IpProtocol::V4).unwrap_err().contains("fault"));
    let only_six = Resolver::new(move |_, _| Ok(vec![six]));
    assert_eq!(only_six.resolve_within(&name("h"), PATIENCE), Err("`h` has no address of IPv4".to_owned()));
}

/// Without it: a connection is waited for, comes with other options than asked for, or one that fails is
/// taken for one that is still on its way.
#[test]
fn connections_are_begun_and_finished() {
    let options = SocketOptions { tcp_keepalive_time: 77, ..SocketOptions::default() };
    let listener = listen_tcp(local(0), &options, 8).unwrap();
    let at = listener.socket.local_addr().unwrap();
    assert_eq!(listener.socket.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let Opened { socket: mut client, warnings, .. } = connect_tcp(at, Some(local(0)), &options).unwrap();
    assert!(warnings.is_empty());
    wait_for(&client, PollFlags::OUT);
    assert!(finish_connect(&client).unwrap());
    wait_for(&listener.socket, PollFlags::IN);
    let (mut server, from) = listener.socket.accept().unwrap();
    assert_eq!(from, client.local_addr().unwrap());
    accepted(&server, &options).unwrap();
    for socket in [&client, &server] {
        let socket = SockRef::from(socket);
        assert!(socket.keepalive().unwrap() && socket.nonblocking().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
    }
    client.write_all(b"x").unwrap();
    wait_for(&server, PollFlags::IN);
    assert_eq!(server.read(&mut [0; 2]).unwrap(), 1);

    drop(listener);
    let without = SocketOptions { so_keepalive: Some(false), ..options };
    let refused = match connect_tcp(at, None, &without) {
        Ok(begun) => {
            assert!(!SockRef::from(&begun.socket).keepalive().unwrap());
            wait_for(&begun.socket, PollFlags::OUT);
            finish_connect(&begun.socket).unwrap_err()
        }
        Err(error) => error.error,
    };
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

/// Without it: a restart does not get its port back, or a second engine takes the datagrams of the first
/// without a word.
#[test]
fn ports_are_taken_once() {
    let options = SocketOptions::default();
    let tcp = listen_tcp(local(0), &options, 8).unwrap();
    let again = listen_tcp(tcp.socket.local_addr().unwrap(), &options, 8).unwrap_err();
    assert_eq!(again.errno(), Some(Errno::ADDRINUSE));
    assert!(again.to_string().contains("127.0.0.1:"), "{again}");
    let udp = receive_udp(local(0), &options).unwrap();
    let at = udp.socket.local_addr().unwrap();
    assert_eq!(receive_udp(at, &options).unwrap_err().errno(), Some(Errno::ADDRINUSE));
    drop(udp);
    let shared = SocketOptions { so_reuseport: true, ..options };
    let receivers = [receive_udp(at, &shared).unwrap(), receive_udp(at, &shared).unwrap()];
    let sender = send_udp(at, None, &shared).unwrap();
    assert_eq!(sender.socket.send(b"one").unwrap(), 3);
    let got = Instant::now() + PATIENCE;
    while !receivers.iter().any(|receiver| receiver.socket.recv(&mut [0; 8]).is_ok_and(|len| len == 3)) {
        assert!(Instant::now() < got, "nothing comes");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Without it: a buffer is smaller than asked for, and nobody knows why datagrams are lost.
#[test]
fn a_smaller_buffer_is_a_warning() {
    let huge = SocketOptions { so_rcvbuf: 1 << 30, so_sndbuf: 1 << 30, ..SocketOptions::default() };
    let receiver = receive_udp(local(0), &huge).unwrap();
    let at = receiver.socket.local_addr().unwrap();
    let limited = |name: &str| {
        let limit = fs::read_to_string(format!("/proc/sys/net/core/{name}"));
        limit.is_ok_and(|limit| limit.trim().parse::<u64>().unwrap() < 1 << 30)
    };
    if limited("rmem_max") {
        assert_eq!(receiver.warnings.len(), 1);
        assert!(
            receiver.warnings[0].starts_with("so-rcvbuf(1073741824): the kernel grants "),
            "{receiver:?}"
        );
    }
    if limited("wmem_max") {
        assert!(send_udp(at, None, &huge).unwrap().warnings[0].starts_with("so-sndbuf("));
    }
    let small = SocketOptions { so_rcvbuf: 8192, ..SocketOptions::default() };
    let receiver = receive_udp(local(0), &small).unwrap();
    assert!(receiver.warnings.is_empty());
    assert_eq!(SockRef::from(&receiver.socket).recv_buffer_size().unwrap(), 2 * 8192);
}

/// Without it: `udp6()` beside `udp()` on one port ends the start.
#[test]
fn all_of_ipv6_beside_ipv4_is_ipv6_alone() {
    let options = SocketOptions::default();
    let four = UdpSocket::bind("0.0.0.0:0").unwrap();
    let at = SocketAddr::new(IpProtocol::V6.any(), four.local_addr().unwrap().port());
    // A machine without IPv6 has nothing to show.
    let Ok(six) = receive_udp(at, &options) else { return };
    assert!(six.warnings[0].contains("is open for IPv6 alone"), "{six:?}");
    assert!(SockRef::from(&six.socket).only_v6().unwrap());
}

/// Without it: options of what is sent are accepted and not set.
#[test]
fn options_of_senders_are_set() {
    let options = SocketOptions { so_broadcast: true, ip_ttl: 9, ip_tos: 16, ..SocketOptions::default() };
    let sender = send_udp(local(9), Some(local(0)), &options).unwrap();
    let socket = SockRef::from(&sender.socket);
    assert!(socket.broadcast().unwrap());
    assert_eq!((socket.ttl_v4().unwrap(), socket.tos_v4().unwrap()), (9, 16));
    let group = send_udp("239.1.2.3:9".parse().unwrap(), Some(local(0)), &options).unwrap();
    assert_eq!(SockRef::from(&group.socket).multicast_ttl_v4().unwrap(), 9);
    let device = |name: &str| {
        let interface = Some(Spanned::new(
            name.to_owned(),
            sample(Role::Source, "inet(interface(lo))").unwrap().1.socket.interface.unwrap().span,
        ));
        let options = SocketOptions { interface, ..SocketOptions::default() };
        send_udp(local(9), None, &options).map(|sender| SockRef::from(&sender.socket).device().unwrap())
    };
    let error = device("nosuch0").unwrap_err();
    assert!(error.to_string().starts_with("interface(\"nosuch0\"): "), "{error}");
    if rustix::process::geteuid().is_root() {
        assert_eq!(device("lo").unwrap().unwrap(), b"lo");
    }
}

/// Without it: a group is not joined, and what is sent to it does not come.
#[test]
fn groups_are_joined() {
    // Where the machine has no way to groups there is nothing to see.
    let Ok(receiver) = receive_udp("239.7.8.9:0".parse().unwrap(), &SocketOptions::default()) else { return };
    let at = receiver.socket.local_addr().unwrap();
    assert_eq!(at.ip(), "239.7.8.9".parse::<IpAddr>().unwrap());
    let again = SockRef::from(&receiver.socket)
        .join_multicast_v4(&"239.7.8.9".parse().unwrap(), &std::net::Ipv4Addr::UNSPECIFIED);
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse, "it was joined before");
}

/// Without it: a listener that dies with the engine lives on in a child that a source forked.
#[test]
fn sockets_are_on_the_list_of_what_forks_close() {
    use std::os::fd::AsRawFd;
    let listener: Opened<TcpListener> = listen_tcp(local(0), &SocketOptions::default(), 1).unwrap();
    let number = listener.socket.as_raw_fd();
    assert!(crate::flow::unshared::all().any(|other| other == number));
}
