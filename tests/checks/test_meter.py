"""Meter values by themselves: numbers, units, ranges, contexts."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.charging import REGISTER, charging_16, event_2, measure, online_16, stop_16
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, found, the


def mine(session: Session, *severities: str) -> list[str]:
    """What these families found."""
    families = ("meter.", "energy.", "smart-charging.")
    return [id_ for id_ in found(diagnose(session), *severities) if id_.startswith(families)]


def test_complete_meter_values_are_nothing_to_talk_about() -> None:
    session = charging_16()
    measure(session, {REGISTER: 1100, "Power.Active.Import": 6000, "Voltage L1-N": 231.2, "SoC": 44, "Frequency": 50})
    measure(session, {"Temperature": 31, "Current.Import L1": 16, "Power.Factor": 0.99})
    stop_16(session, 1200)
    assert mine(session) == []


def test_members_left_out_are_worth_a_word_and_no_more() -> None:
    session = charging_16()
    measure(session, {"": {"value": "1100"}})
    finding = the(diagnose(session), "meter.defaults-used")
    assert finding.severity == "info"
    assert "without a measurand and a unit" in finding.explanation()
    assert "Energy.Active.Import.Register in Wh" in finding.explanation()


def test_an_energy_without_unit_is_as_the_standard_has_it() -> None:
    session = charging_16()
    measure(session, {"": {"value": "1100", "measurand": REGISTER}})
    assert mine(session) == []


def test_a_unit_of_another_kind() -> None:
    session = charging_16()
    measure(session, {REGISTER: 1100}, unit="W")
    finding = the(diagnose(session), "meter.unit-mismatch")
    assert f"{REGISTER} is sent with the unit W" in finding.explanation()
    assert "in Wh" in finding.advice()


def test_another_unit_of_the_same_kind_is_fine() -> None:
    session = charging_16()
    measure(session, {REGISTER: 1.1}, unit="kWh")
    measure(session, {"Power.Active.Import": 6}, unit="kVA")
    measure(session, {"Voltage": 230}, unit="furlong")  # the schema's business
    assert mine(session) == []


def test_a_value_that_is_no_number() -> None:
    session = charging_16()
    measure(session, {"Voltage L1": "n/a"})
    assert 'sends "n/a" as Voltage' in the(diagnose(session), "meter.not-a-number").explanation()


def test_signed_data_and_numbers_in_any_spelling_are_fine() -> None:
    session = charging_16()
    measure(session, {REGISTER: "OCMF|" + "A" * 200})
    measure(session, {REGISTER: "1.1e3", "Voltage L1": " 230.0"})
    measure(session, {REGISTER: "OCMF|x"}, format="SignedData")
    assert mine(session) == []


def test_values_that_physics_does_not_allow() -> None:
    impossible = {"Voltage L1": 23_000, "Frequency": 5000, "SoC": 440, "Temperature": 850, "Current.Import L1": 65_535}
    session = charging_16()
    measure(session, impossible)
    diagnosis = diagnose(session)
    assert mine(session) == ["meter.out-of-range"] * len(impossible)
    texts = [finding.explanation() for finding in diagnosis.findings if finding.kind.id == "meter.out-of-range"]
    assert any("Voltage of L1 reads 23000.0 V" in text for text in texts)


def test_values_at_the_edge_of_what_is_possible() -> None:
    session = charging_16()
    measure(session, {"Voltage L1": -0.3, "Frequency": 0, "SoC": 100.4, "Temperature": -41, "Current.Import L1": -32})
    measure(session, {"Voltage": 1250, "Frequency": 60.9, "SoC": 0, "Current.Import": 3000, "Power.Factor": 98})
    measure(session, {"Temperature": 300}, unit="K")
    assert mine(session) == []


def test_a_transaction_of_2_without_marked_readings() -> None:
    session = online_16(version="2.0.1")
    event_2(session, "Started", 0, {REGISTER: 1000})
    event_2(session, "Ended", 1, {REGISTER: 1100})
    assert "Transaction.Begin or Transaction.End" in the(diagnose(session), "meter.context-missing").explanation()


def test_a_transaction_of_2_with_marked_readings_and_one_of_16_without_any() -> None:
    session = online_16(version="2.0.1")
    event_2(session, "Started", 0, {REGISTER: 1000}, context="Transaction.Begin")
    event_2(session, "Updated", 1, {REGISTER: 1050})
    event_2(session, "Ended", 2, {REGISTER: 1100}, context="Transaction.End")
    assert mine(session) == []
    session = charging_16()
    measure(session, {REGISTER: 1100})
    stop_16(session, 1200)
    assert mine(session) == []


def test_a_capture_that_begins_within_the_transaction_accuses_nobody_of_missing_readings() -> None:
    session = online_16(version="2.0.1")
    event_2(session, "Updated", 5, {REGISTER: 1050})
    event_2(session, "Ended", 6, {REGISTER: 1100})
    assert mine(session) == []


def test_half_marked_transaction_data() -> None:
    session = charging_16()
    sample = {"value": "1100", "context": "Transaction.End", "measurand": REGISTER, "unit": "Wh"}
    data = [{"timestamp": session.timestamp(), "sampledValue": [sample]}]
    stop_16(session, 1100, transactionData=data)
    assert "none marked Transaction.Begin." in the(diagnose(session), "meter.context-missing").explanation()


def test_an_end_that_begins() -> None:
    session = online_16(version="2.0.1")
    event_2(session, "Started", 0, {REGISTER: 1000}, context="Transaction.End")
    assert "meter.wrong-context" in mine(session, "warning")
    session = online_16(version="2.0.1")
    event_2(session, "Started", 0, {REGISTER: 1000}, context="Transaction.Begin")
    event_2(session, "Ended", 1, {REGISTER: 1000}, context="Transaction.End")
    assert mine(session) == []


ACTIONS = ["MeterValues", "StopTransaction", "StartTransaction", "TransactionEvent", "SetChargingProfile"]
ANSWERED = [*ACTIONS, "ClearChargingProfile", "GetCompositeSchedule", "StatusNotification", "ReportChargingProfiles"]
NAMES = st.sampled_from(
    "meterValue sampledValue value timestamp connectorId evseId evse id transactionId measurand unit phase context "
    "chargingState transactionData transactionInfo eventType csChargingProfiles chargingProfile chargingSchedule "
    "status limit chargingSchedulePeriod startPeriod chargingRateUnit schedule scheduleStart meterStop".split()
)
WORDS = st.sampled_from(
    [REGISTER, "Current.Import", "Voltage", "L1", "kWh", "A", "Accepted", "Unknown", "Rejected", "TxProfile", "Ended"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.just("2026-08-31T08:00:20Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ANSWERED), JSON, JSON, st.booleans()), min_size=1, max_size=10))
def test_no_payload_breaks_a_check(exchanges: list[tuple[str, Any, Any, bool]]) -> None:
    session = charging_16()
    for action, payload, answer, by_station in exchanges:
        session.call("station" if by_station else "csms", action, payload, answer)
    diagnose(session)
