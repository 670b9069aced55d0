"""Somebody wants in, or is in."""

from __future__ import annotations

from copy import copy
from random import Random
from typing import TYPE_CHECKING

import orjson

from fieldkit.events import Endpoint
from tests.simulation.dialect import Dialect16
from tests.simulation.engine import Process
from tests.simulation.episodes import Episode, family
from tests.simulation.families.common import between, seconds_left
from tests.simulation.line import Line
from tests.simulation.station import Station
from tests.simulation.wan import Uplink

if TYPE_CHECKING:
    from tests.simulation.site import Site


@family("message-flood", "intrusion", (0.1, 0.7))
def flood(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Far more messages than the station has reason to send."""
    rate = between(0.5, 12.0, episode.magnitude**2)
    kinds = random.choice((("Heartbeat",), ("Heartbeat", "StatusNotification"), ("DataTransfer",)))
    while seconds_left(site, episode) > 0:
        if station.line.up:
            episode.shows(site.engine.now)
            match random.choice(kinds):
                case "Heartbeat":
                    yield station.beat()
                case "StatusNotification":
                    yield station.tell(station.connectors[0], station.connectors[0].status)
                case _:
                    ask = {"vendorId": "x", "data": "A" * random.randrange(10, 400)}
                    yield station.say("DataTransfer", ask, {"status": "UnknownVendorId"})
        yield random.expovariate(rate)


def _stranger(site: Site, station: Station, random: Random, name: str, address: str) -> Line:
    """Another device behind the same router."""
    line = Line(
        site.engine, site.wire, site.uplink, station=name, version=random.choice(("1.6", station.line.version)),
        address=address, server=station.line.server, path=station.vendor.path.format(station=name),
        id_style="uuid", random=random, encrypted=site.encrypted, user_agent=random.choice(("", "Python/3.11 websockets")),
    )  # fmt: skip
    line.chain = station.line.chain
    return line


def _neighbour(station: Station, last: int) -> str:
    """An address on the site's own network."""
    return f"{station.line.address.rpartition('.')[0]}.{last}"


@family("unknown-station", "intrusion", (0.3, 2), encrypted=False)
def unknown_station(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """A device that was never there connects and behaves as a station."""
    name = random.choice((f"CP-{random.randrange(70, 99)}", f"{random.getrandbits(40):010X}"))
    line = _stranger(site, station, random, name, _neighbour(station, random.randrange(120, 250)))
    episode.station = episode.note = name  # what happens to the others meanwhile is not about this one
    episode.shows(site.engine.now)
    yield line.dial() + 0.1
    if line.version == "1.6":
        boot: dict[str, object] = {"chargePointVendor": "Generic", "chargePointModel": "EVSE"}
    else:
        boot = {"reason": "PowerUp", "chargingStation": {"model": "EVSE", "vendorName": "Generic"}}
    answer = {"currentTime": station.csms_time(), "interval": 300, "status": "Accepted"}
    yield line.call("BootNotification", boot, answer)
    while seconds_left(site, episode) > 0:
        yield line.call("Heartbeat", {}, {"currentTime": station.csms_time()})
        yield between(120, 15, episode.magnitude)
    line.drop("fin", by_client=True, code=1000)
    yield 1.0


@family("cloned-station", "intrusion", (0.3, 1.5))
def cloned_station(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """A second device uses the identity of a station, from another address, while the real one is there."""
    line = _stranger(site, station, random, station.name, _neighbour(station, random.randrange(120, 250)))
    line.version = station.line.version
    kicks = random.random() < 0.6
    episode.shows(site.engine.now)
    while seconds_left(site, episode) > 0:
        yield line.dial() + 0.2
        if kicks:
            station.line.drop("fin", by_client=False, code=1008, reason="replaced by a new connection")
        boot = station.dialect.boot(station, "PowerUp")
        yield line.call(
            "BootNotification", boot, {"currentTime": station.csms_time(), "interval": 300, "status": "Accepted"}
        )
        for _ in range(random.randrange(2, 12)):
            yield line.call("Heartbeat", {}, {"currentTime": station.csms_time()})
            yield between(60, 8, episode.magnitude)
        line.drop("fin", by_client=not kicks, code=1000)
        yield random.uniform(20, 200)


@family("unauthorised-remote-start", "intrusion", (0.3, 1))
def remote_start(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Starts with a token that nobody here has, several times or at a time when nobody is there."""
    for _ in range(int(between(1, 6, episode.magnitude))):
        tag = f"{random.getrandbits(32):08X}"
        connector = random.choice(station.connectors)
        waited = 0.0
        while (not station.line.up or connector.transaction is not None) and waited < 2400:
            yield 15.0
            waited += 15
        if not station.line.up or connector.transaction is not None:
            return
        episode.shows(site.engine.now)
        if isinstance(station.dialect, Dialect16):
            ask: dict[str, object] = {"connectorId": connector.number, "idTag": tag}
            yield station.asked("RemoteStartTransaction", ask, {"status": "Accepted"})
        else:
            ask = {
                "remoteStartId": random.randrange(1, 10**6), "idToken": station.dialect.token(tag),
                "evseId": connector.number,
            }  # fmt: skip
            yield station.asked("RequestStartTransaction", ask, {"status": "Accepted"})
        yield random.uniform(30, 400)
    yield 0.0


@family("firmware-url-swap", "intrusion", (0.2, 0.6))
def firmware_swap(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """An update from an address that is not the operator's."""
    while not station.line.up:
        yield 20.0
    host = random.choice(("185.199.77.14", "fw-update.example.net", "cdn.kestre1.example", "10.9.8.7:8000"))
    scheme = random.choice(("http", "ftp", "http"))
    location = f"{scheme}://{host}/{random.getrandbits(32):08x}.bin"
    episode.shows(site.engine.now)
    yield from ask_update(station, location, random)
    yield random.uniform(5, 30)
    yield from tell_update(station, ("Downloading", "Downloaded", "Installing"), random)


def ask_update(station: Station, location: str, random: Random) -> Process:
    """The CSMS (or who passes for it) orders a firmware update."""
    if isinstance(station.dialect, Dialect16):
        ask: dict[str, object] = {"location": location, "retrieveDate": station.csms_time()}
        yield station.asked("UpdateFirmware", ask, {})
    else:
        firmware = {"location": location, "retrieveDateTime": station.csms_time()}
        ask = {"requestId": random.randrange(1, 10**6), "firmware": firmware}
        station.update_request = ask["requestId"]  # type: ignore[assignment]
        yield station.asked("UpdateFirmware", ask, {"status": "Accepted"})


def tell_update(station: Station, states: tuple[str, ...], random: Random) -> Process:
    """How the update goes."""
    for state in states:
        payload: dict[str, object] = {"status": state}
        if not isinstance(station.dialect, Dialect16):
            payload["requestId"] = station.update_request
        yield station.say("FirmwareStatusNotification", payload, {}, keep=True)
        yield random.uniform(10, 120)


@family("profile-downgrade", "intrusion", (0.3, 1), suits=lambda station: True)
def downgrade(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The station is told to use a weaker security profile, or comes back without a password."""
    while not station.line.up:
        yield 20.0
    if random.random() < 0.5:
        episode.shows(site.engine.now)
        yield from set_variable(station, "SecurityProfile", random.choice(("0", "1")), "SecurityCtrlr")
        yield random.uniform(5, 30)
    station.line.drop("fin", by_client=True, code=1000)
    station.line.password = False
    episode.shows(site.engine.now)
    yield seconds_left(site, episode)
    station.line.password = True
    station.line.drop("fin", by_client=True, code=1000)


def set_variable(station: Station, name: str, value: str, component: str) -> Process:
    if isinstance(station.dialect, Dialect16):
        yield station.asked("ChangeConfiguration", {"key": name, "value": value}, {"status": "Accepted"})
    else:
        place = {"component": {"name": component}, "variable": {"name": name}}
        ask = {"setVariableData": [{"attributeValue": value, **place}]}
        yield station.asked("SetVariables", ask, {"setVariableResult": [{"attributeStatus": "Accepted", **place}]})


@family("config-tampering", "intrusion", (0.1, 0.5))
def tampering(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Settings that guard access and billing are changed."""
    settings = [
        ("LocalAuthorizeOffline", "true", "AuthCtrlr"),
        ("AllowOfflineTxForUnknownId", "true", "AuthCtrlr"),
        ("AuthorizeRemoteTxRequests", "false", "AuthCtrlr"),
        ("StopTransactionOnInvalidId", "false", "TxCtrlr"),
        ("MeterValueSampleInterval", "0", "SampledDataCtrlr"),
        ("AuthEnabled", "false", "AuthCtrlr"),
    ]
    random.shuffle(settings)
    while not station.line.up:
        yield 20.0
    for name, value, component in settings[: int(between(1, 6, episode.magnitude))]:
        episode.shows(site.engine.now)
        yield from set_variable(station, name, value, component)
        yield random.uniform(0.5, 40)


@family("malformed-frames", "intrusion", (0.05, 0.4))
def fuzzing(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Frames that are broken in many ways."""
    while not station.line.up:
        yield 20.0
    for _ in range(int(between(6, 150, episode.magnitude))):
        if seconds_left(site, episode) <= 0:
            break
        episode.shows(site.engine.now)
        sender = "station" if random.random() < 0.8 else "csms"
        station.line.say_odd(sender, _broken(random))  # type: ignore[arg-type]  # one of the two
        yield random.expovariate(between(0.2, 4, episode.magnitude))


def _broken(random: Random) -> str:
    id_ = f"{random.getrandbits(48):012x}"
    whole = orjson.dumps([2, id_, "Heartbeat", {}]).decode()
    match random.randrange(7):
        case 0:
            return whole[: random.randrange(1, len(whole) - 1)]
        case 1:
            return f'[{random.choice((0, 7, 9, -1))},"{id_}","Heartbeat",{{}}]'
        case 2:
            return f'[2,"{id_}","{random.choice(("heartbeat", "GetShell", "BootNotificaton", "Exec"))}",{{}}]'
        case 3:
            return f'[2,"{id_ * random.randrange(4, 40)}","Heartbeat",{{}}]'
        case 4:
            return f'[2,"{id_}","Authorize",{{"idTag":{"[" * 30}{"]" * 30}}}]'
        case 5:
            return f'[3,"{id_}",{{"status":"{"%n" * random.randrange(5, 200)}"}}]'
        case _:
            return f'[2,"{id_}","StatusNotification",{{"connectorId":"{"A" * random.randrange(10, 900)}"}}]'


@family("credential-guessing", "intrusion", (0.1, 0.6))
def guessing(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Upgrades with passwords that are wrong, from an address that is not the station's."""
    own = random.random() < 0.4
    address = "" if own else _neighbour(station, random.randrange(120, 250))
    for _ in range(int(between(8, 200, episode.magnitude))):
        if seconds_left(site, episode) <= 0:
            break
        episode.shows(site.engine.now)
        yield station.line.refuse(401, "Unauthorized", address=address)
        yield random.expovariate(between(0.1, 3, episode.magnitude))


@family("man-in-the-middle", "intrusion", (0.5, 3), encrypted=True)
def middle(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Another server takes the place of the CSMS for one station: other address, other certificate, longer way."""
    line = station.line
    while not line.up:
        yield 20.0
    true_server, true_uplink, true_chain = line.server, line.uplink, line.chain
    line.server = Endpoint(random.choice((_neighbour(station, 66), "198.51.100.99")), true_server.port)
    line.chain = (random.randbytes(64),)
    true_ttl, line.far_ttl = line.far_ttl, random.choice((64, 128, line.far_ttl - 3))
    line.uplink = _detour(true_uplink, between(0.015, 0.4, episode.magnitude))
    line.drop("rst", by_client=False)
    episode.shows(site.engine.now)
    yield seconds_left(site, episode)
    line.server, line.uplink, line.chain = true_server, true_uplink, true_chain
    line.far_ttl = true_ttl
    line.drop("rst", by_client=False)


def _detour(uplink: Uplink, extra: float) -> Uplink:
    other = copy(uplink)
    other.extra = extra
    return other


@family("tag-enumeration", "intrusion", (0.05, 0.4))
def enumeration(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Card after card is tried."""
    first = random.getrandbits(32)
    step = random.choice((1, random.randrange(2, 9999)))
    for number in range(int(between(6, 120, episode.magnitude))):
        if seconds_left(site, episode) <= 0:
            break
        if station.line.up:
            episode.shows(site.engine.now)
            tag = f"{(first + step * number) % 2**32:08X}"
            yield station.authorize(tag, random.choice(("Invalid", "Invalid", "Blocked", "Invalid")))
        yield random.expovariate(between(0.08, 1.5, episode.magnitude))
