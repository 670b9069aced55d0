"""What else is in the networks of carriers: a name server, and a portal that shows its page to everybody.

    python -m tests.failover.services dns 203.0.113.53 csms.lab.test=203.0.113.9 [FROM=ADDRESS …]
    python -m tests.failover.services portal 0.0.0.0:8080 http://portal.lab.test/login

The name server answers whoever asks from FROM with that ADDRESS instead, whatever the name.
"""

from __future__ import annotations

import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any, Final

_HEADER: Final = struct.Struct("!HHHHHH")
_ANSWER, _NO_SUCH_NAME = 0x8180, 0x8183
_A, _AAAA, _IN, _TTL = 1, 28, 1, 60


def reply(data: bytes, names: dict[str, str]) -> bytes:
    """To a question for the address of one of the names (RFC 1035 §4)."""
    number = _HEADER.unpack_from(data)[0]
    labels, place = [], _HEADER.size
    while data[place]:
        labels.append(data[place + 1 : place + 1 + data[place]].decode("ascii"))
        place += 1 + data[place]
    asked = data[_HEADER.size : place + 5]
    kind = struct.unpack_from("!H", data, place + 1)[0]
    address = names.get(".".join(labels)) or names.get("*")
    if address is None:
        return _HEADER.pack(number, _NO_SUCH_NAME, 1, 0, 0, 0) + asked
    if kind == _AAAA and ":" in address:
        record = struct.pack("!HHHIH", 0xC000 | _HEADER.size, _AAAA, _IN, _TTL, 16) + ip_address(address).packed
        return _HEADER.pack(number, _ANSWER, 1, 1, 0, 0) + asked + record
    if kind != _A or ":" in address:
        return _HEADER.pack(number, _ANSWER, 1, 0, 0, 0) + asked
    record = struct.pack("!HHHIH", 0xC000 | _HEADER.size, _A, _IN, _TTL, 4) + socket.inet_aton(address)
    return _HEADER.pack(number, _ANSWER, 1, 1, 0, 0) + asked + record


def resolve(address: str, *views: str) -> None:
    names: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for view in views:
        name, _, answer = view.partition("=")
        (elsewhere if name[0].isdigit() else names)[name] = answer
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((address, 53))
        print("serving", flush=True)
        while True:
            data, sender = made.recvfrom(2048)
            made.sendto(reply(data, {"*": elsewhere[sender[0]]} if sender[0] in elsewhere else names), sender)


def portal(address: str, page: str) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", page)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    host, _, port = address.rpartition(":")
    with ThreadingHTTPServer((host, int(port)), Page) as server:
        print("serving", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "dns":
        resolve(*sys.argv[2:])
    else:
        portal(*sys.argv[2:])
