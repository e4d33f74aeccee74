//! The bytes of a connection: nothing is lost, nothing is counted as written that is not, and a peer that
//! sends nonsense is let go.

use std::io::IoSlice;
use std::net::{TcpListener, TcpStream};

use super::authority::{Store, server};
use super::*;

fn pair() -> Pair {
    let store = Store::new();
    let own = store.own("server", &server().self_signed(), &[]);
    meet(&server_side(&format!("{own} peer-verify(no)")), &client_side("peer-verify(no)"), "localhost")
        .unwrap()
}

/// Bytes that tell where they are.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Without it: what a full socket did not take is lost or sent twice, or bytes count as written that are not.
#[test]
fn whatever_the_socket_takes_all_arrives_once() {
    let Pair { mut server, mut client } = pair();
    let sent = bytes(3_000_000);
    let (mut written, mut got, mut blocked) = (0, Vec::<u8>::new(), 0);
    let mut buffer = vec![0; 100_000];
    while got.len() < sent.len() {
        // As many pieces as a driver might have, and never the same ends.
        let rest = &sent[written..];
        let pieces: Vec<_> = rest.chunks(997).take(300).map(IoSlice::new).collect();
        match client.write_vectored(&pieces) {
            Ok(len) => written += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock || written == sent.len() => {
                blocked += 1;
                assert!(client.wants_write() || written == sent.len());
                let before = got.len();
                match server.read(&mut buffer) {
                    Ok(len) => got.extend(&buffer[..len]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                assert!(written <= sent.len() && got.len() >= before);
            }
            Err(error) => panic!("{error}"),
        }
        if written == sent.len() {
            match server.read(&mut buffer) {
                Ok(len) => got.extend(&buffer[..len]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }
    assert!(blocked > 0, "the socket took it all, so that nothing was tried");
    assert!(got == sent, "other bytes");
}

/// Without it: the end of a connection looks the same whether something is missing or not.
#[test]
fn an_end_is_told_from_a_break() {
    let Pair { mut server, mut client } = pair();
    client.write_all(b"last").unwrap();
    assert!(client.close());
    let mut buffer = [0; 16];
    assert_eq!(server.read(&mut buffer).unwrap(), 4);
    assert_eq!(server.read(&mut buffer).unwrap(), 0);
    assert_eq!(server.read(&mut buffer).unwrap(), 0, "and again");

    let Pair { mut server, mut client } = pair();
    client.write_all(b"last").unwrap();
    drop(client);
    assert_eq!(server.read(&mut buffer).unwrap(), 4, "what came before the break");
    let error = server.read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("close_notify"), "{error}");

    let store = Store::new();
    let own = store.own("server", &authority::server().self_signed(), &[]);
    let ignoring = server_side(&format!("{own} peer-verify(no) ssl-options(ignore-unexpected-eof)"));
    let Pair { mut server, client } = meet(&ignoring, &client_side("peer-verify(no)"), "localhost").unwrap();
    drop(client);
    assert_eq!(server.read(&mut buffer).unwrap(), 0);
}

/// Without it: a peer that speaks no TLS, or stops in the middle, holds its place for ever.
#[test]
fn what_is_no_handshake_ends() {
    let store = Store::new();
    let own = store.own("server", &server().self_signed(), &[]);
    let side = server_side(&format!("{own} peer-verify(no)"));
    let now = Instant::now();
    let accept = |said: &[u8]| {
        let (one, mut other) = sockets();
        other.write_all(said).unwrap();
        (side.accept(one, now).unwrap(), other)
    };
    let (mut plain, mut other) = accept(b"<13>no TLS at all, and long enough\n");
    let error = plain.handshake().unwrap_err();
    assert_eq!(error.to_string(), "what the other side sends is not TLS");
    let mut alert = [0; 64];
    assert!(other.read(&mut alert).unwrap() > 0, "it was told");

    let (mut begun, other) = accept(&[0x16, 3, 1]);
    assert!(!begun.handshake().unwrap());
    assert!(begun.wants_read() && !begun.wants_write());
    assert_eq!(begun.deadline(), Some(now + Duration::from_secs(10)));
    assert_eq!(begun.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(begun.write(b"early").unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(other);
    let error = begun.handshake().unwrap_err();
    assert!(error.to_string().contains("closed the connection in the handshake"), "{error}");

    let done = meet(&side, &client_side("peer-verify(no)"), "localhost").unwrap();
    assert_eq!(done.server.deadline(), None);
}

/// Without it: random bytes after a good handshake are taken for messages.
#[test]
fn a_changed_byte_ends_the_connection() {
    let Pair { mut server, mut client } = pair();
    client.write_all(b"good").unwrap();
    // A record that nobody who has the keys has made.
    client.socket().write_all_of(&[
        0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
    ]);
    let mut buffer = [0; 64];
    assert_eq!(server.read(&mut buffer).unwrap(), 4);
    assert_eq!(server.read(&mut buffer).unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(client.read(&mut buffer).unwrap_err().to_string().contains("the other side refuses"));
}

trait WriteAllOf {
    fn write_all_of(&self, bytes: &[u8]);
}

impl WriteAllOf for UnixStream {
    fn write_all_of(&self, bytes: &[u8]) {
        let mut socket = self;
        socket.write_all(bytes).unwrap();
    }
}

/// Without it: TLS works between sockets of tests alone.
#[test]
fn it_goes_over_tcp() {
    let store = Store::new();
    let leaf = server().self_signed();
    let own = store.own("server", &leaf, &[]);
    let ca = store.write("ca.pem", leaf.certificate.pem());
    let side = server_side(&format!("{own} peer-verify(no)"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepted = listener.accept().unwrap().0;
    accepted.set_nonblocking(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    let now = Instant::now();
    let mut server = side.accept(accepted, now).unwrap();
    let mut client = client_side(&format!("ca-file({ca})")).connect("127.0.0.1", socket, now).unwrap();
    let end = now + Duration::from_secs(30);
    while !(client.handshake().unwrap() & server.handshake().unwrap()) {
        assert!(Instant::now() < end, "no handshake");
        std::thread::yield_now();
    }
    client.write_all(b"over tcp").unwrap();
    client.flush().unwrap();
    let mut got: Vec<u8> = Vec::new();
    while got.len() < 8 {
        let mut buffer = [0; 8];
        match server.read(&mut buffer) {
            Ok(len) => got.extend(&buffer[..len]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert!(Instant::now() < end, "nothing comes");
    }
    assert_eq!(got, b"over tcp");
    assert_eq!(client.peer().unwrap().common_name.as_deref(), Some("localhost"));
}
