"""Connections, TLS endpoints and certificates of the document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from fieldkit.events import Endpoint
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.reports.document import CertificateEntry, ConnectionEntry, TlsEntry
from fieldkit.reports.moments import iso, iso_or_none, seconds
from fieldkit.safetext import shorten
from fieldkit.site.link import Link
from fieldkit.wire.tlsnames import suite_name, version_name

MAX_CONNECTIONS: Final = 500
"""Of those with OCPP, the latest."""
MAX_OTHERS: Final = 100
"""Connections that stayed encrypted or failed on the way, the latest."""
MAX_TLS: Final = 100
"""TLS servers."""
MAX_CHAIN: Final = 8
MAX_ALERTS: Final = 10
"""Different alerts of one server."""
MAX_NAME: Final = 200
_FAILED: Final = ("refused", "no-answer")


def listed(links: Iterable[Link]) -> tuple[list[ConnectionEntry], int]:
    """The connections that have to do with OCPP or may have, and how many of them there is no room for."""
    ocpp: list[Link] = []
    others: list[Link] = []
    for link in links:
        if link.ocpp:
            ocpp.append(link)
        elif link.how in _FAILED or link.tls is not None or link.protocol == "tls":
            others.append(link)
    chosen = sorted(ocpp[-MAX_CONNECTIONS:] + others[-MAX_OTHERS:], key=lambda link: link.connection.number)
    return [_connection(link) for link in chosen], len(ocpp) + len(others) - len(chosen)


def _connection(link: Link) -> ConnectionEntry:
    connection = link.connection
    tls = link.tls
    return {
        "number": connection.number,
        "station": shorten(link.station, MAX_NAME),
        "client": endpoint(connection.client),
        "server": endpoint(connection.server),
        "version": link.version,
        "opened": iso(connection.opened),
        "closed": None if link.how in ("", "end-of-capture") else iso_or_none(link.closed),
        "close": close_words(link),
        "messages": link.messages,
        "compressed": link.deflate,
        "tls": "" if tls is None else "TLS" if tls.version is None else version_name(tls.version),
        "joined_midstream": connection.joined_midstream,
        "protocol": link.protocol,
        "status": link.status,
        "longest_idle_s": seconds(link.longest_idle),
        "pings": sum(link.pings),
        "gaps": link.gaps,
    }


def close_words(link: Link) -> str:
    """How a connection ended: "closed by the station (1000)", "reset by the CSMS", "still open"."""
    # Over SOAP either side may be the client.
    sides = ("station", "CSMS") if link.ocpp and not link.soap else ("client", "server")
    if link.close_by_client is not None:
        who = sides[0] if link.close_by_client else sides[1]
        code = "no code" if link.close_code is None else str(link.close_code)
        reason = shorten(conceal_text(link.close_reason), 80)
        return f"closed by the {who} ({code}{f': {reason}' if reason else ''})"
    by = "" if link.by_client is None else f" by the {sides[0] if link.by_client else sides[1]}"
    return {
        "": "still open",
        "end-of-capture": "still open",
        "fin": f"closed{by}",
        "rst": f"reset{by}",
        "refused": "refused by the server",
        "no-answer": "the server never answered",
        "timeout": "silent for too long, no end seen",
        "replaced": "its ports were taken by a new connection",
    }.get(link.how, link.how)


def endpoint(end: Endpoint) -> str:
    """As in "203.0.113.5:443", "[2001:db8::5]:443"."""
    return f"[{end.address}]:{end.port}" if ":" in end.address else f"{end.address}:{end.port}"


# ------------------------------------------------------------------------------------------------------------------ tls


def tls_entries(links: Iterable[Link]) -> list[TlsEntry]:
    """One for each server and name, those with most connections first."""
    grouped: dict[tuple[str, int, str], list[Link]] = {}
    for link in links:
        if link.tls is not None:
            server = link.connection.server
            grouped.setdefault((server.address, server.port, link.tls.server_name), []).append(link)
    groups = sorted(grouped.values(), key=len, reverse=True)[:MAX_TLS]
    return [_tls(group) for group in groups]


def _tls(links: list[Link]) -> TlsEntry:
    sides = [link.tls for link in links if link.tls is not None]
    chosen = next((side for side in reversed(sides) if side.version is not None), sides[-1])
    chain = next((side.server_chain for side in reversed(sides) if side.server_chain), ())
    alerts: dict[str, None] = {}
    for side in sides:
        for _, from_client, name in side.alerts:
            if name != "close_notify" and len(alerts) < MAX_ALERTS:  # that one is the goodbye of every good connection
                alerts[f"{shorten(name, 60)} (from the {'client' if from_client else 'server'})"] = None
    offered = sorted({version for side in sides for version in side.offered}, reverse=True)
    return {
        "server": endpoint(links[0].connection.server),
        "server_name": shorten(chosen.server_name, MAX_NAME),
        "version": "" if chosen.version is None else version_name(chosen.version),
        "suite": "" if chosen.suite is None else suite_name(chosen.suite),
        "client_versions": [version_name(version) for version in offered if _is_version(version)],
        "client_certificate": any(side.client_chain for side in sides),
        "resumed": sum(side.resumed for side in sides),
        "connections": len(links),
        "alerts": list(alerts),
        "opaque": shorten(next((side.opaque for side in reversed(sides) if side.opaque), ""), MAX_NAME),
        "chain": [described(der, "tls server") for der in chain[:MAX_CHAIN]],
    }


def _is_version(number: int) -> bool:
    """A real one: clients offer reserved ones to keep servers tolerant (RFC 8701)."""
    return 0x0200 <= number <= 0x0304


def described(der: bytes, seen: str) -> CertificateEntry:
    """What a certificate says, as far as it can be read; without the cryptography package only its fingerprint."""
    entry: CertificateEntry = {
        "seen": seen,
        "subject": "",
        "issuer": "",
        "serial": "",
        "not_before": None,
        "not_after": None,
        "key": "",
        "names": [],
        "fingerprint": hashlib.sha256(der).hexdigest(),
    }
    try:
        # Only where a handshake shows a certificate; small routers lack the package.
        from cryptography import x509
    except ImportError:
        return entry
    try:
        certificate = x509.load_der_x509_certificate(der)
        entry["subject"] = shorten(certificate.subject.rfc4514_string(), MAX_NAME)
        entry["issuer"] = shorten(certificate.issuer.rfc4514_string(), MAX_NAME)
        entry["serial"] = f"{certificate.serial_number:x}"[:64]
        entry["not_before"] = iso_or_none(round(certificate.not_valid_before_utc.timestamp()) * 1_000_000_000)
        entry["not_after"] = iso_or_none(round(certificate.not_valid_after_utc.timestamp()) * 1_000_000_000)
        key = certificate.public_key()
        size = getattr(key, "key_size", None)
        kind = key.__class__.__name__.removesuffix("PublicKey").lstrip("_")
        curve = getattr(getattr(key, "curve", None), "name", "")
        entry["key"] = f"EC {curve}" if curve else f"{kind} {size}" if size else kind
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        entry["names"] = [shorten(str(name.value), MAX_NAME) for name in list(names)[:20]]
    except (ValueError, TypeError, x509.ExtensionNotFound, x509.DuplicateExtension):
        pass  # what could be read stands in the entry, the fingerprint in any case
    except Exception as error:  # what the package raises for broken keys differs from version to version
        entry["key"] = f"unreadable ({error.__class__.__name__})"
    return entry
