"""Who was refused, and what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.charging_talk import TOKEN, Talk2, Talk16

FAMILY = "authorization"


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
def test_one_refused_card_is_worth_knowing(status: str) -> None:
    talk = Talk16()
    talk.authorize(status)
    finding = talk.the("authorization.refused")
    assert (finding.severity, finding.owner) == ("info", "operator")
    assert status in finding.explanation()
    assert TOKEN not in finding.explanation()
    assert TOKEN in finding.explanation(show_ids=True)
    assert talk.found(family=FAMILY) == ["authorization.refused"]


def test_an_accepted_card_is_no_finding() -> None:
    talk = Talk16()
    talk.authorize()
    talk.start()
    talk.stop()
    assert talk.found(family=FAMILY) == []


@pytest.mark.parametrize(
    "status",
    [
        "Blocked",
        "ConcurrentTx",
        "Expired",
        "Invalid",
        "NoCredit",
        "NotAllowedTypeEVSE",
        "NotAtThisLocation",
        "NotAtThisTime",
        "Unknown",
    ],
)
def test_2x_refusals(status: str) -> None:
    talk = Talk2()
    token = {"idToken": {"idToken": TOKEN, "type": "ISO14443"}}
    talk.session.call("station", "Authorize", token, {"idTokenInfo": {"status": status}})
    assert talk.found(family=FAMILY) == ["authorization.refused"]


@pytest.mark.parametrize(("state", "expected"), [("Charging", 1), ("EVConnected", 0)])
def test_2x_a_transaction_may_begin_before_anybody_is_let_in(state: str, expected: int) -> None:
    talk = Talk2()
    token = {"idToken": {"idToken": TOKEN, "type": "ISO14443"}}
    talk.session.call("station", "Authorize", token, {"idTokenInfo": {"status": "Invalid"}})
    talk.event("Started", "CablePluggedIn", state, register=0, idToken=token["idToken"])
    assert talk.found(family=FAMILY).count("authorization.started-although-refused") == expected


def test_a_status_that_no_version_has_is_no_refusal() -> None:
    talk = Talk16()
    talk.authorize("Perhaps")
    assert talk.found(family=FAMILY) == []


# ---------------------------------------------------------------------------------------------------------- all of them


def test_nobody_gets_in() -> None:
    talk = Talk16()
    for token in ("A1", "B2", "C3"):
        talk.authorize("Invalid", token)
    finding = talk.the("authorization.all-refused")
    assert (finding.severity, finding.owner, finding.kind.inferred) == ("warning", "csms", True)
    assert "All 3 tokens" in finding.explanation()


@pytest.mark.parametrize("tokens", [["A1", "A1", "A1", "B2"], ["A1", "B2", "C3", "good"]])
def test_two_bad_cards_or_one_good_one_are_not_nobody(tokens: list[str]) -> None:
    talk = Talk16()
    for token in tokens:
        talk.authorize("Accepted" if token == "good" else "Invalid", token)
    assert talk.found(family=FAMILY) == ["authorization.refused"]


# ------------------------------------------------------------------------------------------------- started all the same


def test_started_although_refused() -> None:
    talk = Talk16()
    talk.authorize("Blocked")
    talk.wait(10)
    talk.start()
    finding = talk.the("authorization.started-although-refused")
    assert finding.severity == "warning"
    assert "Blocked" in finding.explanation()
    assert "11 s later" in finding.explanation()


def test_started_with_another_card_or_after_a_second_try() -> None:
    talk = Talk16()
    talk.authorize("Blocked", "OTHER")
    talk.start()
    assert "authorization.started-although-refused" not in talk.found()
    talk = Talk16()
    talk.authorize("Blocked")
    talk.authorize("Accepted")
    talk.start()
    assert "authorization.started-although-refused" not in talk.found()


def test_a_start_from_before_the_refusal_that_was_queued() -> None:
    talk = Talk16()
    talk.authorize("Blocked")
    talk.start(ago=120)
    assert "authorization.started-although-refused" not in talk.found()


# ----------------------------------------------------------------------------------------------------- refused at start


def going_on(*, after: float, setting: str = "", status: str = "Invalid") -> list[str]:
    talk = Talk16()
    if setting:
        talk.set("StopTransactionOnInvalidId", setting)
    talk.start(status=status)
    talk.wait(after)
    talk.meter(1500)
    return talk.found(family=FAMILY)


def test_refused_at_start_and_not_stopped() -> None:
    assert going_on(after=300) == ["authorization.not-stopped", "authorization.refused-at-start"]


def test_refused_at_start_and_stopped_in_time() -> None:
    assert going_on(after=60) == ["authorization.refused-at-start"]
    talk = Talk16()
    talk.start(status="Invalid")
    talk.wait(30)
    talk.stop(reason="DeAuthorized")
    assert talk.found(family=FAMILY) == ["authorization.refused-at-start"]


def test_a_station_that_is_set_to_go_on_may() -> None:
    assert going_on(after=300, setting="false") == ["authorization.refused-at-start"]
    assert "authorization.not-stopped" in going_on(after=300, setting="true")


def test_2x_without_energy_the_transaction_may_stay_open() -> None:
    for state, expected in (("SuspendedEVSE", 0), ("Charging", 1)):
        talk = Talk2()
        refused = {"idTokenInfo": {"status": "Invalid"}}
        token = {"idToken": TOKEN, "type": "ISO14443"}
        talk.event("Started", "Authorized", "Charging", idToken=token, answer=refused)
        talk.wait(300)
        talk.event("Updated", "MeterValuePeriodic", state, register=5)
        assert talk.found().count("authorization.not-stopped") == expected


# ----------------------------------------------------------------------------------------------------------- local list


def sent_list(talk: Talk16, status: str, *tokens: str) -> None:
    entries: list[Any] = [{"idTag": token, "idTagInfo": {"status": "Accepted"}} for token in tokens]
    payload = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": entries}
    talk.ordered("SendLocalList", payload, status)


def test_local_list_and_csms_disagree() -> None:
    talk = Talk16()
    sent_list(talk, "Accepted", TOKEN)
    talk.authorize("Invalid")
    assert talk.found(family=FAMILY) == ["authorization.local-list-mismatch", "authorization.refused"]


def test_a_card_that_is_in_use_or_not_listed_is_no_disagreement() -> None:
    talk = Talk16()
    sent_list(talk, "Accepted", TOKEN)
    talk.authorize("ConcurrentTx")
    talk.authorize("Invalid", "OTHER")
    assert talk.found(family=FAMILY) == ["authorization.refused", "authorization.refused"]


def test_a_list_that_was_not_taken() -> None:
    talk = Talk16()
    sent_list(talk, "VersionMismatch", TOKEN)
    assert "full list" in talk.the("locallist.version-mismatch").advice()
    talk.authorize("Invalid")
    assert "authorization.local-list-mismatch" not in talk.found()


# ------------------------------------------------------------------------------------------------------------ contracts


@pytest.mark.parametrize(("status", "expected"), [("CertificateExpired", 1), ("Accepted", 0), ("Odd", 0)])
def test_contract_certificates(status: str, expected: int) -> None:
    talk = Talk2()
    token = {"idToken": {"idToken": "DE-8AA-1", "type": "eMAID"}}
    answer = {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": status}
    talk.session.call("station", "Authorize", token, answer)
    assert talk.found(family=FAMILY).count("authorization.contract-certificate") == expected
