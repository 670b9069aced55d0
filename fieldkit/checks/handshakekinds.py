"""What ``handshake`` may find, in words."""

from __future__ import annotations

from typing import Final

from fieldkit.checks.finding import Kind

_PART_4: Final = "OCPP-J 1.6 §3.1, OCPP 2.x Part 4 §3"

REFUSED_401 = Kind(
    "handshake.unauthorized",
    "critical",
    "operator",
    "The CSMS rejects the station's password (401)",
    "{server} answered the station's upgrade request for {target} with 401 Unauthorized. The station sent {sent}.",
    "Operator: set the station's password anew on both sides (1.6 AuthorizationKey, 2.x BasicAuthPassword) and check"
    " that the CSMS knows this identity. The user name must be the station's identity.",
    "OCPP 1.6 security white paper A00.FR.204–207; github.com/steve-community/steve/issues/1020",
)
REFUSED_403 = Kind(
    "handshake.forbidden",
    "critical",
    "operator",
    "The CSMS forbids the station to connect (403)",
    "{server} answered the station's upgrade request for {target} with {status}: it knows the request and will not"
    " have it. The station sent {sent}.",
    "Operator: see in the CSMS whether this station is blocked, decommissioned or not yet approved; then whether a"
    " firewall or web application firewall in front of it objects.",
    "RFC 9110 §15.5.4",
)
REFUSED_404 = Kind(
    "handshake.not-found",
    "critical",
    "operator",
    "The CSMS does not know this station or this path (404)",
    "{server} answered the station's upgrade request for {target} with {status}. A CSMS answers so to a station that"
    " it does not know; a web server does when the path is wrong.",
    "Operator: compare the identity at the end of the path, letter by letter, with the one in the CSMS, and the path"
    " in front of it with the URL that the CSMS asks for.",
    _PART_4,
)
REFUSED_400 = Kind(
    "handshake.bad-request",
    "critical",
    "unknown",
    "The CSMS finds the upgrade request wrong",
    "{server} answered the station's upgrade request for {target} with {status}. The station offered {offered}.{hint}",
    "Compare what the station offers (OCPP version, WebSocket version, path) with what the CSMS accepts; station or"
    " CSMS has to be set to a version that the other side has.",
    "RFC 6455 §4.2.2; github.com/steve-community/steve/issues/1109",
)
REDIRECTED = Kind(
    "handshake.redirected",
    "critical",
    "operator",
    "The CSMS address only redirects",
    "{server} answered the station's upgrade request for {target} with {status}{location}. Charging stations do not"
    " follow redirects.",
    "Operator: enter the final address in the station, with ws:// or wss:// as the server asks for it.",
    "RFC 6455 §4.1",
)
UNAVAILABLE = Kind(
    "handshake.unavailable",
    "warning",
    "csms",
    "The CSMS is not available behind its address",
    "{server} answered the station's upgrade request for {target} with {status}{retry}. Something answers there, but"
    " the CSMS behind it does not take the connection.",
    "CSMS operator: look at the load balancer and the service behind it. The station will try again by itself.",
    "RFC 9110 §15.6.4",
)
NOT_WEBSOCKET = Kind(
    "handshake.not-websocket",
    "critical",
    "operator",
    "What answers at the CSMS address is no WebSocket server",
    "{server} answered the station's upgrade request for {target} with {status} instead of switching to WebSocket.",
    "Operator: check host, port and path in the station. If they are right, a proxy in between does not pass upgrades"
    " on; have it pass the Upgrade and Connection fields.",
    "RFC 6455 §4.2.2",
)
REFUSED = Kind(
    "handshake.refused",
    "critical",
    "csms",
    "The CSMS turns the station away",
    "{server} answered the station's upgrade request for {target} with {status}.",
    "CSMS operator: the log of the CSMS, or of the proxy in front of it, tells why it answered so.",
    "RFC 6455 §4.2.2",
)
NO_ANSWER = Kind(
    "handshake.upgrade-unanswered",
    "critical",
    "csms",
    "The CSMS does not answer the upgrade request",
    "{server} took the connection, but did not answer the upgrade request for {target} within {waited}; then the"
    " connection {ended}.",
    "CSMS operator: see whether the service behind this port hangs. If the port expects TLS, the station must be set"
    " to wss://.",
    "RFC 6455 §4.2.2",
)
MISSING = Kind(
    "handshake.subprotocol-missing",
    "warning",
    "station",
    "The station does not say which OCPP version it speaks",
    "The station's upgrade request for {target} has no Sec-WebSocket-Protocol field, which must name the OCPP version"
    ' ("ocpp1.6", "ocpp2.0.1"). {outcome}',
    "Station manufacturer: send the field. Until then only a CSMS that guesses the version will work with it; also"
    " check that no proxy in between strips it.",
    "OCPP-J 1.6 §3.1.2; github.com/steve-community/steve/issues/1109",
)
UNKNOWN_NAME = Kind(
    "handshake.subprotocol-unknown",
    "warning",
    "station",
    "The station names no OCPP version that exists",
    "The station's upgrade request for {target} offers {offered}; none of it is a registered OCPP version"
    ' ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"). {outcome}',
    "Station manufacturer: correct the name; if it can be configured, do so at the station.",
    "OCPP-J 1.6 §3.1.2 and the IANA registry of WebSocket subprotocols",
)
NOT_SELECTED = Kind(
    "handshake.subprotocol-not-selected",
    "critical",
    "csms",
    "Station and CSMS have agreed on no OCPP version",
    "The station offered {offered}; {server} accepted the connection for {target} without choosing any of it."
    " {outcome}",
    "Operator: set the station to an OCPP version that the CSMS speaks, or enable {offered} for it in the CSMS.",
    "OCPP-J 1.6 §3.1.2; github.com/steve-community/steve/issues/135",
)
NOT_OFFERED = Kind(
    "handshake.subprotocol-not-offered",
    "critical",
    "csms",
    "The CSMS chose an OCPP version that the station did not offer",
    "The station offered {offered}, and {server} answered for {target} with {agreed}. A client must give such a"
    " connection up. {outcome}",
    "CSMS operator: have the CSMS choose among what the station offers.",
    "RFC 6455 §4.1",
)
EXTENSION = Kind(
    "handshake.extension-not-offered",
    "warning",
    "csms",
    "The CSMS switches on a compression that the station did not offer",
    "{server} answered the upgrade request for {target} with permessage-deflate, which the station did not offer. A"
    " client must give such a connection up. {outcome}",
    "CSMS operator: have compression answered only where it is offered.",
    "RFC 6455 §9.1; github.com/lorenzodonini/ocpp-go/issues/358",
)
USER = Kind(
    "handshake.user-mismatch",
    "warning",
    "operator",
    "The station's user name is not its identity",
    "The station logs in as {user}, but the address that it uses names the station {identity}. OCPP demands that both"
    " are the same; {server} answered {status}.",
    "Operator: set the user name (or the identity at the end of the URL) so that both agree.",
    "OCPP 1.6 security white paper A00.FR.204, OCPP 2.x A00.FR.204",
)
HEX_KEY = Kind(
    "handshake.password-hex",
    "warning",
    "station",
    "The station probably sends its key as hex digits",
    "The password that the station sent is {length} hex digits long, and {server} rejected it. In 1.6, AuthorizationKey"
    " is configured as hex and must be sent as the {half} bytes it stands for.",
    "Ask the station's manufacturer which form it sends; as a test, set the CSMS to a password that has no hex form.",
    "github.com/shiv3/ocpp-cp-simulator/issues/260",
    inferred=True,
)
SHORT_PASSWORD = Kind(
    "handshake.password-short",
    "info",
    "operator",
    "The station's password is shorter than OCPP asks for",
    "The password that the station sent has {length} bytes; OCPP asks for at least 16.",
    "Operator: set a longer password on both sides. Some CSMSs reject short ones.",
    "OCPP 1.6 security white paper A00.FR.205, OCPP 2.x A00.FR.205",
)
PROBE = Kind(
    "handshake.version-probe",
    "info",
    "station",
    "The station tries out versions before it connects",
    "The station opened a connection with {first}, said nothing, ended it after {after} and came back with {then}.",
    "Nothing is wrong with that, but a CSMS that takes the first connection for the real one will mix the versions up:"
    " tell its operator if messages are rejected.",
    "github.com/lbbrhzn/ocpp/issues/2008",
)
VERSION_CHANGED = Kind(
    "handshake.version-changed",
    "info",
    "station",
    "The station has changed its OCPP version",
    "The station spoke {first} on its previous connection and now speaks {then}.",
    "If nobody changed its settings or firmware, find out why; the CSMS must be ready for either.",
    "github.com/lbbrhzn/ocpp/issues/2008",
)
