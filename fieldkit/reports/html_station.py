"""A station as the page shows it: what is drawn, and how much of each list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.reports import svg_meter
from fieldkit.reports.document import (
    BootEntry,
    CertificateEntry,
    ConnectionEntry,
    ConnectorEntry,
    ErrorCodeEntry,
    JobEntry,
    LatencyEntry,
    MeterEntry,
    ProfileEntry,
    Report,
    SettingEntry,
    StationEntry,
    StatusEntry,
    TransactionEntry,
)
from fieldkit.reports.html_detail import Cut, Detail, first, last
from fieldkit.reports.html_findings import FindingView
from fieldkit.reports.html_words import energy
from fieldkit.reports.svg import TimeAxis, parse_time, span_words
from fieldkit.reports.svg_latency import LatencyScale
from fieldkit.reports.svg_timeline import Band, Lane, Marker, legend, state_bands, timeline

_FIRST_MEASURANDS: Final = (
    "Power.Active.Import",
    "Current.Import",
    "Energy.Active.Import.Register",
    "SoC",
    "Power.Active.Export",
    "Power.Offered",
    "Current.Offered",
    "Voltage",
)
"""What a technician looks at first; the rest follows as it comes."""
_KILO: Final = {"W": "kW", "Wh": "kWh", "VA": "kVA", "var": "kvar", "varh": "kvarh"}
_UNITS: Final = {"Percent": "%", "Celsius": "°C", "Celcius": "°C"}
"""As they are written; OCPP 1.6 §7.45 knows both spellings of the last."""
_NO_ERRORS: Final = frozenset({"", "NoError"})
_SHORT_STAY: Final = 0.5
"""Share of the capture below which a station's timeline has its own axis."""
_UNKNOWN: Final = "?"
"""Connector of a transaction that nothing says the connector of."""
MOST_TRANSACTIONS_LISTED: Final = 3
"""Transactions named in the caption of a plot."""


@dataclass(slots=True)
class MeterView:
    """One plot and its caption."""

    title: str
    drawing: str
    legend: list[tuple[str, str]]
    """(swatch, name)."""
    caption: str


@dataclass(slots=True)
class ConnectorView:
    """A connector with the part of its history that is shown."""

    entry: ConnectorEntry
    history: Cut[StatusEntry]
    uptime_seconds: int


@dataclass(slots=True)
class StationView:
    """Everything of one section."""

    anchor: str
    entry: StationEntry
    found: list[tuple[str, FindingView, int]]
    """(severity, the first of them, how many) of what somebody should act on."""
    noted: list[tuple[str, FindingView, int]]
    """The same of the notes."""
    worst: str
    timeline: str
    span: str
    """Which part of the capture it shows; empty for all of it."""
    legend: list[tuple[str, str]]
    """(swatch, word)."""
    undrawn: int
    """Transactions that lie outside the time of the capture by the station's own clock."""
    connectors: list[ConnectorView]
    latency: Cut[tuple[LatencyEntry, str]]
    latency_axis: str
    plots: Cut[MeterView]
    transactions: Cut[TransactionEntry]
    boots: Cut[BootEntry]
    settings: Cut[SettingEntry]
    profiles: Cut[ProfileEntry]
    jobs: Cut[JobEntry]
    errors: Cut[ErrorCodeEntry]
    certificates: Cut[CertificateEntry]
    more: list[tuple[str, Cut[Any]]]


@dataclass(slots=True)
class Surroundings:
    """What the rest of the report says about one station."""

    connections: list[ConnectionEntry]
    transactions: list[TransactionEntry]
    findings: list[FindingView]


def by_station(report: Report, findings: dict[str, list[FindingView]]) -> dict[str, Surroundings]:
    """All lists of the report, sorted by station once."""
    around = {
        entry["station"]: Surroundings([], [], findings.get(entry["station"], [])) for entry in report["stations"]
    }
    for connection in report["connections"]:
        if connection["station"] in around:
            around[connection["station"]].connections.append(connection)
    for transaction in report["transactions"]:
        if transaction["station"] in around:
            around[transaction["station"]].transactions.append(transaction)
    return around


