"""The socket on which all workers accept connections: opened, and closed without a reset."""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import sys
import time
from contextlib import suppress

from churn.core.errors import ArtifactError

_BACKLOG = 2048
_SETTLE_S = 0.2  # in which connections that are being opened are there
_MOST_S = 2.0
_ATTACH_FILTER = 26  # SO_ATTACH_FILTER of Linux, which Python's socket does not name
_TCP_FLAGS, _SYN_ACK, _SYN = 13, 0x12, 0x02
# Classic BPF over the TCP header: load the flags, keep SYN and ACK; drop if SYN alone, else pass.
_NO_SYN = (
    (0x30, 0, 0, _TCP_FLAGS),
    (0x54, 0, 0, _SYN_ACK),
    (0x15, 0, 1, _SYN),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; processes that are started may inherit the socket.

    Raises
    ------
    ArtifactError
        If the address is taken or is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        raise ArtifactError(f"{host}:{port}: {error.strerror or error}; choose another") from error
    listening.listen(_BACKLOG)
    listening.set_inheritable(True)
    return listening


def drain(listening: socket.socket) -> None:
    """Let in nobody new, and wait until all who are connected were accepted.

    A socket that is closed resets the connections that wait in its queue, although their callers
    have sent requests already. So no connection may be opened any more before it is closed: Linux
    drops their first packet, and callers try again a second later, when they are refused.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # without the filter only those of the last moment are reset
            _drop_new(listening)
    until = time.monotonic() + _MOST_S
    time.sleep(_SETTLE_S)
    while select.select([listening], [], [], 0)[0] and time.monotonic() < until:
        time.sleep(0.01)


def _drop_new(listening: socket.socket) -> None:
    program = b"".join(struct.pack("HBBI", *one) for one in _NO_SYN)
    kept = ctypes.create_string_buffer(program)
    header = struct.pack("HP", len(_NO_SYN), ctypes.addressof(kept))
    listening.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, header)
