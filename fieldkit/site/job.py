"""What a station was told to do and takes its time for: firmware updates, diagnostics and log uploads.

1.x names no job: a notification belongs to the last order of its kind. The security white paper ("Improved security for
OCPP 1.6-J" §5) and 2.x give each order a requestId, which the notifications repeat.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.kept import same
from fieldkit.site.light import bounded, light
from fieldkit.site.reading import moment, text, whole

MAX_JOBS: Final = 200
"""Jobs of one station that are kept (the last ones)."""
MAX_STATES: Final = 200
"""Notifications kept of one job: a station that tells each percent of a download repeats a state a hundred times."""
MAX_URL: Final = 300
"""Characters kept of a location."""

_SECURE_STATES: Final = frozenset(
    {"DownloadFailed", "InstallationFailed", "InstallVerificationFailed", "InvalidSignature"}
)
_PLAIN_STATES: Final = frozenset({"DownloadFailed", "InstallationFailed"})
_UPLOAD_STATES: Final = frozenset({"BadMessage", "NotSupportedOperation", "PermissionDenied", "UploadFailure"})
FAILED: Final = {
    "FirmwareStatusNotification": _PLAIN_STATES,
    "SignedFirmwareStatusNotification": _SECURE_STATES,
    "DiagnosticsStatusNotification": frozenset({"UploadFailed"}),
    "LogStatusNotification": _UPLOAD_STATES,
}
"""States that mean failure, by action; for 2.x see ``failed_states``."""
DONE: Final = frozenset({"Installed", "Uploaded", "AcceptedCanceled"})
"""States that end a job well, or because another one has taken its place."""


def failed_states(action: str, version: str) -> frozenset[str]:
    """The states that mean failure in this version: exactly those of its enumeration (1.6 §7.25, white paper §5.1,
    2.x Part 2 FirmwareStatusEnumType)."""
    if action == "FirmwareStatusNotification" and version.startswith("2"):
        return _SECURE_STATES
    return FAILED.get(action, frozenset())


def bare_url(url: str) -> str:
    """A URL without user, password and query, any of which may hold a secret."""
    url = url[: 4 * MAX_URL]
    head, mark, rest = url.partition("://")
    if not mark:
        head, rest = "", url
    rest = rest.partition("?")[0].partition("#")[0]
    # A password may hold an unescaped "/": the last "@" anywhere ends it, at the price of a path with an "@" in it.
    host = rest.rpartition("@")[2]
    return f"{head[:40]}{mark}{host}"[:MAX_URL]


@dataclass(slots=True)
class Job:
    """A firmware update or an upload, from its order to its end."""

    kind: Literal["firmware", "diagnostics", "log"]
    ordered: int | None
    """Time of the CALL that asked for it; None when only its notifications were seen."""
    order: OcppMessage | None
    request_id: str
    location: str
    """The URL without credentials."""
    states: list[tuple[int, str]] = field(default_factory=list)
    """(time, status) as notified, bounded."""
    done: bool = False
    failed: bool = False
    answer: OcppMessage | None = None
    """What the station said to the order …"""
    status: str = ""
    """… and its status: Accepted, Rejected …; empty with 1.x, which has none."""
    file: str = ""
    """Name of the file that it promised to upload."""
    due: int | None = None
    """When it shall begin, as the order says …"""
    install_due: int | None = None
    """… and when to install."""
    patience: int = 0
    """Nanoseconds that the retries it was granted may take."""
    last: OcppMessage | None = None
    """Its latest notification."""
    refused: bool = False
    """The station would not do it, or had nothing to do."""
    replaced: bool = False
    """Another order of its kind came before it was done."""

    @property
    def state(self) -> str:
        """As notified last; empty when nothing was."""
        return self.states[-1][1] if self.states else ""

    @property
    def going(self) -> bool:
        """Ordered and not refused, or seen at work, and not at its end."""
        return not (self.done or self.failed or self.replaced)


_ORDERS: Final[dict[str, Literal["firmware", "diagnostics", "log"]]] = {
    "UpdateFirmware": "firmware",
    "SignedUpdateFirmware": "firmware",
    "GetDiagnostics": "diagnostics",
    "GetLog": "log",
}
_NEWS: Final[dict[str, Literal["firmware", "diagnostics", "log"]]] = {
    "FirmwareStatusNotification": "firmware",
    "SignedFirmwareStatusNotification": "firmware",
    "DiagnosticsStatusNotification": "diagnostics",
    "LogStatusNotification": "log",
}
_MAX_PATIENCE: Final = 24 * 3600
"""Seconds; an order that grants more retries than that is no order that anybody waits for."""


class Jobs:
    """One station's jobs."""

    ACTIONS: Final = frozenset(_ORDERS) | frozenset(_NEWS)

    def __init__(self) -> None:
        self.jobs: deque[Job] = deque(maxlen=MAX_JOBS)
        self.latest: Job | None = None
        """The one that the message fed last belongs to; None when it belongs to none."""
        self.previous_state = ""
        """Its state before that message."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
        self.previous_state = ""
        if message.type is MessageType.CALL:
            if message.action in _ORDERS:
                self._ordered(message)
            else:
                self._told(message)
        elif message.call is not None and message.action in _ORDERS:
            self._answered(message)

    def going(self) -> list[Job]:
        """Those that are not at their end."""
        return [job for job in self.jobs if job.going]

    def _ordered(self, message: OcppMessage) -> None:
        kind, payload = _ORDERS[message.action], message.payload
        place = ("firmware",) if text(payload, "firmware", "location") is not None else ()
        url = text(payload, *place, "location") or text(payload, "log", "remoteLocation") or ""
        number = whole(payload, "requestId")
        job = Job(kind, message.time, bounded(message), "" if number is None else str(number), bare_url(url))
        job.due = moment(payload, *place, "retrieveDateTime") or moment(payload, "retrieveDate")
        job.install_due = moment(payload, *place, "installDateTime")
        retries, interval = whole(payload, "retries") or 0, whole(payload, "retryInterval") or 0
        job.patience = max(min(retries * interval, _MAX_PATIENCE), 0) * 1_000_000_000
        for earlier in self.jobs:
            if earlier.kind == kind and earlier.going:
                earlier.replaced = True
        self.jobs.append(job)
        self.latest = job

    def _answered(self, message: OcppMessage) -> None:
        job = next((job for job in reversed(self.jobs) if same(job.order, message.call)), None)
        if job is None:
            return
        self.latest = job
        job.answer = bounded(message)
        if message.type is not MessageType.CALLRESULT:
            job.done = job.failed = job.refused = True
            return
        job.status = (text(message.payload, "status") or "")[:50]
        job.file = (text(message.payload, "filename") or text(message.payload, "fileName") or "")[:255]
        # 1.6 §5.9 "If no diagnostics … are available, the file name is not in the response": nothing will be uploaded.
        nothing = job.kind == "diagnostics" and not job.file
        if nothing or job.status not in ("", "Accepted", "AcceptedCanceled"):
            job.done = job.refused = True
            job.failed = not nothing

    def _told(self, message: OcppMessage) -> None:
        kind, status = _NEWS[message.action], (text(message.payload, "status") or "")[:50]
        number = whole(message.payload, "requestId")
        job = self._find(kind, "" if number is None else str(number))
        if status == "Idle":
            # "Idle" answers a trigger and is no news of a job (1.6 §7.25), though it may say that there is none.
            self.latest, self.previous_state = job, "" if job is None else job.state
            if job is not None:
                job.last = light(message)
            return
        if job is None:
            job = Job(kind, None, None, "" if number is None else str(number), "")
            self.jobs.append(job)
        self.latest, self.previous_state = job, job.state
        job.last = light(message)
        if len(job.states) >= MAX_STATES:
            del job.states[1]
        job.states.append((message.time, status))
        job.failed = status in failed_states(message.action, message.channel.version)
        job.done = job.failed or status in DONE

    def _find(self, kind: str, request_id: str) -> Job | None:
        """The job that a notification is about. One that has failed may go on: that was a try, and there are more."""
        found = None
        for job in reversed(self.jobs):
            if job.kind != kind or job.refused:
                continue
            if request_id and job.request_id:
                if job.request_id == request_id:
                    return job
                continue
            if found is None and not (job.done and not job.failed):
                found = job
        return found