def station_view(
    number: int, entry: StationEntry, around: Surroundings, capture: TimeAxis | None, detail: Detail
) -> StationView:
    """Draw one station; ``capture`` is the time that was captured."""
    axis, span = _axis(entry, around, capture)
    drawing, states, undrawn = _timeline(entry, around, axis, detail) if axis else ("", [], 0)
    counted = _counted(around.findings)[: detail.markers]
    scale = LatencyScale.over(entry["latency"])
    latency = first(entry["latency"], detail.latency)
    return StationView(
        anchor=f"s{number}",
        entry=entry,
        found=[row for row in counted if row[0] != "info"],
        noted=[row for row in counted if row[0] == "info"],
        worst=around.findings[0].entry["severity"] if around.findings else "ok",
        timeline=drawing,
        span=span,
        legend=states,
        undrawn=undrawn,
        connectors=[
            ConnectorView(connector, last(connector["history"], detail.history), connector["uptime"]["of"])
            for connector in entry["connectors"]
        ],
        latency=Cut([(row, scale.row(row)) for row in latency.rows], latency.left_out),
        latency_axis=scale.axis(),
        plots=_plots(entry, detail),
        transactions=last(around.transactions, detail.transactions),
        boots=last(entry["boots"], detail.boots),
        settings=first(entry["settings"], detail.settings),
        profiles=first(entry["profiles"], detail.profiles),
        jobs=last(entry["jobs"], detail.jobs),
        errors=last(entry["errors"], detail.errors),
        certificates=first(entry["certificates"], detail.certificates),
        more=[
            (name, first(rows if isinstance(rows, list) else [rows], detail.more))
            for name, rows in entry["more"].items()
            if rows
        ],
    )


def _counted(findings: Sequence[FindingView]) -> list[tuple[str, FindingView, int]]:
    """Findings with the same title as one."""
    titles: dict[tuple[str, str], tuple[FindingView, int]] = {}
    for view in findings:
        key = (view.entry["severity"], view.entry["title"])
        before = titles.get(key)
        titles[key] = (view, 1) if before is None else (before[0], before[1] + 1)
    return [(severity, view, count) for (severity, _), (view, count) in titles.items()]


# ----------------------------------------------------------------------------------------------------------- timeline


def _axis(entry: StationEntry, around: Surroundings, capture: TimeAxis | None) -> tuple[TimeAxis | None, str]:
    """The time of the capture, so that stations can be compared; of a station that was there for a short time only,
    its own time."""
    times = _times(entry["first"], entry["last"])
    for row in around.connections:
        times += _times(row["opened"], row["closed"])
        if row["closed"] is None and capture is not None:
            times.append(capture.last)
    own = TimeAxis.over(times)
    if own is None or capture is None:
        return own or capture, ""
    if own.last - own.first > (capture.last - capture.first) * _SHORT_STAY:
        return capture, ""
    margin = (own.last - own.first) * 0.02
    axis = TimeAxis(max(own.first - margin, capture.first), min(own.last + margin, capture.last))
    if axis.last <= axis.first:
        return capture, ""
    return axis, span_words(axis.first, axis.last)


def _known_until(entry: StationEntry, around: Surroundings, axis: TimeAxis) -> float:
    """Up to when the last status told can be taken to hold: as long as the station was heard of or connected."""
    if any(row["closed"] is None and row["protocol"] == "websocket" for row in around.connections):
        return axis.last
    return max(
        [*_times(entry["last"]), *(time for row in around.connections for time in _times(row["closed"]))],
        default=axis.last,
    )


