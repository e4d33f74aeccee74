//! TCP and UDP: listening, receiving, connecting, sending.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use rustix::io::Errno;
use rustix::net::{self, SocketFlags, SocketType};
use socket2::{SockRef, Socket};

use super::options::SocketOptions;
use super::{Doing, Opened, SocketError};

/// Listens for TCP connections at `at`; `backlog` of them may wait to be accepted.
///
/// # Errors
/// The address is taken or not of this host, or an option is refused.
pub(crate) fn listen_tcp(
    at: SocketAddr,
    options: &SocketOptions,
    backlog: i32,
) -> Result<Opened<TcpListener>, SocketError> {
    let socket = new(at, SocketType::STREAM)?;
    // A restart finds connections of the process before it that the kernel still remembers.
    socket.set_reuse_address(true).doing(|| "SO_REUSEADDR".to_owned())?;
    let mut warnings = prepare_receiver(&socket, at, options)?;
    bind(&socket, at, &mut warnings)?;
    socket.listen(backlog).doing(|| format!("listening on {at} (tcp)"))?;
    Ok(Opened::new(socket.into(), warnings))
}

/// Receives datagrams at `at`. Where that is an address of a group, the group is joined.
///
/// # Errors
/// The address is taken or not of this host, or an option is refused.
pub(crate) fn receive_udp(at: SocketAddr, options: &SocketOptions) -> Result<Opened<UdpSocket>, SocketError> {
    let socket = new(at, SocketType::DGRAM)?;
    let mut warnings = prepare_receiver(&socket, at, options)?;
    bind(&socket, at, &mut warnings)?;
    if at.ip().is_multicast() {
        let joined = match at.ip() {
            IpAddr::V4(group) => socket
                .join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)
                .and_then(|()| socket.set_multicast_loop_v4(false)),
            IpAddr::V6(group) => {
                socket.join_multicast_v6(&group, 0).and_then(|()| socket.set_multicast_loop_v6(false))
            }
        };
        joined.doing(|| format!("joining the group {}", at.ip()))?;
    }
    Ok(Opened::new(socket.into(), warnings))
}

/// Sets on a connection that was accepted what is set on each: it is non-blocking, and probed when it is
/// silent.
///
/// # Errors
/// Those of the system.
pub(crate) fn accepted(connection: &TcpStream, options: &SocketOptions) -> io::Result<()> {
    connection.set_nonblocking(true)?;
    keep_alive(&SockRef::from(connection), options)
}

/// Begins a TCP connection to `to`, from the address `from` if there is one. It is not waited for:
/// [`finish_connect`] says how far it is, once the socket can be written.
///
/// # Errors
/// `from` cannot be used, an option is refused, or there is no way to `to`.
pub(crate) fn connect_tcp(
    to: SocketAddr,
    from: Option<SocketAddr>,
    options: &SocketOptions,
) -> Result<Opened<TcpStream>, SocketError> {
    let socket = new(to, SocketType::STREAM)?;
    let mut warnings = prepare_sender(&socket, to, options)?;
    keep_alive(&socket, options).doing(|| "so-keepalive(yes)".to_owned())?;
    // Lines are put together before they are written: what is written may go.
    socket.set_tcp_nodelay(true).doing(|| "TCP_NODELAY".to_owned())?;
    if let Some(from) = from {
        socket.set_reuse_address(true).doing(|| "SO_REUSEADDR".to_owned())?;
        bind(&socket, from, &mut warnings)?;
    }
    match net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(Opened::new(socket.into(), warnings)),
        Err(error) => Err(SocketError::new(format!("connecting to {to}"), error)),
    }
}

