"""The server's first flight: what it answers to one hello, up to the point where it waits for us.

Every length is checked against what is there and against a limit; nothing is kept that does not fit a limit; a peer
that breaks off, contradicts itself or never ends is a result like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.certrequest import CertificateRequest, request12, request13
from fieldkit.sources.tlsprobe.conversation import HEAD, NARROW, End, Traffic
from fieldkit.sources.tlsprobe.hello import Hello, record
from fieldkit.sources.tlsprobe.keyshare import KeyShare, KeyShareError, handshake_cipher, message_hash, supported
from fieldkit.wire.tlscipher import NoCipherError, RecordCipher
from fieldkit.wire.tlshello import (
    ServerHello,
    parse_certificates,
    parse_encrypted_extensions,
    parse_server_hello,
)
from fieldkit.wire.tlskeys import suite
from fieldkit.wire.tlsnames import TLS13
from fieldkit.wire.tlsrecords import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    MAX_FRAGMENT,
    RECORD_HEADER,
)

MAX_FLIGHT: Final = 128 << 10
"""Bytes of a flight. Chains have a few thousand; OpenSSL's own bound for one is 100 KiB."""
MAX_RECORDS: Final = 1000
"""Of a flight. The smallest that RFC 6066 §4 has peers agree on, 512 bytes, make 256 of the longest."""
UNRECOGNIZED_NAME: Final = 112
"""The alert of a server that does not know the name it is called by (RFC 6066 §3)."""
_SERVER_HELLO, _ENCRYPTED_EXTENSIONS, _CERTIFICATE, _SERVER_KEY_EXCHANGE = 2, 8, 11, 12
_CERTIFICATE_REQUEST, _SERVER_HELLO_DONE, _CERTIFICATE_VERIFY, _FINISHED, _CERTIFICATE_STATUS = 13, 14, 15, 20, 22
_NAMED_CURVE: Final = 3
_STATUS_REQUEST: Final = 5
_STATUS_OCSP: Final = 1
_COOKIE: Final = 44

Want: TypeAlias = Literal["hello", "flight"]
Outcome: TypeAlias = Literal["hello", "alert", "not-tls", "malformed", "silence", "closed", "reset", "unreachable"]


@dataclass
class Flight:
    """What came of it."""

    outcome: Outcome = "silence"
    hello: ServerHello | None = None
    alert: int | None = None
    warnings: list[int] = field(default_factory=list)
    chain: tuple[bytes, ...] = ()
    """DER, as sent."""
    defect: str = ""
    """What is wrong with what came."""
    staple: bytes = b""
    """OCSP response for the leaf."""
    staples: int = 0
    """How many certificates of the chain came with one (TLS 1.3 only; TLS 1.2 has one at most)."""
    request: CertificateRequest | None = None
    dh_bits: int | None = None
    curve: int | None = None
    alpn: str = ""
    whole: bool = False
    """The flight came to its end."""
    head: bytes = b""
    """How the answer begins."""
    retried: int | None = None
    """The group that a HelloRetryRequest asked for."""

    @property
    def version(self) -> int | None:
        """The version chosen."""
        return self.hello.version if self.hello is not None else None

    @property
    def suite(self) -> int | None:
        """The suite chosen."""
        return self.hello.suite if self.hello is not None else None

    @property
    def answered(self) -> bool:
        """The peer speaks TLS: it said hello, or refused with an alert."""
        return self.outcome in ("hello", "alert")

    def has(self, extension: int) -> bool:
        """The server's hello has this extension."""
        return self.hello is not None and any(kind == extension for kind, _ in self.hello.extensions)


