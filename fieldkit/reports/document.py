"""The report as one document: what ``report -o x.json`` writes, and what every other format only renders.

``report.schema.json`` beside this file is the same in JSON Schema, for whoever reads the JSON. Times are ISO 8601 UTC
with milliseconds ("2026-08-31T08:00:00.000Z"), durations are in the unit their name ends with, texts are as they were
sent: whoever renders them makes them safe. Id tokens are masked unless ids are to be shown; secrets are never in it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypedDict

from fieldkit.checks.finding import Owner, Severity

SCHEMA = 1
"""Raised when a reader of the document would have to change."""

Time: TypeAlias = Annotated[str, "time"]
"""ISO 8601 in UTC with milliseconds; empty where a log tells no time."""


class Tool(TypedDict):
    name: str
    version: str


class Source(TypedDict):
    name: str
    kind: Literal["capture", "log"]
    bytes: int
    first: Time | None
    last: Time | None


class Capture(TypedDict):
    """What was read, and what of it could not be."""

    first: Time | None
    last: Time | None
    duration_s: float
    packets: int
    messages: int
    connections: dict[str, int]
    """By protocol ("websocket", "http", "tls", "unknown") or failure ("refused", "never answered")."""
    hosts: list[str]
    """Servers seen, busiest first, at most 50: "203.0.113.5:443 (csms.example, tls)"."""
    gaps: int
    missing_bytes: int
    snapped_bytes: int
    dropped_packets: int
    undecoded: int
    damage: list[str]
    opaque: int
    """Connections that stayed encrypted."""
    complete: bool
    """False when something was lost that could change the verdict."""
    notes: list[str]
    """Sentences on all this for the reader, and checks that failed."""


class NextStep(TypedDict):
    text: str
    owner: Owner
    finding: str
    """Id of the finding that asks for it; empty for what to try when nothing could be judged."""
    station: str
    """Or several: "CP_1, CP_2 and 3 more"."""


class Rate(TypedDict):
    """A share, with the numbers behind it; ``share`` is None when there was nothing to count."""

    share: float | None
    good: int
    of: int


class Outcomes(TypedDict):
    """ChargeX customer-focused KPIs as far as OCPP shows them; ``method`` says how they were counted."""

    charge_start_success: Rate
    charge_end_success: Rate
    session_success: Rate
    visits: int
    first_attempt_success: Rate
    start_time_s: dict[str, float] | None
    """Seconds from plug-in or authorisation to energy: "p50", "p90", "longest"."""
    uptime: Rate
    """Over all connectors, in seconds."""
    offline_at_end: int
    """Connectors whose station had lost its connection a minute or more before the end and was not seen again: the
    time since then is not in ``uptime``."""
    method: list[str]


class Summary(TypedDict):
    verdict: str
    """The first line: one sentence."""
    severity: Literal["critical", "warning", "info", "ok", "nothing"]
    """ok: messages and no finding above info. nothing: no OCPP was seen."""
    findings: dict[Severity, int]
    next: list[NextStep]
    """What to do, most urgent first, at most 10."""
    stations: int
    outcomes: Outcomes | None


class BootEntry(TypedDict):
    time: Time
    status: str
    reason: str
    interval_s: int | None


class SettingEntry(TypedDict):
    key: str
    value: str | None
    readonly: bool | None
    by: str


class StatusEntry(TypedDict):
    time: Time
    status: str
    error: str
    info: str
    vendor_error: str


class ConnectorEntry(TypedDict):
    connector: str
    """"" is the station as a whole."""
    status: str
    since: Time
    history: list[StatusEntry]
    """At most 500, the last ones."""
    changes: int
    uptime: Rate


class LatencyEntry(TypedDict):
    side: Literal["station", "csms"]
    action: str
    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    longest_ms: float
    unanswered: int
    errors: int


class MeterEntry(TypedDict):
    connector: str
    transaction: str
    measurand: str
    phase: str
    location: str
    unit: str
    count: int
    points: list[tuple[Time, float]]
    """Thinned to at most 240."""


class ProfileEntry(TypedDict):
    id: int
    connector: str
    purpose: str
    stack_level: int
    kind: str
    unit: str
    transaction: str
    set_at: Time
    periods: list[dict[str, Any]]
    """At most 50 of {"start_s", "limit", "phases"}."""


class JobEntry(TypedDict):
    kind: str
    ordered: Time | None
    location: str
    states: list[tuple[Time, str]]
    outcome: Literal["running", "done", "failed", "replaced"]
    """replaced: another order of its kind came before its end."""


class ErrorCodeEntry(TypedDict):
    """An error that a station told, and which ChargeX minimum required error code it is."""

    time: Time
    """When it was told first …"""
    last: Time
    """… and last."""
    count: int
    connector: str
    code: str
    """As told: OCPP errorCode, vendor code, techCode."""
    vendor: str
    """vendorId that the code belongs to; empty for OCPP's own and for 2.x."""
    info: str
    """What the station said beside it."""
    mrec: str
    """"CX003"; empty when no public mapping knows it."""
    meaning: str


