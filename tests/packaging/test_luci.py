"""The page in LuCI, run by node beside stand-ins for LuCI's own parts: what it asks, shows and sets."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldkit.agent import settings, uci
from tests.packaging import lab
from tests.packaging.lab import needs

FILES = lab.ROOT / "packaging/openwrt/files"
PAGE = FILES / "www/luci-static/resources/view/fieldkit.js"
ALLOWED = json.loads((FILES / "usr/share/rpcd/acl.d/fieldkit.json").read_text())["fieldkit"]["read"]["file"]
STATUS, FINDINGS = "/usr/bin/fieldkit agent status --json", "/usr/bin/fieldkit agent findings --json --last 50"
HOSTILE = "<img src=x onerror=alert(1)>"

pytestmark = needs("node")


def shown(answers: dict[str, str]) -> dict[str, Any]:
    harness = Path(__file__).with_name("luci.js")
    done = subprocess.run(["node", str(harness), str(PAGE), json.dumps(answers)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for child in node["children"]:
            yield from texts(child)
    else:
        yield str(node)


def test_it_shows_how_the_agent_is_and_what_packets_said_as_text() -> None:
    status = {
        "listening": ["br-lan"], "not_listening": {"wwan0": "there is no such interface"}, "packets_total": 7,
        "waiting": {"0": 2, "1": 0}, "sink_troubles": {"home": HOSTILE}, "memory_bytes": 40_000_000,
    }  # fmt: skip
    finding = {"severity": "critical", "station": HOSTILE, "title": "Rejected", "last": "2026-11-21T10:00:00Z"}
    lines = "".join(json.dumps({**finding, "title": f"Number {number}"}) + "\n" for number in range(3))
    told = shown({STATUS: json.dumps(status), FINDINGS: lines})
    assert set(told["asked"]) == set(ALLOWED), "it asks what it may, word for word"
    words = list(texts(told["tree"]))
    assert {"br-lan", "there is no such interface", "2 critical", "Number 2"} <= set(words)
    assert words.index("Number 2") < words.index("Number 0"), "the latest first"
    assert words.count(HOSTILE) == 4, "text, each time: the harness refuses what would be HTML"


@pytest.mark.parametrize("answers", [{}, {STATUS: "", FINDINGS: ""}, {STATUS: "Segmentation fault\n", FINDINGS: ""}])
def test_where_no_agent_answers_it_can_still_be_set(answers: dict[str, str]) -> None:
    told = shown(answers)
    assert "Nothing so far." in list(texts(told["tree"]))
    assert any("No agent answers" in text for text in texts(told["tree"]))
    assert [one["config"] for one in told["maps"]] == ["fieldkit"]
    assert [one is True for one in told["sites"]] == [True, False, False, False]


def test_all_that_can_be_set_there_is_understood_by_the_agent(tmp_path: Path) -> None:
    """Each option of each section, each value that is offered, in a file as LuCI writes it."""
    (tmp_path / "secret").touch(0o600)
    usual = {
        "enabled": "1", "site": "depot-north", "sources": "br-lan", "hosts": "192.168.1.0/24", "user": "depot",
        "password_file": f"{tmp_path}/secret", "token_file": f"{tmp_path}/secret", "ca": f"{tmp_path}/secret",
        "uplink": "cellular", "size": "5MB",
    }  # fmt: skip
    paths = {"file": "/tmp/findings.jsonl", "prometheus": "/tmp/fieldkit.prom"}
    urls = {"mqtt": "mqtts://broker.example", "webhook": "https://hooks.example/x", "syslog": "tls://logs.example"}
    (page,) = shown({})["maps"]
    sections = {one["type"]: one["options"] for one in page["sections"]}
    assert set(sections) == {"agent", "capture", "sink", "budget"}
    (kinds,) = (one["values"] for one in sections["sink"] if one["name"] == "type")
    for kind, place in itertools.product(kinds, range(3)):
        lines = []
        for section, options in sections.items():
            lines.append(f"config {section}" + ("" if section == "budget" else f" '{section}'"))
            for one in options:
                name = one["name"]
                if any(key == "type" for key, _ in one["depended"]) and ["type", kind] not in one["depended"]:
                    continue
                offered = one["values"] or [usual.get(name, "")]
                value = {"type": kind, "url": urls.get(kind), "path": paths.get(kind)}.get(name)
                word = "list" if one["widget"] == "several" else "option"
                lines.append(f"\t{word} {name} '{value or offered[place % len(offered)]}'")
        path = tmp_path / "fieldkit"
        path.write_text("\n".join(lines) + "\n")
        made = settings.understood(uci.read(path), path)
        assert made.site == "depot-north"
        assert [one.type for one in made.sinks] == [kind]
        assert made.capture.sources == ("br-lan",)
