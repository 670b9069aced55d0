"""Alerts that TLS 1.3 encrypts, told by their length; and what is none."""

from __future__ import annotations

import pytest

from fieldkit.events import TlsAlert
from fieldkit.wire.tlshidden import EMPTY_HANDED, HIDDEN_ALERT, HIDDEN_NAME, is_alert
from fieldkit.wire.tlskeys import KeyLog
from tests.traffic.tlstalk import contexts, listen, talk


def alerts(flights: list[tuple[bool, bytes]]) -> list[TlsAlert]:
    return listen(flights, KeyLog(expecting=True)).of(TlsAlert)


@pytest.mark.parametrize(
    ("length", "suite", "expected"),
    [
        (19, 0x1301, True),
        (19, 0x1302, True),
        (11, 0x1305, True),
        (19, 0x1305, False),
        (20, 0x1301, False),
        (0, 0x1301, False),
    ],
)
def test_the_length(length: int, suite: int, expected: bool) -> None:
    assert is_alert(bytes(length), suite) is expected


def test_a_client_without_a_certificate() -> None:
    flights = talk((contexts("1.3")[0], contexts("1.3", mutual=True)[1])).flights
    (alert,) = alerts(flights)
    assert (alert.from_client, alert.description, alert.name, alert.fatal) == (False, HIDDEN_ALERT, EMPTY_HANDED, True)


def test_a_client_that_refuses() -> None:
    records = talk(contexts("1.3")).records
    first = next(number for number, (from_client, data) in enumerate(records) if from_client and data[0] == 23)
    (alert,) = alerts([*records[:first], (True, b"\x17\x03\x03\x00\x13" + bytes(19))])
    assert (alert.from_client, alert.description, alert.name) == (True, HIDDEN_ALERT, HIDDEN_NAME)


def test_conversations_that_go_well_hold_none() -> None:
    for mutual in (False, True):
        assert alerts(talk(contexts("1.3", mutual=mutual)).flights) == []
        assert alerts(talk(contexts("1.3", mutual=mutual), []).flights) == [], "close_notify right behind the handshake"
