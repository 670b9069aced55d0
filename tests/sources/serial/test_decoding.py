"""Rows out of bytes and their times, and the same rows again."""

from __future__ import annotations

from random import Random

from fieldkit import profilestore
from fieldkit.devices.checksums import xor8
from fieldkit.devices.modbus.framing import rtu_frame
from fieldkit.devices.modbus.timing import line_settings
from fieldkit.sources.serial.decoding import Decoder, Row
from fieldkit.sources.serial.device import parse_device
from fieldkit.sources.serial.overhearing import Expected
from fieldkit.sources.serial.recording import Chunk, Item, Notice

MS = 1_000_000
START = 1_700_000_000_000_000_000


def _rows(items: list[Item], decoder: Decoder, ticks: Random | None = None) -> list[Row]:
    """As live, with looks at the clock in between wherever they may fall."""
    rows: list[Row] = []
    for item, following in zip(items, [*items[1:], None], strict=True):
        rows += decoder.feed(item)
        while ticks is not None and following is not None and ticks.random() < 0.7:
            rows += decoder.tick(ticks.randrange(item.time, following.time + 1))
    return rows + decoder.finish()


def _bus(count: int = 3) -> list[Item]:
    """A master and a meter of somebody else."""
    items: list[Item] = []
    time = START
    for _ in range(count):
        for data in (rtu_frame(1, bytes.fromhex("04 0000 0002")), rtu_frame(1, bytes.fromhex("04 04 4366199a"))):
            time += 40 * MS
            items.append(Chunk(time, data))
        time += 500 * MS
    return items


def test_hex_is_grouped_by_silence_and_explained() -> None:
    rows = _rows(_bus(), Decoder(line_settings(9600), "p"))
    assert [row.kind for row in rows][:4] == ["hex", "hex", "decode", "hex"]
    assert rows[0].text == "01 04 00 00 00 02 71 cb"
    assert rows[1].text.startswith("01 04 04 43 66 19 9a")
    assert rows[2].text == "unit 1: read input registers 0 (0x0000), 2: 4366 199a, 40 ms"


def test_somebody_elses_answers_are_read_with_a_profile() -> None:
    decoder = Decoder(line_settings(9600), "p", expected=Expected("modbus", profilestore.find("sdm630")))
    rows = [row for row in _rows(_bus(), decoder) if row.kind == "reading"]
    assert len(rows) == 3
    assert rows[0].text.startswith("sdm630/1 voltage_l1 = 230.1")


def test_a_profile_is_about_the_unit_that_was_named() -> None:
    """Two meters of different make on one bus: the map of one would show nonsense for the other."""
    for unit, values in ((0, 3), (1, 3), (2, 0)):
        decoder = Decoder(line_settings(9600), "p", expected=Expected("modbus", profilestore.find("sdm630"), unit))
        assert sum(row.kind == "reading" for row in _rows(_bus(), decoder)) == values, unit
    assert parse_device("modbus:sdm630", profilestore.find).expected.unit == 0
    assert parse_device("modbus:sdm630@2", profilestore.find).expected.unit == 2


def test_no_value_is_shown_of_an_answer_that_may_be_an_old_one() -> None:
    asked = [rtu_frame(1, bytes.fromhex("04 0006 0002")), rtu_frame(1, bytes.fromhex("04 0000 0002"))]
    late = rtu_frame(1, bytes.fromhex("04 04 41800000"))  # 16 A, not 16 V
    items: list[Item] = [Chunk(START, asked[0]), Chunk(START + 400 * MS, asked[1]), Chunk(START + 600 * MS, late)]
    decoder = Decoder(line_settings(9600), "p", expected=Expected("modbus", profilestore.find("sdm630")))
    rows = _rows(items, decoder)
    assert not [row for row in rows if row.kind == "reading"]
    assert any("or the late answer to an earlier request" in row.text for row in rows)


def test_a_frame_torn_by_an_adapter_is_one_group() -> None:
    frame = rtu_frame(1, bytes.fromhex("04 0000 0002"))
    items: list[Item] = [Chunk(START, frame[:3]), Chunk(START + 16 * MS, frame[3:]), Chunk(START + 300 * MS, b"\x99")]
    rows = _rows(items, Decoder(line_settings(9600), view="hex"))
    assert [row.text for row in rows if row.kind == "hex"] == [frame.hex(" "), "99"]


