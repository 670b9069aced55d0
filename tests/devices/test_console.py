"""Consoles: lines whatever the bytes look like, nothing ever answered, and what the lines mean."""

from __future__ import annotations

import re
import time as clock
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.devices.console.lines import LONGEST, ConsoleReader
from fieldkit.devices.console.patterns import PATTERNS, Pattern
from fieldkit.devices.console.recognise import COUNTDOWN, Recogniser
from fieldkit.events import ConsoleLine, ConsoleSighting

NOW = 10**18


def lines(data: bytes, size: int = 10**9) -> list[str]:
    reader = ConsoleReader("p")
    found = [line for at in range(0, len(data), size) for line in reader.feed(data[at : at + size], NOW)]
    return [line.text for line in found + reader.finish()]


def sightings(*texts: str) -> list[ConsoleSighting]:
    recogniser = Recogniser()
    return [
        found
        for number, text in enumerate(texts, 1)
        for found in recogniser.feed(ConsoleLine(NOW, (number,), "p", text, True))
    ]


# --------------------------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"a\nb\r\nc\rd\r\r\ne", ["a", "b", "c", "d", "e"]),
        (b"\r\n\r\n\na\n", ["a"]),
        ("🌀 grün\n".encode(), ["🌀 grün"]),
        (b"bad \xff\xc3 utf\n", ["bad �� utf"]),
        (b"\x1b[1;32mgreen\x1b[0m \x1b]0;title\x07x\x1b(B\x1b=y\n", ["green xy"]),
        (b"\x1bP1;2|data\x1b\\z\n", ["z"]),
        (b"Hit any key to stop autoboot:  3 \x08\x08\x08 2 \x08\x08\x08 1 \n", ["Hit any key to stop autoboot:  1 "]),
        (b"abc\x08\x08\x08\x08\x08d\n", ["d"]),
        (b"\xc3\nx\n", ["�", "x"]),
        (b"tab\there\x00\x07\n", ["tab\there"]),
        (b"\x1b]8;;no end\nnext\n", ["next"]),
    ],
)
def test_what_is_printed_becomes_lines(data: bytes, expected: list[str]) -> None:
    assert lines(data) == expected
    assert lines(data, 1) == expected


@given(st.binary(max_size=400), st.integers(1, 9))
@settings(max_examples=150)
def test_pieces_make_no_difference(data: bytes, size: int) -> None:
    assert lines(data) == lines(data, size)


@given(st.binary(max_size=400))
def test_nothing_that_a_terminal_would_obey_is_left(data: bytes) -> None:
    for text in lines(data):
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text)
        assert len(text) <= LONGEST


def test_queries_are_counted_and_not_answered() -> None:
    reader = ConsoleReader()
    reader.feed(b"\x1b[6n\x1b[c\x05\x1b[>0c\x1b[?6n\x1b[18tplain\n", NOW)
    assert reader.queries == 6
    assert not [name for name in dir(reader) if "send" in name or "write" in name.replace("_write", "")]


def test_a_line_that_is_too_long_comes_in_pieces() -> None:
    reader = ConsoleReader()
    found = reader.feed(b"x" * (2 * LONGEST + 5) + b"\n", NOW)
    assert [(len(line.text), line.complete) for line in found] == [(LONGEST, False), (LONGEST, False), (5, True)]


def test_times_are_of_the_first_byte() -> None:
    reader = ConsoleReader("p")
    reader.feed(b"be", NOW)
    (line,) = reader.feed(b"gun\nnext", NOW + 5)
    assert (line.time, line.frames, line.port) == (NOW, (1,), "p")
    (line,) = reader.feed(b"\n", NOW + 9)
    assert (line.time, line.frames) == (NOW + 5, (2,))


def test_a_prompt_without_end_is_told_once() -> None:
    reader = ConsoleReader()
    assert reader.feed(b"\r\ncharger login: ", NOW) == []
    (prompt,) = reader.flush(NOW + 1)
    assert (prompt.text, prompt.complete) == ("charger login: ", False)
    assert reader.flush(NOW + 2) == []
    (line,) = reader.feed(b"root\r\n", NOW + 3)
    assert (line.text, line.frames) == ("charger login: root", prompt.frames)


def test_a_flood_is_read_in_linear_time() -> None:
    data = b"\x1b[31m" + b"I (123) wifi: \xc3\xa4 state\r\n" * 20_000
    began = clock.perf_counter()
    assert len(lines(data)) == 20_000
    assert clock.perf_counter() - began < 2.0


# ------------------------------------------------------------------------------------------------------------- meanings


