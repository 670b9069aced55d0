"""What a server does in TLS 1.3: its certificate, the suites and curves it takes, and whether it lets clients be talked
down from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.aspects import NAMELESS, curves, nameless
from fieldkit.sources.tlsprobe.flight import version_verdict
from fieldkit.sources.tlsprobe.hello import ECDSA_SIGNATURES, GROUPS, RSA_SIGNATURES
from fieldkit.sources.tlsprobe.keyshare import FIRST_GROUP
from fieldkit.sources.tlsprobe.plan import Task
from fieldkit.wire.tlsnames import TLS12, TLS13

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.survey import Survey

_INAPPROPRIATE_FALLBACK: Final = 86


def tls13(survey: Survey) -> Task:
    """The first hello of it, and what follows from the answer."""
    posture = survey.posture
    reader = survey.modern(staple=True)
    yield reader
    flight = reader.flight
    posture.versions[TLS13] = version_verdict(flight, TLS13)
    if flight.version != TLS13:
        if posture.accepts(TLS12):
            survey.add(5, "curves", curves(survey))
        return
    if survey.server_name and flight.chain and not posture.shown:
        survey.add(1, NAMELESS, nameless(survey, survey.modern(named=False)))
    posture.flights["TLS 1.3"] = flight
    survey.swept(TLS13).first = flight.suite
    survey.note(flight)
    survey.take_chain(flight, "TLS 1.3", staple_asked=True)
    posture.alpn = flight.alpn
    survey.add(4, "suites and curves of TLS 1.3", _suites_and_groups(survey), long=True)
    if posture.versions.get(TLS12) is False:
        survey.add(3, "another certificate in TLS 1.3", _other_certificate(survey))
    else:
        survey.add(6, "protection against downgrades", _fallback(survey))


def _suites_and_groups(survey: Survey) -> Task:
    """Hellos without a key share: the HelloRetryRequest names a suite and a group, in a hundred bytes."""
    posture = survey.posture
    swept = posture.suites[TLS13]
    numbers, groups = list(suites.TLS13), list(GROUPS)
    first = posture.flights["TLS 1.3"]
    _remove(numbers, first.suite)
    good_suite, good_group = first.suite or 0x1301, first.retried or FIRST_GROUP
    try:
        while numbers or groups:
            reader = survey.reader(TLS13, numbers or [good_suite], groups=groups or [good_group])
            yield reader
            flight = reader.flight
            hello = flight.hello
            if hello is not None and hello.retry and hello.group is not None:
                if (numbers and hello.suite not in numbers) or (groups and hello.group not in groups):
                    break  # it chooses what was not offered
                if numbers:
                    survey.accept(TLS13, hello.suite)
                    numbers.remove(hello.suite)
                if groups:
                    posture.groups.append(hello.group)
                    groups.remove(hello.group)
            elif numbers and groups:
                # One of the two lists has nothing left that is accepted: see which.
                reader = survey.reader(TLS13, [good_suite], groups=groups)
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


def _other_certificate(survey: Survey) -> Task:
    """A server that speaks nothing else may have a second certificate for other signature algorithms."""
    for name, signatures in (("ECDSA", ECDSA_SIGNATURES), ("RSA", RSA_SIGNATURES)):
        reader = survey.modern(signatures=signatures)
        yield reader
        survey.take_chain(reader.flight, f"TLS 1.3 with {name} signatures")


def _fallback(survey: Survey) -> Task:
    """A client that comes down from TLS 1.3 by itself must be told (RFC 7507)."""
    reader = survey.reader(TLS12, suites.usual(), scsv=True)
    yield reader
    if reader.flight.answered:
        survey.posture.fallback_scsv = reader.flight.alert == _INAPPROPRIATE_FALLBACK


def _remove(numbers: list[int], number: int | None) -> None:
    if number in numbers:
        numbers.remove(number)
