"""Capture filters for the Linux kernel: classic BPF programs, put together here so that no libpcap is needed.

A filter reads relative to the network header and asks the kernel for the protocol (linux/filter.h: ``SKF_NET_OFF``,
``SKF_AD_PROTOCOL``), so one program serves Ethernet, tunnels and modems alike. The kernel takes the outer VLAN tag out
of a packet before a filter sees it and keeps its number (``SKF_AD_VLAN_TAG``); an inner tag still stands in front of
the IP header.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import accumulate
from typing import Final, NamedTuple

MAX_INSTRUCTIONS: Final = 4096
"""What the kernel takes (BPF_MAXINSNS)."""
MAX_JUMP: Final = 255
"""A conditional jump has eight bits for its distance."""
WHOLE_PACKET: Final = 0x40000
"""Bytes of a packet that are kept: all of it."""

_NET: Final = 0xFFF00000
"""Offsets from here on are counted from the network header (SKF_NET_OFF)."""
_KERNEL: Final = 0xFFFFF000
"""Behind here the kernel shows what it knows of the packet (SKF_AD_OFF)."""
_PROTOCOL: Final = _KERNEL
_PACKET_TYPE: Final = _KERNEL + 4
_INTERFACE: Final = _KERNEL + 8
_OUTGOING: Final = 4
"""PACKET_OUTGOING (linux/if_packet.h)."""
_VLAN_TAG: Final = _KERNEL + 44
_HAS_VLAN_TAG: Final = _KERNEL + 48

# Operation codes of linux/bpf_common.h.
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_LOAD_HALF_AT_X = 0x48
_X_IS_IPV4_LENGTH = 0xB1
_AND, _GO, _RETURN = 0x54, 0x05, 0x06
_IF_EQUAL, _IF_ANY_BIT = 0x15, 0x45

_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD
_VLANS: Final = (0x8100, 0x88A8)
_ICMP, _TCP, _UDP, _FRAGMENT, _ICMPV6 = 1, 6, 17, 44, 58
_TUNNELS: Final = (4, 41, 47)
"""IPIP, 6in4, GRE: what is inside is for the decoder to tell."""
_IPV6_OPTIONS: Final = (0, 43, 60)
"""Hop-by-hop, routing and destination options: what stands behind them is not looked for either."""
_UDP_PORTS: Final = (53, 67, 68)
"""DNS and DHCP: a station that gets no address or finds no CSMS."""


class Instruction(NamedTuple):
    """One step of a program (struct sock_filter)."""

    code: int
    if_true: int
    if_false: int
    k: int


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """What the kernel shall hand over: all fields must hold, an empty one does not restrict.

    Without ``ports`` it is what a diagnosis looks at: TCP, DNS, DHCP, ARP, ICMP, tunnels, and fragments. With ``ports``
    TCP and UDP of these, and fragments, which have no ports. With ``everything`` any packet.
    """

    hosts: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: tuple[int, ...] = ()
    vlan: int | None = None
    everything: bool = False


class _Program:
    """Steps that jump to named places ahead. An empty place is the next step."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, int, str, str]] = []
        self._places: dict[str, int] = {}
        self._named = 0

    def place(self) -> str:
        """A name of its own for a place still to come."""
        self._named += 1
        return f"place {self._named}"

    def here(self, place: str) -> None:
        self._places[place] = len(self._steps)

    def do(self, code: int, k: int = 0) -> None:
        self._steps.append((code, k, "", ""))

    def branch(self, code: int, k: int, yes: str = "", no: str = "") -> None:
        self._steps.append((code, k, yes, no))

    def any_of(self, numbers: tuple[int, ...], yes: str) -> None:
        """Go to ``yes`` when the accumulator is one of these."""
        for number in numbers:
            self.branch(_IF_EQUAL, number, yes)

    def go(self, place: str) -> None:
        self._steps.append((_GO, 0, place, ""))

    def instructions(self) -> list[Instruction]:
        """With distances for names. A conditional jump that is too far becomes one over two unconditional ones."""
        far: set[int] = set()
        while True:
            at = list(accumulate((3 if number in far else 1 for number in range(len(self._steps))), initial=0))
            if at[-1] > MAX_INSTRUCTIONS:
                raise ValueError("these are too many hosts and ports for one capture filter")
            too_far = {
                number
                for number, (code, _, *places) in enumerate(self._steps)
                if code != _GO and number not in far
                for place in places
                if place and at[self._places[place]] - at[number] - 1 > MAX_JUMP
            }
            if not too_far:
                return [made for number in range(len(self._steps)) for made in self._made(number, at, number in far)]
            far |= too_far

    def _made(self, number: int, at: list[int], far: bool) -> Iterator[Instruction]:
        code, k, *places = self._steps[number]
        behind = at[number + 1]
        yes, no = (at[self._places[place]] if place else behind for place in places)
        here = at[number]
        if code == _GO:
            yield Instruction(code, 0, 0, yes - here - 1)
        elif far:
            yield Instruction(code, 0, 1, k)
            yield Instruction(_GO, 0, 0, yes - here - 2)
            yield Instruction(_GO, 0, 0, no - here - 3)
        else:
            yield Instruction(code, yes - here - 1, no - here - 1, k)


