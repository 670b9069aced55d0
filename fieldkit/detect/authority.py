"""Who may do what: settings, firmware, security, remote starts, and restarts that were ordered."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.safetext import mask, shorten
from fieldkit.site.reading import member, number, objects, text

RESTART: Final = 600 * SECOND
"""How long an ordered restart may take until the station is back."""
UPDATE: Final = 3600 * SECOND
"""How long a firmware update may take from one message about it to the next."""
SETTLING: Final = 600 * SECOND
"""After a boot a CSMS sets up a station: many settings then are nothing unusual."""
BURST: Final = 3
BURST_TIME: Final = 300 * SECOND
"""Guarding settings that are changed one after the other outside of that."""
MAX_HOSTS: Final = 64
MAX_TOKENS: Final = 2000
REMOTE_KNOWN: Final = 5
"""Starts of transactions at a site before the way in which they come about can be unusual."""
STRANGERS: Final = 3
"""… unless so many unknown tokens come from afar within an hour and none of them leads to a charge."""
RARE: Final = 0.15
"""Share of charges that begin from afar below which several new tokens that way are odd."""
UNPLUGGED: Final = 0.3
"""Share of starts from afar before the car is plugged in."""
UNLIKELY: Final = 0.012
"""Probability of a start from afar with a new token below which it is told of."""

_WEAKENS: Final[dict[str, tuple[str, ...]]] = {
    # Names of 1.6 §9 and 2.x Part 2 (without their component), in lower case: values that let somebody in.
    "allowofflinetxforunknownid": ("true",),
    "offlinetxforunknownidenabled": ("true",),
    "localpreauthorize": (),
    "stoptransactiononinvalidid": ("false",),
    "stoptxoninvalidid": ("false",),
    "authorizeremotetxrequests": ("false",),
    "authorizeremotestart": ("false",),
    "authenabled": ("false",),
    "authctrlr.enabled": ("false",),
    "freevend": ("true",),
    "freevendactive": ("true",),
    "freevending": ("true",),
    "freecharging": ("true",),
    "unlockconnectoronevsidedisconnect": (),
    "additionalrootcertificatecheck": ("false",),
    "allowtlswildcards": ("true",),
    "disableremoteauthorization": ("true",),
    "masterpassgroupid": (),
    "masterpasstaggroupid": (),
}
"""Settings that guard access or billing, with the values that weaken it; () where any change from outside matters
little and only counts in a burst."""
_MOVES: Final = ("centralsystemurl", "csmsurl", "backendurl", "ocppcsmsurl", "serverurl", "csurl", "ocppendpoint",
                 "networkconfiguration", "networkconfigurationpriority", "authorizationkey", "basicauthpassword",
                 "securityprofile", "centralsystem", "endpointurl")  # fmt: skip
"""Settings that lead a station elsewhere or change its key."""
_QUIET: Final = ("metervaluesampleinterval", "txupdatedinterval", "sampleddatactrlr.txupdatedinterval",
                 "heartbeatinterval", "metervaluessampleddata", "stoptxnsampleddata", "clockalignedatainterval",
                 "websocketpinginterval", "txupdatedmeasurands", "aligneddatainterval")  # fmt: skip
"""Settings by which a station can be made to say less."""
_SILENT: Final = 3600.0
"""Seconds (or none at all) between meter values that leave nothing to bill or judge by."""


@dataclass(slots=True)
class _Station:
    guarding: deque[tuple[int, str, OcppMessage]] = field(default_factory=lambda: deque(maxlen=32))
    booted: int = 0
    remote: int = 0
    """Transactions that began by a remote start …"""
    local: int = 0
    """… and otherwise …"""
    counted: deque[str] = field(default_factory=lambda: deque(maxlen=32))
    """… of which the latest of 2.x, whose events come one by one."""
    version: str = ""


class Authority(Tracker):
    """Orders of the CSMS, or of who pretends to be it."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._stations: dict[str, _Station] = {}
        self._hosts: dict[str, int] = {}
        """Hosts that firmware came from, and how often."""
        self._tokens: dict[str, int] = {}
        """Tokens known at the site: how often they were accepted or used."""
        self._first_seen = 0
        """Tokens that were let in or used for the first time."""
        self._strangers: deque[tuple[int, str, str, OcppMessage]] = deque(maxlen=16)
        """Starts from afar with tokens never seen before."""
        self._origins: dict[str, str] = {}
        """By station: vendor, model and serial number as last told."""
        self._handlers = {
            "BootNotification": self._boot,
            "Reset": self._reset,
            "UpdateFirmware": self._firmware,
            "SignedUpdateFirmware": self._firmware,
            "PublishFirmware": self._firmware,
            "FirmwareStatusNotification": self._firmware_status,
            "SignedFirmwareStatusNotification": self._firmware_status,
            "ChangeConfiguration": self._setting,
            "SetVariables": self._setting,
            "SetNetworkProfile": self._setting,
            "Authorize": self._authorize,
            "StartTransaction": self._start,
            "TransactionEvent": self._start,
            "RemoteStartTransaction": self._remote,
            "RequestStartTransaction": self._remote,
        }

    def see(self, event: Event) -> None:
        if isinstance(event, OcppMessage) and (handler := self._handlers.get(event.action)) is not None:
            handler(event)

    # ---------------------------------------------------------------------------------------------- expected restarts

    def _expect(self, station: str, until: int) -> None:
        expected = self.context.expected
        if station not in expected and len(expected) >= MAX_TOKENS:
            del expected[next(iter(expected))]
        expected[station] = max(expected.get(station, 0), until)

    def _reset(self, message: OcppMessage) -> None:
        if message.type is MessageType.CALLRESULT and text(message.payload, "status") in ("Accepted", "Scheduled"):
            self._expect(message.channel.station, message.time + RESTART)

    def _boot(self, message: OcppMessage) -> None:
        if message.type is not MessageType.CALL:
            return
        name = message.channel.station
        state = kept(self._stations, name, _Station)
        state.booted = message.time
        payload = message.payload
        made = member(payload, "chargingStation") if "chargingStation" in (payload or ()) else payload
        parts = [
            text(made, "chargePointVendor") or text(made, "vendorName") or "",
            text(made, "chargePointModel") or text(made, "model") or "",
            text(made, "chargePointSerialNumber") or text(made, "serialNumber") or "",
        ]
        origin = " ".join(shorten(part, 40) for part in parts if part)
        known = self._origins.get(name)
        if known and origin and known != origin:
            self.context.tell(
                "cloned-station",
                name,
                0.8,
                f"{name} says now that it is {origin}; so far it has said {known}.",
                (message,),
                layer="statistics",
                sign="origin",
            )
        elif origin and (known is not None or len(self._origins) < MAX_TOKENS):
            self._origins[name] = origin
        version = text(made, "firmwareVersion") or ""
        if state.version and version and version != state.version and self.context.expects_restart(name):
            self.context.tell(
                "planned-firmware-update",
                name,
                0.8,
                f"{name} came back with firmware {shorten(version, 40)} instead of {shorten(state.version, 40)}, as "
                "the CSMS had ordered.",
                (message,),
                sign="version",
            )
        state.version = version or state.version

    # -------------------------------------------------------------------------------------------------------- firmware

    def _firmware(self, message: OcppMessage) -> None:
        if message.type is not MessageType.CALL or message.sender != "csms":
            return
        name, payload = message.channel.station, message.payload
        place = text(payload, "location") or text(payload, "firmware", "location") or ""
        signed = member(payload, "firmware", "signingCertificate") is not None
        self._expect(name, message.time + UPDATE)
        scheme, host = _host(place)
        if not host:
            return
        known = host in self._hosts or (
            bool(self._hosts) and _domain(host) in {_domain(other) for other in self._hosts}
        )
        bare = _is_address(host)
        reasons: list[str] = []
        doubt = 1.0
        if self._hosts and not known:
            reasons.append(f"firmware of this site came from {listed(list(self._hosts), 3)} so far")
            doubt *= 0.25
        if bare:
            reasons.append("the address has no name")
            doubt *= 0.4
        if scheme in ("http", "ftp", "tftp") and not signed and (bare or (self._hosts and not known)):
            reasons.append("neither the way nor the file is protected")
            doubt *= 0.6
        if (
            not self._hosts
            and not bare
            and scheme in ("http", "ftp", "tftp")
            and not signed
            and self._is_foreign(message, host)
        ):
            reasons.append("neither the way nor the file is protected, and the address is not the CSMS operator's")
            doubt *= 0.37
        if reasons and doubt < 1:
            self.context.tell(
                "firmware-url-swap",
                name,
                1 - doubt,
                f"{name} is told to load firmware from {shorten(host, 60)}: {', and '.join(reasons)}"
                + ("." if self._hosts else "; no update was seen here before."),
                (message,),
                layer="statistics",
                sign="host",
            )
        if (known or not self._hosts) and not bare and len(self._hosts) < MAX_HOSTS:
            self._hosts[host] = self._hosts.get(host, 0) + 1

    def _is_foreign(self, message: OcppMessage, host: str) -> bool:
        """Does it belong to somebody else than the CSMS, as far as names tell?"""
        link = self.context.picture.links.get(message.channel.connection)
        name = link.tls.server_name if link is not None and link.tls is not None else ""
        name = name or self.context.hosts.get(message.channel.station, "")
        return bool(name) and not _is_address(name) and _domain(name) != _domain(host)

    def _firmware_status(self, message: OcppMessage) -> None:
        if message.type is not MessageType.CALL or message.sender != "station":
            return
        name, status = message.channel.station, text(message.payload, "status") or ""
        expected = self.context.expects_restart(name)
        if status in ("Downloading", "Downloaded", "Installing", "SignatureVerified", "InstallRebooting"):
            self._expect(name, message.time + UPDATE)
        if expected and status in ("Installing", "Installed", "InstallRebooting"):
            self.context.tell(
                "planned-firmware-update",
                name,
                0.7,
                f"{name} reports {status} of a firmware update that the CSMS had ordered.",
                (message,),
                sign="status",
            )
            if status == "Installed":
                self._expect(name, message.time + RESTART)

    # -------------------------------------------------------------------------------------------------------- settings

    def _setting(self, message: OcppMessage) -> None:
        """The order, not its answer: that it was given is what matters."""
        if message.type is not MessageType.CALL or message.sender != "csms":
            return
        name = message.channel.station
        state = kept(self._stations, name, _Station)
        after_boot = state.booted and message.time - state.booted < SETTLING
        for key, value in _settings(message):
            judged = _judge_setting(key, value)
            if judged is None:
                continue
            confidence, what = judged
            state.guarding.append((message.time, key, message))
            recent = [one for one in state.guarding if message.time - one[0] <= BURST_TIME]
            if after_boot:
                confidence *= 0.5
            if len({one[1] for one in recent}) >= BURST and not after_boot:
                confidence = max(confidence, 0.75)
                what += (
                    f"; {counted(len(recent), 'such setting')} changed within {duration(message.time - recent[0][0])}"
                )
            if confidence > 0:
                self.context.tell(
                    "config-tampering",
                    name,
                    confidence,
                    f"The setting {shorten(key, 60)} of {name} was changed {what}"
                    + ("; usually it is left alone in operation." if len(recent) == 1 else "."),
                    tuple(one[2] for one in recent[-4:]),
                    first=recent[0][0],
                    sign=f"setting-{key[:40]}",
                )

    # ------------------------------------------------------------------------------------------------------ who starts

    def _authorize(self, message: OcppMessage) -> None:
        if message.type is not MessageType.CALLRESULT or message.call is None:
            return
        token = text(message.call.payload, "idTag") or text(message.call.payload, "idToken", "idToken") or ""
        status = text(message.payload, "idTagInfo", "status") or text(message.payload, "idTokenInfo", "status")
        if token and status == "Accepted" and token not in self._tokens:
            self._first_seen += 1
            self._know(token)

    def _know(self, token: str) -> None:
        if token not in self._tokens and len(self._tokens) >= MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[token] = self._tokens.get(token, 0) + 1

    def _start(self, message: OcppMessage) -> None:
        """Who begins a charge, and from where. With 2.x it is told when it is known: a transaction may begin with the
        plug (Part 2 E02), and the driver come after."""
        station = self.context.picture.stations.get(message.channel.station)
        if station is None or message.sender != "station" or message.type is not MessageType.CALL:
            return
        state = kept(self._stations, message.channel.station, _Station)
        made = station.transactions.latest
        if message.action == "TransactionEvent":
            id_ = text(message.payload, "transactionInfo", "transactionId") or ""
            if id_ in state.counted or not text(message.payload, "idToken", "idToken"):
                return
            made = station.transactions.open.get(id_, made)
            state.counted.append(id_)
        if made is not None and made.id_token:
            self._first_seen += made.id_token not in self._tokens
            self._know(made.id_token)
        if made is not None and made.remote_start:
            state.remote += 1
        else:
            state.local += 1

    def _unplugged(self, name: str, where: float | None) -> bool:
        """Does the station say that no car is plugged in there?"""
        station = self.context.picture.stations.get(name)
        states = [
            place.status
            for place in (station.connectors.all.values() if station is not None else ())
            if where and where in (place.evse, 0 if place.evse else place.number)
        ]
        return bool(states) and set(states) == {"Available"}

    def _remote(self, message: OcppMessage) -> None:
        """A start from afar with a token that nobody knows, where starts from afar are not the custom."""
        if message.type is not MessageType.CALL or message.sender != "csms":
            return
        name, payload = message.channel.station, message.payload
        token = text(payload, "idTag") or text(payload, "idToken", "idToken") or ""
        known = self._stations.values()
        remote, local = sum(state.remote for state in known), sum(state.local for state in known)
        number_of_starts = remote + local
        fresh = token not in self._tokens
        # How often a charge begins this way, and how often with a card that was never seen: each at least as often as
        # one more such start would make it (the rule of succession).
        where = number(payload, "connectorId") or number(payload, "evseId")
        way, new = (remote + 1) / (number_of_starts + 2), (self._first_seen + 1) / (number_of_starts + 2)
        likely = way * (new if fresh else 1.0)
        # A driver who starts a charge by telephone mostly stands there with the car plugged in. Where starts from afar
        # are nothing new, their drivers' habits are not either.
        unplugged = not remote and self._unplugged(name, where)
        likely *= UNPLUGGED if unplugged else 1.0
        if fresh:
            self._strangers.append((message.time, name, token, message))
        recent = {one[2] for one in self._strangers if message.time - one[0] <= 3600 * SECOND}
        for _ in range(len(recent) - 1 if fresh and way < RARE else 0):
            likely *= max(way * new, 0.2)
        known_site = number_of_starts >= REMOTE_KNOWN or (len(recent) >= STRANGERS and not remote)
        if likely > 10 * UNLIKELY or not known_site or not fresh:
            return
        others = f", the {len(recent)}th such token within the hour" if len(recent) > 3 else ""
        if len(recent) in (2, 3):
            others = f", the {'second' if len(recent) == 2 else 'third'} such token within the hour"
        self.context.tell(
            "unauthorised-remote-start",
            name,
            0.8 if likely < UNLIKELY / 5 else 0.64 if likely < UNLIKELY else 0.45 if likely < 4 * UNLIKELY else 0.35,
            f"A charge is started from afar{f' at connector {where:.0f}' if where else ''} with token {mask(token)}, "
            f"which was never seen here{others}{', where no car is plugged in' if unplugged else ''}; of "
            f"{number_of_starts} charges {remote or 'none'} began from afar.",
            tuple(one[3] for one in self._strangers)[-4:],
            layer="statistics",
            sign="custom" if len(recent) == 1 else "custom-others",
        )


