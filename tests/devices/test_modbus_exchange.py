"""One exchange at a time: what each way to fail is called, and that no stale answer is believed."""

from __future__ import annotations

from random import Random

import pytest

from fieldkit.devices.modbus.exchange import Cause, Outcome
from fieldkit.devices.modbus.framing import MAX_HEARD, ascii_frame, rtu_frame
from fieldkit.devices.modbus.line import Line, Patience
from fieldkit.devices.modbus.reads import IdentifyRequest, ReadRequest, Request
from fieldkit.devices.modbus.timing import MILLISECOND, SECOND, line_settings
from fieldkit.devices.modbus.writes import AllowedWrite, WriteIntent, write_request

NOW = 10**18
REQUEST = ReadRequest(1, 4, 0, 2)
ANSWER = rtu_frame(1, bytes.fromhex("04044366199a"))  # 230.1 V
SETTINGS = line_settings(9600)
PATIENCE = Patience(timeout=300 * MILLISECOND)


def run(*heard: tuple[int, bytes], request: Request = REQUEST, line: Line | None = None, at: int = NOW) -> Outcome:
    """One exchange; what is heard so many milliseconds after it began."""
    line = line or Line(SETTINGS, PATIENCE)
    exchange = line.begin(request, at)
    for delay, data in heard:
        line.tick(at + delay * MILLISECOND)
        line.feed(data, at + delay * MILLISECOND)
    while not exchange.done:
        line.tick(exchange.deadline)
    assert exchange.outcome is not None
    return exchange.outcome


def test_an_answer() -> None:
    outcome = run((40, ANSWER))
    assert (outcome.cause, outcome.pdu.hex(), outcome.settles) == (Cause.ANSWERED, "04044366199a", True)
    assert outcome.latency == 40 * MILLISECOND - SETTINGS.wire_time(8)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_an_answer_in_pieces(size: int) -> None:
    pieces = [(40 + at, ANSWER[at : at + size]) for at in range(0, len(ANSWER), size)]
    assert run(*pieces).cause is Cause.ANSWERED


@pytest.mark.parametrize(
    "heard, cause",
    [
        (b"", Cause.SILENCE),
        (ANSWER[:-1], Cause.TRUNCATED),
        (ANSWER[:1], Cause.TRUNCATED),
        (ANSWER[:4] + bytes((ANSWER[4] ^ 1,)) + ANSWER[5:], Cause.CHECKSUM),
        (b"\x03" + ANSWER[1:], Cause.CHECKSUM),
        (rtu_frame(2, bytes.fromhex("04044366199a")), Cause.WRONG_UNIT),
        (rtu_frame(1, bytes.fromhex("8402")), Cause.EXCEPTION),
        (rtu_frame(1, bytes.fromhex("8402"))[:-1] + b"\0", Cause.CHECKSUM),
        (rtu_frame(1, bytes.fromhex("040200e6")), Cause.UNEXPECTED),
        (rtu_frame(1, bytes.fromhex("0304000100 02".replace(" ", ""))), Cause.UNEXPECTED),
        (b"\x00\xff\xfe\x80\x00\xf8", Cause.NOISE),
        (bytes(40), Cause.NOISE),
    ],
    ids=str,
)
def test_what_went_wrong_is_named(heard: bytes, cause: Cause) -> None:
    outcome = run((40, heard)) if heard else run()
    assert outcome.cause is cause
    assert outcome.pdu == (heard[1:3] if cause is Cause.EXCEPTION else b"") or cause is Cause.EXCEPTION
    assert outcome.heard == heard
    assert outcome.text
    assert outcome.text.isprintable()


def test_an_exception_says_which() -> None:
    outcome = run((40, rtu_frame(1, bytes.fromhex("8402"))))
    assert (outcome.code, outcome.pdu) == (2, b"")
    assert "illegal data address" in outcome.text


def test_a_late_answer_is_named_and_not_shown() -> None:
    outcome = run((900, ANSWER))
    assert (outcome.cause, outcome.pdu, outcome.settles) == (Cause.LATE, b"", True)
    assert "too late, after 892 ms" in outcome.text


def test_another_units_answer_before_ours_does_no_harm() -> None:
    assert run((20, rtu_frame(9, bytes.fromhex("04044366199a"))), (80, ANSWER)).cause is Cause.ANSWERED


def test_the_byte_of_a_turning_transceiver_does_no_harm() -> None:
    assert run((20, b"\0"), (40, ANSWER)).cause is Cause.ANSWERED
    assert run((40, b"\xff\0" + ANSWER + b"\0")).cause is Cause.ANSWERED


def test_an_adapter_that_hears_itself() -> None:
    sent = rtu_frame(1, REQUEST.pdu)
    line = Line(SETTINGS, PATIENCE)
    outcome = run((9, sent), (40, ANSWER), line=line)
    assert (outcome.cause, outcome.echo, line.echo) == (Cause.ANSWERED, True, True)
    outcome = run((9, sent), line=Line(SETTINGS, PATIENCE))
    assert (outcome.cause, outcome.echo) == (Cause.SILENCE, True)
    assert "nothing but our own request" in outcome.text


def test_the_echo_of_a_write_is_not_taken_for_its_answer() -> None:
    """The answer of function 6 is the request again: on a line that is known to echo, the first one does not count."""
    line = Line(SETTINGS, PATIENCE)
    run((9, rtu_frame(1, REQUEST.pdu)), (40, ANSWER), line=line)
    write = write_request(AllowedWrite(WriteIntent(1, 6, 22000, (13,)), "test"))
    frame = rtu_frame(1, write.pdu)
    assert run((9, frame), request=write, line=line, at=NOW + SECOND).cause is Cause.SILENCE
    line = Line(SETTINGS, PATIENCE)
    line.echo = True
    write = write_request(AllowedWrite(WriteIntent(1, 6, 22000, (13,)), "test"))
    assert run((9, frame), (40, frame), request=write, line=line).cause is Cause.ANSWERED


