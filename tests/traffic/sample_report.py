"""Reports made by hand, for what renders them: a site with everything in it, and text from hostile stations."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from fieldkit.checks.finding import Owner, Severity
from fieldkit.reports.document import (
    CertificateEntry,
    ConnectionEntry,
    ConnectorEntry,
    Evidence,
    FindingEntry,
    LatencyEntry,
    MeterEntry,
    Rate,
    Report,
    StationEntry,
    StatusEntry,
    TransactionEntry,
)

START = datetime(2026, 8, 31, 8, 0, 0, tzinfo=UTC)

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "\x1b[31mred\x1b]0;title\x07",
    "[red]markup[/]",
    "=cmd|' /C calc'!A0",
    "abc\u202egpj.exe\u2066\u200f",
    "<!-- <script> -->",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "nul\x00 and lone surrogate \ud800",
    "x" * 1_000_000,
)
"""What a station may call itself."""


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rate(good: int, of: int) -> Rate:
    return {"share": good / of if of else None, "good": good, "of": of}


def evidence(seconds: float, frame: int | None, text: str, raw: str = "", source: str = "site.pcapng") -> Evidence:
    return {
        "source": source,
        "frame": frame,
        "frames": [frame - 1, frame] if frame else [],
        "time": at(seconds),
        "message_id": f"m{frame}" if raw else None,
        "text": text,
        "raw": raw,
    }


def finding(
    id_: str = "boot.rejected",
    severity: Severity = "critical",
    owner: Owner = "csms",
    title: str = "The CSMS rejects the station's boot",
    station: str = "CP-0042",
    proofs: list[Evidence] | None = None,
    **other: Any,
) -> FindingEntry:
    entry: FindingEntry = {
        "id": id_,
        "severity": severity,
        "title": title,
        "explanation": "The station reported for duty and was answered Rejected 3 times, first at 08:00:04. Until it is "
        "accepted it may not send anything else, so nobody can charge.",
        "advice": f"Register the identity {station} in the CSMS, then restart the station and look for Accepted.",
        "owner": owner,
        "station": station,
        "connector": "",
        "transaction": "",
        "first": at(4),
        "last": at(64),
        "count": 3,
        "inferred": False,
        "evidence": [evidence(4, 12, "BootNotification answered Rejected", '[3,"m12",{"status":"Rejected"}]')],
        "reference": "OCPP 1.6 §4.2; https://github.com/thoughtworks/maeve-csms/issues/6",
    }
    if proofs is not None:
        entry["evidence"] = proofs
    entry.update(other)  # type: ignore[typeddict-item]
    return entry


def station(name: str = "CP-0042", **other: Any) -> StationEntry:
    entry: StationEntry = {
        "station": name,
        "inferred": False,
        "vendor": "Alpitronic",
        "model": "HYC 300",
        "serial": "AP-30-4711",
        "firmware": "2.4.1-rc3",
        "versions": ["1.6"],
        "transports": ["websocket"],
        "first": at(0),
        "last": at(7200),
        "messages": 418,
        "security_profile": 1,
        "clock_offset_s": -182.4,
        "boots": [
            {"time": at(4), "status": "Rejected", "reason": "", "interval_s": 60},
            {"time": at(3000), "status": "Accepted", "reason": "PowerUp", "interval_s": 300},
        ],
        "boot_count": 2,
        "heartbeat_interval_s": 300,
        "heartbeats": 24,
        "settings": [
            {"key": "HeartbeatInterval", "value": "300", "readonly": False, "by": "GetConfiguration"},
            {"key": "NumberOfConnectors", "value": "2", "readonly": True, "by": "GetConfiguration"},
            {"key": "AuthorizationKey", "value": None, "readonly": False, "by": "ChangeConfiguration"},
        ],
        "connectors": [connector_one(), connector_two()],
        "latency": [
            latency("csms", "Heartbeat", 24, 14.2, 31, 80, 92),
            latency("csms", "MeterValues", 118, 22, 61, 410, 2210),
            latency("csms", "StatusNotification", 21, 18, 44, 130, 140, errors=1),
            latency("csms", "StartTransaction", 3, 220, 900, 1400, 1400),
            latency("station", "RemoteStartTransaction", 2, 812, 4100, 31_000, 31_000, unanswered=1),
            latency("station", "GetConfiguration", 0, 0, 0, 0, 0, unanswered=2),
        ],
        "meters": meters(),
        "profiles": [
            {
                "id": 7,
                "connector": "",
                "purpose": "ChargePointMaxProfile",
                "stack_level": 0,
                "kind": "Absolute",
                "unit": "W",
                "transaction": "",
                "set_at": at(200),
                "periods": [{"start_s": 0, "limit": 60_000.0, "phases": 3}],
            },
            {
                "id": 8,
                "connector": "1",
                "purpose": "TxProfile",
                "stack_level": 1,
                "kind": "Relative",
                "unit": "A",
                "transaction": "9001",
                "set_at": at(900),
                "periods": [{"start_s": 0, "limit": 96.0, "phases": None}, {"start_s": 600, "limit": 64, "phases": 3}],
            },
        ],
        "jobs": [
            {
                "kind": "firmware",
                "ordered": at(5000),
                "location": "ftp://files.example/fw/2.4.2.bin",
                "states": [(at(5010), "Downloading"), (at(5300), "Downloaded"), (at(5320), "InstallationFailed")],
                "outcome": "failed",
            }
        ],
        "errors": [
            {
                "time": at(4100),
                "connector": "2",
                "code": "GroundFailure",
                "vendor": "",
                "mrec": "CX004",
                "meaning": "Ground failure",
                "last": at(4100),
                "count": 1,
                "info": "",
            },
            {
                "time": at(4300),
                "connector": "2",
                "code": "E-0815",
                "vendor": "Alpitronic",
                "mrec": "",
                "meaning": "",
                "last": at(4300),
                "count": 1,
                "info": "",
            },
        ],
        "certificates": [certificate()],
        "more": {
            "reservations": [{"id": 5, "connector": "1", "expires": at(9000), "state": "active", "id_token": "04…7F"}],
            "local_list": [{"version": 12, "entries": 40, "full": True, "status": "Accepted"}],
        },
    }
    entry.update(other)  # type: ignore[typeddict-item]
    return entry


def status(seconds: float, name: str, error: str = "NoError", info: str = "", vendor_error: str = "") -> StatusEntry:
    return {"time": at(seconds), "status": name, "error": error, "info": info, "vendor_error": vendor_error}


def connector_one() -> ConnectorEntry:
    history = [
        status(70, "Available"),
        status(700, "Preparing"),
        status(860, "Charging"),
        status(2200, "SuspendedEV"),
        status(2500, "Finishing"),
        status(2600, "Available"),
        status(5200, "Preparing"),
        status(5260, "Charging"),
    ]
    return {
        "connector": "1",
        "status": "Charging",
        "since": at(5260),
        "history": history,
        "changes": len(history),
        "uptime": rate(7130, 7130),
    }


def connector_two() -> ConnectorEntry:
    history = [
        status(71, "Available"),
        status(3400, "Preparing"),
        status(3460, "Charging"),
        status(4100, "Faulted", "GroundFailure", "Isolation below 100 kOhm", "E-0815"),
        status(5900, "Unavailable"),
    ]
    return {
        "connector": "2",
        "status": "Unavailable",
        "since": at(5900),
        "history": history,
        "changes": len(history),
        "uptime": rate(4029, 7129),
    }


def latency(
    side: Any, action: str, count: int, p50: float, p90: float, p99: float, longest: float, **other: int
) -> LatencyEntry:
    return {
        "side": side,
        "action": action,
        "count": count,
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "longest_ms": longest,
        "unanswered": other.get("unanswered", 0),
        "errors": other.get("errors", 0),
    }


def meters() -> list[MeterEntry]:
    times = [870 + 30 * step for step in range(46)]
    power = [(at(t), 74_000 * (1 - math.exp(-(t - 860) / 120)) * (1 if t < 1700 else 0.6)) for t in times]
    register = [(at(t), 1_204_300 + (t - 870) * 15.1) for t in times]
    soc = [(at(t), 31 + (t - 870) / 40) for t in times[::3]]
    series: list[MeterEntry] = [
        series_of("Power.Active.Import", "", "W", power),
        series_of("Energy.Active.Import.Register", "", "Wh", register),
        series_of("SoC", "", "Percent", soc, "EV"),
    ]
    for number, phase in enumerate(("L1", "L2", "L3")):
        points = [(time, value / 690 + number * 3 + math.sin(step / 3) * 2) for step, (time, value) in enumerate(power)]
        series.append(series_of("Current.Import", phase, "A", points))
    return series


def series_of(
    measurand: str, phase: str, unit: str, points: list[tuple[str, float]], location: str = "Outlet"
) -> MeterEntry:
    return {
        "connector": "1",
        "transaction": "9001",
        "measurand": measurand,
        "phase": phase,
        "location": location,
        "unit": unit,
        "count": len(points),
        "points": points,
    }


def certificate() -> CertificateEntry:
    return {
        "seen": "tls server",
        "subject": "CN=csms.example,O=Example Energy",
        "issuer": "CN=Example Issuing CA 2,O=Example Trust",
        "serial": "0a:bc:de:01",
        "not_before": "2026-01-01T00:00:00.000Z",
        "not_after": "2026-09-05T23:59:59.000Z",
        "key": "RSA 2048",
        "names": ["csms.example", "*.csms.example"],
        "fingerprint": "5f:" * 31 + "5f",
    }


def transaction(id_: str, connector: str, start: float | None, stop: float | None, **other: Any) -> TransactionEntry:
    entry: TransactionEntry = {
        "station": "CP-0042",
        "id": id_,
        "version": "1.6",
        "connector": connector,
        "start": None if start is None else at(start),
        "stop": None if stop is None else at(stop),
        "energy_wh": 20_310.5,
        "stop_reason": "EVDisconnected" if stop is not None else "",
        "reason_sent": stop is not None,
        "id_token": "04…7F",
        "complete": start is not None and stop is not None,
        "authorized": "Accepted",
        "offline": False,
        "events": 50,
    }
    entry.update(other)  # type: ignore[typeddict-item]
    return entry


def connection(number: int, opened: float, closed: float | None, **other: Any) -> ConnectionEntry:
    entry: ConnectionEntry = {
        "number": number,
        "station": "CP-0042",
        "client": "10.20.0.42:50112",
        "server": "203.0.113.5:443",
        "version": "1.6",
        "opened": at(opened),
        "closed": None if closed is None else at(closed),
        "close": "still open" if closed is None else "reset by the CSMS",
        "messages": 209,
        "compressed": False,
        "tls": "TLS 1.2",
        "joined_midstream": False,
        "protocol": "websocket",
        "status": 101,
        "longest_idle_s": 299.6,
        "pings": 24,
        "gaps": 0,
    }
    entry.update(other)  # type: ignore[typeddict-item]
    return entry


def sample() -> Report:
    """Two stations, three findings, one of everything."""
    findings = [
        finding(),
        finding(
            "connector.faulted",
            "critical",
            "station",
            "A connector is faulted",
            explanation="Connector 2 went to Faulted with GroundFailure (vendor code E-0815) after 10 min 40 s of charging and "
            "stayed there for 30 min.",
            advice="Check the isolation of cable and plug of connector 2; have an electrician measure before it is used again.",
            connector="2",
            transaction="9002",
            first=at(4100),
            last=at(4100),
            count=1,
            evidence=[
                evidence(
                    4100,
                    812,
                    "StatusNotification Faulted GroundFailure",
                    '[2,"m812","StatusNotification",{"connectorId":2,"errorCode":"GroundFailure","status":"Faulted","vendorErrorCode":"E-0815"}]',
                ),
                evidence(4101, 813, "its answer", '[3,"m812",{}]'),
            ],
            reference="OCPP 1.6 §4.9",
        ),
        finding(
            "connection.idle-timeout",
            "warning",
            "site-network",
            "Something on the way closes silent connections",
            explanation="The connection was reset 5 min after the last message, twice. Nobody sent a close frame, so probably a "
            "firewall or the mobile network has forgotten it.",
            advice="Set WebSocketPingInterval to 60 s on the station, or have the operator of the router raise its timeout.",
            first=at(2960),
            last=at(2960),
            count=2,
            inferred=True,
            evidence=[evidence(2960, 640, "TCP reset from 203.0.113.5:443")],
            reference="RFC 6455 §5.5.2",
        ),
        finding(
            "security.password-in-clear",
            "info",
            "operator",
            "The station's password is sent without TLS",
            station="CP-0043",
            count=1,
            explanation="Security profile 1: anybody on the way can read the password.",
            advice="Move the station to security profile 2.",
            reference="OCPP 1.6 Security Whitepaper §2",
        ),
    ]
    report: Report = {
        "schema": 1,
        "tool": {"name": "fieldkit", "version": "0.3.0"},
        "sources": [{"name": "site.pcapng", "kind": "capture", "bytes": 4_312_000, "first": at(0), "last": at(7200)}],
        "capture": {
            "first": at(0),
            "last": at(7200),
            "duration_s": 7200.0,
            "packets": 12_480,
            "messages": 611,
            "connections": {"websocket": 3, "tls": 2, "refused": 1},
            "hosts": ["203.0.113.5:443 (csms.example, tls)", "10.20.0.1:53"],
            "gaps": 1,
            "missing_bytes": 1460,
            "snapped_bytes": 0,
            "dropped_packets": 0,
            "undecoded": 0,
            "damage": [],
            "opaque": 2,
            "complete": False,
            "notes": [
                "1,460 bytes of one connection are missing; a message may have been lost with them.",
                "2 connections stayed encrypted: with a key log (--keylog) they can be read.",
            ],
        },
        "summary": {
            "verdict": "CP-0042 cannot charge: the CSMS rejects its boot, and connector 2 is faulted.",
            "severity": "critical",
            "findings": {"critical": 2, "warning": 1, "info": 1},
            "next": [
                {
                    "text": "Register the identity CP-0042 in the CSMS, then restart the station.",
                    "owner": "csms",
                    "finding": "boot.rejected",
                    "station": "CP-0042",
                },
                {
                    "text": "Have the isolation of connector 2 measured before it is used again.",
                    "owner": "station",
                    "finding": "connector.faulted",
                    "station": "CP-0042",
                },
                {
                    "text": "Let the station ping every 60 s.",
                    "owner": "site-network",
                    "finding": "connection.idle-timeout",
                    "station": "CP-0042",
                },
            ],
            "stations": 2,
            "outcomes": {
                "charge_start_success": rate(14, 15),
                "charge_end_success": rate(12, 14),
                "session_success": rate(12, 15),
                "visits": 13,
                "first_attempt_success": rate(11, 13),
                "start_time_s": {"p50": 11.2, "p90": 34.0, "longest": 71.5},
                "uptime": rate(11_159, 14_259),
                "offline_at_end": 0,
                "method": [
                    "An attempt begins with a plug-in or an authorisation and succeeds when more than 0.1 kWh flow.",
                    "Uptime: time of a connector not Faulted and not Unavailable, of the time in which its status is known.",
                ],
            },
        },
        "stations": [
            station(),
            station(
                "CP-0043",
                vendor="Wallbe",
                model="Eco 2.0",
                versions=["2.0.1"],
                security_profile=1,
                clock_offset_s=0.2,
                connectors=[],
                meters=[],
                profiles=[],
                jobs=[],
                errors=[],
                certificates=[],
                settings=[],
                more={},
                messages=193,
            ),
        ],
        "connections": [
            connection(1, 0, 2960),
            connection(2, 2998, None),
            connection(
                3, 0, None, station="CP-0043", version="2.0.1", tls="", joined_midstream=True, compressed=True, gaps=1
            ),
        ],
        "transactions": [
            transaction("8999", "1", None, 400, stop_reason="Local"),
            transaction("9001", "1", 860, 2510),
            transaction("9002", "2", 3460, 4102, stop_reason="Other", energy_wh=5_220.0),
            transaction("9003", "1", 5262, None, energy_wh=None),
        ],
        "links": [],
        "tls": [
            {
                "server": "203.0.113.5:443",
                "server_name": "csms.example",
                "version": "TLS 1.2",
                "suite": "ECDHE-RSA-AES128-GCM-SHA256",
                "client_versions": ["TLS 1.3", "TLS 1.2"],
                "client_certificate": False,
                "resumed": 1,
                "connections": 2,
                "alerts": [],
                "opaque": "no key log",
                "chain": [certificate(), certificate()],
                "alpn": "http/1.1",
                "client_protocols": ["http/1.1"],
                "failed": 1,
                "unseen": "",
                "client_chain": [certificate()],
                "clients": [
                    {
                        "client": "CP-0042",
                        "ja3": "ada70206e40642a3e4461f35503241d5",
                        "ja4": "t12d1207h1_8daaf6152771_e5627efa2ab1",
                        "connections": 2,
                        "first": at(0),
                        "last": at(60),
                    }
                ],
            }
        ],
        "devices": [],
        "findings": findings,
        "detector": None,
    }
    return report


def hostile(text: str) -> Report:
    """The sample with ``text`` wherever a station, a CSMS, a file name or a server can put one."""
    report = sample()
    return _poisoned(report, text)


_OURS = frozenset({"severity", "owner", "side", "schema", "kind", "outcome"})
"""Members whose values are from a closed list of our own."""


def _poisoned(value: Any, text: str, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _poisoned(member, text, key) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_poisoned(item, text, name) for item in value]
    if isinstance(value, str) and name not in _OURS:
        # Times, so that there is something to draw, and names, so that stations are still told apart.
        return value if value[:6] == "2026-0" else f"{value[:8]}{text}"
    return value


def crowd(stations: int, per_station: int = 3, *, messages: int = 200) -> Report:
    """A site with many stations that all have the same faults."""
    report = sample()
    report["stations"] = [station(f"CP-{number:04d}", messages=messages) for number in range(stations)]
    report["findings"] = [
        finding(id_, severity, station=f"CP-{number:04d}")
        for id_, severity in _FAULTS[:per_station]
        for number in range(stations)
    ]
    report["transactions"] = [
        transaction(str(9000 + turn), "1", 300 * turn, 300 * turn + 200, station=f"CP-{number:04d}")
        for number in range(stations)
        for turn in range(10)
    ]
    report["connections"] = [
        connection(number * 2 + turn, 3000 * turn, 3000 * turn + 2000, station=f"CP-{number:04d}")
        for number in range(stations)
        for turn in range(2)
    ]
    report["summary"]["stations"] = stations
    return report


_FAULTS: tuple[tuple[str, Severity], ...] = (
    ("boot.rejected", "critical"),
    ("heartbeat.late", "warning"),
    ("clock.off", "info"),
)
