"""TLS and certificates in words and in a verdict. No textual here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from fieldkit.checks.finding import Severity
from fieldkit.reports.document import CertificateEntry, TlsEntry
from fieldkit.safetext import terminal
from fieldkit.tui.glyphs import Level

_OLD: Final = ("SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1")
"""Forbidden by RFC 8996, and by OCPP's security profiles (at least TLS 1.2)."""
_SOON: Final = 30
"""Days before its end in which a certificate is to be renewed."""
_DAY_NS: Final = 86_400 * 1_000_000_000


class Agreed(NamedTuple):
    """What is to be thought of a server."""

    word: str
    level: Level
    version: str
    """The version in words."""


def agreed(entry: TlsEntry, severities: Sequence[Severity], now: int) -> Agreed:
    """The worst of version, certificates and findings. ``now``: capture time in ns."""
    version = entry["version"]
    if not version:
        said, level, word = "no server answered the handshake", "warn", "WARN"
    elif version in _OLD:
        said, level, word = f"{version}: too old, not allowed any more (RFC 8996)", "fail", "FAIL"
    else:
        said, level, word = f"{version}", "ok", "OK"
    found: list[Level] = [level]  # type: ignore[list-item]
    found += ["fail" if one == "critical" else "warn" for one in severities if one != "info"]
    if entry["chain"]:
        found.append(worst_date(entry["chain"][:1], now))
    if "fail" in found:
        return Agreed("FAIL", "fail", said)
    if "warn" in found:
        return Agreed("WARN", "warn", said)
    # What nobody could look at is not good, it is unknown.
    return Agreed(word, "ok", said) if entry["chain"] else Agreed("HIDDEN", "info", said)


def worst_date(chain: Sequence[CertificateEntry], now: int) -> Level:
    """Whether certificates are in their time."""
    levels = [dates(certificate, now)[1] for certificate in chain]
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "ok"


def dates(certificate: CertificateEntry, now: int) -> tuple[str, Level]:
    """From when to when it holds, and how far that is away, as seen from the capture."""
    begin, end = _ns(certificate["not_before"]), _ns(certificate["not_after"])
    if begin is None or end is None:
        return "its dates cannot be read", "none"
    text = f"valid {(certificate['not_before'] or '')[:10]} to {(certificate['not_after'] or '')[:10]}"
    if now <= 0:
        return text, "none"
    if now < begin:
        return f"{text}: NOT YET valid, begins {_days(begin - now)} after this capture", "fail"
    if now > end:
        return f"{text}: EXPIRED {_days(now - end)} before this capture", "fail"
    left = (end - now) // _DAY_NS
    return f"{text}, {_days(end - now)} left", "warn" if left < _SOON else "ok"


def certificate_lines(certificate: CertificateEntry, now: int) -> list[tuple[str, Level]]:
    """One certificate, line by line."""
    names = [terminal(name, 80) for name in certificate["names"]]
    lines: list[tuple[str, Level]] = [(terminal(certificate["subject"], 200) or "(its subject cannot be read)", "none")]
    if names:
        lines.append((f"names: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}", "none"))
    if certificate["issuer"]:
        own = certificate["issuer"] == certificate["subject"]
        lines.append(("issued by itself" if own else f"issued by {terminal(certificate['issuer'], 200)}", "none"))
    lines.append(dates(certificate, now))
    if certificate["key"]:
        lines.append((f"key {terminal(certificate['key'], 40)}, serial {terminal(certificate['serial'], 40)}", "none"))
    lines.append((f"SHA-256 {certificate['fingerprint'][:32]}…", "none"))
    return lines


def _ns(time: str | None) -> int | None:
    if not time:
        return None
    try:
        return int(datetime.fromisoformat(time).timestamp()) * 1_000_000_000
    except ValueError:
        return None


def _days(ns: int) -> str:
    days = ns // _DAY_NS
    if days == 1:
        return "1 day"
    return f"{days} days" if days else "less than a day"
