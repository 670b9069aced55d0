"""Connections, TLS endpoints and certificates of the document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from fieldkit.events import Endpoint
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.reports.document import CertificateEntry, ConnectionEntry, TlsClientEntry, TlsEntry
from fieldkit.reports.moments import iso, iso_or_none, seconds
from fieldkit.safetext import shorten
from fieldkit.site.certificateread import parsed
from fieldkit.site.link import Link
from fieldkit.site.tlsseen import TlsSide
from fieldkit.trust.certificate import Certificate
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
MAX_PROTOCOL: Final = 40
MAX_CLIENTS: Final = 20
"""Clients of one server, by fingerprint."""
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
    own = next((side.client_chain for side in reversed(sides) if side.client_chain), ())
    alerts: dict[str, None] = {}
    for side in sides:
        for _, from_client, name in side.alerts:
            if name != "close_notify" and len(alerts) < MAX_ALERTS:  # that one is the goodbye of every good connection
                alerts[f"{shorten(name, 60)} (from the {'client' if from_client else 'server'})"] = None
    offered = sorted({version for side in sides for version in side.offered}, reverse=True)
    protocols = list(dict.fromkeys(name for side in sides for name in side.protocols))[:MAX_ALERTS]
    return {
        "server": endpoint(links[0].connection.server),
        "server_name": shorten(chosen.server_name, MAX_NAME),
        "version": "" if chosen.version is None else version_name(chosen.version),
        "suite": "" if chosen.suite is None else suite_name(chosen.suite),
        "alpn": shorten(chosen.alpn, MAX_PROTOCOL),
        "client_versions": [version_name(version) for version in offered if _is_version(version)],
        "client_protocols": [shorten(name, MAX_PROTOCOL) for name in protocols],
        "client_certificate": any(side.client_chain for side in sides),
        "resumed": sum(side.resumed for side in sides),
        "connections": len(links),
        "failed": sum(_failed(link) for link in links),
        "alerts": list(alerts),
        "opaque": shorten(next((side.opaque for side in reversed(sides) if side.opaque), ""), MAX_NAME),
        "unseen": _unseen(chosen, bool(chain)),
        "chain": [described(der, "tls server") for der in chain[:MAX_CHAIN]],
        "client_chain": [described(der, "tls client") for der in own[:MAX_CHAIN]],
        "clients": _clients(links),
    }


def _failed(link: Link) -> bool:
    side = link.tls
    if side is None or not side.ja4:  # joined later than its hello: nobody knows
        return False
    unanswered = not side.answered and link.how in ("fin", "rst", "timeout")
    return unanswered or (side.refused is not None and not link.messages)


def _unseen(side: TlsSide, chain: bool) -> str:
    if chain:
        return ""
    if side.version is None:
        return "No hello of the server was seen."
    if side.hides_certificates:
        return (
            "TLS 1.3 encrypts certificates and alerts: an onlooker sees hellos, sizes and how connections end. With the"
            " keys (--keylog FILE), or asked by `fieldkit tls`, the certificates are seen."
        )
    if side.resumed:
        return "The session was taken up again: certificates are not sent a second time."
    return "No certificate was seen: the beginning is not in the capture, or it cannot be read."


def _clients(links: list[Link]) -> list[TlsClientEntry]:
    found: dict[tuple[str, str, str], TlsClientEntry] = {}
    for link in links:
        side = link.tls
        if side is None or not side.ja4:
            continue
        name = shorten(link.station, MAX_NAME) or link.connection.client.address
        when = iso(link.connection.opened)
        entry = found.get((name, side.ja3, side.ja4))
        if entry is None:
            entry = {"client": name, "ja3": side.ja3, "ja4": side.ja4, "connections": 0, "first": when, "last": when}
            found[name, side.ja3, side.ja4] = entry
        entry["connections"] += 1
        entry["first"], entry["last"] = min(entry["first"], when), max(entry["last"], when)
    return sorted(found.values(), key=lambda entry: -entry["connections"])[:MAX_CLIENTS]


def _is_version(number: int) -> bool:
    """A real one: clients offer reserved ones to keep servers tolerant (RFC 8701)."""
    return 0x0200 <= number <= 0x0304


def described(der: bytes, seen: str) -> CertificateEntry:
    """What a certificate says; of one that cannot be read only its fingerprint."""
    certificate = parsed(der)
    if certificate is not None:
        return certificate_entry(certificate, seen)
    return {
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


def certificate_entry(certificate: Certificate, seen: str) -> CertificateEntry:
    """A certificate as the document has it."""
    names = certificate.extensions.alt_names
    known = [*names.dns, *names.shown_addresses, *names.uris] if names is not None else []
    return {
        "seen": seen,
        "subject": shorten(str(certificate.subject), MAX_NAME),
        "issuer": shorten(str(certificate.issuer), MAX_NAME),
        "serial": certificate.serial_hex[:64],
        "not_before": iso_or_none(certificate.not_before),
        "not_after": iso_or_none(certificate.not_after),
        "key": shorten(str(certificate.key), MAX_NAME),
        "names": [shorten(name, MAX_NAME) for name in known[:20]],
        "fingerprint": certificate.fingerprint,
    }
