"""What only a capture shows of TLS, in words: alerts, and what they mean.

The rest of what ``tls_passive`` finds is shared with the active prober: ``certificatekinds.py``, ``endpointkinds.py``.
"""

from __future__ import annotations

from typing import Final

from fieldkit.checks.finding import Kind

_FACTS: Final = "OCPP 1.6 security white paper A00.FR.3xx–5xx, OCPP 2.x Part 2 A00"

EXPIRED_ALERT = Kind(
    "tls.cert-expired-alert",
    "critical",
    "unknown",
    "One side takes the other's certificate for expired",
    "{sender} ended the TLS handshake with {server} with {alert}.{cert}",
    "Check the clock of {sender_low} first: after a power cut, stations without a battery start in the past or in"
    " 1970. If the clock is right, the certificate of {other} or its issuer's has to be renewed.",
    "RFC 8446 §6.2; github.com/EVerest/libocpp/pull/1156",
)
REJECTED = Kind(
    "tls.cert-rejected",
    "critical",
    "pki",
    "One side rejects the other's certificate",
    "{sender} ended the TLS handshake with {server} with {alert}: {meaning}.{cert}",
    "Compare the certificate of {other} with what {sender_low} expects: name, key type, key usage, signature, validity."
    " Its log tells which of them it is.",
    "RFC 8446 §6.2",
)
NO_COMMON = Kind(
    "tls.handshake-failure",
    "critical",
    "unknown",
    "Station and CSMS find no common TLS settings",
    "{sender} ended the TLS handshake with {server} with {alert}: {meaning}. The client offered {offered}.",
    "Compare the cipher suites and versions that both sides allow. OCPP asks a CSMS for TLS 1.2 with ECDHE_ECDSA and"
    " with RSA suites (AES-GCM), and so for two certificates.",
    f"{_FACTS}; github.com/EVerest/libocpp/pull/274",
)
VERSION = Kind(
    "tls.version-mismatch",
    "critical",
    "unknown",
    "Station and CSMS find no common TLS version",
    "{sender} ended the TLS handshake with {server} with {alert}. The client offered {offered}.",
    "OCPP asks both sides for TLS 1.2 at least: update the side that cannot do it.",
    _FACTS,
)
NAME_UNKNOWN = Kind(
    "tls.name-unknown",
    "critical",
    "operator",
    "The server does not know the name that it is called by",
    "{server} ended the TLS handshake with {alert}: it has no certificate for the name {name}, which the client asked"
    " for.",
    "Operator: check the host name in the station's CSMS address; CSMS operator: add this name to the server.",
    "RFC 6066 §3",
)
CLIENT_CERT = Kind(
    "tls.client-cert-missing",
    "critical",
    "pki",
    "The CSMS demands a client certificate that the station does not have",
    "{server} ended the TLS handshake with {alert}: it wants a certificate of the client, and none (or none that it"
    " takes) was sent.",
    "Install a station certificate (security profile 3; OCPP SignCertificate), or connect to the port of the CSMS that"
    " asks for a password instead (profile 2).",
    f"{_FACTS} (A00.FR.401–403)",
)
ALERT = Kind(
    "tls.alert",
    "warning",
    "unknown",
    "A TLS connection was ended by an alert",
    "{sender} ended the TLS connection with {server} with {alert}.",
    "The log of this side tells more. Middleboxes that look into TLS cause such alerts as well.",
    "RFC 8446 §6.2",
)
