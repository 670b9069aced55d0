"""What ``tls_passive`` may find, in words; the ids are shared with whoever probes an endpoint."""

from __future__ import annotations

from typing import Final

from fieldkit.checks.finding import Kind

_FACTS: Final = "OCPP 1.6 security white paper A00.FR.3xx–5xx, OCPP 2.x Part 2 A00"

UNTRUSTED = Kind(
    "tls.untrusted",
    "critical",
    "pki",
    "One side does not know the authority behind the other's certificate",
    "{sender} ended the TLS handshake with {server} with {alert}: it has no root certificate that vouches for the"
    " certificate of {other}.{cert}",
    "If {sender_low} is the station: install the root certificate of the CSMS on it (1.6 CentralSystemRootCertificate,"
    " 2.x CSMSRootCertificate). If it is the CSMS: let it trust the authority of the station's certificate.",
    "RFC 8446 §6.2; github.com/dingo35/SmartEVSE-3.5/issues/363",
)
INCOMPLETE = Kind(
    "tls.chain-incomplete",
    "critical",
    "csms",
    "The server probably leaves its intermediate certificate out",
    "{sender} ended the TLS handshake with {server} with {alert}, and the server had sent only its own certificate,"
    " issued by {issuer}. A browser finds the missing one by itself, a charging station does not.",
    "CSMS operator: configure the server with the full chain (certificate and intermediates).",
    "RFC 8446 §4.4.2; github.com/lbbrhzn/ocpp/issues/1599",
    inferred=True,
)
EXPIRED = Kind(
    "tls.cert-expired",
    "critical",
    "pki",
    "A TLS certificate has expired",
    "The certificate of {server} for {subject} was valid until {end}; it was shown on {seen}.",
    "{owner_word}: renew it and put it on the server.",
    "RFC 5280 §4.1.2.5",
)
NOT_YET = Kind(
    "tls.cert-not-yet-valid",
    "critical",
    "pki",
    "A TLS certificate is not valid yet",
    "The certificate of {server} for {subject} is valid from {begin}; it was shown on {seen}.",
    "{owner_word}: issue it with an earlier beginning, or wait. Check the clock of the machine that issued it, and of"
    " the one that took this capture.",
    "RFC 5280 §4.1.2.5",
)
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
REVOKED = Kind(
    "tls.cert-revoked",
    "critical",
    "pki",
    "A certificate has been revoked",
    "{sender} ended the TLS handshake with {server} with {alert}: the certificate of {other} was revoked by its"
    " authority.",
    "Issue a new certificate, and find out why this one was revoked.",
    "RFC 8446 §6.2",
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
SOON = Kind(
    "tls.cert-expires-soon",
    "info",
    "pki",
    "A TLS certificate expires soon",
    "The certificate of {server} for {subject} is valid until {end}, {left} after it was shown.",
    "{owner_word}: renew it in time and see that the renewal is automatic; check that the stations trust the issuer of"
    " the new one.",
    "RFC 5280 §4.1.2.5",
)
NAME = Kind(
    "tls.hostname-mismatch",
    "warning",
    "pki",
    "The server's certificate is for another name",
    "The client asked for {name}, and the certificate of {server} is for {names}. A client that compares the names must"
    " end the connection.",
    "Operator: use the name of the certificate in the station's CSMS address, or have the certificate issued for this"
    " name.",
    "RFC 9525 §6; github.com/EVerest/libocpp/issues/494",
)
ORDER = Kind(
    "tls.chain-order",
    "warning",
    "csms",
    "The server's certificate chain is out of order",
    "{server} sends {count} certificates in an order in which one does not vouch for the one before it: {subjects}."
    " Simple TLS stacks reject that.",
    "CSMS operator: put the server's certificate first, then the one that issued it, and so on, without foreign ones.",
    "RFC 5246 §7.4.2",
)
INTERMEDIATE = Kind(
    "tls.intermediate-expired",
    "critical",
    "pki",
    "An intermediate certificate of the server has expired",
    "{server} sends along the certificate of {subject}, which was valid until {end}; it was shown on {seen}.",
    "CSMS operator: replace the intermediate certificate by the current one of the authority.",
    "RFC 5280 §4.1.2.5",
)


def _weak_key(id_: str, what: str) -> Kind:
    return Kind(
        id_,
        "warning",
        "pki",
        f"A certificate has a key that is too short: {what}",
        "The certificate of {server} for {subject} has {key}; OCPP asks for RSA of 2048 bits or elliptic curves of"
        " 224.",
        "Have a new certificate issued for a longer key.",
        f"{_FACTS} (A00.FR.501)",
    )


WEAK_RSA = _weak_key("tls.rsa-key-too-short", "RSA")
WEAK_EC = _weak_key("tls.ec-key-too-short", "elliptic curve")
SHA1 = Kind(
    "tls.sha1-signature",
    "warning",
    "pki",
    "A certificate is signed with an outdated hash",
    "The certificate of {server} for {subject} is signed with {hash}. Today's TLS stacks reject that.",
    "Have a new certificate issued, signed with SHA-256.",
    f"{_FACTS} (A00.FR.506)",
)


def _old_version(id_: str, name: str) -> Kind:
    return Kind(
        id_,
        "warning",
        "csms",
        f"Station and CSMS use an outdated version: {name}",
        "{client} and {server} agreed on {version}; the client offered {offered}. OCPP asks for TLS 1.2 at least.",
        "Update the side that can do no better. Only a 1.6 station that cannot do TLS 1.2 may be an exception.",
        f"{_FACTS} (A00.FR.313)",
    )


def _weak_suite(id_: str, what: str) -> Kind:
    return Kind(
        id_,
        "warning",
        "csms",
        f"Station and CSMS use a cipher suite {what}",
        f"{{client}} and {{server}} agreed on {{suite}}, a suite {what}: it no longer protects what is sent.",
        "CSMS operator: switch this suite off; if the station then cannot connect, it needs an update.",
        f"{_FACTS} (A00.FR.319)",
    )


OLD_VERSIONS: Final = {
    0x0300: _old_version("tls.sslv3-accepted", "SSL 3.0"),
    0x0301: _old_version("tls.tls1.0-accepted", "TLS 1.0"),
    0x0302: _old_version("tls.tls1.1-accepted", "TLS 1.1"),
}
WEAK_SUITES: Final = {
    "_anon_": _weak_suite("tls.anon-suite", "without authentication"),
    "NULL": _weak_suite("tls.null-suite", "without encryption"),
    "EXPORT": _weak_suite("tls.export-suite", "with keys that are short on purpose"),
    "RC4": _weak_suite("tls.rc4-suite", "with RC4"),
    "3DES": _weak_suite("tls.3des-suite", "with 3DES"),
}
"""By a part of their names; the first that fits."""
RESET = Kind(
    "tls.handshake-reset",
    "warning",
    "csms",
    "The server breaks the TLS handshake off without a word",
    "{server} {ended} {after} after the client's TLS hello (for {name}), without an answer to it.",
    "Check that this port is the TLS port of the CSMS. If it is, a firewall that looks into TLS, or a server that"
    " demands a name or version the station does not send, is the next suspect.",
    "RFC 8446 §6",
)
TIMEOUT = Kind(
    "tls.handshake-timeout",
    "warning",
    "csms",
    "The server does not answer the TLS hello",
    "{server} took the connection, but did not answer the client's TLS hello (for {name}) within {after}.",
    "CSMS operator: see whether the service hangs. On mobile links, large packets that get lost (MTU) look like this"
    " too.",
    "RFC 8446 §4.1",
)
NO_TLS = Kind(
    "tls.no-tls",
    "critical",
    "operator",
    "The station speaks TLS to a port that does not",
    "The client {client} sent a TLS hello to {server}, which answered in plain HTTP.",
    "Operator: set the station to ws:// for this port, or (better) to the TLS port of the CSMS.",
    "RFC 8446 §4.1; OCPP-J 1.6 §3.1",
)
