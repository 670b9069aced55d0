"""What endangers a station or its password: low profiles, secrets in clear, unsigned firmware."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from fieldkit.checks.check import Check
from fieldkit.checks.endpointkinds import IN_CLEAR
from fieldkit.checks.finding import Finding, Kind, Severity
from fieldkit.checks.onwire import MAX_STATIONS, bounded, endpoint, server_of
from fieldkit.checks.policy import Policy
from fieldkit.events import Event, HttpRequest, HttpResponse, MessageType, OcppMessage
from fieldkit.site.link import asks_upgrade, speaks_ocpp
from fieldkit.site.picture import Picture
from fieldkit.site.reading import member, objects, text, whole
from fieldkit.site.security import PROFILE_NAMES, is_public, profile_of

MAX_URL: Final = 2_000

_WHITE_PAPER: Final = "OCPP 1.6 security white paper"

BELOW_POLICY = Kind(
    "security.profile-below-policy",
    "warning",
    "operator",
    "The station connects with less security than is demanded",
    "The station's connection to {server} shows security profile {profile}; at least profile {demanded} is demanded.",
    "Operator: raise the station's security profile (1.6 SecurityProfile, 2.x SetNetworkProfile) and close the"
    " unprotected port of the CSMS afterwards.",
    f"{_WHITE_PAPER} §3, OCPP 2.x Part 2 A.1",
)
NOBODY_PROVES = Kind(
    "security.no-authentication",
    "info",
    "operator",
    "The station connects without proving who it is",
    "The station connects to {server} with neither a password nor a client certificate{tls}: whoever knows its"
    " identity can act as this station.{public}",
    "Operator: set a password on both sides (security profile 1 inside a trusted network, 2 or 3 elsewhere).",
    f"{_WHITE_PAPER} §3, OCPP 2.x Part 2 A.1",
)
DOWNGRADE = Kind(
    "security.profile-downgrade",
    "warning",
    "csms",
    "The CSMS lowers the station's security profile",
    "The CSMS told the station by {action} to go from security profile {before} down to {after}, and the station"
    " answered {status}. OCPP does not allow that over the air.",
    "CSMS operator: find out who ordered this; if nobody did, treat it as an attack. The station must reject it.",
    f"{_WHITE_PAPER} A00.FR.006 and A05, OCPP 2.x Part 2 A05, B09",
)
PROFILE_URL = Kind(
    "security.network-profile-contradiction",
    "warning",
    "csms",
    "A network profile demands TLS and gives an address without",
    "The CSMS set a network profile with security profile {profile} and an address that begins with {scheme}:// . The"
    " station cannot connect with it, or not securely.",
    "CSMS operator: correct the address to wss:// before the station is told to use this profile.",
    "OCPP 2.x Part 2 B09",
)
UNSIGNED = Kind(
    "security.unsigned-firmware",
    "warning",
    "csms",
    "Firmware without a signature",
    "The CSMS ordered a firmware update by {action} without a signature{profile}. The station cannot tell whether the"
    " file is its manufacturer's.",
    "CSMS operator: use {instead}. Station manufacturer: provide signed firmware.",
    f"{_WHITE_PAPER} L01, OCPP 2.x Part 2 L01",
)
PLAIN_TRANSFER = Kind(
    "security.plain-transfer",
    "info",
    "csms",
    "A file goes over the network unprotected",
    "{action} names {where}: what is transferred there ({what}) can be read and altered on the way.",
    "CSMS operator: offer https:// or ftps:// (or sftp://) instead, if the station can do it.",
    f"{_WHITE_PAPER} L01.FR.12; OCPP 2.x Part 2 N01",
)
TRANSFER_PASSWORD = Kind(
    "security.transfer-password-in-clear",
    "warning",
    "csms",
    "A password for file transfer goes over the network in clear",
    "{action} names {where} together with a password, and the transfer there is not encrypted: the password is used in"
    " clear.",
    "CSMS operator: give the station an address with https:// or ftps://, or one without a password that works once;"
    " then change this password.",
    f"{_WHITE_PAPER} L01",
)
KEY_IN_CLEAR = Kind(
    "security.key-set-in-clear",
    "warning",
    "csms",
    "A new station password is sent in clear",
    "The CSMS set the station's {key} by {action} over a connection to {server} without TLS: whoever can see the"
    " traffic knows the new password.",
    "CSMS operator: bring the station to security profile 2 first, then change its password again.",
    f"{_WHITE_PAPER} A01, OCPP 2.x Part 2 A01",
)
KEY_READABLE = Kind(
    "security.key-readable",
    "warning",
    "station",
    "The station gives its password away",
    "The station answered {action} with the value of {key}, which must be write-only.",
    "Station manufacturer: never report this value. Operator: change the password, it is in the logs of the CSMS now.",
    f"{_WHITE_PAPER} §4 (AuthorizationKey), OCPP 2.x Part 2 BasicAuthPassword",
)
_SECRET_KEYS: Final = frozenset({"authorizationkey", "basicauthpassword"})


class LoginCheck(Check):
    """How a station proves who it is when it connects."""

    kinds = (BELOW_POLICY, IN_CLEAR, NOBODY_PROVES)
    wants = frozenset({HttpRequest, HttpResponse})

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge a login."""
        if isinstance(event, HttpRequest):
            link = picture.links.get(event.connection)
            clear = link is not None and link.tls is None and not link.forwarded
            if clear and event.credentials is not None and asks_upgrade(event) and speaks_ocpp(event):
                return (self._told(IN_CLEAR, event, picture),)
        elif isinstance(event, HttpResponse) and event.status == 101:
            return list(self._let_in(event, picture))
        return ()

    def _let_in(self, response: HttpResponse, picture: Picture) -> Iterator[Finding]:
        link = picture.links.get(response.connection)
        if link is None:
            return
        profile = profile_of(link)
        if profile is None:
            return
        if profile == 0:
            yield self._told(NOBODY_PROVES, response, picture)
        demanded = self.policy.security_profile
        if demanded is not None and profile < demanded:
            values = {
                "server": server_of(link.connection),
                "profile": PROFILE_NAMES[profile],
                "demanded": demanded,
            }
            yield Finding(BELOW_POLICY, response.time, link.station, (response,), values)

    @staticmethod
    def _told(kind: Kind, event: HttpRequest | HttpResponse, picture: Picture) -> Finding:
        link = picture.links.get(event.connection)
        public = is_public(event.connection.server.address)
        values = {
            "server": endpoint(event.connection.server),
            "tls": " (the connection is encrypted, though)" if link is not None and link.tls is not None else "",
            "public": " Its address is one of the open Internet." if public else "",
        }
        station = link.station if link is not None else ""
        severity: Severity | None = "warning" if public and link is not None and link.tls is None else None
        return Finding(kind, event.time, station, (event,), values, severity=severity)