def test_a_line_that_never_gets_quiet_ends_too() -> None:
    line = Line(SETTINGS, PATIENCE)
    exchange = line.begin(REQUEST, NOW)
    random = Random(3)
    for step in range(2000):
        line.feed(random.randbytes(30), NOW + step * 20 * MILLISECOND)
        if exchange.done:
            break
    assert exchange.outcome is not None
    assert exchange.outcome.cause is Cause.CHECKSUM
    assert len(exchange.outcome.heard) <= MAX_HEARD
    assert step < 500


def test_identification() -> None:
    answer = bytes.fromhex("2b0e010100000100044163 6d65".replace(" ", ""))
    assert run((40, rtu_frame(1, answer)), request=IdentifyRequest(1)).pdu == answer
    assert run((40, rtu_frame(1, bytes.fromhex("ab01"))), request=IdentifyRequest(1)).code == 1


# ---------------------------------------------------------------------------------------------------------------- ASCII


@pytest.mark.parametrize(
    "heard, cause",
    [
        (ascii_frame(1, bytes.fromhex("03020013")), Cause.ANSWERED),
        (b"\r\n" + ascii_frame(1, bytes.fromhex("03020013")), Cause.ANSWERED),
        (ascii_frame(1, bytes.fromhex("03020013")).lower(), Cause.ANSWERED),
        (ascii_frame(2, bytes.fromhex("03020013")), Cause.WRONG_UNIT),
        (ascii_frame(1, bytes.fromhex("8302")), Cause.EXCEPTION),
        (ascii_frame(1, bytes.fromhex("03020013"))[:-6], Cause.TRUNCATED),
        (ascii_frame(1, bytes.fromhex("03020013")).replace(b"13", b"14", 1), Cause.CHECKSUM),
        (b"", Cause.SILENCE),
    ],
    ids=str,
)
def test_modbus_ascii(heard: bytes, cause: Cause) -> None:
    line = Line(line_settings(38_400, "8E1"), PATIENCE, ascii=True)
    request = ReadRequest(1, 3, 4, 1)
    pieces = [(40 + at, heard[at : at + 3]) for at in range(0, len(heard), 3)]
    assert run(*pieces, request=request, line=line).cause is cause


# ---------------------------------------------------------------------------------------------------- stale answers


def test_no_request_goes_out_whose_answer_could_be_an_old_one() -> None:
    line = Line(SETTINGS, PATIENCE)
    assert run(line=line).cause is Cause.SILENCE
    later = line.ready
    voltages, currents, more = ReadRequest(1, 4, 0, 2), ReadRequest(1, 4, 6, 2), ReadRequest(1, 4, 0, 4)
    assert not line.fits(voltages, later)
    assert not line.fits(currents, later)
    assert line.fits(ReadRequest(2, 4, 6, 2), later)
    assert line.fits(more, later)
    with pytest.raises(ValueError, match="looks the same"):
        line.begin(currents, later)
    # The device answers in order: an answer to the one that looks different settles the other.
    answer = rtu_frame(1, bytes((4, 8)) + bytes(8))
    assert run((40, answer), request=more, line=line, at=later).cause is Cause.ANSWERED
    assert line.fits(currents, line.ready)


def test_an_old_answer_is_told_as_what_it_is() -> None:
    line = Line(SETTINGS, PATIENCE)
    run(line=line)
    later = line.ready
    more = ReadRequest(1, 4, 0, 4)
    outcome = run((30, ANSWER), (70, rtu_frame(1, bytes((4, 8)) + bytes(8))), request=more, line=line, at=later)
    assert outcome.cause is Cause.ANSWERED
    assert outcome.pdu[1] == 8
    (late,) = line.late
    assert late.request == REQUEST
    assert late.after > 1000 * MILLISECOND


def test_an_exception_that_may_be_an_old_ones_settles_nothing() -> None:
    line = Line(SETTINGS, PATIENCE)
    run(line=line)
    outcome = run((30, rtu_frame(1, b"\x84\x02")), request=ReadRequest(1, 4, 0, 4), line=line, at=line.ready)
    assert (outcome.cause, outcome.settles) == (Cause.EXCEPTION, False)
    assert len(line.unsettled(line.ready)) == 2


def test_what_never_came_is_forgotten_in_the_end() -> None:
    line = Line(SETTINGS, PATIENCE)
    run(line=line)
    assert not line.fits(REQUEST, NOW + 5 * SECOND)
    assert line.fits(REQUEST, NOW + 11 * SECOND)


def test_the_silence_between_frames_is_kept() -> None:
    line = Line(SETTINGS, Patience(timeout=300 * MILLISECOND, delay=100 * MILLISECOND))
    run((40, ANSWER), line=line)
    assert line.ready == NOW + 140 * MILLISECOND
    with pytest.raises(ValueError, match="silent for another"):
        line.begin(REQUEST, NOW + 100 * MILLISECOND)
    line.feed(b"\x05", NOW + 139 * MILLISECOND)
    assert line.ready == NOW + 139 * MILLISECOND + SETTINGS.frame_gap


def test_what_was_said_before_the_request_does_not_answer_it() -> None:
    """Another master's answer to the very same request, heard while an operator thought, and handed over afterwards."""
    line = Line(SETTINGS, PATIENCE)
    exchange = line.begin(REQUEST, NOW)
    assert line.feed(ANSWER, NOW - 1) is None
    assert exchange.outcome is None
    outcome = line.feed(ANSWER, NOW + 100 * MILLISECOND)
    assert outcome is not None
    assert outcome.cause is Cause.ANSWERED
