"""The report on a terminal: 80 columns, readable without colour."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.reports import text
from fieldkit.reports.document import Report
from fieldkit.safetext import display_width
from tests.reports.reported import report_of, report_of_file
from tests.traffic.conversation import Session
from tests.traffic.scripts import usual_hour

CAPTURES = Path(__file__).parents[2] / "captures"


@pytest.fixture(scope="module")
def refused() -> Report:
    return report_of_file(CAPTURES / "fault_basic_auth_401.pcap")


def test_the_verdict_comes_first(refused: Report) -> None:
    assert text.render(refused).startswith(refused["summary"]["verdict"][:60])


@pytest.mark.parametrize("width", [40, 80, 132])
def test_no_line_is_too_long(hostile: Report, refused: Report, width: int) -> None:
    for report in (hostile, refused):
        assert [line for line in text.render(report, width=width).splitlines() if display_width(line) > width] == []


def test_a_finding_has_its_line_its_advice_and_its_frame(refused: Report) -> None:
    shown = text.render(refused)
    assert "\nCRITICAL  " in shown
    assert "handshake.unauthorized" in shown
    assert "       -> [" in shown
    assert "* frame " in shown
    assert "-- What to do next ---" in shown


def test_color_only_colors(refused: Report) -> None:
    colored = text.render(refused, color=True)
    for escape in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[36m"):
        colored = colored.replace(escape, "")
    assert colored == text.render(refused)


def test_a_healthy_hour() -> None:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    usual_hour(session)
    shown = text.render(report_of(session))
    assert shown.startswith("Nothing wrong was found in ")
    assert "What to do next" not in shown
    assert "CP_7: Testwerk Säule 22, firmware 1.4.2" in shown
    assert "Session success        100 % (1 of 1)" in shown


def test_hosts_are_listed_when_there_is_no_ocpp() -> None:
    shown = text.render(report_of_file(CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap"))
    assert "-- Hosts in this capture" in shown
    assert "127.0.0.1:21610 (localhost, tls, 2 connections)" in shown


@pytest.mark.parametrize(
    "said, lines",
    [
        ("one two three", ["one two", "three"]),
        ("abcdefghijkl", ["abcdefgh", "ijkl"]),
        ("汉字汉字汉字", ["汉字汉字", "汉字"]),
        ("", []),
    ],
)
def test_wrapping(said: str, lines: list[str]) -> None:
    assert list(text.wrapped(said, 8, 8)) == lines
