"""One charger: why it is offline, what it went through, what flowed, what is set; and the way to the message."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.tui.glyphs import ASCII
from fieldkit.tui.screens.charger import SECTIONS, ChargerScreen
from fieldkit.tui.screens.curve import CurveScreen
from fieldkit.tui.screens.live import LiveScreen
from fieldkit.tui.widgets.plot import PlotView
from tests.tui.chosen import live_row
from tests.tui.driving import CAPTURES, SMALL, WIDE, driving

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"
SIZES = [SMALL, WIDE, (200, 60)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in the home of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


async def test_why_a_charger_is_offline_takes_three_keys() -> None:
    """From ``fieldkit`` alone: d, 2, Enter."""
    async with driving() as d:
        await d.press("d")
        await d.until(lambda: d.app.engine and not d.app.engine.state.running)
        await d.press("2", "enter")
        assert "✖ REFUSED  the CSMS agreed on no OCPP version" in d.text
        assert 'The station offered "ocpp2.1"' in d.text
        assert "To do (CSMS)" in d.text


async def test_the_power_curve_of_a_transaction_takes_seven_keys() -> None:
    """From ``fieldkit`` alone."""
    keys = ["d", "2", "down", "down", "enter", "t", "enter"]
    async with driving() as d:
        await d.press(keys[0])
        await d.until(lambda: d.app.engine and not d.app.engine.state.running)
        await d.press(*keys[1:])
        assert isinstance(d.app.screen, CurveScreen)
        assert "transaction 90211" in d.text
        assert "Power (worked out from the energy register), kW" in d.text
        assert "█" in d.text


@pytest.mark.parametrize("size", SIZES)
async def test_every_section_at_every_size(size: tuple[int, int]) -> None:
    async with driving(PLAIN, size=size) as d:
        await d.press("2", "enter")
        assert "Solidstudio VirtualChargePoint" in d.text
        high = size[1] >= 36
        assert d.app.screen.query_one(PlotView).display is high, "high screens have the curve below every list"
        for key, _ in SECTIONS.values():
            await d.press(key)
            assert all(len(line) <= size[0] for line in d.lines)
            assert "? Help" in d.lines[-1]
        await d.press("f")
        assert "A card or app user was refused" in d.text
        await d.press("c")
        assert "300" in d.line_with("HeartbeatInterval")
        await d.press("b")
        assert "✔ Accepted" in d.text
        await d.press("l")
        assert "ms" in d.line_with("BootNotification")
        await d.press("w")
        assert "Energy" in d.text or "energy" in d.text


async def test_arrows_and_clicks_lead_from_section_to_section() -> None:
    async with driving(PLAIN) as d:
        await d.press("2", "enter", "right")
        screen = d.app.screen
        assert isinstance(screen, ChargerScreen)
        assert screen.section == "transactions"
        await d.press("left", "left")
        assert screen.section == "boots"
        row = next(y for y, line in enumerate(d.lines) if "f Findings" in line)
        await d.pilot.click(offset=(d.lines[row].index("Config") + 1, row))
        await d.settle()
        assert "HeartbeatInterval" in d.text


async def test_the_evidence_of_a_finding_is_one_key_away() -> None:
    async with driving("demo") as d:
        await d.press("2", "down", "down", "enter", "enter")
        assert "StatusNotification" in live_row(d)
        assert "HYC-0031" in live_row(d)
        await d.press("2")
        assert "13 chargers" in d.text, "back to the list, not to a screen below it"


async def test_the_answers_that_took_longest() -> None:
    async with driving(PLAIN) as d:
        await d.press("2", "enter", "l", "enter")
        assert isinstance(d.app.screen, LiveScreen)
        assert "ChangeConfiguration" in live_row(d)
        assert "latency >=" in d.text


async def test_id_tokens_and_secrets_are_hidden() -> None:
    async with driving(CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13_dsb.pcapng", size=WIDE) as d:
        await d.press("2", "enter", "t")
        row = d.lines[d.app.screen.query_one("#charger-rows").region.y]
        assert "1001" in row
        assert "…" in row, "the id token is masked"
        await d.press("c")
        assert "AuthorizationKey" not in d.text or "(hidden)" in d.line_with("AuthorizationKey")


async def test_signs_without_unicode() -> None:
    async with driving("demo", glyphs=ASCII) as d:
        await d.press("2", "down", "down", "enter", "tab")
        assert d.text.isascii()
        assert "Faulted XX" in d.text
        await d.press("tab", "t", "enter")
        assert d.text.isascii()
        assert "###" in d.text


async def test_another_run_begins_afresh() -> None:
    async with driving(PLAIN) as d:
        await d.press("2", "enter")
        await d.press("0", "d")
        await d.until(lambda: d.app.engine and not d.app.engine.state.running)
        await d.press("2")
        assert "13 chargers" in d.text
