"""What the stations of a site keep together has a bound, however long they talk."""

from __future__ import annotations

from typing import Any

import pytest

from fieldkit.events import MessageType, OcppChannel, OcppMessage
from fieldkit.site.about import LEAST_BOOTS, LEAST_SETTINGS, MAX_BOOTS, MAX_SETTINGS, About
from fieldkit.site.connector import LEAST_HISTORY, MAX_HISTORY, Connectors
from fieldkit.site.latency import LEAST_SAMPLES, MAX_SAMPLES, Latencies
from fieldkit.site.ledger import Ledger
from fieldkit.site.meter import LEAST_SERIES, MAX_SERIES, Meters
from fieldkit.site.picture import Picture
from fieldkit.site.remotestart import LEAST_WAITING, MAX_WAITING
from fieldkit.site.room import SITE_BOOTS, SITE_CHANGES, SITE_ORDERS, SITE_SAMPLES, SITE_SERIES, SITE_SETTINGS, Room
from fieldkit.site.station import Station

NOON = "2026-08-31T12:00:00Z"


def said(
    action: str, payload: Any, *, sender: Any = "station", number: int = 1, station: str = "CP", call: Any = None
) -> OcppMessage:
    channel = OcppChannel(station, "1.6", "json", None, False, False, False)
    kind = MessageType.CALL if call is None else MessageType.CALLRESULT
    return OcppMessage(
        number, (number,), "", channel, sender, kind, f"m{number}", action, payload, None, "raw", (), False, call
    )


def crowd(stations: int = 1, connectors: int = 1) -> Room:
    room = Room()
    room.stations, room.connectors = stations, connectors
    return room


