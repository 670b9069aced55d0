"""What checks remember of transactions ends with them."""

from __future__ import annotations

from typing import Any

import pytest

from fieldkit.checks import ongoing
from fieldkit.checks.charging_limit import LimitCheck
from fieldkit.checks.check import Check
from fieldkit.checks.energy import IdleCheck, PowerCheck
from fieldkit.checks.meter_time import GapCheck, TimeCheck
from fieldkit.checks.ongoing import MAX_ENDED, Ongoing
from fieldkit.checks.phases import PhaseCheck
from fieldkit.checks.policy import Policy
from fieldkit.checks.runner import Runner
from fieldkit.checks.transaction_event import TransactionEvents
from fieldkit.site.ledger import MAX_OPEN
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction
from tests.traffic.capture import write_pcap
from tests.traffic.charging import (
    POWER,
    REGISTER,
    measure,
    online_16,
    profile_16,
    set_profile_16,
    start_16,
    status_16,
    stop_16,
)
from tests.traffic.conversation import Session
from tests.traffic.decoded import decode
from tests.traffic.taps import Tap

TRANSACTIONS = 30


def remembered(check: Check) -> dict[str, Ongoing[Any]]:
    return {name: value for name, value in vars(check).items() if isinstance(value, Ongoing)}


def watched(session: Session, *checks: Check) -> dict[str, int]:
    """How many entries each table of each check has in the end."""
    picture, runner = Picture(), Runner(Policy(), ())
    runner._checks = list(checks)
    runner._index()
    for event in decode(write_pcap(Tap().packets(session.segments)), validate=False).events:
        picture.feed(event)
        runner.feed(event, picture)
    assert runner.failures == []
    return {
        f"{check.__class__.__name__}.{name}": len(table)
        for check in checks
        for name, table in remembered(check).items()
    }


def test_a_week_of_transactions_leaves_the_last_ones() -> None:
    session, register = online_16(), 1000.0
    phases = {f"Current.Import L{phase}": 16.0 for phase in (1, 2, 3)}
    volts = {f"Voltage L{phase}": 230.0 for phase in (1, 2, 3)}
    for number in range(1, TRANSACTIONS + 1):
        start_16(session, register, number)
        measure(session, {REGISTER: register, POWER: 11_000.0, **phases, **volts}, transaction=number)
        # More flows than the profile allows, and then the station claims that nothing does.
        set_profile_16(session, profile_16(limit=8))
        for _ in range(3):
            register += 180
            measure(session, {REGISTER: register, POWER: 11_000.0, **phases, **volts}, transaction=number)
        status_16(session, "SuspendedEV")
        measure(session, {REGISTER: register}, after=90, transaction=number)
        stop_16(session, register, number)
    checks = [check(Policy()) for check in (LimitCheck, GapCheck, TimeCheck, PowerCheck, IdleCheck, PhaseCheck)]
    kept = watched(session, *checks)
    assert set(kept) == {
        "LimitCheck._last",
        "LimitCheck._before",
        "LimitCheck._over",
        "GapCheck._cadences",
        "TimeCheck._last",
        "PowerCheck._windows",
        "IdleCheck._stretches",
        "PhaseCheck._current",
        "PhaseCheck._voltage",
    }
    assert kept.pop("PhaseCheck._voltage") == 1  # of a connector, whoever charges
    assert all(1 <= number <= MAX_ENDED + 2 for number in kept.values()), kept


def test_a_transaction_whose_end_was_not_seen_does_not_stay_for_ever() -> None:
    session = online_16(version="2.0.1")
    for number in range(400):
        session.clock.wait(5)
        payload = {
            "eventType": "Started",
            "timestamp": session.timestamp(),
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": f"T-{number}", "chargingState": "Charging"},
        }
        session.call("station", "TransactionEvent", payload, {})
    # The ledger lets no more of one station go on.
    assert watched(session, TransactionEvents(Policy())) == {"TransactionEvents._last": MAX_OPEN + MAX_ENDED}


def station(name: str, *going: str) -> Station:
    made = Station(name, inferred=False)
    made.transactions.open = {id_: Transaction(name, "1.6", "1", id_) for id_ in going}
    return made


def test_what_goes_on_stays_and_of_what_has_ended_the_last() -> None:
    table: Ongoing[int] = Ongoing()
    place = station("CP", "0", "1")
    for number in range(20):
        table.put(place, (str(number), "L1"), number)
    table.put(place, ("",), 99)
    table.put(place, ("0", "L1"), 100)
    kept = [table.get(place, (str(number), "L1")) for number in range(20)]
    assert kept == [100, 1, *[None] * 14, 16, 17, 18, 19]
    assert table.get(place, ("",)) == 99
    assert len(table) == 7


def test_what_belongs_to_no_transaction_stays() -> None:
    table: Ongoing[int] = Ongoing()
    place = station("CP")
    for connector in range(20):
        table.put(place, ("", str(connector)), connector)
    assert len(table) == 20


def test_the_oldest_of_all_stations_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ongoing, "MAX_PLACES", 3)
    table: Ongoing[int] = Ongoing()
    one, other = station("A", "1"), station("B", "1", "2", "3")
    table.put(one, ("1",), 1)
    for number in (1, 2, 3):
        table.put(other, (str(number),), number)
    assert (len(table), table.get(one, ("1",)), table.get(other, ("1",))) == (3, None, 1)
    table.put(one, ("1",), 4)
    assert (len(table), table.get(one, ("1",)), table.get(other, ("1",))) == (3, 4, None)
    for number in (2, 3):
        table.pop(other, (str(number),))
    table.pop(other, ("unknown",))
    assert len(table) == 1
