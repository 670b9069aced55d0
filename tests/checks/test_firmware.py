"""Firmware updates: how they go, fail, stand still and end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.task_talk import Tasks

URL = "ftp://updates:s3cret@files.testwerk.example/fw-1.5.bin"


def ordered(version: str = "1.6", **edits: Any) -> Tasks:
    """A station with firmware 1.4.2 that is told to update."""
    talk = Tasks(version)
    talk.boot()
    if version == "1.6":
        talk.order("UpdateFirmware", {"location": URL, "retrieveDate": talk.now(), **edits}, {})
    else:
        firmware = {"location": URL, "retrieveDateTime": talk.now(), **edits}
        talk.order("UpdateFirmware", {"requestId": 7, "firmware": firmware})
    return talk


def tells(talk: Tasks, *states: str, every: float = 60, **more: Any) -> None:
    for state in states:
        talk.silence(every)
        more = more if talk.version == "1.6" else {"requestId": 7, **more}
        talk.tell("FirmwareStatusNotification", {"status": state, **more})


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_an_update_that_works_is_no_finding(version: str) -> None:
    talk = ordered(version)
    tells(talk, "Downloading", "Downloaded", "Installing", "Installed")
    talk.boot("1.5.0")
    talk.wait(7200)
    assert talk.found("firmware") == []


def test_a_signed_update_of_2_x_may_reboot_before_it_is_installed() -> None:
    talk = ordered("2.0.1")
    tells(talk, "DownloadScheduled", "Downloading", "Downloaded", "SignatureVerified", "InstallRebooting")
    talk.boot("1.5.0")
    tells(talk, "Installed")
    talk.wait(7200)
    assert talk.found("firmware") == []


# ------------------------------------------------------------------------------------------------------------- failures


def test_a_failed_download_says_from_where_but_not_with_which_password() -> None:
    talk = ordered()
    tells(talk, "Downloading", "DownloadFailed")
    finding = talk.the("firmware.download-failed")
    assert "ftp://files.testwerk.example/fw-1.5.bin" in finding.explanation()
    assert "s3cret" not in finding.explanation(show_ids=True)
    assert finding.severity == "warning"


def test_a_failed_installation_names_the_version_that_is_still_there() -> None:
    talk = ordered()
    tells(talk, "Downloading", "Downloaded", "Installing", "InstallationFailed")
    assert "1.4.2" in talk.the("firmware.install-failed").explanation()


@pytest.mark.parametrize("state", ["InvalidSignature", "InstallVerificationFailed"])
def test_a_signature_that_does_not_fit_is_a_failure_in_2_x(state: str) -> None:
    talk = ordered("2.0.1")
    tells(talk, "Downloading", "Downloaded", state)
    assert talk.found("firmware") == ["firmware.verification-failed"]


def test_1_6_has_no_state_for_signatures_without_the_white_paper() -> None:
    talk = ordered()
    tells(talk, "Downloading", "Downloaded", "InvalidSignature")
    assert talk.found("firmware") == []  # the schema check says that there is no such state


def test_with_the_white_paper_1_6_has_one() -> None:
    talk = Tasks("1.6")
    firmware = {"location": URL, "retrieveDateTime": talk.now(), "signingCertificate": "x", "signature": "y"}
    talk.order("SignedUpdateFirmware", {"requestId": 3, "firmware": firmware})
    talk.tell("SignedFirmwareStatusNotification", {"status": "InvalidSignature", "requestId": 3})
    assert talk.found("firmware") == ["firmware.verification-failed"]


def test_a_failure_without_its_order_is_one_all_the_same() -> None:
    talk = Tasks("1.6")
    talk.tell("FirmwareStatusNotification", {"status": "DownloadFailed"})
    assert talk.found("firmware") == ["firmware.download-failed"]


@pytest.mark.parametrize(
    "status, expected",
    [
        ("Rejected", ["firmware.refused"]),
        ("InvalidCertificate", ["firmware.refused"]),
        ("AcceptedCanceled", []),
    ],
)
def test_an_order_may_be_refused(status: str, expected: list[str]) -> None:
    talk = Tasks("2.0.1")
    order = {"requestId": 7, "firmware": {"location": URL, "retrieveDateTime": talk.now()}}
    talk.order("UpdateFirmware", order, {"status": status})
    assert talk.found("firmware") == expected


@pytest.mark.parametrize(
    "location, wrong",
    [
        ("", True),
        ("fw-1.5.bin", True),
        ("file:///fw.bin", True),
        ("http://localhost/fw.bin", True),
        ("http:// host/fw", True),
        ("https://files.testwerk.example/fw.bin", False),
        ("sftp://u:p@10.0.0.7:2222/fw.bin", False),
    ],
)
def test_an_address_may_be_unusable_from_the_start(location: str, wrong: bool) -> None:
    talk = ordered(location=location)
    assert ("firmware.url-unusable" in talk.found("firmware")) is wrong


def test_a_local_controller_may_fail_to_publish() -> None:
    talk = Tasks("2.0.1")
    talk.tell("PublishFirmwareStatusNotification", {"status": "InvalidChecksum", "requestId": 1})
    assert talk.found("firmware") == ["firmware.publish-failed"]


def test_publishing_that_works_is_no_finding() -> None:
    talk = Tasks("2.0.1")
    talk.tell("PublishFirmwareStatusNotification", {"status": "Published", "requestId": 1})
    assert talk.found("firmware") == []


# ------------------------------------------------------------------------------------------------------- standing still


def test_a_download_that_stands_still_for_an_hour_is_stuck() -> None:
    talk = ordered()
    tells(talk, "Downloading")
    talk.wait(3700)
    finding = talk.the("firmware.stuck")
    assert "Downloading" in finding.explanation()
    assert finding.kind.inferred


def test_fifty_minutes_are_no_standstill() -> None:
    talk = ordered()
    tells(talk, "Downloading")
    talk.wait(3000)
    assert talk.found("firmware") == []


def test_a_station_that_goes_offline_proves_nothing() -> None:
    talk = ordered()
    tells(talk, "Downloading")
    talk.silence(86_400)
    assert talk.found("firmware") == []


def test_retries_that_were_granted_take_their_time() -> None:
    talk = ordered(retries=10, retryInterval=600)
    tells(talk, "Downloading")
    talk.wait(7200)
    assert talk.found("firmware") == []


def test_an_update_that_never_begins() -> None:
    talk = ordered()
    talk.wait(3700)
    assert talk.found("firmware") == ["firmware.never-started"]


def test_an_update_need_not_begin_before_its_time() -> None:
    talk = Tasks("1.6")
    talk.order("UpdateFirmware", {"location": URL, "retrieveDate": talk.now(86_400)}, {})
    talk.wait(80_000)
    assert talk.found("firmware") == []


def test_an_installation_may_wait_until_nobody_charges() -> None:
    talk = ordered()
    tells(talk, "Downloading", "Downloaded")
    start = {"connectorId": 1, "idTag": "04A2B7C1", "meterStart": 0, "timestamp": talk.now()}
    talk.tell("StartTransaction", start, {"transactionId": 5, "idTagInfo": {"status": "Accepted"}})
    talk.wait(7200)
    assert talk.found("firmware") == []


def test_another_order_takes_the_place_of_the_first() -> None:
    talk = ordered()
    tells(talk, "Downloading")
    talk.silence(3000)
    talk.order("UpdateFirmware", {"location": URL, "retrieveDate": talk.now()}, {})
    tells(talk, "Downloading", "Downloaded", "Installing", "Installed")
    talk.wait(3000)
    assert talk.found("firmware") == []


def test_idle_in_the_middle_of_a_download_is_an_end_without_a_result() -> None:
    talk = ordered()
    tells(talk, "Downloading", "Idle")
    talk.wait(7200)
    assert talk.found("firmware") == ["firmware.ended-silently"]


def test_idle_before_and_after_an_update_is_the_answer_to_a_trigger() -> None:
    talk = ordered()
    tells(talk, "Idle", "Downloading", "Downloaded", "Installing", "Installed", "Idle")
    assert talk.found("firmware") == []


# ---------------------------------------------------------------------------------------------------------------- order


def test_installed_out_of_nothing_leaves_states_out() -> None:
    talk = ordered()
    tells(talk, "Installed")
    assert "Downloading, Downloaded and Installing" in talk.the("firmware.states-skipped").explanation()


def test_states_before_the_capture_are_not_missed() -> None:
    talk = Tasks("1.6")
    tells(talk, "Installed")
    assert talk.found("firmware") == []


def test_back_from_installing_to_downloading_is_impossible() -> None:
    talk = ordered()
    tells(talk, "Downloading", "Downloaded", "Installing", "Downloading")
    assert talk.found("firmware") == ["firmware.states-backwards"]


def test_after_a_failure_everything_may_begin_again() -> None:
    talk = ordered()
    tells(talk, "Downloading", "Downloaded", "Installing", "InstallationFailed", "Downloading")
    assert talk.found("firmware") == ["firmware.install-failed"]


# --------------------------------------------------------------------------------------------------------------- effect


def test_the_old_version_after_installed_is_told() -> None:
    talk = ordered()
    tells(talk, "Downloading", "Downloaded", "Installing", "Installed")
    talk.boot("1.4.2")
    assert "1.4.2" in talk.the("firmware.unchanged").explanation()


def test_a_boot_before_installed_is_told_says_nothing() -> None:
    talk = ordered()
    tells(talk, "Downloading", "Downloaded", "Installing")
    talk.boot("1.4.2")
    tells(talk, "Installed")
    assert talk.found("firmware") == []


def test_a_version_that_was_never_told_cannot_be_unchanged() -> None:
    talk = Tasks("1.6")
    talk.order("UpdateFirmware", {"location": URL, "retrieveDate": talk.now()}, {})
    tells(talk, "Downloading", "Downloaded", "Installing", "Installed")
    talk.boot("1.4.2")
    assert talk.found("firmware") == []
