"""Orders of the CSMS that are refused, or accepted and then nothing happens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.charging_talk import TOKEN, Talk2, Talk16

FAMILY = "remote."
START: dict[str, Any] = {"idTag": TOKEN, "connectorId": 1}


# ---------------------------------------------------------------------------------------------------------------- start


def ordered(
    wait: float, *, before: str = "Preparing", timeout: str = "", start_after: float = -1, then: str = "", **order: Any
) -> Talk16:
    talk = Talk16()
    if timeout:
        talk.set("ConnectionTimeOut", timeout)
    talk.status(before)
    talk.ordered("RemoteStartTransaction", {**START, **order})
    if start_after >= 0:
        talk.wait(start_after)
        talk.start()
    if then:
        talk.status(then)
    talk.wait(wait)
    talk.heartbeat()
    return talk


def test_accepted_and_nothing_begins_although_plugged_in() -> None:
    finding = ordered(300).the("remote.start-without-transaction")
    assert (finding.severity, finding.owner) == ("warning", "station")
    assert "connector 1 stayed Preparing" in finding.explanation()
    assert TOKEN not in finding.explanation()


def test_accepted_and_nobody_plugs_in_is_worth_knowing() -> None:
    finding = ordered(300, before="Available").the("remote.start-without-transaction")
    assert (finding.severity, finding.owner) == ("info", "operator")
    assert "nobody plugged in" in finding.advice()


def test_plugged_in_after_the_order() -> None:
    finding = ordered(300, before="Available", then="Preparing").the("remote.start-without-transaction")
    assert finding.severity == "warning"
    assert "went to Preparing" in finding.explanation()


def test_a_transaction_that_begins_in_time() -> None:
    assert ordered(300, start_after=100).found(family=FAMILY) == []


def test_a_capture_that_ends_too_early_says_nothing() -> None:
    assert ordered(200).found(family=FAMILY) == []


def test_the_stations_own_timeout_counts() -> None:
    assert ordered(100, timeout="60").found(family=FAMILY) == ["remote.start-without-transaction"]
    assert ordered(300, timeout="600").found(family=FAMILY) == []
    assert ordered(200, timeout="nonsense").found(family=FAMILY) == []


def test_a_reconnect_in_between_may_hide_the_start() -> None:
    first, second = Talk16(), Talk16(start=120, port=50_000)
    first.status("Preparing")
    first.ordered("RemoteStartTransaction", START)
    first.session.close()
    second.wait(300)
    second.heartbeat()
    assert first.found(second, family=FAMILY) == []


def test_2x_a_transaction_names_its_order() -> None:
    order = {"idToken": {"idToken": TOKEN, "type": "Central"}, "remoteStartId": 5, "evseId": 1}
    for remote_id, expected in ((5, []), (None, ["remote.start-without-transaction"])):
        talk = Talk2()
        talk.status("Occupied")
        talk.session.call("csms", "RequestStartTransaction", order, {"status": "Accepted"})
        if remote_id is not None:
            talk.event("Started", "RemoteStart", info={"remoteStartId": remote_id})
        talk.wait(300)
        talk.heartbeat()
        assert talk.found(family=FAMILY) == expected


def test_2x_it_runs_already() -> None:
    order = {"idToken": {"idToken": TOKEN, "type": "Central"}, "remoteStartId": 5, "evseId": 1}
    talk = Talk2()
    talk.event("Started", "CablePluggedIn")
    talk.session.call("csms", "RequestStartTransaction", order, {"status": "Accepted", "transactionId": "T-1"})
    talk.wait(300)
    talk.heartbeat()
    assert talk.found(family=FAMILY) == []


@pytest.mark.parametrize(
    ("status", "order", "why", "owner"),
    [
        ("Faulted", START, "Connector 1 is Faulted", "station"),
        ("Available", START, "no vehicle was plugged in", "operator"),
        ("Available", {"idTag": TOKEN}, "names no connector", "csms"),
        ("Available", {**START, "connectorId": 4}, "not of 4", "csms"),
        ("Preparing", START, "Nothing in the capture says why", "station"),
    ],
)
def test_rejected_and_why(status: str, order: dict[str, Any], why: str, owner: str) -> None:
    talk = Talk16()
    talk.status(status)
    talk.ordered("RemoteStartTransaction", order, "Rejected")
    finding = talk.the("remote.start-rejected")
    assert why in finding.explanation()
    assert finding.owner == owner


def test_rejected_because_a_transaction_runs() -> None:
    talk = Talk16()
    talk.start()
    talk.ordered("RemoteStartTransaction", START, "Rejected")
    assert "Transaction 4711 was running there" in talk.the("remote.start-rejected").explanation()


def test_2x_a_rejection_may_say_why_itself() -> None:
    talk = Talk2()
    order = {"idToken": {"idToken": TOKEN, "type": "Central"}, "remoteStartId": 5}
    answer = {"status": "Rejected", "statusInfo": {"reasonCode": "TxInProgress"}}
    talk.session.call("csms", "RequestStartTransaction", order, answer)
    assert 'it says "TxInProgress"' in talk.the("remote.start-rejected").explanation()


# ----------------------------------------------------------------------------------------------------------------- stop


def stopped(wait: float, *, stop: bool = False) -> list[str]:
    talk = Talk16()
    talk.start()
    talk.wait(60)
    talk.ordered("RemoteStopTransaction", {"transactionId": 4711})
    if stop:
        talk.wait(60)
        talk.stop(reason="Remote")
    talk.wait(wait)
    talk.heartbeat()
    return talk.found(family=FAMILY)


def test_a_stop_that_is_accepted_without_effect() -> None:
    assert stopped(120) == ["remote.stop-without-effect"]


def test_a_stop_that_takes_a_minute() -> None:
    assert stopped(120, stop=True) == []
    assert stopped(60) == []


@pytest.mark.parametrize(
    ("asked", "end", "why", "owner"),
    [
        (4711, True, "had ended at", "csms"),
        (4711, False, "was running, by all that was seen", "station"),
        (99, False, "was running transaction 4711 instead", "csms"),
        (99, True, "No transaction with this id was seen", "csms"),
    ],
)
def test_a_stop_that_is_rejected(asked: int, end: bool, why: str, owner: str) -> None:
    talk = Talk16()
    talk.start()
    talk.wait(60)
    if end:
        talk.stop(reason="Local")
    talk.ordered("RemoteStopTransaction", {"transactionId": asked}, "Rejected")
    finding = talk.the("remote.stop-rejected")
    assert why in finding.explanation()
    assert finding.owner == owner


# --------------------------------------------------------------------------------------------------------------- unlock


def test_a_lock_that_does_not_open() -> None:
    talk = Talk16()
    talk.ordered("UnlockConnector", {"connectorId": 1}, "UnlockFailed")
    assert talk.the("remote.unlock-failed").severity == "warning"


def test_a_lock_that_is_not_there() -> None:
    talk = Talk16()
    talk.ordered("UnlockConnector", {"connectorId": 1}, "NotSupported")
    assert talk.the("remote.unlock-failed").severity == "info"


def unlocked(wait: float, *, stop: bool = False, connector: int = 1) -> list[str]:
    talk = Talk16()
    talk.start()
    talk.ordered("UnlockConnector", {"connectorId": connector}, "Unlocked")
    if stop:
        talk.stop(reason="UnlockCommand")
    talk.wait(wait)
    talk.heartbeat()
    return talk.found(family=FAMILY)


def test_a_transaction_that_survives_unlocking() -> None:
    assert unlocked(120) == ["remote.unlock-transaction-goes-on"]


def test_unlocking_stops_it_or_was_meant_for_another_connector() -> None:
    assert unlocked(120, stop=True) == []
    assert unlocked(60) == []
    assert unlocked(120, connector=2) == []


# ---------------------------------------------------------------------------------------------------------------- reset


def reset(wait: float, *, boot: bool = False, running: bool = False, status: str = "Accepted") -> list[str]:
    talk = Talk16()
    if running:
        talk.start()
    talk.ordered("Reset", {"type": "Hard"}, status)
    if boot:
        talk.wait(60)
        talk.boot()
    talk.wait(wait)
    talk.heartbeat()
    return talk.found(family=FAMILY)


def test_a_reset_that_does_nothing() -> None:
    assert reset(700) == ["remote.reset-without-effect"]


def test_a_reset_that_works_or_takes_its_time() -> None:
    assert reset(700, boot=True) == []
    assert reset(500) == []
    assert reset(700, running=True) == []


def test_a_reset_that_is_rejected() -> None:
    assert reset(10, status="Rejected") == ["remote.reset-rejected"]


def test_a_reset_after_which_the_station_comes_back_on_a_new_connection() -> None:
    first, second = Talk16(), Talk16(start=120, port=50_000)
    first.ordered("Reset", {"type": "Soft"})
    first.session.close()
    second.boot()
    second.wait(700)
    second.heartbeat()
    assert first.found(second, family=FAMILY) == []
