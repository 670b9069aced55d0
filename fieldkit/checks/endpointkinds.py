"""Findings on TLS endpoints, in words: versions, suites, manners, and the WebSocket upgrade behind them.

Shared by captures and the active prober. ``observation`` is a sentence that says what was seen and by whom; ``server``
is "csms.example:443" or an address.
"""

from __future__ import annotations

from typing import Final

from fieldkit.checks.finding import Kind, Owner, Severity

_PROFILES: Final = "OCPP 1.6 security white paper A00.FR.3xx–4xx, OCPP 2.x Part 2 A00"
_UPDATE: Final = "Update the side that can do no better."

# ------------------------------------------------------------------------------------------------------------- versions


def _old_version(id_: str, name: str) -> Kind:
    return Kind(
        id_,
        "warning",
        "csms",
        f"An outdated version is accepted: {name}",
        "{observation} OCPP asks for TLS 1.2 at least.",
        f"{_UPDATE} Only a 1.6 station that cannot do TLS 1.2 may be an exception.",
        f"{_PROFILES} (1.6 A00.FR.312, 2.x A00.FR.313; 416)",
    )


OLD_VERSIONS: Final = {
    0x0300: _old_version("tls.sslv3-accepted", "SSL 3.0"),
    0x0301: _old_version("tls.tls1.0-accepted", "TLS 1.0"),
    0x0302: _old_version("tls.tls1.1-accepted", "TLS 1.1"),
}
NO_TLS12 = Kind(
    "tls.tls1.2-missing",
    "warning",
    "csms",
    "The CSMS does not do TLS 1.2",
    "{server} refuses TLS 1.2. It is the version that all OCPP stations with TLS know, and the one OCPP's cipher suites"
    " belong to.",
    "CSMS operator: switch TLS 1.2 on, beside TLS 1.3 if that is there.",
    f"{_PROFILES} (1.6 A00.FR.312, 317; 2.x A00.FR.313, 318)",
)
NO_TLS13 = Kind(
    "tls.tls1.3-missing",
    "info",
    "csms",
    "The CSMS does not do TLS 1.3",
    "{server} refuses TLS 1.3. OCPP does not ask for it; handshakes would be a round trip shorter.",
    "CSMS operator: switch it on at the next update of the server.",
    "RFC 8446",
)

# --------------------------------------------------------------------------------------------------------------- suites


def _weak_suite(id_: str, what: str, severity: Severity = "warning") -> Kind:
    return Kind(
        id_,
        severity,
        "csms",
        f"A cipher suite {what} is accepted",
        f"{{observation}} A suite {what} no longer protects what is sent.",
        "CSMS operator: switch this suite off; if a station then cannot connect, it needs an update.",
        f"{_PROFILES} (1.6 A00.FR.319, 2.x A00.FR.320; 423)",
    )


