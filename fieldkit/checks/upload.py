"""Uploads of diagnostics and logs: refused, failed, stuck, or sent to an address that cannot work.

1.x: GetDiagnostics and DiagnosticsStatusNotification; with the security white paper and 2.x: GetLog and
LogStatusNotification, which repeats the requestId.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.locations import url_fault
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, reason_given, shown
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.job import Job
from fieldkit.site.picture import Picture
from fieldkit.site.reading import text

PATIENCE: Final = 1800 * SECOND
"""Without news for so long an upload counts as stuck: logs have a few megabytes."""

REFUSED = Kind(
    "upload.refused",
    "warning",
    "station",
    "The station refuses to upload its log",
    "The CSMS asked for the {what}, to be uploaded to {location}, and the station answered {status}{reason}.",
    "Ask the manufacturer whether this kind of log exists in this firmware, and fetch it on site if it is needed now.",
    "OCPP 2.0.1 Part 2 N01; Improved security for OCPP 1.6-J §5.7",
)
NOTHING = Kind(
    "upload.nothing-there",
    "info",
    "station",
    "The station has no diagnostics to upload",
    "The CSMS asked for diagnostics, and the station named no file in its answer: it has none for that time, or does"
    " not support diagnostics.",
    "Ask again without start and stop time. If there is still no file, the log has to be fetched on site.",
    "OCPP 1.6 §5.9",
)
BAD_URL = Kind(
    "upload.url-unusable",
    "warning",
    "csms",
    "The station is to upload to an address that cannot work",
    "The CSMS asked for the {what}, to be uploaded to “{location}”, which {fault}.",
    "Correct the upload location in the CSMS and ask again.",
    "OCPP 1.6 §6.21; OCPP 2.0.1 Part 2 N01",
)
FAILED = Kind(
    "upload.failed",
    "warning",
    "operator",
    "An upload of diagnostics or a log failed",
    "The station reports {status} for the {what}{where}: {meaning}.",
    "{next_step}",
    "OCPP 1.6 §7.24; OCPP 2.0.1 Part 2 UploadLogStatusEnumType",
)
NEVER_STARTED = Kind(
    "upload.never-started",
    "warning",
    "station",
    "An upload was promised and never begun",
    "The station promised to upload the {what}{where}. For {waited} it told nothing of it, though it was online.",
    "Look on the file server whether the file is there all the same. If not, try the address from the station's own"
    " network, then ask again.",
    "OCPP 1.6 §5.9; OCPP 2.0.1 Part 2 N01",
    inferred=True,
)
STUCK = Kind(
    "upload.stuck",
    "warning",
    "unknown",
    "An upload does not come to an end",
    "The station reported Uploading of the {what}{where}, and for {waited} after that nothing, though it was online.",
    "Look on the file server whether the file is there and whole. If it is not, try the upload from the station's own"
    " network: a firewall that lets FTP log in but blocks its data connection looks just like this.",
    "OCPP 1.6 §4.4; OCPP 2.0.1 Part 2 N01",
    inferred=True,
)
SILENT_END = Kind(
    "upload.ended-silently",
    "warning",
    "station",
    "An upload ended without a result",
    "The station reports Idle after Uploading of the {what}{where}: it is over, and whether it worked was never told.",
    "Look on the file server whether the file is there and whole.",
    "OCPP 1.6 §7.24; OCPP 2.0.1 Part 2 UploadLogStatusEnumType",
    inferred=True,
)

_MEANING: Final = {
    "UploadFailed": "the file could not be uploaded",
    "UploadFailure": "the file could not be uploaded",
    "PermissionDenied": "the file server did not let it in, or not write",
    "BadMessage": "it could not make sense of the order, or the file server of the upload",
    "NotSupportedOperation": "the station or the file server does not know this way of uploading",
}
_NEXT_STEP: Final = {
    "PermissionDenied": "Check user, password and write permission on the file server with the very URL that the CSMS"
    " sends; special characters in the password must be percent-encoded in it.",
    "NotSupportedOperation": "Check which protocols the station supports (2.x: OCPPCommCtrlr.FileTransferProtocols) and"
    " set one of them in the upload location of the CSMS.",
}
_USUAL_STEP: Final = (
    "Try the upload from the station's own network: a firewall, DNS, or user and password of the file server are the"
    " usual reasons. Special characters in the password must be percent-encoded in the URL."
)


class UploadCheck(PatientCheck):
    """How uploads go."""

    kinds = (REFUSED, NOTHING, BAD_URL, FAILED, NEVER_STARTED, STUCK, SILENT_END)
    actions = PULSE | {"GetDiagnostics", "GetLog", "DiagnosticsStatusNotification", "LogStatusNotification"}

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Orders, answers and news."""
        if message.action in PULSE:
            return ()
        station = picture.stations.get(message.channel.station)
        job = station.jobs.latest if station is not None else None
        if station is None or job is None:
            return ()
        if message.action in ("GetDiagnostics", "GetLog"):
            return self._ordered(message, job) if message.type is MessageType.CALL else self._answered(message, job)
        return self._told(message, job, station.jobs.previous_state) if message.type is MessageType.CALL else ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """No news for too long."""
        state, values = owed.thing
        kind = STUCK if state else NEVER_STARTED
        yield Finding(kind, owed.deadline, station, owed.evidence, {**values, "waited": duration(PATIENCE)})

    def _ordered(self, message: OcppMessage, job: Job) -> Iterator[Finding]:
        self.settle(message, job.kind)
        fault = url_fault(job.location, message)
        if fault:
            values = {"location": shown(job.location), "fault": fault, "what": _what(job)}
            yield Finding(BAD_URL, message.time, message.channel.station, (message,), values)

    def _answered(self, message: OcppMessage, job: Job) -> Iterator[Finding]:
        call = message.call
        if call is None or message.type is not MessageType.CALLRESULT:
            return
        if not job.refused:
            if not job.states:
                self._wait(message, job, (call, message))
        elif job.kind == "diagnostics":
            yield Finding(NOTHING, message.time, message.channel.station, (call, message))
        else:
            values = {
                "what": _what(job),
                "location": shown(job.location) or "an empty address",
                "status": shown(job.status),
                "reason": reason_given(message),
            }
            yield Finding(REFUSED, message.time, message.channel.station, (call, message), values)

    def _told(self, message: OcppMessage, job: Job, before: str) -> Iterator[Finding]:
        station = message.channel.station
        status = (text(message.payload, "status") or "")[:50]
        evidence = (message,) if job.order is None else (job.order, message)
        values = {"what": _what(job), "where": _where(job)}
        if status == "Idle":
            if job.going and before == "Uploading":
                self.settle(message, job.kind)
                yield Finding(SILENT_END, message.time, station, evidence, values)
        elif job.failed:
            self.settle(message, job.kind)
            told = {
                "status": status,
                "meaning": _MEANING.get(status, "it did not work"),
                "next_step": _NEXT_STEP.get(status, _USUAL_STEP),
            }
            yield Finding(FAILED, message.time, station, evidence, {**values, **told}, group=status)
        elif job.going and status == "Uploading":
            self._wait(message, job, evidence)
        else:
            self.settle(message, job.kind)

    def _wait(self, message: OcppMessage, job: Job, evidence: tuple[OcppMessage, ...]) -> None:
        thing = (job.state, {"what": _what(job), "where": _where(job)})
        self.expect(message, job.kind, message.time + PATIENCE + job.patience, evidence, thing)


def _what(job: Job) -> str:
    if job.kind == "diagnostics":
        return "diagnostics"
    kind = text(job.order.payload, "logType") if job.order is not None else None
    return {"DiagnosticsLog": "diagnostics log", "SecurityLog": "security log"}.get(kind or "", "log")


def _where(job: Job) -> str:
    return f" to {shown(job.location)}" if job.location else ""
