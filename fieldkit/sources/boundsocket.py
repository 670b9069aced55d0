"""A socket that sends through one interface, whatever the routes prefer."""

from __future__ import annotations

import errno
import os
import socket


def bound(family: int, kind: int, protocol: int, interface: str) -> socket.socket:
    """OSError where it is not to be had: no such interface, not allowed (root, or Linux 5.7), or no Linux."""
    made = socket.socket(family, kind, protocol)
    try:
        if interface:
            if not hasattr(socket, "SO_BINDTODEVICE"):
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    except BaseException:
        made.close()
        raise
    return made
