"""The Links screen on the recorded failover: bands over bands, the anatomy, and the ways out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fieldkit.tui.app import FieldkitApp
from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.glyphs import ASCII, UNICODE, Glyphs
from fieldkit.tui.routers import Routers
from fieldkit.tui.screens.charger import ChargerScreen
from fieldkit.tui.screens.findings import FindingsScreen
from fieldkit.tui.screens.help import HelpScreen
from fieldkit.tui.screens.links import LinksScreen
from fieldkit.tui.screens.live import LiveScreen
from fieldkit.tui.settings import Settings
from fieldkit.tui.widgets.linktimeline import LinkTimeline
from tests.tui.driving import CAPTURES, SMALL, WIDE, Driver, driving
from tests.tui.test_themes import assert_readable

DATA = Path(__file__).parents[1] / "data"
LAN = str(DATA / "failover" / "failover_lan.pcap")
TOLD = (str(DATA / "routers" / "mon.log"), str(DATA / "routers" / "ct.log"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def recorded(told: tuple[str, ...] = TOLD) -> Engine:
    routers = Routers()
    for name in told:
        routers.read(name)
    return Engine(open_feed([LAN]), routers=routers)


@asynccontextmanager
async def links(
    size: tuple[int, int] = SMALL, told: tuple[str, ...] = TOLD, glyphs: Glyphs = UNICODE, theme: str = "field-night"
) -> AsyncIterator[Driver]:
    engine = recorded(told)
    app = FieldkitApp(
        engine, settings=Settings(utc=True, theme=theme), glyphs=glyphs, period=3600, start_at="links"
    )  # fmt: skip
    async with app.run_test(size=size) as pilot:
        d = Driver(app, pilot)
        await d.until(lambda: not engine.state.running)
        await d.settle()
        try:
            yield d
        finally:
            engine.close()


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60), (50, 12)])
async def test_bands_of_uplinks_stand_over_those_of_chargers(size: tuple[int, int]) -> None:
    async with links(size) as d:
        assert "5 outages, 1 charger" in d.text
        assert all(len(line) <= size[0] for line in d.lines)
        if size[1] < 20:
            return
        order = [
            next(at for at, line in enumerate(d.lines) if line.startswith(name)) for name in ("eth1", "wwan0", "cp1")
        ]
        assert order == sorted(order)
        assert "active" in d.line_with("wwan0 ")
        assert "╳" in d.line_with("cp1  ")
        causes = [line for line in d.lines if " OUTAGE " in line or " CHANGE " in line]
        assert len(causes) == 5
        assert "uplink carried nothing" in causes[2]
        assert "28 s" in causes[2]


async def test_enter_takes_an_outage_apart_and_lines_lead_on() -> None:
    async with links() as d:
        await d.press("down", "down", "enter")
        for words in ("uplink carried nothing, 95 % sure; 28 s", "path lost", "noticed", "held on for another"):
            assert words in d.text
        await d.press("enter")
        assert isinstance(d.app.screen, LiveScreen), "the first line leads to the traffic of its moment"
        await d.press("6", "escape", "c")
        assert isinstance(d.app.screen, LiveScreen)
        assert "connection" in d.text
        await d.press("6", "d")
        await d.until(lambda: isinstance(d.app.screen, ChargerScreen))
        await d.press("6", "f")
        await d.until(lambda: isinstance(d.app.screen, FindingsScreen))
        assert "carried nothing" in d.text


async def test_the_text_leads_to_finding_and_charger() -> None:
    async with links(WIDE) as d:
        await d.press("down", "down", "enter")
        targets = d.app.screen.query_one("#links-page").targets  # type: ignore[attr-defined]
        assert {kind for kind, _ in targets} == {"row", "finding", "connection", "charger"}
        await d.press(*["down"] * [kind for kind, _ in targets].index("finding"), "enter")
        await d.until(lambda: isinstance(d.app.screen, FindingsScreen))


async def test_the_cursor_tells_what_was_lost_and_who_was_used() -> None:
    async with links(WIDE) as d:
        await d.press("down", "down", "tab")
        bands = d.app.screen.query_one(LinkTimeline)
        assert bands.has_focus
        told = " ".join(bands.sentences())
        assert "cp1: uplink carried nothing (95 % sure), unnoticed" in told
        await d.press("home")
        assert "1 of 1 chargers connected" in " ".join(bands.sentences()) or "router:" in " ".join(bands.sentences())
        before = bands.cursor
        await d.press("n")
        assert bands.cursor > before
        await d.press("end", "enter")
        page = d.app.screen.query_one("#links-page")
        assert page.has_focus, "Enter shows the outage that is nearest to the cursor"
        assert "SIM change" in d.text


async def test_without_a_router_it_says_how_uplinks_would_be_seen() -> None:
    async with links(told=()) as d:
        assert "uplinks: not asked" in d.text
        assert "5 outages" in d.text
        await d.press("u")
        assert "--router" in d.app.notice
        assert not d.app.engine.routers.asked, "nothing is asked of a router that nobody named"  # type: ignore[union-attr]
        await d.press("end", "enter")
        page = d.app.screen.query_one("#links-page")
        text = " ".join(part.text for line in page._lines for part in line.parts)  # type: ignore[attr-defined]
        assert "fieldkit watch FILE --router link.jsonl" in text


@pytest.mark.parametrize(
    "name, words",
    [
        ("ocpp201_vcp_pyocpp_plain.pcap", "No outage: no charger lost its connection"),
        ("ocpp16j_vcp_ocpprpc_wss_tls13.pcap", "the connections are encrypted"),
    ],
)
async def test_captures_without_an_outage_say_so(name: str, words: str) -> None:
    async with driving(CAPTURES / name, start_at="links") as d:
        assert "no outage" in d.text
        assert words in d.text
        for key in ("enter", "c", "d", "f", "tab", "enter", "escape"):
            await d.press(key)
        assert isinstance(d.app.screen, LinksScreen)


async def test_help_explains_the_signs() -> None:
    async with links() as d:
        await d.press("question_mark")
        assert isinstance(d.app.screen, HelpScreen)
        assert "outage" in d.text


async def test_without_signs_beyond_ascii() -> None:
    async with links(glyphs=ASCII) as d:
        await d.press("enter")
        assert d.text.isascii(), [line for line in d.lines if not line.isascii()]


@pytest.mark.parametrize("theme", ["field-sun", "field-night"])
async def test_everything_can_be_read(theme: str) -> None:
    async with links(WIDE, theme=theme) as d:
        for key in ("tab", "tab", "enter"):
            await d.press(key)
            assert_readable(d, 7.0 if theme == "field-sun" else 4.5)


async def test_a_replay_has_the_same_routers_and_asks_none() -> None:
    engine = recorded().start()
    assert engine.wait(30)
    again = engine.wishes["routers"]
    assert [event.time for event in again.events] == [event.time for event in engine.routers.events]
    assert not again.asked
