"""The only thing that sends. What may go out of a port is decided here and nowhere else.

Four ways, each for its own kind of bytes; a guard has those it was made with:

listening    none: everything is refused, and the descriptor could not write anyway
asking       bytes that a read set knows as harmless
typing       what an operator types into a console that was opened for it
writing      bytes that an operator has confirmed one by one: a ``Permit``, good once

While a device boots nothing is sent at all. Nothing is ever sent again by itself: a write without an answer leaves a
device in a state nobody knows, and only a person may decide what then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from fieldkit.sources.serial.audit import Audit
from fieldkit.sources.serial.readsets import ReadSet
from fieldkit.sources.serial.trouble import RefusedError

MOST_TYPED: Final = 4096
"""Bytes that are typed in one go; more is no typing."""
MOST_ASKED: Final = 300
"""Bytes of a request; the longest, of Modbus ASCII, has 513 only where it writes."""


class Permit:
    """The operator's word for exactly these bytes, once. Made where the operator is asked."""

    __slots__ = ("_spent", "confirmation", "data", "device", "intent")

    def __init__(self, data: bytes, *, device: str, intent: str, confirmation: str) -> None:
        if not data:
            raise ValueError("there is nothing to write")
        if not confirmation.strip():
            raise ValueError("a write needs somebody's word")
        self.data = data
        self.device = device
        self.intent = intent
        self.confirmation = confirmation
        self._spent = False

    @property
    def spent(self) -> bool:
        return self._spent

    def spend(self) -> bytes:
        """The bytes; only the first time."""
        if self._spent:
            raise RefusedError("this was written already: a write is never repeated without asking again")
        self._spent = True
        return self.data


class WriteGuard:
    """See the module. ``transmit`` is the open port's; ``record`` keeps what was sent."""

    def __init__(
        self,
        transmit: Callable[[bytes], None],
        record: Callable[[bytes, bool], None],
        *,
        port: str,
        asking: ReadSet | None = None,
        typing: bool = False,
        writing: bool = False,
        audit: Audit | None = None,
    ) -> None:
        if (typing or writing) and audit is None:
            raise ValueError("whoever may write is recorded")
        self._transmit = transmit
        self._record = record
        self._port = port
        self._asking = asking
        self._typing = typing
        self._writing = writing
        self._audit = audit
        self._turn = threading.Lock()
        self._blocked = ""
        self.sent = 0
        """Bytes that went out."""

    @property
    def may_send(self) -> bool:
        """Whether there is anything that it would let through."""
        return self._asking is not None or self._typing or self._writing

    @property
    def blocked(self) -> str:
        """Why nothing may be sent now; empty where something may."""
        return self._blocked

    def block(self, why: str) -> None:
        """Nothing goes out until ``unblock``."""
        self._blocked = why

    def unblock(self) -> None:
        self._blocked = ""

    def ask(self, data: bytes) -> None:
        """Send a request that reads."""
        if self._asking is None:
            raise RefusedError("this port is only listened to: nothing is sent")
        if len(data) > MOST_ASKED or not self._asking(data):
            raise RefusedError(f"this is no request that only reads: {data[:32].hex(' ')}")
        self._send(data)

    def type(self, data: bytes, *, hidden: bool = False) -> None:
        """Send what was typed. ``hidden``: a password, of which only the length is recorded."""
        if not self._typing or self._audit is None:
            raise RefusedError("typing is off: start with --allow-write")
        if len(data) > MOST_TYPED:
            raise RefusedError(f"{len(data)} bytes at once are not typed: at most {MOST_TYPED}")
        self._check_block()
        shown = {"hidden": len(data)} if hidden else {"tx": data.hex()}
        self._audit.add("typed", port=self._port, **shown)
        self._send(data, hidden=hidden)

    def write(self, permit: Permit) -> None:
        """Send what was confirmed. The record of it is on the disk before the first byte leaves."""
        if not self._writing or self._audit is None:
            raise RefusedError("writing is off: start with --allow-write")
        self._check_block()
        data = permit.spend()
        self._audit.add(
            "write",
            port=self._port,
            device=permit.device,
            intent=permit.intent,
            confirmation=permit.confirmation,
            tx=data.hex(),
        )
        self._send(data)

    def _check_block(self) -> None:
        if self._blocked:
            raise RefusedError(f"nothing is sent now: {self._blocked}")

    def _send(self, data: bytes, *, hidden: bool = False) -> None:
        with self._turn:
            self._check_block()
            self._transmit(data)
            self.sent += len(data)
            self._record(data, hidden)
