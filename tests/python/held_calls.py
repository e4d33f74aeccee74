"""Holds a system call of the engine's until a test lets it go on: with it, a test sees what was done before
the call.

The kernel tells whoever has the listener of a filter (seccomp, with notification) of each such call, and the
caller waits. Run as a program, it sets the filter up for itself, sends the listener over a socket, and
becomes the engine.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import sys
from pathlib import Path

CALLS = {"x86_64": {"fdatasync": 75, "seccomp": 317}, "aarch64": {"fdatasync": 83, "seccomp": 277}}
# prctl(PR_SET_NO_NEW_PRIVS), seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER).
NO_NEW_PRIVS, SET_MODE_FILTER, NEW_LISTENER = 38, 1, 8
# What a filter answers: SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ALLOW.
NOTIFY, ALLOW = 0x7FC00000, 0x7FFF0000
# The operations of the listener, and the flag of an answer that lets the call be made.
RECEIVE, SEND, CONTINUE = 0xC0502100, 0xC0182101, 1


def listener_of(name: str) -> int:
    """Sets the filter up in this process; the file descriptor of its listener."""
    numbers = CALLS[platform.machine()]
    load, jump_if_equal, give_back = 0x20, 0x15, 0x06
    steps = [
        (load, 0, 0, 0),
        (jump_if_equal, 0, 1, numbers[name]),
        (give_back, 0, 0, NOTIFY),
        (give_back, 0, 0, ALLOW),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    listener: int = libc.syscall(numbers["seccomp"], SET_MODE_FILTER, NEW_LISTENER, head)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "no filter")
    return listener


class HeldCalls:
    """The calls of an engine that is started with `prefix` before its command."""

    def __init__(self, directory: Path, name: str) -> None:
        path = directory / "listener"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.prefix = (sys.executable, __file__, name, str(path))
        self.listener = -1

    def wait(self, patience: float) -> int:
        """Waits until the engine makes the call; a number for `let_go`."""
        if self.listener < 0:
            self.server.settimeout(patience)
            connection, _ = self.server.accept()
            with connection:
                [self.listener] = socket.recv_fds(connection, 1, 1)[1]
        assert select.select([self.listener], [], [], patience)[0], "the call is never made"
        buffer = bytearray(80)
        fcntl.ioctl(self.listener, RECEIVE, buffer)
        number: int = struct.unpack_from("=Q", buffer)[0]
        return number

    def let_go(self, number: int, error: int = 0) -> None:
        """Has the call made, or fail."""
        answer = struct.pack("=QqiI", number, 0, -error, 0 if error else CONTINUE)
        fcntl.ioctl(self.listener, SEND, bytearray(answer))

    def close(self) -> None:
        """Closes the listener: calls that are made from now on fail, as if the kernel did not know them."""
        self.server.close()
        if self.listener >= 0:
            os.close(self.listener)


if __name__ == "__main__":
    descriptor = listener_of(sys.argv[1])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(sys.argv[2])
        socket.send_fds(client, [b"x"], [descriptor])
    os.close(descriptor)
    os.execvp(sys.argv[3], sys.argv[3:])
