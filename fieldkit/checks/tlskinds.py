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
    "{sender} ended the TLS handshake with {peer} with {alert}.{cert}",
    "Check the clock of {sender_low} first: after a power cut, stations without a battery start in the past or in"
    " 1970. If the clock is right, the certificate of {other} or its issuer's has to be renewed.",
    "RFC 8446 §6.2; github.com/EVerest/libocpp/pull/1156",
)
REJECTED = Kind(
    "tls.cert-rejected",
    "critical",
    "pki",
    "One side rejects the other's certificate",
    "{sender} ended the TLS handshake with {peer} with {alert}: {meaning}.{cert}",
    "Compare the certificate of {other} with what {sender_low} expects: name, key type, key usage, signature, validity."
    " Its log tells which of them it is.",
    "RFC 8446 §6.2",
)
NO_COMMON = Kind(
    "tls.handshake-failure",
    "critical",
    "unknown",
    "Station and CSMS find no common TLS settings",
    "{sender} ended the TLS handshake with {peer} with {alert}: {meaning}. The client offered {offered}.",
    "Compare the cipher suites and versions that both sides allow. OCPP asks a CSMS for TLS 1.2 with ECDHE_ECDSA and"
    " with RSA suites (AES-GCM), and so for two certificates.",
    f"{_FACTS}; github.com/EVerest/libocpp/pull/274",
)
VERSION = Kind(
    "tls.version-mismatch",
    "critical",
    "unknown",
    "Station and CSMS find no common TLS version",
    "{sender} ended the TLS handshake with {peer} with {alert}. The client offered {offered}.",
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
    "{sender} ended the TLS connection with {peer} with {alert}.",
    "The log of this side tells more. Middleboxes that look into TLS cause such alerts as well.",
    "RFC 8446 §6.2",
)

# What is concluded from how a connection ends, where nobody says why.

CLIENT_REFUSES = Kind(
    "tls.client-refuses",
    "critical",
    "unknown",
    "The client breaks the TLS 1.3 handshake off",
    "{client} answered the certificate of {server} with a record that has the length of an alert, and ended the"
    " connection. Which alert it is cannot be read: TLS 1.3 encrypts it. Most often the client does not trust the"
    " certificate, or its clock is wrong.",
    "Look at the log of the client. `fieldkit tls` shows the server's certificate; compare its root with those that the"
    " station has installed, and the station's clock with the dates.",
    "RFC 8446 §4.4.2, §5.2, §6.2",
    inferred=True,
)
SERVER_REFUSES = Kind(
    "tls.server-refuses",
    "critical",
    "unknown",
    "The server breaks the TLS 1.3 handshake off",
    "{server} answered what {client} sent at the end of the handshake with a record that has the length of an alert,"
    " and ended the connection.{certificate} Which alert it is cannot be read: TLS 1.3 encrypts it.",
    "{todo} The log of the CSMS (or of the load balancer in front of it) tells which.",
    "RFC 8446 §4.4.2.4, §5.2, §6.2; A00.FR.401 to 403",
    inferred=True,
)
CLIENT_GAVE_UP = Kind(
    "tls.client-gave-up",
    "warning",
    "unknown",
    "The client ends the handshake without a word after the server's certificate",
    "{client} {ended} {after} after the hello of {server}, with the handshake unfinished and no alert.{cert} Small TLS"
    " stacks do that when they do not accept the certificate, or run out of memory over it.",
    "Look at the log of the client. Compare the root of the certificate with those that the station has installed, its"
    " dates with the station's clock, and its size with what the station takes.",
    "RFC 5246 §7.2.2, §7.4.2; github.com/igrr/axtls-8266/issues/13",
    inferred=True,
)
SERVER_GAVE_UP = Kind(
    "tls.server-gave-up",
    "warning",
    "unknown",
    "The server ends the handshake before the client has finished it",
    "{server} {ended} {after} after its hello, with the handshake unfinished, and gave no reason. The client {client}"
    " had its certificate, or should have had it.{cert}",
    "After a few seconds it is the server's time-out: the client is slow, or never got the certificate. On mobile links"
    " look at the packet size (MTU): the server's certificates are the first large packets. Right after the hello, look"
    " at the log of the server.",
    "RFC 5246 §7.3; RFC 4821",
    inferred=True,
)
ENDED_EARLY = Kind(
    "tls.ended-early",
    "info",
    "unknown",
    "Encrypted connections end right after their handshake, again and again",
    "{count} connections of {client} to {server} ended {after} or less after the server's hello, by the {side}. They"
    " are encrypted with TLS 1.3, so that it cannot be seen whether a certificate or the request behind the handshake"
    " was refused.",
    "Look at the log of both sides, or decrypt the capture (--keylog FILE). `fieldkit tls` shows how the server treats"
    " TLS and the WebSocket upgrade.",
    "RFC 8446 §6",
    inferred=True,
)
OTHER_CLIENT = Kind(
    "tls.client-fingerprint-changed",
    "info",
    "unknown",
    "The TLS client of a station is another one than before",
    "The TLS hello of {client} to {server} had the fingerprint JA4 {before} until {until}, and has {now} since {since}."
    "{again} Such a change means new firmware, other TLS settings, or a middlebox that says hello in the station's"
    " place.",
    "Nothing, if the station was updated or its uplink changed. If a proxy or firewall was put into the way, exempt the"
    " CSMS from TLS inspection.",
    "FoxIO JA4 (TLS client fingerprinting)",
    inferred=True,
)