@pytest.mark.parametrize("row", PATTERNS, ids=lambda row: f"{row.kind} {row.needle}")
def test_the_example_of_each_row_is_recognised(row: Pattern) -> None:
    assert row.needle in row.example
    found = sightings(row.example)
    assert row.kind in [sighting.kind for sighting in found], found
    assert next(sighting for sighting in found if sighting.kind == row.kind).grave == row.grave
    assert re.fullmatch(r"[a-z]+\.[a-z-]+", row.kind)


@pytest.mark.parametrize(
    "line, kind, values",
    [
        ("Reset cause: WDOG", "reset.watchdog", {"cause": "WDOG"}),
        ("CP state changed: B -> C", "pilot.change", {"from": "B", "to": "C"}),
        ("EVSE IEC Set PWM On (26.6667%)", "pilot.pwm", {"duty": "26.6667"}),
        (
            "EVSE IEC Charger state: Wait for Auth->PrepareCharging",
            "charger.state",
            {"from": "Wait for Auth", "to": "PrepareCharging"},
        ),
        (
            "rst:0xf (RTCWDT_BROWN_OUT_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
            "reset.brownout",
            {"code": "f", "cause": "RTCWDT_BROWN_OUT_RESET"},
        ),
        ("rst:0x1 (POWERON_RESET),boot:0x13", "reset.cause", {"code": "1", "cause": "POWERON_RESET"}),
        ("Hit any key to stop autoboot:  3 ", "boot.countdown", {"seconds": "3"}),
        ("[FAILED] Failed to start OCPP client.", "service.failed", {"service": "OCPP client"}),
        (
            "E (95809) esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700",
            "tls.error",
            {"code": "-0x2700", "cause": "certificate not trusted, expired or not yet valid (check the clock)"},
        ),
        (
            "SSL error: certificate verify failed: certificate has expired (_ssl.c:1006)",
            "tls.error",
            {"cause": "certificate has expired"},
        ),
        (
            "E (95814) transport_base: Failed to open a new connection",
            "esp.error",
            {"uptime_ms": "95814", "tag": "transport_base", "message": "Failed to open a new connection"},
        ),
    ],
)
def test_what_lines_say(line: str, kind: str, values: dict[str, str]) -> None:
    (found,) = sightings(line)
    assert (found.kind, dict(found.values)) == (kind, values)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "I (123) wifi: connected",
        "=> is an arrow",
        "the last login: monday",
        "[  OK  ] Started OCPP client.",
        "Event loop started",
        "autobooting soon is not this",
        "websocket connected",
    ],
)
def test_what_means_nothing(line: str) -> None:
    assert sightings(line) == []


def test_an_everest_line_through_the_reader() -> None:
    """With the colours of its logging format."""
    data = b"2026-01-07T10:00:00.000 [INFO] \x1b[1;32myeti_driver\x1b[0m \x1b[1;36mvoid run()\x1b[0m \x1b[1;30mx.cpp:\x1b[0m\x1b[1;32m12\x1b[0m: CP state changed: C -> E\r\n"
    (text,) = lines(data)
    (found,) = sightings(text)
    assert dict(found.values) == {"from": "C", "to": "E"}


def test_a_boot_blocks_sending_until_it_is_over() -> None:
    recogniser = Recogniser()

    def say(text: str, at: int) -> None:
        recogniser.feed(ConsoleLine(at, (1,), "p", text, True))

    say("U-Boot SPL 2021.01", NOW)
    assert recogniser.blocked(NOW + 1)
    say("Hit any key to stop autoboot:  3 ", NOW + 5)
    assert recogniser.blocked(NOW + COUNTDOWN)
    assert not recogniser.blocked(NOW + 5 + COUNTDOWN)
    say("[    0.000000] Linux version 5.10.168 (oe)", NOW + 10)
    assert not recogniser.blocked(NOW + 11)
    say("=> ", NOW + 20)
    assert recogniser.at_loader
    say("root@charger:~# ", NOW + 30)
    assert (recogniser.at_loader, recogniser.shell) == (False, True)


@given(st.text(max_size=LONGEST))
def test_no_line_breaks_the_recogniser(text: str) -> None:
    sightings(text)


def test_hostile_lines_take_no_time() -> None:
    began = clock.perf_counter()
    for row in PATTERNS:
        for filling in ("a" * 900, "-> " * 300, "(" * 900, " " * 900, ":" * 900, ":: " * 300, "[ERRO] " * 120):
            sightings((row.needle + filling)[:LONGEST])
            sightings((filling + row.needle)[:LONGEST])
    assert clock.perf_counter() - began < 5.0


def test_the_kinds_are_a_manageable_number() -> None:
    assert 30 <= len(Counter(row.kind for row in PATTERNS)) <= 60
