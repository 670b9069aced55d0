"""What the prober can find is in its catalogue, with all that a reader needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fieldkit.checks.finding import Kind
from fieldkit.checks.posture import fields_of
from fieldkit.checks.runner import known_checks
from fieldkit.sources import tlsprobe
from fieldkit.sources.tlsprobe.kinds import KINDS, OWN_KINDS
from tests.traffic.make_findings import TARGET

_NAMED = re.compile(r'"((?:tls|ws)\.[a-z0-9][a-z0-9.-]+)"')


def test_every_fault_that_the_prober_names_has_its_kind() -> None:
    (folder,) = tlsprobe.__path__
    named = {id_ for path in Path(folder).glob("*.py") for id_ in _NAMED.findall(path.read_text("utf-8"))}
    assert len(named) > 40
    assert named <= set(KINDS)


@pytest.mark.parametrize("kind", OWN_KINDS, ids=lambda kind: kind.id)
def test_what_only_the_prober_finds_is_in_the_documentation(kind: Kind) -> None:
    assert kind.title
    assert kind.explanation
    assert kind.advice
    assert re.search(r"\d", kind.reference), "a section, a requirement or an issue"
    assert f"### {kind.id}\n" in TARGET.read_text("utf-8")
    assert f"`{kind.id}`" in TARGET.with_name("tls.md").read_text("utf-8")
    assert "server" in fields_of(kind)


def test_a_finding_that_captures_have_too_means_the_same() -> None:
    known = {kind.id: kind for check in known_checks() for kind in check.kinds}
    shared = [kind for kind in KINDS.values() if kind.id in known]
    assert {"tls.name-unknown", "ws.basic-auth-in-clear", "tls.cert-expired"} <= {kind.id for kind in shared}
    for kind in shared:
        assert (kind.title, kind.owner, kind.advice) == (
            known[kind.id].title,
            known[kind.id].owner,
            known[kind.id].advice,
        )
