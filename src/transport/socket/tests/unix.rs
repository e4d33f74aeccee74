//! Unix sockets and their files.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use super::*;
use crate::config::{FilePermissions, Given};

fn socket_file(options: &str) -> SocketFile {
    let (config, _) = sample(Role::Source, "unix()").unwrap();
    let mut permissions = FilePermissions::default();
    if let Some(perm) = options.strip_prefix("perm ") {
        permissions.perm = Given::Value(u32::from_str_radix(perm, 8).unwrap());
    }
    SocketFile::new(&config, &permissions, Some(options == "create-dirs")).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Without it: a socket that nobody listens on keeps the engine from starting, its mode is the umask's, or
/// the socket of another program is taken away.
#[test]
fn stale_sockets_are_replaced_and_live_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let (bytes, options) = (path.as_os_str().as_bytes(), SocketOptions::default());
    let plain = socket_file("");
    drop(UnixDatagram::bind(&path).unwrap());
    let receiver = receive_datagrams(bytes, &plain, &options).unwrap();
    assert_eq!(mode(&path), 0o666);
    let sender = send_datagrams(bytes, &options).unwrap();
    sender.socket.send(b"hello").unwrap();
    assert_eq!(receiver.socket.recv(&mut [0; 8]).unwrap(), 5);
    assert!(rustix::net::sockopt::socket_passcred(&receiver.socket).unwrap());

    let first = fs::symlink_metadata(&path).unwrap().ino();
    let next = receive_datagrams(bytes, &plain, &options).unwrap();
    assert_ne!(
        fs::symlink_metadata(&path).unwrap().ino(),
        first,
        "the own one of before a reload is replaced"
    );
    drop((receiver, next));
    assert!(path.exists(), "it stays when it is closed");

    fs::remove_file(&path).unwrap();
    for live in [true, false] {
        let other = UnixListener::bind(&path).unwrap();
        let held = live.then_some(other);
        let opened = listen_stream(bytes, &socket_file("perm 0640"), &options, 8);
        if live {
            let error = opened.unwrap_err().to_string();
            assert!(error.ends_with("another program receives there"), "{error}");
            drop(held);
            fs::remove_file(&path).unwrap();
        } else {
            let opened = opened.unwrap();
            assert_eq!(mode(&path), 0o640);
            let client = connect_stream(bytes, &options).unwrap();
            assert!(opened.socket.accept().is_ok() && client.socket.peer_addr().is_ok());
        }
    }
}

/// Without it: a file of the user's is lost to a socket, or the error does not say why there is none.
#[test]
fn what_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "precious").unwrap();
    let options = SocketOptions::default();
    let open = |path: &Path, file: &str| {
        let opened = listen_stream(path.as_os_str().as_bytes(), &socket_file(file), &options, 8);
        opened.map_err(|error| error.to_string())
    };
    let error = open(&path, "").unwrap_err();
    assert!(error.ends_with("there is a file that is not a socket; it is left alone"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let deep = directory.path().join("a/b/log");
    assert!(open(&deep, "").unwrap_err().contains("No such file"));
    assert!(open(&deep, "create-dirs").is_ok());
    assert_eq!(mode(deep.parent().unwrap()), 0o700);
    let long = directory.path().join("x".repeat(120));
    assert!(open(&long, "").unwrap_err().contains("at most 107 bytes"));
    let nobody = connect_stream(directory.path().join("none").as_os_str().as_bytes(), &options).unwrap_err();
    assert_eq!(nobody.errno(), Some(Errno::NOENT));
}
