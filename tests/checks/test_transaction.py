"""Ids, starts and stops that are missing, repeated, or contradict."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.charging_talk import ACCEPTED, TOKEN, Talk16

FAMILY = "transaction."


def test_a_session_without_fault() -> None:
    talk = Talk16()
    for status in ("Available", "Preparing"):
        talk.status(status)
    talk.start()
    talk.status("Charging")
    talk.wait(600)
    talk.meter(3000)
    talk.stop(reason="Local")
    talk.status("Finishing")
    talk.status("Available")
    talk.wait(600)
    talk.heartbeat()
    assert talk.found(family=FAMILY) == []


# ------------------------------------------------------------------------------------------------------------------ ids


@pytest.mark.parametrize(("id_", "status", "expected"), [(0, "Accepted", 1), (-1, "Accepted", 1), (1, "Accepted", 0)])
def test_ids_that_stations_may_not_take(id_: int, status: str, expected: int) -> None:
    talk = Talk16()
    talk.start(id_, status)
    assert talk.found(family=FAMILY).count("transaction.odd-id") == expected


def test_an_id_of_0_for_a_refused_card_is_as_good_as_any() -> None:
    talk = Talk16()
    talk.start(0, "Invalid")
    assert "transaction.odd-id" not in talk.found()


def test_an_id_given_twice() -> None:
    talk = Talk16()
    talk.start(7)
    talk.wait(60)
    talk.stop(7, reason="Local")
    talk.wait(60)
    talk.start(7)
    assert talk.the("transaction.id-given-twice").owner == "csms"


@pytest.mark.parametrize("sent", [0, -1, 99])
def test_meter_values_with_another_id(sent: int) -> None:
    talk = Talk16()
    talk.start()
    talk.wait(60)
    talk.meter(1500, sent)
    finding = talk.the("transaction.wrong-id")
    assert f"id {sent}, while" in finding.explanation()
    assert "has the id 4711" in finding.explanation()


def test_queued_meter_values_of_a_transaction_before() -> None:
    talk = Talk16()
    talk.start()
    talk.meter(900, 99, ago=3600)
    assert talk.found(family=FAMILY) == []


def test_meter_values_with_0_while_nothing_runs() -> None:
    talk = Talk16()
    talk.meter(900, 0)
    talk.start(answered=False)
    talk.meter(900, 0)
    assert talk.found(family=FAMILY) == []


def test_a_stop_with_a_placeholder() -> None:
    talk = Talk16()
    talk.start()
    talk.wait(60)
    talk.stop(-1, reason="Local")
    assert talk.found(family=FAMILY) == ["transaction.wrong-id"]


def test_a_stop_of_another_transaction_whose_start_may_be_in_a_hole() -> None:
    talk = Talk16()
    talk.start()
    talk.wait(60)
    talk.stop(99, idTag=TOKEN, reason="Local")
    assert talk.found(family=FAMILY) == ["transaction.wrong-id"]
    talk = Talk16()
    talk.start()
    talk.wait(60)
    talk.session.say("station", '[2,"x","StopTransaction",{"transactionId":')
    talk.stop(99, idTag=TOKEN, reason="Local")
    assert talk.found(family=FAMILY) == []


# ------------------------------------------------------------------------------------------------------- missing halves


@pytest.mark.parametrize("sent", [0, -1])
def test_a_stop_that_never_had_a_start(sent: int) -> None:
    talk = Talk16()
    talk.stop(sent)
    assert talk.found(family=FAMILY) == ["transaction.stop-without-start"]


def test_a_stop_of_what_began_before_the_capture() -> None:
    talk = Talk16()
    talk.status("Charging")
    talk.wait(600)
    talk.stop(reason="Local")
    assert talk.found(family=FAMILY) == []


def seen_to_begin(**stop: Any) -> list[str]:
    talk = Talk16()
    talk.status("Available")
    talk.wait(60)
    talk.status("Charging")
    talk.wait(60)
    talk.stop(**stop)
    return talk.found(family=FAMILY)


def test_a_stop_of_what_was_seen_to_begin_without_a_start() -> None:
    assert seen_to_begin(reason="Local") == ["transaction.stop-without-start"]


def test_a_stop_from_before_that_or_after_a_power_loss() -> None:
    assert seen_to_begin(reason="Local", ago=3600) == []
    assert "transaction.stop-without-start" not in seen_to_begin(reason="PowerLoss")


def charging(after: float, *, first: str = "Available", start: bool = False) -> list[str]:
    talk = Talk16()
    talk.status(first)
    talk.status("Charging")
    if start:
        talk.wait(50)
        talk.start()
    talk.wait(after)
    talk.heartbeat()
    return talk.found(family=FAMILY)


def test_charging_without_a_start() -> None:
    assert charging(300) == ["transaction.charging-without-start"]


def test_a_start_that_comes_a_little_late_or_may_have_been_before_the_capture() -> None:
    assert charging(60) == []
    assert charging(300, start=True) == []
    assert charging(300, first="Charging") == []


# ------------------------------------------------------------------------------------------------------------- repeated


def test_a_stop_sent_again_with_the_same_content() -> None:
    talk = Talk16()
    talk.start()
    talk.wait(60)
    stop = talk.stop(reason="Local", answered=False)
    talk.again("StopTransaction", stop, ACCEPTED)
    assert talk.the("transaction.stop-again").severity == "info"
    assert talk.found(family=FAMILY) == ["transaction.stop-again"]


def test_a_stop_sent_again_with_other_content() -> None:
    talk = Talk16()
    talk.start()
    talk.wait(60)
    talk.stop(reason="Local")
    talk.stop(register=9000, reason="Local")
    finding = talk.the("transaction.stop-contradicts")
    assert "meterStop 9000 Wh instead of 5200 Wh" in finding.explanation()


def test_a_start_sent_again() -> None:
    talk = Talk16()
    start = talk.start(answered=False)
    talk.wait(30)
    talk.again("StartTransaction", start, {"transactionId": 4711, **ACCEPTED})
    assert talk.found(family=FAMILY) == ["transaction.start-again"]


def test_a_start_sent_again_that_is_counted_twice() -> None:
    talk = Talk16()
    start = talk.start()
    talk.again("StartTransaction", start, {"transactionId": 4712, **ACCEPTED})
    assert talk.found(family=FAMILY) == ["transaction.start-again", "transaction.start-counted-twice"]
    assert "4711, then 4712" in talk.the("transaction.start-counted-twice").explanation()


# ---------------------------------------------------------------------------------------------------------- never ended


def test_a_start_while_another_runs() -> None:
    talk = Talk16()
    talk.start()
    talk.wait(60)
    talk.start(4712)
    finding = talk.the("transaction.start-while-running")
    assert "where transaction 4711 had begun" in finding.explanation()


def test_a_start_at_another_connector_or_after_the_stop() -> None:
    talk = Talk16()
    talk.start()
    talk.start(4712, connectorId=2)
    talk.wait(60)
    talk.stop(reason="Local")
    talk.start(4713)
    assert talk.found(family=FAMILY) == []


def test_a_start_after_a_reconnect_may_have_had_its_stop_elsewhere() -> None:
    first, second = Talk16(), Talk16(start=3600, port=50_000)
    first.start()
    first.session.close()
    second.start(4712)
    assert first.found(second, family=FAMILY) == []


def freed(after: float, *, stop: bool = False) -> list[str]:
    talk = Talk16()
    talk.start()
    talk.status("Charging")
    talk.wait(600)
    talk.status("Available")
    if stop:
        talk.wait(60)
        talk.stop(reason="Local")
    talk.wait(after)
    talk.heartbeat()
    return talk.found(family=FAMILY)


def test_free_again_but_never_stopped() -> None:
    assert freed(600) == ["transaction.never-ended"]


def test_the_stop_may_come_a_little_later() -> None:
    assert freed(60) == []
    assert freed(600, stop=True) == []


# -------------------------------------------------------------------------------------------------------------- offline


def test_a_transaction_that_began_offline() -> None:
    talk = Talk16()
    talk.start(4710)
    talk.wait(60)
    talk.stop(4710, reason="Local")
    talk.wait(3600)
    talk.start(ago=1800)
    finding = talk.the("transaction.offline")
    assert "30 min" in finding.explanation()


def test_a_start_that_took_a_minute_is_not_offline() -> None:
    talk = Talk16()
    talk.start(4710)
    talk.stop(4710, reason="Local")
    talk.start(ago=60)
    assert "transaction.offline" not in talk.found()
