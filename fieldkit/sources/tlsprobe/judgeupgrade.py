"""What the WebSocket upgrades came to, as faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from fieldkit.safetext import shorten
from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.hello import TLS10, TLS11
from fieldkit.sources.tlsprobe.posture import Posture, Spoken
from fieldkit.sources.tlsprobe.speak import wants_certificate
from fieldkit.trust.fault import Fault
from fieldkit.trust.keys import PublicKey
from fieldkit.trust.words import listed, quoted
from fieldkit.wire.tlsnames import TLS12, TLS13

_LONGEST: Final = 200
_PORTAL_STATUS: Final = 511
"""Network Authentication Required (RFC 6585 §6)."""
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
"""Of certificates, that OpenSSL offers unless it is told to offer others."""


def upgrade_faults(posture: Posture, server: str, keys: Sequence[PublicKey] = ()) -> Iterator[Fault]:
    """Of all connections that tried. ``keys``: of the server's own certificates."""
    tried = [posture.plain] if posture.plain is not None else list(posture.spoken)
    yield from _handshakes(posture, server, keys)
    answered = [spoken for spoken in tried if spoken.status is not None]
    if not answered:
        return
    if not posture.target.tls or posture.plain is not None:
        yield from _in_clear(answered, server)
    yield from _portal(posture, answered, server)
    if any(spoken.status == 101 for spoken in answered):
        yield from _upgraded([spoken for spoken in answered if spoken.status == 101], server)
        return
    yield from _refused(posture, answered[-1], server)


def _handshakes(posture: Posture, server: str, keys: Sequence[PublicKey]) -> Iterator[Fault]:
    for spoken in posture.spoken:
        if spoken.trusted is False:
            yield Fault("ws.password-not-sent", {"server": server, "why": spoken.error})
        elif spoken.client_certificate_sent and spoken.error and spoken.status is None:
            yield Fault("tls.client-cert-refused", {"server": server, "why": spoken.error})
        elif spoken.client_certificate_sent and wants_certificate(spoken):
            why = f"TLS lets it pass, and the request is answered with {spoken.status} {spoken.reason}".rstrip()
            yield Fault("tls.client-cert-refused", {"server": server, "why": shorten(why, _LONGEST)})
        elif spoken.error and not spoken.handshake and posture.client_certificate != "required":
            if _should_succeed(posture, keys):
                yield Fault("tls.handshake-failed", {"server": server, "why": spoken.error})
        else:
            continue
        return


def _should_succeed(posture: Posture, keys: Sequence[PublicKey]) -> bool:
    """There is something that OpenSSL has in common with it; where it has nothing, that is told otherwise."""
    if keys and all(key.kind == "EC" and key.curve not in _CURVES for key in keys):
        return False  # that its key is unusual is said of the certificate
    versions = (TLS10, TLS11, TLS12, TLS13)
    common = any(not suites.is_weak(number) for version in versions for number in posture.accepted(version))
    return common and not posture.name_refused


def _in_clear(answered: list[Spoken], server: str) -> Iterator[Fault]:
    for spoken in answered:
        if spoken.password_sent or asks_for_password(spoken):
            sent, asked = "took the password that this probe was given", "asked this probe for a password"
            told = sent if spoken.password_sent else asked
            yield Fault("ws.basic-auth-in-clear", {"server": server, "told": told})
            return


def asks_for_password(spoken: Spoken) -> bool:
    """By HTTP Basic: many a CSMS leaves the header out that RFC 9110 §11.6.1 asks for."""
    scheme = spoken.headers.get("www-authenticate", "").lower()
    return spoken.status == 401 and (not scheme or "basic" in scheme)


def _portal(posture: Posture, answered: list[Spoken], server: str) -> Iterator[Fault]:
    """A login page in between: it says so, or it sends somewhere else from a connection that is not the CSMS's."""
    for spoken in answered:
        if spoken.status == _PORTAL_STATUS:
            yield Fault("tls.captive-portal", {"server": server, "answer": "511 Network Authentication Required"})
            return
        location = spoken.headers.get("location", "")
        if spoken.status in (302, 303, 307) and location and posture.plain is not None and posture.target.tls:
            host = _host(location)
            if host and host != posture.target.host:
                answer = f"a redirection to {quoted(shorten(location, _LONGEST))} in clear where TLS was expected"
                yield Fault("tls.captive-portal", {"server": server, "answer": answer})
                return


def _host(location: str) -> str:
    try:
        return urlsplit(location).hostname or ""
    except ValueError:
        return ""


def _upgraded(accepted: list[Spoken], server: str) -> Iterator[Fault]:
    foreign = [one for one in accepted if one.chosen and one.chosen != one.subprotocol]
    if foreign:
        yield Fault(
            "ws.subprotocol-not-offered",
            {"server": server, "offered": foreign[0].subprotocol or "none", "chosen": quoted(foreign[0].chosen)},
        )
    if not any(one.chosen for one in accepted) and any(one.subprotocol for one in accepted):
        yield Fault("ws.subprotocol-refused", {"server": server, "offered": _offered(accepted)})
    if any(one.accept_wrong for one in accepted):
        yield Fault("ws.accept-wrong", {"server": server})


def _offered(tried: list[Spoken]) -> str:
    return listed(list(dict.fromkeys(one.subprotocol for one in tried if one.subprotocol))) or "none"


def _refused(posture: Posture, spoken: Spoken, server: str) -> Iterator[Fault]:
    path = quoted(shorten(posture.target.path or "/", _LONGEST))
    status, values = spoken.status or 0, {"server": server, "path": path}
    if status == 401:
        if spoken.password_sent:
            yield Fault("ws.password-refused", {**values, **posture.password_values})
        elif asks_for_password(spoken):
            profile = "2 (or 3)" if posture.speaks_tls and posture.target.tls else "1"
            yield Fault("ws.basic-auth-required", {"server": server, "profile": profile})
        return
    if not posture.asked_for_upgrade or posture.client_certificate == "required":
        return  # of a path that nobody named nothing can be expected
    if status == 404:
        yield Fault("ws.upgrade-404", values)
    elif 300 <= status < 400:
        location = quoted(shorten(spoken.headers.get("location", "") or "nowhere", _LONGEST))
        yield Fault("ws.redirected", {**values, "status": str(status), "location": location})
    elif status == 400 and "protocol" in (spoken.body + spoken.reason).lower():
        yield Fault("ws.subprotocol-refused", {"server": server, "offered": _offered(posture.spoken or [spoken])})
    else:
        answer = f"{status} {spoken.reason}".strip()
        yield Fault("ws.upgrade-failed", {**values, "answer": quoted(shorten(answer, _LONGEST))})
