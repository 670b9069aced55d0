"""Errors that stations tell, and the minimum required error codes they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import MessageType, OcppChannel, OcppMessage
from fieldkit.site.errorcodes import MAX_ERRORS, MREC, ErrorCodes, meaning

CHARGEX, EVGO = "https://chargex.inl.gov", "com.evgo.mrec"
CHANNEL = OcppChannel("CP_1", "1.6", "json", None, False, False, False)


def told(*payloads: Any, action: str = "StatusNotification") -> ErrorCodes:
    errors = ErrorCodes()
    for time, payload in enumerate(payloads, 1):
        errors.feed(
            OcppMessage(
                time,
                (time,),
                "x",
                CHANNEL,
                "station",
                MessageType.CALL,
                str(time),
                action,
                payload,
                None,
                "",
                (),
                True,
                None,
            )
        )
    return errors


def status(error: str, **more: Any) -> dict[str, Any]:
    return {"connectorId": 1, "errorCode": error, "status": "Faulted", **more}


def codes(errors: ErrorCodes) -> list[tuple[str, str, str]]:
    return [(error.connector, error.code, error.mrec) for error in errors.told.values()]


@pytest.mark.parametrize(
    "payload, expected",
    [
        (status("NoError"), []),
        (status("GroundFailure"), [("1", "GroundFailure", "CX002")]),
        (status("WeakSignal"), [("1", "WeakSignal", "CX007")]),
        (status("PowerMeterFailure"), [("1", "PowerMeterFailure", "")]),
        (status("OtherError", vendorId=CHARGEX, vendorErrorCode="CX008"), [("1", "CX008", "CX008")]),
        (
            status("GroundFailure", vendorId=CHARGEX, vendorErrorCode="CX002"),
            [("1", "GroundFailure", "CX002"), ("1", "CX002", "CX002")],
        ),
        (
            status("OtherError", vendorId=EVGO, vendorErrorCode="F001,F003"),
            [("1", "F001", "CX023"), ("1", "F003", "CX014")],
        ),
        (status("OtherError", vendorId="com.acme", vendorErrorCode="E42"), [("1", "E42", "")]),
        (status("OtherError"), [("1", "OtherError", "")]),
        (status("NoError", vendorId="com.acme", vendorErrorCode="0"), []),
        (status("NoError", vendorId=CHARGEX, vendorErrorCode="CX018"), [("1", "CX018", "CX018")]),
        (
            {"connectorId": 0, "errorCode": "OtherError", "vendorId": EVGO, "vendorErrorCode": "A004"},
            [("", "A004", "CX008")],
        ),
    ],
)
def test_status_notifications(payload: Any, expected: list[tuple[str, str, str]]) -> None:
    assert codes(told(payload)) == expected


def test_the_nth_info_belongs_to_the_nth_code() -> None:
    errors = told(status("OtherError", vendorId=EVGO, vendorErrorCode="F001,F003", info="1.11,5.00"))
    assert [error.info for error in errors.told.values()] == ["1.11", "5.00"]


@pytest.mark.parametrize(
    "event, expected",
    [
        ({"techCode": "CX014", "actualValue": "true"}, [("2/1", "CX014", "CX014")]),
        ({"techCode": "CX014", "actualValue": "true", "cleared": True}, []),
        ({"techCode": "CX014", "actualValue": "false"}, []),
        ({"actualValue": "true", "variable": {"name": "Problem"}}, [("2/1", "Connector.Problem", "")]),
        ({"actualValue": "true", "variable": {"name": "AvailabilityState"}}, []),
    ],
)
def test_notify_event(event: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    component = {"name": "Connector", "evse": {"id": 2, "connectorId": 1}}
    payload = {"eventData": [{"component": component, "variable": {"name": "X"}, **event}]}
    assert codes(told(payload, action="NotifyEvent")) == expected


def test_the_same_error_again_is_counted() -> None:
    (error,) = told(status("OverVoltage"), status("OverVoltage"), status("NoError")).told.values()
    assert (error.first, error.last, error.count) == (1, 2, 2)


def test_all_26_codes_are_known_and_nothing_else() -> None:
    assert sorted(MREC) == [f"CX{number:03}" for number in range(1, 27)]
    assert meaning("CX027").text == ""
    assert meaning("CX001", "com.acme").text == ""  # somebody else's CX001
    assert meaning("CX001").mrec == "CX001"  # 2.x has no vendorId


def test_a_station_that_invents_codes_is_bounded() -> None:
    errors = told(*(status("OtherError", vendorId="x", vendorErrorCode=f"{number}-" * 500) for number in range(300)))
    assert len(errors.told) == MAX_ERRORS
    assert errors.dropped == 300 - MAX_ERRORS
    assert max(len(error.code) for error in errors.told.values()) <= 100


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["errorCode", "vendorErrorCode", "vendorId", "info", "eventData", "component", "evse", "techCode"]
            ),
            inner,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(_ANY, st.sampled_from(["StatusNotification", "NotifyEvent"]))
def test_nothing_that_is_sent_breaks_it(payload: Any, action: str) -> None:
    told(payload, action=action)
