"""What an alert means, and who has to act: also of those that TLS 1.3 encrypts."""

from __future__ import annotations

from typing import Final

from fieldkit.checks.certificatekinds import INCOMPLETE, REVOKED, UNTRUSTED
from fieldkit.checks.finding import Kind, Severity
from fieldkit.checks.onwire import endpoint, quoted, server_of
from fieldkit.checks.tls_watched import Verdict, Watched, offered
from fieldkit.checks.tlskinds import (
    ALERT,
    CLIENT_CERT,
    CLIENT_REFUSES,
    EXPIRED_ALERT,
    NAME_UNKNOWN,
    NO_COMMON,
    REJECTED,
    SERVER_REFUSES,
    VERSION,
)
from fieldkit.checks.words import clock
from fieldkit.events import TlsAlert
from fieldkit.trust.certificate import Certificate
from fieldkit.wire.tlshidden import EMPTY_HANDED

_CERTIFICATE_ALERTS: Final = {
    41: "it asked for a certificate and got none",
    42: "the certificate is damaged, or its signature is wrong",
    43: "certificates of this kind are not supported",
    46: "it finds something wrong with the certificate and does not say what",
    51: "a signature could not be verified",
    113: "the revocation status that was sent along is not valid",
}
_NOT_WITHOUT_ONE: Final = frozenset({40, 42, 46, 48, 49})
"""What servers of TLS 1.2 say to a client that sent an empty certificate: it has no alert of its own for that."""
KINDS: Final[dict[int, Kind]] = {
    41: CLIENT_CERT, 116: CLIENT_CERT, 42: REJECTED, 43: REJECTED, 46: REJECTED, 51: REJECTED, 113: REJECTED,
    44: REVOKED, 45: EXPIRED_ALERT, 48: UNTRUSTED, 40: NO_COMMON, 71: NO_COMMON, 70: VERSION, 86: VERSION,
    112: NAME_UNKNOWN,
}  # fmt: skip


def of_alert(watched: Watched, alert: TlsAlert, chain: tuple[Certificate, ...]) -> Verdict:
    kind = KINDS.get(alert.description, ALERT)
    side, other = ("The client", "the server") if alert.from_client else ("The server", "the client")
    leaf = chain[0] if chain and alert.from_client else None
    if kind is UNTRUSTED and leaf is not None and len(chain) == 1 and not leaf.self_issued and leaf.extensions.issuers:
        kind = INCOMPLETE
    if kind is NAME_UNKNOWN and alert.from_client:
        kind = REJECTED
    if kind is CLIENT_CERT and alert.from_client:
        kind = REJECTED
    empty = watched.client_chain is not None and not watched.client_chain.chain
    if empty and not alert.from_client and alert.description in _NOT_WITHOUT_ONE:
        kind = CLIENT_CERT
    cert = ""
    if leaf is not None:
        cert = (
            f" It is for {quoted(leaf.label)}, issued by {quoted(leaf.issuer.label)}, valid until"
            f" {clock(leaf.not_after)}."
        )
    hello = watched.client_hello
    end = watched.connection.client if alert.from_client else watched.connection.server
    values: dict[str, object] = {
        "sender": f"{side} {endpoint(end)}",
        "sender_low": side.lower(),
        "other": other,
        "peer": endpoint(watched.connection.server if alert.from_client else watched.connection.client),
        "server": server_of(watched.connection),
        "alert": f'the alert "{alert.name}" ({alert.description})',
        "meaning": _CERTIFICATE_ALERTS.get(alert.description, "no cipher suite, version or certificate suits both"),
        "issuer": quoted(leaf.issuer.label) if leaf is not None else "",
        "cert": cert,
        "offered": offered(hello) if hello is not None else "settings that were not seen",
        "name": quoted(hello.server_name) if hello is not None and hello.server_name else "no name",
    }
    values["observation"] = _alert_in_words(kind, values)
    shown = (watched.server_chain, alert) if leaf is not None and watched.server_chain is not None else (alert,)
    if hello is not None:
        shown = (hello, *shown)
    severity: Severity | None = None if alert.fatal or kind is ALERT else "warning"
    # Evidence begins with the alert: the first must not be left out of any report.
    return Verdict(kind, alert.time, (alert, *(one for one in shown if one is not alert)), values, severity)


def _alert_in_words(kind: Kind, values: dict[str, object]) -> str:
    """Who ended the handshake, and what that means, for the kinds that others find too."""
    told = f"{values['sender']} ended the TLS handshake with {values['peer']} with {values['alert']}"
    if kind is UNTRUSTED:
        return (
            f"{told}: it has no root certificate that vouches for the certificate of {values['other']}.{values['cert']}"
        )
    if kind is INCOMPLETE:
        return f"{told}, and the server had sent only its own certificate, issued by {values['issuer']}."
    return f"{told}: the certificate of {values['other']} was revoked by its authority."


def of_hidden_alert(watched: Watched, alert: TlsAlert) -> Verdict:
    """TLS 1.3: somebody refuses, and nobody sees why."""
    values: dict[str, object] = {
        "client": endpoint(watched.connection.client),
        "server": server_of(watched.connection),
        "certificate": "",
        "todo": "If security profile 3 is used, have the station's certificate and its authority checked by the CSMS"
        " operator.",
    }
    if alert.name == EMPTY_HANDED:
        values["certificate"] = " It had asked for a certificate, and the client had none to send."
        values["todo"] = (
            "Install a station certificate (security profile 3; OCPP SignCertificate), or connect to the port of the"
            " CSMS that asks for a password instead (profile 2)."
        )
    shown = tuple(one for one in (watched.client_hello, watched.server_hello) if one is not None)
    return Verdict(CLIENT_REFUSES if alert.from_client else SERVER_REFUSES, alert.time, (alert, *shown), values)
