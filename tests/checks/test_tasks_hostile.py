"""Whatever stands in the payloads of jobs, reports, certificates and 2.1's parts: nothing raises, all stays bounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit import schemastore
from fieldkit.checks.patience import MAX_OWED
from fieldkit.checks.runner import known_checks
from fieldkit.events import Event, MessageType, OcppChannel, OcppMessage, Orphan, Sender
from fieldkit.ocpp.actions import sender_of, versions_of
from fieldkit.site.job import MAX_JOBS, MAX_STATES, bare_url
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station
from tests.traffic.conversation import MONDAY
from tests.traffic.diagnosed import diagnose_events

FAMILIES = {
    "battery_swap",
    "certificate_flow",
    "der",
    "device_model",
    "event_stream",
    "firmware",
    "payment",
    "reservation",
    "rpc21",
    "tariff",
    "upload",
    "v2x",
}
SIDES: tuple[Sender, ...] = ("station", "csms")
URL = "https://me:secret@files.example/a?sig=secret"
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, -(2**70), 1e300, 0.5, "", "x" * 5000, "7", "{0}", "\x1b[31m", [], {}, [[]], ["a", 1],
    {"id": {}}, "Accepted", "Rejected", "Idle", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "ftp://@/", "://",
)  # fmt: skip


def actions() -> list[str]:
    named = {
        action
        for check in known_checks()
        if check.__module__.rpartition(".")[2] in FAMILIES
        for action in check.actions
    }
    return sorted(action for action in named if versions_of(action))


@cache
def schema(version: str, action: str, answer: bool) -> Mapping[str, Any]:
    found = schemastore.load(version, action, answer)
    return {} if found is None else json.loads(found)


def made(part: Mapping[str, Any], whole: Mapping[str, Any], random: Random, odd: float, depth: int = 0) -> Any:
    """A payload that fits the schema, but for a share of odd values."""
    if random.random() < odd or depth > 6:
        return random.choice(ODD)
    if "$ref" in part:
        return made(whole["definitions"][part["$ref"].rpartition("/")[2]], whole, random, odd, depth)
    if "enum" in part:
        return random.choice(part["enum"])
    match part.get("type"):
        case "object":
            wanted = part.get("required", ())
            names = [name for name in part.get("properties", {}) if name in wanted or random.random() < 0.5]
            payload = {name: made(part["properties"][name], whole, random, odd, depth + 1) for name in names}
            # A value from nowhere else may be a secret.
            return payload | {name: URL for name in names if name.lower().endswith("location")}
        case "array":
            return [made(part["items"], whole, random, odd, depth + 1) for _ in range(random.randrange(3))]
        case "integer":
            return random.choice((0, 1, 2, 3, 60))
        case "number":
            return random.choice((0, 1.5, 100.0, 5000))
        case "boolean":
            return random.random() < 0.5
    if part.get("format") == "date-time":
        return random.choice(("2026-08-31T08:00:00Z", "2026-08-31T09:30:00.5+02:00", "2026-09-30T08:00:00Z"))
    return random.choice(("a", "b", "T-1"))


def conversation(random: Random, length: int, odd: float) -> list[Event]:
    names, events, time = actions(), list[Event](), MONDAY
    for number in range(length):
        action = random.choice(names)
        version = random.choice(sorted(versions_of(action) - {"1.5"}) or ["1.6"])
        channel = OcppChannel("CP", version, "json", None, False, False, False)
        time += random.choice((0, 10**9, 600 * 10**9, 90_000 * 10**9))
        named = sender_of(action, version)
        asks: Sender = random.choice(SIDES) if named is None else named
        asked = made(schema(version, action, False), schema(version, action, False), random, odd)
        type_ = MessageType.SEND if action == "NotifyPeriodicEventStream" else MessageType.CALL
        call = said(time, 2 * number + 1, channel, asks, type_, action, asked)
        events.append(call)
        if random.random() < 0.8:
            told = made(schema(version, action, True), schema(version, action, True), random, odd)
            kind = random.choice((*[MessageType.CALLRESULT] * 8, MessageType.CALLRESULTERROR, MessageType.CALLERROR))
            answers: Sender = "csms" if asks == "station" else "station"
            of = None if type_ is MessageType.SEND else call
            answer = replace(said(time, 2 * number + 2, channel, answers, kind, action, told, of), id=call.id)
            events.append(answer)
            if of is None:
                events.append(Orphan(time, answer.frames, answer))
    return events


def said(
    time: int,
    number: int,
    channel: OcppChannel,
    sender: Sender,
    type_: MessageType,
    action: str,
    payload: Any,
    call: OcppMessage | None = None,
) -> OcppMessage:
    id_ = f"m-{number}" if call is None else call.id
    raw = json.dumps(payload)
    return OcppMessage(
        time, (number,), "memory", channel, sender, type_, id_, action, payload, None, raw, (), False, call
    )  # fmt: skip


def test_the_actions_are_those_of_all_families() -> None:
    assert {"UpdateFirmware", "SetDERControl", "BatterySwap", "NotifySettlement", "SignCertificate"} <= set(actions())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.02, 0.2]))
def test_nothing_raises_and_every_text_can_be_filled_in(seed: int, odd: float) -> None:
    diagnosis = diagnose_events(conversation(Random(seed), 80, odd))
    for finding in diagnosis.findings:
        assert len(finding.explanation() + finding.advice()) < 4000
        if finding.kind.id.startswith(("firmware.", "upload.")):
            assert "secret" not in finding.explanation()


def test_what_is_kept_has_bounds() -> None:
    picture = Picture()
    for event in conversation(Random(5), 3000, 0.02):
        if isinstance(event, OcppMessage):
            picture.feed(event)
    station = picture.stations["CP"]
    assert len(station.jobs.jobs) <= MAX_JOBS
    assert all(len(job.states) <= MAX_STATES for job in station.jobs.jobs)
    assert largest(station) <= 500


def largest(station: Station) -> int:
    """Entries of the largest of all tables of the parts that are looked at here."""
    parts = (
        station.jobs,
        station.reservations,
        station.local_list,
        station.certificates,
        station.der,
        station.v2x,
        station.tariffs,
        station.battery_swaps,
        station.payments,
        station.event_streams,
    )
    return max(len(table) for part in parts for table in vars(part).values() if hasattr(table, "__len__"))


def test_a_station_that_promises_without_end_is_not_waited_for_without_end() -> None:
    events: list[Event] = []
    channel = OcppChannel("CP", "2.0.1", "json", None, False, False, False)
    for number in range(0, 1000, 2):
        asked = {"requestId": number, "reportBase": "FullInventory"}
        call = said(MONDAY, number, channel, "csms", MessageType.CALL, "GetBaseReport", asked)
        accepted = {"status": "Accepted"}
        answer = said(MONDAY, number + 1, channel, "station", MessageType.CALLRESULT, "GetBaseReport", accepted, call)
        events += [call, answer]
    heartbeat = said(MONDAY + 10**12, 9999, channel, "station", MessageType.CALL, "Heartbeat", {})
    found = diagnose_events([*events, heartbeat]).findings
    assert [finding.count for finding in found if finding.kind.id == "report.never-came"] == [MAX_OWED]


@pytest.mark.parametrize(
    "url, bare",
    [
        ("ftp://user:pass@files.example/a", "ftp://files.example/a"),
        ("https://files.example/a?sig=secret#x", "https://files.example/a"),
        ("ftp://user:pa/ss@files.example/a", "ftp://files.example/a"),
        ("ftp://user:pa@ss@files.example", "ftp://files.example"),
        ("user:pass@files.example/a", "files.example/a"),
        ("", ""),
        ("ftp://" + "u" * 5000 + ":p@host", None),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, bare: str | None) -> None:
    if bare is None:
        assert len(bare_url(url)) <= 300
    else:
        assert bare_url(url) == bare
