"""Connectors of every version, by what they tell."""

from __future__ import annotations

from typing import Any

from fieldkit.events import MessageType, OcppChannel, OcppMessage
from fieldkit.site.connector import MAX_CONNECTORS, MAX_HISTORY, MAX_WHOLE, Connectors, connector_name
from fieldkit.site.light import MAX_RAW
from tests.traffic.segments import SECOND


def told(payload: Any, at: float = 0, action: str = "StatusNotification", raw: str = "raw") -> OcppMessage:
    channel = OcppChannel("CP", "1.6", "json", None, False, False, False)
    time, call = round(at * SECOND), MessageType.CALL
    return OcppMessage(time, (1,), "", channel, "station", call, "1", action, payload, None, raw, (), False, None)


def status(status: str, connector: Any = 1, at: float = 0, **more: Any) -> OcppMessage:
    return told({"connectorId": connector, "status": status, "errorCode": "NoError", **more}, at)


def fed(*messages: OcppMessage) -> Connectors:
    connectors = Connectors()
    for message in messages:
        connectors.feed(message)
    return connectors


def test_names() -> None:
    assert [connector_name(*place) for place in ((0, 0), (0, 2), (1, 0), (1, 2))] == ["", "2", "1", "1/2"]


def test_a_history_and_the_time_in_each_status() -> None:
    connectors = fed(
        status("Available"), status("Preparing", at=10), status("Charging", at=13), status("Available", at=73)
    )
    found = connectors.find("1")
    assert found is not None
    assert [change.status for change in found.history] == ["Available", "Preparing", "Charging", "Available"]
    assert [change.previous for change in found.history] == ["", "Available", "Preparing", "Charging"]
    assert {name: spent // SECOND for name, spent in found.spent.items()} == {
        "Available": 10,
        "Preparing": 3,
        "Charging": 60,
    }
    assert (found.status, found.since) == ("Available", 73 * SECOND)


def test_what_only_repeats_is_counted_but_not_kept() -> None:
    connectors = fed(status("Available"), status("Available", at=5), status("Available", at=9, info="x"))
    found = connectors.all[0, 1]
    assert (found.changes, len(found.history), found.since, found.last_told) == (3, 2, 0, 9 * SECOND)


def test_what_is_told_beside_the_status() -> None:
    message = status("Faulted", vendorId="V", vendorErrorCode="E1", info="why", timestamp="1970-01-01T00:00:01Z")
    ((connector, change),) = fed(message).fresh
    assert (connector.name, change.vendor_id, change.vendor_error, change.info) == ("1", "V", "E1", "why")
    assert (change.error, change.told, change.message) == ("NoError", SECOND, message)


def test_the_station_itself_is_connector_0() -> None:
    assert fed(status("Available", connector=0)).all[0, 0].name == ""


def test_2x_tells_evse_and_connector() -> None:
    connectors = fed(told({"evseId": 2, "connectorId": 1, "connectorStatus": "Occupied", "timestamp": "x"}))
    assert connectors.all[2, 1].status == "Occupied"
    assert connectors.find("2/1") is connectors.all[2, 1]


def event(component: str, variable: str = "AvailabilityState", **more: Any) -> OcppMessage:
    data = {"component": {"name": component, **more}, "variable": {"name": variable}, "actualValue": "Faulted"}
    return told({"eventData": [data]}, action="NotifyEvent")


def test_2x_events_tell_states_too() -> None:
    assert fed(event("Connector", evse={"id": 1, "connectorId": 2})).all[1, 2].status == "Faulted"
    assert fed(event("EVSE", evse={"id": 1})).all[1, 0].status == "Faulted"
    assert fed(event("ChargingStation")).all[0, 0].status == "Faulted"
    assert fed(event("Connector", "Problem", evse={"id": 1, "connectorId": 2})).all == {}
    assert fed(event("Controller")).all == {}


def test_what_cannot_be_a_connector_is_none() -> None:
    odd: list[Any] = [-1, 1 << 70, "1", None, True, [1], 1.5]
    assert fed(*(status("Available", connector=number) for number in odd)).all == {}
    assert fed(told({"connectorId": 1, "status": 5}), told(None), told([1])).all == {}


def test_memory_is_bounded() -> None:
    connectors = fed(*(status("Available", connector=number) for number in range(MAX_CONNECTORS + 50)))
    assert len(connectors.all) == MAX_CONNECTORS
    connectors = fed(*(status(f"S{number}" * 500) for number in range(MAX_HISTORY + 50)))
    found = connectors.all[0, 1]
    assert len(found.history) == MAX_HISTORY
    assert len(found.history[-1].status) <= 200
    assert len(found.spent) < 20
    assert sum(bool(change.message.raw) for change in found.history) == MAX_WHOLE
    assert all(change.message.frames == (1,) for change in found.history)


def test_a_huge_message_is_not_kept() -> None:
    ((_, change),) = fed(told({"connectorId": 1, "status": "Available"}, raw="x" * (MAX_RAW + 1))).fresh
    assert (change.message.raw, change.message.payload, change.message.id) == ("", None, "1")
