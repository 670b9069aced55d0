"""What hides packets from a capture: flow tables as nft lists them, the connection table, drivers asked for real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.events import CaptureComment
from fieldkit.sources import ethtool, offload
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.interface import Interface
from fieldkit.sources.offload import FlowTable, count_offloaded, hidden_from, look, parse_flowtables
from tests.traffic.netlab import cable, needs_network, run

LISTED = """
table inet fw4 {
	flowtable ft {
		hook ingress priority filter
		devices = { "lan1", lan2, wan }
		flags offload
		counter
	}
}
table inet other {
	flowtable soft { hook ingress priority filter
		devices = { eth5 }
	}
	flowtable none {
		hook ingress priority 0
	}
}
"""
CONNECTIONS = """
ipv4     2 tcp      6 src=192.168.1.7 dst=203.0.113.5 sport=40000 dport=443 packets=12 [HW_OFFLOAD] mark=0 use=3
ipv4     2 tcp      6 src=192.168.1.8 dst=203.0.113.5 sport=40001 dport=443 packets=12 [OFFLOAD] mark=0 use=3
ipv4     2 tcp      6 431999 ESTABLISHED src=192.168.1.9 dst=203.0.113.5 sport=40002 dport=443 [ASSURED] mark=0
"""


def test_flow_tables_in_hardware_are_told_from_those_in_software() -> None:
    assert parse_flowtables(LISTED) == [
        FlowTable("ft", ("lan1", "lan2", "wan"), True),
        FlowTable("soft", ("eth5",), False),
        FlowTable("none", (), False),
    ]
    assert parse_flowtables("") == parse_flowtables("flowtable x {") == []


def test_connections_in_hardware_are_counted() -> None:
    assert count_offloaded(CONNECTIONS) == 1


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Programs of this name come first; no kernel here can hand connections to a chip."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    offload.known.cache_clear()
    yield tmp_path
    offload.known.cache_clear()


def program(path: Path, prints: str) -> None:
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}\nEND\n")
    path.chmod(0o755)


@needs_network
def test_a_capture_says_at_its_beginning_that_it_will_not_see_everything(tools: Path) -> None:
    with cable("fko") as wire:
        program(tools / "nft", LISTED.replace("lan2", wire.there))
        (found,) = look()
        assert found.interfaces == ("lan1", wire.there, "wan")
        interface = Interface(wire.there, CaptureFilter(), FrameNumbers(), size=1 << 20)
        (comment,) = interface.tick(5)
        assert isinstance(comment, CaptureComment)
        assert comment.text == (
            f"{wire.there}: the flow table ft gives connections to the network chip: a capture shows how they begin"
        )
        assert interface.tick(6) == []
        interface.close()
        assert hidden_from(wire.here) == []


@needs_network
def test_what_is_hidden_on_a_port_is_hidden_on_its_bridge(tools: Path) -> None:
    with cable("fko") as wire:
        bridge = f"fkbr{os.getpid() % 10_000}"
        run("ip", "link", "add", bridge, "type", "bridge")
        try:
            run("ip", "link", "set", wire.there, "master", bridge)
            program(tools / "nft", LISTED.replace("lan2", wire.there))
            assert offload.ports_of(bridge) == [wire.there]
            assert len(hidden_from(bridge)) == 1
        finally:
            run("ip", "link", "del", bridge)


def test_the_setting_of_openwrt_comes_with_the_command_that_ends_it(tools: Path) -> None:
    program(tools / "uci", "1")
    program(tools / "nft", LISTED)
    (found,) = look()
    assert "hardware flow offloading is on" in found.what
    assert found.mend.startswith("uci set firewall.@defaults[0].flow_offloading_hw=0 && uci commit firewall")
    program(tools / "uci", "0")
    program(tools / "nft", "")
    assert look() == []


@needs_network
def test_drivers_are_asked_without_ethtool() -> None:
    with cable("fko") as wire:
        assert ethtool.driver(wire.here) == "veth"
        features = ethtool.features(wire.here)
        assert features["tx-tcp-segmentation"] is True
        assert features[ethtool.TC_OFFLOAD] is False
        assert set(ethtool.BIG_PACKETS) <= set(features)


def test_an_interface_that_is_not_there_has_no_features() -> None:
    if not hasattr(os, "uname") or os.uname().sysname != "Linux":
        pytest.skip("a Linux way")
    assert (ethtool.driver("nosuch0"), ethtool.features("nosuch0")) == ("", {})
