"""What nobody should read over a technician's shoulder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fieldkit.cli.seriallisten import TextLog
from fieldkit.cli.serialrows import as_json_line
from fieldkit.devices.modbus.timing import line_settings
from fieldkit.sources.serial.decoding import Decoder
from fieldkit.sources.serial.discreet import discreet
from fieldkit.sources.serial.recording import Chunk

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    "line, shown",
    [
        ('  psk="correct horse battery"', '  psk="(hidden)"'),
        ("[WIFI] password=hunter2 ssid=depot", "[WIFI] password=(hidden) ssid=depot"),
        ("connecting to wss://CP_1:s3cret@csms.example/ocpp/CP_1", "connecting to wss://CP_1:(hidden)@csms.example/"),
        ("Authorization: Basic Q1BfMTpzM2NyZXQ=", "Authorization: Basic (hidden)"),
        ('AT+CPIN="1234"', "AT+CPIN=(hidden)"),
        ('AT+CLCK="SC",0,"1234"', "AT+CLCK=(hidden)"),
        ('+CGAUTH: 1,1,"user","word"', "+CGAUTH: 1,1,(hidden)"),
        ("+QCCID: 8949020000123456789F", "+QCCID: 89…9F"),
        ("262011234567890", "26…90"),
        ("card read, idTag 04A1B2C3D4 accepted", "card read, idTag 04…D4 accepted"),
    ],
)
def test_secrets_and_identities_are_not_shown(line: str, shown: str) -> None:
    assert discreet(line).startswith(shown)


@pytest.mark.parametrize(
    "line",
    [
        "Password: ",
        "Hit any key to stop autoboot:  3 ",
        "+CPIN: SIM PIN",
        "AT+CPIN?",
        "E (95809) esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700",
        "[    1.234567] usb 1-1.2: new high-speed USB device number 5 using xhci_hcd",
        "+CGPADDR: 1,10.101.202.103",
        "CP state changed: B -> C",
    ],
)
def test_what_is_no_secret_stays_as_it_is(line: str) -> None:
    assert discreet(line) == line


def test_neither_screen_nor_text_log_nor_json_has_them(tmp_path: Path) -> None:
    said = (
        b'[MO] ERROR (WiFi.cpp:7): no access, password=hunter2hunter2\r\nwpa psk="hunter2hunter2"\r\npsk=hunter2hunter2'
    )
    decoder = Decoder(line_settings(115_200), "ttyUSB0", view="text")
    rows = decoder.feed(Chunk(SECOND, said)) + decoder.feed(Chunk(SECOND + 1, b"psk=hunter2hunter2\r", sent=True))
    shown = [decoder.partial, *(as_json_line("ttyUSB0", row) for row in rows + decoder.finish())]
    log = TextLog(tmp_path / "x.serial.jsonl", utc=True)
    log.add("ttyUSB0", rows)
    log.close()
    text = (tmp_path / "x.log").read_text()
    assert "hunter2" not in "".join(shown) + text
    assert {row.kind for row in rows} == {"in", "out", "event"}
    assert text.count("(hidden)") == 4
    assert stat.S_IMODE((tmp_path / "x.log").stat().st_mode) == 0o600
