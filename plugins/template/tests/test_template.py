"""An adapter is asked through a recording: its test needs no router (`fieldkit link --record` makes recordings)."""

from __future__ import annotations

import json

from fieldkit_template import MyRouterAdapter

from fieldkit.links.recorded import ReplayRunner

ANSWER = [{"name": "wan", "connected": "yes", "default": 1, "interface": "eth1", "address": "192.0.2.7", "rsrp": "--"}]


def test_a_link() -> None:
    ask = ["run", "myrouter-status", "--json"]
    router = ReplayRunner([{"time": 1, "ask": ask, "answer": json.dumps(ANSWER)}], "a recording")
    adapter = MyRouterAdapter()
    assert adapter.probe(router) == 0.5
    (uplink,) = adapter.snapshot(router)
    assert (uplink.id, uplink.up, uplink.role, uplink.address) == ("wan", True, "active", "192.0.2.7")
