"""What servers answer to the TLS prober. Each piece is what one connection brings; the kind of a piece says how it comes
and how the connection ends. Without a flag one hello is answered; with it a whole survey is, the last piece again and
again, and what it came to is judged and written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from unittest.mock import patch

from tests.fuzz.harness import Piece, fuzz, instrumented, join_pieces, mutate_pieces, saved_seeds, split_pieces

with instrumented(__name__):
    from fieldkit.reports.tlsreport import build
    from fieldkit.reports.tlsreporttext import render
    from fieldkit.sources.tlsprobe import flight as flights
    from fieldkit.sources.tlsprobe import handshake12, suites, targets
    from fieldkit.sources.tlsprobe.conversation import Conversation, End
    from fieldkit.sources.tlsprobe.engine import MAX_RECEIVED
    from fieldkit.sources.tlsprobe.flight import FlightReader
    from fieldkit.sources.tlsprobe.hello import GROUPS, P256, Hello
    from fieldkit.sources.tlsprobe.judge import judge
    from fieldkit.sources.tlsprobe.keyshare import KeyShare
    from fieldkit.sources.tlsprobe.plan import Limits
    from fieldkit.sources.tlsprobe.run import Result
    from fieldkit.sources.tlsprobe.survey import Survey
    from fieldkit.sources.tlsprobe.upgrade import PlainUpgrade
    from fieldkit.wire.tlshello import parse_client_hello
    from fieldkit.wire.tlsnames import TLS12, TLS13
    from tests.fuzz.promises import in_blocks
    from tests.sources.tlsprobe.servers import Canned, alert, message, record
    from tests.trust.judging import LEAF, MIDDLE, TOP
    from tests.trust.pki import AT

SURVEY = 0x80
"""Flag in the kind of the first piece: a whole survey."""
PARTS = 0x40
"""Flag of a piece: it comes in parts."""
TARGET = targets.parse("wss://csms.example/ocpp/CP_7")
WAY = targets.way(2, ("192.0.2.1", 443))
ENDS = (End.CLOSED, End.TIMEOUT, End.RESET, End.REFUSED)
_KINDS = ("hello", "flight", "TLS 1.3", "retry", "renegotiation", "upgrade")


class _InClear:
    """In place of the cipher of a handshake, the keys of which would be others each time: the type stands behind."""

    def open(self, sequence: int, header: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        return (fragment[-1], fragment[:-1]) if fragment else None


def one_input(data: bytes) -> None:
    pieces = list(split_pieces(data))
    with ExitStack() as stack:
        stack.enter_context(patch.object(flights, "handshake_cipher", lambda *given: _InClear()))
        stack.enter_context(patch.object(KeyShare, "secret", lambda self, theirs: b""))
        if pieces and pieces[0][0] & SURVEY:
            survey(pieces)
        else:
            one_each(pieces)


def one_each(pieces: Sequence[Piece]) -> None:
    """One conversation for each piece: in parts and whole it is the same."""
    for kind, data in pieces:
        name = _KINDS[kind % len(_KINDS)]
        whole, parts = conversation(name), conversation(name)
        answer(whole, [data], ENDS[kind >> 3 & 3])
        answer(parts, in_blocks(data), ENDS[kind >> 3 & 3])
        for talk in (whole, parts):
            if isinstance(talk, FlightReader):
                found = talk.flight
                assert sum(map(len, found.chain)) + len(found.staple) <= len(data), found
                assert found.request is None or sum(map(len, found.request.authorities)) <= len(data)
                assert found.defect.isprintable(), found.defect
        if isinstance(whole, FlightReader) and isinstance(parts, FlightReader):
            ours, theirs = whole.flight, parts.flight
            assert (ours.chain, ours.hello, ours.alert) == (theirs.chain, theirs.hello, theirs.alert)
            assert (ours.dh_bits, ours.curve, ours.staple) == (theirs.dh_bits, theirs.curve, theirs.staple)
        elif isinstance(whole, PlainUpgrade) and isinstance(parts, PlainUpgrade):
            assert (whole.spoken.status, whole.spoken.headers) == (parts.spoken.status, parts.spoken.headers)


def conversation(name: str) -> Conversation:
    match name:
        case "renegotiation":
            return handshake12.RenegotiationProbe(next(handshake12.offers("csms.example")))
        case "upgrade":
            return PlainUpgrade(TARGET, patience=1)
        case "TLS 1.3" | "retry":
            share = KeyShare(P256) if name == "TLS 1.3" else None
            shares = ((P256, share.public),) if share is not None else ()
            hello = Hello(
                TLS13, suites.TLS13, server_name="csms.example", groups=GROUPS, staple=True, key_shares=shares
            )
            return FlightReader(hello, want="flight", share=share)
        case _:
            hello = Hello(TLS12, suites.usual(), server_name="csms.example", staple=True)
            return FlightReader(hello, want="hello" if name == "hello" else "flight")


def answer(talk: Conversation, parts: Sequence[bytes], end: End) -> None:
    """As the engine has it."""
    traffic = talk.traffic
    traffic.end = end
    if end is not End.REFUSED:
        traffic.connect_s = 0.01
        traffic.sent = len(talk.begin())
        for part in parts:
            if talk.done or traffic.received > MAX_RECEIVED:
                break
            traffic.answer_s = traffic.answer_s or 0.01
            traffic.received += len(part)
            traffic.sent += len(talk.feed(part))
        if talk.done:
            traffic.end = End.DONE
    traffic.total_s = 0.02
    talk.finish()


def survey(pieces: Sequence[Piece]) -> None:
    looked = Survey(TARGET, WAY, Limits())
    looked.begin(0.0)
    now, number = 0.0, 0
    while not looked.over:
        talk = looked.next(now)
        if talk is None:
            now = max(now, looked.wakes)
            if now >= looked.deadline:
                looked.stop()
            continue
        kind, data = pieces[min(number, len(pieces) - 1)]
        number += 1
        answer(talk, in_blocks(data) if kind & PARTS else [data], ENDS[kind & 3])
        now += 0.02
        looked.heard(talk, now)
    posture = looked.posture
    posture.settle()
    assert posture.connections == number <= 40
    result = Result(TARGET, [posture], [judge(posture, None, at=AT)])
    report = build([result], at=AT, trust="nothing", editions=("1.6", "2.0.1", "2.1"))
    json.dumps(report)
    text = render(report)
    assert all(line.isprintable() for line in text.split("\n")), text


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_tlsprobe")
    chain = [LEAF.der, MIDDLE.der]
    hello = parse_client_hello(Hello(TLS12, suites.usual(), staple=True).message()[4:])
    flights12 = [
        Canned(chain, suites=(number,), request=number == 0x009C, staple=b"staple" * (number == 0x009E)).flight(hello)
        for number in (0xC02B, 0x009C, 0x009E)
    ]
    shake13 = b"".join(record(23, one + b"\x16") for one in _encrypted())
    flight13 = (
        record(22, message(2, _hello13(b"\x07" * 32, P256.to_bytes(2, "big") + b"\x00\x41" + bytes(65)))) + shake13
    )
    retry = record(22, message(2, _hello13(_RETRY, P256.to_bytes(2, "big"))))
    web = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 2\r\n\r\nno"
    for number, one in enumerate((flights12[1], flights12[2], flight13, retry + flight13, flights12[0], web)):
        yield join_pieces([(number, one)])
        yield join_pieces([(number + 6, one)])
    for one in (*flights12, alert(40), alert(112), alert(70), web, b"220 mail.example ESMTP\r\n"):
        yield join_pieces([(SURVEY | PARTS, one)])
    # Some of what a good server answers, and then what it refuses.
    yield join_pieces([(SURVEY, flights12[0]), (0, flight13), (0, flights12[0]), (0, retry), (0, alert(40))])
    yield join_pieces([(SURVEY | 1, b""), (0, flights12[1]), (2, b""), (3, b""), (0, alert(86))])


_RETRY = bytes.fromhex("CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C")
"""RFC 8446 §4.1.3."""


def _hello13(random: bytes, share: bytes) -> bytes:
    extensions = b"\x00\x2b\x00\x02\x03\x04" + b"\x00\x33" + len(share).to_bytes(2, "big") + share
    return b"\x03\x03" + random + b"\x00\x13\x01\x00" + len(extensions).to_bytes(2, "big") + extensions


def _encrypted() -> list[bytes]:
    """What a server says under the keys of the handshake, with a staple and a request."""
    staple = b"\x00\x05\x00\x0a\x01\x00\x00\x06staple"
    entries = b"".join(
        len(one.der).to_bytes(3, "big") + one.der + len(more).to_bytes(2, "big") + more
        for one, more in ((LEAF, staple), (MIDDLE, b""), (TOP, b""))
    )
    authorities = LEAF.x509.issuer.public_bytes()
    names = len(authorities).to_bytes(2, "big") + authorities
    names = len(names).to_bytes(2, "big") + names
    asked = b"\x00\x0d\x00\x04\x00\x02\x04\x03\x00\x2f" + len(names).to_bytes(2, "big") + names
    return [
        message(8, b"\x00\x09\x00\x10\x00\x05\x00\x03\x02h2"),
        message(13, b"\x00" + len(asked).to_bytes(2, "big") + asked),
        message(11, b"\x00" + len(entries).to_bytes(3, "big") + entries),
        message(15, b"\x04\x03\x00\x02xx"),
    ]


mutate = mutate_pieces

if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