WEAK_SUITES: Final = {
    "_anon_": _weak_suite("tls.anon-suite", "without authentication"),
    "NULL": _weak_suite("tls.null-suite", "without encryption"),
    "EXPORT": _weak_suite("tls.export-suite", "with keys that are short on purpose"),
    "RC4": _weak_suite("tls.rc4-suite", "with RC4"),
    "3DES": _weak_suite("tls.3des-suite", "with 3DES"),
}
"""By a part of their names; the first that fits."""
CBC = Kind(
    "tls.cbc-suite",
    "info",
    "csms",
    "Cipher suites with CBC are accepted",
    "{server} accepts {suites}. They are right when they are implemented well, and AES-GCM leaves less to get wrong.",
    "CSMS operator: leave them on as long as stations need them, behind the GCM suites.",
    "RFC 7525 §4.2; RFC 9325 §4.2",
)
NO_FORWARD = Kind(
    "tls.no-forward-secrecy",
    "warning",
    "csms",
    "No cipher suite with forward secrecy is accepted",
    "{server} accepts suites without (EC)DHE only: whoever records the traffic and gets hold of the server's key later"
    " reads all of it.",
    "CSMS operator: switch the ECDHE suites on, with OCPP's ECDHE_ECDSA pair among them.",
    f"{_PROFILES} (1.6 A00.FR.318, 2.x A00.FR.319, note)",
)
OCPP_SUITES = Kind(
    "tls.ocpp-suites-missing",
    "warning",
    "csms",
    "Neither pair of OCPP's cipher suites is complete",
    "{server} accepts neither both ECDHE_ECDSA suites nor both RSA suites with AES-GCM that a station may rely on;"
    " missing: {missing}. It accepts {suites}.",
    "CSMS operator: switch them on. All four need an ECDSA and an RSA certificate side by side; ECDHE_RSA suites are"
    " none of them.",
    f"{_PROFILES} (1.6 A00.FR.317, 318; 2.x A00.FR.318, 319; 421, 422); github.com/EVerest/libocpp/pull/274",
)
SHORT_DH = Kind(
    "tls.dh-too-short",
    "warning",
    "csms",
    "The Diffie-Hellman group is too short",
    "{server} uses a group of {bits} bits for DHE suites; OCPP asks for the strength of 2048. Many clients break the"
    " handshake off.",
    "CSMS operator: use a group of 2048 bits or more, or ECDHE only.",
    f"{_PROFILES} (A00.FR.501, 502); RFC 7919",
)
COMPRESSION = Kind(
    "tls.tls-compression",
    "warning",
    "csms",
    "TLS compression is used",
    "{server} chooses TLS compression ({method}). What is encrypted can be guessed from its length (CRIME).",
    "CSMS operator: switch TLS compression off.",
    f"{_PROFILES} (1.6 A00.FR.320, 2.x A00.FR.321; 424)",
)

# -------------------------------------------------------------------------------------------------------------- manners

RENEGOTIATION = Kind(
    "tls.client-renegotiation",
    "info",
    "csms",
    "Clients may ask for new handshakes at will",
    "{server} lets a client start a new handshake inside of a connection{how}. It costs the server much more than the"
    " client.",
    "CSMS operator: switch renegotiation by clients off; no station needs it.",
    "RFC 9325 §3.5",
)
BIG_HELLO = Kind(
    "tls.hello-size-intolerant",
    "warning",
    "csms",
    "The server cannot take large TLS hellos",
    "{server} answers a TLS hello of {good} bytes and does not answer one of {bad}. New TLS stacks send large ones.",
    "CSMS operator: update the server, or the firewall or load balancer in front of it.",
    "RFC 7685; RFC 8446 §4.1.2",
)
NEEDS_SNI = Kind(
    "tls.sni-dependent",
    "warning",
    "csms",
    "The right certificate comes only to clients that name the host",
    "{server} shows the certificate for {with_name} to clients that name the host in their TLS hello (SNI), and"
    " {without} to those that do not. Old stations do not.",
    "CSMS operator: make the OCPP host the default of this port, if there are stations that fail here.",
    "RFC 6066 §3",
)
CLIENT_REQUIRED = Kind(
    "tls.client-cert-required",
    "info",
    "csms",
    "The CSMS demands a client certificate",
    "{server} asks for a client certificate and goes no further without one: security profile 3.",
    "Nothing, if that is meant. Give this probe a station's certificate to look further.",
    "A00.FR.402, 407",
)
CLIENT_OPTIONAL = Kind(
    "tls.client-cert-optional",
    "info",
    "csms",
    "The CSMS asks for a client certificate and goes on without",
    "{server} asks for a client certificate, and the handshake succeeds without one. It must then be refused later, or"
    " be a station of security profile 2.",
    "CSMS operator: if this port is for profile 3, make sure that stations without certificate are turned away.",
    "A00.FR.006, 402, 407; github.com/citrineos/citrineos-core/pull/1098",
)
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
SLOW = Kind(
    "tls.slow-handshake",
    "warning",
    "csms",
    "The server is slow in the TLS handshake",
    "{server} takes {after} for its answer to a TLS hello; the way there and back takes {round_trip}.",
    "CSMS operator: look at the load of the server. Stations give up after ten seconds or so, and try again all at"
    " once.",
    "RFC 8446 §4.1",
)
NOT_TLS = Kind(
    "tls.not-tls",
    "critical",
    "operator",
    "The port speaks something else than TLS",
    "{server} answers a TLS hello with something that is no TLS: {answer}.",
    "Operator: check address and port of the CSMS.",
    "RFC 8446 §5.1",
)
NO_TLS = Kind(
    "tls.no-tls",
    "critical",
    "operator",
    "A port that speaks plain WebSocket is called by TLS",
    "The client {client} sent a TLS hello to {server}, which answered in plain HTTP.",
    "Operator: set the station to ws:// for this port, or (better) to the TLS port of the CSMS.",
    "RFC 8446 §4.1; OCPP-J 1.6 §3.1",
)