class FlightReader:
    """Says one hello and reads what comes back."""

    def __init__(
        self, hello: Hello, *, want: Want = "hello", share: KeyShare | None = None, patience: float = 4.0
    ) -> None:
        self.hello = hello
        self.patience = patience
        self.window = NARROW if want == "hello" else 0
        self._want: Want = want
        self._offered = share
        self.again()

    def again(self) -> None:
        """Nothing was said, nothing came."""
        self.flight = Flight()
        self.traffic = Traffic()
        self.done = False
        self._share = self._offered
        self._sent: list[bytes] = []
        """Handshake messages so far, as the transcript has them."""
        self._pending = b""
        """Of a record."""
        self._messages = b""
        """Of a handshake message."""
        self._received = 0
        self._records = 0
        self._cipher: RecordCipher | None = None
        self._sequence = 0

    def begin(self) -> bytes:
        """The hello."""
        message = self.hello.message()
        self._sent = [message]
        return record(message, self.hello.version)

    def feed(self, data: bytes) -> bytes:
        """Take in what came."""
        if self.done:
            return b""
        if len(self.flight.head) < HEAD:
            self.flight.head += data[: HEAD - len(self.flight.head)]
        self._received += len(data)
        if self._received > MAX_FLIGHT:
            self._stop("malformed", f"it sends more than {MAX_FLIGHT >> 10} KiB without coming to an end")
            return b""
        self._pending += data
        answer = b""
        while not self._settled() and len(self._pending) >= RECORD_HEADER:
            header = self._pending[:RECORD_HEADER]
            kind, length = header[0], int.from_bytes(header[3:], "big")
            if not CHANGE_CIPHER_SPEC <= kind <= 24 or header[1] != 3 or length > MAX_FRAGMENT:
                self._not_a_record()
                break
            if len(self._pending) < RECORD_HEADER + length:
                break
            fragment = self._pending[RECORD_HEADER : RECORD_HEADER + length]
            self._pending = self._pending[RECORD_HEADER + length :]
            self._records += 1
            if self._records > MAX_RECORDS:
                self._stop("malformed", f"it sends more than {MAX_RECORDS:,} records without coming to an end")
                break
            answer += self._record(kind, header, fragment)
        if not self._settled() and self._pending and not self._plausible():
            self._not_a_record()
        return answer

    def finish(self) -> None:
        """The connection is over."""
        flight, end = self.flight, self.traffic.end
        if self._settled() or flight.outcome in ("hello", "alert"):
            return
        if not self.traffic.connected:
            flight.outcome = "unreachable"
        elif end is End.CLOSED:
            flight.outcome = "closed"
        elif end is End.RESET:
            flight.outcome = "reset"
        elif end is End.FLOOD:
            flight.outcome = "malformed"

    def _settled(self) -> bool:
        """What is read may have settled it meanwhile."""
        return self.done

    # ---------------------------------------------------------------------------------------------------- records

    def _plausible(self) -> bool:
        """What has come of a record so far can be the beginning of one."""
        first = self._pending[0]
        return CHANGE_CIPHER_SPEC <= first <= 24 and (len(self._pending) < 2 or self._pending[1] == 3)

    def _not_a_record(self) -> None:
        if self.flight.hello is None and self.flight.alert is None:
            self._stop("not-tls", "")
        else:
            self._stop(self.flight.outcome, "what follows its hello is no TLS record")

    def _record(self, kind: int, header: bytes, fragment: bytes) -> bytes:
        if kind == APPLICATION_DATA:
            if self._cipher is None:
                self._stop("malformed" if self.flight.hello is None else "hello", "encrypted data where none can be")
                return b""
            opened = self._cipher.open(self._sequence, header, fragment)
            self._sequence += 1
            if opened is None:
                self._stop("hello", "its encrypted records do not open")
                return b""
            kind, fragment = opened
        if kind == ALERT:
            self._alert(fragment)
        elif kind == HANDSHAKE:
            return self._handshake(fragment)
        return b""

    def _alert(self, fragment: bytes) -> None:
        if len(fragment) < 2:
            self._stop("malformed", "an alert that is cut short")
            return
        level, description = fragment[0], fragment[1]
        if level == 1 and description != 0 and self._cipher is None:
            self.flight.warnings.append(description)  # unrecognized_name, for one: the handshake goes on
            if len(self.flight.warnings) > 16:
                self._stop("malformed", "warnings without end")
            return
        self.flight.alert = description
        self._stop("alert" if self.flight.hello is None else "hello", "")

    def _handshake(self, fragment: bytes) -> bytes:
        self._messages += fragment
        answer = b""
        while not self.done and len(self._messages) >= 4:
            length = int.from_bytes(self._messages[1:4], "big")
            if length > MAX_FLIGHT:
                self._stop("malformed" if self.flight.hello is None else "hello", f"a message of {length:,} bytes")
                break
            if len(self._messages) < 4 + length:
                break
            message, self._messages = self._messages[: 4 + length], self._messages[4 + length :]
            answer += self._message(message[0], message[4:], message)
        return answer

    # --------------------------------------------------------------------------------------------------- messages

    def _message(self, kind: int, body: bytes, whole: bytes) -> bytes:
        flight = self.flight
        if kind == _SERVER_HELLO:
            return self._server_hello(body, whole)
        self._sent.append(whole)
        if flight.hello is None:
            if kind != 0:  # HelloRequest may be ignored (RFC 5246 §7.4.1.1)
                self._stop("malformed", "its first handshake message is no ServerHello")
        elif kind == _CERTIFICATE and not flight.chain:
            self._certificates(body)
        elif kind == _CERTIFICATE_STATUS and len(body) > 4 and body[0] == _STATUS_OCSP:
            flight.staple, flight.staples = body[4:], 1
        elif kind == _SERVER_KEY_EXCHANGE:
            self._key_exchange(body)
        elif kind == _CERTIFICATE_REQUEST:
            flight.request = request13(body) if self._modern else request12(body, flight.hello.version)
        elif kind == _ENCRYPTED_EXTENSIONS and self._modern:
            for number, content in parse_encrypted_extensions(body):
                if number == 16 and len(content) > 3:
                    flight.alpn = content[3 : 3 + content[2]].decode("ascii", "backslashreplace")
        elif kind in (_SERVER_HELLO_DONE, _FINISHED) or (kind == _CERTIFICATE_VERIFY and self._modern):
            flight.whole = True
            self._stop("hello", "")
        return b""

    @property
    def _modern(self) -> bool:
        return self.flight.version == TLS13

    def _server_hello(self, body: bytes, whole: bytes) -> bytes:
        flight = self.flight
        hello = parse_server_hello(body)
        if flight.hello is not None and not flight.hello.retry:
            self._stop("hello", "it says hello twice")
            return b""
        if hello.defect and len(hello.random) < 32:
            self._stop("malformed", f"its ServerHello is damaged: {hello.defect}")
            return b""
        again = flight.hello is not None
        flight.hello, flight.outcome = hello, "hello"
        flight.defect = hello.defect
        if hello.retry:
            flight.retried = hello.group
            if again:
                self._stop("hello", "it asks for another hello twice")
                return b""
            return self._once_more(hello, whole)
        self._sent.append(whole)
        if self._want == "hello":
            self._stop("hello", hello.defect)
        elif hello.version == TLS13:
            self._start_decrypting(hello)
        return b""

    def _once_more(self, hello: ServerHello, whole: bytes) -> bytes:
        """RFC 8446 §4.1.2: the same hello with the share that was asked for."""
        group, known = hello.group, suite(hello.suite)
        if self._want == "hello" or group is None or known is None or not supported(group):
            self._stop("hello", hello.defect)
            return b""
        try:
            self._share = KeyShare(group)
        except Exception:  # the library's OpenSSL may lack a curve, and says so in its own ways
            self._stop("hello", hello.defect)
            return b""
        first = self._sent[0]
        cookie = next((content[2:] for kind, content in hello.extensions if kind == _COOKIE), b"")
        second = replace(
            self.hello,
            key_shares=((group, self._share.public),),
            cookie=cookie,
            session_id=hello.session_id,
        ).message(random=first[6:38])
        self._sent = [message_hash(first, known.digest), whole, second]
        return record(second, self.hello.version)

    def _start_decrypting(self, hello: ServerHello) -> None:
        known = suite(hello.suite)
        share = next((content[4:] for kind, content in hello.extensions if kind == 51 and len(content) > 4), b"")
        if known is None or self._share is None or not share or hello.group != self._share.group:
            self._stop("hello", hello.defect)
            return
        try:
            self._cipher = handshake_cipher(known, self._share.secret(share), b"".join(self._sent))
        except (KeyShareError, NoCipherError) as error:
            self._stop("hello", str(error))

    def _certificates(self, body: bytes) -> None:
        flight = self.flight
        flight.chain, defect = parse_certificates(body, self._modern)
        if defect:
            flight.defect = flight.defect or f"its certificate message is damaged: {defect}"
        if self._modern and body:
            self._staples(body)

    def _staples(self, body: bytes) -> None:
        """OCSP responses stand behind the certificates (RFC 8446 §4.4.2.1); the lengths were right already."""
        at = 1 + body[0] + 3
        for number in range(len(self.flight.chain)):
            at += 3 + int.from_bytes(body[at : at + 3], "big")
            block = body[at + 2 : at + 2 + int.from_bytes(body[at : at + 2], "big")]
            at += 2 + len(block)
            for kind, content in parse_encrypted_extensions(len(block).to_bytes(2, "big") + block):
                if kind == _STATUS_REQUEST and len(content) > 4 and content[0] == _STATUS_OCSP:
                    self.flight.staples += 1
                    if number == 0:
                        self.flight.staple = content[4:]

    def _key_exchange(self, body: bytes) -> None:
        chosen = self.flight.suite or 0
        if suites.uses_dh(chosen) and len(body) > 2:
            size = int.from_bytes(body[:2], "big")
            if len(body) >= 2 + size:
                self.flight.dh_bits = int.from_bytes(body[2 : 2 + size], "big").bit_length()
        elif suites.uses_ecdhe(chosen) and len(body) > 3 and body[0] == _NAMED_CURVE:
            self.flight.curve = int.from_bytes(body[1:3], "big")

    def _stop(self, outcome: Outcome, defect: str) -> None:
        self.done = True
        self.flight.outcome = outcome
        self.flight.defect = self.flight.defect or defect


def refused(flight: Flight) -> bool:
    """It says no: by an alert, or by hanging up, as some do."""
    return flight.outcome in ("alert", "closed", "reset")


def version_verdict(flight: Flight, version: int) -> bool | None:
    """Whether a version is accepted, by what a hello came to that offers no higher one."""
    if flight.version is not None:
        return flight.version == version if flight.version <= version else None
    return False if refused(flight) else None
