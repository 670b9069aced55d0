"""Looking at one endpoint: the hellos that are said, in the order of what they are worth.

The first hello decides: whoever answers it is surveyed; with whoever does not, ``manners`` finds out why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.aspects import NAMELESS, nameless, order_and_compression, renegotiation
from fieldkit.sources.tlsprobe.conversation import End
from fieldkit.sources.tlsprobe.flight import UNRECOGNIZED_NAME, Flight, FlightReader, Want
from fieldkit.sources.tlsprobe.hello import GROUPS, SIGNATURES, SSL3, TLS10, TLS11, X25519, Hello
from fieldkit.sources.tlsprobe.keyshare import FIRST_GROUP, KeyShare, available
from fieldkit.sources.tlsprobe.plan import Limits, Plan, Task
from fieldkit.sources.tlsprobe.posture import Posture, Shown, Swept
from fieldkit.sources.tlsprobe.speak import speak, speak_in_clear
from fieldkit.sources.tlsprobe.suites import key_kind
from fieldkit.sources.tlsprobe.sweeps import SHORT_SUITES, old_version, others, sweep, weak
from fieldkit.sources.tlsprobe.targets import Target, Way
from fieldkit.sources.tlsprobe.tls13 import tls13
from fieldkit.wire.tlsnames import TLS12, TLS13, version_name

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.session import Wishes

FIRST_S: Final = 2.5
"""Seconds for the first answer, after which others are asked for beside it."""
PROBE_S: Final = 4.0
SLOW_S: Final = 1.0
"""More than this between hello and answer, the way there and back taken off, is slow: TLS takes milliseconds."""

_WITHOUT_LIBRARY: Final = (
    "signatures of certificates, certificates in TLS 1.3, renegotiation (the Python package cryptography is missing)"
)
_STATUS_REQUEST, _SESSION_TICKET, _RENEGOTIATION_INFO = 5, 35, 0xFF01
_ENCRYPT_THEN_MAC, _EXTENDED_MASTER_SECRET = 22, 23
_PROTOCOL_VERSION: Final = 70


class Survey(Plan):
    """The survey of one endpoint."""

    alone = True

    def __init__(self, target: Target, way: Way, limits: Limits, wishes: Wishes | None = None) -> None:
        super().__init__(way, Posture(target, way), limits)
        self.target = target
        self.server_name = "" if target.is_address else target.host.rstrip(".")
        self.wishes = wishes
        self.kinds_seen: set[str] = set()
        """Of the certificates' keys."""
        self._delays: list[float] = []
        """Between hello and answer, the way there and back taken off."""
        posture = self.posture
        posture.asked_for_upgrade = target.path not in ("", "/")
        if wishes is not None and wishes.credentials is not None:
            posture.password_values = wishes.credentials.values()
        if target.tls:
            self.add(0, "the first hello", self._first())
        elif wishes is not None:
            self.add(0, "the upgrade without TLS", speak_in_clear(self, wishes))

    # ----------------------------------------------------------------------------------------------------- hellos

    def reader(
        self, version: int, numbers: Sequence[int], *, want: Want = "hello", named: bool = True,
        share: KeyShare | None = None, patience: float = PROBE_S, **offered: Any,
    ) -> FlightReader:  # fmt: skip
        """A hello, as this endpoint can take it."""
        posture = self.posture
        if posture.short_only:
            offered.setdefault("signatures", SIGNATURES[:10])
            offered.setdefault("groups", GROUPS[:3])
            offered.pop("staple", None)
            numbers = numbers[:SHORT_SUITES]
        if version < TLS12:
            numbers = (*numbers, suites.RENEGOTIATION_SCSV)
        made = Hello(
            version,
            numbers,
            server_name=self.server_name if named else "",
            bare=posture.short_only,
            key_shares=((share.group, share.public),) if share is not None else (),
            **offered,
        )
        return FlightReader(made, want=want, share=share, patience=patience)

    def modern(self, **offered: Any) -> FlightReader:
        """One of TLS 1.3 with everything, and with a share for the group that all must know, or for the shortest."""
        group = X25519 if self.posture.short_only else FIRST_GROUP
        share = KeyShare(group) if available() else None
        return self.reader(TLS13, suites.TLS13, want="flight", groups=GROUPS, share=share, **offered)

    def heard(self, conversation: Any, now: float) -> None:
        """Take the times of it."""
        traffic, posture = conversation.traffic, self.posture
        if traffic.answer_s is not None and isinstance(conversation, FlightReader) and conversation.flight.answered:
            posture.hello_s = min(posture.hello_s or traffic.answer_s, traffic.answer_s)
            self._delays.append(traffic.answer_s - (traffic.connect_s or 0.0))
        super().heard(conversation, now)
        if self._delays:
            # The quickest counts: any single one may have been lost on the way and sent again.
            posture.slow_s = min(self._delays) if min(self._delays) > SLOW_S else None

    def stop(self) -> None:
        """Whoever has not answered by now says nothing."""
        super().stop()
        posture = self.posture
        if "first" not in posture.flights and self.target.tls:
            posture.manner = "silence" if posture.connect_s is not None else "unreachable"
            posture.reason = "" if posture.connect_s is not None else "no answer to the attempt to connect"

    # ------------------------------------------------------------------------------------------------------ tasks

    def _first(self) -> Task:
        reader = self.reader(TLS12, suites.usual(), want="flight", staple=True, ticket=b"", patience=FIRST_S)
        yield reader
        if not reader.traffic.connected and reader.traffic.end is End.TIMEOUT:
            # On a bad link the first packets get lost: they are sent again after 1, 3 and 7 s.
            patience = max(self.remaining - 1.0, 1.0)
            reader = self.reader(TLS12, suites.usual(), want="flight", staple=True, ticket=b"", patience=patience)
            yield reader
        if reader.flight.alert == UNRECOGNIZED_NAME and self.server_name:
            # Nothing more is to be had by this name: what is there is seen without it.
            self.posture.name_refused, self.server_name = True, ""
            reader = self.reader(TLS12, suites.usual(), want="flight", staple=True, ticket=b"", patience=FIRST_S)
            yield reader
        if reader.flight.answered:
            self.answered(reader.flight, staple_asked=True)
            return
        from fieldkit.sources.tlsprobe.manners import find_out

        find_out(self, reader)

    def answered(self, flight: Flight, *, staple_asked: bool = False) -> None:
        """The endpoint speaks TLS: everything else follows from this first flight of TLS 1.2 or older, or alert."""
        posture = self.posture
        posture.flights["first"] = flight
        if not available():
            posture.incomplete = True
            posture.left_out.append(_WITHOUT_LIBRARY)
        if flight.hello is not None:
            version = flight.hello.version
            posture.versions[version] = True
            for higher in (TLS12, TLS11, TLS10):
                if higher > version:
                    posture.versions[higher] = False
            self.swept(version).first = flight.suite
            self.note(flight)
            self.kinds_seen.add(key_kind(flight.suite))
            self.take_chain(flight, version_name(version), staple_asked=staple_asked)
            posture.secure_renegotiation = flight.has(_RENEGOTIATION_INFO)
            posture.tickets = flight.has(_SESSION_TICKET)
            posture.extended_master_secret = flight.has(_EXTENDED_MASTER_SECRET)
            posture.encrypt_then_mac = flight.has(_ENCRYPT_THEN_MAC) or None
        elif flight.alert == _PROTOCOL_VERSION:
            posture.versions[TLS12] = False
        self.add(1, "TLS 1.3", tls13(self))
        if self.server_name and posture.shown:
            self.add(1, NAMELESS, nameless(self, self.reader(TLS12, suites.usual(), want="flight", named=False)))
        for version in (TLS11, TLS10, SSL3):
            if version not in posture.versions:
                self.add(2, version_name(version), old_version(self, version))
        if flight.alert != _PROTOCOL_VERSION:
            self._add_sweeps()
        if self.wishes is not None:
            self.add(3, "the handshake of a station and the WebSocket upgrade", speak(self, self.wishes), long=True)

    def answered_modern(self) -> None:
        """The same for one that answers hellos of TLS 1.3 only."""
        self.answered(Flight(outcome="alert", alert=_PROTOCOL_VERSION))

    def _add_sweeps(self) -> None:
        self.add(2, "suites for ECDSA that OCPP asks for", sweep(self, suites.OCPP_ECDSA))
        self.add(2, "suites for RSA that OCPP asks for", sweep(self, suites.OCPP_RSA))
        self.add(2, "weak suites", weak(self))
        self.add(3, "the other suites", others(self))
        self.add(4, "compression and order of preference", order_and_compression(self))
        self.add(4, "renegotiation", renegotiation(self))

    # ------------------------------------------------------------------------------------------------------ notes

    def note(self, flight: Flight) -> None:
        """What every accepted hello tells."""
        hello, posture = flight.hello, self.posture
        if hello is None or hello.version not in (SSL3, TLS10, TLS11, TLS12, TLS13):
            return
        self.accept(hello.version, hello.suite)
        posture.versions[hello.version] = True
        if flight.dh_bits is not None:
            posture.dh_bits = min(posture.dh_bits or flight.dh_bits, flight.dh_bits)
        if hello.compression == 1:
            posture.compression = True
        if flight.request is not None:
            posture.request = posture.request or flight.request
            posture.client_certificate = posture.client_certificate or "unknown"

    def swept(self, version: int) -> Swept:
        """What is known of the suites of a version."""
        return self.posture.suites.setdefault(version, Swept())

    def accept(self, version: int, number: int) -> None:
        """A suite was chosen."""
        swept = self.swept(version)
        if number not in swept.accepted:
            swept.accepted.append(number)
        swept.open.discard(number)

    def is_known(self, number: int, version: int) -> bool:
        """It need not be asked for again. An endpoint below TLS 1.2 answers our TLS 1.2 with what it has."""
        swept = self.posture.suites
        below = version == TLS12 and not self.posture.accepts(TLS12)
        return any(number in swept[one].accepted for one in swept if one == version or below)

    def take_chain(self, flight: Flight, when: str, *, staple_asked: bool = False) -> None:
        """A chain that is not known yet; of one that is, the staple."""
        if not flight.chain:
            return
        for shown in self.posture.shown:
            if shown.chain == flight.chain:
                shown.staple = shown.staple or flight.staple
                shown.staples = max(shown.staples, flight.staples)
                shown.staple_asked |= staple_asked
                return
        self.posture.shown.append(Shown(flight.chain, when, flight.staple, flight.staples, staple_asked, flight.defect))

    def pieces(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        """As many suites at a time as it takes."""
        if not self.posture.short_only:
            yield numbers
            return
        for at in range(0, len(numbers), SHORT_SUITES):
            yield numbers[at : at + SHORT_SUITES]
