"""Meter values of every version come out in one shape."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import MessageType, OcppChannel, OcppMessage
from fieldkit.site.ledger import Ledger
from fieldkit.site.meter import MAX_SERIES, Meters
from fieldkit.site.series import Sample
from tests.traffic.charging import REGISTER

NOON = "2026-08-31T12:00:00Z"


def told(action: str, payload: Any, version: str = "1.6") -> OcppMessage:
    channel = OcppChannel("CP", version, "json", None, False, False, False)
    call = MessageType.CALL
    return OcppMessage(1, (), "", channel, "station", call, "1", action, payload, None, "", (), False, None)


def fed(*messages: OcppMessage) -> Meters:
    meters, ledger = Meters(), Ledger("CP")
    for message in messages:
        ledger.feed(message)
        meters.feed(message, ledger)
    return meters


def values_16(*samples: Any, **more: Any) -> OcppMessage:
    reading = {"timestamp": NOON, "sampledValue": list(samples)}
    return told("MeterValues", {"connectorId": 1, "meterValue": [reading], **more})


def only(meters: Meters) -> Sample:
    (sample,) = meters.fresh
    return sample


def test_what_is_left_out_has_its_default() -> None:
    sample = only(fed(values_16({"value": "1200"})))
    assert (sample.value, sample.unit, sample.measurand, sample.location) == (1200.0, "Wh", REGISTER, "Outlet")
    assert (sample.context, sample.connector, sample.phase) == ("Sample.Periodic", "1", "")
    assert sample.defaulted == {"measurand", "unit", "location"}
    assert sample.time == 1_788_177_600 * 10**9


def test_units_become_base_units() -> None:
    cases: list[tuple[str, str, float, str]] = [
        ("kWh", REGISTER, 2500.0, "Wh"),
        ("kW", "Power.Active.Import", 2500.0, "W"),
        ("kvarh", "Energy.Reactive.Import.Register", 2500.0, "varh"),
        ("Celcius", "Temperature", 2.5, "Celsius"),
        ("K", "Temperature", -270.65, "Celsius"),
        ("kwh ", REGISTER, 2500.0, "Wh"),
        ("furlong", "Voltage", 2.5, "furlong"),
    ]
    for unit, measurand, value, base in cases:
        sample = only(fed(values_16({"value": "2.5", "unit": unit, "measurand": measurand})))
        assert (round(sample.value, 6), sample.unit) == (value, base)
    fahrenheit = only(fed(values_16({"value": "212", "unit": "Fahrenheit", "measurand": "Temperature"})))
    assert round(fahrenheit.value, 6) == 100


def test_unit_of_measure_and_its_multiplier() -> None:
    sample = {"value": 12, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W", "multiplier": 3}}
    payload = {"evseId": 2, "meterValue": [{"timestamp": NOON, "sampledValue": [sample]}]}
    found = only(fed(told("MeterValues", payload, "2.0.1")))
    assert (found.value, found.unit, found.connector) == (12_000.0, "W", "2")


def test_transaction_events_bring_their_transaction_and_place() -> None:
    payload = {
        "eventType": "Started",
        "timestamp": NOON,
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-9"},
        "evse": {"id": 1, "connectorId": 2},
        "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": 5.5}]}],
    }
    sample = only(fed(told("TransactionEvent", payload, "2.0.1")))
    assert (sample.connector, sample.transaction, sample.value) == ("1/2", "T-9", 5.5)


def test_the_values_of_ocpp_15() -> None:
    reading = {"timestamp": NOON, "value": [{"value": "150", "unit": "Wh", "measurand": REGISTER}]}
    payload = {"connectorId": 1, "transactionId": 3, "values": [reading]}
    sample = only(fed(told("MeterValues", payload, "1.5")))
    assert (sample.value, sample.transaction) == (150.0, "3")
    bare = {"connectorId": 1, "values": [{"timestamp": NOON, "value": "150"}]}
    assert only(fed(told("MeterValues", bare, "1.5"))).value == 150.0
    stop = {"transactionId": 3, "meterStop": 150, "timestamp": NOON, "transactionData": [{"values": [reading]}]}
    assert only(fed(told("StopTransaction", stop, "1.5"))).value == 150.0


def test_transaction_data_of_a_stop() -> None:
    reading = {"timestamp": NOON, "sampledValue": [{"value": "7", "context": "Transaction.End"}]}
    stop = {"transactionId": 3, "meterStop": 7, "timestamp": NOON, "transactionData": [reading]}
    sample = only(fed(told("StopTransaction", stop)))
    assert (sample.context, sample.transaction) == ("Transaction.End", "3")


def test_signed_data_is_no_number_and_no_fault() -> None:
    meters = fed(values_16({"value": "OCMF|" + "x" * 500, "format": "SignedData"}, {"value": "A" * 400}))
    assert (meters.fresh, meters.unread) == ([], [])


def test_a_value_that_is_no_number_is_told_of() -> None:
    meters = fed(values_16({"value": "n/a", "measurand": "Voltage"}))
    assert [(unread.measurand, unread.text) for unread in meters.unread] == [("Voltage", "n/a")]


def test_a_reading_without_transaction_id_belongs_to_what_goes_on_at_its_connector() -> None:
    start = told("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": NOON})
    answer = OcppMessage(
        2,
        (),
        "",
        start.channel,
        "csms",
        MessageType.CALLRESULT,
        "1",
        "StartTransaction",
        {"transactionId": 8, "idTagInfo": {"status": "Accepted"}},
        None,
        "",
        (),
        False,
        start,
    )
    assert only(fed(start, answer, values_16({"value": "1"}))).transaction == "8"


def test_no_more_series_than_there_is_room_for() -> None:
    meters = fed(*(values_16({"value": "1"}, transactionId=number) for number in range(1, MAX_SERIES + 50)))
    assert len(meters.series) == MAX_SERIES
    assert meters.forgotten == 49


def test_endless_names_are_not_kept() -> None:
    meters = fed(values_16({"value": "1", "measurand": "M" * 1_000_000, "unit": "u" * 1_000_000}))
    assert len(only(meters).measurand) < 100
    assert len(only(meters).unit) < 100


NAMES = st.sampled_from(
    "meterValue sampledValue value values timestamp connectorId evseId evse id transactionId measurand unit phase "
    "location context unitOfMeasure multiplier transactionData transactionInfo eventType".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(Meters.ACTIONS)), JSON | st.dictionaries(NAMES, JSON, max_size=6))
def test_nothing_that_is_sent_raises(action: str, payload: Any) -> None:
    fed(told(action, payload), told(action, payload, "2.1"))
