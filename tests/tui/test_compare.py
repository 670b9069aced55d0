"""Two sessions of a charger held against each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from fieldkit.tui import recent
from fieldkit.tui.chargertables import Look
from fieldkit.tui.compared import Line, Section, Side, compare, partner, side
from fieldkit.tui.glyphs import UNICODE
from fieldkit.tui.screens.charger import ChargerScreen
from fieldkit.tui.screens.compare import CompareScreen
from fieldkit.tui.screens.comparewith import CompareWithScreen
from fieldkit.tui.screens.live import LiveScreen
from tests.traffic.capture import write_pcap
from tests.traffic.charging import charging_16, measure, status_16, stop_16
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose
from tests.traffic.taps import Tap
from tests.tui.driving import SMALL, WIDE, driving

LOOK = Look(UNICODE, utc=True, show_ids=False)
REGISTER = "Energy.Active.Import.Register"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in the home of whoever runs the tests; the current folder has the captures of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def day(*, firmware: str = "1.4.2", faulted: bool = False, interval: str = "60", slow: float = 0.02) -> Session:
    """An hour of CP_7."""
    session = charging_16(meter=1000)
    payload = {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": firmware}
    answer = {"status": "Accepted", "currentTime": session.timestamp(), "interval": 300}
    session.call("station", "BootNotification", payload, answer)
    entry = {"key": "MeterValueSampleInterval", "value": interval, "readonly": False}
    session.call("csms", "GetConfiguration", {}, {"configurationKey": [entry]})
    for minute in range(1, 4):
        measure(session, {REGISTER: 1000 + 100 * minute})
        id_ = session.call("station", "Heartbeat", {})
        session.clock.wait(slow)
        session.answer("csms", id_, "Heartbeat", {"currentTime": session.timestamp()})
    stop_16(session, 1400)
    if faulted:
        status_16(session, "Faulted")
    session.close()
    return session


def of(session: Session, key: str = "CP_7") -> Side:
    diagnosis = diagnose(session)
    return side("x", diagnosis, diagnosis.findings, key, LOOK, running=False)


def lines(sections: list[Section], title: str) -> dict[str, Line]:
    (section,) = (section for section in sections if section.title.startswith(title))
    return {line.what: line for line in section.lines}


def test_the_same_day_twice_differs_in_nothing() -> None:
    sections = compare(of(day()), of(day()))
    assert [line for section in sections for line in section.lines if line.change != "same"] == []


def test_what_an_update_has_changed() -> None:
    sections = compare(of(day()), of(day(firmware="2.0.0", faulted=True, interval="10")))
    boots = lines(sections, "Boots")
    assert (boots["firmware"].left, boots["firmware"].right, boots["firmware"].change) == ("1.4.2", "2.0.0", "differs")
    settings = lines(sections, "Configuration")
    assert settings["MeterValueSampleInterval"].change == "differs"
    found = lines(sections, "Findings")
    faulted = next(line for what, line in found.items() if "out of order" in what)
    assert (faulted.change, faulted.left, faulted.right, faulted.level) == ("new", "-", "×1", "fail")
    assert lines(sections, "How it went")["messages"].change == "same", "it differs every day"


def test_a_finding_that_is_gone() -> None:
    found = lines(compare(of(day(faulted=True)), of(day())), "Findings")
    gone = next(line for what, line in found.items() if "out of order" in what)
    assert gone.change == "gone"
    assert gone.finding is not None


def test_answers_that_take_longer_are_worse() -> None:
    found = lines(compare(of(day()), of(day(slow=2.0))), "How long")
    assert found["CSMS: Heartbeat"].change == "worse"
    assert found["CSMS: StartTransaction"].change == "same"
    back = lines(compare(of(day(slow=2.0)), of(day())), "How long")
    assert back["CSMS: Heartbeat"].change == "better"


def test_a_side_that_was_not_asked_for_its_settings_has_lost_none() -> None:
    other = of(day())
    other.settings = {}
    found = lines(compare(of(day()), other), "Configuration")
    assert [line.change for line in found.values()] == ["same"]


def test_whom_to_compare_with() -> None:
    diagnosis = diagnose(day())
    assert partner(diagnosis, "CP_7") == "CP_7"
    assert partner(diagnosis, "CP_8") == "CP_7", "the only one there is"


def capture(folder: Path, name: str, session: Session) -> Path:
    path = folder / name
    path.write_bytes(write_pcap(Tap().packets(session.segments)))
    return path


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60)])
async def test_side_by_side_on_the_screen(tmp_path: Path, size: tuple[int, int]) -> None:
    before = capture(tmp_path, "before.pcap", day(faulted=True))
    after = capture(tmp_path, "after.pcap", day(firmware="2.0.0", slow=2.0))
    async with driving(before, size=size) as d:
        await d.press("2", "enter", "v")
        assert isinstance(d.app.screen, CompareWithScreen)
        assert "after.pcap" in d.text
        assert "before.pcap" not in d.text.partition("Compare CP_7")[2], "not with itself"
        await d.press("enter")
        assert isinstance(d.app.screen, CompareScreen)
        await d.until(lambda: "GONE" in d.text)
        assert "WORSE" in d.text
        assert "✔ GONE" in d.line_with("out of order")
        assert "2.0.0" in d.line_with("firmware")
        assert "serial number" not in d.text, "only what differs"
        await d.press("a")
        assert "serial number" in d.text or size == SMALL
        await d.press("a", "home", "enter")
        assert isinstance(d.app.screen, LiveScreen), "the evidence of what is gone"
    assert str(after) not in [name for one in recent.recent() for name in one.names]


async def test_a_path_that_is_typed_and_one_that_is_wrong(tmp_path: Path) -> None:
    before = capture(tmp_path, "before.pcap", day())
    capture(tmp_path, "later.pcap", day(firmware="3"))
    async with driving(before) as d:
        await d.press("2", "enter", "v", "o")
        await d.type("none")
        await d.press("enter")
        assert "✖ FAIL" in d.text
        d.app.screen.query_one("#with-path", Input).value = ""
        await d.type("lat")
        await d.press("tab", "enter")
        await d.until(lambda: "DIFFERS" in d.text)
        other = d.app.screen
        assert isinstance(other, CompareScreen)
        await d.press("escape")
        assert isinstance(d.app.screen, ChargerScreen)
        assert other.other.wait(5), "the other run is put away"
