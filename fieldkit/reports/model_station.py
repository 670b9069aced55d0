"""One station of the document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fieldkit.checks.words import SECOND
from fieldkit.ocpp.phrases import masked, names_token
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.reports.document import (
    BootEntry,
    CertificateEntry,
    ConnectorEntry,
    ErrorCodeEntry,
    JobEntry,
    LatencyEntry,
    MeterEntry,
    ProfileEntry,
    Rate,
    SettingEntry,
    StationEntry,
    StatusEntry,
)
from fieldkit.reports.model_links import certificate_entry
from fieldkit.reports.model_more import more
from fieldkit.reports.moments import iso, iso_or_none, milliseconds
from fieldkit.safetext import mask, shorten
from fieldkit.site.certificates import CONTRACT
from fieldkit.site.charging import Profile
from fieldkit.site.connector import Connector
from fieldkit.site.errorcodes import ErrorCodes
from fieldkit.site.link import Link
from fieldkit.site.outcomes import Outcomes
from fieldkit.site.security import security_profile
from fieldkit.site.series import Series
from fieldkit.site.station import Station

MAX_TEXT: Final = 200
"""Characters of a text that a station sent."""
MAX_STATES: Final = 50

_MEASURANDS: Final = (
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "SoC",
    "Current.Import",
    "Voltage",
    "Temperature",
    "Current.Offered",
    "Power.Offered",
)
"""What is plotted first when there is not room for all."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much of each list there is room for, so that the document of any site stays readable."""

    history: int
    settings: int
    latency: int
    meters: int
    points: int
    periods: int
    """Of one charging profile."""
    few: int
    """Of lists that only some stations have: boots, profiles, jobs, errors, certificates."""

    @classmethod
    def among(cls, stations: int, connectors: int) -> Room:
        """Shares of what is bearable in all: 1,000 status changes, 800 settings, 3,000 meter values."""
        stations, connectors = max(1, stations), max(1, connectors)
        return cls(
            history=_between(3, 1000 // connectors, 500),
            settings=_between(4, 800 // stations, 500),
            latency=_between(4, 800 // stations, 60),
            meters=_between(1, 200 // stations, 40),
            points=3_000 // stations,
            periods=_between(5, 2000 // stations, 50),
            few=_between(2, 300 // stations, 50),
        )


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))


def entry(
    station: Station,
    links: list[Link],
    outcomes: Outcomes,
    errors: ErrorCodes | None,
    now: int,
    room: Room,
    show_ids: bool,
) -> StationEntry:
    """All that the document says of a station."""
    about, offset = station.about, station.clock.offset
    few = room.few
    return {
        "station": shorten(station.identity, MAX_TEXT),
        "inferred": station.inferred,
        "vendor": shorten(about.vendor, MAX_TEXT),
        "model": shorten(about.model, MAX_TEXT),
        "serial": shorten(about.serial, MAX_TEXT),
        "firmware": shorten(about.firmware, MAX_TEXT),
        "versions": list(station.versions),
        "transports": list(station.transports),
        "first": iso(station.first),
        "last": iso(station.last),
        "messages": station.messages,
        "security_profile": security_profile(links),
        "clock_offset_s": None if offset is None else round(offset / SECOND, 3),
        "boots": [_boot(boot) for boot in list(about.boots)[-few:]],
        "boot_count": about.boot_count,
        "heartbeat_interval_s": about.heartbeat_interval,
        "heartbeats": about.heartbeats,
        "settings": _settings(station, room.settings, show_ids),
        "connectors": [
            _connector(connector, outcomes.uptime.of(station.identity, connector.name, now), room.history, show_ids)
            for _, connector in sorted(station.connectors.all.items())
        ],
        "latency": _latency(station, room.latency),
        "meters": _meters(station, room),
        "profiles": [_profile(profile, room.periods) for profile in list(station.charging.profiles.values())[-few:]],
        "jobs": [_job(job) for job in list(station.jobs.jobs)[-few:]],
        "errors": _errors(errors, few, show_ids),
        "certificates": _certificates(station, few, show_ids),
        "more": more(station, few, show_ids),
    }


def _open(text: str, show_ids: bool, limit: int = MAX_TEXT) -> str:
    """Free text of a station: no secrets, no id tokens."""
    text = conceal_text(text[: 4 * limit])
    return shorten(text if show_ids else masked(text), limit)


def _boot(boot: Any) -> BootEntry:
    return {
        "time": iso(boot.time),
        "status": shorten(boot.status, MAX_TEXT),
        "reason": shorten(boot.reason, MAX_TEXT),
        "interval_s": boot.interval,
    }


def _settings(station: Station, room: int, show_ids: bool) -> list[SettingEntry]:
    found: list[SettingEntry] = []
    for key, setting in sorted(station.about.settings.items())[:room]:
        value = setting.value
        if value is not None:
            value = mask(value) if names_token(key) and not show_ids else _open(value, show_ids)
        found.append({"key": shorten(key, MAX_TEXT), "value": value, "readonly": setting.readonly, "by": setting.by})
    return found


def _connector(connector: Connector, uptime: tuple[int, int], room: int, show_ids: bool) -> ConnectorEntry:
    history: list[StatusEntry] = [
        {
            "time": iso(change.time),
            "status": shorten(change.status, MAX_TEXT),
            "error": shorten(change.error, MAX_TEXT),
            "info": _open(change.info, show_ids),
            "vendor_error": _open(change.vendor_error, show_ids),
        }
        for change in list(connector.history)[-room:]
    ]
    return {
        "connector": connector.name,
        "status": shorten(connector.status, MAX_TEXT),
        "since": iso(connector.since),
        "history": history,
        "changes": connector.changes,
        "uptime": rate(uptime[0] // SECOND, uptime[1] // SECOND),
    }


def rate(good: int, of: int) -> Rate:
    """A share with its numbers."""
    return {"share": round(good / of, 4) if of else None, "good": good, "of": of}


def _latency(station: Station, room: int) -> list[LatencyEntry]:
    return [
        {
            "side": found.side,
            "action": shorten(found.action, MAX_TEXT),
            "count": found.count,
            "p50_ms": milliseconds(found.p50),
            "p90_ms": milliseconds(found.p90),
            "p99_ms": milliseconds(found.p99),
            "longest_ms": milliseconds(found.longest),
            "unanswered": found.unanswered,
            "errors": found.errors,
        }
        for found in station.latencies.summary()[:room]
    ]


def _meters(station: Station, room: Room) -> list[MeterEntry]:
    """The series that say most: usual measurands first, of the latest transactions."""
    ranked = sorted(
        enumerate(station.meters.series.values()),
        key=lambda item: (_importance(item[1]), bool(item[1].phase), -item[0]),
    )[: room.meters]
    each = _between(6, room.points // max(1, len(ranked)), 240)
    return [_meter(series, each) for _, series in sorted(ranked, key=lambda item: item[0])]


def _importance(series: Series) -> int:
    return _MEASURANDS.index(series.measurand) if series.measurand in _MEASURANDS else len(_MEASURANDS)


def _meter(series: Series, most: int) -> MeterEntry:
    return {
        "connector": series.connector,
        "transaction": shorten(series.transaction, MAX_TEXT),
        "measurand": shorten(series.measurand, MAX_TEXT),
        "phase": shorten(series.phase, MAX_TEXT),
        "location": shorten(series.location, MAX_TEXT),
        "unit": shorten(series.unit, MAX_TEXT),
        "count": series.count,
        "points": [(iso(time), round(value, 3)) for time, value in thinned(series.points, most)],
    }


def thinned(points: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """At most so many of them: first and last, and of each stretch between the lowest and the highest."""
    if len(points) <= most:
        return points
    if most < 4:
        return [points[0], points[-1]][:most]
    stretches = (most - 2) // 2
    inner = points[1:-1]
    kept = [points[0]]
    for number in range(stretches):
        part = inner[number * len(inner) // stretches : (number + 1) * len(inner) // stretches]
        if part:
            kept += sorted({min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])})
    return [*kept, points[-1]]


def _profile(profile: Profile, room: int) -> ProfileEntry:
    schedule = profile.schedule
    periods = zip(schedule.starts, schedule.limits, schedule.phases, strict=False)
    return {
        "id": profile.id,
        "connector": profile.connector,
        "purpose": shorten(profile.purpose, MAX_TEXT),
        "stack_level": profile.stack_level,
        "kind": shorten(profile.kind, MAX_TEXT),
        "unit": profile.unit,
        "transaction": shorten(profile.transaction, MAX_TEXT),
        "set_at": iso(profile.set_at),
        "periods": [
            {"start_s": start, "limit": limit, "phases": phases} for start, limit, phases in list(periods)[:room]
        ],
    }


def _job(job: Any) -> JobEntry:
    return {
        "kind": job.kind,
        "ordered": iso_or_none(job.ordered),
        "location": shorten(job.location, 300),
        "states": [(iso(time), shorten(state, MAX_TEXT)) for time, state in job.states[-MAX_STATES:]],
        "outcome": "failed" if job.failed else "done" if job.done else "replaced" if job.replaced else "running",
    }


def _errors(errors: ErrorCodes | None, room: int, show_ids: bool) -> list[ErrorCodeEntry]:
    if errors is None:
        return []
    latest = sorted(errors.told.values(), key=lambda error: error.last)[-room:]
    return [
        {
            "time": iso(error.first),
            "last": iso(error.last),
            "count": error.count,
            "connector": error.connector,
            "code": _open(error.code, show_ids),
            "vendor": _open(error.vendor, show_ids),
            "info": _open(error.info, show_ids),
            "mrec": error.mrec,
            "meaning": error.meaning,
        }
        for error in sorted(latest, key=lambda error: error.first)
    ]


def _certificates(station: Station, room: int, show_ids: bool) -> list[CertificateEntry]:
    found: list[CertificateEntry] = []
    for seen in list(station.certificates.seen)[-room:]:
        for certificate in seen.chain:
            entry = certificate_entry(certificate, seen.action)
            if seen.use == CONTRACT and not certificate.is_ca and not show_ids:
                entry["subject"] = mask(certificate.common_name)  # it names a contract, and so a person
            found.append(entry)
    return found[-room:]
