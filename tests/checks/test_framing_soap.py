"""SOAP envelopes that are loose or broken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY
from tests.traffic.decoded import decode
from tests.traffic.diagnosed import diagnose_events, diagnose_file, found
from tests.traffic.segments import Clock
from tests.traffic.soaptalk import SoapTalk
from tests.traffic.taps import Tap

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
BOOT: Mapping[str, str] = {"chargePointVendor": "Testwerk", "chargePointModel": "Säule 22"}


def judged(old: str = "", new: str = "") -> list[str]:
    """One call whose envelope has ``new`` where ``old`` should be, of the same length."""
    talk = SoapTalk("CP_31", clock=Clock(MONDAY))
    talk.open("station")
    talk.call("station", "BootNotification", dict(BOOT))
    segments = talk.segments
    if old:
        assert any(old.encode() in segment.payload for segment in segments)
        segments = [one._replace(payload=one.payload.replace(old.encode(), new.encode())) for one in segments]
    events = decode(write_pcap(Tap().packets(segments))).events
    return [id_ for id_ in found(diagnose_events(events)) if id_.startswith("soap.")]


def test_an_envelope_as_it_should_be() -> None:
    assert judged() == []


@pytest.mark.parametrize(("old", "new"), [("Body>", "B0dy>"), ("chargePointModel>", "chargePointMode1<")])
def test_an_envelope_that_is_broken(old: str, new: str) -> None:
    assert "soap.broken" in judged(old, new)


def test_real_programs_are_loose_and_still_understood() -> None:
    diagnosis = diagnose_file(CAPTURES / "ocpp15s_ocppjs_soap.pcap")
    assert "soap.loose" in found(diagnosis)
    assert found(diagnosis, "critical", "warning") == []