def compile_filter(wanted: CaptureFilter, *, interface: int = 0, skip_outgoing: bool = False) -> list[Instruction]:
    """The program for a filter; ValueError when it gets too long for the kernel.

    With ``interface``, its number, nothing of another one passes. ``skip_outgoing`` is for loopback, where each packet
    goes out and comes in again.
    """
    program = _Program()
    if interface:
        program.do(_LOAD_WORD, _INTERFACE)
        _go_on_if(program, interface, True)
    if skip_outgoing:
        program.do(_LOAD_BYTE, _PACKET_TYPE)
        _go_on_if(program, _OUTGOING, False)
    if wanted.vlan is not None:
        tagged, right = program.place(), program.place()
        program.do(_LOAD_BYTE, _HAS_VLAN_TAG)
        program.branch(_IF_EQUAL, 0, no=tagged)
        program.do(_RETURN, 0)
        program.here(tagged)
        program.do(_LOAD_HALF, _VLAN_TAG)
        program.do(_AND, 0x0FFF)
        program.branch(_IF_EQUAL, wanted.vlan, right)
        program.do(_RETURN, 0)
        program.here(right)
    if not wanted.everything or wanted.hosts or wanted.ports:
        inner = program.place()
        program.do(_LOAD_HALF, _PROTOCOL)
        program.any_of(_VLANS, inner)
        _judge(program, wanted, 0)
        program.here(inner)
        program.do(_LOAD_HALF, _NET + 2)
        _judge(program, wanted, 4)
    else:
        program.do(_RETURN, WHOLE_PACKET)
    return program.instructions()


def _go_on_if(program: _Program, number: int, equal: bool) -> None:
    """Drop the packet unless the accumulator is (or is not) this number."""
    right, wrong = program.place(), program.place()
    program.branch(_IF_EQUAL, number, right if equal else wrong, wrong if equal else right)
    program.here(wrong)
    program.do(_RETURN, 0)
    program.here(right)


def _judge(program: _Program, wanted: CaptureFilter, at: int) -> None:
    """A packet whose protocol is in the accumulator and whose network header begins ``at`` bytes behind _NET."""
    four, six, drop = program.place(), program.place(), program.place()
    program.branch(_IF_EQUAL, _IPV4, four)
    program.branch(_IF_EQUAL, _IPV6, six)
    if not wanted.hosts and not wanted.ports:
        program.branch(_IF_EQUAL, _ARP, no=drop)
        program.do(_RETURN, WHOLE_PACKET)
    else:
        program.go(drop)
    for place, judge in ((four, _judge_ipv4), (six, _judge_ipv6)):
        keep = program.place()
        program.here(place)
        judge(program, wanted, _NET + at, keep)
        program.do(_RETURN, 0)
        program.here(keep)
        program.do(_RETURN, WHOLE_PACKET)
    program.here(drop)
    program.do(_RETURN, 0)


