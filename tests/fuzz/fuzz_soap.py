"""OCPP over SOAP: envelopes as HTTP brings them. Pieces are bodies of requests and of responses to them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from tests.fuzz.harness import Scramble, fuzz, instrumented, join_pieces, mutate_pieces, saved_seeds, split_pieces

with instrumented(__name__):
    from fieldkit import schemastore
    from fieldkit.events import Connection, ConnectionClosed, Endpoint, Event, HttpRequest, HttpResponse
    from fieldkit.ocpp.schema import Schemas
    from fieldkit.ocpp.soap import MAX_HEADER_TEXT, SoapEnvelope, parse_envelope
    from fieldkit.ocpp.soapcall import SoapCalls
    from tests.fuzz.overheard import overheard
    from tests.fuzz.promises import MAX_PROBLEMS, MAX_SENTENCE, check_events, check_writers
    from tests.traffic.conversation import MONDAY
    from tests.traffic.segments import Clock
    from tests.traffic.soaptalk import Fields, SoapTalk

RESPONSE, CLOSE = 1, 2
TYPES: Final = (
    "application/soap+xml; charset=utf-8",
    'application/soap+xml; action="/BootNotification"',
    "text/xml; charset=iso-8859-1",
    "text/xml; charset=utf-16",
    "",
    "multipart/related",
    "application/xml; charset=shift_jis",
)
PAYLOAD_PER_BYTE: Final = 20
"""Characters of a payload written as Python writes it: <a/> becomes 'a': '', and attributes may count twice."""

_schemas = Schemas(schemastore.load)


def one_input(data: bytes) -> None:
    events: list[Event] = []
    calls = SoapCalls(events.append, _schemas, "fuzz")
    station, csms = Endpoint("10.0.0.2", 40_000), Endpoint("10.0.0.1", 80)
    connection = Connection(1, station, csms, 0, False, "fuzz")
    request: HttpRequest | None = None
    frame = 0
    for frame, (kind, body) in enumerate(split_pieces(data), 1):
        headers = {"content-type": TYPES[(kind >> 2) % len(TYPES)]}
        check_envelope(parse_envelope(body, headers["content-type"]), body)
        time, frames = frame * 10**9, (frame,)
        if kind & CLOSE and kind & RESPONSE:
            calls.closed(ConnectionClosed(time, frames, connection, "fin", True))
            request = None
        elif kind & RESPONSE:
            status = 200 + 50 * (len(body) % 7)
            calls.response(HttpResponse(time, frames, connection, False, status, "So", headers, request, body))
            request = None
        else:
            request = HttpRequest(time, frames, connection, True, "POST", "/", headers, None, body)
            calls.request(request)
    calls.finish()
    check_events(events, frame, len(data))
    check_writers(events)


def check_envelope(envelope: SoapEnvelope, body: bytes) -> None:
    assert len(envelope.problems) <= MAX_PROBLEMS, envelope
    for problem in envelope.problems:
        assert len(problem.text) <= MAX_SENTENCE, problem
    for text in (
        envelope.identity,
        envelope.message_id,
        envelope.relates_to,
        envelope.from_address,
        envelope.to,
        envelope.reply_to,
        envelope.action,
    ):
        assert len(text) <= MAX_HEADER_TEXT, text
    assert len(envelope.text) <= len(body), envelope
    assert len(repr(envelope.payload)) <= PAYLOAD_PER_BYTE * len(body) + 100, envelope
    if envelope.fault is not None:
        assert envelope.kind == "fault", envelope


def mutate(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    """Also element by element: libFuzzer would have to balance every tag by chance."""
    pieces = list(split_pieces(data))
    if not pieces or random.random() < 0.5:
        return mutate_pieces(data, most, random, scramble)
    at = random.randrange(len(pieces))
    kind, body = pieces[at]
    pieces[at] = (kind, _other_elements(body, random, scramble)[: max(most - len(data) + len(body), 0)])
    return join_pieces(pieces)


def _other_elements(body: bytes, random: Random, scramble: Scramble) -> bytes:
    parts = body.split(b"<")
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(parts))
        match random.randrange(6):
            case 0 if len(parts) > 1:
                del parts[at]
            case 1:
                parts.insert(at, random.choice(parts))
            case 2:
                name, bracket, text = parts[at].partition(b">")
                parts[at] = name + bracket + scramble(text or b" ", 100)
            case 3:
                name, bracket, text = parts[at].partition(b">")
                parts[at] = scramble(name or b" ", 200) + bracket + text
            case 4:
                # an element inside of itself
                begin, stop = sorted((at, random.randrange(len(parts))))
                parts[begin:begin] = parts[begin:stop]
            case _:
                parts[at] = random.choice((b"!--", b"![CDATA[x]]>", b"?xml version='1.0'?>", b"o:x i:nil='true'/>"))
    return b"<".join(parts)


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_soap")
    envelopes = [body for body, _ in overheard().envelopes if body]
    for at in range(0, len(envelopes), 2):
        yield join_pieces((number & 1, body) for number, body in enumerate(envelopes[at : at + 2]))
    talk = SoapTalk("CP_7", clock=Clock(MONDAY))
    talk.call("station", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    sample = {"value": "1", "unit": "Wh", "context": "Sample.Periodic"}
    values: Fields = {"timestamp": "2026-08-31T08:00:00Z", "sampledValue": [sample, sample]}
    talk.call("station", "MeterValues", {"connectorId": "1", "transactionId": "x", "meterValue": [values]})
    talk.answer("station", "urn:uuid:00000000-0000-4000-8000-000000000002", "MeterValues", {})
    talk.fault("station", "urn:uuid:1", "MeterValues", "SecurityError", "no such station")
    talk.call("csms", "GetConfiguration", {"key": ["HeartbeatInterval", "AuthorizationKey"]})
    texts = [said.text.encode() for said in talk.said]
    for number, text in enumerate(texts):
        yield join_pieces([(4 * number, text)])
        yield join_pieces([(0, texts[1]), (RESPONSE | 4 * number, text)])
    yield join_pieces([(0, b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "cccc">]><a>&b;&b;</a>')])
    yield join_pieces([(12, texts[0].decode().replace("UTF-8", "UTF-16").encode("utf-16"))])


if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
