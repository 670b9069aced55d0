"""``report --filter``: what comes out is about matching messages; what goes in is everything."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from fieldkit.cli.exitcodes import ExitCode
from tests.traffic.capture import Packet, write_pcap
from tests.traffic.commandline import Fieldkit
from tests.traffic.conversation import Session, merged
from tests.traffic.scripts import usual_hour
from tests.traffic.taps import Tap


def rejected(session: Session) -> None:
    boot = {"chargePointVendor": "Testwerk", "chargePointModel": "S22"}
    for _ in range(3):
        answer = {"status": "Rejected", "interval": 60, "currentTime": session.timestamp()}
        session.call("station", "BootNotification", boot, answer, after=61)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """One station that is well, one that is rejected, and one that nobody listens to."""
    well, ill = Session("CP_7"), Session("CP_8", client=("192.168.7.21", 49_153))
    refused = Session("CP_9", client=("192.168.7.22", 49_154))
    for session in (well, ill):
        session.connect()
        session.upgrade()
    usual_hour(well)
    rejected(ill)
    well.close()
    refused.connect()
    refused.refuse(404, "Not Found")
    packets: list[Packet] = Tap().packets(merged(well.segments, ill.segments, refused.segments))
    path = tmp_path / "site.pcap"
    path.write_bytes(write_pcap(packets))
    return path


def report(fieldkit: Fieldkit, site: Path, expression: str, *more: str | Path) -> tuple[ExitCode, Any]:
    run = fieldkit("report", "--filter", expression, "--json", "-", *more, site)
    return ExitCode(run.code), json.loads(run.out)


def test_a_station_that_is_well(fieldkit: Fieldkit, site: Path) -> None:
    assert fieldkit("report", site).code == ExitCode.FINDINGS
    code, found = report(fieldkit, site, "station = CP_7")
    assert code == ExitCode.OK
    assert found["summary"]["verdict"].startswith("Nothing wrong was found in ")
    assert "of 1 station" in found["summary"]["verdict"]
    for kind in ("stations", "connections", "transactions"):
        assert {entry["station"] for entry in found[kind]} == {"CP_7"}, kind
    assert found["summary"]["outcomes"] is None, "those are counted over the whole site"
    assert "--filter station = CP_7" in found["capture"]["notes"][0]


def test_one_that_is_ill(fieldkit: Fieldkit, site: Path) -> None:
    code, found = report(fieldkit, site, "station = CP_8")
    assert code == ExitCode.FINDINGS
    assert {finding["station"] for finding in found["findings"]} == {"CP_8"}
    assert any(finding["id"].startswith("boot.") for finding in found["findings"])


def test_findings_that_no_message_shows_are_asked_for_their_station(fieldkit: Fieldkit, site: Path) -> None:
    _, found = report(fieldkit, site, "station = CP_9")
    assert [finding["id"] for finding in found["findings"]] == ["handshake.not-found"]


def test_by_what_the_evidence_says(fieldkit: Fieldkit, site: Path) -> None:
    _, found = report(fieldkit, site, "action = BootNotification and status = Rejected")
    assert {finding["station"] for finding in found["findings"]} == {"CP_8"}


def test_checks_see_what_is_filtered_out(fieldkit: Fieldkit, site: Path) -> None:
    """Else a heartbeat without the boot before it would be a fault."""
    code, found = report(fieldkit, site, "action = Heartbeat", "--fail-on", "warning")
    assert (code, [f for f in found["findings"] if f["severity"] != "info"]) == (ExitCode.OK, [])


def test_nothing_that_matches_is_no_good_verdict(fieldkit: Fieldkit, site: Path) -> None:
    code, found = report(fieldkit, site, "station = CP_77")
    assert code == ExitCode.INCOMPLETE
    assert found["summary"]["verdict"] == "No message matches the filter station = CP_77."


def test_documents_of_messages(fieldkit: Fieldkit, site: Path, tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("a.jsonl", "a.exchanges.csv", "b.jsonl")]
    fieldkit(
        "report", "-q", "--filter", "station = CP_8", "-o", names[0], "-o", names[1], "--anonymize", names[2], site
    )
    records = [json.loads(line) for line in names[0].read_text().splitlines()]
    assert {record["chargePointId"] for record in records} == {"CP_8"}
    assert {row["station"] for row in csv.DictReader(names[1].read_text().splitlines())} == {"CP_8"}
    assert len(names[2].read_text().splitlines()) == len(records) == 6


def test_clock_times_are_those_of_the_report(fieldkit: Fieldkit, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    _, found = report(fieldkit, site, "between 08:00 and 08:02")
    assert "0 of" not in found["capture"]["notes"][0]


def test_a_filter_with_a_mistake(fieldkit: Fieldkit, site: Path) -> None:
    run = fieldkit("report", "--filter", "station =", site)
    assert run.code == ExitCode.USAGE
    assert run.err.splitlines()[-1].strip() == "^"
