"""Jobs: which notification belongs to which order."""

from __future__ import annotations

import pytest

from fieldkit.site.job import MAX_STATES, failed_states
from tests.traffic.task_talk import Tasks


def log(talk: Tasks, number: int) -> None:
    order = {"logType": "DiagnosticsLog", "requestId": number, "log": {"remoteLocation": f"ftp://host/{number}"}}
    talk.order("GetLog", order, {"status": "Accepted", "filename": f"{number}.gz"})


def test_notifications_find_their_order_by_its_number() -> None:
    talk = Tasks("2.0.1")
    log(talk, 1)
    log(talk, 2)
    talk.tell("LogStatusNotification", {"status": "AcceptedCanceled", "requestId": 1})
    talk.tell("LogStatusNotification", {"status": "Uploading", "requestId": 2})
    first, second = talk.station().jobs.jobs
    assert (first.state, first.done, first.replaced) == ("AcceptedCanceled", True, True)
    assert (second.state, second.file, second.going) == ("Uploading", "2.gz", True)
    assert talk.station().jobs.going()[0].location == "ftp://host/2"


def test_without_a_number_they_belong_to_the_last_order_of_their_kind() -> None:
    talk = Tasks()
    talk.order("GetDiagnostics", {"location": "ftp://host/d"}, {"fileName": "d.zip"})
    talk.order("UpdateFirmware", {"location": "ftp://host/f", "retrieveDate": talk.now()}, {})
    talk.tell("DiagnosticsStatusNotification", {"status": "Uploaded"})
    talk.tell("FirmwareStatusNotification", {"status": "Downloading"})
    diagnostics, firmware = talk.station().jobs.jobs
    assert ([state for _, state in diagnostics.states], diagnostics.done) == (["Uploaded"], True)
    assert ([state for _, state in firmware.states], firmware.done) == (["Downloading"], False)


def test_a_job_whose_order_was_not_seen() -> None:
    talk = Tasks()
    talk.tell("FirmwareStatusNotification", {"status": "Installed"})
    (job,) = talk.station().jobs.jobs
    assert (job.order, job.ordered, job.done, job.failed) == (None, None, True, False)


def test_an_order_that_is_answered_with_an_error_has_failed() -> None:
    talk = Tasks()
    id_ = talk.session.call("csms", "UpdateFirmware", {"location": "ftp://host/f", "retrieveDate": talk.now()})
    talk.session.error("station", id_, "UpdateFirmware", "NotSupported")
    (job,) = talk.station().jobs.jobs
    assert (job.refused, job.failed) == (True, True)


def test_what_comes_after_a_failed_try_belongs_to_the_same_order() -> None:
    talk = Tasks()
    talk.order("UpdateFirmware", {"location": "ftp://host/f", "retrieveDate": talk.now(), "retries": 3}, {})
    for status in ("Downloading", "DownloadFailed", "Downloading"):
        talk.tell("FirmwareStatusNotification", {"status": status})
    (job,) = talk.station().jobs.jobs
    assert (len(job.states), job.failed, job.going) == (3, False, True)


def test_a_station_that_tells_each_percent_keeps_its_first_and_its_last_state() -> None:
    talk = Tasks()
    for _ in range(MAX_STATES + 50):
        talk.tell("FirmwareStatusNotification", {"status": "Downloading"})
    talk.tell("FirmwareStatusNotification", {"status": "Downloaded"})
    (job,) = talk.station().jobs.jobs
    assert (len(job.states), job.state) == (MAX_STATES, "Downloaded")


@pytest.mark.parametrize(
    "action, version, number",
    [
        ("FirmwareStatusNotification", "1.5", 2),
        ("FirmwareStatusNotification", "1.6", 2),
        ("FirmwareStatusNotification", "2.1", 4),
        ("SignedFirmwareStatusNotification", "1.6", 4),
        ("Heartbeat", "1.6", 0),
    ],
)
def test_each_version_has_its_own_states_of_failure(action: str, version: str, number: int) -> None:
    assert len(failed_states(action, version)) == number
