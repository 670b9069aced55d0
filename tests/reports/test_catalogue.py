"""docs/findings.md is what the checks say."""

from __future__ import annotations

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Kind
from fieldkit.checks.runner import known_checks
from fieldkit.reports.catalogue import kinds_of, markdown
from fieldkit.sources.tlsprobe.kinds import KINDS
from tests.traffic.make_findings import TARGET


def test_the_catalogue_is_current() -> None:
    wanted = markdown(known_checks(), KINDS.values())
    assert TARGET.read_text("utf-8") == wanted, "run: python -m tests.traffic.make_findings"


def test_every_id_has_one_meaning() -> None:
    kinds: dict[str, Kind] = {}
    for check in known_checks():
        for kind in check.kinds:
            assert kinds.setdefault(kind.id, kind) == kind, kind.id
    assert len(kinds_of(known_checks())) == len(kinds)


def test_what_a_kind_says_is_in_it() -> None:
    class Odd(Check):
        kinds = (
            Kind(
                id="odd.one",
                severity="warning",
                owner="csms",
                title="It is <odd>",
                explanation="Seen {count} times at {place!r}.",
                advice="Do {{this}}.",
                reference="https://e.example/1",
                inferred=True,
            ),
        )

    text = markdown([Odd])
    assert "1 findings: 0 critical, 1 warning, 0 info" in text
    assert "### odd.one" in text
    assert "(warning, csms, concluded)" in text
    assert "Seen `{count}` times at `{place}`." in text
    assert "Do {this}." in text
    assert "It is \\<odd>" in text
    assert "<https://e.example/1>" in text