class CertificateEntry(TypedDict):
    """A certificate seen in a TLS handshake or inside an OCPP message."""

    seen: str
    """Where: "tls server", "tls client", or the action."""
    subject: str
    issuer: str
    serial: str
    not_before: Time | None
    not_after: Time | None
    key: str
    names: list[str]
    fingerprint: str


class StationEntry(TypedDict):
    station: str
    inferred: bool
    vendor: str
    model: str
    serial: str
    firmware: str
    versions: list[str]
    transports: list[str]
    first: Time
    last: Time
    messages: int
    security_profile: int | None
    """As seen on the wire: 0 (nothing), 1 (password), 2 (TLS), 3 (TLS with client certificate); None: not seen."""
    clock_offset_s: float | None
    boots: list[BootEntry]
    boot_count: int
    heartbeat_interval_s: int | None
    heartbeats: int
    settings: list[SettingEntry]
    connectors: list[ConnectorEntry]
    latency: list[LatencyEntry]
    meters: list[MeterEntry]
    profiles: list[ProfileEntry]
    jobs: list[JobEntry]
    errors: list[ErrorCodeEntry]
    certificates: list[CertificateEntry]
    more: dict[str, Any]
    """What only some stations have: reservations, local list, DER controls, V2X, tariffs, battery swaps, payments,
    event streams; each a list of flat objects."""


class ConnectionEntry(TypedDict):
    number: int
    station: str
    client: str
    server: str
    version: str
    opened: Time
    closed: Time | None
    close: str
    """How it ended, in words: "closed by the station (1000)", "reset by the CSMS", "still open"."""
    messages: int
    compressed: bool
    tls: str
    """"" or as in "TLS 1.2"."""
    joined_midstream: bool
    protocol: str
    status: int | None
    longest_idle_s: float
    pings: int
    gaps: int


class TransactionEntry(TypedDict):
    station: str
    id: str
    version: str
    connector: str
    start: Time | None
    stop: Time | None
    energy_wh: float | None
    """None also where the register went backwards: less than nothing does not flow."""
    stop_reason: str
    reason_sent: bool
    """False: the station sent none, which the standard reads as "Local"."""
    id_token: str
    complete: bool
    authorized: str
    offline: bool
    events: int


class TlsClientEntry(TypedDict):
    """Who said hello to a TLS server, by fingerprint: one client with two of them was updated, or is not one client."""

    client: str
    """Station where it is known, else its address."""
    ja3: str
    ja4: str
    connections: int
    first: Time
    last: Time


class TlsEntry(TypedDict):
    """A TLS server under one name, as an onlooker saw it."""

    server: str
    server_name: str
    version: str
    suite: str
    alpn: str
    """Protocol that was agreed on in clear; TLS 1.3 encrypts that."""
    client_versions: list[str]
    client_protocols: list[str]
    """Offered by ALPN."""
    client_certificate: bool
    resumed: int
    connections: int
    failed: int
    """Of these: without an answer to the hello, or ended by an alert of the handshake."""
    alerts: list[str]
    opaque: str
    unseen: str
    """What could not be seen of it and why, in a sentence; empty where certificates were."""
    chain: list[CertificateEntry]
    client_chain: list[CertificateEntry]
    """What the client showed last."""
    clients: list[TlsClientEntry]
    """At most 20, those with most connections first."""


class Evidence(TypedDict):
    source: str
    frame: int | None
    """Capture frame (log: line) that completed it."""
    frames: list[int]
    """All of them, at most 20."""
    time: Time
    message_id: str | None
    text: str
    """What it was, in a line."""
    raw: str
    """The frame as sent, secrets hidden and ids masked, at most 2,000 characters; empty for what is no message."""


