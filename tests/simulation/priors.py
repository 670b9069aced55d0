"""What real sessions look like, in a small table: ``priors.json``.

Source: EPFL DESL, Level-3 EV charging dataset, ``Session_data.xlsx`` (github.com/DESL-EPFL/Level-3-EV-charging-dataset),
MIT licence, 1,878 CCS sessions of one 172 kW charger, April 2022 to July 2023. Nothing of single sessions is kept.

    python -m tests.simulation.priors Session_data.xlsx > tests/simulation/priors.json

reads the first sheet with the standard library and writes, rounded: the share of arrivals by hour of the day; the share
by weekday; the number of sessions a day as quantiles; quantiles (0, 5, 10 … 100 %) of the state of charge at arrival;
and, by bands of 20 points of that, quantiles of the state of charge gained, of the minutes stayed, and of the mean power
over the highest power of a session.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final
from xml.etree import ElementTree

_SHEET: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_TABLE: Final = Path(__file__).with_name("priors.json")
STEPS: Final = 20
"""A quantile row has so many steps."""


@cache
def priors() -> dict[str, Any]:
    return json.loads(_TABLE.read_text("utf-8"))


def draw_from(quantiles: Sequence[float], random: Random) -> float:
    """A value whose distribution has these quantiles, in equal steps."""
    place = random.random() * (len(quantiles) - 1)
    below = int(place)
    return quantiles[below] + (quantiles[below + 1] - quantiles[below]) * (place - below)


def soc_at_arrival(random: Random) -> float:
    return draw_from(priors()["soc_arrival"], random)


def soc_gain(arrival: float, random: Random) -> float:
    """Points of state of charge that the session will bring."""
    return draw_from(priors()["bands"][min(int(arrival // 20), 4)]["gain"], random)


def rows(path: Path) -> list[dict[str, Any]]:
    """The sheet as one mapping a row, by the names in its first one."""
    with zipfile.ZipFile(path) as book:
        strings = [
            "".join(part.text or "" for part in entry.iter(f"{_SHEET}t"))
            for entry in ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        ]
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    found: list[dict[str, Any]] = []
    for row in sheet.iter(f"{_SHEET}row"):
        cells: dict[str, Any] = {}
        for cell in row:
            value, place = cell.find(f"{_SHEET}v"), re.match("[A-Z]+", cell.get("r", ""))
            if value is not None and value.text and place:
                cells[place.group()] = strings[int(value.text)] if cell.get("t") == "s" else float(value.text)
        found.append(cells)
    names = found[0]
    return [{names[column]: value for column, value in cells.items() if column in names} for cells in found[1:]]


def quantiles(values: Sequence[float], digits: int = 2) -> list[float]:
    ordered = sorted(values)
    return [round(ordered[round(step / STEPS * (len(ordered) - 1))], digits) for step in range(STEPS + 1)]


def table(sessions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    hours = Counter(int(session["Arrival"] % 1 * 24) for session in sessions)
    # Excel's day 1 is a Sunday (1 January 1900 of its calendar): 2 is Monday.
    weekdays = Counter((int(session["Arrival"]) - 2) % 7 for session in sessions)
    days = Counter(int(session["Arrival"]) for session in sessions)
    bands = []
    for low in range(0, 100, 20):
        band = [session for session in sessions if low <= session["SOC arrival"] < low + 20 + (low == 80)]
        if not band:
            continue
        bands.append(
            {
                "soc_from": low,
                "sessions": len(band),
                "gain": quantiles([max(session["SOC departure"] - session["SOC arrival"], 1.0) for session in band], 1),
                "minutes": quantiles([session["Stay (min)"] for session in band], 0),
                "mean_over_peak": quantiles(
                    [
                        min(session["Energy (Wh)"] / (session["Stay (min)"] / 60) / session["Pmax (W)"], 1.0)
                        for session in band
                    ]
                ),
            }
        )
    return {
        "source": "EPFL DESL, Level-3 EV charging dataset, Session_data.xlsx",
        "licence": "MIT",
        "made_by": "python -m tests.simulation.priors Session_data.xlsx",
        "sessions": len(sessions),
        "hour_share": [round(hours[hour] / len(sessions), 4) for hour in range(24)],
        "weekday_share": [round(weekdays[day] / len(sessions), 4) for day in range(7)],
        "sessions_a_day": quantiles(list(days.values()), 0),
        "soc_arrival": quantiles([session["SOC arrival"] for session in sessions], 1),
        "bands": bands,
    }


if __name__ == "__main__":
    text = json.dumps(table(rows(Path(sys.argv[1]))), indent=1)
    sys.stdout.write(re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n")
