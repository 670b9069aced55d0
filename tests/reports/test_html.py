"""The page: one file that runs nothing and fetches nothing, says what the report says, and fits into a mail."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fieldkit.reports import html
from fieldkit.reports.document import Report
from fieldkit.reports.html_embed import embedded
from tests.reports.reported import report_of_file
from tests.traffic.judgements import DEMO
from tests.traffic.sample_report import HOSTILE, crowd, sample
from tests.traffic.sample_report import hostile as poisoned

CAPTURES = Path(__file__).parents[2] / "captures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
LIMIT = 1_700_000
"""Bytes, whatever the site: the mail takes two million, and somebody may want to add a word."""

ELEMENTS = frozenset(
    """
    html head meta title link style body header main nav section article div p span h1 h2 h3 h4 ol ul li dl dt dd a b
    small code pre br table caption thead tbody tr th td details summary figure figcaption template
    svg defs pattern rect circle line path polyline text g
    """.split()
)
"""All that a page consists of; anything else came from a station."""
FETCHES = frozenset({"src", "srcset", "data", "poster", "action", "formaction", "background", "ping", "xlink:href"})


class Elements(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@cache
def demo() -> Report:
    return report_of_file(DEMO)


@cache
def page_of(name: str) -> str:
    return html.render(demo() if name == "demo" else report_of_file(CAPTURES / name))


def plain(page: str) -> str:
    """What is read, in one line."""
    return " ".join(" ".join(Elements(page.partition("<template")[0]).text).split())


# --------------------------------------------------------------------------------------------------------------- static


def harmless(page: str) -> None:
    parsed = Elements(page)
    assert {tag for tag, _ in parsed.tags} <= ELEMENTS
    policies = [known.get("content") for tag, known in parsed.tags if known.get("http-equiv")]
    assert policies == [POLICY]
    for tag, known in parsed.tags:
        assert not [name for name in known if name.startswith("on") or name in FETCHES], (tag, known)
        target = known.get("href")
        assert target is None or target.startswith(("#", "https://", "data:,")), target
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(#" in style
    assert not re.search(r"@import|url\((?!#)|expression", style)


@pytest.mark.parametrize("name", ["demo", "made/malformed_json.pcap", "ocpp15s_ocppjs_soap.pcap"])
def test_it_runs_nothing_and_fetches_nothing(name: str) -> None:
    harmless(page_of(name))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_station_sends_stays_text(text: str) -> None:
    harmless(html.render(poisoned(text)))


def test_links_lead_somewhere() -> None:
    page = page_of("demo")
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    targets = set(re.findall(r' href="#([^"]+)"', page))
    assert targets
    assert targets <= set(anchors)


# ----------------------------------------------------------------------------------------------------------------- size


@pytest.mark.parametrize("stations", [30, 500])
def test_it_stays_small_and_says_what_it_leaves_out(stations: int) -> None:
    page = html.render(crowd(stations))
    assert len(page.encode()) <= LIMIT
    sections = page.count('<details class="station"')
    assert sections == stations or f"{stations - sections:,} more station" in plain(page)


def test_findings_without_room_are_counted() -> None:
    report = sample()
    report["summary"]["findings"] = {"critical": 900, "warning": 100, "info": 4}
    left = 1004 - len(report["findings"])
    assert f"and {left:,} more findings, which a report has no room for" in plain(html.render(report))


def test_a_program_finds_the_report_in_it() -> None:
    assert embedded(page_of("demo"))["summary"]["verdict"] == demo()["summary"]["verdict"]
    report = sample()
    assert embedded(html.render(report))["findings"] == report["findings"]


# --------------------------------------------------------------------------------------------------------------- claims


def test_the_verdict_comes_first() -> None:
    page = page_of("demo")
    assert plain(page[page.index("<h1>") : page.index("</h1>")]) == demo()["summary"]["verdict"]


def test_files_are_named_without_their_folders() -> None:
    page = page_of("demo")
    assert "site.pcapng.gz" in page[page.index("<title>") : page.index("</title>")]
    assert str(DEMO.parent) not in page.partition("<template")[0]


def test_uptime_counts_what_was_observed() -> None:
    outcomes = demo()["summary"]["outcomes"]
    assert outcomes is not None
    # Most stations of the demo leave long before its end: recordings that were joined.
    assert outcomes["offline_at_end"] == 8
    assert 0.8 < (outcomes["uptime"]["share"] or 0) < 0.95
    assert "8 connectors offline at the end, which is not counted" in plain(page_of("demo"))


def test_a_register_that_ran_backwards_gives_no_energy() -> None:
    (made,) = (made for made in demo()["transactions"] if made["id"] == "90211")
    assert made["energy_wh"] is None
    assert "-184" not in plain(page_of("demo"))


def test_a_reason_that_was_not_sent_is_not_claimed() -> None:
    assert "Local (none sent)" in plain(page_of("demo"))


def test_whoever_has_to_act_is_named_once() -> None:
    assert not re.search(
        r"\b(operator Operator|CSMS \(back end\) CSMS|charging station Station):", plain(page_of("demo"))
    )


def test_a_transaction_without_a_connector_is_not_drawn_as_the_stations() -> None:
    assert "Connector not known" in page_of("demo")


def test_one_moment_is_no_curve() -> None:
    page = page_of("ocpp15s_ocppjs_soap.pcap")
    assert "1 value, 150 Wh" in page
    assert 'class="plot meter"' not in page


# -------------------------------------------------------------------------------------------------------------- browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("name", ["demo", "made/malformed_json.pcap", "hostile"])
def test_a_browser_has_nothing_to_complain_of(name: str, pages: Path) -> None:
    page = pages / f"{name.replace('/', '-')}.html"
    page.write_text(html.render(poisoned(HOSTILE[0])) if name == "hostile" else page_of(name), "utf-8")
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    options += " --disable-component-update --disable-sync --enable-logging=stderr --v=0 --window-size=1200,2000"
    run = subprocess.run(
        [
            str(CHROMIUM),
            *options.split(),
            f"--user-data-dir={pages / 'profile'}",
            f"--screenshot={page.with_suffix('.png')}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert page.with_suffix(".png").exists(), run.stderr
    assert [line for line in run.stderr.splitlines() if "CONSOLE" in line] == []