class FindingEntry(TypedDict):
    id: str
    severity: Severity
    title: str
    explanation: str
    advice: str
    owner: Owner
    station: str
    connector: str
    transaction: str
    first: Time
    last: Time
    count: int
    inferred: bool
    evidence: list[Evidence]
    reference: str


class LegEntry(TypedDict):
    """One step of an outage, and whose time it was."""

    leg: Literal["path_lost", "detected", "first_syn", "handshake", "upgrade", "boot", "first_message"]
    """The moment that it ends with; path_lost is where it all begins and lasts no time."""
    time: Time
    seconds: float
    owner: Owner
    why: str
    confidence: float
    """0 to 1; 0 where it is not attributed."""


class PathEntry(TypedDict):
    """What a path probably is, inferred from its round trips."""

    kind: Literal["broadband", "cellular", "geo-satellite", "leo-satellite", "local", "unknown"]
    confidence: float
    reason: str
    rtt_ms: float | None
    """Median."""


class OutageEntry(TypedDict):
    """A time in which a station could not talk to its CSMS, taken apart (docs/link.md)."""

    cause: Literal[
        "switch-flows-flushed", "switch-flows-stranded", "blackhole", "satellite-step", "sim-change", "flapping",
        "backup-cannot-reach-csms", "nat-idle-kill", "csms-restart", "station-restart", "power-cut", "router-restart",
        "unknown",
    ]  # fmt: skip
    confidence: float
    """0 to 1."""
    reasons: list[str]
    start: Time
    end: Time | None
    """None: it was not over when the capture ended."""
    seconds: float
    """From the first moment known to the last."""
    broken: bool
    """False: the connection outlived it."""
    legs: list[LegEntry]
    lost_between: tuple[Time, Time] | None
    """Bounds of path_lost where nobody told it exactly."""
    switched: Time | None
    """When the router moved, where it or a capture on its outside tells."""
    before: PathEntry
    after: PathEntry
    address_before: str
    address_after: str
    attempts: int
    retransmissions: int
    queued: int
    duplicates: int
    clock_step_s: float | None
    connections: list[int]
    """Numbers, the one that was lost first."""
    frames: list[int]
    source: str


class LinkEntry(TypedDict):
    """The path between a station and its CSMS, as far as it was measured in passing."""

    station: str
    seen_from: Literal["site", "outside"]
    """Which side of the site's router was captured."""
    path: PathEntry
    handshake_ms: float | None
    """Median round trip of TCP handshakes."""
    connections: int
    retransmissions: int
    """Of the station."""
    unreachable: int
    """ICMP errors about its packets."""
    windows_closed: int
    ttl: int
    mss: int
    """Time to live and largest segment as the CSMS's side has them; 0 where not seen."""
    ping_interval_s: float | None
    """Of the station's WebSocket pings."""
    outages: list[OutageEntry]
    """The latest, at most 20."""


class DeviceValue(TypedDict):
    """What a device told last under one name."""

    name: str
    value: float | str | None
    """None: the device has no value, or none that is a number."""
    unit: str
    measurand: str
    """OCPP's name for it; empty where it has none."""
    phase: str
    time: Time | None
    verified: bool
    """False: what it means rests on a single source."""


class DeviceEntry(TypedDict):
    """A meter, controller, modem or console on a serial port."""

    port: str
    dialect: str
    name: str
    """"sdm630/1"; empty for a console."""
    station: str
    connector: str
    """Against whose messages it was held; empty where that was not evident."""
    reason: str
    """Why it is that station's, or nobody's."""
    last: Time | None
    pilot: str
    """State of IEC 61851-1 that it told last; empty without one."""
    network: str
    """Of a modem: "registered", or what it is instead."""
    values: list[DeviceValue]
    values_left_out: int


class Report(TypedDict):
    schema: int
    tool: Tool
    sources: list[Source]
    capture: Capture
    summary: Summary
    stations: list[StationEntry]
    connections: list[ConnectionEntry]
    transactions: list[TransactionEntry]
    links: list[LinkEntry]
    """At most 500, those with outages first."""
    tls: list[TlsEntry]
    devices: list[DeviceEntry]
    """Of recordings of serial ports that were given beside captures and logs; at most 64."""
    findings: list[FindingEntry]
    detector: dict[str, Any] | None