def test_a_console_is_text_with_what_it_means() -> None:
    text = "\r\nU-Boot 2021.01 (x)\r\nReset cause: WDOG\r\nüber \x1b[31mred\x1b[0m\x1b[6n\r\nHit any key to stop autoboot:  3"
    items: list[Item] = [Chunk(START, text.encode()), Chunk(START + 1000 * MS, b"\x08 2 ")]
    rows = _rows(items, Decoder(line_settings(115_200)))
    assert [(row.kind, row.text, row.grave) for row in rows if row.kind != "notice"] == [
        ("in", "U-Boot 2021.01 (x)", False),
        ("event", "boot.loader: version 2021.01", False),
        ("in", "Reset cause: WDOG", False),
        ("event", "reset.watchdog: cause WDOG", True),
        ("in", "über red", False),
        ("prompt", "Hit any key to stop autoboot:  3", False),
        ("event", "boot.countdown: seconds 3", False),
        ("prompt", "Hit any key to stop autoboot:   2 ", False),
        ("event", "boot.countdown: seconds 2", False),
    ]


def test_rapi_on_the_way_by() -> None:
    def framed(text: bytes) -> bytes:
        return text + b"^%02X\r" % xor8(text)

    items: list[Item] = [
        Chunk(START, framed(b"$GG"), True),
        Chunk(START + MS, framed(b"$OK 16000 230100")),
        Chunk(START + 900 * MS, framed(b"$AT 03 03 16 0140")),
    ]
    decoder = Decoder(line_settings(115_200), "p", expected=Expected("rapi"))
    rows = _rows(items, decoder)
    assert any(row.text == "openevse voltage = 230.1 V" for row in rows)
    assert rows[0].kind == "out"
    assert decoder.dialect == "rapi"


def test_a_wrong_speed_is_said_once() -> None:
    random = Random(1)
    items: list[Item] = [
        Chunk(START + n * 100 * MS, bytes(random.choices((0, 0x80, 0xF8, 0xFE), k=64))) for n in range(12)
    ]
    rows = [row for row in _rows(items, Decoder(line_settings(9600))) if row.kind == "event"]
    assert [row.text.split(":")[0] for row in rows] == ["speed.wrong"]
    assert rows[0].grave


def test_the_same_rows_whenever_somebody_looked() -> None:
    """Live, rows come out when somebody looks; in a replay nobody does. They are the same."""
    random = Random(3)
    for round_ in range(60):
        time = START
        items: list[Item] = []
        for _ in range(40):
            time += random.choice((1, 5, 30, 299, 301, 2000)) * MS
            kind = random.randrange(6)
            if kind == 0:
                items.append(Notice(time, random.choice(("lost", "back", "mark", "blocked")), "x"))
            elif kind == 1:
                items.append(Chunk(time, random.choice((b"ls\r", b"x", b"\x00\xff\x01")), True))
            elif kind == 2:
                items.append(Chunk(time, random.randbytes(random.randrange(1, 300))))
            elif kind == 3:
                items.append(Chunk(time, b"", True, 5))
            else:
                items.append(
                    Chunk(time, random.choice((b"login: ", b"hello\r\nworld", b"\r\n", b"=> ", "ü".encode()[:1])))
                )
        quiet = _rows(items, Decoder(line_settings(115_200), "p"))
        assert _rows(items, Decoder(line_settings(115_200), "p"), Random(round_)) == quiet


def test_a_change_of_speed_begins_anew() -> None:
    items: list[Item] = [
        Notice(START, "scan", "9600 8N1"),
        Chunk(START + MS, b"\xff\xfe\x00garbage"),
        Notice(START + 2 * MS, "settings", "115200 8N1"),
        Chunk(START + 3 * MS, b"hello\r\n"),
    ]
    decoder = Decoder(line_settings(9600))
    rows = _rows(items, decoder)
    assert [row.text for row in rows if row.kind in ("in", "hex")] == ["hello"]
    assert decoder.settings == line_settings(115_200)
