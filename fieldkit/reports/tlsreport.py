"""The document of ``fieldkit tls``: what ``--json`` writes, and what its other formats only render.

One entry of ``targets`` for each address and way out that was looked at. Texts are as they were sent: whoever renders
them makes them safe. Passwords, keys and cookies are never in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from fieldkit import __version__
from fieldkit.checks.finding import SEVERITIES, Severity
from fieldkit.checks.posture import entry, findings
from fieldkit.checks.words import counted
from fieldkit.reports.moments import iso
from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.judge import banner
from fieldkit.sources.tlsprobe.kinds import KINDS
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.observed import Observed
from fieldkit.trust.profiles import judge, shown_profile
from fieldkit.trust.verdict import Edition, Result
from fieldkit.wire.tlsnames import suite_name, version_name

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.judge import Judged, JudgedChain
    from fieldkit.sources.tlsprobe.posture import Posture, Spoken
    from fieldkit.sources.tlsprobe.run import Result as Probed
    from fieldkit.trust.fault import Fault

SCHEMA: Final = 1
_GROUPS: Final = {
    19: "secp192r1", 21: "secp224r1", 22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1",
    29: "x25519", 30: "x448", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096",
}  # fmt: skip
"""RFC 8446 §4.2.7, RFC 8422 §5.1.1."""


class VersionEntry(TypedDict):
    name: str
    accepted: bool | None
    """None: it could not be found out."""


class SuiteEntry(TypedDict):
    version: str
    name: str
    classes: list[str]
    """Of "null", "anon", "export", "rc4", "des", "3des", "cbc", "forward-secret", "ecdsa", "rsa"."""


class CertificateEntry(TypedDict):
    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    key: str
    signature: str
    names: list[str]
    fingerprint: str
    """SHA-256 of all of it."""
    findings: list[str]
    """Ids of what is wrong with this one."""


class ChainEntry(TypedDict):
    when: str
    """Which hello brought it."""
    certificates: list[CertificateEntry]
    """As sent."""
    trusted: bool | None
    anchor: str
    """Who vouches for it in the end; empty if nobody does."""
    notes: list[str]
    staple: str
    """"": none came; else "good", "revoked", "expired", "unknown", "unusable"."""
    revocation: str
    """The same, by asking OCSP or CRL; empty if that was not done."""


class RequirementEntry(TypedDict):
    id: str
    edition: str
    profile: int
    title: str
    level: Literal["shall", "should"]
    result: Result
    why: str


class UpgradeEntry(TypedDict):
    subprotocol: str
    """Offered."""
    chosen: str
    status: int | None
    reason: str
    version: str
    suite: str
    resumed: bool
    password_sent: bool
    client_certificate_sent: bool | None
    error: str
    server: str
    """What the Server header says."""
    location: str


class Features(TypedDict):
    """None: not found out."""

    compression: bool | None
    secure_renegotiation: bool | None
    client_renegotiation: bool | None
    session_tickets: bool | None
    resumption: bool | None
    fallback_scsv: bool | None
    extended_master_secret: bool | None
    stapling: bool | None
    needs_server_name: bool | None
    order: str
    """"server", "client" or unknown ("")."""
    dh_bits: int | None
    groups: list[str]
    """The preferred first."""
    client_certificate: str
    """"" (not asked for), "required", "optional", "unknown"."""
    client_authorities: list[str]
    """Whose certificates the server says that it takes."""


class Timing(TypedDict):
    connect_ms: float | None
    hello_ms: float | None
    total_ms: float


class Cost(TypedDict):
    connections: int
    sent: int
    received: int


class TargetEntry(TypedDict):
    target: str
    host: str
    port: int
    address: str
    interface: str
    source: str
    path: str
    reachable: bool
    error: str
    """Why not."""
    speaks: str
    """"tls", "http", "nothing" or "something else"."""
    banner: str
    versions: list[VersionEntry]
    suites: list[SuiteEntry]
    suites_open: list[str]
    """Suites that were asked for together with others, and not told apart."""
    features: Features
    certificates: list[ChainEntry]
    profile: int | None
    """The security profile that was seen at work."""
    requirements: list[RequirementEntry]
    upgrade: list[UpgradeEntry]
    timing: Timing
    cost: Cost
    left_out: list[str]
    complete: bool
    """False when something that matters for the verdict was left out."""


class FindingEntry(TypedDict):
    """As in a report, and the target."""

    id: str
    severity: Severity
    title: str
    explanation: str
    advice: str
    owner: str
    station: str
    connector: str
    transaction: str
    first: str
    last: str
    count: int
    inferred: bool
    evidence: list[dict[str, Any]]
    reference: str
    target: str


class Summary(TypedDict):
    verdict: str
    severity: Literal["critical", "warning", "info", "ok", "unreachable"]
    findings: dict[Severity, int]


class TlsReport(TypedDict):
    schema: int
    tool: dict[str, str]
    time: str
    trust: str
    """What the chains were held against."""
    editions: list[str]
    summary: Summary
    targets: list[TargetEntry]
    findings: list[FindingEntry]


def build(
    results: Sequence[Probed], *, at: int, trust: str, editions: Sequence[Edition], profile: int | None = None
) -> TlsReport:
    """``profile``: judge by this one; None: by the one that was seen, else 2."""
    when = iso(at)
    targets: list[TargetEntry] = []
    found: list[FindingEntry] = []
    for result in results:
        if not result.postures:
            targets.append(_unresolved(result))
            continue
        for posture, judged in zip(result.postures, result.judged, strict=True):
            name = _name(posture, several=len(result.postures) > 1)
            targets.append(_target(posture, judged, editions, profile))
            found += _entries(judged.faults, at, when, name)
        found += _entries(result.faults, at, when, result.target.text)
    found.sort(key=lambda one: SEVERITIES.index(one["severity"]))
    return {
        "schema": SCHEMA,
        "tool": {"name": "fieldkit", "version": __version__},
        "time": when,
        "trust": trust,
        "editions": list(editions),
        "summary": _summary(targets, found),
        "targets": targets,
        "findings": found,
    }


def _entries(faults: Iterable[Fault], at: int, when: str, target: str) -> Iterator[FindingEntry]:
    for finding in findings(faults, time=at, at=f" of {target}", role="csms", kinds=KINDS):
        yield entry(finding, when, target)  # type: ignore[misc]


def _name(posture: Posture, *, several: bool) -> str:
    target = posture.target
    host = f"[{target.host}]" if ":" in target.host else target.host
    name = f"{host}:{target.port}"
    if several or posture.way.interface or posture.way.source:
        name += f" ({posture.way.shown.replace(f':{target.port}', '', 1)})"
    return name


def _summary(targets: list[TargetEntry], found: list[FindingEntry]) -> Summary:
    counts = Counter(one["severity"] for one in found)
    numbers: dict[Severity, int] = {severity: counts.get(severity, 0) for severity in SEVERITIES}
    lost = [one for one in targets if not one["reachable"]]
    severity: Literal["critical", "warning", "info", "ok", "unreachable"] = "ok"
    if len(lost) == len(targets):
        severity = "unreachable"
    elif found:
        severity = found[0]["severity"]
    return {"verdict": _verdict(targets, found, lost, numbers), "severity": severity, "findings": numbers}


def _verdict(
    targets: list[TargetEntry], found: list[FindingEntry], lost: list[TargetEntry], counts: dict[Severity, int]
) -> str:
    """The first line."""
    if lost and len(lost) == len(targets):
        who = lost[0]["target"] if len(targets) == 1 else f"none of the {len(targets)} targets"
        return f"{who} cannot be reached: {lost[0]['error']}." if len(targets) == 1 else f"{who} can be reached."
    names = {one["target"] for one in targets}
    where = next(iter(names)) if len(names) == 1 else counted(len(names), "target")
    worst = [one for one in found if one["severity"] in ("critical", "warning")]
    bad = f"{counted(counts['critical'], 'critical finding')}, {counted(counts['warning'], 'warning')}"
    tail = f" {len(lost)} of {len(targets)} addresses cannot be reached." if lost else ""
    if not worst:
        speaks = "" if all(one["complete"] for one in targets) else " as far as it was seen"
        return f"{where}: nothing is wrong{speaks}{_unmet(targets)}.{tail}"
    more = f" and {len(worst) - 1} more" if len(worst) > 1 else ""
    return f"{where}: {worst[0]['title']}{more} ({bad}).{tail}"


def _unmet(targets: list[TargetEntry]) -> str:
    """OCPP asks for some things that nothing breaks without."""
    failed = {
        (one["id"], one["edition"])
        for target in targets
        for one in target["requirements"]
        if one["result"] == "fail" and one["level"] == "shall"
    }
    if not failed:
        return ""
    ids = sorted({id_ for id_, _ in failed})
    return f", but not all that OCPP asks for is met ({', '.join(ids[:4])}{', …' if len(ids) > 4 else ''})"


def _unresolved(result: Probed) -> TargetEntry:
    target = result.target
    return {
        "target": target.text, "host": target.host, "port": target.port, "address": "", "interface": "", "source": "",
        "path": target.path, "reachable": False, "error": result.error, "speaks": "nothing", "banner": "",
        "versions": [], "suites": [], "suites_open": [], "features": _no_features(), "certificates": [],
        "profile": None, "requirements": [], "upgrade": [],
        "timing": {"connect_ms": None, "hello_ms": None, "total_ms": 0.0},
        "cost": {"connections": 0, "sent": 0, "received": 0}, "left_out": [], "complete": False,
    }  # fmt: skip


def _no_features() -> Features:
    return {
        "compression": None, "secure_renegotiation": None, "client_renegotiation": None, "session_tickets": None,
        "resumption": None, "fallback_scsv": None, "extended_master_secret": None, "stapling": None,
        "needs_server_name": None, "order": "", "dh_bits": None, "groups": [], "client_certificate": "",
        "client_authorities": [],
    }  # fmt: skip


def _target(posture: Posture, judged: Judged, editions: Sequence[Edition], profile: int | None) -> TargetEntry:
    target, way = posture.target, posture.way
    shown = shown_profile(judged.observed)
    return {
        "target": target.text,
        "host": target.host,
        "port": target.port,
        "address": way.address,
        "interface": way.interface,
        "source": way.source,
        "path": target.path,
        "reachable": posture.reachable,
        "error": posture.reason if posture.manner == "unreachable" else "",
        "speaks": _speaks(posture),
        "banner": banner(posture.banner) if posture.manner == "not-tls" else "",
        "versions": [
            {"name": version_name(number), "accepted": posture.versions[number]} for number in sorted(posture.versions)
        ],
        "suites": list(_suites(posture)),
        "suites_open": [
            suite_name(number) for number in sorted(set().union(*(one.open for one in posture.suites.values())))
        ] if posture.suites else [],
        "features": _features(posture, judged),
        "certificates": [_chain(one) for one in judged.chains],
        "profile": shown,
        "requirements": _requirements(judged.observed, editions, profile if profile is not None else shown),
        "upgrade": [_upgrade(one) for one in _all_spoken(posture)],
        "timing": {
            "connect_ms": _ms(posture.connect_s),
            "hello_ms": _ms(posture.hello_s),
            "total_ms": round(posture.elapsed_s * 1000, 1),
        },
        "cost": {"connections": posture.connections, "sent": posture.sent, "received": posture.received},
        "left_out": list(posture.left_out),
        "complete": not posture.incomplete,
    }  # fmt: skip


def _speaks(posture: Posture) -> str:
    if posture.manner in ("", "no-tls"):
        return "tls" if not posture.manner and posture.target.tls else "http"
    return "nothing" if posture.manner in ("unreachable", "silence", "reset", "closed") else "something else"


def _suites(posture: Posture) -> Iterator[SuiteEntry]:
    for version in sorted(posture.suites, reverse=True):
        for number in posture.suites[version].accepted:
            classes = sorted(suites.classes_of(number))
            yield {"version": version_name(version), "name": suite_name(number), "classes": classes}


def _features(posture: Posture, judged: Judged) -> Features:
    from fieldkit.trust import der
    from fieldkit.trust.distinguished import read_name

    authorities = []
    for data in posture.request.authorities if posture.request is not None else ():
        try:
            authorities.append(str(read_name(der.read(data))))
        except der.DerError:
            authorities.append("(a name that cannot be read)")
    wants_name = any(fault.id == "tls.sni-dependent" for fault in judged.faults)
    known = posture.nameless is not None or posture.nameless_refused
    return {
        "compression": posture.compression,
        "secure_renegotiation": posture.secure_renegotiation,
        "client_renegotiation": posture.client_renegotiation,
        "session_tickets": posture.tickets,
        "resumption": posture.resumption,
        "fallback_scsv": posture.fallback_scsv,
        "extended_master_secret": posture.extended_master_secret,
        "stapling": posture.stapling,
        "needs_server_name": wants_name if known else None,
        "order": posture.order,
        "dh_bits": posture.dh_bits,
        "groups": [_GROUPS.get(number, f"0x{number:04X}") for number in posture.groups],
        "client_certificate": posture.client_certificate,
        "client_authorities": authorities,
    }


def _chain(one: JudgedChain) -> ChainEntry:
    chain = one.chain
    staple = ""
    if one.shown.staple:
        staple = "unusable" if one.staple is None else "expired" if one.staple.expired else one.staple.status
    return {
        "when": one.shown.when,
        "certificates": [certificate_entry(certificate, one) for certificate in one.certificates],
        "trusted": chain.trusted if chain is not None and chain.judged else None,
        "anchor": chain.anchor.label if chain is not None and chain.anchor is not None else "",
        "notes": list(chain.notes) if chain is not None else [],
        "staple": staple,
        "revocation": "" if one.revocation is None else
                      "expired" if one.revocation.expired else one.revocation.status,
    }  # fmt: skip


def certificate_entry(certificate: Certificate, one: JudgedChain) -> CertificateEntry:
    """One certificate of a chain."""
    names = certificate.extensions.alt_names
    faults = one.chain.faults if one.chain is not None else ()
    return {
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial": certificate.serial_hex,
        "not_before": iso(certificate.not_before),
        "not_after": iso(certificate.not_after),
        "key": str(certificate.key),
        "signature": str(certificate.algorithm),
        "names": [*names.dns, *names.shown_addresses] if names is not None else [],
        "fingerprint": certificate.fingerprint,
        "findings": sorted({fault.id for fault in faults if fault.about == certificate.fingerprint}),
    }


def _requirements(seen: Observed, editions: Sequence[Edition], profile: int | None) -> list[RequirementEntry]:
    if seen.tls is None:
        return []
    if profile is None:
        profile = 2 if seen.tls else 1
    return [
        {
            "id": verdict.id, "edition": verdict.edition, "profile": profile, "title": verdict.title,
            "level": verdict.level, "result": verdict.result, "why": verdict.why,
        }
        for edition in editions
        for verdict in judge(seen, profile, edition)
    ]  # fmt: skip


def _all_spoken(posture: Posture) -> list[Spoken]:
    return [*posture.spoken, *([posture.plain] if posture.plain is not None else [])]


def _upgrade(spoken: Spoken) -> UpgradeEntry:
    return {
        "subprotocol": spoken.subprotocol,
        "chosen": spoken.chosen,
        "status": spoken.status,
        "reason": spoken.reason,
        "version": spoken.version,
        "suite": spoken.suite,
        "resumed": spoken.resumed,
        "password_sent": spoken.password_sent,
        "client_certificate_sent": spoken.client_certificate_sent,
        "error": spoken.error,
        "server": spoken.headers.get("server", ""),
        "location": spoken.headers.get("location", ""),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
