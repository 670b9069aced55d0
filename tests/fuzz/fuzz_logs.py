"""Logs, exports and traces of any kind, and what the engine makes of their frames. An input is a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.harness import Scramble, fuzz, instrumented, saved_seeds

with instrumented(__name__):
    from fieldkit import schemastore
    from fieldkit.events import DecodeError, Event, LoggedFrame
    from fieldkit.logs import LogReader
    from fieldkit.ocpp.schema import Schemas
    from fieldkit.pipeline import Pipeline
    from tests.fuzz.promises import check_error, check_events, check_writers, in_blocks

FIXTURES: Final = Path(__file__).parents[1] / "data" / "open-ocpp-trace" / "fixtures"
TEXT_PER_BYTE: Final = 4
"""Of frames, for a byte of the log: one that stands there twice, as text and as an object, may be told twice."""

_schemas = Schemas(schemastore.load)


def one_input(data: bytes) -> None:
    reader = LogReader("fuzz")
    items = reader.feed(data) + reader.finish()
    lines = data.count(b"\n") + data.count(b"\r") + 1
    size = 0
    for item in items:
        assert all(1 <= line <= lines for line in item.frames), f"{item} of {lines} lines"
        if isinstance(item, DecodeError):
            check_error(item)
        else:
            assert isinstance(item, LoggedFrame)
            size += len(item.text)
            for problem in item.problems:
                assert problem.text.isprintable(), f"not for a terminal: {problem.text!r}"
    assert size <= TEXT_PER_BYTE * len(data), f"{size} characters from {len(data)} bytes"
    again = LogReader("fuzz")
    other = [item for block in in_blocks(data) for item in again.feed(block)] + again.finish()
    assert other == items, "the blocks it came in make a difference"

    pipeline = Pipeline("fuzz", schemas=_schemas)
    events: list[Event] = []
    for item in items:
        events += pipeline.feed_logged(item)
    events += pipeline.finish()
    check_events(events, lines, len(data))
    check_writers(events)


def mutate(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    """Line by line."""
    lines = data.split(b"\n")
    if random.random() < 0.3:
        return scramble(data or b" ", most)
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(lines))
        match random.randrange(7):
            case 0 if len(lines) > 1:
                del lines[at]
            case 1:
                lines.insert(random.randrange(len(lines) + 1), lines[at])
            case 2:
                lines.insert(random.randrange(len(lines)), lines.pop(at))
            case 3:
                cut = random.randrange(len(lines[at]) + 1)
                lines[at : at + 1] = [lines[at][:cut], lines[at][cut:]]
            case _:
                lines[at] = scramble(lines[at] or b" ", 2000)
    return b"\n".join(lines)[:most]


CALL: Final = '[2,"19","BootNotification",{"chargePointModel":"M1","chargePointVendor":"V"}]'
ANSWER: Final = '[3,"19",{"currentTime":"2026-11-21T08:49:50Z","interval":10,"status":"Accepted"}]'
SOAP: Final = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:o="urn://Ocpp/Cs/2015/10/"><s:Header>'
    "<o:chargeBoxIdentity>CP_7</o:chargeBoxIdentity></s:Header>\n<s:Body><o:heartbeatRequest/></s:Body></s:Envelope>"
)


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_logs")
    for path in sorted(FIXTURES.glob("*/trace.jsonl")):
        yield b"\n".join(path.read_bytes().splitlines()[:6])
    wrapped = [
        {"ts": 1_795_250_990_123, "direction": "in", "chargePoint": "CP_7", "payload": json.loads(CALL)},
        {"ts": 1_795_250_990_223, "direction": "out", "chargePoint": "CP_7", "payload": ANSWER},
    ]
    for text in (
        f"INFO:ocpp:CP_1: receive message {CALL}\nINFO:ocpp:CP_1: send {ANSWER}\n",
        f"2026-11-21 08:49:50,123 INFO [chargeBoxId=100, sessionId=5] Received: {CALL}\r\n"
        f"2026-11-21 08:49:50,200 INFO [chargeBoxId=100, sessionId=5] Sending: {ANSWER}\r\n",
        f"08:49:50.123 CP_7 >> {CALL[:40]}\n   {CALL[40:]}\n08:49:51 CP_7 << {ANSWER[:60]}\n",
        f'{{"msg":{json.dumps(CALL)},"time":"2026-11-21T08:49:50+01:00","cp":"CP_7"}}\n' * 2,
        json.dumps(wrapped),
        json.dumps(wrapped, indent=2),
        "\n".join(json.dumps(entry) for entry in wrapped),
        f"{CALL}\n{ANSWER}\n",
        json.dumps([json.loads(CALL), json.loads(ANSWER)]),
        'Timestamp;Station;Direction;Action;Message\n21.11.2026 08:49:50;CP_7;CP->CS;Boot;"'
        + CALL.replace('"', '""')
        + '"\n',
        f"time,charger,raw\n2026-11-21T08:49:50Z,CP_7,{json.dumps(CALL)}\n2026-11-21T08:49:51Z,CP_7,{json.dumps(ANSWER)}\n",
        f"Nov 21 08:49:50 gw ocppd[12]: ws rx CP_7 {CALL} len=77\nNov 21 08:49:50 gw ocppd[12]: ws tx CP_7 {ANSWER}\n",
        f"[INFO] 2026-11-21T08:49:50.1Z {SOAP}\n",
        "\x1b[32m21/11/2026 8:49:50 AM\x1b[0m " + CALL.replace('"', '\\"') + "\n",
        "nothing here\n" * 3,
        "",
    ):
        yield text.encode()
    yield f"{CALL}\n".encode("utf-16")


if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