def _timeline(
    entry: StationEntry, around: Surroundings, axis: TimeAxis, detail: Detail
) -> tuple[str, list[tuple[str, str]], int]:
    """The drawing, its legend, and how many transactions have no place in it."""
    undrawn = 0
    known = min(_known_until(entry, around, axis), axis.last)
    lanes: dict[str, Lane] = {}
    for connector in entry["connectors"]:
        name = connector["connector"]
        changes = [
            (time, status["status"], status["error"] if status["error"] not in _NO_ERRORS else "")
            for status in connector["history"][-detail.bands :]
            if (time := parse_time(status["time"])) is not None
        ]
        if changes:
            lanes[name] = Lane(f"Connector {name}" if name else "Station as a whole", state_bands(changes, known))
    for transaction in around.transactions[-detail.bands :]:
        band = _transaction_band(transaction, axis)
        if band is None:
            continue
        if band.last < axis.first or band.first > axis.last:
            undrawn += 1
            continue
        # The station as a whole has the empty name among connectors; it does not charge.
        name = transaction["connector"] or _UNKNOWN
        if name not in lanes:
            lanes[name] = Lane("Connector not known" if name == _UNKNOWN else f"Connector {name}")
        lanes[name].transactions.append(band)
    connections = [
        band for row in around.connections[-detail.bands :] if (band := _connection_band(row, axis)) is not None
    ]
    markers = [
        Marker(time, view.entry["severity"], f"{view.entry['severity']}: {view.entry['title']}", view.anchor)
        for view in around.findings[: detail.markers]
        if (time := parse_time(view.entry["first"])) is not None
    ]
    markers += [
        Marker(time, "boot", f"boot, answered {boot['status'] or 'by nobody'}")
        for boot in entry["boots"][-detail.markers :]
        if (time := parse_time(boot["time"])) is not None
    ]
    if not (lanes or connections or markers):
        return "", [], undrawn
    ordered = [lanes[name] for name in sorted(lanes, key=_connector_order)]
    name = f"What {entry['station']} went through: connection, connectors and transactions over time"
    return timeline(axis, connections, ordered, markers, name), legend(ordered), undrawn


def _connector_order(name: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() and len(part) < 9 else 0 for part in name.split("/"))


def _transaction_band(entry: TransactionEntry, axis: TimeAxis) -> Band | None:
    start, stop = parse_time(entry["start"]), parse_time(entry["stop"])
    if start is None and stop is None:
        return None
    text = f"{entry['id'] or 'without id'}" + (
        f" · {energy(entry['energy_wh'])}" if entry["energy_wh"] is not None else ""
    )
    begin = axis.first if start is None else start
    end = axis.last if stop is None else stop
    return Band(
        min(begin, end),
        max(begin, end),
        text,
        "tx" if entry["complete"] else "tx part",
        f"Transaction {text}",
        open_start=start is None or start < axis.first,
        open_end=stop is None or stop > axis.last,
    )


def _connection_band(entry: ConnectionEntry, axis: TimeAxis) -> Band | None:
    opened = parse_time(entry["opened"])
    if opened is None:
        return None
    closed = parse_time(entry["closed"])
    words = " · ".join(word for word in (f"OCPP {entry['version']}" if entry["version"] else "", entry["tls"]) if word)
    return Band(
        opened,
        max(opened, axis.last if closed is None else closed),
        words,
        "conn",
        f"Connection {entry['number']}, {entry['close']}",
        open_start=entry["joined_midstream"],
        open_end=closed is None,
    )


# -------------------------------------------------------------------------------------------------------- meter plots


def _plots(entry: StationEntry, detail: Detail) -> Cut[MeterView]:
    groups: dict[tuple[str, str, str, str], list[MeterEntry]] = {}
    for series in entry["meters"]:
        if series["points"]:
            groups.setdefault(
                (series["connector"], series["measurand"], series["location"], series["unit"]), []
            ).append(series)
    ranks = {name: rank for rank, name in enumerate(_FIRST_MEASURANDS)}
    # By measurand first: with room for a few plots the power of every connector beats everything about one of them.
    ordered = sorted(groups, key=lambda key: (ranks.get(key[1], len(ranks)), _connector_order(key[0]), key))
    chosen = first(ordered, detail.plots)
    views = [_plot(key, groups[key], entry["profiles"]) for key in chosen.rows]
    return Cut([view for view in views if view is not None], chosen.left_out)


