"""The priors are what the sheet says, and sessions drawn from them look like it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from random import Random

import pytest

from tests.simulation import priors
from tests.simulation.cars import ac_car, dc_car


def test_the_table_names_its_source_and_licence_and_its_shares_add_up() -> None:
    table = priors.priors()
    assert table["licence"] == "MIT"
    assert table["sessions"] == 1878
    assert sum(table["hour_share"]) == pytest.approx(1.0, abs=0.01)
    assert sum(table["weekday_share"]) == pytest.approx(1.0, abs=0.01)
    assert sum(band["sessions"] for band in table["bands"]) == table["sessions"]
    for row in (table["soc_arrival"], *(band[name] for band in table["bands"] for name in ("gain", "minutes"))):
        assert row == sorted(row)
        assert len(row) == priors.STEPS + 1


def test_what_is_drawn_has_the_quantiles_it_is_drawn_from() -> None:
    random = Random(1)
    drawn = sorted(priors.soc_at_arrival(random) for _ in range(4000))
    assert drawn[2000] == pytest.approx(priors.priors()["soc_arrival"][10], abs=1.5)
    gains = sorted(priors.soc_gain(30.0, random) for _ in range(4000))
    assert gains[2000] == pytest.approx(priors.priors()["bands"][1]["gain"][10], abs=1.5)


def test_a_sheet_becomes_a_table(tmp_path: Path) -> None:
    book = tmp_path / "sessions.xlsx"
    names = ["Arrival", "SOC arrival", "SOC departure", "Stay (min)", "Energy (Wh)", "Pmax (W)"]
    values = [[44784.5, 10, 80, 30, 30_000, 100_000], [44785.75, 50, 90, 20, 10_000, 60_000]]
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    cells = ["".join(f'<c r="{"ABCDEF"[at]}1" t="s"><v>{at}</v></c>' for at in range(6))]
    cells += ["".join(f'<c r="{"ABCDEF"[at]}2"><v>{value}</v></c>' for at, value in enumerate(row)) for row in values]
    with zipfile.ZipFile(book, "w") as archive:
        strings = "".join(f"<si><t>{name}</t></si>" for name in names)
        archive.writestr("xl/sharedStrings.xml", f"<sst {space}>{strings}</sst>")
        rows = "".join(f"<row>{row}</row>" for row in cells)
        archive.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{rows}</sheetData></worksheet>")
    table = priors.table(priors.rows(book))
    assert table["sessions"] == 2
    assert (table["hour_share"][12], table["hour_share"][18]) == (0.5, 0.5)
    assert table["bands"][0]["gain"][0] == 70.0
    assert table["bands"][1]["mean_over_peak"][0] == 0.5


@pytest.mark.parametrize("kind", ["dc", "ac"])
def test_a_car_charges_until_it_is_full_and_never_takes_more_than_it_can(kind: str) -> None:
    random = Random(kind)
    for _ in range(50):
        car = dc_car(random, 150_000) if kind == "dc" else ac_car(random, 22_000, 3)
        begin, delivered, last = car.soc, 0.0, 0.0
        for _ in range(4000):
            power = car.wants()
            assert 0.0 <= power <= car.peak
            delivered += car.take(power, 30.0)
            last = power
        assert last < 0.4 * car.peak
        assert delivered * 0.92 == pytest.approx((car.soc - begin) / 100 * car.capacity, rel=0.02)
