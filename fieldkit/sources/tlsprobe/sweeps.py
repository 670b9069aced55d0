"""Cipher suites of TLS 1.2 and older: offer many, take away the one that was chosen, offer the rest."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Final

from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.conversation import Conversation
from fieldkit.sources.tlsprobe.flight import Flight, Want, refused, version_verdict
from fieldkit.sources.tlsprobe.hello import OLD_GROUPS, SSL3
from fieldkit.sources.tlsprobe.plan import Task
from fieldkit.sources.tlsprobe.suites import key_kind
from fieldkit.wire.tlsnames import TLS12, version_name

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.survey import Survey

SHORT_SUITES: Final = 24
"""Suites in a hello to a peer that takes only short ones."""
_LEGACY: Final = 0x002F
"""TLS_RSA_WITH_AES_128_CBC_SHA."""


def old_version(survey: Survey, version: int) -> Task:
    """Is it accepted, and with what?"""
    numbers = suites.pre_tls10() if version == SSL3 else suites.pre_tls12()
    for piece in survey.pieces(numbers):
        reader = survey.reader(version, piece, groups=OLD_GROUPS)
        yield reader
        flight = reader.flight
        verdict = version_verdict(flight, version)
        if survey.posture.versions.get(version) is None or verdict:
            survey.posture.versions[version] = verdict
        if flight.version is not None and flight.version <= version:
            survey.posture.versions[flight.version] = True
            survey.note(flight)
            if not survey.posture.shown:
                yield from _certificate_of(survey, flight, version)
            rest = [number for number in numbers if number != flight.suite]
            if flight.suite == _LEGACY:
                # OCPP 1.6 allows this suite only in TLS 1.0 and 1.1: is there another?
                survey.add(3, f"suites of {version_name(version)}", sweep(survey, rest, version=version, most=1))
            survey.add(6, f"all suites of {version_name(version)}", sweep(survey, rest, version=version))
            return


def sweep(
    survey: Survey, numbers: Sequence[int], *, version: int = TLS12, most: int = 1000, bits: bool = False
) -> Task:
    """Offer, take away what was chosen, offer the rest, until it is refused: one connection for each that is
    accepted, and one more."""
    left = [number for number in numbers if not survey.is_known(number, version)]
    found = 0
    try:
        while left and found < most:
            unseen = key_kind(left[0]) not in survey.kinds_seen
            flight = yield from _offer(
                survey, left, version, want="flight" if bits or unseen else "hello", staple=unseen
            )
            if flight is None:
                break
            if not refused(flight):
                found += 1
                bits = bits and flight.dh_bits is None
                yield from _certificate_of(survey, flight, version)
    finally:
        survey.swept(version).open.update(left)


def weak(survey: Survey) -> Task:
    """One of each weak class at first: that tells what is wrong; all the others when there is room."""
    left, later = list(suites.weak()), []
    known: set[str] = set()
    try:
        while left:
            flight = yield from _offer(survey, left, TLS12)
            if flight is None:
                break
            if not refused(flight):
                yield from _measure(survey, flight)
                if not survey.posture.shown:
                    yield from _certificate_of(survey, flight, TLS12)
                known |= suites.classes_of(flight.suite or 0)
                later += [number for number in left if suites.weak_classes(number) <= known]
                left = [number for number in left if not suites.weak_classes(number) <= known]
    finally:
        survey.swept(TLS12).open.update(left)
    if later:
        survey.add(5, "more weak suites", sweep(survey, later))


def _offer(
    survey: Survey, left: list[int], version: int, *, want: Want = "hello", staple: bool = False
) -> Generator[Conversation, Conversation, Flight | None]:
    """What is left, of which is taken away what was chosen, or all that was refused. None: the answer tells nothing."""
    piece = left[:SHORT_SUITES] if survey.posture.short_only else list(left)
    reader = survey.reader(version, piece, want=want, staple=staple)
    yield reader
    flight = reader.flight
    if flight.version is not None and flight.version <= version and flight.suite in left:
        survey.note(flight)
        left.remove(flight.suite)
    elif refused(flight):
        survey.swept(version).refused.update(piece)
        left[:] = [number for number in left if number not in piece]
    else:
        return None
    return flight


def others(survey: Survey) -> Task:
    """All that is neither weak nor asked for by OCPP: most servers that are well kept refuse the lot at once."""
    groups = suites.remaining()
    everything = [number for group in groups.values() for number in group]
    for piece in survey.pieces(everything):
        reader = survey.reader(TLS12, piece)
        yield reader
        flight = reader.flight
        if flight.version is not None and flight.version <= TLS12 and flight.suite in piece:
            survey.note(flight)
            yield from _measure(survey, flight)
            break
        if refused(flight):
            survey.swept(TLS12).refused.update(piece)
    else:
        return
    posture = survey.posture
    if posture.dh_bits is None:
        survey.add(3, "the size of the DH group", sweep(survey, groups["dhe"], bits=True, most=1))
    forward = any("forward-secret" in suites.classes_of(number) for number in posture.all_accepted)
    survey.add(4, "suites with DHE", sweep(survey, groups["dhe"]))
    survey.add(4 if forward else 3, "suites with ECDHE", sweep(survey, groups["aead"]))
    survey.add(4, "suites with ECDHE and CBC", sweep(survey, groups["cbc"]))
    survey.add(4, "suites with RSA and CBC", sweep(survey, groups["cbc-rsa"]))
    survey.add(5, "suites that hardly anybody uses", sweep(survey, groups["rest"]))


def _measure(survey: Survey, flight: Flight) -> Task:
    """How long the group is, if it is one of DHE: export suites have one of their own."""
    number = flight.suite or 0
    if not suites.uses_dh(number) or flight.dh_bits is not None:
        return
    if survey.posture.dh_bits is None or "export" in suites.classes_of(number):
        reader = survey.reader(TLS12, [number], want="flight")
        yield reader
        survey.note(reader.flight)


def _certificate_of(survey: Survey, flight: Flight, version: int) -> Task:
    """A suite that needs another kind of certificate than those seen: look at that one."""
    kind = key_kind(flight.suite)
    when = f"{version_name(flight.version or version)} with {kind.upper()} suites"
    if not kind or kind in survey.kinds_seen:
        return
    if flight.chain:
        survey.kinds_seen.add(kind)
        survey.take_chain(flight, when, staple_asked=True)
        return
    reader = survey.reader(version, [flight.suite or 0], want="flight", staple=True)
    yield reader
    survey.kinds_seen.add(kind)
    survey.take_chain(reader.flight, when, staple_asked=True)
