from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fieldkit.agent.collection import Collection, CollectionError
from tests.agent.lab import message


def sent(told: dict[str, Any], site: str = "depot", what: str = "finding") -> tuple[str, bytes]:
    return f"fieldkit/v1/{site}/router/{what}", json.dumps(told).encode()


def test_each_finding_is_there_once_in_its_latest_revision(tmp_path: Path) -> None:
    jsonl = tmp_path / "findings.jsonl"
    collection = Collection(tmp_path / "findings.db", jsonl)
    collection.take([sent(message(1)), sent(message(2)), sent(message(1))])
    collection.take([sent(message(1, "critical", revision=3)), sent(message(1, revision=2)), sent(message(2))])
    found = {one["title"]: (one["revision"], one["severity"]) for one in collection.findings({}, 10)}
    assert found == {"Number 1": (3, "critical"), "Number 2": (1, "info")}
    counts = collection.counts
    assert (counts.messages, counts.new, counts.revised, counts.repeated) == (6, 2, 1, 3)
    assert [json.loads(line)["message"] for line in jsonl.read_text().splitlines()] == [
        message(1)["message"], message(2)["message"], message(1, revision=3)["message"],
    ]  # fmt: skip
    collection.close()
    again = Collection(tmp_path / "findings.db")
    again.take([sent(message(1))])
    assert again.counts.repeated == 1
    again.close()


@pytest.mark.parametrize(
    "topic, payload",
    [
        ("fieldkit/v1/depot/router/finding", b"\xff{"),
        ("fieldkit/v1/depot/router/finding", b"[1]"),
        ("fieldkit/v1/depot/router/finding", b'{"uid": "x", "revision": 1}'),
        ("fieldkit/v1/depot/router/finding", b'{"uid": 7, "revision": "1"}'),
        ("fieldkit/v2/depot/router/finding", b"{}"),
        ("fieldkit/v1//router/finding", b"{}"),
        ("elsewhere", b"{}"),
        (f"fieldkit/v1/{'x' * 300}/router/finding", json.dumps(message(1)).encode()),
    ],
)
def test_what_is_no_message_of_ours_is_counted_and_hurts_nobody(tmp_path: Path, topic: str, payload: bytes) -> None:
    collection = Collection(tmp_path / "findings.db")
    collection.take([(topic, payload), sent(message(2))])
    assert (collection.counts.useless, collection.counts.new) == (1, 1)
    collection.close()


def test_who_is_there_and_how(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "findings.db")
    collection.take([sent({"online": True}, what="status"), sent({"version": "9"}, what="health")])
    (agent,) = collection.agents()
    assert (agent["site"], agent["agent"], agent["online"], agent["health"]) == (
        "depot", "router", True, {"version": "9"},
    )  # fmt: skip
    collection.take([sent({"online": False}, what="status")])
    assert collection.agents()[0]["online"] is False
    collection.close()


def test_which_sites_have_what(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "findings.db")
    for number in range(12):
        told = message(number, "critical" if number % 4 == 0 else "info")
        told |= {"id": "boot.rejected" if number % 2 else "tls.expired", "last": f"2026-08-{number + 10}T00:00:00.000Z"}
        collection.take([sent(told, site=f"depot-{number % 3}")])
    event = {"uid": "f" * 32, "revision": 1, "what": "down", "text": "wan is down", "time": "2026-08-31T00:00:00Z"}
    collection.take([sent(event, site="depot-1", what="link")])

    def count(**conditions: str) -> int:
        return len(list(collection.findings(conditions, 100)))

    assert count(id="tls.*") == 6
    assert count(id="tls.*", severity="critical") == 3
    assert count(site="depot-1") == 5
    assert count(site="depot-?") == 0, "only * stands for anything"
    assert count(since="2026-08-20T00:00:00.000Z") == 3
    assert count(category="link") == 1
    assert collection.sites({"id": "link.down"}) == [("depot-1", 1, 0, "2026-08-31T00:00:00Z")]
    assert [(site, number) for site, number, *_ in collection.sites({"id": "boot.*"})] == [
        ("depot-0", 2), ("depot-1", 2), ("depot-2", 2),
    ]  # fmt: skip
    collection.close()


def test_a_transaction_that_fails_takes_nothing(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "findings.db")
    collection._db.execute("DROP TABLE agent")
    with pytest.raises(CollectionError):
        collection.take([sent(message(1))])
    with sqlite3.connect(tmp_path / "findings.db") as db:
        assert db.execute("SELECT count(*) FROM finding").fetchone() == (0,)
    collection.close()


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"nothing of the kind " * 100)
    with pytest.raises(CollectionError, match="not a database"):
        Collection(tmp_path / "x.db")
    with pytest.raises(CollectionError, match="no such file"):
        Collection(tmp_path / "none.db", read_only=True)
