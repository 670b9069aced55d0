"""Random hierarchies, right and wrong: OpenSSL is of the same opinion about every one of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from fieldkit.trust.anchors import Anchors
from fieldkit.trust.chain import build
from tests.trust.oracles import openssl_accepts
from tests.trust.pki import AT, CLIENT, SERVER, Made, issue, key, root, server, sub, usage


def defects(chance: random.Random, *, ca: bool) -> dict[str, Any]:
    """Mostly none; now and then one of everything that there is."""
    found: dict[str, Any] = {}
    roll = chance.random
    if roll() < 0.08:
        found["days"] = chance.choice([(-90, -1), (1, 90)])
    if roll() < 0.15:
        found["ids"] = False
    if roll() < 0.06:
        found["signer"] = key("thief")
    if roll() < 0.05:
        found["kind"] = chance.choice(["p384", "ed25519", "p521"])
    if not ca:
        if roll() < 0.2:
            found["uses"] = chance.choice([None, [CLIENT], [SERVER, CLIENT]])
        return found
    found["length"] = chance.choice([None, None, None, 0, 1, 2])
    if roll() < 0.05:
        found["ca"] = False
    if roll() < 0.05:
        found["usages"] = chance.choice([None, usage("crl_sign")])
    if roll() < 0.1:
        found["more"] = [(x509.NameConstraints([x509.DNSName(chance.choice(["example", "other"]))], None), True)]
    elif roll() < 0.08:
        found["more"] = [(x509.ExtendedKeyUsage([chance.choice([SERVER, CLIENT])]), False)]
    return found


def hierarchy(chance: random.Random, number: int) -> tuple[Made, list[Made], list[Made]]:
    """Leaf, what is sent with it in any order, and roots."""
    own = {name: value for name, value in defects(chance, ca=True).items() if name in ("days", "ids", "kind")}
    top = last = root(f"Root {number}", **own)
    middle: list[Made] = []
    for depth in range(chance.choice([0, 1, 1, 2, 3])):
        if depth and chance.random() < 0.05:  # the same authority with a new key
            last = issue(last.x509.subject, last, ca=True, key_name=f"new key {number} {depth}")
        else:
            last = sub(last, f"Sub {number} {depth}", **defects(chance, ca=True))
        middle.append(last)
    leaf = server(last, **defects(chance, ca=False))
    if middle and chance.random() < 0.1:
        middle.pop(chance.randrange(len(middle)))
    chance.shuffle(middle)
    return leaf, middle, [top] if chance.random() < 0.93 else [root("Foreign")]


@pytest.mark.parametrize("seed", range(4))
def test_openssl_is_of_the_same_opinion(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    verdicts = []
    for number in range(15):
        leaf, middle, roots = hierarchy(chance, 100 * seed + number)
        anchors = Anchors("x", tuple(one.read for one in roots))
        chain = build([leaf.read, *(one.read for one in middle)], anchors, at=AT, as_sent=False)
        theirs = openssl_accepts(tmp_path, leaf, middle, roots, purpose="sslserver")
        assert (chain.trusted is True) is theirs, [fault.id for fault in chain.faults]
        verdicts.append(theirs)
    assert set(verdicts) == {True, False}
