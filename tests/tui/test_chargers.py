"""The list of chargers: one line each, those in trouble first, however many there are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fieldkit.tui.facts import gather
from fieldkit.tui.glyphs import ASCII
from fieldkit.tui.screens.charger import ChargerScreen
from fieldkit.tui.screens.chargers import ChargersScreen
from fieldkit.tui.widgets.stationlist import ORDERS, StationList
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import Session, merged
from tests.traffic.scripts import boot_16, heartbeat
from tests.traffic.taps import Tap
from tests.tui.driving import CAPTURES, SMALL, WIDE, Driver, driving

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in the home of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def chargers(d: Driver) -> ChargersScreen:
    screen = d.app.screen
    assert isinstance(screen, ChargersScreen)
    return screen


def names(d: Driver) -> list[object]:
    return list(chargers(d).query_one(StationList).keys)


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60)])
async def test_one_line_a_charger_those_in_trouble_first(size: tuple[int, int]) -> None:
    async with driving("demo", size=size) as d:
        await d.press("2")
        assert "13 chargers" in d.text
        assert names(d)[:2] == ["CP-21620", "CP-21621"], "they are turned away, and never said a message"
        assert "✖ REFUSED" in d.line_with("CP-21620")
        faulted = d.line_with("HYC-0031")
        assert "✖2" in faulted
        assert "▲1" in faulted
        assert "1 Faulted" in faulted
        assert "19 ms" in faulted
        assert "06:38:12" in faulted, "its last heartbeat"
        assert "✔ ONLINE" in d.line_with("CP-SOAP-15")
        assert all(len(line) <= size[0] for line in d.lines)
        if size[0] >= 120:
            assert "+2 h" in d.line_with("EVSE-0034"), "its clock"


async def test_a_transaction_that_goes_on_is_told() -> None:
    async with driving("demo") as d:
        await d.press("2")
        line = d.line_with("CP-21622")
        assert "150 Wh" in line
        assert "1 Charging" in line


async def test_other_orders() -> None:
    async with driving("demo") as d:
        await d.press("2")
        for order in list(ORDERS)[1:]:
            await d.press("o")
            assert chargers(d).order == order
            assert f"order: {order}" in d.text
            if order == "name":
                assert names(d) == sorted(map(str, names(d)))
            if order == "charging":
                assert names(d)[0] == "CP-21622"
        await d.press("o")
        assert chargers(d).order == "trouble"


async def test_a_filter_by_name_make_or_state() -> None:
    async with driving("demo") as d:
        await d.press("2", "slash")
        await d.type("refused")
        assert names(d) == ["CP-21620", "CP-21621"]
        assert "2 of 13" in d.text
        await d.press("enter", "escape")
        assert len(names(d)) == 13
        await d.press("slash")
        await d.type("nobo")
        assert "no charger fits" in d.text


async def test_enter_or_a_second_click_opens_a_charger() -> None:
    async with driving("demo") as d:
        await d.press("2", "down", "down", "enter")
        assert isinstance(d.app.screen, ChargerScreen)
        assert d.app.screen.key == "HYC-0031"
        await d.press("escape")
        assert chargers(d).rows.selected == "HYC-0031", "the cursor is where it was"
        await d.pilot.click(StationList, offset=(5, 4), times=2)
        await d.settle()
        assert isinstance(d.app.screen, ChargerScreen)
        assert d.app.screen.key == "CP-22001"


async def test_a_charger_whose_name_was_not_seen_is_told_by_its_address() -> None:
    async with driving(CAPTURES / "fault_connection_refused.pcap") as d:
        await d.press("2")
        assert "REFUSED" in d.line_with("127.0.0.1")
        await d.press("enter")
        assert "its name was not seen" in d.text
        assert "nobody listens at 127.0.0.1 port 21623" in d.text


async def test_signs_without_unicode() -> None:
    async with driving("demo", glyphs=ASCII) as d:
        await d.press("2")
        assert d.text.isascii()
        assert "x REFUSED" in d.line_with("CP-21620")


async def test_names_from_the_wire_are_inert(tmp_path: Path) -> None:
    session = Session("CP[bold]%1b[31m%e2%80%ae7")
    session.connect()
    session.upgrade()
    boot_16(session)
    path = tmp_path / "hostile.pcap"
    path.write_bytes(write_pcap(Tap().packets(session.segments)))
    async with driving(path, size=(200, 60)) as d:
        await d.press("2")
        assert "\x1b" not in d.text
        assert "\u202e" not in d.text
        assert "CP[bold]" in d.text, "no markup is read"
        for keys in (["enter"], ["l"], ["enter"], ["2", "enter", "v"]):
            await d.press(*keys)
            assert "CP[bold]" in d.text
            assert "\x1b" not in d.text


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand chargers."""
    sessions = []
    for number in range(1000):
        session = Session(f"CP-{number:04}", client=(f"10.0.{number // 250}.{number % 250 + 1}", 50_000))
        session.connect()
        session.upgrade()
        boot_16(session)
        heartbeat(session)
        sessions.append(session)
    path = tmp_path_factory.mktemp("large") / "thousand.pcap"
    path.write_bytes(write_pcap(Tap().packets(merged(*(session.segments for session in sessions)))))
    return path


async def test_a_thousand_chargers_stay_fluent(large: Path) -> None:
    async with driving(large) as d:
        await d.press("2")
        assert "1 000 chargers" in d.text
        engine = d.app.engine
        assert engine is not None
        began = time.perf_counter()
        with engine.lock:
            found = gather(engine.session, engine.findings, running=False)
        took = time.perf_counter() - began
        assert len(found) == 1000
        assert took < 0.2, "ten milliseconds are usual"
        await d.press("end")
        assert chargers(d).rows.position == 999
        began = time.perf_counter()
        for _ in range(5):
            chargers(d).refresh_view()
        assert (time.perf_counter() - began) / 5 < 0.3
        await d.press("slash")
        await d.type("0777")
        assert names(d) == ["CP-0777"]
