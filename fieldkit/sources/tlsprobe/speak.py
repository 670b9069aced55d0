"""The connections that a station would make: one for each subprotocol, and what they tell besides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fieldkit.sources.tlsprobe.conversation import End
from fieldkit.sources.tlsprobe.plan import Task
from fieldkit.sources.tlsprobe.posture import Posture, Spoken
from fieldkit.sources.tlsprobe.upgrade import PlainUpgrade
from fieldkit.wire.tlsnames import TLS12, TLS13

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.session import Wishes
    from fieldkit.sources.tlsprobe.survey import Survey

PLAIN_S: Final = 4.0
TICKET_S: Final = 1.5
"""How long a session ticket is waited for where nothing is said inside TLS; most servers send it at once."""
_SAME_FOR_ALL: Final = frozenset({401, 403, 404, 407, 426, 429})
"""Refusals that have nothing to do with the subprotocol: asking again would only fill the server's log."""
_CERTIFICATE_ALERTS: Final = frozenset({40, 41, 42, 46, 48, 49, 116})
"""What a server sends that demands a certificate and got none: 116 in TLS 1.3, whatever it likes before."""
_NO_CERTIFICATE: Final = re.compile(r"no required ssl certificate|client certificate|ssl certificate", re.IGNORECASE)
"""How web servers say it that let TLS pass and refuse the request (nginx: status 400, and 496 inside)."""
_REFUSED_STATUS: Final = frozenset({400, 401, 403, 495, 496})


def speak(survey: Survey, wishes: Wishes) -> Task:
    """One after the other, as each resumes the session of the one before."""
    from fieldkit.sources.tlsprobe.session import SESSION_S, Session, context_for

    posture = survey.posture
    context = context_for(wishes, old=not (posture.accepts(TLS12) or posture.accepts(TLS13)))
    resume = None
    for number, subprotocol in enumerate(_offers(posture, wishes)):
        patience = SESSION_S if wishes.upgrade else TICKET_S
        talk = Session(survey.target, context, wishes, subprotocol=subprotocol, resume=resume, patience=patience)
        yield talk
        spoken = talk.spoken
        if not talk.traffic.connected:
            continue
        posture.spoken.append(spoken)
        if number and spoken.handshake and resume is not None:
            posture.resumption = bool(posture.resumption or spoken.resumed)
        if spoken.handshake:
            posture.tickets = posture.tickets or bool(talk.session is not None and talk.session.has_ticket)
            resume = talk.session
        _client_certificate(posture, spoken, wishes)
        if not spoken.handshake or spoken.error or posture.client_certificate == "required" or _same(spoken):
            return


def speak_in_clear(survey: Survey, wishes: Wishes) -> Task:
    """The same without TLS, where the user named ws://."""
    posture = survey.posture
    for subprotocol in _offers(posture, wishes):
        talk = PlainUpgrade(survey.target, patience=PLAIN_S, subprotocol=subprotocol, credentials=wishes.credentials)
        yield talk
        spoken = talk.spoken
        if not talk.traffic.connected:
            posture.manner, posture.reason = "unreachable", talk.traffic.reason or "no answer"
            return
        posture.spoken.append(spoken)
        if spoken.status is None:
            posture.manner = {End.TIMEOUT: "silence", End.CLOSED: "closed", End.RESET: "reset"}.get(
                talk.traffic.end, "not-tls"
            )  # type: ignore[assignment]
            posture.reason = spoken.error
            return
        if _same(spoken):
            return


def _offers(posture: Posture, wishes: Wishes) -> tuple[str, ...]:
    """One connection each; where the user named no path, one is enough to see who answers."""
    if not wishes.upgrade:
        return ("", "")  # the second one shows whether the session is resumed
    offers = wishes.subprotocols or ("",)
    return offers if posture.asked_for_upgrade else offers[:1]


def _same(spoken: Spoken) -> bool:
    """Another subprotocol would get the same answer."""
    return spoken.status in _SAME_FOR_ALL or (spoken.status or 0) >= 500 or 300 <= (spoken.status or 0) < 400


def wants_certificate(spoken: Spoken) -> bool:
    """The request was refused for want of a certificate, or of one that the server takes."""
    told = spoken.status in _REFUSED_STATUS and _NO_CERTIFICATE.search(spoken.body + spoken.reason)
    return bool(told) or spoken.status in (495, 496)


def _client_certificate(posture: Posture, spoken: Spoken, wishes: Wishes) -> None:
    """Whether the certificate that is asked for is demanded: by what happens to somebody who has none."""
    if posture.request is None:
        return
    if wishes.client_certificate:
        spoken.client_certificate_sent = True
        posture.client_certificate_taken = spoken.status is not None and not wants_certificate(spoken)
        return
    spoken.client_certificate_sent = False
    if spoken.alert in _CERTIFICATE_ALERTS:
        posture.client_certificate = "required"
    elif spoken.status is not None:
        posture.client_certificate = "required" if wants_certificate(spoken) else "optional"
    elif not spoken.error and spoken.handshake:
        posture.client_certificate = "optional"
    elif spoken.handshake and "closed" in spoken.error:
        posture.client_certificate = "required"
