"""From a posture to faults, judged chains and the requirements of OCPP's security profiles.

A fault needs an observation: what could not be found out is no fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from fieldkit.checks.words import SECOND, duration
from fieldkit.safetext import shorten, terminal
from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.flight import UNRECOGNIZED_NAME
from fieldkit.sources.tlsprobe.hello import SSL3, TLS10, TLS11
from fieldkit.sources.tlsprobe.judgeupgrade import asks_for_password, upgrade_faults
from fieldkit.sources.tlsprobe.posture import Posture, Shown, Spoken
from fieldkit.sources.tlsprobe.roots import Roots
from fieldkit.sources.tlsprobe.targets import identity_of
from fieldkit.trust import chain as chains
from fieldkit.trust.anchors import Anchors
from fieldkit.trust.certificate import Certificate, read_certificate
from fieldkit.trust.chain import Chain
from fieldkit.trust.der import DerError
from fieldkit.trust.fault import Fault
from fieldkit.trust.names import by_clients, by_ocpp, host_names
from fieldkit.trust.observed import Asked, Observed
from fieldkit.trust.posture import leaf_faults
from fieldkit.trust.suites import ECDSA_PAIR, RSA_PAIR, short
from fieldkit.trust.words import listed, quoted
from fieldkit.wire.tlsnames import TLS12, TLS13, alert_name, suite_name, version_name

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.fetch import Fetched
    from fieldkit.trust.ocsp import Revocation

MIN_DH: Final = 2048
"""Bits (A00.FR.501: the strength of 112 bits)."""
_SHOWN: Final = 4
"""Suites that a sentence names."""
_OLD: Final = {SSL3: "tls.sslv3-accepted", TLS10: "tls.tls1.0-accepted", TLS11: "tls.tls1.1-accepted"}
_WEAK: Final = {
    "null": "tls.null-suite", "anon": "tls.anon-suite", "export": "tls.export-suite", "rc4": "tls.rc4-suite",
    "3des": "tls.3des-suite",
}  # fmt: skip


@dataclass
class JudgedChain:
    """A chain that was shown."""

    shown: Shown
    certificates: tuple[Certificate, ...]
    """As sent, as far as they can be read."""
    chain: Chain | None
    staple: Revocation | None = None
    revocation: Revocation | None = None
    """By asking, if that was wanted."""

    @property
    def leaf(self) -> Certificate | None:
        return self.certificates[0] if self.certificates else None


@dataclass
class Judged:
    """What is wrong with an endpoint, and what is known of it."""

    faults: list[Fault] = field(default_factory=list)
    chains: list[JudgedChain] = field(default_factory=list)
    observed: Observed = field(default_factory=Observed)


def read_chain(ders: Sequence[bytes]) -> tuple[list[Certificate], list[Fault]]:
    """The certificates that can be read, and a fault for each that cannot."""
    found, faults = [], []
    for number, der in enumerate(ders, 1):
        try:
            found.append(read_certificate(der))
        except DerError as error:
            values = {"subject": f"number {number} of the chain", "why": str(error)}
            faults.append(Fault("tls.cert-malformed", values))
    return found, faults


def judge(posture: Posture, roots: Roots | None, *, at: int, fetched: Fetched | None = None) -> Judged:
    """``at``: the time for which the certificates are judged, ns. ``fetched``: what was asked for elsewhere."""
    judged = Judged()
    server = f"{posture.target.host}:{posture.target.port}"
    if posture.manner:
        judged.faults += _manners(posture, server)
    elif posture.target.tls:
        judged.faults += _refusals(posture, server)
        judged.faults += _versions(posture, server)
        judged.faults += _suites(posture, server)
        judged.faults += _transport(posture, server)
        for shown in posture.shown:
            judged.chains.append(_chain(shown, roots, judged.faults, posture.target.name, at, fetched))
        judged.faults = [_told_apart(fault, judged.chains) for fault in judged.faults]
        judged.faults += _server_name(posture, judged, server)
    keys = [chain.leaf.key for chain in judged.chains if chain.leaf is not None]
    judged.faults += upgrade_faults(posture, server, keys)
    judged.faults = _once(judged.faults)
    judged.observed = _observed(posture, judged)
    return judged


def _told_apart(fault: Fault, chains: Sequence[JudgedChain]) -> Fault:
    """A server with an RSA and an ECDSA certificate has two of the same name: the key tells which is meant."""
    leaves = {one.leaf.fingerprint: one.leaf for one in chains if one.leaf is not None}
    meant = leaves.get(fault.about)
    if meant is None or "subject" not in fault.values or [one.label for one in leaves.values()].count(meant.label) < 2:
        return fault
    return replace(fault, values={**fault.values, "subject": f"{fault.values['subject']} ({meant.key})"})


def _once(faults: list[Fault]) -> list[Fault]:
    """A certificate that comes in two chains has its faults once."""
    kept: dict[tuple[str, str, str], Fault] = {}
    for fault in faults:
        kept.setdefault((fault.id, fault.about, "" if fault.about else str(sorted(fault.values.items()))), fault)
    return list(kept.values())


# ---------------------------------------------------------------------------------------------------------- manners


def _manners(posture: Posture, server: str) -> Iterator[Fault]:
    name = quoted(posture.target.host) if not posture.target.is_address else "no name"
    waited = duration(posture.elapsed_s * SECOND)
    match posture.manner:
        case "no-tls":
            if posture.target.tls:
                yield Fault("tls.no-tls", {"client": "fieldkit", "server": server})
        case "not-tls":
            yield Fault("tls.not-tls", {"server": server, "answer": banner(posture.banner)})
        case "malformed":
            answer = posture.reason or "records that are no handshake"
            yield Fault("tls.not-tls", {"server": server, "answer": answer})
        case "silence":
            after = f"{waited} ({posture.reason})" if posture.reason else waited
            # All has been tried, and nothing comes of it: more than what a capture sees of one connection.
            yield Fault("tls.handshake-timeout", {"server": server, "name": name, "after": after}, severity="critical")
        case "reset" | "closed":
            ended = "reset the connection" if posture.manner == "reset" else "closed the connection"
            after = duration((posture.reset_s or 0.0) * SECOND)
            values = {"server": server, "name": name, "ended": ended, "after": after}
            yield Fault("tls.handshake-reset", values, severity="critical")


def banner(data: bytes) -> str:
    """What a foreign service says, as far as it can be shown."""
    line = data.split(b"\r\n", 1)[0].split(b"\n", 1)[0]
    text = line.decode("ascii", "replace")
    if line and sum(character.isprintable() and character != "\ufffd" for character in text) > 0.8 * len(text):
        return f'"{terminal(shorten(text, 100))}"'
    return f"the bytes {data[:16].hex(' ')}" if data else "nothing"


# -------------------------------------------------------------------------------------------------------- transport


def _refusals(posture: Posture, server: str) -> Iterator[Fault]:
    """It speaks TLS, and not with us."""
    first = posture.flights.get("first")
    alert = first.alert if first is not None else None
    if posture.name_refused:
        values = {
            "server": server,
            "alert": f'the alert "{alert_name(UNRECOGNIZED_NAME)}"',
            "name": quoted(posture.target.host),
        }
        yield Fault("tls.name-unknown", values)
    elif not posture.versions and alert is not None and not posture.cut:
        why = f"it answers every hello, whatever it offers, with {alert_name(alert)}"
        yield Fault("tls.handshake-failed", {"server": server, "why": why})


def _versions(posture: Posture, server: str) -> Iterator[Fault]:
    for version, id_ in _OLD.items():
        if posture.accepts(version):
            names = [suite_name(number) for number in posture.accepted(version)]
            told = f" with {listed([short(name) for name in names], _SHOWN)}" if names else ""
            yield Fault(id_, {"observation": f"{server} accepts {version_name(version)}{told}."})
    if posture.accepts(TLS12) is False:
        yield Fault("tls.tls1.2-missing", {"server": server})
    if posture.accepts(TLS13) is False and any(posture.versions.values()):
        yield Fault("tls.tls1.3-missing", {"server": server})


def _suites(posture: Posture, server: str) -> Iterator[Fault]:
    accepted = posture.all_accepted
    for name, id_ in _WEAK.items():
        bad = sorted(number for number in accepted if name in suites.classes_of(number))
        if bad:
            told = listed([short(suite_name(number)) for number in bad], _SHOWN)
            yield Fault(id_, {"observation": f"{server} accepts {told}."})
    cbc = sorted(number for number in accepted if "cbc" in suites.classes_of(number))
    if cbc:
        told = listed([short(suite_name(number)) for number in cbc], _SHOWN)
        yield Fault("tls.cbc-suite", {"server": server, "suites": told})
    if not accepted:
        return
    hidden = set().union(*(swept.open for swept in posture.suites.values()))
    forward = any("forward-secret" in suites.classes_of(number) for number in accepted)
    if (
        not forward
        and posture.accepts(TLS13) is False
        and not any("forward-secret" in suites.classes_of(number) for number in hidden)
    ):
        yield Fault("tls.no-forward-secrecy", {"server": server})
    if posture.accepts(TLS12) and not hidden.intersection(suites.OCPP):
        names = {suite_name(number) for number in posture.accepted(TLS12)}
        if not names.issuperset(ECDSA_PAIR) and not names.issuperset(RSA_PAIR):
            missing = [short(name) for name in (*ECDSA_PAIR, *RSA_PAIR) if name not in names]
            there = [short(suite_name(number)) for number in posture.accepted(TLS12)]
            yield Fault(
                "tls.ocpp-suites-missing",
                {"server": server, "missing": listed(missing), "suites": listed(there, _SHOWN)},
            )


def _transport(posture: Posture, server: str) -> Iterator[Fault]:
    if posture.dh_bits is not None and posture.dh_bits < MIN_DH:
        yield Fault("tls.dh-too-short", {"server": server, "bits": str(posture.dh_bits)})
    if posture.compression:
        yield Fault("tls.tls-compression", {"server": server, "method": "DEFLATE"})
    if posture.client_renegotiation:
        how = "" if posture.secure_renegotiation else ", and not in the secure way of RFC 5746"
        severity = None if posture.secure_renegotiation else "warning"
        yield Fault("tls.client-renegotiation", {"server": server, "how": how}, severity=severity)  # type: ignore[arg-type]
    if posture.short_only:
        yield Fault(
            "tls.hello-size-intolerant",
            {"server": server, "good": str(posture.short_size), "bad": str(posture.usual_size)},
        )
    if posture.slow_s is not None:
        values = {
            "server": server,
            "after": duration(posture.slow_s * SECOND),
            "round_trip": duration((posture.connect_s or 0.0) * SECOND),
        }
        yield Fault("tls.slow-handshake", values)
    if posture.client_certificate in ("required", "optional"):
        yield Fault(f"tls.client-cert-{posture.client_certificate}", {"server": server})


# ------------------------------------------------------------------------------------------------------ certificates


def _chain(
    shown: Shown, roots: Roots | None, faults: list[Fault], host: str, at: int, fetched: Fetched | None
) -> JudgedChain:
    certificates, unreadable = read_chain(shown.chain)
    faults += unreadable
    if not certificates or certificates[0].der != shown.chain[0]:
        return JudgedChain(shown, tuple(certificates), None)
    known = fetched.issuers if fetched is not None else []
    anchors: Anchors | None = roots.anchors([*certificates, *known]) if roots is not None else None
    built = chains.build(certificates, anchors, at=at, known=known)
    leaf = certificates[0]
    faults += built.faults
    faults += leaf_faults(leaf, at=at, host=host)
    found = JudgedChain(shown, tuple(certificates), built)
    if shown.staple and built.issuer is not None:
        from fieldkit.trust.ocsp import judge_bytes  # most servers staple nothing

        found.staple = judge_bytes(shown.staple, leaf, built.issuer, at=at)
        faults += _staple_faults(leaf, found.staple)
    if fetched is not None and built.issuer is not None:
        found.revocation = fetched.revocation(leaf, built.issuer, at)
        if found.revocation is not None and found.revocation.status == "revoked":
            observation = f"The certificate for {quoted(leaf.label)} is revoked: {found.revocation.why}"
            faults.append(Fault("tls.cert-revoked", {"observation": observation}, leaf.fingerprint))
    return found


def _staple_faults(leaf: Certificate, staple: Revocation) -> Iterator[Fault]:
    values = {"subject": quoted(leaf.label), "why": staple.why}
    if staple.status == "revoked":
        yield Fault("tls.staple-revoked", values, leaf.fingerprint)
    elif staple.expired:
        yield Fault("tls.staple-expired", values, leaf.fingerprint)
    elif staple.status == "unusable":
        yield Fault("tls.staple-invalid", values, leaf.fingerprint)


def _server_name(posture: Posture, judged: Judged, server: str) -> Iterator[Fault]:
    """Whoever names no host gets another certificate, and not one that is right as well."""
    if posture.target.is_address or not judged.chains or judged.chains[0].leaf is None:
        return
    right = judged.chains[0].leaf
    host = posture.target.host
    with_name = listed([quoted(name) for name in host_names(right)]) or quoted(right.label)
    if posture.nameless_refused:
        yield Fault("tls.sni-dependent", {"server": server, "with_name": with_name, "without": "none at all"})
        return
    if not posture.nameless:
        return
    certificates, _ = read_chain(posture.nameless[:1])
    if not certificates or any(posture.nameless[0] == one.shown.chain[0] for one in judged.chains):
        return
    other = certificates[0]
    fits = by_ocpp(other, host).fits or by_clients(other, host).fits
    if not fits and (by_ocpp(right, host).fits or by_clients(right, host).fits):
        without = f"the one for {listed([quoted(name) for name in host_names(other)]) or quoted(other.label)}"
        yield Fault("tls.sni-dependent", {"server": server, "with_name": with_name, "without": without})


# ---------------------------------------------------------------------------------------------------------- observed


def _spoken(posture: Posture) -> list[Spoken]:
    return [*posture.spoken, *([posture.plain] if posture.plain is not None else [])]


def _observed(posture: Posture, judged: Judged) -> Observed:
    last = next((spoken for spoken in reversed(posture.spoken) if spoken.status is not None), posture.plain)
    basic: bool | None = None
    if last is not None and last.status is not None:
        asks = asks_for_password(last)
        # A CSMS that answered without having been given a password demands none; one that got it may or may not.
        free = last.status == 101 and not last.password_sent and posture.asked_for_upgrade
        basic = True if asks else (False if free else None)
    given = posture.password_values if any(spoken.password_sent for spoken in _spoken(posture)) else {}
    asked: Asked | None = {"required": "required", "optional": "optional", "unknown": None}.get(
        posture.client_certificate, "no" if posture.flights.get("first") is not None and posture.shown else None
    )
    hidden = set().union(*(swept.open for swept in posture.suites.values())) if posture.suites else set()
    telling = [number for number in hidden if number in suites.OCPP or suites.is_weak(number)]
    speaks = posture.speaks_tls and posture.target.tls
    clear = last is not None and last.status is not None and not speaks
    return Observed(
        tls=True if speaks else (False if clear else None),
        versions={version_name(number): yes for number, yes in posture.versions.items() if yes is not None},
        suites=frozenset(map(suite_name, posture.all_accepted)),
        suites_by_version={
            version_name(version): frozenset(map(suite_name, swept.accepted))
            for version, swept in posture.suites.items()
            if swept.accepted
        },
        suites_complete=speaks and not telling and bool(posture.suites),
        compression=posture.compression,
        chains=tuple(one.chain for one in judged.chains if one.chain is not None),
        client_certificate_asked=asked,
        client_certificate_sent=True if posture.client_certificate_taken else None,
        host=posture.target.name,
        identity=identity_of(posture.target),
        basic_auth=basic,
        wrong_password_refused=True if given and last is not None and last.status == 401 else None,
        basic_user=given.get("user"),
        password_length=int(given["length"]) if given else None,
        stapled=posture.stapling,
    )
