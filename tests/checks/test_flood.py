"""More messages than anybody wants, and those that a station may not help sending."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, found
from tests.traffic.scripts import boot_16


def flooded(action: str, payload: dict[str, Any], pause: float = 0) -> bool:
    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    boot_16(session)
    session.clock.wait(3600)
    text = json.dumps([2, "x", action, payload])
    for _ in range(320):
        session.say("station", text)
        session.clock.wait(pause)
    return "security.message-flood" in found(diagnose(session))


@pytest.mark.parametrize(("pause", "expected"), [(0, True), (0.04, False)])
def test_a_flood(pause: float, expected: bool) -> None:
    assert flooded("Heartbeat", {}, pause) is expected


@pytest.mark.parametrize(("hour", "expected"), [("08", False), ("09", True)])
def test_what_was_kept_while_offline_must_be_sent(hour: str, expected: bool) -> None:
    reading = {"timestamp": f"2026-08-31T{hour}:00:30Z", "sampledValue": [{"value": "1"}]}
    assert flooded("MeterValues", {"connectorId": 1, "meterValue": [reading]}) is expected


def test_parts_of_a_report_were_asked_for() -> None:
    assert not flooded("NotifyReport", {"requestId": 1, "seqNo": 1, "generatedAt": "2026-08-31T09:00:00Z"})
