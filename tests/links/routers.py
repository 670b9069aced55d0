"""Routers that answer from files: what adapters are asked through in tests, and where the adapters come from."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fieldkit.links.adapter import RouterAdapter
from fieldkit.links.recorded import ReplayRunner
from fieldkit.links.uplink import Uplink
from fieldkit.plugins.discover import by_path
from fieldkit.plugins.loading import load
from fieldkit.plugins.registrar import Registrar

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "routers"
NOW = 1_795_243_800_000_000_000


def document(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def router(*answers: tuple[list[str], Any], now: int = NOW) -> ReplayRunner:
    """``(["ubus", "mwan3", "status"], {…})``; an exception is an error."""
    entries = []
    for ask, answer in answers:
        if isinstance(answer, Exception):
            entries.append({"time": now, "ask": ask, "error": str(answer), "kind": "failed"})
        else:
            entries.append({"time": now, "ask": ask, "answer": answer})
    return ReplayRunner(entries or [{"time": now}], "a router")


@cache
def plugin(name: str) -> Registrar:
    """One of fieldkit's own, as users load it."""
    return load(by_path(ROOT / "plugins" / name))


def adapter(plugin_name: str, name: str = "") -> RouterAdapter:
    return plugin(plugin_name).adapters[name or plugin_name]()


def uplinks(plugin_name: str, runner: ReplayRunner, name: str = "") -> dict[str, Uplink]:
    made = adapter(plugin_name, name)
    assert 0 < made.probe(runner) <= 1
    return {uplink.id: uplink for uplink in made.snapshot(runner)}


DUMP = ["ubus", "network.interface", "dump"]
MWAN3 = ["ubus", "mwan3", "status"]
DEVICES = ["get", "status/wan/devices"]
GSM = (["ubus-list", "gsm.*"], ["gsm.modem0"])
