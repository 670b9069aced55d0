"""Every link layer leads to the same IP packet."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import Event
from fieldkit.wire import link
from fieldkit.wire.ip import IpDecoder
from fieldkit.wire.link import link_name, needs_dissector, network_layer, register
from tests.traffic import packets

FOUR = packets.packet("10.0.0.1", "10.0.0.2", 4711, 8080, seq=1, payload=b"GET /ocpp/CP1 HTTP/1.1")
SIX = packets.packet("2001:db8::1", "2001:db8::2", 4711, 8080, seq=1, payload=b"GET /ocpp/CP1 HTTP/1.1")
NATIVE = [0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 228, 229, 276]


def find(linktype: int, frame: bytes) -> tuple[int, int] | None:
    """Where the network layer finds IP in the frame, when that lies somewhere in the middle of a block."""
    layer = network_layer(linktype)
    assert layer is not None
    found = layer(b"\xff" * 5 + frame + b"\xff" * 9, 5, 5 + len(frame))
    return found and (found[0], found[1] - 5)


def payload(linktype: int, frame: bytes) -> bytes | None:
    """TCP payload of the frame."""
    found = find(linktype, frame)
    if found is None:
        return None
    events: list[Event] = []
    segment = IpDecoder(events.append).segment(found[0], frame, found[1], len(frame), 0, 1)
    assert events == []
    return segment.buffer[segment.offset + 20 : segment.end] if segment else None


# ----------------------------------------------------------------------------------------------- what carries IP


@pytest.mark.parametrize("name", packets.ENCAPSULATIONS)
@pytest.mark.parametrize("inner", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_every_link_layer_leads_to_the_same_tcp_payload(name: str, inner: bytes) -> None:
    linktype, wrap = packets.ENCAPSULATIONS[name]
    frame = wrap(inner)

    assert find(linktype, frame) == (inner[0] >> 4, frame.index(inner))
    assert payload(linktype, frame) == b"GET /ocpp/CP1 HTTP/1.1"


def test_raw_ip_of_a_stated_version_is_taken_at_its_word() -> None:
    assert find(228, FOUR) == (4, 0)
    assert find(229, SIX) == (6, 0)


@pytest.mark.parametrize("family, version", [(2, 4), (10, 6), (23, 6), (24, 6), (28, 6), (30, 6)])
@pytest.mark.parametrize("little", [True, False])
def test_loopback_knows_the_address_families_of_every_system(family: int, version: int, little: bool) -> None:
    assert find(0, packets.null(FOUR, family=family, little=little)) == (version, 4)


def test_loopback_in_network_order_does_not_guess_another_order() -> None:
    assert find(108, packets.null(FOUR, little=False)) == (4, 4)
    assert find(108, packets.null(FOUR, little=True)) is None


def test_linux_cooked_carries_llc_too() -> None:
    assert find(113, packets.sll(packets.llc_snap(SIX), ethertype=4)) == (6, 24)
    assert find(113, packets.sll(packets.llc_snap(SIX)[:7], ethertype=4)) is None


def test_ppp_carries_mpls_too() -> None:
    assert find(9, b"\xff\x03\x02\x81" + packets.mpls(SIX, 100)) == (6, 8)


@pytest.mark.parametrize("to_ds, from_ds", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("qos", [False, True])
@pytest.mark.parametrize("ht_control", [False, True])
def test_wifi_data_frames_go_in_all_directions(to_ds: bool, from_ds: bool, qos: bool, ht_control: bool) -> None:
    frame = packets.dot11(FOUR, to_ds=to_ds, from_ds=from_ds, qos=qos, ht_control=ht_control)

    assert find(105, frame) == (4, frame.index(FOUR))


@pytest.mark.parametrize("tsft", [None, 1])
@pytest.mark.parametrize("flags", [None, 0x00, 0x20])
@pytest.mark.parametrize("masks", [1, 2, 3])
def test_radiotap_says_whether_the_wifi_header_is_padded(tsft: int | None, flags: int | None, masks: int) -> None:
    wifi = packets.dot11(FOUR, qos=True, padded=flags == 0x20)
    frame = packets.radiotap(wifi, flags=flags, tsft=tsft, masks=masks)

    assert find(127, frame) == (4, frame.index(FOUR))


# --------------------------------------------------------------------------------------------- what carries none


@pytest.mark.parametrize(
    "linktype, frame",
    [
        pytest.param(1, packets.ethernet(b"\0\1\x08\0", ethertype=0x0806), id="ARP"),
        pytest.param(1, packets.ethernet(b"\0\1\x08\0", vlans=(7,), ethertype=0x0806), id="ARP in a VLAN"),
        pytest.param(1, packets.ethernet(b"\x42\x42\x03" + b"\0" * 40, ethertype=43), id="spanning tree"),
        pytest.param(1, packets.ethernet(b"\xaa\xaa\x03\0\0\x0c\x20\0" + b"\0" * 40, ethertype=48), id="SNAP of Cisco"),
        pytest.param(1, packets.ethernet(b"\x11\x09\0\0\0\0", ethertype=0x8863), id="PPPoE discovery"),
        pytest.param(1, packets.ethernet(b"\x11\x09\0\0\0\0", ethertype=0x8864), id="PPPoE with another code"),
        pytest.param(1, packets.ethernet(packets.mpls(b"\0\0\0\0", 9), ethertype=0x8847), id="MPLS pseudowire"),
        pytest.param(9, b"\xff\x03\xc0\x21\x01\x01\0\x04", id="PPP link control"),
        pytest.param(9, b"\xff\x03", id="PPP without a protocol"),
        pytest.param(50, b"\x8f\0\x80\x35" + b"\0" * 20, id="Cisco keep-alive"),
        pytest.param(0, b"\x10\0\0\0" + FOUR, id="AppleTalk"),
        pytest.param(0, b"\x02\0\x02\0" + FOUR, id="no address family"),
        pytest.param(0, b"\x02\0\0\x02" + FOUR, id="an address family at both ends"),
        pytest.param(101, b"\x50" + FOUR[1:], id="IP version 5"),
        pytest.param(113, packets.sll(FOUR, hardware=824), id="netlink, cooked v1"),
        pytest.param(276, packets.sll2(FOUR, hardware=824), id="netlink, cooked v2"),
        pytest.param(105, b"\x80" + packets.dot11(FOUR)[1:], id="Wi-Fi beacon"),
        pytest.param(105, b"\xc8" + packets.dot11(FOUR, qos=True)[1:], id="Wi-Fi QoS null"),
        pytest.param(105, b"\x08\x41" + packets.dot11(FOUR)[2:], id="Wi-Fi, encrypted"),
        pytest.param(105, b"\x08\x05" + packets.dot11(FOUR)[2:], id="Wi-Fi, first fragment"),
        pytest.param(105, packets.dot11(FOUR)[:22] + b"\x11\0" + packets.dot11(FOUR)[24:], id="Wi-Fi, last fragment"),
        pytest.param(105, packets.dot11(FOUR, qos=True)[:24] + b"\x80\0" + FOUR, id="Wi-Fi, several packets in one"),
        pytest.param(127, b"\x01" + packets.radiotap(packets.dot11(FOUR))[1:], id="radiotap version 1"),
        pytest.param(127, b"\0\0\x04\0" + b"\0" * 60, id="radiotap shorter than itself"),
    ],
)
def test_what_is_not_ip_is_passed_over(linktype: int, frame: bytes) -> None:
    assert find(linktype, frame) is None


def test_a_flood_of_tags_or_labels_ends() -> None:
    tags = [100] * link.MAX_TAGS
    labels = [16] * link.MAX_LABELS

    assert find(1, packets.ethernet(FOUR, vlans=tags)) == (4, 14 + 4 * len(tags))
    assert find(1, packets.ethernet(FOUR, vlans=[*tags, 100])) is None
    assert find(1, packets.ethernet(packets.mpls(FOUR, *labels), ethertype=0x8847)) == (4, 14 + 4 * len(labels))
    assert find(1, packets.ethernet(packets.mpls(FOUR, *labels, 16), ethertype=0x8847)) is None


# ------------------------------------------------------------------------------------------------- hostile bytes


@given(linktype=st.sampled_from(NATIVE), frame=st.binary(max_size=120))
def test_no_bytes_make_a_link_layer_raise_or_point_outside_the_packet(linktype: int, frame: bytes) -> None:
    found = find(linktype, frame)

    if found is not None:
        version, offset = found
        assert version in (4, 6)
        assert 0 <= offset <= len(frame)


@pytest.mark.parametrize("name", packets.ENCAPSULATIONS)
@pytest.mark.parametrize("inner", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_a_frame_cut_off_anywhere_never_points_behind_its_end(name: str, inner: bytes) -> None:
    linktype, wrap = packets.ENCAPSULATIONS[name]
    frame = wrap(inner)
    header = frame.index(inner)
    whole = (inner[0] >> 4, header)

    assert {find(linktype, frame[:cut]) for cut in range(header)} <= {None}
    assert find(linktype, frame[:header]) in (None, whole)  # raw IP has no word for it before IP itself
    assert {find(linktype, frame[:cut]) for cut in range(header + 1, len(frame))} == {whole}


# ------------------------------------------------------------------------------------------------------- registry


@pytest.fixture
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_LAYERS", dict(link._LAYERS))


@pytest.mark.usefixtures("_registry")
def test_an_outside_dissector_can_be_brought_in_for_the_types_that_want_one() -> None:
    assert network_layer(119) is None
    assert needs_dissector(119)

    register(119, lambda buffer, start, end: (4, start + 144))

    assert not needs_dissector(119)
    assert find(119, b"\0" * 144 + FOUR) == (4, 144)


def test_a_dissector_is_not_called_for_what_is_known_or_cannot_hold_ip() -> None:
    assert not any(needs_dissector(linktype) for linktype in NATIVE)
    assert not needs_dissector(227)
    assert network_layer(227) is None


def test_link_types_have_names_for_messages() -> None:
    assert link_name(1) == "Ethernet"
    assert link_name(276) == "Linux cooked v2"
    assert link_name(4242) == "link type 4242"


# ------------------------------------------------------------------------------------------------ other programs


def scapy_frames() -> Iterator[tuple[int, Any]]:
    """The same packets built by an independent hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated ciphers
        from scapy.contrib.mpls import MPLS
        from scapy.layers import dot11, inet, inet6, l2
        from scapy.layers.ppp import HDLC, PPP, PPPoE

    ends = {"sport": 4711, "dport": 8080}
    for ip, family, ethertype, ppp in (
        (inet.IP(src="10.0.0.1", dst="10.0.0.2"), 2, 0x0800, 0x21),
        (inet6.IPv6(src="2001:db8::1", dst="2001:db8::2"), 30, 0x86DD, 0x57),
    ):
        packet = ip / inet.TCP(flags="PA", **ends) / b"hello"
        ether = l2.Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        to_ap = {"addr1": "02:00:00:00:00:02", "addr2": "02:00:00:00:00:01", "addr3": "02:00:00:00:00:03"}
        snap = l2.LLC() / l2.SNAP() / packet
        yield 1, ether / packet
        yield 1, ether / l2.Dot1Q(vlan=5) / packet
        yield 1, ether / l2.Dot1AD(vlan=5) / l2.Dot1Q(vlan=6) / packet
        yield 1, ether / PPPoE(sessionid=1) / PPP(proto=ppp) / packet
        yield 1, ether / MPLS(label=16, s=0) / MPLS(label=17, s=1) / packet
        yield 1, l2.Dot3(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / snap
        yield 0, l2.Loopback(type=family) / packet
        yield 50, HDLC() / PPP(proto=ppp) / packet
        yield 113, l2.CookedLinux(proto=ethertype) / packet
        yield 276, l2.CookedLinuxV2(proto=ethertype) / packet
        yield 105, dot11.Dot11(type=2, FCfield="to_DS", **to_ap) / snap
        yield 105, dot11.Dot11(type=2, subtype=8, FCfield="from_DS", **to_ap) / dot11.Dot11QoS() / snap
        yield 105, dot11.Dot11(type=2, FCfield="to_DS+from_DS", addr4="02:00:00:00:00:04", **to_ap) / snap
        yield 127, dot11.RadioTap(present="TSFT+Flags+Rate", mac_timestamp=7) / dot11.Dot11(type=2, **to_ap) / snap
        yield 101, packet


def test_packets_built_by_scapy_are_read_the_same() -> None:
    pytest.importorskip("scapy", reason="scapy is not installed")

    frames = [(linktype, bytes(frame), frame.summary()) for linktype, frame in scapy_frames()]

    assert len(frames) == 30
    assert [summary for linktype, frame, summary in frames if payload(linktype, frame) != b"hello"] == []


def pcapng(frames: list[tuple[int, bytes]]) -> bytes:
    """A capture with an interface for each frame, so that it can hold every link type."""

    def block(kind: int, body: bytes) -> bytes:
        body += b"\0" * (-len(body) % 4)
        return pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)

    out = block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += b"".join(block(1, pack("<HHI", linktype, 0, 0)) for linktype, _ in frames)
    for interface, (_, frame) in enumerate(frames):
        out += block(6, pack("<IIIII", interface, 0, interface, len(frame), len(frame)) + frame)
    return out


def test_tshark_reads_our_packets_as_we_do(tmp_path: Path) -> None:
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    # Link types 12 and 14 exist only as some BSDs' private numbers: tshark gives them other meanings.
    wraps = {name: wrap for name, wrap in packets.ENCAPSULATIONS.items() if wrap[0] not in (12, 14)}
    frames = [(linktype, wrap(inner)) for linktype, wrap in wraps.values() for inner in (FOUR, SIX)]
    capture = tmp_path / "links.pcapng"
    capture.write_bytes(pcapng(frames))

    fields = ["tcp.payload", "ip.checksum.status", "tcp.checksum.status"]
    command = ["tshark", "-r", str(capture), "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    command += ["-T", "fields", *(word for field in fields for word in ("-e", field))]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    good, hello = "1", b"GET /ocpp/CP1 HTTP/1.1".hex()
    names = [name for name in wraps for _ in (4, 6)]
    assert dict(zip(names[::2], shown[::2], strict=True)) == dict.fromkeys(wraps, f"{hello}\t{good}\t{good}")
    assert dict(zip(names[1::2], shown[1::2], strict=True)) == dict.fromkeys(wraps, f"{hello}\t\t{good}")
