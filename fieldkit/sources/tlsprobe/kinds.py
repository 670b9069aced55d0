"""Findings that only the prober can have: what is the same everywhere and what is not, and what an upgrade came to."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fieldkit.checks.endpointkinds import IN_CLEAR
from fieldkit.checks.finding import Kind
from fieldkit.checks.posture import POSTURE_KINDS
from fieldkit.checks.tlskinds import NAME_UNKNOWN

ADDRESSES_DIFFER: Final = Kind(
    "tls.addresses-differ",
    "warning",
    "csms",
    "The addresses of one host do not behave alike",
    "{server} has several addresses, and they differ: {differences}. Which one a station gets is chance.",
    "CSMS operator: configure all machines behind the name alike, certificates first.",
    "RFC 6125 §6",
)
WAYS_DIFFER: Final = Kind(
    "tls.ways-differ",
    "critical",
    "site-network",
    "Through one uplink another server answers than through the other",
    "{server} is not the same on all ways out: {differences}. Somebody in between answers in its place: a proxy that"
    " looks into TLS, or the login page of a network (captive portal).",
    "Site network: let the connections of charging stations pass untouched on all uplinks, or tell the provider of the"
    " uplink to.",
    "RFC 8952 §1; RFC 8446 §E.1",
)
WAY_BROKEN: Final = Kind(
    "tls.way-broken",
    "critical",
    "uplink",
    "The server is reached through one uplink and not through the other",
    "{server} is reached {good} and not {bad}: {reason}.",
    "See why the uplink lets these connections not pass: no route, a firewall, an expired SIM card, or a server that"
    " knows one address of the site only.",
    "RFC 1122 §3.3.4.2; RFC 9293 §3.10.7.4",
)
ADDRESS_DOWN: Final = Kind(
    "tls.address-unreachable",
    "warning",
    "csms",
    "Not all addresses of the host answer",
    "{server} has several addresses; {bad} cannot be reached: {reason}. Stations that try this one first wait in vain.",
    "CSMS operator: take the address out of DNS, or bring its machine back.",
    "RFC 8305",
)
PORTAL: Final = Kind(
    "tls.captive-portal",
    "critical",
    "site-network",
    "The network asks for a login before it lets anything pass",
    "{server} answers with {answer}: that is not the CSMS but a login page in between (captive portal).",
    "Site network: let charging stations pass without login (by their MAC addresses), or use another network.",
    "RFC 6585 §6; RFC 8952",
)
REDIRECTED: Final = Kind(
    "ws.redirected",
    "warning",
    "operator",
    "The WebSocket upgrade is redirected",
    "{server} answers the WebSocket upgrade for {path} with {status} and points to {location}. Stations do not follow.",
    "Operator: put the address it points to into the station's settings, if it is the right one.",
    "RFC 6455 §4.1; OCPP-J 1.6 §3.1.1",
)
UPGRADE_FAILED: Final = Kind(
    "ws.upgrade-failed",
    "warning",
    "csms",
    "The WebSocket upgrade does not succeed",
    "{server} answers the WebSocket upgrade for {path} with {answer}.",
    "CSMS operator: see in the log of the server or load balancer why. It must pass the headers Upgrade and Connection"
    " on.",
    "RFC 6455 §4.2.2",
)
ACCEPT_WRONG: Final = Kind(
    "ws.accept-wrong",
    "critical",
    "csms",
    "The answer to the WebSocket upgrade does not fit the question",
    "{server} accepts the upgrade with a wrong Sec-WebSocket-Accept: the answer was not made for this request. Stations"
    " close such a connection.",
    "CSMS operator: look for a cache or a proxy in front of the CSMS that does not know WebSocket.",
    "RFC 6455 §4.1",
)
PASSWORD_REFUSED: Final = Kind(
    "ws.password-refused",
    "critical",
    "operator",
    "The CSMS refuses the station's password",
    "{server} answers the WebSocket upgrade for {path} with 401 although user {user} and a password of {length} bytes"
    " were sent.{hint}",
    "Operator: compare identity and password with what the CSMS has for this station.",
    "OCPP 1.6 security white paper A00.FR.204–206; github.com/shiv3/ocpp-cp-simulator/issues/260",
)
PASSWORD_KEPT: Final = Kind(
    "ws.password-not-sent",
    "warning",
    "pki",
    "The password was not sent, as the server could not prove who it is",
    "The certificate of {server} does not verify ({why}), so that a password would go to a stranger.",
    "Mend what is wrong with the certificate, give its root with --ca, or send the password all the same with"
    " --insecure.",
    "A00.FR.307, 308",
)
CLIENT_CERT_REFUSED: Final = Kind(
    "tls.client-cert-refused",
    "critical",
    "pki",
    "The CSMS refuses the client certificate",
    "{server} does not go on with the given client certificate: {why}.",
    "Compare the certificate with what the CSMS trusts: authority, validity, O and CN (A00.FR.402 to 405).",
    "A00.FR.402–405; RFC 8446 §6.2",
)
HANDSHAKE_FAILED: Final = Kind(
    "tls.handshake-failed",
    "critical",
    "csms",
    "A whole TLS handshake does not succeed",
    "{server} speaks TLS, but no handshake comes to its end: {why}.",
    "CSMS operator: see in the log of the server why.",
    "RFC 8446 §6.2",
)

PASSWORD_IN_CLEAR: Final = replace(
    IN_CLEAR,
    severity="warning",
    explanation="{server} {told}, without TLS (security profile 1): the password of a station crosses the network in"
    " clear, and whoever can see the traffic can read it.",
)
"""The same finding as a capture has, in the words of somebody who was no station."""

OWN_KINDS: Final = (
    ADDRESSES_DIFFER, WAYS_DIFFER, WAY_BROKEN, ADDRESS_DOWN, PORTAL, REDIRECTED, UPGRADE_FAILED, ACCEPT_WRONG,
    PASSWORD_REFUSED, PASSWORD_KEPT, CLIENT_CERT_REFUSED, HANDSHAKE_FAILED,
)  # fmt: skip
"""Those that nobody else has."""
KINDS: Final[dict[str, Kind]] = POSTURE_KINDS | {
    kind.id: kind for kind in (*OWN_KINDS, NAME_UNKNOWN, PASSWORD_IN_CLEAR)
}
"""All that the prober can find, by id."""
