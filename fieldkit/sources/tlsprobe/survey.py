"""Looking at one endpoint: the hellos that are said, in the order of what they are worth.

The first hello decides: whoever answers it is surveyed; with whoever does not, ``manners`` finds out why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from fieldkit.sources.tlsprobe import handshake12, suites
from fieldkit.sources.tlsprobe.conversation import End
from fieldkit.sources.tlsprobe.flight import Flight, FlightReader, Want
from fieldkit.sources.tlsprobe.handshake12 import RenegotiationProbe
from fieldkit.sources.tlsprobe.hello import (
    ECDSA_SIGNATURES,
    GROUPS,
    OLD_GROUPS,
    RSA_SIGNATURES,
    SIGNATURES,
    SSL3,
    TLS10,
    TLS11,
    X25519,
    Hello,
)
from fieldkit.sources.tlsprobe.keyshare import KeyShare
from fieldkit.sources.tlsprobe.plan import Limits, Plan, Task
from fieldkit.sources.tlsprobe.posture import Posture, Shown, Swept
from fieldkit.sources.tlsprobe.speak import speak, speak_in_clear
from fieldkit.sources.tlsprobe.targets import Target, Way
from fieldkit.wire.tlsnames import TLS12, TLS13, version_name

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.session import Wishes

FIRST_S: Final = 2.5
"""Seconds for the first answer, after which others are asked for beside it."""
PROBE_S: Final = 4.0
SLOW_S: Final = 1.0
"""More than this between hello and answer, the way there and back taken off, is slow: TLS takes milliseconds."""
_SHORT_SUITES: Final = 24
"""Suites in a hello to a peer that takes only short ones."""

_STATUS_REQUEST, _SESSION_TICKET, _RENEGOTIATION_INFO = 5, 35, 0xFF01
_ENCRYPT_THEN_MAC, _EXTENDED_MASTER_SECRET = 22, 23
_PROTOCOL_VERSION: Final = 70
_LEGACY: Final = 0x002F
_INAPPROPRIATE_FALLBACK: Final = 86
_DEFLATE_OFFERED: Final = b"\x01\x00"


class Survey(Plan):
    """The survey of one endpoint."""

    def __init__(self, target: Target, way: Way, limits: Limits, wishes: Wishes | None = None) -> None:
        super().__init__(way, Posture(target, way), limits)
        self.target = target
        self.server_name = "" if target.is_address else target.host.rstrip(".")
        self.wishes = wishes
        self._kinds_seen: set[str] = set()
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
            numbers = numbers[:_SHORT_SUITES]
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
        if reader.flight.answered:
            self.answered(reader.flight, staple_asked=True)
            return
        from fieldkit.sources.tlsprobe.manners import find_out

        find_out(self, reader)

    def answered(self, flight: Flight, *, staple_asked: bool = False) -> None:
        """The endpoint speaks TLS: everything else follows from this first flight of TLS 1.2 or older, or alert."""
        posture = self.posture
        posture.flights["first"] = flight
        if flight.hello is not None:
            version = flight.hello.version
            posture.versions[version] = True
            for higher in (TLS12, TLS11, TLS10):
                if higher > version:
                    posture.versions[higher] = False
            posture.suites.setdefault(version, Swept()).first = flight.suite
            self._note(flight)
            self._kinds_seen.add(_key_kind(flight.suite))
            self._take_chain(flight, version_name(version), staple_asked=staple_asked)
            posture.secure_renegotiation = flight.has(_RENEGOTIATION_INFO)
            posture.tickets = flight.has(_SESSION_TICKET)
            posture.extended_master_secret = flight.has(_EXTENDED_MASTER_SECRET)
            posture.encrypt_then_mac = flight.has(_ENCRYPT_THEN_MAC) or None
        elif flight.alert == _PROTOCOL_VERSION:
            posture.versions[TLS12] = False
        self.add(1, "TLS 1.3", self._tls13())
        if self.server_name:
            self.add(1, "what is shown without a server name", self._nameless())
        for version in (TLS11, TLS10, SSL3):
            if version not in posture.versions:
                self.add(2, version_name(version), self._old(version))
        if flight.alert != _PROTOCOL_VERSION:
            self._add_sweeps()
        if self.wishes is not None:
            self.add(3, "the handshake of a station and the WebSocket upgrade", speak(self, self.wishes), long=True)

    def answered_modern(self, flight: Flight) -> None:
        """The same for one that answers hellos of TLS 1.3 only."""
        refused = Flight(outcome="alert", alert=_PROTOCOL_VERSION)
        self.answered(refused)

    def _add_sweeps(self) -> None:
        self.add(2, "suites for ECDSA that OCPP asks for", self._sweep(suites.OCPP_ECDSA))
        self.add(2, "suites for RSA that OCPP asks for", self._sweep(suites.OCPP_RSA))
        self.add(2, "weak suites", self._weak())
        self.add(3, "the other suites", self._others())
        self.add(4, "compression and order of preference", self._order())
        self.add(4, "renegotiation", self._renegotiation())

    # ------------------------------------------------------------------------------------------------- TLS 1.3

    def _tls13(self) -> Task:
        posture = self.posture
        reader = self.reader(TLS13, suites.TLS13, want="flight", groups=GROUPS, staple=True, share=KeyShare(X25519))
        yield reader
        flight = reader.flight
        posture.versions[TLS13] = _verdict(flight, TLS13)
        if flight.version != TLS13:
            if posture.accepts(TLS12):
                self.add(5, "curves", self._curves12())
            return
        posture.flights["TLS 1.3"] = flight
        posture.suites.setdefault(TLS13, Swept()).first = flight.suite
        self._note(flight)
        self._take_chain(flight, "TLS 1.3", staple_asked=True)
        posture.alpn = flight.alpn
        self.add(4, "suites and curves of TLS 1.3", self._sweep13(), long=True)
        if posture.versions.get(TLS12) is False:
            self.add(3, "another certificate in TLS 1.3", self._other_certificate13(flight))
        else:
            self.add(6, "protection against downgrades", self._fallback())

    def _sweep13(self) -> Task:
        """Hellos without a key share: the HelloRetryRequest names a suite and a group, in a hundred bytes."""
        posture = self.posture
        swept = posture.suites[TLS13]
        numbers, groups = list(suites.TLS13), list(GROUPS)
        first = posture.flights["TLS 1.3"]
        _remove(numbers, first.suite)
        good_suite, good_group = first.suite or 0x1301, first.retried or X25519
        try:
            while numbers or groups:
                reader = self.reader(TLS13, numbers or [good_suite], groups=groups or [good_group])
                yield reader
                flight = reader.flight
                hello = flight.hello
                if hello is not None and hello.retry and hello.group is not None:
                    if (numbers and hello.suite not in numbers) or (groups and hello.group not in groups):
                        break  # it chooses what was not offered
                    if numbers:
                        self._accept(TLS13, hello.suite)
                        numbers.remove(hello.suite)
                    if groups:
                        posture.groups.append(hello.group)
                        groups.remove(hello.group)
                elif numbers and groups:
                    # One of the two lists has nothing left that is accepted: see which.
                    reader = self.reader(TLS13, [good_suite], groups=groups)
                    yield reader
                    hello = reader.flight.hello
                    if hello is not None and hello.retry and hello.group in groups:
                        posture.groups.append(hello.group or 0)
                        groups.remove(hello.group or 0)
                        swept.refused.update(numbers)
                        numbers = []
                    else:
                        posture.groups_refused.update(groups)
                        groups = []
                elif numbers:
                    swept.refused.update(numbers)
                    numbers = []
                else:
                    posture.groups_refused.update(groups)
                    groups = []
        finally:
            swept.open.update(numbers)
            if not posture.groups:
                posture.groups.append(good_group)

    def _other_certificate13(self, flight: Flight) -> Task:
        """A server that speaks nothing else may have a second certificate for other signature algorithms."""
        for name, signatures in (("ECDSA", ECDSA_SIGNATURES), ("RSA", RSA_SIGNATURES)):
            reader = self.reader(
                TLS13, suites.TLS13, want="flight", groups=GROUPS, signatures=signatures, share=KeyShare(X25519)
            )
            yield reader
            self._take_chain(reader.flight, f"TLS 1.3 with {name} signatures")

    def _fallback(self) -> Task:
        """A client that comes down from TLS 1.3 by itself must be told (RFC 7507)."""
        reader = self.reader(TLS12, suites.usual(), scsv=True)
        yield reader
        if reader.flight.answered:
            self.posture.fallback_scsv = reader.flight.alert == _INAPPROPRIATE_FALLBACK

    # ------------------------------------------------------------------------------------------ TLS 1.2 and older

    def _old(self, version: int) -> Task:
        numbers = suites.pre_tls10() if version == SSL3 else suites.pre_tls12()
        for piece in self._pieces(numbers):
            reader = self.reader(version, piece, groups=OLD_GROUPS)
            yield reader
            flight = reader.flight
            verdict = _verdict(flight, version)
            if self.posture.versions.get(version) is None or verdict:
                self.posture.versions[version] = verdict
            if flight.version is not None and flight.version <= version:
                self.posture.versions[flight.version] = True
                self._note(flight)
                rest = [number for number in numbers if number != flight.suite]
                if flight.suite == _LEGACY:
                    # OCPP 1.6 allows this suite only in TLS 1.0 and 1.1: is there another?
                    self.add(3, f"suites of {version_name(version)}", self._sweep(rest, version=version, most=1))
                self.add(6, f"all suites of {version_name(version)}", self._sweep(rest, version=version))
                return

    def _nameless(self) -> Task:
        reader = self.reader(TLS12, suites.usual(), want="flight", named=False)
        if self.posture.versions.get(TLS12) is False:
            reader = self.reader(TLS13, suites.TLS13, want="flight", named=False, groups=GROUPS, share=KeyShare(X25519))
        yield reader
        flight = reader.flight
        if flight.chain:
            self.posture.nameless = flight.chain
        elif _refused(flight) and flight.hello is None:
            self.posture.nameless_refused = True

    def _sweep(self, numbers: Sequence[int], *, version: int = TLS12, most: int = 1000, bits: bool = False) -> Task:
        """Offer, take away what was chosen, offer the rest, until it is refused: one connection for each that is
        accepted, and one more."""
        left = [number for number in numbers if not self._is_known(number, version)]
        swept = self.posture.suites.setdefault(version, Swept())
        found = 0
        try:
            while left and found < most:
                piece = left[:_SHORT_SUITES] if self.posture.short_only else left
                unseen = _key_kind(piece[0]) not in self._kinds_seen
                reader = self.reader(version, piece, want="flight" if bits or unseen else "hello", staple=unseen)
                yield reader
                flight = reader.flight
                if flight.version is not None and flight.version <= version and flight.suite in left:
                    self._note(flight)
                    left.remove(flight.suite or 0)
                    found += 1
                    bits = bits and flight.dh_bits is None
                    yield from self._certificate_of(flight, version)
                elif _refused(flight):
                    swept.refused.update(piece)
                    left = [number for number in left if number not in piece]
                else:
                    break
        finally:
            swept.open.update(left)

    def _weak(self) -> Task:
        """One of each weak class at first: that tells what is wrong; all the others when there is room."""
        left, later = list(suites.weak()), []
        swept = self.posture.suites.setdefault(TLS12, Swept())
        known: set[str] = set()
        try:
            while left:
                piece = left[:_SHORT_SUITES] if self.posture.short_only else left
                reader = self.reader(TLS12, piece)
                yield reader
                flight = reader.flight
                if flight.version is not None and flight.version <= TLS12 and flight.suite in left:
                    self._note(flight)
                    yield from self._measure(flight)
                    known |= suites.classes_of(flight.suite or 0)
                    left.remove(flight.suite or 0)
                    later += [number for number in left if suites.weak_classes(number) <= known]
                    left = [number for number in left if not suites.weak_classes(number) <= known]
                elif _refused(flight):
                    swept.refused.update(piece)
                    left = [number for number in left if number not in piece]
                else:
                    break
        finally:
            swept.open.update(left)
        if later:
            self.add(5, "more weak suites", self._sweep(later))

    def _others(self) -> Task:
        """All that is neither weak nor asked for by OCPP: most servers that are well kept refuse the lot at once."""
        groups = suites.remaining()
        everything = [number for group in groups.values() for number in group]
        for piece in self._pieces(everything):
            reader = self.reader(TLS12, piece)
            yield reader
            flight = reader.flight
            if flight.version is not None and flight.version <= TLS12 and flight.suite in piece:
                self._note(flight)
                yield from self._measure(flight)
                break
            if _refused(flight):
                self.posture.suites.setdefault(TLS12, Swept()).refused.update(piece)
        else:
            return
        self.add(3, "suites with DHE", self._sweep(groups["dhe"], bits=True))
        self.add(3, "suites with ECDHE", self._sweep(groups["aead"]))
        self.add(4, "suites with ECDHE and CBC", self._sweep(groups["cbc"]))
        self.add(4, "suites with RSA and CBC", self._sweep(groups["cbc-rsa"]))
        self.add(5, "suites that hardly anybody uses", self._sweep(groups["rest"]))

    def _measure(self, flight: Flight) -> Task:
        """How long the group is, if it is one of DHE: export suites have one of their own."""
        number = flight.suite or 0
        if not suites.uses_dh(number) or flight.dh_bits is not None:
            return
        if self.posture.dh_bits is None or "export" in suites.classes_of(number):
            reader = self.reader(TLS12, [number], want="flight")
            yield reader
            self._note(reader.flight)

    def _certificate_of(self, flight: Flight, version: int) -> Task:
        """A suite that needs another kind of certificate than those seen: look at that one."""
        kind = _key_kind(flight.suite)
        when = f"{version_name(version)} with {kind.upper()} suites"
        if not kind or kind in self._kinds_seen:
            return
        if flight.chain:
            self._kinds_seen.add(kind)
            self._take_chain(flight, when, staple_asked=True)
            return
        reader = self.reader(version, [flight.suite or 0], want="flight", staple=True)
        yield reader
        self._kinds_seen.add(kind)
        self._take_chain(reader.flight, when, staple_asked=True)

    def _curves12(self) -> Task:
        """A server without TLS 1.3 tells its curves one by one, in the ServerKeyExchange."""
        numbers = [number for number in self.posture.accepted(TLS12) if suites.uses_ecdhe(number)]
        if not numbers:
            return
        groups = list(GROUPS)
        while groups:
            reader = self.reader(TLS12, numbers, want="flight", groups=groups)
            yield reader
            curve = reader.flight.curve
            if curve is None or curve not in groups:
                if _refused(reader.flight):
                    self.posture.groups_refused.update(groups)
                return
            self.posture.groups.append(curve)
            groups.remove(curve)

    def _order(self) -> Task:
        """The usual hello the other way round, with compression: who decides, and is DEFLATE taken?"""
        first = self.posture.flights["first"]
        reader = self.reader(TLS12, suites.usual()[::-1], compressions=_DEFLATE_OFFERED)
        yield reader
        flight = reader.flight
        if flight.hello is not None:
            self.posture.compression = flight.hello.compression == 1
            if first.suite is not None and not self.posture.short_only:
                self.posture.order = "server" if flight.suite == first.suite else "client"
            self._note(flight)

    def _renegotiation(self) -> Task:
        if not self.posture.accepts(TLS12):
            return
        probe = RenegotiationProbe(handshake12.offer(self.server_name))
        yield probe
        self.posture.client_renegotiation = probe.allowed
        self._note(probe.flight)

    # ------------------------------------------------------------------------------------------------------ notes

    def _note(self, flight: Flight) -> None:
        """What every accepted hello tells."""
        hello, posture = flight.hello, self.posture
        if hello is None or hello.version not in (SSL3, TLS10, TLS11, TLS12, TLS13):
            return
        self._accept(hello.version, hello.suite)
        if flight.dh_bits is not None:
            posture.dh_bits = min(posture.dh_bits or flight.dh_bits, flight.dh_bits)
        if hello.compression == 1:
            posture.compression = True
        if flight.request is not None:
            posture.request = posture.request or flight.request
            posture.client_certificate = posture.client_certificate or "unknown"

    def _accept(self, version: int, number: int) -> None:
        swept = self.posture.suites.setdefault(version, Swept())
        if number not in swept.accepted:
            swept.accepted.append(number)
        swept.open.discard(number)

    def _is_known(self, number: int, version: int) -> bool:
        """It need not be asked for again. An endpoint below TLS 1.2 answers our TLS 1.2 with what it has."""
        swept = self.posture.suites
        below = version == TLS12 and not self.posture.accepts(TLS12)
        return any(number in swept[one].accepted for one in swept if one == version or below)

    def _take_chain(self, flight: Flight, when: str, *, staple_asked: bool = False) -> None:
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

    def _pieces(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        if not self.posture.short_only:
            yield numbers
            return
        for at in range(0, len(numbers), _SHORT_SUITES):
            yield numbers[at : at + _SHORT_SUITES]


def _remove(numbers: list[int], number: int | None) -> None:
    if number in numbers:
        numbers.remove(number)


def _key_kind(number: int | None) -> str:
    """The kind of certificate that a suite needs: "rsa", "ecdsa", or "" for none of them."""
    return next(iter({"rsa", "ecdsa"} & suites.classes_of(number or 0)), "")


def _refused(flight: Flight) -> bool:
    """It says no: by an alert, or by hanging up, as some do."""
    return flight.outcome in ("alert", "closed", "reset")


def _verdict(flight: Flight, version: int) -> bool | None:
    """Whether a version is accepted, by what a hello came to that offers no higher one."""
    if flight.version is not None:
        return flight.version == version if flight.version <= version else None
    return False if _refused(flight) else None
