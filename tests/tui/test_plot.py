"""Curves: what is drawn, its scale, the value at the cursor; power from the energy register alone."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fieldkit.tui.axis import Axis
from fieldkit.tui.curves import DERIVED, POWER, REGISTER, Curve, Plot, plots, value_at
from fieldkit.tui.screens.curve import CurveScreen
from fieldkit.tui.widgets.plot import PlotView, at_columns
from tests.traffic.capture import write_pcap
from tests.traffic.charging import charging_16, measure, stop_16
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose
from tests.traffic.taps import Tap
from tests.tui.chosen import live_row
from tests.tui.driving import driving

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in the home of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def charged(values: list[dict[str, float]]) -> Session:
    """A transaction with a reading a minute."""
    session = charging_16(meter=1000)
    for reading in values:
        measure(session, reading)
    stop_16(session, values[-1].get(REGISTER, 2000))
    session.close()
    return session


def drawn(session: Session) -> list[Plot]:
    station = diagnose(session).picture.stations["CP_7"]
    (made,) = station.transactions.closed
    return plots(station, made)


def test_power_that_was_told_comes_first() -> None:
    found = drawn(charged([{REGISTER: 1000 + 100 * n, POWER: 6000} for n in range(1, 5)]))
    assert [(plot.title, plot.unit) for plot in found] == [(POWER, "kW"), (REGISTER, "kWh")]
    assert [value for _, value in found[0].curves[0].points] == [6.0] * 4


def test_power_is_worked_out_where_only_energy_is_told() -> None:
    (power, energy) = drawn(charged([{REGISTER: 1000 + 100 * n} for n in range(1, 5)]))
    assert power.title == DERIVED
    assert energy.title == REGISTER
    (curve,) = power.curves
    inner = [value for _, value in curve.points[1:-2]]
    assert inner == pytest.approx([6.0] * len(inner), rel=0.05), "100 Wh a minute"


def test_a_register_that_goes_backwards_leaves_a_hole() -> None:
    (power, _) = drawn(charged([{REGISTER: 2000}, {REGISTER: 2100}, {REGISTER: 50}, {REGISTER: 150}]))
    values = [value for _, value in power.curves[0].points]
    assert any(math.isnan(value) for value in values)
    assert all(value >= 0 for value in values if not math.isnan(value))


def test_phases_are_curves_of_their_own() -> None:
    readings = [{f"Current.Import L{phase}": 10.0 + phase for phase in (1, 2, 3)} for _ in range(3)]
    (plot, *_) = [plot for plot in drawn(charged(readings)) if plot.title == "Current.Import"]
    assert [curve.name for curve in plot.curves] == ["L1", "L2", "L3"]
    assert plot.unit == "A"


def test_the_value_at_a_time() -> None:
    curve = Curve("", [(0, 1.0), (10, 2.0), (20, 3.0)])
    assert value_at(curve, 12) == (10, 2.0)
    assert value_at(curve, 99) == (20, 3.0)
    mean = Curve("", [(0, 1.0), (10, math.nan), (20, 3.0)], steps=True)
    assert value_at(mean, 9) == (0, 1.0)
    assert value_at(mean, 12) is None
    assert value_at(mean, 30) is None


def test_a_peak_between_two_columns_is_seen() -> None:
    points = [(second * SECOND, 99.0 if second == 501 else 1.0) for second in range(1000)]
    values = at_columns(Curve("", points), Axis(0, 999 * SECOND, 20), 20)
    assert max(value for value in values if value is not None) == 99.0


def test_one_value_is_one_column() -> None:
    values = at_columns(Curve("", [(5, 7.0)]), Axis(0, 10, 10), 10)
    assert [value for value in values if value is not None] == [7.0]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_curve_on_the_screen(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "charge.pcap"
    session = charged([{REGISTER: 1000 + 183 * n, POWER: 11_000 - 100 * n} for n in range(1, 20)])
    path.write_bytes(write_pcap(Tap().packets(session.segments)))
    async with driving(path, size=size) as d:
        await d.press("2", "enter", "t", "enter")
        assert isinstance(d.app.screen, CurveScreen)
        assert "Power.Active.Import, kW" in d.text
        assert "3.5 kWh" in d.text
        assert "on average" in d.text
        view = d.app.screen.query_one(PlotView)
        await d.press("home")
        assert "10.9 kW" in d.text
        await d.press("end")
        assert "9.1 kW" in d.text
        await d.press("left", "pageup")
        assert view.at < view.axis.last
        await d.press("down")
        assert "Energy.Active.Import.Register, kWh" in d.text
        await d.pilot.click(PlotView, offset=(30, 8))
        assert view.axis.column(view.at) == 30 - 9


async def test_several_curves_are_lines_with_names(tmp_path: Path) -> None:
    path = tmp_path / "phases.pcap"
    readings = [{f"Current.Import L{phase}": 10.0 * phase + n for phase in (1, 2, 3)} for n in range(5)]
    path.write_bytes(write_pcap(Tap().packets(charged(readings).segments)))
    async with driving(path) as d:
        await d.press("2", "enter", "w")
        view = d.app.screen.query_one(PlotView)
        assert view.plot is not None
        if view.plot.title != "Current.Import":
            await d.press("down")
        assert "L1 14 A" in d.text
        assert "L3 34 A" in d.text
        assert any("\u2800" < character < "\u28ff" for character in d.text)


async def test_a_curve_leads_to_the_message_that_told_the_value_and_to_all_of_the_transaction() -> None:
    async with driving("demo") as d:
        await d.press("2", "down", "down", "enter", "t", "enter", "down", "home")
        assert "Energy.Active.Import.Register, kWh" in d.text
        assert "184.2 kWh" in d.text
        await d.press("enter")
        assert "MeterValues" in live_row(d)
        await d.press("2", "enter", "t", "enter", "t")
        assert "transaction 90211 of HYC-0031" in d.text
        await d.press("2", "enter", "o")
        assert "only HYC-0031" in d.text
