"""Is it the same everywhere: all addresses of a host, and all ways out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from fieldkit.safetext import shorten
from fieldkit.sources.tlsprobe.judge import read_chain
from fieldkit.sources.tlsprobe.posture import Posture
from fieldkit.trust.fault import Fault
from fieldkit.trust.words import listed, quoted
from fieldkit.wire.tlsnames import version_name


def differences(postures: Sequence[Posture]) -> Iterator[Fault]:
    """Of one target: by way out first, then among the addresses of one way."""
    if len(postures) < 2:
        return
    server = f"{postures[0].target.host}:{postures[0].target.port}"
    ways = [list(some) for _, some in groupby(sorted(postures, key=_out), key=_out)]
    for some in ways:
        reached = [posture for posture in some if posture.reachable]
        lost = [posture for posture in some if not posture.reachable and not _no_family(posture)]
        if reached and lost:
            bad = listed([posture.way.address for posture in lost])
            yield Fault("tls.address-unreachable", {"server": server, "bad": bad, "reason": lost[0].reason})
        told = _different(reached, by_way=False)
        if told:
            yield Fault("tls.addresses-differ", {"server": server, "differences": told})
    if len(ways) > 1:
        yield from _by_way(ways, server)


def _by_way(ways: list[list[Posture]], server: str) -> Iterator[Fault]:
    reached = [[posture for posture in some if posture.reachable] for some in ways]
    good = [some[0] for some in reached if some]
    bad = [some[0] for some, there in zip(ways, reached, strict=True) if not there]
    if good and bad:
        yield Fault(
            "tls.way-broken",
            {"server": server, "good": _named(good[0]), "bad": _named(bad[0]), "reason": bad[0].reason},
        )
    # The same address on each way, if there is one: other addresses may differ by right.
    there = [{posture.way.address for posture in some} for some in reached if some]
    common = set.intersection(*there) if there else set()
    alike = [next((posture for posture in some if posture.way.address in common), some[0]) for some in reached if some]
    told = _different(alike, by_way=True)
    if told:
        yield Fault("tls.ways-differ", {"server": server, "differences": told})


def _out(posture: Posture) -> tuple[str, str]:
    return posture.way.interface, posture.way.source


def _named(posture: Posture) -> str:
    way = posture.way
    return f"through {way.interface}" if way.interface else f"from {way.source}" if way.source else "by the usual way"


def _no_family(posture: Posture) -> bool:
    """Without a way into that family of addresses at all (IPv6) nothing can be said of the server."""
    return ":" in posture.way.address and posture.reason.startswith(("no route to this network", "this machine"))


def _different(postures: Sequence[Posture], *, by_way: bool) -> str:
    """What the first has otherwise than another, in words."""
    for other in postures[1:]:
        told = list(_pair(postures[0], other))
        if told:
            names = [_named(one) if by_way else one.way.address for one in (postures[0], other)]
            mine, theirs = listed([here for here, _ in told]), listed([there for _, there in told])
            return f"{names[0]} {mine}; {names[1]} {theirs}"
    return ""


def _pair(one: Posture, other: Posture) -> Iterator[tuple[str, str]]:
    if one.manner != other.manner:
        yield _manner(one), _manner(other)
        return
    mine, theirs = _leaves(one), _leaves(other)
    if mine and theirs and not mine & theirs:
        yield f"shows {_certificate(one)}", f"shows {_certificate(other)}"
    versions = [
        (number, one.versions[number], other.versions.get(number))
        for number in sorted(one.versions)
        if one.versions[number] is not None and other.versions.get(number) is not None
    ]
    for number, here, there in versions:
        if here != there:
            name = version_name(number)
            yield (f"accepts {name}", f"refuses {name}") if here else (f"refuses {name}", f"accepts {name}")


def _manner(posture: Posture) -> str:
    words = {
        "": "speaks TLS", "no-tls": "speaks HTTP without TLS", "silence": "says nothing",
        "reset": "resets the connection", "closed": "closes the connection",
    }  # fmt: skip
    return words.get(posture.manner, "speaks something else than TLS")


def _leaves(posture: Posture) -> set[bytes]:
    return {shown.chain[0] for shown in posture.shown}


def _certificate(posture: Posture) -> str:
    certificates, _ = read_chain(posture.shown[0].chain[:1])
    if not certificates:
        return "a certificate that cannot be read"
    leaf = certificates[0]
    return (
        f"the certificate of {quoted(shorten(leaf.label, 80))} issued by {quoted(shorten(leaf.issuer.label, 80))} "
        f"({leaf.fingerprint[:16]})"
    )
