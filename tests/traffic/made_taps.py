"""Captures of the kinds that there are: link layers, IPv6, duplicates, pcapng with all its trimmings, gzip."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from tests.traffic.capture import Packet, Pcapng, write_pcap
from tests.traffic.conversation import MONDAY
from tests.traffic.made import Made, connection, in_order, made, speaks, started, upgrade_of
from tests.traffic.mishaps import translated
from tests.traffic.packets import destination_options, hop_by_hop, sll2
from tests.traffic.scripts import boot_2, boot_16, charge_2, configure_2, configure_16, heartbeat, usual_hour
from tests.traffic.segments import MICROSECOND, SECOND, Address
from tests.traffic.taps import Tap


def ipv6() -> Made:
    session = started(
        "CP_17", client=("2001:db8:7::17", 49_217), server=("2001:db8:cafe::5", 8080), cut_every=0, mss=1220
    )
    usual_hour(session)
    session.close()
    tap = Tap(fragment=256, extensions=(hop_by_hop(), destination_options()), shuffle=Random(17))
    packets = tap.packets(session.segments)
    return made(
        "ipv6_fragments.pcap",
        "IPv6 with hop-by-hop and destination options; larger packets come in fragments, in any order.",
        write_pcap(packets),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[connection(session)],
        http=[upgrade_of(session)],
    )


def vlans() -> Made:
    sessions = [
        started("CP_18", client=("192.168.7.18", 49_218)),
        started("CP_19", client=("192.168.7.19", 49_219), start=MONDAY + 50 * MICROSECOND),
    ]
    for session in sessions:
        boot_16(session)
        configure_16(session)
        session.close()
    tagged = Tap("ethernet, 802.1Q").packets(sessions[0].segments)
    twice = Tap("ethernet, 802.1ad over 802.1Q").packets(sessions[1].segments)
    packets = _by_time(tagged, twice)
    return made(
        "vlan_qinq.pcap",
        "One station's packets carry a VLAN tag (802.1Q), the other's two (802.1ad).",
        write_pcap(packets, nanoseconds=True),
        packets=len(packets),
        said=[session.said for session in sessions],
        heard=in_order(*sessions),
        stations=[speaks(session) for session in sessions],
        connections=[connection(session) for session in sessions],
        http=[upgrade_of(session) for session in sessions],
        closes=["station 1000", "station 1000", "csms 1000", "csms 1000"],
    )


def _by_time(*lists: list[Packet]) -> list[Packet]:
    return sorted((packet for packets in lists for packet in packets), key=lambda packet: packet[0])


def linux_cooked(encapsulation: str, file: str, name: str) -> Made:
    session = started("CP_20", "2.0.1", client=("192.168.7.20", 49_220))
    boot_2(session)
    configure_2(session)
    charge_2(session)
    session.close()
    tap = Tap(encapsulation)
    packets = tap.packets(session.segments)
    return made(
        file,
        name,
        write_pcap(packets, linktype=tap.linktype),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[connection(session)],
        http=[upgrade_of(session)],
    )


def any_duplicates() -> Made:
    session = started("CP_22", client=("192.168.7.22", 49_222), mss=300)
    usual_hour(session)
    session.close()
    port = Tap("Linux cooked v2", wrap=partial(sll2, interface=2)).packets(session.segments)
    later = [segment._replace(time=segment.time + 6 * MICROSECOND) for segment in session.segments]
    bridge = Tap("Linux cooked v2", wrap=partial(sll2, interface=5)).packets(later)
    packets = _by_time(port, bridge)
    return made(
        "any_duplicates.pcap",
        "tcpdump -i any on a router: every packet is seen twice, on the port and on the bridge.",
        write_pcap(packets, linktype=276),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[connection(session)],
        http=[upgrade_of(session)],
    )


def docker_duplicates() -> Made:
    inside: Address = ("172.17.0.2", 9000)
    session = started("CP_23", "2.0.1", client=("192.168.7.23", 49_223))
    usual_hour(session)
    session.close()
    segments = translated(session.segments, server=inside)
    packets = Tap("Linux cooked v1").packets(segments)
    return made(
        "docker_duplicates.pcap",
        "tcpdump -i any on a docker host: every packet is seen twice, before and behind the NAT that publishes the "
        "CSMS's port.",
        write_pcap(packets, linktype=113),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[
            connection(session),
            connection((session.tcp.client, inside), "mirror", "", ""),
        ],
        http=[upgrade_of(session)],
        tshark_cannot={"all": "it decodes both copies"},
    )


def interfaces_and_comments() -> Made:
    wired = started("CP_24", client=("192.168.7.24", 49_224))
    cellular = started("CP_25", client=("10.64.3.25", 40_025), start=MONDAY + 5 * SECOND)
    for session in (wired, cellular):
        boot_16(session)
        heartbeat(session)
        session.close()
    writer = Pcapng().section(comments=["taken at the car park, second visit"])
    writer.interface(name="eth0", comments=["to the charging stations"])
    writer.interface(linktype=101, name="wwan0", tsresol=9)
    numbered = [(packet, 0) for packet in Tap().packets(wired.segments)]
    numbered += [(packet, 1) for packet in Tap("raw IP").packets(cellular.segments)]
    numbered.sort(key=lambda entry: entry[0][0])
    for number, (packet, interface) in enumerate(numbered, 1):
        comments = ["here the station was switched off and on"] if number == 30 else []
        writer.packet(packet, interface=interface, comments=comments)
    writer.statistics(1, dropped=3)
    return made(
        "interfaces_comments.pcapng",
        "Two interfaces with different link types and clocks, comments on the section, an interface and a packet, and "
        "a note that three packets were dropped.",
        bytes(writer),
        packets=len(numbered),
        said=[wired.said, cellular.said],
        heard=in_order(wired, cellular),
        stations=[speaks(wired), speaks(cellular)],
        connections=[connection(wired), connection(cellular)],
        http=[upgrade_of(wired), upgrade_of(cellular)],
        closes=["station 1000", "csms 1000"] * 2,
    )


def gzipped() -> Made:
    session = started("CP_26", client=("192.168.7.26", 49_226), deflate="takeover")
    usual_hour(session)
    session.close()
    packets = Tap().packets(session.segments)
    return made(
        "gzipped.pcap.gz",
        "A compressed capture (big-endian, nanoseconds) of a compressed connection.",
        gzip.compress(write_pcap(packets, big_endian=True, nanoseconds=True), mtime=0),
        packets=len(packets),
        said=[session.said],
        stations=[speaks(session)],
        connections=[connection(session)],
        http=[upgrade_of(session)],
    )


MAKERS: Sequence[Callable[[], Made]] = (
    ipv6,
    vlans,
    partial(linux_cooked, "Linux cooked v1", "linux_cooked_v1.pcap", "Linux cooked capture, version 1."),
    partial(
        linux_cooked, "Linux cooked v2, QinQ", "linux_cooked_v2.pcap", "Linux cooked capture, version 2, two VLAN tags."
    ),
    any_duplicates,
    docker_duplicates,
    interfaces_and_comments,
    gzipped,
)
