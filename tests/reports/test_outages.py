"""Outages in the document, in words and as a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from fieldkit.reports import html, model_outages, outagewords, svg_outages
from fieldkit.reports.document import OutageEntry, Report
from fieldkit.reports.svg import TimeAxis
from fieldkit.site.outage import CAUSES, LEGS, Attribution, Outage, PathKind
from tests.reports.reported import report_of_file
from tests.traffic.conversation import MONDAY
from tests.traffic.segments import SECOND

LAN = Path(__file__).parents[1] / "data" / "failover" / "failover_lan.pcap"
AXIS = TimeAxis(MONDAY / SECOND - 60, MONDAY / SECOND + 600)


@cache
def recorded() -> Report:
    return report_of_file(LAN)


def outage(**more: object) -> OutageEntry:
    made = Outage(
        "CP_7",
        "blackhole",
        0.75,
        ("It was silent.",),
        path_lost=MONDAY,
        detected=MONDAY + 25 * SECOND,
        first_syn=MONDAY + 27 * SECOND,
        handshake=MONDAY + 27 * SECOND + SECOND // 4,
        first_message=MONDAY + 30 * SECOND,
        switched=MONDAY + 10 * SECOND,
        lost_between=(MONDAY - SECOND, MONDAY + SECOND),
        attributed={"detected": Attribution("station", "it held on", 0.9)},
        connections=(1, 2),
        frames=tuple(range(50)),
    )
    return model_outages.outage_entry(replace(made, **more))  # type: ignore[arg-type]


def test_the_document_of_the_recorded_run_fits_its_schema() -> None:
    schema = json.loads((files("fieldkit.reports") / "report.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(recorded())), schema)
    (link,) = recorded()["links"]
    assert (link["station"], link["seen_from"], link["connections"]) == ("cp1", "site", 5)
    assert link["unreachable"] == 2
    assert link["retransmissions"] > 10
    assert (link["ttl"], link["mss"]) == (62, 1460)
    assert [one["cause"] for one in link["outages"]] == [
        "switch-flows-stranded", "switch-flows-flushed", "blackhole", "satellite-step", "sim-change",
    ]  # fmt: skip


def test_legs_add_up_to_the_outage() -> None:
    entry = outage()
    assert [(leg["leg"], leg["seconds"]) for leg in entry["legs"]] == [
        ("path_lost", 0.0), ("detected", 25.0), ("first_syn", 2.0), ("handshake", 0.25), ("first_message", 2.75),
    ]  # fmt: skip
    assert entry["seconds"] == 30.0
    assert [passed for _, passed in outagewords.offsets(entry["legs"])] == [0.0, 25.0, 27.0, 27.25, 30.0]
    assert entry["legs"][1]["owner"] == "station"
    assert entry["legs"][2]["owner"] == "unknown"
    assert len(entry["frames"]) == model_outages.MAX_FRAMES


def test_one_that_is_not_over_has_no_end() -> None:
    entry = outage(over=False, first_syn=None, handshake=None, first_message=None)
    assert entry["end"] is None
    assert outagewords.lasted(entry) == "not over after 25 s"


def test_every_cause_leg_and_path_has_words() -> None:
    assert set(outagewords.CAUSES) == set(CAUSES)
    assert set(outagewords.LEGS) == set(LEGS)
    assert set(outagewords.PATHS) == set(PathKind.__args__)  # type: ignore[attr-defined]


def test_the_timeline_in_lines() -> None:
    text = "\n".join(outagewords.lines(recorded()["links"]))
    assert "uplink carried nothing (80 % sure): 28 s" in text
    assert "+25.5 s  noticed           charging station: the station held on" in text
    assert "+27.5 s  dialled           charging station: the station waits 2.0 s before it dials again" in text
    assert "probably geostationary satellite, round trips of 609 ms" in text
    assert "because: The station repeated itself 7 times" in text


# ------------------------------------------------------------------------------------------------------------ pictures


def rectangles(svg: str) -> list[ElementTree.Element]:
    return [element for element in ElementTree.fromstring(svg).iter() if element.tag == "rect"]


def test_each_leg_is_a_stretch_in_its_owners_colour() -> None:
    drawn = rectangles(svg_outages.anatomy(outage()))
    assert [(leg.get("class"), leg.get("x")) for leg in drawn] == [
        ("leg o-station", "0%"), ("leg o-unknown", "83.33%"), ("leg o-unknown", "90%"), ("leg o-unknown", "90.83%"),
    ]  # fmt: skip
    widths = [float((leg.get("width") or "").rstrip("%")) for leg in drawn]
    assert widths[0] == pytest.approx(83.33)
    assert all(width >= svg_outages.NARROWEST for width in widths)
    assert "the router moved after 10 s" in svg_outages.anatomy(outage())


def test_what_lasted_no_time_has_no_picture() -> None:
    assert svg_outages.anatomy(outage(broken=False)) == ""
    assert svg_outages.anatomy(outage(detected=None, first_syn=None, handshake=None, first_message=None)) == ""


def test_all_outages_on_the_time_of_the_capture() -> None:
    svg = svg_outages.overview(recorded()["links"], TimeAxis(1_795_243_700, 1_795_243_830))
    bands = rectangles(svg)
    assert [band.get("class") for band in bands] == ["st-fault"] * 3 + ["st-waiting", "st-fault"]
    places = [float((band.get("x") or "").rstrip("%")) for band in bands]
    assert places == sorted(places)
    assert svg_outages.overview([], AXIS) == ""
    assert svg_outages.overview(recorded()["links"], None) == ""


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><b>', "&amp;", "\x1b[31m", "[red]"])
def test_what_a_station_is_called_draws_nothing(text: str) -> None:
    links = [{**recorded()["links"][0], "station": text, "outages": [outage(reasons=(text,))]}]
    svg = svg_outages.overview(links, AXIS)  # type: ignore[arg-type]
    ElementTree.fromstring(svg)
    assert "<script" not in svg
    assert "\x1b" not in svg
    page = html.render({**recorded(), "links": links})  # type: ignore[typeddict-item]
    section = page[page.index('<section id="links">') :]
    section = section[: section.index("</section>")]
    assert "<script" not in section
    assert "<b>" not in section


def test_the_page_shows_the_longest_ones() -> None:
    page = html.render(recorded())
    section = page[page.index('<section id="links">') : page.index('<section id="connections">')]
    assert section.count('class="plot legs"') == 4, "the fifth broke nothing"
    assert '<a href="#links">Outages</a>' in page
    assert "the station held on to the dead connection" in section
    assert '<section id="links">' not in html.render({**recorded(), "links": []})


def test_hundreds_of_outages_fit() -> None:
    link = recorded()["links"][0]
    many = {**link, "outages": [outage() for _ in range(50)]}
    page = html.render({**recorded(), "links": [many] * 500})  # type: ignore[list-item]
    assert len(page) < html.MAX_BYTES
    assert "more outages" in page
