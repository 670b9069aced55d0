"""RAPI as real firmware speaks it, and as noise leaves it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.devices.rapi.commands import COMMANDS, ESSENTIAL, read_command
from fieldkit.devices.rapi.frames import LONGEST, Framer, encode, parse
from fieldkit.devices.rapi.session import QUIET, TIMEOUT, RapiCause, RapiListener, RapiSession

NOW = 10**18
MS = 1_000_000


def reply(body: str, sequence: int = 0) -> bytes:
    return encode(body, sequence)


# -------------------------------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize(
    "word, frame",
    [
        ("GV", b"$GV^35\r"),
        ("GS", b"$GS^30\r"),
        ("GE", b"$GE^26\r"),
        ("GC", b"$GC^20\r"),
        ("GG", b"$GG^24\r"),
        ("GU", b"$GU^36\r"),
        ("GF", b"$GF^25\r"),
        ("GP", b"$GP^33\r"),
        ("G0", b"$G0^53\r"),
    ],
)
def test_golden_commands(word: str, frame: bytes) -> None:
    assert read_command(word) == frame


@pytest.mark.parametrize(
    "word", ["FE", "FD", "FS", "FR", "SC 99 V", "SL", "S4 0", "T0", "Z0", "FF D 0", "", "G", "GV\r$FE", "gv"]
)
def test_nothing_but_reads_can_be_made(word: str) -> None:
    with pytest.raises(ValueError, match="only read"):
        read_command(word)


def test_the_read_set_is_complete() -> None:
    assert set(COMMANDS) == {
        "G0",
        "G3",
        "GH",
        "G4",
        "G5",
        "GA",
        "GM",
        "GC",
        "GD",
        "GE",
        "GF",
        "GG",
        "GI",
        "GO",
        "GP",
        "GS",
        "GT",
        "GU",
        "GV",
        "GY",
    }
    assert set(ESSENTIAL) <= set(COMMANDS)
    # The firmware's buffer has 32 bytes, its NUL included.
    assert all(len(read_command(word, 255)) <= 31 for word in COMMANDS)


@pytest.mark.parametrize(
    "raw, check",
    [
        (b"$OK^20", "xor"),
        (b"$FD*AE", "sum"),
        (b"$OK", "none"),
        (b"$OK^21", "wrong"),
        (b"$OK^2", "wrong"),
        (b"$NK^21", "xor"),
    ],
)
def test_both_checksums(raw: bytes, check: str) -> None:
    message = parse(raw)
    assert message is not None
    assert message.check == check


def test_case_of_the_check_and_blanks_do_not_matter() -> None:
    body = b"$OK  4A0B:1F"
    message = parse(encode(body[1:].decode()).rstrip(b"\r").lower().replace(b"$ok", b"$OK"))
    assert message is not None
    lf = Framer().feed(b"$OK 1 2^20\n$GV^35\r\n", 5)
    assert [message.word for message in lf] == ["GV"]  # LF alone ends nothing, $ begins anew


MIXED = reply("AB 00 8.1.1") + reply("OK D8.1.1 5.2.0", 7) + reply("AT 03 03 16 0140") + b"\n" + reply("NK")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10**6])
def test_pieces_of_any_size(size: int) -> None:
    framer = Framer()
    found = [message for at in range(0, len(MIXED), size) for message in framer.feed(MIXED[at : at + size], 0)]
    assert [(m.word, m.sequence, m.intact) for m in found] == [
        ("AB", 0, True),
        ("OK", 7, True),
        ("AT", 0, True),
        ("NK", 0, True),
    ]
    assert framer.garbage == 0


def test_corruption_costs_only_what_is_corrupted() -> None:
    random, framer = Random(4), Framer()
    good = wrong = 0
    for number in range(3000):
        data = bytearray(reply(f"OK {number}", number % 255 + 1))
        if random.random() < 0.3:
            data[random.randrange(len(data))] = random.randrange(256)
        for message in framer.feed(bytes(data), 0):
            if message.intact:
                good += 1
                wrong += message.parameters != (str(number),) or message.sequence != number % 255 + 1
    assert good > 2000
    assert wrong == 0


@given(st.binary(max_size=400))
def test_noise(data: bytes) -> None:
    framer = Framer()
    for message in framer.feed(data, 0):
        assert len(message.raw) <= LONGEST
        assert message.word
    assert framer.garbage <= len(data)


# ------------------------------------------------------------------------------------------------------------- session


class Firmware:
    """Answers as the firmware does; None for a command that it lets pass in silence."""

    def __init__(self, answers: dict[str, str | None], *, sequences: bool = True) -> None:
        self.answers = answers
        self.sequences = sequences

    def hear(self, data: bytes) -> bytes:
        message = parse(data.rstrip(b"\r"))
        assert message is not None
        assert message.intact
        answer = self.answers.get(message.word, "NK")
        return b"" if answer is None else encode(answer, message.sequence if self.sequences else 0)


ANSWERS: dict[str, str | None] = {
    "GV": "OK D8.1.1 5.2.0",
    "GS": "OK 07 0 00 0200",
    "GE": "OK 16 000A",
    "GG": "OK 15980 231000",
    "GU": "OK 3600000 123456",
    "GP": "OK 251 -2560 -2560",
    "GC": "OK 6 32 16 32",
    "GF": "OK 1 A FF",
    "G0": "OK 1",
    "GI": "OK  4A0B1F",
    "GY": "OK 30 10 2",
}


def run(session: RapiSession, firmware: Firmware) -> None:
    now = NOW
    while not session.done:
        data = session.poll(now)
        if data:
            now += 2 * MS
            session.feed(firmware.hear(data), now)
        else:
            now = max(now + 1, session.deadline)


@pytest.mark.parametrize("sequences", [True, False])
def test_what_a_controller_says(sequences: bool) -> None:
    session = RapiSession((*ESSENTIAL, "GI", "GY", "G3"), "p")
    run(session, Firmware(ANSWERS, sequences=sequences))
    values = {event.name: event.value for event in session.readings}
    assert values["firmware"] == "D8.1.1"
    assert (values["evse_state"], values["vflags"], values["session_seconds"]) == ("F", "session ended", 0.0)
    assert values["flags"] == "DIODE CHECK OFF, GROUND CHECK OFF"
    assert (values["current"], values["voltage"]) == (15.98, 231.0)
    assert (values["energy_session"], values["energy_total"]) == (1000.0, 123456.0)
    assert (values["temperature_ds3231"], values["temperature_mcp9808"]) == (25.1, None)
    assert (values["gfi_trips"], values["no_ground_trips"], values["stuck_relay_trips"]) == (1.0, 10.0, 255.0)
    assert (values["connected"], values["mcu_id"], values["heartbeat"]) == ("yes", "4A0B1F", "missed")
    causes = {outcome.word: outcome.cause for outcome in session.outcomes}
    assert causes.pop("G3") is RapiCause.REFUSED
    assert set(causes.values()) == {RapiCause.ANSWERED}
    grave = {value.name for outcome in session.outcomes for value in outcome.values if value.grave}
    assert grave == {"evse_state", "flags", "heartbeat"}


def test_old_firmware_with_fewer_fields() -> None:
    session = RapiSession(("GS", "GC"))
    run(session, Firmware({"GS": "OK 3 120", "GC": "OK 6 32"}))
    assert [(event.name, event.value) for event in session.readings] == [
        ("evse_state", "C"),
        ("session_seconds", 120.0),
        ("current_minimum", 6.0),
        ("current_hardware_maximum", 32.0),
    ]


def test_notifications_between_question_and_answer() -> None:
    session = RapiSession(("GG",))
    command = session.poll(NOW)
    assert command
    session.feed(reply("AT 03 03 16 0140") + reply("OK 100 230000", 1), NOW + MS)
    assert [(event.name, event.value) for event in session.readings][:2] == [("evse_state", "C"), ("pilot_state", "C")]
    assert session.outcomes[0].cause is RapiCause.ANSWERED


def test_a_late_answer_is_not_the_next_ones() -> None:
    session = RapiSession(("GG", "GU"))
    assert session.poll(NOW)
    assert session.poll(NOW + TIMEOUT) == b""
    assert session.outcomes[0].cause is RapiCause.SILENCE
    later = session.deadline
    assert session.poll(later) == read_command("GU", 2)
    session.feed(reply("OK 111 222", 1), later + MS)
    session.feed(reply("OK 3600 5", 2), later + 2 * MS)
    assert [event.value for event in session.readings] == [1.0, 5.0]
    assert session.stale == 1


def test_what_went_wrong_is_named() -> None:
    for heard, cause in (
        (b"", RapiCause.SILENCE),
        (reply("OK 1", 1).replace(b"1 ", b"2 "), RapiCause.CHECKSUM),
        (read_command("G0", 1), RapiCause.ECHO),
        (reply("NK"), RapiCause.REFUSED),
        (b"\xf8\x00\x7e\x81\x00", RapiCause.UNREADABLE),
        (reply("OK 1", 1)[:-4], RapiCause.UNREADABLE),
        (b"\x00", RapiCause.SILENCE),
    ):
        session = RapiSession(("G0",))
        session.poll(NOW)
        session.feed(heard, NOW + MS)
        session.poll(NOW + TIMEOUT)
        assert session.outcomes[0].cause is cause, heard
        assert not session.readings
    assert QUIET > 0


def test_listening_to_a_wifi_module_and_its_controller() -> None:
    listener = RapiListener("p")
    data = read_command("GG", 9) + reply("OK 16000 230000", 9) + b"$SC 16^XX\r" + encode("SC 16") + reply("OK 16")
    found = listener.feed(data, NOW)
    assert [(event.name, event.value) for event in found] == [("current", 16.0), ("voltage", 230.0)]
    assert listener.damaged == 1


def test_an_overheard_answer_counts_only_where_its_command_is_certain() -> None:
    """The ammeter's answer came after the partner had given up and asked for the energy."""
    listener = RapiListener("p")

    def said(at: int, *bodies: str) -> list[str]:
        data = b"".join(encode(body) for body in bodies)
        return [reading.name for reading in listener.feed(data, NOW + at * MS)]

    assert said(0, "GG", "OK 16000 230000") == ["current", "voltage"]
    assert said(100, "GG", "GU") == []
    assert said(700, "OK 16000 230000") == []  # 4.4 Wh and 230 kWh, by its place
    assert said(701, "OK 3600 1000") == ["energy_session", "energy_total"]
    # Numbers tell it, also where one was lost.
    assert said(5000, "GG :05", "GU :06", "OK 3600 1000 :06") == ["energy_session", "energy_total"]
    assert said(5100, "GG :07", "OK 16000 230000 :06") == []
    assert said(5101, "OK 16000 230000 :07") == ["current", "voltage"]
    # What writes is answered too.
    assert said(9000, "SC 10", "GG", "OK 16000 230000") == []
