"""What a network card does by itself: asked of its driver as ethtool(8) does, which routers do not have installed."""

from __future__ import annotations

import ctypes
import socket
import struct
from functools import lru_cache
from typing import Final

from fieldkit.sources.packetsocket import MAX_NAME

_SIOCETHTOOL: Final = 0x8946
_GET_DRIVER, _GET_STRINGS, _GET_SET_SIZES, _GET_FEATURES = 0x03, 0x1B, 0x37, 0x3A
_FEATURES: Final = 4
"""ETH_SS_FEATURES: the set of strings that names the features (linux/ethtool.h)."""
_STRING: Final = 32
MAX_FEATURES: Final = 512
"""Linux knows about sixty."""

BIG_PACKETS: Final = ("rx-gro", "rx-lro", "rx-gro-hw", "tx-tcp-segmentation", "tx-generic-segmentation")
"""Features that show several segments as one packet."""
TC_OFFLOAD: Final = "hw-tc-offload"
"""The card may be told to forward by itself: flowtables and tc rules use it."""


def features(interface: str) -> dict[str, bool]:
    """The features of an interface by name, and whether each is on; empty where the driver does not tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            names = _feature_names(interface)
            if not names:
                return {}
            words = (len(names) + 31) // 32
            answer = _ask(asked, interface, struct.pack("=II", _GET_FEATURES, words) + bytes(16 * words))
        except OSError:
            return {}
    # struct ethtool_get_features_block: available, requested, active, never changed
    active = [struct.unpack_from("=I", answer, 8 + 16 * word + 8)[0] for word in range(words)]
    return {name: bool(active[bit // 32] >> bit % 32 & 1) for bit, name in enumerate(names) if name}


def driver(interface: str) -> str:
    """The name of the driver, as in "veth" or "r8152"; empty where there is none to ask."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = _ask(asked, interface, struct.pack("=I", _GET_DRIVER).ljust(196, b"\0"))
        except OSError:
            return ""
    return answer[4:36].rstrip(b"\0").decode("ascii", "replace")


@lru_cache(maxsize=64)
def _feature_names(interface: str) -> tuple[str, ...]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        # struct ethtool_sset_info: command, reserved, mask of the sets, one size for each
        answer = _ask(asked, interface, struct.pack("=IIQI", _GET_SET_SIZES, 0, 1 << _FEATURES, 0))
        count = struct.unpack_from("=I", answer, 16)[0] if struct.unpack_from("=Q", answer, 8)[0] else 0
        if not 0 < count <= MAX_FEATURES:
            return ()
        answer = _ask(asked, interface, struct.pack("=III", _GET_STRINGS, _FEATURES, count) + bytes(_STRING * count))
    at = range(12, 12 + _STRING * count, _STRING)
    return tuple(answer[place : place + _STRING].split(b"\0")[0].decode("ascii", "replace") for place in at)


def _ask(through: socket.socket, interface: str, question: bytes) -> bytes:
    import fcntl  # not on Windows, where nobody asks

    answer = ctypes.create_string_buffer(question, len(question))
    request = struct.pack("@16sP", interface.encode()[:MAX_NAME], ctypes.addressof(answer)).ljust(40, b"\0")
    fcntl.ioctl(through, _SIOCETHTOOL, request)
    return answer.raw
