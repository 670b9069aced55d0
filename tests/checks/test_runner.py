from __future__ import annotations

import re
import string
from collections.abc import Iterable

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.runner import Runner, known_checks
from fieldkit.events import CaptureComment, Event, OcppChannel, OcppMessage
from fieldkit.site.picture import Picture

SEEN = Kind("test.seen", "info", "unknown", "Seen", "Seen.", "Nothing.", "none")
CHANNEL = OcppChannel("CP_1", "1.6", "json", None, False, False, False)


def message(action: str) -> OcppMessage:
    return OcppMessage(1, (1,), "log", CHANNEL, "station", None, "1", action, {}, None, "", (), False, None)


class _Recorder(Check):
    """No ``kinds``: it is not among the known checks."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.saw: list[str] = []

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        self.saw.append(event.action if isinstance(event, OcppMessage) else event.__class__.__name__)
        yield Finding(SEEN, event.time, "CP_1", (event,))


class _Heartbeats(_Recorder):
    actions = frozenset({"Heartbeat"})


class _Comments(_Recorder):
    wants = frozenset({CaptureComment})


class _Broken(_Recorder):
    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        yield from super().see(event, picture)
        raise RuntimeError("a slip")


def run(runner: Runner, *events: Event) -> None:
    picture = Picture()
    for event in events:
        picture.feed(event)
        runner.feed(event, picture)
    runner.finish(picture)


def test_a_check_sees_what_it_wants_and_nothing_else() -> None:
    runner = Runner(checks=[_Recorder, _Heartbeats, _Comments])
    run(runner, message("Heartbeat"), CaptureComment(2, (), "x"), message("Authorize"), message(""))
    every, heartbeats, comments = runner._checks
    assert every.saw == ["Heartbeat", "Authorize", ""]  # type: ignore[attr-defined]
    assert heartbeats.saw == ["Heartbeat"]  # type: ignore[attr-defined]
    assert comments.saw == ["CaptureComment"]  # type: ignore[attr-defined]


def test_a_check_that_fails_is_switched_off_and_owned_up_to() -> None:
    runner = Runner(checks=[_Broken, _Heartbeats])
    run(runner, message("Authorize"), message("Heartbeat"), message("Heartbeat"))
    assert [(failure.check, failure.reason) for failure in runner.failures] == [("_Broken", "RuntimeError: a slip")]
    (found,) = runner.findings.all()
    assert found.count == 2


def test_the_catalogue_is_sound() -> None:
    kinds = [kind for check in known_checks() for kind in check.kinds]
    ids = [kind.id for kind in kinds]
    assert len(ids) > 60
    assert len(set(ids)) == len(ids), "an id means one thing"
    for kind in kinds:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+", kind.id), kind.id
        assert kind.title, kind.id
        assert not kind.title.endswith("."), kind.id
        for text in (kind.explanation, kind.advice):
            assert text.endswith((".", "}")), kind.id
            assert all(name is None or name.isidentifier() for _, name, _, _ in string.Formatter().parse(text)), kind.id
        assert kind.reference, kind.id