@pytest.mark.parametrize("connectors, kept", [(1, MAX_HISTORY), (400, SITE_CHANGES // 400), (50_000, LEAST_HISTORY)])
def test_connectors_share_the_room_for_their_past(connectors: int, kept: int) -> None:
    room = crowd()
    site = Connectors(room)
    for number in range(MAX_HISTORY + 10):
        if number == MAX_HISTORY:
            room.connectors = connectors  # what was kept before they came is given up
        site.feed(said("StatusNotification", {"connectorId": 1, "status": f"S{number}"}, number=number))
    history = site.all[0, 1].history
    assert [change.status for change in history] == [
        f"S{number}" for number in range(MAX_HISTORY + 10 - kept, MAX_HISTORY + 10)
    ]


def test_every_connector_is_counted_once() -> None:
    picture = Picture()
    for round_ in range(3):
        for station in ("A", "B"):
            for connector in (0, 1, 2):
                payload = {"connectorId": connector, "status": f"S{round_}"}
                picture.feed(said("StatusNotification", payload, station=station))
    assert (picture._room.stations, picture._room.connectors) == (2, 6)


def test_a_text_that_is_told_again_is_kept_once() -> None:
    connectors = Connectors()
    for number, status in enumerate(("Faulted", "Available") * 2):
        # Not the same objects, as none of two messages has.
        payload = {"connectorId": 1, "status": status, "vendorErrorCode": "".join(["E", "7"]), "info": " ".join("dark")}
        connectors.feed(said("StatusNotification", payload, number=number))
    one, _, other, _ = connectors.all[0, 1].history
    assert one.info is other.info
    assert one.vendor_error is other.vendor_error
    assert one.info == "d a r k"


def metered(transaction: int, connector: int = 1) -> OcppMessage:
    reading = {"timestamp": NOON, "sampledValue": [{"value": "1"}]}
    return said("MeterValues", {"connectorId": connector, "transactionId": transaction, "meterValue": [reading]})


def charge(room: Room, transactions: int, *, going: int = 0) -> Meters:
    """Transactions one after the other at connector 1, and some that go on at others since before."""
    ledger, meters = Ledger("CP", room), Meters(room)

    def feed(message: OcppMessage) -> None:
        ledger.feed(message)
        meters.feed(message, ledger)

    for number in range(going):
        feed(metered(100_000 + number, 2 + number))
    for number in range(1, transactions + 1):
        feed(metered(number))
        feed(said("StopTransaction", {"transactionId": number, "meterStop": 2, "timestamp": NOON}))
    return meters


@pytest.mark.parametrize("stations, kept", [(1, MAX_SERIES), (200, SITE_SERIES // 200), (9000, LEAST_SERIES)])
def test_stations_share_the_room_for_meter_values(stations: int, kept: int) -> None:
    meters = charge(crowd(stations), MAX_SERIES + 20)
    assert [series.transaction for series in meters.series.values()] == [
        str(number) for number in range(MAX_SERIES + 21 - kept, MAX_SERIES + 21)
    ]
    assert meters.forgotten == MAX_SERIES + 20 - kept


def test_what_goes_on_is_not_forgotten_for_the_past() -> None:
    meters = charge(crowd(9000), 60, going=LEAST_SERIES + 5)
    transactions = [series.transaction for series in meters.series.values()]
    assert transactions[: LEAST_SERIES + 5] == [str(100_000 + number) for number in range(LEAST_SERIES + 5)]
    assert transactions[LEAST_SERIES + 5 :] == ["60"]


@pytest.mark.parametrize("stations, kept", [(1, MAX_SETTINGS), (200, SITE_SETTINGS // 200), (9000, LEAST_SETTINGS)])
def test_stations_share_the_room_for_settings(stations: int, kept: int) -> None:
    about = About(crowd(stations))
    keys = [{"key": f"Key{number}", "readonly": True, "value": str(number)} for number in range(900)]
    for part in range(3):
        told = {"configurationKey": [entry | {"key": f"{entry['key']}.{part}"} for entry in keys]}
        call = said("GetConfiguration", {}, sender="csms")
        about.feed(said("GetConfiguration", told, call=call))
    assert len(about.settings) == kept
    assert about.settings_dropped == 2700 - kept
    assert about.setting("key0.0") is not None


@pytest.mark.parametrize("stations, kept", [(1, MAX_WAITING), (200, SITE_ORDERS // 200), (9000, LEAST_WAITING)])
def test_stations_share_the_room_for_orders_that_wait(stations: int, kept: int) -> None:
    station = Station("CP", inferred=False, room=crowd(stations))
    for number in range(50):
        order = {"idTag": f"T{number}", "connectorId": 1}
        station.feed(said("RemoteStartTransaction", order, sender="csms", number=number))
    assert [order.token for order in station.transactions.remote.waiting] == [
        f"T{number}" for number in range(50 - kept, 50)
    ]


@pytest.mark.parametrize("stations, kept", [(1, MAX_BOOTS), (200, SITE_BOOTS // 200), (9000, LEAST_BOOTS)])
def test_stations_share_the_room_for_boots(stations: int, kept: int) -> None:
    about = About(crowd(stations))
    for number in range(150):
        call = said("BootNotification", {"chargePointVendor": "V"}, number=number)
        about.feed(call)
        about.feed(said("BootNotification", {"status": "Accepted"}, sender="csms", number=number, call=call))
    assert [boot.time for boot in about.boots] == list(range(150 - kept, 150))
    assert all(boot.status == "Accepted" for boot in about.boots)
    assert about.boot_count == 150


@pytest.mark.parametrize("stations, most", [(1, MAX_SAMPLES), (200, SITE_SAMPLES // 200), (9000, LEAST_SAMPLES)])
def test_stations_share_the_room_for_latencies(stations: int, most: int) -> None:
    room = crowd()
    latencies = Latencies(room)
    call = said("Heartbeat", {}, number=0)
    for took in range(1, 5001):
        if took == 4000:
            room.stations = stations
        latencies.feed(said("Heartbeat", {}, sender="csms", number=took, call=call))
    (series,) = latencies._series.values()
    assert most // 2 <= len(series.samples) <= most
    (entry,) = latencies.summary()
    assert (entry.count, entry.longest) == (5000, 5000)
    assert abs(entry.p50 - 2500) < 5000 / most * 4
    assert abs(entry.p90 - 4500) < 5000 / most * 4
