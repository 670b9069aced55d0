"""What is spoken on a line, and how fast: by listening.

Each candidate decodes what was heard and says how much of it makes sense: frames whose check is right, lines that are
text. A wrong speed shows too: bytes that a UART makes of bits that are too long or too short are mostly 00, 80, E0, F8,
FE, FF. The caller listens at one speed after the other and compares (``best``).

Only where nobody speaks may something be asked, and only with what is in ``PROBES``: reads, one dialect at a time,
after the user said yes; never on a line that looks like a console.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from fieldkit.devices import iec62056
from fieldkit.devices.at.commands import read_command as at_command
from fieldkit.devices.at.lines import FINALS, LineSplitter
from fieldkit.devices.modbus.framing import ascii_at, rtu_frame
from fieldkit.devices.modbus.reads import ReadRequest
from fieldkit.devices.modbus.sniff import Sniffer
from fieldkit.devices.rapi.commands import read_command as rapi_command
from fieldkit.devices.rapi.frames import Framer
from fieldkit.devices.sml import SmlFramer

Dialect: TypeAlias = Literal["modbus-rtu", "modbus-ascii", "rapi", "at", "sml", "iec62056", "everest-mcu", "console"]

MOST_HEARD: Final = 16_384
"""Bytes that are judged: more make no better judgement."""
ENOUGH: Final = 0.5
"""Confidence from which on a dialect is named."""

SPEEDS: Final = (9600, 19_200, 115_200, 38_400, 57_600, 4800, 2400)
"""To listen at, the most common first."""

_WRONG_SPEED: Final = frozenset((0x00, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFC, 0xFE, 0xFF))


class Guess(NamedTuple):
    """A dialect, and how sure that is."""

    dialect: Dialect
    confidence: float
    """0 to 1."""
    why: str


class Judgement(NamedTuple):
    """What was heard at one speed."""

    speed: int
    heard: int
    guesses: tuple[Guess, ...]
    """The most likely first."""
    wrong_speed: float
    """0 to 1: how much it looks like another speed."""

    @property
    def dialect(self) -> Dialect | None:
        return self.guesses[0].dialect if self.guesses and self.guesses[0].confidence >= ENOUGH else None

    @property
    def confidence(self) -> float:
        return self.guesses[0].confidence if self.guesses else 0.0


def judge(data: bytes, speed: int = 0) -> Judgement:
    """What the bytes heard at a speed look like."""
    data = data[:MOST_HEARD]
    if not data:
        return Judgement(speed, 0, (), 0.0)
    found = [guess for judge_one in _JUDGES if (guess := judge_one(data)) is not None]
    checked = max((guess.confidence for guess in found if guess.dialect != "console"), default=0.0)
    # Text with checks that are right is what the checks say, not a console.
    found = [
        Guess(guess.dialect, guess.confidence * (1 - checked), guess.why) if guess.dialect == "console" else guess
        for guess in found
    ]
    found.sort(key=lambda guess: -guess.confidence)
    odd = sum(byte in _WRONG_SPEED for byte in data) / len(data)
    wrong = 0.0 if found and found[0].confidence >= ENOUGH else odd
    return Judgement(speed, len(data), tuple(guess for guess in found if guess.confidence > 0.02), wrong)


def best(judgements: Iterable[Judgement]) -> Judgement | None:
    """The speed at which most makes sense; None where nothing does anywhere."""
    ranked = sorted(judgements, key=lambda judgement: (-judgement.confidence, -judgement.heard))
    return ranked[0] if ranked and ranked[0].dialect is not None else None


def _share(useful: int, whole: int, frames: int, sure: int) -> float:
    """The share of bytes that make sense, less while frames are few: one that is right may be chance."""
    return useful / max(whole, 1) * min(1.0, frames / sure)


def _modbus_rtu(data: bytes) -> Guess | None:
    sniffer = Sniffer()
    sniffer.feed(data, 0)
    sniffer.finish()
    if not sniffer.frames:
        return None
    good = len(data) - sniffer.garbage
    score = _share(good, len(data), sniffer.frames, 2)
    return Guess("modbus-rtu", score, f"{sniffer.frames} frames with a right CRC, units {_some(sniffer.units)}")


def _some(units: Iterable[int]) -> str:
    shown = sorted(units)
    return ", ".join(map(str, shown[:5])) + (" …" if len(shown) > 5 else "")


def _modbus_ascii(data: bytes) -> Guess | None:
    frames = good = start = 0
    while (start := data.find(b":", start)) >= 0:
        end = data.find(b"\n", start) + 1
        if not end:
            break
        if ascii_at(data, start, end) is not None:
            frames += 1
            good += end - start
            start = end
        else:
            start += 1
    if not frames:
        return None
    return Guess("modbus-ascii", _share(good, len(data), frames, 2), f"{frames} frames with a right LRC")


def _rapi(data: bytes) -> Guess | None:
    framer = Framer()
    messages = framer.feed(data, 0)
    intact = [message for message in messages if message.intact]
    if not intact:
        return None
    good = sum(len(message.raw) + 1 for message in intact)
    return Guess("rapi", _share(good, len(data), len(intact), 2), f"{len(intact)} messages with a right checksum")


def _at(data: bytes) -> Guess | None:
    lines = LineSplitter().feed(data)
    good = sum(len(line) + 2 for line in lines if _is_at(line))
    marks = sum(line in FINALS or line.startswith(("AT+", "+C", "+Q")) for line in lines)
    if not marks:
        return None
    return Guess("at", _share(good, len(data), marks, 2), f"{marks} lines of a modem")


def _is_at(line: str) -> bool:
    return line in FINALS or line == "RDY" or line.startswith(("AT", "+C", "+Q", "RING"))


def _sml(data: bytes) -> Guess | None:
    telegrams = SmlFramer().feed(data, 0)
    intact = [telegram for telegram in telegrams if telegram.intact]
    if not intact:
        return None
    good = sum(len(telegram.data) for telegram in intact)
    # What stands before the first and behind the last whole telegram is pieces of others.
    return Guess("sml", min(1.0, 0.6 + 0.4 * good / len(data)), f"{len(intact)} telegrams with a right CRC")


def _iec62056(data: bytes) -> Guess | None:
    sets = iec62056.D0Listener().feed(bytes(byte & 0x7F for byte in data), 0)
    if not sets:
        return None
    checked = any(found.checked for found in sets)
    readable = sum(len(found.lines) for found in sets)
    score = 0.95 if checked else 0.8 if readable else 0.4
    maker = next((found.identification.maker for found in sets if found.identification is not None), "")
    return Guess("iec62056", score, f"{len(sets)} data sets of a meter ({maker}), {readable} lines")


def _everest_mcu(data: bytes) -> Guess | None:
    """COBS frames between NULs with a CRC-32 in their last four bytes (EVerest's controller boards): to listen only."""
    from zlib import crc32

    good = frames = 0
    for part in data.split(b"\0"):
        plain = _uncobs(part)
        if len(plain) > 5 and crc32(plain[:-4]) == int.from_bytes(plain[-4:], "little"):
            frames += 1
            good += len(part) + 1
    if not frames:
        return None
    return Guess("everest-mcu", _share(good, len(data), frames, 2), f"{frames} COBS frames with a right CRC")


def _uncobs(part: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(part):
        code = part[at]
        if not code or at + code > len(part):
            return b""
        out += part[at + 1 : at + code]
        at += code
        if code < 0xFF and at < len(part):
            out.append(0)
    return bytes(out)


def _console(data: bytes) -> Guess | None:
    text = sum(0x20 <= byte < 0x7F or byte in (0x09, 0x0A, 0x0D, 0x1B, 0x08) for byte in data)
    ends = data.count(b"\n") + data.count(b"\r")
    if not ends or len(data) < 16:
        return None
    # UTF-8 in a log is fine; at a wrong speed bytes above 7F do not come out as UTF-8.
    text += sum(len(character.encode()) for character in data.decode("utf-8", "ignore") if character > "\x7f")
    share = min(1.0, text / len(data))
    score = max(0.0, (share - 0.8) / 0.2) * min(1.0, len(data) / 64)
    return Guess("console", score, f"{share:.0%} text, {ends} line ends")


_JUDGES: Final = (_modbus_rtu, _modbus_ascii, _rapi, _at, _sml, _iec62056, _everest_mcu, _console)


# -------------------------------------------------------------------------------------------------------------- probes


class Probe(NamedTuple):
    """Bytes that ask without changing anything. To be sent only after the user agreed."""

    dialect: Dialect
    data: bytes
    speeds: tuple[int, ...]
    formats: tuple[str, ...]
    what: str


def probes(units: Sequence[int] = (1,)) -> tuple[Probe, ...]:
    """What may be offered. For Modbus: one register or two of each unit, in the ways in which meters and chargers
    answer; all are reads, made by encoders that cannot make anything else."""
    asked: list[Probe] = []
    for unit in units:
        for function, count in ((4, 2), (3, 2)):
            request = ReadRequest(unit, function, 0, count)
            asked.append(
                Probe(
                    "modbus-rtu",
                    rtu_frame(unit, request.pdu),
                    (9600, 19_200, 38_400, 2400, 57_600, 115_200),
                    ("8N1", "8E1", "8N2"),
                    f"Modbus: {request}; also an exception is an answer",
                )
            )
    asked.append(Probe("rapi", rapi_command("GV"), (115_200,), ("8N1",), "OpenEVSE: which version?"))
    asked.append(Probe("at", at_command("AT"), (115_200, 9600), ("8N1",), "modem: is there one?"))
    asked.append(Probe("iec62056", iec62056.sign_on(), (300,), ("7E1",), "meter's optical port: who is there?"))
    return tuple(asked)


PROBES: Final = probes()
