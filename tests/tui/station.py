"""A station and a CSMS that say two sentences over the loopback interface, for tests of live sources."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import threading


def talk() -> None:
    """Upgrade, a Heartbeat, its answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_csms, args=(listener,))
    thread.start()
    with socket.create_connection(listener.getsockname()) as station:
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET /ocpp/CP_LIVE HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        )
        station.sendall(head.encode())
        station.recv(4096)
        text = b'[2,"1","Heartbeat",{}]'
        mask = os.urandom(4)
        body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
        station.sendall(struct.pack("!BB", 0x81, 0x80 | len(text)) + mask + body)
        station.recv(4096)
    thread.join()
    listener.close()


def _csms(listener: socket.socket) -> None:
    peer, _ = listener.accept()
    with peer:
        head = peer.recv(4096).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        # RFC 6455 §1.3
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        peer.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        )
        peer.recv(4096)
        text = b'[3,"1",{"currentTime":"2026-11-21T10:00:00Z"}]'
        peer.sendall(struct.pack("!BB", 0x81, len(text)) + text)
        peer.recv(4096)