/// Tells whether `connection`, which was begun, is there.
///
/// # Errors
/// It came to nothing.
pub(crate) fn finish_connect(connection: &TcpStream) -> io::Result<bool> {
    if let Some(error) = connection.take_error()? {
        return Err(error);
    }
    match net::getpeername(connection) {
        Ok(_) => Ok(true),
        Err(Errno::NOTCONN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A socket that sends datagrams to `to`, from the address `from` if there is one.
///
/// # Errors
/// `from` cannot be used, an option is refused, or there is no way to `to`.
pub(crate) fn send_udp(
    to: SocketAddr,
    from: Option<SocketAddr>,
    options: &SocketOptions,
) -> Result<Opened<UdpSocket>, SocketError> {
    let socket = new(to, SocketType::DGRAM)?;
    let mut warnings = prepare_sender(&socket, to, options)?;
    if options.so_broadcast {
        socket.set_broadcast(true).doing(|| "so-broadcast(yes)".to_owned())?;
    }
    if let Some(from) = from {
        bind(&socket, from, &mut warnings)?;
    }
    net::connect(&socket, &to).doing(|| format!("sending to {to} (udp)"))?;
    Ok(Opened::new(socket.into(), warnings))
}

/// A new socket for the version of IP of `address`.
fn new(address: SocketAddr, kind: SocketType) -> Result<Socket, SocketError> {
    let family = match address {
        SocketAddr::V4(_) => net::AddressFamily::INET,
        SocketAddr::V6(_) => net::AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, kind, flags, None).doing(|| "making a socket".to_owned())?;
    Ok(socket.into())
}

/// Binds `socket`. An address that is all of IPv6 means IPv4 as well; where another socket has that, it stays
/// with IPv6.
fn bind(socket: &Socket, at: SocketAddr, warnings: &mut Vec<String>) -> Result<(), SocketError> {
    let bind = || net::bind(socket, &at);
    let bound = match bind() {
        Err(Errno::ADDRINUSE) if at.is_ipv6() && at.ip().is_unspecified() && at.port() != 0 => {
            socket.set_only_v6(true).doing(|| "IPV6_V6ONLY".to_owned())?;
            let bound = bind();
            if bound.is_ok() {
                warnings.push(format!("{at} is open for IPv6 alone: another socket has the port for IPv4"));
            }
            bound
        }
        bound => bound,
    };
    bound.doing(|| format!("binding to {at}"))
}

/// Sets what is set on both sides.
fn prepare(socket: &Socket, options: &SocketOptions) -> Result<(), SocketError> {
    if let Some(interface) = &options.interface {
        let name = &interface.value;
        socket.bind_device(Some(name.as_bytes())).doing(|| format!("interface(\"{name}\")"))?;
    }
    Ok(())
}

/// Sets what is set on sockets that receive, before they are bound.
fn prepare_receiver(
    socket: &Socket,
    at: SocketAddr,
    options: &SocketOptions,
) -> Result<Vec<String>, SocketError> {
    prepare(socket, options)?;
    if options.so_reuseport {
        socket.set_reuse_port(true).doing(|| "so-reuseport(yes)".to_owned())?;
    }
    if options.ip_freebind {
        let set = if at.is_ipv4() { socket.set_freebind_v4(true) } else { socket.set_freebind_v6(true) };
        set.doing(|| "ip-freebind(yes)".to_owned())?;
    }
    receive_buffer(&SockRef::from(socket), options)
}

/// Sets what is set on sockets that send.
fn prepare_sender(
    socket: &Socket,
    to: SocketAddr,
    options: &SocketOptions,
) -> Result<Vec<String>, SocketError> {
    prepare(socket, options)?;
    if options.ip_ttl > 0 {
        let (hops, is_group) = (u32::from(options.ip_ttl), to.ip().is_multicast());
        let set = match (to, is_group) {
            (SocketAddr::V4(_), false) => socket.set_ttl_v4(hops),
            (SocketAddr::V4(_), true) => socket.set_multicast_ttl_v4(hops),
            (SocketAddr::V6(_), false) => socket.set_unicast_hops_v6(hops),
            (SocketAddr::V6(_), true) => socket.set_multicast_hops_v6(hops),
        };
        set.doing(|| format!("ip-ttl({hops})"))?;
    }
    if options.ip_tos > 0 {
        let bits = u32::from(options.ip_tos);
        let set = if to.is_ipv4() { socket.set_tos_v4(bits) } else { socket.set_tclass_v6(bits) };
        set.doing(|| format!("ip-tos({bits})"))?;
    }
    send_buffer(&SockRef::from(socket), options)
}

fn keep_alive(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    if options.keepalive() { socket.set_tcp_keepalive(&options.probes()) } else { Ok(()) }
}

/// Sets `so-rcvbuf()`, and says so when the kernel grants less.
pub(super) fn receive_buffer(
    socket: &SockRef<'_>,
    options: &SocketOptions,
) -> Result<Vec<String>, SocketError> {
    let asked = options.so_rcvbuf;
    if asked == 0 {
        return Ok(Vec::new());
    }
    socket.set_recv_buffer_size(asked).doing(|| format!("so-rcvbuf({asked})"))?;
    let granted = socket.recv_buffer_size().doing(|| format!("so-rcvbuf({asked})"))?;
    Ok(less(granted, asked, "so-rcvbuf", "net.core.rmem_max"))
}

/// Sets `so-sndbuf()`, and says so when the kernel grants less.
pub(super) fn send_buffer(socket: &SockRef<'_>, options: &SocketOptions) -> Result<Vec<String>, SocketError> {
    let asked = options.so_sndbuf;
    if asked == 0 {
        return Ok(Vec::new());
    }
    socket.set_send_buffer_size(asked).doing(|| format!("so-sndbuf({asked})"))?;
    let granted = socket.send_buffer_size().doing(|| format!("so-sndbuf({asked})"))?;
    Ok(less(granted, asked, "so-sndbuf", "net.core.wmem_max"))
}

/// The warning about a buffer that is smaller than asked for. Linux doubles what it grants, for its own use.
fn less(doubled: usize, asked: usize, option: &str, limit: &str) -> Vec<String> {
    let granted = doubled / 2;
    if granted >= asked {
        return Vec::new();
    }
    vec![format!("{option}({asked}): the kernel grants {granted} bytes; {limit} is its limit")]
}