def _settings(message: OcppMessage) -> list[tuple[str, Any]]:
    payload = message.payload
    if message.action == "ChangeConfiguration":
        return [(text(payload, "key") or "", text(payload, "value"))]
    if message.action == "SetNetworkProfile":
        return [("NetworkConfiguration", text(payload, "connectionData", "ocppCsmsUrl"))]
    return [
        (
            f"{text(item, 'component', 'name') or ''}.{text(item, 'variable', 'name') or ''}",
            text(item, "attributeValue"),
        )
        for item in objects(payload, "setVariableData")
    ]


def _judge_setting(key: str, value: Any) -> tuple[float, str] | None:
    """How surely a setting means harm by itself, and what is done; None: it guards nothing."""
    whole, short = key.lower(), key.lower().rpartition(".")[2]
    said = str(value).strip().lower() if value is not None else ""
    for name in (whole, short):
        if name in _WEAKENS:
            bad = said in _WEAKENS[name]
            return (0.7, f"to {shorten(said, 40)}, which opens a door") if bad else (0.0, "anew")
    if short in _MOVES:
        if "password" in short or "authorizationkey" in short:
            return 0.25, "anew"  # changing it now and then is good practice
        return (0.65, "to another server") if "://" in said else (0.4, "anew")
    if short in _QUIET:
        try:
            seconds = float(said)
        except ValueError:
            return (0.5, "to nothing") if not said else (0.0, "anew")
        if "meter" in short or "tx" in short:
            return (
                (0.65, f"to {seconds:.0f} s, which leaves hardly a reading")
                if not 0 < seconds <= _SILENT
                else (0.0, "anew")
            )
        return (0.4, f"to {seconds:.0f} s") if not 5 <= seconds <= 86_400 else (0.0, "anew")
    return None


def _host(place: str) -> tuple[str, str]:
    try:
        parts = urlsplit(place.strip())
        return parts.scheme.lower(), (parts.hostname or "").lower()
    except ValueError:
        return "", ""


def _is_address(host: str) -> bool:
    return ":" in host or (host.replace(".", "").isdigit() and "." in host)


def _domain(host: str) -> str:
    """The part that a name's owner holds, roughly: the last two labels."""
    return host if _is_address(host) else ".".join(host.split(".")[-2:])