# ---------------------------------------------------------------------------------------------------- WebSocket upgrade


def _upgrade(
    id_: str, severity: Severity, owner: Owner, title: str, explanation: str, advice: str, reference: str
) -> Kind:
    return Kind(f"ws.{id_}", severity, owner, title, explanation, advice, reference)


IN_CLEAR = Kind(
    "ws.basic-auth-in-clear",
    "info",
    "operator",
    "The station's password crosses the network in clear",
    "The station sends its password to {server} without TLS (security profile 1): whoever can see the traffic can read"
    " it.{public}",
    "Operator: use wss:// (security profile 2 or 3), or keep this traffic inside a VPN or a network of your own. Change"
    " the password after that.",
    "OCPP 1.6 security white paper A00.FR.301–302; OCPP 2.x Part 2 A00.FR.301",
)
WS_KINDS: Final = (
    _upgrade("subprotocol-not-offered", "warning", "csms", "The CSMS answers with a subprotocol that was not offered",
             "{server} was offered {offered} and chose {chosen}. A client must end such a connection.",
             "CSMS operator: let the server choose among what the station offers.",
             "RFC 6455 §4.1; OCPP-J 1.6 §3.1.2"),
    _upgrade("subprotocol-refused", "warning", "csms", "The CSMS takes none of OCPP's subprotocols",
             "{server} was offered {offered} and chose none.",
             "Check that the CSMS speaks this version of OCPP, and that the path leads to it.",
             "RFC 6455 §4.2.2; OCPP-J 1.6 §3.1.2"),
    _upgrade("upgrade-404", "warning", "operator", "The CSMS does not know the path or the station",
             "{server} answers the WebSocket upgrade for {path} with 404.",
             "Compare path and identity with what the CSMS expects; a CSMS answers 404 to stations that it does not"
             " know.",
             "OCPP 2.x Part 4 §3.1.1; OCPP-J 1.6 §3.1.1"),
    _upgrade("basic-auth-required", "info", "csms", "The CSMS demands a password",
             "{server} answers the WebSocket upgrade with 401 and asks for HTTP Basic authentication: security profile"
             " {profile}.",
             "Nothing, if that is meant. Give this probe the station's password to look further.",
             "A00.FR.202, 301"),
    IN_CLEAR,
)  # fmt: skip

ENDPOINT_KINDS: Final = (
    *OLD_VERSIONS.values(), NO_TLS12, NO_TLS13, *WEAK_SUITES.values(), CBC, NO_FORWARD, OCPP_SUITES, SHORT_DH,
    COMPRESSION, RENEGOTIATION, BIG_HELLO, NEEDS_SNI, CLIENT_REQUIRED, CLIENT_OPTIONAL, RESET, TIMEOUT, SLOW, NOT_TLS,
    NO_TLS, *WS_KINDS,
)  # fmt: skip
