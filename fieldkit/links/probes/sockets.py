"""A socket that sends through one interface, whatever the routes prefer."""

from __future__ import annotations

import socket
from typing import Final

_BIND_TO_DEVICE: Final = 25
"""SO_BINDTODEVICE of Linux; Python names it from 3.3 on, other systems have none."""


def bound(family: int, kind: int, protocol: int, interface: str) -> socket.socket:
    """OSError where it is not to be had: no such interface, or not allowed (root, or Linux 5.7)."""
    made = socket.socket(family, kind, protocol)
    try:
        if interface:
            option = getattr(socket, "SO_BINDTODEVICE", _BIND_TO_DEVICE)
            made.setsockopt(socket.SOL_SOCKET, option, interface.encode() + b"\0")
    except BaseException:
        made.close()
        raise
    return made
