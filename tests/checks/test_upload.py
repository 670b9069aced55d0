"""Uploads of diagnostics and logs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.task_talk import Tasks

URL = "ftp://logs:p%40ss@files.testwerk.example/incoming/"


def diagnostics(answer: dict[str, Any] | None = None, **edits: Any) -> Tasks:
    talk = Tasks("1.6")
    talk.order("GetDiagnostics", {"location": URL, **edits}, {"fileName": "diag.zip"} if answer is None else answer)
    return talk


def log(status: str = "Accepted", version: str = "2.0.1") -> Tasks:
    talk = Tasks(version)
    order = {"logType": "SecurityLog", "requestId": 4, "log": {"remoteLocation": URL}}
    talk.order("GetLog", order, {"status": status, "filename": "log.gz"})
    return talk


def test_an_upload_that_works_is_no_finding() -> None:
    talk = diagnostics()
    for state in ("Uploading", "Uploaded", "Idle"):
        talk.tell("DiagnosticsStatusNotification", {"status": state})
    talk.wait(7200)
    assert talk.found("upload") == []


def test_a_failed_upload_says_where_to() -> None:
    talk = diagnostics()
    talk.tell("DiagnosticsStatusNotification", {"status": "UploadFailed"})
    finding = talk.the("upload.failed")
    assert "ftp://files.testwerk.example/incoming/" in finding.explanation()
    assert "p%40ss" not in finding.explanation()


@pytest.mark.parametrize("status", ["BadMessage", "NotSupportedOperation", "PermissionDenied", "UploadFailure"])
def test_a_log_may_fail_in_four_ways(status: str) -> None:
    talk = log()
    talk.tell("LogStatusNotification", {"status": status, "requestId": 4})
    assert status in talk.the("upload.failed").explanation()


def test_permission_denied_speaks_of_the_password() -> None:
    talk = log()
    talk.tell("LogStatusNotification", {"status": "PermissionDenied", "requestId": 4})
    assert "percent-encoded" in talk.the("upload.failed").advice()


def test_a_log_order_that_gives_way_to_another_has_not_failed() -> None:
    talk = log()
    talk.tell("LogStatusNotification", {"status": "AcceptedCanceled", "requestId": 4})
    assert talk.found("upload") == []


def test_a_log_may_be_refused() -> None:
    assert "security log" in log("Rejected").the("upload.refused").explanation()


def test_no_file_name_means_that_there_is_nothing() -> None:
    talk = diagnostics({})
    talk.wait(7200)
    assert talk.found("upload") == ["upload.nothing-there"]


def test_an_upload_that_is_promised_and_not_begun() -> None:
    talk = diagnostics()
    talk.wait(1900)
    assert talk.found("upload") == ["upload.never-started"]


def test_an_upload_that_stands_still() -> None:
    talk = log()
    talk.tell("LogStatusNotification", {"status": "Uploading", "requestId": 4})
    talk.wait(1900)
    assert talk.found("upload") == ["upload.stuck"]


def test_twenty_minutes_are_no_standstill() -> None:
    talk = log()
    talk.tell("LogStatusNotification", {"status": "Uploading", "requestId": 4})
    talk.wait(1500)
    assert talk.found("upload") == []


def test_idle_while_uploading_is_an_end_without_a_result() -> None:
    talk = diagnostics()
    talk.tell("DiagnosticsStatusNotification", {"status": "Uploading"})
    talk.tell("DiagnosticsStatusNotification", {"status": "Idle"})
    assert talk.found("upload") == ["upload.ended-silently"]


def test_idle_before_anything_is_the_answer_to_a_trigger() -> None:
    talk = diagnostics()
    talk.tell("DiagnosticsStatusNotification", {"status": "Idle"})
    assert talk.found("upload") == []


@pytest.mark.parametrize("location, wrong", [("10.0.0.7/logs", True), ("mailto:me", True), ("ftps://10.0.0.7/", False)])
def test_an_address_may_be_unusable_from_the_start(location: str, wrong: bool) -> None:
    assert ("upload.url-unusable" in diagnostics(location=location).found("upload")) is wrong