class OrderCheck(Check):
    """Orders that a station must get only over a safe way, or not at all."""

    kinds = (DOWNGRADE, PROFILE_URL, UNSIGNED, PLAIN_TRANSFER, TRANSFER_PASSWORD, KEY_IN_CLEAR, KEY_READABLE)
    actions = frozenset(
        {
            "ChangeConfiguration", "SetVariables", "SetNetworkProfile", "GetConfiguration", "GetVariables",
            "NotifyReport", "UpdateFirmware", "SignedUpdateFirmware", "GetDiagnostics", "GetLog",
        }
    )  # fmt: skip

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._profiles: dict[str, int] = {}
        """By station, as its settings say."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge an order, or the answer to one."""
        if not isinstance(event, OcppMessage):
            return ()
        if event.type is MessageType.CALL:
            return list(self._call(event, picture))
        if event.type is MessageType.CALLRESULT and event.call is not None:
            return list(self._answer(event, event.call, picture))
        return ()

    def _call(self, call: OcppMessage, picture: Picture) -> Iterator[Finding]:
        action, payload = call.action, call.payload
        if action == "NotifyReport":
            yield from _readable(call, objects(payload, "reportData"), ("variableAttribute",))
        elif action in ("ChangeConfiguration", "SetVariables"):
            for key in _keys(call):
                if key.lower() in _SECRET_KEYS and _is_clear(call, picture):
                    values = {"key": key, "action": action, "server": _server(call)}
                    yield _of(KEY_IN_CLEAR, call, values)
        elif action in _LOCATIONS:
            yield from self._transfer(call, picture)
        elif action == "SetNetworkProfile":
            profile = whole(payload, "connectionData", "securityProfile")
            url = text(payload, "connectionData", "ocppCsmsUrl") or ""
            if profile is not None and profile >= 2 and url.lower().startswith("ws://"):
                yield _of(PROFILE_URL, call, {"profile": profile, "scheme": "ws"})

    def _transfer(self, call: OcppMessage, picture: Picture) -> Iterator[Finding]:
        action, payload = call.action, call.payload
        what, path = _LOCATIONS[action]
        url = text(payload, *path) or text(payload, "location") or ""
        scheme, host, password = _parts(url)
        if scheme in ("http", "ftp", "tftp"):
            values = {"action": action, "where": f"{scheme}://{host}", "what": what}
            yield _of(TRANSFER_PASSWORD if password else PLAIN_TRANSFER, call, values)
        if action != "UpdateFirmware":
            return
        older = member(payload, "firmware") is None
        signed = (
            not older and text(payload, "firmware", "signature") and text(payload, "firmware", "signingCertificate")
        )
        profile = self._profile(call, picture)
        safe = profile is not None and profile >= 2
        if signed or (older and not safe):
            return  # 1.6 without the security extensions knows no other way
        shown = f" although the station works with security profile {profile}" if safe else ""
        instead = "SignedUpdateFirmware" if older else "the members signature and signingCertificate"
        values = {"action": action, "profile": shown, "instead": instead}
        yield _of(UNSIGNED, call, values, None if safe else "info")

    def _answer(self, answer: OcppMessage, call: OcppMessage, picture: Picture) -> Iterator[Finding]:
        action = call.action
        if action == "GetConfiguration":
            for entry in objects(answer.payload, "configurationKey"):
                key = text(entry, "key") or ""
                if key == "SecurityProfile":
                    self._learn(call.channel.station, text(entry, "value"))
                elif key.lower() in _SECRET_KEYS and _is_value(text(entry, "value")):
                    yield _of(KEY_READABLE, answer, {"key": key, "action": action})
        elif action == "GetVariables":
            yield from _readable(answer, objects(answer.payload, "getVariableResult"), ())
        elif action == "ChangeConfiguration" and text(call.payload, "key") == "SecurityProfile":
            value = text(call.payload, "value")
            yield from self._changed(call, answer, _number(value), picture)
        elif action == "SetNetworkProfile":
            profile = whole(call.payload, "connectionData", "securityProfile")
            yield from self._changed(call, answer, profile, picture)

    def _changed(
        self, call: OcppMessage, answer: OcppMessage, after: int | None, picture: Picture
    ) -> Iterator[Finding]:
        before = self._profile(call, picture)
        status = text(answer.payload, "status") or "nothing"
        accepted = status in ("Accepted", "RebootRequired")
        if after is not None and before is not None and after < before:
            values = {"action": call.action, "before": before, "after": after, "status": status[:40]}
            yield Finding(
                DOWNGRADE,
                answer.time,
                call.channel.station,
                (call, answer),
                values,
                severity="critical" if accepted and after < 2 else "warning" if accepted else "info",
            )
        if accepted and after is not None and call.action == "ChangeConfiguration":
            self._learn(call.channel.station, str(after))

    def _learn(self, station: str, value: str | None) -> None:
        profile = _number(value)
        if profile is not None:
            if station not in self._profiles:
                bounded(self._profiles, MAX_STATIONS)
            self._profiles[station] = profile

    def _profile(self, message: OcppMessage, picture: Picture) -> int | None:
        """As the connection shows it; else as the settings say."""
        link = picture.links.get(message.channel.connection)
        seen = profile_of(link) if link is not None else None
        return self._profiles.get(message.channel.station) if seen is None else seen


_LOCATIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "UpdateFirmware": ("the firmware", ("firmware", "location")),
    "SignedUpdateFirmware": ("the firmware", ("firmware", "location")),
    "GetDiagnostics": ("logs, which may name customers", ("location",)),
    "GetLog": ("logs, which may name customers", ("log", "remoteLocation")),
}


def _of(kind: Kind, message: OcppMessage, values: Mapping[str, object], severity: Severity | None = None) -> Finding:
    return Finding(
        kind, message.time, message.channel.station, (message,), values, group=message.action, severity=severity
    )


def _keys(call: OcppMessage) -> list[str]:
    """The settings that a CALL changes."""
    if call.action == "ChangeConfiguration":
        return [text(call.payload, "key") or ""]
    return [text(one, "variable", "name") or "" for one in objects(call.payload, "setVariableData")]


def _readable(message: OcppMessage, entries: Iterable[object], path: tuple[str, ...]) -> Iterator[Finding]:
    for entry in entries:
        name = text(entry, "variable", "name") or ""
        if name.lower() in _SECRET_KEYS:
            told = (
                [text(entry, "attributeValue")] if not path else [text(one, "value") for one in objects(entry, *path)]
            )
            if any(map(_is_value, told)):
                yield _of(KEY_READABLE, message, {"key": name, "action": message.action})


def _is_value(value: str | None) -> bool:
    """A secret, and not what stations write in its place."""
    return bool(value) and value is not None and not set(value) <= set("*xX•#- ") and value.lower() != "(hidden)"


def _is_clear(message: OcppMessage, picture: Picture) -> bool:
    link = picture.links.get(message.channel.connection)
    return link is not None and link.tls is None and not link.forwarded and not link.connection.joined_midstream


def _server(message: OcppMessage) -> str:
    connection = message.channel.connection
    return server_of(connection) if connection is not None else "the CSMS"


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.strip() in ("0", "1", "2", "3") else None


def _parts(url: str) -> tuple[str, str, bool]:
    """Scheme, host and whether there is a password in it."""
    try:
        parts = urlsplit(url[:MAX_URL])
        return parts.scheme.lower(), (parts.hostname or "")[:100], bool(parts.password)
    except ValueError:
        return "", "", False
