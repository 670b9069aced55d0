"""Firmware updates: refused, failed, stuck, told of in an impossible order, or without effect.

A station tells how an update goes by FirmwareStatusNotification (1.6 §4.5 and 2.x Part 2 L01) or, with signed firmware
for 1.6, SignedFirmwareStatusNotification. Which states mean failure depends on the version
(``site.job.failed_states``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.locations import url_fault
from fieldkit.checks.patience import MAX_STATIONS, PULSE, Owed, PatientCheck, reason_given, shown
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration, listed
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.job import Job
from fieldkit.site.light import light
from fieldkit.site.picture import Picture
from fieldkit.site.reading import text

PATIENCE: Final = 3600 * SECOND
"""Without news for so long an update counts as stuck: a slow mobile link needs half an hour for 50 MB."""

_ORDER_REFERENCE: Final = "OCPP 1.6 §6.19; OCPP 2.0.1 Part 2 L01"

REFUSED = Kind(
    "firmware.refused",
    "warning",
    "operator",
    "The station refuses a firmware update",
    "The CSMS ordered a firmware update from {location}, and the station answered {status}{reason}.",
    "InvalidCertificate and RevokedCertificate concern the certificate that the firmware is signed with: have the"
    " manufacturer's signing certificate checked. Otherwise try again when the station is idle.",
    "OCPP 2.0.1 Part 2 L01; Improved security for OCPP 1.6-J §5.1",
)
BAD_URL = Kind(
    "firmware.url-unusable",
    "warning",
    "csms",
    "The station is sent to an address where no firmware can be",
    "The CSMS ordered a firmware update from “{location}”, which {fault}.",
    "Correct the location in the CSMS and order the update again.",
    _ORDER_REFERENCE,
)
DOWNLOAD_FAILED = Kind(
    "firmware.download-failed",
    "warning",
    "operator",
    "A firmware download failed",
    "The station reports DownloadFailed{where}: it could not fetch the new firmware.",
    "Try to fetch the file from the station's own network. If that fails, open the way for it (firewall, DNS, user and"
    " password of the file server); if it works, ask the manufacturer which protocols the station supports.",
    "OCPP 1.6 §7.25; OCPP 2.0.1 Part 2 FirmwareStatusEnumType",
)
INSTALL_FAILED = Kind(
    "firmware.install-failed",
    "warning",
    "station",
    "A firmware installation failed",
    "The station reports InstallationFailed{where}{version}: the file was fetched and could not be installed.",
    "Check that the file is meant for this model and for an update from its present version. If it is, give the"
    " manufacturer the station's log.",
    "OCPP 1.6 §7.25; OCPP 2.0.1 Part 2 FirmwareStatusEnumType",
)
UNTRUSTED = Kind(
    "firmware.verification-failed",
    "warning",
    "operator",
    "The station does not trust the firmware that it was given",
    "The station reports {status}{where}: signature and file do not belong together, or the file was damaged.",
    "Have the CSMS operator upload the file anew together with the signature and certificate that the manufacturer"
    " delivered with it. Do not look for a way around the check.",
    "Improved security for OCPP 1.6-J §5.1; OCPP 2.0.1 Part 2 L01",
)
PUBLISH_FAILED = Kind(
    "firmware.publish-failed",
    "warning",
    "operator",
    "A local controller could not publish firmware",
    "The local controller reports {status}: the stations behind it cannot fetch the new firmware from it.",
    "Check location and checksum of the PublishFirmware order, and the free space on the controller.",
    "OCPP 2.0.1 Part 2 L03",
)
NEVER_STARTED = Kind(
    "firmware.never-started",
    "warning",
    "station",
    "A firmware update was ordered and never begun",
    "The station was to update its firmware{where}. {waited} after the time that was set, it had told nothing of a"
    " download, though it was online.",
    "Trigger a FirmwareStatusNotification to see what it does. If it is Idle, order the update again with a retrieve"
    " date in the near past; if that changes nothing, restart the station.",
    "https://github.com/matth-x/MicroOcpp/issues/261",
    inferred=True,
)
STUCK = Kind(
    "firmware.stuck",
    "warning",
    "station",
    "A firmware update does not get on",
    "The station's last word on its firmware update{where} was {state}. For {waited} after that nothing came, though it"
    " was online.",
    "Trigger a FirmwareStatusNotification to see what it does, and look whether the file was fetched at all. Restart"
    " the station only if the manufacturer says that this is safe during an update.",
    "https://github.com/matth-x/MicroOcpp/issues/215",
    inferred=True,
)
SILENT_END = Kind(
    "firmware.ended-silently",
    "warning",
    "station",
    "A firmware update ended without a result",
    "The station reports Idle after {state}{where}: the update is over, and whether it worked was never told.",
    "Compare the firmware version in the station's next BootNotification with the one that was to be installed.",
    "OCPP 1.6 §7.25; OCPP 2.0.1 Part 2 L01",
    inferred=True,
)
SKIPPED = Kind(
    "firmware.states-skipped",
    "info",
    "station",
    "A firmware update was reported with states left out",
    "The station reports Installed without ever having reported {missing}{where}. The CSMS cannot show how an update"
    " gets on.",
    "Nothing has to be done now. Tell the manufacturer: the states in between shall be reported.",
    "https://github.com/matth-x/MicroOcpp/issues/215",
)
BACKWARDS = Kind(
    "firmware.states-backwards",
    "warning",
    "station",
    "A firmware update is reported in an impossible order",
    "The station reported {state} after {before}{where}, without a failure in between: one of the two is not true.",
    "Do not trust the progress that the CSMS shows for this station; check its firmware version after the update."
    " Tell the manufacturer.",
    "OCPP 1.6 §4.5; OCPP 2.0.1 Part 2 L01",
)
UNCHANGED = Kind(
    "firmware.unchanged",
    "warning",
    "station",
    "After a firmware update the version is the old one",
    "The station reported Installed{where}, and booted with firmware {version} as before: probably the update did not"
    " take effect.",
    "If the same version was meant to be installed again, nothing is wrong. Otherwise check that the file holds what"
    " its name says, and ask the manufacturer whether the station fell back to its old firmware.",
    "OCPP 1.6 §4.5; OCPP 2.0.1 Part 2 L01",
    inferred=True,
)

_STAGE: Final = {
    "DownloadScheduled": 0,
    "Downloading": 1,
    "DownloadPaused": 1,
    "Downloaded": 2,
    "SignatureVerified": 3,
    "InstallScheduled": 4,
    "Installing": 5,
    "InstallRebooting": 5,
    "Installed": 6,
}
"""How far an update has come. A station may install at once or later, and reboot before or after installing."""

_WAITING: Final = frozenset({"Downloaded", "SignatureVerified", "InstallScheduled"})
"""States in which the file is there and installing has not begun."""


@dataclass(slots=True)
class _Version:
    """Of one station."""

    now: str = ""
    before: str = ""
    """When the update was ordered; empty when that was not told or not seen."""
    installed: OcppMessage | None = None
    """Its report that waits for a boot."""


class FirmwareCheck(PatientCheck):
    """How firmware updates go."""

    kinds = (
        REFUSED,
        BAD_URL,
        DOWNLOAD_FAILED,
        INSTALL_FAILED,
        UNTRUSTED,
        PUBLISH_FAILED,
        NEVER_STARTED,
        STUCK,
        SILENT_END,
        SKIPPED,
        BACKWARDS,
        UNCHANGED,
    )
    actions = PULSE | {
        "UpdateFirmware",
        "SignedUpdateFirmware",
        "FirmwareStatusNotification",
        "SignedFirmwareStatusNotification",
        "PublishFirmwareStatusNotification",
        "BootNotification",
    }

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._versions: dict[str, _Version] = {}

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Orders, answers, news and boots."""
        action = message.action
        if action in PULSE:
            return ()
        if action == "BootNotification":
            return self._booted(message) if message.type is MessageType.CALL else ()
        if action == "PublishFirmwareStatusNotification":
            return self._published(message) if message.type is MessageType.CALL else ()
        station = picture.stations.get(message.channel.station)
        job = station.jobs.latest if station is not None else None
        if station is None or job is None:
            return ()
        if "Update" in action:
            return self._ordered(message, job) if message.type is MessageType.CALL else self._answered(message, job)
        return self._told(message, job, station.jobs.previous_state) if message.type is MessageType.CALL else ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """No news for too long."""
        state, where = owed.thing
        known = picture.stations.get(station)
        if state in _WAITING and known is not None and known.transactions.open:
            return  # installing may wait until nobody charges (1.6 §4.5)
        values = {"where": where, "state": state, "waited": duration(PATIENCE)}
        kind = STUCK if state else NEVER_STARTED
        yield Finding(kind, owed.deadline, station, owed.evidence, values)

    # ------------------------------------------------------------------------------------------------------ the order

    def _ordered(self, message: OcppMessage, job: Job) -> Iterator[Finding]:
        self.settle(message, "job")
        version = self._version(message.channel.station)
        version.before, version.installed = version.now, None
        fault = url_fault(job.location, message)
        if fault:
            values = {"location": shown(job.location), "fault": fault}
            yield Finding(BAD_URL, message.time, message.channel.station, (message,), values)

    def _answered(self, message: OcppMessage, job: Job) -> Iterator[Finding]:
        call = message.call
        if call is None or message.type is not MessageType.CALLRESULT:
            return
        if job.refused:
            values = {
                "location": shown(job.location) or "an empty address",
                "status": shown(job.status),
                "reason": reason_given(message),
            }
            yield Finding(REFUSED, message.time, message.channel.station, (call, message), values)
        elif not job.states:
            self._wait(message, job, (call, message))

    def _wait(self, message: OcppMessage, job: Job, evidence: tuple[OcppMessage, ...]) -> None:
        """From now on news are due."""
        begin = message.time
        if job.state in ("", "DownloadScheduled"):
            begin = max(begin, job.due or 0)
        if job.state in _WAITING:
            begin = max(begin, job.install_due or 0)
        self.expect(message, "job", begin + PATIENCE + job.patience, evidence, (job.state, _where(job)))

    # ------------------------------------------------------------------------------------------------------- the news

    def _told(self, message: OcppMessage, job: Job, before: str) -> Iterator[Finding]:
        station = message.channel.station
        status = (text(message.payload, "status") or "")[:50]
        evidence = (message,) if job.order is None else (job.order, message)
        where = _where(job)
        if status == "Idle":
            if job.going and before in ("Downloading", "Installing"):
                self.settle(message, "job")
                yield Finding(SILENT_END, message.time, station, evidence, {"state": before, "where": where})
            return
        if job.failed:
            self.settle(message, "job")
            yield self._failed(message, status, evidence, where)
            return
        if job.going:
            # Installing may wait for a car that charges: a pause with a name is no standstill (2.x L01).
            if status in ("DownloadPaused", "InstallScheduled", "DownloadScheduled") and job.install_due is None:
                self.settle(message, "job")
            else:
                self._wait(message, job, evidence)
        else:
            self.settle(message, "job")
        yield from self._sequence(message, job, before, evidence)
        if status == "Installed":
            version = self._version(station)
            # What the order was meant to change is known only when the order was seen.
            version.installed = light(message) if job.order is not None and version.before else None

    def _failed(self, message: OcppMessage, status: str, evidence: tuple[OcppMessage, ...], where: str) -> Finding:
        values: dict[str, object] = {"status": status, "where": where}
        kind = UNTRUSTED
        if status == "DownloadFailed":
            kind = DOWNLOAD_FAILED
        elif status == "InstallationFailed":
            kind = INSTALL_FAILED
            now = self._version(message.channel.station).now
            values["version"] = f", firmware before it {shown(now, 50)}" if now else ""
        return Finding(kind, message.time, message.channel.station, evidence, values, group=status)

    def _sequence(
        self, message: OcppMessage, job: Job, before: str, evidence: tuple[OcppMessage, ...]
    ) -> Iterator[Finding]:
        state, station = job.state, message.channel.station
        stage, earlier = _STAGE.get(state), _STAGE.get(before)
        # A station may restart to put into effect what it has installed.
        activates = before == "Installed" and state == "InstallRebooting"
        if stage is not None and earlier is not None and stage < earlier and not activates:
            values = {"state": state, "before": before, "where": _where(job)}
            yield Finding(BACKWARDS, message.time, station, evidence, values, group=f"{before} {state}")
        if state == "Installed" and job.answer is not None and len(job.states) < 50:
            reported = {status for _, status in job.states}
            # 1.5 has neither Downloading nor Installing. A station that reboots to install may lose the line before.
            wanted = (
                ("Downloaded",) if message.channel.version == "1.5" else ("Downloading", "Downloaded", "Installing")
            )
            missing = [status for status in wanted if status not in reported]
            if missing and not ({"InstallRebooting"} & reported and missing == ["Installing"]):
                values = {"missing": listed(missing), "where": _where(job)}
                yield Finding(SKIPPED, message.time, station, evidence, values)

    def _published(self, message: OcppMessage) -> Iterator[Finding]:
        status = text(message.payload, "status")
        if status in ("DownloadFailed", "InvalidChecksum", "PublishFailed"):
            yield Finding(
                PUBLISH_FAILED, message.time, message.channel.station, (message,), {"status": status}, group=status
            )

    # ------------------------------------------------------------------------------------------------------- versions

    def _booted(self, message: OcppMessage) -> Iterator[Finding]:
        told = text(message.payload, "firmwareVersion") or text(message.payload, "chargingStation", "firmwareVersion")
        version = self._version(message.channel.station)
        installed, version.installed = version.installed, None
        if not told:
            return
        version.now = told[:100]
        if installed is not None and version.before == version.now:
            values = {"version": shown(version.now), "where": ""}
            yield Finding(UNCHANGED, message.time, message.channel.station, (installed, message), values)

    def _version(self, station: str) -> _Version:
        version = self._versions.get(station)
        if version is None:
            while len(self._versions) >= MAX_STATIONS:
                del self._versions[next(iter(self._versions))]
            version = self._versions[station] = _Version()
        return version


def _where(job: Job) -> str:
    return f" from {shown(job.location)}" if job.location else ""
