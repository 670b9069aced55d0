"""Acceptance: what passes, what fails, and that nothing passes unseen."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from fieldkit.checks.runner import known_checks
from fieldkit.reports import junit
from tests.reports.reported import report_of_file

CAPTURES = Path(__file__).parents[2] / "captures"


def suite(name: str, fail_on: str = "critical") -> ElementTree.Element:
    root = ElementTree.fromstring(junit.render(report_of_file(CAPTURES / name), fail_on=fail_on))
    (found,) = root
    return found


def case(found: ElementTree.Element, id_: str) -> ElementTree.Element:
    (one,) = (one for one in found.iter("testcase") if one.attrib["name"].startswith(f"{id_}: "))
    return one


def test_every_kind_is_a_test_case() -> None:
    names = {one.attrib["name"].partition(":")[0] for one in suite("made/any_duplicates.pcap").iter("testcase")}
    assert {kind.id for check in known_checks() for kind in check.kinds} <= names


def test_what_was_found_fails() -> None:
    found = suite("fault_basic_auth_401.pcap")
    failure = case(found, "handshake.unauthorized").find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "critical"
    assert "frame" in (failure.text or "")
    assert found.attrib["failures"] == "1"


@pytest.mark.parametrize("fail_on, failures", [("critical", 0), ("warning", 1), ("never", 0)])
def test_the_bar_is_where_it_is_set(fail_on: str, failures: int) -> None:
    found = suite("made/malformed_json.pcap", fail_on)
    one = case(found, "json.broken")
    assert len(one.findall("failure")) == failures
    assert len(one.findall("system-out")) == 1 - failures


def test_no_ocpp_is_no_acceptance() -> None:
    found = suite("ocpp16j_vcp_ocpprpc_wss_tls13.pcap")
    assert case(found, "capture.ocpp-seen").find("error") is not None
    assert case(suite("ocpp16j_vcp_ocpprpc_wss_tls13.pcap", "never"), "capture.ocpp-seen").find("error") is None


def test_missing_data_is_no_acceptance() -> None:
    found = suite("made/missing_segments.pcap")
    error = case(found, "capture.complete").find("error")
    assert error is not None
    assert "missing" in (error.text or "")
    assert case(suite("made/any_duplicates.pcap"), "capture.complete").find("error") is None


def test_counts_are_right() -> None:
    found = suite("made/http_refusals.pcap", "warning")
    assert int(found.attrib["tests"]) == len(found.findall("testcase"))
    assert int(found.attrib["failures"]) == len(list(found.iter("failure")))
