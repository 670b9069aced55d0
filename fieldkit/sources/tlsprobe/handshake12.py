"""A whole TLS 1.2 handshake of our own, and then another hello inside it: may a client renegotiate?

Python's ssl cannot ask that. A server that agrees lets anybody make it compute signatures at the price of a hello
(CVE-2011-1473), and OCPP has no use for it. The certificate is not verified: nothing is said inside.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from fieldkit.sources.tlsprobe.flight import FlightReader
from fieldkit.sources.tlsprobe.hello import P256, P384, P521, X25519, Hello
from fieldkit.sources.tlsprobe.keyshare import KeyShare, KeyShareError
from fieldkit.wire.tlscipher import RecordCipher, record_cipher
from fieldkit.wire.tlskeys import RecordKeys, Suite, keys_tls12, prf, suite
from fieldkit.wire.tlsnames import TLS12
from fieldkit.wire.tlsrecords import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE

SUITES: Final = (0xC02B, 0xC02F, 0xC02C, 0xC030, 0x009C, 0x009D)
"""What this handshake can really do: ECDHE or RSA with AES-GCM."""
PATIENCE_S: Final = 3.0
_SERVER_HELLO: Final = 2
_VERIFY_DATA: Final = 12
_VERSION: Final = b"\x03\x03"


class RenegotiationProbe(FlightReader):
    """One connection: handshake, second hello, answer."""

    def __init__(self, hello: Hello) -> None:
        super().__init__(hello, want="flight", patience=PATIENCE_S)

    def again(self) -> None:
        """Nothing was said, nothing came."""
        super().again()
        self.established = False
        """The first handshake came to its end."""
        self.allowed: bool | None = None
        """The server took the second hello. None: it was not asked."""
        self._keys: tuple[RecordKeys, RecordKeys] | None = None
        self._known: Suite | None = None
        self._opens: RecordCipher | None = None
        self._opened = 0
        self._sealed = 0
        self._verify_data = b""
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """The server's flights."""
        if self._keys is None:
            answer = super().feed(data)
            if self.done and self.flight.whole and self.flight.version == TLS12:
                self.done = False
                return self._finish_handshake()
            return answer
        self._tail += data
        answer = b""
        while not self.done and len(self._tail) >= 5 and len(self._tail) >= 5 + int.from_bytes(self._tail[3:5], "big"):
            size = 5 + int.from_bytes(self._tail[3:5], "big")
            record, self._tail = self._tail[:size], self._tail[size:]
            answer += self._later(record[:5], record[5:])
        if len(self._tail) > 1 << 15:
            self.done = True
        return answer

    def finish(self) -> None:
        """Silence, or a connection closed without a word, is a refusal as well."""
        super().finish()
        if self.established and self.allowed is None:
            self.allowed = False

    # ------------------------------------------------------------------------------------------------------- steps

    def _finish_handshake(self) -> bytes:
        """ClientKeyExchange, ChangeCipherSpec, Finished (RFC 5246 §7.4.7 to 7.4.9)."""
        hello = self.flight.hello
        assert hello is not None
        self._known = known = suite(hello.suite)
        exchanged = self._exchange()
        if known is None or exchanged is None or hello.suite not in SUITES:
            self.done = True
            return b""
        secret, exchange = exchanged
        first = self._sent[0]
        randoms = (first[6:38], hello.random)
        master = prf(secret, b"master secret", randoms[0] + randoms[1], 48, known.digest)
        self._keys = (keys_tls12(known, master, randoms, True), keys_tls12(known, master, randoms, False))
        messages = []
        if self.flight.request is not None:
            messages.append(b"\x0b\x00\x00\x03\x00\x00\x00")  # a certificate list without certificates
        messages.append(b"\x10" + len(exchange).to_bytes(3, "big") + exchange)
        self._sent += messages
        hashed = hashlib.new(known.digest, b"".join(self._sent)).digest()
        self._verify_data = prf(master, b"client finished", hashed, _VERIFY_DATA, known.digest)
        clear = b"".join(_record(HANDSHAKE, message) for message in messages) + _record(CHANGE_CIPHER_SPEC, b"\x01")
        return clear + self._seal(HANDSHAKE, b"\x14\x00\x00\x0c" + self._verify_data)

    def _exchange(self) -> tuple[bytes, bytes] | None:
        """The premaster secret, and the body of the message that lets the server know it."""
        body = next((message[4:] for message in self._sent if message[0] == 12), b"")
        if self.flight.curve is not None:
            try:
                share = KeyShare(self.flight.curve)
                return share.secret(body[4 : 4 + body[3]]), bytes((len(share.public),)) + share.public
            except (KeyShareError, IndexError):
                return None
        if body or not self.flight.chain:
            return None
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        from cryptography.x509 import load_der_x509_certificate

        try:
            public = load_der_x509_certificate(self.flight.chain[0]).public_key()
        except Exception:  # bytes from the wire: the library raises whatever it likes
            return None
        if not isinstance(public, rsa.RSAPublicKey):
            return None
        secret = _VERSION + os.urandom(46)  # RFC 5246 §7.4.7.1
        encrypted = public.encrypt(secret, padding.PKCS1v15())
        return secret, len(encrypted).to_bytes(2, "big") + encrypted

    def _later(self, header: bytes, fragment: bytes) -> bytes:
        """A record behind the first flight."""
        assert self._keys is not None
        assert self._known is not None
        kind = header[0]
        if kind == CHANGE_CIPHER_SPEC:
            self._opens = record_cipher(self._known, self._keys[1], tls13=False)
            return b""
        if self._opens is not None:
            opened = self._opens.open(self._opened, header, fragment)
            self._opened += 1
            if opened is None:
                self.done = True
                return b""
            kind, fragment = opened
        if kind == ALERT:
            self.done = True
            if self.established:
                self.allowed = False
        elif kind == HANDSHAKE and fragment:
            if self.established:
                self.done = fragment[0] == _SERVER_HELLO
                self.allowed = True if self.done else None
            elif self._opens is not None and fragment[0] == 20:
                self.established = True
                return self._again()
        return b""

    def _again(self) -> bytes:
        """A second hello, under the keys of the first handshake (RFC 5746 §3.5)."""
        return self._seal(HANDSHAKE, replace(self.hello, renegotiation=self._verify_data).message())

    def _seal(self, kind: int, content: bytes) -> bytes:
        """A record of TLS 1.2 with AES-GCM (RFC 5288 §3)."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        assert self._keys is not None
        number = self._sealed.to_bytes(8, "big")
        self._sealed += 1
        known = number + bytes((kind,)) + _VERSION + len(content).to_bytes(2, "big")
        sealed = AESGCM(self._keys[0].key).encrypt(self._keys[0].iv + number, content, known)
        return _record(kind, number + sealed)


def offers(server_name: str) -> Iterator[Hello]:
    """Hellos of this handshake, only with what it can really do. X25519, which is loaded late, is for servers that take
    no other curve; those of certificates stand in the same list (RFC 8422 §5.1.1)."""
    for groups in ((P256, P384, P521), (X25519, P256, P384, P521)):
        yield Hello(TLS12, SUITES, server_name=server_name, groups=groups, ticket=b"", bare=True)


def _record(kind: int, content: bytes) -> bytes:
    return bytes((kind,)) + _VERSION + len(content).to_bytes(2, "big") + content
