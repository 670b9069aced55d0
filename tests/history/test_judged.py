"""Findings and rows find each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fieldkit.events import OcppMessage
from fieldkit.history import History, Judged
from fieldkit.history.judged import SPARE
from fieldkit.session import Session
from tests.traffic.decoded import decode_files

DEMO = Path(__file__).parents[2] / "fieldkit" / "demo" / "site.pcapng.gz"


@pytest.fixture(scope="module")
def judged() -> tuple[Session, History, Judged]:
    history = History()
    session = Session(None, [history])
    session.feed(decode_files(DEMO).events)
    session.finish()
    index = Judged(history)
    index.update(session.findings)
    return session, history, index


def test_evidence_leads_to_its_row_and_back(judged: tuple[Session, History, Judged]) -> None:
    session, history, index = judged
    led = 0
    for finding in session.findings:
        for event in finding.evidence[:1]:
            row = index.row_of(event)
            if row is None:
                continue
            led += 1
            assert history.row(row).frame == event.frames[-1]
            assert finding in index.findings_of(row)
            assert index.severity(row) is not None
    assert led > 0.8 * len(session.findings)


def test_most_rows_are_no_problem(judged: tuple[Session, History, Judged]) -> None:
    _, history, index = judged
    problems = [number for number in range(history.first, history.end) if index.is_problem(number)]
    assert 0 < len(problems) < len(history) / 2


def test_an_update_without_news_changes_nothing(judged: tuple[Session, History, Judged]) -> None:
    session, _, index = judged
    before = index.version
    index.update(session.findings)
    assert index.version == before


def test_frames_that_no_finding_names_any_more_are_forgotten() -> None:
    session = Session()
    session.feed(decode_files(DEMO).events)
    session.finish()
    finding, message = next(
        (finding, event) for finding in session.findings for event in finding.evidence if isinstance(event, OcppMessage)
    )
    index = Judged(History())
    most = 0
    for number in range(2 * SPARE):
        # As when it occurs again: the latest evidence is another.
        finding.latest.clear()
        finding.latest.append(replace(message, frames=(1_000_000 + number,)))
        finding.count += 1
        index.update([finding])
        most = max(most, len(index._by_frame))
    assert SPARE <= most <= SPARE + 100
    assert index._by_frame.keys() >= {(message.source, 1_000_000 + number)}
