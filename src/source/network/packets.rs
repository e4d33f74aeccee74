//! Datagrams out of the kernel, many at a time: [`Packets`].

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

use super::credentials::Process;
use super::datagrams::Socket;

/// Bytes between the places of two datagrams: not a power of two, so that their beginnings do not meet in the
/// processor's caches.
const BETWEEN: usize = 5 * 64;

/// A datagram.
#[derive(Debug)]
pub(super) struct Packet<'p> {
    /// Its bytes.
    pub bytes: &'p [u8],
    /// True when it was longer than there was room.
    pub is_cut: bool,
    /// The address that it came from.
    pub from: Option<SocketAddr>,
    /// The address of this host that it was sent to.
    pub dest: Option<IpAddr>,
    /// The process that sent it.
    pub process: Option<Process>,
    /// The time at which the kernel got it, in microseconds since the epoch.
    pub received: Option<i64>,
}

/// Receives datagrams.
#[derive(Debug)]
pub(super) struct Packets {
    socket: Socket,
    count: usize,
    size: usize,
    /// Places of `size` bytes; made when the first datagram is there.
    memory: Vec<u8>,
    /// The number of datagrams that the kernel has dropped so far.
    dropped: u32,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(udp) => udp.socket.as_fd(),
            Self::Unix(unix) => unix.socket.as_fd(),
        }
    }
}

impl Packets {
    /// Receives up to `count` datagrams of up to `size` bytes at a time.
    ///
    /// # Errors
    /// The kernel does not tell what is asked of it.
    pub(super) fn new(socket: Socket, count: usize, size: usize) -> io::Result<Self> {
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        if let Socket::Udp(udp) = &socket {
            setsockopt(&udp.socket, sockopt::ReceiveTimestampns, &true)?;
            if udp.socket.local_addr()?.is_ipv4() {
                setsockopt(&udp.socket, sockopt::Ipv4PacketInfo, &true)?;
            } else {
                setsockopt(&udp.socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
        }
        Ok(Self { socket, count, size, memory: Vec::new(), dropped: 0 })
    }

    /// The socket.
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Receives up to `most` datagrams, and gives each to `take`; how many more than before the kernel has
    /// dropped.
    ///
    /// # Errors
    /// Those of the system; that there is none now is no error.
    pub(super) fn receive(&mut self, most: usize, mut take: impl FnMut(Packet<'_>)) -> io::Result<u32> {
        let stride = self.size + BETWEEN;
        if self.memory.is_empty() {
            self.memory = vec![0; stride * self.count];
        }
        let control = cmsg_space!(TimeSpec, libc::in6_pktinfo, libc::in_pktinfo, u32, libc::ucred);
        let most = most.min(self.count);
        // Made anew each time: the kernel leaves its own lengths in it.
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(most, Some(control));
        let size = self.size;
        let mut places: Vec<_> = self
            .memory
            .chunks_mut(stride)
            .take(most)
            .map(|place| [IoSliceMut::new(&mut place[..size])])
            .collect();
        let received = recvmmsg(
            self.socket.as_fd().as_raw_fd(),
            &mut headers,
            places.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        let received = match received {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let before = self.dropped;
        for message in received {
            let bytes = message.iovs().next().unwrap_or_default();
            let mut packet = Packet {
                bytes,
                is_cut: message.flags.contains(MsgFlags::MSG_TRUNC),
                from: message.address.as_ref().and_then(address),
                dest: None,
                process: None,
                received: None,
            };
            if let Some(dropped) = read_control(&message, &mut packet) {
                self.dropped = dropped;
            }
            take(packet);
        }
        Ok(self.dropped.wrapping_sub(before))
    }
}

/// Reads what the kernel says of a datagram; the number that it has dropped so far, if it says so.
fn read_control(message: &RecvMsg<'_, '_, SockaddrStorage>, packet: &mut Packet<'_>) -> Option<u32> {
    let mut dropped = None;
    for said in message.cmsgs().ok()? {
        match said {
            ControlMessageOwned::ScmTimestampns(time) => {
                packet.received = Some(time.tv_sec() * 1_000_000 + time.tv_nsec() / 1000);
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                packet.dest = Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                packet.dest = Some(IpAddr::from(info.ipi6_addr.s6_addr).to_canonical());
            }
            ControlMessageOwned::RxqOvfl(count) => dropped = Some(count),
            ControlMessageOwned::ScmCredentials(sender) => {
                packet.process = Some(Process { pid: sender.pid(), uid: sender.uid(), gid: sender.gid() });
            }
            _ => {}
        }
    }
    dropped
}

fn address(of: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = of.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    of.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}
