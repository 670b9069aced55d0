"""Whatever stands in messages about connectors and transactions, no part of the picture and no check fails."""

from __future__ import annotations

from hypothesis import given, settings

from fieldkit.events import Event
from tests.traffic.diagnosed import diagnose_events
from tests.traffic.mangled import mangled


def _judged(events: list[Event]) -> None:
    for finding in diagnose_events(events).findings:
        assert finding.explanation()
        assert finding.advice()


@settings(max_examples=60, deadline=None)
@given(mangled())
def test_from_a_capture(events: list[Event]) -> None:
    _judged(events)


@settings(max_examples=30, deadline=None)
@given(mangled(connected=False))
def test_from_a_log(events: list[Event]) -> None:
    _judged(events)
