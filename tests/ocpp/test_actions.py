"""The table of actions against the published schema files and against what every technician knows."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from fieldkit.ocpp.actions import (
    ACTIONS,
    MAX_ACTION_LENGTH,
    SEND_ONLY,
    VERSIONS,
    is_known,
    nearest,
    sender_of,
    versions_of,
)

SPEC = importlib.util.find_spec("ocpp")
FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}


def published(version: str) -> set[str]:
    """The actions for which there is a schema file."""
    assert SPEC is not None
    assert SPEC.submodule_search_locations is not None
    files = (Path(SPEC.submodule_search_locations[0]) / FOLDERS[version] / "schemas").glob("*.json")
    return {file.stem.removesuffix("Response").removesuffix("Request") for file in files}


@pytest.mark.skipif(SPEC is None, reason="the ocpp package is not installed")
@pytest.mark.parametrize("version", FOLDERS)
def test_the_version_columns_are_those_of_the_published_schemas(version: str) -> None:
    assert {action for action in ACTIONS if is_known(action, version)} == published(version)


def test_ocpp_1_5_has_its_ten_and_its_fifteen_operations() -> None:
    station = [action for action in ACTIONS if sender_of(action, "1.5") == "station"]
    csms = [action for action in ACTIONS if sender_of(action, "1.5") == "csms"]
    assert len(station) == 10 - 1, "and DataTransfer"
    assert len(csms) == 15 - 1, "and DataTransfer"
    assert is_known("DataTransfer", "1.5")
    assert not is_known("SetChargingProfile", "1.5")


def test_rows_stand_once_and_in_order() -> None:
    for sender in ("station", "csms", None):
        names = [row.name for row in ACTIONS.values() if row.sender == sender]
        assert names == sorted(names)
    assert len(ACTIONS) == 40 - 2 + 61 + 3
    assert all(row.versions and row.versions <= set(VERSIONS) for row in ACTIONS.values())
    assert max(map(len, ACTIONS)) < MAX_ACTION_LENGTH


@pytest.mark.parametrize(
    "action, sender",
    [
        ("BootNotification", "station"),
        ("TransactionEvent", "station"),
        ("SignCertificate", "station"),
        ("NotifyPeriodicEventStream", "station"),
        ("RemoteStartTransaction", "csms"),
        ("CertificateSigned", "csms"),
        ("NotifyAllowedEnergyTransfer", "csms"),
        ("DataTransfer", None),
        ("ClosePeriodicEventStream", None),
        ("MakeCoffee", None),
    ],
)
def test_who_sends_it(action: str, sender: str | None) -> None:
    assert sender_of(action) == sender


def test_a_version_that_lacks_an_action_knows_no_sender_for_it() -> None:
    assert sender_of("StartTransaction", "1.6") == "station"
    assert sender_of("StartTransaction", "2.0.1") is None
    assert versions_of("StartTransaction") == {"1.5", "1.6"}
    assert versions_of("MakeCoffee") == frozenset()


def test_ocpp_2_0_is_looked_up_as_2_0_1() -> None:
    assert is_known("TransactionEvent", "2.0")
    assert not is_known("StartTransaction", "2.0")
    assert not is_known("TransactionEvent", "3.0")


def test_the_one_action_that_is_never_answered() -> None:
    assert {"NotifyPeriodicEventStream"} == SEND_ONLY
    assert is_known("NotifyPeriodicEventStream", "2.1")
    assert not is_known("NotifyPeriodicEventStream", "2.0.1")


@pytest.mark.parametrize(
    "written, version, meant",
    [
        ("MeterValue", "1.6", "MeterValues"),
        ("bootnotification", "", "BootNotification"),
        ("BootNotification.req", "1.6", "BootNotification"),
        ("BootNotificationRequest", "2.0.1", "BootNotification"),
        ("HeartBeat", "2.1", "Heartbeat"),
        ("MakeCoffee", "1.6", ""),
        ("", "1.6", ""),
        ("Heartbeat", "1.6", ""),
    ],
)
def test_what_was_probably_meant(written: str, version: str, meant: str) -> None:
    assert nearest(written, version) == meant


def test_an_action_of_another_version_is_not_taken_for_a_slip() -> None:
    assert nearest("StartTransaction", "2.0.1") == ""


def test_a_hostile_action_is_not_compared_at_all() -> None:
    assert nearest("MeterValues" * 1_000_000, "1.6") == ""
    assert sender_of("\x00../../etc/passwd") is None
