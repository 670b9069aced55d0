"""One side's TLS encryption over time: which key is in force, and which number the next record has.

Records open one after the other, and keys follow each other, as long as nothing is missing. Behind a hole in the
capture a ``Protection`` tries the sequence numbers and keys that may be next. Nothing is believed that does not
authenticate, CBC included.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from fieldkit.wire import tlskeys
from fieldkit.wire.tlscipher import BLOCK, NoCipherError, RecordCipher, record_cipher
from fieldkit.wire.tlskeys import KeyLog, RecordKeys, Session, Stage
from fieldkit.wire.tlsnames import suite_name
from fieldkit.wire.tlsrecords import RECORD_HEADER

MAX_SEQUENCE_TRIES = 512
"""Sequence numbers tried behind a hole: as many records of one segment each are 700 KB; 1 µs a try."""

MAX_FAILURES = 8
"""Records in a row that may fail to open before a side is given up: false headers in the rest of a torn record."""

MAX_PASSED_BYTES = 1 << 20
"""Passed over of a stage without secret, in search of the first record of the next stage."""

_MIN_RECORD = RECORD_HEADER + BLOCK + 1
"""Bytes on the wire of the shortest record that a hole can swallow, near enough."""

NO_KEY_LOG = "no key log"
NOT_IN_KEY_LOG = "the key log has no entry for this connection's client random"
NO_CLIENT_HELLO = "bytes missing in the capture: without the client hello its secrets cannot be told from others"
NO_CRYPTOGRAPHY = "decrypting needs the Python package cryptography, which is not installed"
WRONG_SECRET = "decryption failed: the key log has a wrong secret for this connection"
COUNT_LOST = "bytes missing in the capture: behind them the records do not decrypt any more"
DAMAGED = "decryption failed: too many damaged records in a row"


class Unopened(Enum):
    """Why a record was not opened."""

    WAIT = "a secret is not known; it may still come"
    PASSED = "it belongs to a stage whose secret is not known; the next stage's is"
    DAMAGED = "it does not authenticate; the next one may"
    HOPELESS = "nor will any other, for the stated reason"


class Early(Enum):
    """What became of 0-RTT data (RFC 8446 §4.2.10)."""

    OFFERED = "the server has not answered yet"
    ACCEPTED = "it is part of the conversation"
    REFUSED = "its records are on the wire all the same, and the client will send what is in them again"


class Protection:
    """One side's encryption: the cipher in force, the next sequence number, and how to find them again."""

    __slots__ = (
        "_cipher",
        "_failures",
        "_final",
        "_from_client",
        "_lost",
        "_passed",
        "_secret",
        "_secrets",
        "_sequence",
        "early",
        "holed",
        "missing",
        "reason",
        "session",
        "stage",
    )

    def __init__(self, from_client: bool, secrets: KeyLog) -> None:
        self.session: Session | None = None
        """None while the side speaks in clear."""
        self.stage = Stage.APPLICATION
        self.early = Early.REFUSED
        self.reason = ""
        """What ``WAIT`` waits for, and why it is ``HOPELESS``."""
        self.missing = 0
        """Bytes of application data that a hole swallowed, known once a record behind it has opened: to be collected
        by whoever gets that record."""
        self.holed = False
        """Bytes of this side are missing somewhere before."""
        self._from_client = from_client
        self._secrets = secrets
        self._cipher: RecordCipher | None = None
        self._secret = b""
        self._sequence = 0
        """Above 0, the cipher has proved right."""
        self._lost = 0
        """Bytes on the wire that were lost since the last record that opened."""
        self._failures = 0
        self._passed = 0
        self._final = False
        """What is missing to make a cipher cannot come any more."""

    @property
    def keyless(self) -> bool:
        """There never were any keys for what this side encrypts."""
        return self._cipher is None and self._failures == 0

    @property
    def awaits_server(self) -> bool:
        """Nothing can be opened until the server has answered to 0-RTT data."""
        return self.stage is Stage.EARLY and self.early is Early.OFFERED

    def seal(self, session: Session, stage: Stage = Stage.APPLICATION) -> None:
        """From the next record on, this side encrypts with new keys."""
        self.session, self.stage = session, stage
        self._cipher, self._secret, self._sequence = None, b"", 0

    def update(self) -> None:
        """The sender goes on to its next traffic secret (RFC 8446 §4.6.3)."""
        assert self.session is not None
        suite = tlskeys.suite(self.session.suite_number)
        if suite is not None and self._secret:
            self._secret = tlskeys.next_secret(suite, self._secret)
            self._cipher = record_cipher(suite, tlskeys.keys_tls13(suite, self._secret), tls13=True)
            self._sequence = 0

    def lose(self, count: int) -> None:
        """``count`` bytes on the wire, whole records as far as is known, are not to be had."""
        self._lost += count
        self.holed = True

    @property
    def uncertain(self) -> bool:
        """Something is lost in front of the next record."""
        return self._lost > 0

    def in_clear(self) -> None:
        """A record came that was not encrypted: neither was any that is lost."""
        self._lost = 0

    def open(self, header: bytes, fragment: bytes) -> tuple[int, bytes] | Unopened:
        """The content type and plaintext of this side's next record."""
        cipher = self._cipher
        if cipher is not None:
            opened = cipher.open(self._sequence, header, fragment)
            if opened is not None:
                self._sequence += 1
                if self._lost:
                    self._recovered(0 if cipher.authenticates else self._lost - cipher.overhead)
                return opened
        return self._open_otherwise(header, fragment)

    def begins(self, session: Session, header: bytes, fragment: bytes) -> bool:
        """Behind a hole in what this side says in clear: was the ChangeCipherSpec in it, is this an encrypted record?
        If so, the side is sealed."""
        self.seal(session)
        cipher = self._make(Stage.APPLICATION)
        if cipher is not None and cipher.authenticates:
            for sequence in range(self._reach()):
                if cipher.open(sequence, header, fragment) is not None:
                    return True
        self.session = None
        return False

    def _open_otherwise(self, header: bytes, fragment: bytes) -> tuple[int, bytes] | Unopened:
        """There is no cipher yet, or it is not the right one, or not with this sequence number."""
        if self._cipher is None:
            cipher = self._make(self.stage)
            if cipher is not None:
                self._cipher, self._secret = cipher, self._traffic_secret(self.stage)
                return self.open(header, fragment)
            if self.awaits_server:
                return Unopened.WAIT
            if not any(self._make(stage) for stage in Stage if stage > self.stage):
                return Unopened.HOPELESS if self._final else Unopened.WAIT
        opened = self._search(header, fragment)
        if opened is not None:
            return opened
        size = len(header) + len(fragment)
        if self._cipher is None:
            self._passed += size
            if self._passed <= MAX_PASSED_BYTES:
                return Unopened.PASSED
            self.reason = WRONG_SECRET
            return Unopened.HOPELESS
        if not self._sequence and not self._lost:
            self.reason = WRONG_SECRET
            return Unopened.HOPELESS
        self._lost += size
        self._failures += 1
        if self._failures < MAX_FAILURES:
            return Unopened.DAMAGED
        self.reason = COUNT_LOST if self.holed else DAMAGED
        return Unopened.HOPELESS

    # ------------------------------------------------------------------------------------------------ finding again

    def _reach(self) -> int:
        """How many records the lost bytes can have been, and one."""
        return min(MAX_SEQUENCE_TRIES, self._lost // _MIN_RECORD + 1)

    def _search(self, header: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        for cipher, secret, stage, first in self._candidates():
            for sequence in range(first, first + self._reach()):
                opened = cipher.open(sequence, header, fragment)
                if opened is not None:
                    self._found(cipher, secret, stage, sequence)
                    return opened
        return None

    def _candidates(self) -> Iterator[tuple[RecordCipher, bytes, Stage, int]]:
        """The keys that may be in force now, likeliest first, and the lowest sequence number that may be next."""
        assert self.session is not None
        if self._cipher is not None:
            if not self._lost:
                return
            yield self._cipher, self._secret, self.stage, self._sequence + 1
        if not self.session.tls13:
            return
        for stage in Stage:
            if stage > self.stage and (cipher := self._make(stage)) is not None:
                yield cipher, self._traffic_secret(stage), stage, 0
        suite = tlskeys.suite(self.session.suite_number)
        if self.stage is Stage.APPLICATION and suite is not None and self._secret:
            secret = tlskeys.next_secret(suite, self._secret)  # the hole may have swallowed a KeyUpdate
            yield record_cipher(suite, tlskeys.keys_tls13(suite, secret), tls13=True), secret, self.stage, 0

    def _found(self, cipher: RecordCipher, secret: bytes, stage: Stage, sequence: int) -> None:
        """Record number ``sequence`` opened with ``cipher``: take both up, and reckon what was lost in between."""
        assert self.session is not None
        lost, records = self._lost, sequence
        if cipher is self._cipher:
            records -= self._sequence
        elif stage is self.stage:
            lost -= cipher.overhead + 5  # the KeyUpdate itself
        if not self.session.tls13 and self._sequence == 0:
            lost -= cipher.overhead + 16  # the Finished message, always the first
            records -= 1
        missing = lost - records * cipher.overhead
        next_generation = cipher is not self._cipher and stage is self.stage
        if stage is not Stage.APPLICATION or not (records > 0 or next_generation):
            missing = 0  # only of the handshake
        elif records > 0:
            missing = max(missing, 1)
        self._cipher, self._secret, self.stage, self._sequence = cipher, secret, stage, sequence + 1
        self._recovered(missing)

    def _recovered(self, missing: int) -> None:
        self.missing += max(missing, 0)
        self._lost = self._failures = self._passed = 0

    # ------------------------------------------------------------------------------------------------------- ciphers

    def _traffic_secret(self, stage: Stage) -> bytes:
        assert self.session is not None
        label = tlskeys.LABELS.get((self._from_client, stage))
        if not self.session.tls13 or label is None:
            return b""
        return self._secrets.get(label, self.session.client_random) or b""

    def _make(self, stage: Stage) -> RecordCipher | None:
        """The cipher of a stage; or None, and ``reason`` says why."""
        session = self.session
        assert session is not None
        suite = tlskeys.suite(session.suite_number)
        self._final = True
        if suite is None or session.unsupported:
            self.reason = f"suite not supported: {session.unsupported}"
            return None
        try:
            if suite.kind == "null":
                return record_cipher(suite, RecordKeys(b"", b""), tls13=False)
            if session.tls13:
                secret = self._traffic_secret(stage)
                if secret and (stage is not Stage.EARLY or self.early is Early.ACCEPTED):
                    return record_cipher(suite, tlskeys.keys_tls13(suite, secret), tls13=True)
            else:
                master = self._secrets.get(tlskeys.MASTER, session.client_random)
                if master is not None:
                    randoms = (session.client_random, session.server_random)
                    keys = tlskeys.keys_tls12(suite, master, randoms, self._from_client)
                    return record_cipher(suite, keys, tls13=False, encrypt_then_mac=session.encrypt_then_mac)
        except ImportError:
            self.reason = NO_CRYPTOGRAPHY
            return None
        except NoCipherError:
            self.reason = f"suite not supported: this OpenSSL has no {suite_name(suite.number)}"
            return None
        self._final = bool(session.client_random) and not self._secrets.expecting
        if not session.client_random:
            self.reason = NO_CLIENT_HELLO
        elif not self._secrets:
            self.reason = NO_KEY_LOG
        elif not self._secrets.knows(session.client_random):
            self.reason = NOT_IN_KEY_LOG
        else:
            label = tlskeys.LABELS[self._from_client, stage] if session.tls13 else tlskeys.MASTER
            self.reason = f"the key log has no {label} for this connection"
        return None