def _judge_ipv4(program: _Program, wanted: CaptureFilter, header: int, keep: str) -> None:
    hosts = [host for host in wanted.hosts if isinstance(host, IPv4Network)]
    if wanted.hosts:
        known = program.place()
        for field in (12, 16):  # source and destination, RFC 791 §3.1
            for host in hosts:
                program.do(_LOAD_WORD, header + field)
                program.do(_AND, int(host.netmask))
                program.branch(_IF_EQUAL, int(host.network_address), known)
        program.do(_RETURN, 0)
        program.here(known)
    if wanted.everything and not wanted.ports:
        program.go(keep)
        return
    # A later fragment has no ports, and may be one of ours; a first one with more to come is looked at like a packet.
    program.do(_LOAD_HALF, header + 6)
    program.branch(_IF_ANY_BIT, 0x1FFF, keep)
    program.do(_LOAD_BYTE, header + 9)
    if wanted.ports:
        ported, none = program.place(), program.place()
        program.any_of((_TCP, _UDP), ported)
        program.any_of(_TUNNELS, keep)
        program.go(none)
        program.here(ported)
        program.do(_X_IS_IPV4_LENGTH, header)
        _judge_ports(program, wanted.ports, header, keep)
        program.here(none)
        return
    named, none = program.place(), program.place()
    program.any_of((_TCP, _ICMP, *_TUNNELS), keep)
    program.branch(_IF_EQUAL, _UDP, named, none)
    program.here(named)
    program.do(_X_IS_IPV4_LENGTH, header)
    _judge_ports(program, _UDP_PORTS, header, keep)
    program.here(none)


def _judge_ipv6(program: _Program, wanted: CaptureFilter, header: int, keep: str) -> None:
    hosts = [host for host in wanted.hosts if isinstance(host, IPv6Network)]
    if wanted.hosts:
        known = program.place()
        for field in (8, 24):  # source and destination, RFC 8200 §3
            for host in hosts:
                _match_prefix(program, host, header + field, known)
        program.do(_RETURN, 0)
        program.here(known)
    if wanted.everything and not wanted.ports:
        program.go(keep)
        return
    program.do(_LOAD_BYTE, header + 6)
    program.any_of((_FRAGMENT, *_IPV6_OPTIONS, *_TUNNELS), keep)
    if not wanted.ports:
        program.any_of((_TCP, _ICMPV6), keep)
    ported, none = program.place(), program.place()
    program.any_of((_TCP, _UDP), ported)
    program.go(none)
    program.here(ported)
    for field in (40, 42):
        program.do(_LOAD_HALF, header + field)
        program.any_of(wanted.ports or _UDP_PORTS, keep)
    program.here(none)


def _match_prefix(program: _Program, host: IPv6Network, at: int, known: str) -> None:
    """Go to ``known`` when the address at this place is in the network; else go on behind."""
    other = program.place()
    address, mask = host.network_address.packed, host.netmask.packed
    for word in range(0, 16, 4):
        bits = int.from_bytes(mask[word : word + 4], "big")
        if bits:
            program.do(_LOAD_WORD, at + word)
            if bits != 0xFFFFFFFF:
                program.do(_AND, bits)
            program.branch(_IF_EQUAL, int.from_bytes(address[word : word + 4], "big"), no=other)
    program.go(known)
    program.here(other)


def _judge_ports(program: _Program, ports: tuple[int, ...], header: int, keep: str) -> None:
    """Source and destination port, behind an IPv4 header whose length is in X."""
    for field in (0, 2):
        program.do(_LOAD_HALF_AT_X, header + field)
        program.any_of(ports, keep)


def host(text: str) -> IPv4Network | IPv6Network:
    """As in "10.0.0.7", "10.0.0.0/24", "2001:db8::/32" → a network; ValueError for anything else."""
    return ip_network(text, strict=False)
