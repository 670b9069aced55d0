"""What else a server does, one question each: clients that name no host, curves, order, compression, renegotiation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.flight import FlightReader, refused
from fieldkit.sources.tlsprobe.handshake12 import RenegotiationProbe, offers
from fieldkit.sources.tlsprobe.hello import GROUPS
from fieldkit.sources.tlsprobe.keyshare import available
from fieldkit.sources.tlsprobe.plan import Task
from fieldkit.wire.tlsnames import TLS12

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.survey import Survey

_DEFLATE_OFFERED: Final = b"\x01\x00"


NAMELESS: Final = "what is shown without a server name"


def nameless(survey: Survey, reader: FlightReader) -> Task:
    """Which certificate is shown to clients that do not say whom they want? ``reader``: what was answered with a name,
    and now without."""
    yield reader
    flight = reader.flight
    if flight.chain:
        survey.posture.nameless = flight.chain
    elif refused(flight) and flight.hello is None:
        survey.posture.nameless_refused = True


def curves(survey: Survey) -> Task:
    """A server without TLS 1.3 tells its curves one by one, in the ServerKeyExchange."""
    numbers = [number for number in survey.posture.accepted(TLS12) if suites.uses_ecdhe(number)]
    if not numbers:
        return
    groups = list(GROUPS)
    while groups:
        reader = survey.reader(TLS12, numbers, want="flight", groups=groups)
        yield reader
        curve = reader.flight.curve
        if curve is None or curve not in groups:
            if refused(reader.flight):
                survey.posture.groups_refused.update(groups)
            return
        survey.posture.groups.append(curve)
        groups.remove(curve)


def order_and_compression(survey: Survey) -> Task:
    """The usual hello the other way round, with compression: who decides, and is DEFLATE taken?"""
    first = survey.posture.flights["first"]
    reader = survey.reader(TLS12, suites.usual()[::-1], compressions=_DEFLATE_OFFERED)
    yield reader
    flight = reader.flight
    if flight.hello is not None:
        survey.posture.compression = flight.hello.compression == 1
        if first.suite is not None and not survey.posture.short_only:
            survey.posture.order = "server" if flight.suite == first.suite else "client"
        survey.note(flight)


def renegotiation(survey: Survey) -> Task:
    """May a client begin anew within a connection?"""
    if not survey.posture.accepts(TLS12) or not available():
        return
    for offer in offers(survey.server_name):
        probe = RenegotiationProbe(offer)
        yield probe
        survey.posture.client_renegotiation = probe.allowed
        survey.note(probe.flight)
        if probe.flight.outcome != "alert":
            return