def _plot(
    key: tuple[str, str, str, str], group: Sequence[MeterEntry], profiles: Sequence[ProfileEntry]
) -> MeterView | None:
    connector, measurand, location, unit = key
    most = max(abs(value) for series in group for _, value in series["points"])
    factor, shown_unit = (0.001, _KILO[unit]) if unit in _KILO and most >= 1000 else (1.0, _UNITS.get(unit, unit))
    phases = list(dict.fromkeys(series["phase"] for series in group))[: svg_meter.MOST_LINES]
    lines = [
        svg_meter.Line(
            phases.index(series["phase"]),
            [(time, value * factor) for text, value in series["points"] if (time := parse_time(text)) is not None],
        )
        for series in group
        if series["phase"] in phases
    ]
    lines = [line for line in lines if line.points]
    axis = TimeAxis.over([time for line in lines for time, _ in line.points])
    if axis is None:
        return None
    limits = _limits(connector, measurand, unit, profiles, axis, factor)
    place = f"connector {connector}" if connector else "station"
    title = f"{measurand}, {place}" + (f", {location}" if location and location != "Outlet" else "")
    values = [value for line in lines for _, value in line.points]
    numbers = [svg_meter.number_words(value) for value in (min(values), max(values))]
    reach = f"{numbers[0]} {shown_unit}" if numbers[0] == numbers[1] else f"{numbers[0]} to {numbers[1]} {shown_unit}"
    count = sum(series["count"] for series in group)
    transactions = list(dict.fromkeys(series["transaction"] for series in group if series["transaction"]))
    named = ", ".join(transactions[:MOST_TRANSACTIONS_LISTED]) + (
        f" and {len(transactions) - MOST_TRANSACTIONS_LISTED} more"
        if len(transactions) > MOST_TRANSACTIONS_LISTED
        else ""
    )
    caption = f"{count} value{'s' if count != 1 else ''}, {reach}" + (f"; transaction {named}" if named else "")
    named_lines = [(svg_meter.line_swatch(phases.index(phase)), phase or "all phases") for phase in phases]
    if named_lines == [(svg_meter.line_swatch(0), "all phases")]:
        named_lines = []
    named_lines += [(svg_meter.line_swatch(-1), limit.text) for limit in limits[:2]]
    # One moment makes no curve: the caption says all.
    moments = {time for line in lines for time, _ in line.points}
    drawing = (
        svg_meter.meter_plot(lines, limits, unit=shown_unit, name=f"{title}: {caption}") if len(moments) > 1 else ""
    )
    return MeterView(title, drawing, named_lines, caption)


def _limits(
    connector: str, measurand: str, unit: str, profiles: Sequence[ProfileEntry], axis: TimeAxis, factor: float
) -> list[svg_meter.LimitLine]:
    """Limits that hold from the moment they were set: only of schedules with one period, where no clock is needed.

    When another schedule's later periods begin depends on its start, which the document does not tell.
    """
    if measurand not in ("Power.Active.Import", "Current.Import"):
        return []
    lines = []
    for profile in profiles:
        set_at = parse_time(profile["set_at"])
        periods = profile["periods"]
        if (
            profile["unit"] != unit
            or profile["connector"] not in ("", connector)
            or len(periods) != 1
            or set_at is None
        ):
            continue
        value = periods[0].get("limit")
        if isinstance(value, (int, float)) and not isinstance(value, bool) and set_at <= axis.last:
            shown = svg_meter.number_words(value * factor)
            text = (
                f"limit {shown} {_KILO[unit] if factor != 1 else unit}, profile {profile['id']} ({profile['purpose']})"
            )
            lines.append(svg_meter.LimitLine(max(set_at, axis.first), axis.last, value * factor, text))
    return lines[:4]


def _times(*texts: str | None) -> list[float]:
    return [time for text in texts if (time := parse_time(text)) is not None]
