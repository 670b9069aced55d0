"""OCPP's security profiles 0 to 3: each requirement with pass, fail, not applicable or cannot tell, and why.

A requirement is failed only by what was observed. What was not looked at, or what an onlooker cannot see, is "cannot
tell". Profile 0 (nothing at all) is none of OCPP's; it is in the field all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fieldkit.trust import suites
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.certrules import Context, judge_certificate
from fieldkit.trust.chain import Chain
from fieldkit.trust.names import by_clients, by_ocpp
from fieldkit.trust.observed import Observed
from fieldkit.trust.requirements import REQUIREMENTS
from fieldkit.trust.verdict import Answer, Edition, Verdict, check, failed, inapplicable, passed, unknown
from fieldkit.trust.words import listed, quoted

MIN_PASSWORD: Final = 16
"""Bytes (A00.FR.205, 304)."""
MAX_PASSWORD: Final[dict[Edition, int]] = {"1.6": 20, "2.0.1": 40, "2.1": 64}
"""1.6: 40 hexadecimal digits. 2.x: BasicAuthPassword may be limited to between 40 and 64."""


def shown_profile(seen: Observed) -> int | None:
    """Which profile was seen at work; None where too little was."""
    if seen.tls is None:
        return None
    if not seen.tls:
        return None if seen.basic_auth is None else int(seen.basic_auth)
    if seen.client_certificate_sent or seen.client_certificate_asked == "required":
        return 3
    if seen.basic_auth:
        return 2
    return None


def judge(seen: Observed, profile: int, edition: Edition) -> list[Verdict]:
    """All requirements of one profile, connection first, then certificates."""
    if profile == 0:
        why = "OCPP's profiles begin with 1: without any authentication everybody can pretend to be the station"
        return [Verdict("A00.FR.001", edition, "one of the security profiles is used", "shall", "fail", why)]
    verdicts = []
    for requirement in REQUIREMENTS:
        number = requirement.id(edition, profile)
        if number:
            result, why = _answer(requirement.key, requirement.side, seen, profile, edition)
            verdicts.append(Verdict(number, edition, requirement.title, requirement.level, result, why))
    if profile >= 2:
        verdicts += _certificates(seen, profile, edition)
    return verdicts


def _answer(key: str, side: str, seen: Observed, profile: int, edition: Edition) -> Answer:
    if side not in ("both", seen.side) and key not in _SEEN_FROM_BOTH:
        other = "station" if seen.side == "csms" else "CSMS"
        return inapplicable(f"it is for the {other} to meet")
    if profile >= 2 and seen.tls is False and key != "tls":
        return inapplicable("there is no TLS")
    return _RULES[key](seen, edition)


_SEEN_FROM_BOTH: Final = frozenset(
    {
        "basic-auth", "basic-user", "basic-password", "server-certificate", "server-path", "server-name",
        "client-path", "client-owner", "client-serial",
    }
)  # fmt: skip
"""About what one side sends and the other has to look at: whoever observed either end may know it."""


def _certificates(seen: Observed, profile: int, edition: Edition) -> list[Verdict]:
    found: list[Verdict] = []
    context = Context(edition, "csms", host=seen.host)
    for certificate in seen.leaves:
        found += _named(judge_certificate(certificate, context, profile=profile), certificate, len(seen.leaves) > 1)
    if profile == 3 and seen.client_chain is not None:
        context = Context(edition, "station", serial=seen.serial, operator=seen.operator)
        leaf = seen.client_chain.leaf
        found += _named(judge_certificate(leaf, context, profile=profile), leaf, bool(seen.leaves))
    return found


def _named(verdicts: list[Verdict], certificate: Certificate, several: bool) -> list[Verdict]:
    if not several:
        return verdicts
    which = f"{quoted(certificate.label)} ({certificate.key})"
    return [Verdict(one.id, one.edition, one.title, one.level, one.result, f"{which}: {one.why}") for one in verdicts]


# --------------------------------------------------------------------------------------------------------------- rules


def _trusted_network(seen: Observed, edition: Edition) -> Answer:
    return unknown("what else protects the network cannot be seen from here (VPN, private APN)")


def _basic_auth(seen: Observed, edition: Edition) -> Answer:
    if seen.basic_auth is None and seen.side == "csms" and seen.password_length is not None:
        return unknown("the given password was taken; whether the CSMS goes on without one was not tried")
    if seen.basic_auth is None:
        return unknown("it was not seen whether a password is sent")
    who = "a password is demanded" if seen.side == "csms" else "a password is sent"
    return check(seen.basic_auth, who if seen.basic_auth else f"no {who.removeprefix('a ')}")


def _basic_user(seen: Observed, edition: Edition) -> Answer:
    if seen.basic_user is None or not seen.identity:
        return unknown("user name or identity were not seen")
    same = seen.basic_user == seen.identity
    return check(same, f"the user name is {quoted(seen.basic_user)}, the identity {quoted(seen.identity)}")


def _basic_password(seen: Observed, edition: Edition) -> Answer:
    if seen.password_length is None:
        return unknown("no password was seen")
    size, most = seen.password_length, MAX_PASSWORD[edition]
    if edition == "1.6" and MIN_PASSWORD * 2 <= size <= 2 * most:
        return passed(f"{size} characters, if they are hexadecimal digits of {size // 2} bytes")
    return check(MIN_PASSWORD <= size <= most, f"{size} bytes; {MIN_PASSWORD} to {most} are right")


def _basic_checked(seen: Observed, edition: Edition) -> Answer:
    if seen.wrong_password_refused is None:
        return unknown("no wrong password was tried")
    refused = seen.wrong_password_refused
    return check(refused, "a wrong password was refused" if refused else "a wrong password was accepted")


def _tls(seen: Observed, edition: Edition) -> Answer:
    if seen.tls is None:
        return unknown("it was not seen whether there is TLS")
    return check(seen.tls, "TLS" if seen.tls else "plain WebSocket without TLS")


def _server_certificate(seen: Observed, edition: Edition) -> Answer:
    if not seen.leaves:
        return unknown("no server certificate was seen (in TLS 1.3 it is encrypted)")
    return passed(listed([f"{quoted(one.label)} ({one.key})" for one in seen.leaves]))


def _path(chain: Chain) -> Answer:
    if chain.trusted:
        assert chain.anchor is not None
        return passed(f"it leads to {quoted(chain.anchor.label)}")
    if chain.trusted is None:
        return unknown(chain.notes[0].rstrip(".") if chain.notes else "no trust anchors were given")
    faults = listed([fault.id for fault in chain.breaking])
    return failed(f"{quoted(chain.leaf.label)}: {faults}")


def _worst(answers: list[Answer]) -> Answer:
    for result in ("fail", "cannot tell"):
        for answer in answers:
            if answer.result == result:
                return answer
    return answers[0]


def _server_path(seen: Observed, edition: Edition) -> Answer:
    if not seen.chains:
        return unknown("no server certificate was seen")
    return _worst([_path(chain) for chain in seen.chains])


def _server_name(seen: Observed, edition: Edition) -> Answer:
    if not seen.leaves or not seen.host:
        return unknown("the certificate or the name that the station calls were not seen")
    answers = []
    for leaf in seen.leaves:
        ocpp, clients = by_ocpp(leaf, seen.host), by_clients(leaf, seen.host)
        why = f"by OCPP's text {ocpp.why}; for today's TLS clients {clients.why}"
        answers.append(check(ocpp.fits, why))
    return _worst(answers)


def _tls_version(seen: Observed, edition: Edition) -> Answer:
    old = seen.old_versions
    new = [name for name in ("TLS 1.2", "TLS 1.3") if seen.versions.get(name)]
    verb = "accepts" if seen.side == "csms" else "offers"
    if not seen.versions:
        return unknown("no version was seen")
    if "SSL 3.0" in old or (old and edition != "1.6"):
        return failed(f"it {verb} {listed(old)}")
    if old:
        only = "for stations that cannot do TLS 1.2, which 1.6 allows"
        return passed(f"it {verb} {listed(old)} too ({only})") if new else failed(f"it {verb} {listed(old)} only")
    if not new:
        return failed("neither TLS 1.2 nor TLS 1.3") if len(seen.versions) > 1 else unknown("too little was seen")
    if any(seen.versions.get(name) is None for name in ("TLS 1.0", "TLS 1.1")) and seen.side == "csms":
        return unknown(f"{listed(new)} was seen; older ones were not tried")
    return passed(listed(new))


def _csms_suites(seen: Observed, edition: Edition) -> Answer:
    if seen.side != "csms" or not seen.suites:
        return unknown("no suites were seen")
    lacking = suites.missing(suites.CSMS_FOUR, seen.suites)
    if not lacking:
        return passed("all four")
    names = listed([suites.short(name) for name in lacking])
    if not seen.suites_complete:
        return unknown(f"not seen: {names}; only some suites were tried")
    hint = ""
    if seen.accepts("TLS 1.2") is False:
        hint = " (TLS 1.2, which they belong to, is refused)"
    elif set(suites.RSA_PAIR) & set(lacking) and any("ECDHE_RSA" in name for name in seen.suites):
        hint = " (ECDHE-RSA, which it accepts, is none of them)"
    return failed(f"missing: {names}{hint}")


def _station_suites(seen: Observed, edition: Edition) -> Answer:
    if seen.side != "station" or not seen.suites:
        return unknown("what the station offers was not seen")
    for name, pair in (("ECDSA", suites.ECDSA_PAIR), ("RSA", suites.RSA_PAIR)):
        if not suites.missing(pair, seen.suites):
            return passed(f"the {name} pair")
    if edition == "1.6" and suites.LEGACY in seen.suites and not seen.versions.get("TLS 1.2"):
        return passed(f"{suites.LEGACY}, as it cannot do TLS 1.2")
    if seen.accepts("TLS 1.2") is False and seen.accepts("TLS 1.3"):
        return unknown("it offers TLS 1.3 only, whose suites OCPP does not list")
    return failed(f"it offers neither pair, but {listed([suites.short(name) for name in sorted(seen.suites)], 4)}")


def _primitives(seen: Observed, edition: Edition) -> Answer:
    if not seen.suites:
        return unknown("no suites were seen")
    bad = suites.unsuitable(seen.suites)
    if bad:
        return failed(listed([suites.short(name) for name in bad], 4))
    if seen.side == "csms" and not seen.suites_complete:
        return unknown("none of those seen; not all were tried")
    return passed(f"none among {len(seen.suites)} suites")


def _compression(seen: Observed, edition: Edition) -> Answer:
    if seen.compression is None:
        return unknown("compression was not looked at")
    return check(not seen.compression, "compression is used" if seen.compression else "no compression")


def _legacy_suite(seen: Observed, edition: Edition) -> Answer:
    old = {name: found for name, found in seen.suites_by_version.items() if name in ("TLS 1.0", "TLS 1.1")}
    if not seen.old_versions:
        return inapplicable("TLS 1.0 and 1.1 are not accepted")
    if not old:
        return unknown("the suites of TLS 1.0 and 1.1 were not seen")
    others = sorted({name for found in old.values() for name in found} - {suites.LEGACY})
    return check(not others, listed([suites.short(name) for name in others], 4) if others else "only that one")


def _client_certificate(seen: Observed, edition: Edition) -> Answer:
    if seen.client_certificate_sent is not None:
        sent = seen.client_certificate_sent
        return check(sent, "the station sends one" if sent else "the station sends none")
    match seen.client_certificate_asked:
        case None:
            return unknown("it was not seen whether one is asked for")
        case "required":
            return passed("the CSMS asks for one, and ends the connection without it")
        case "optional":
            return unknown("the CSMS asks for one; whether it goes on without was not seen to matter")
        case _:
            return failed("the CSMS asks for none")


def _client_path(seen: Observed, edition: Edition) -> Answer:
    return _path(seen.client_chain) if seen.client_chain is not None else unknown("no station certificate was seen")


def _client_owner(seen: Observed, edition: Edition) -> Answer:
    if seen.client_chain is None:
        return unknown("no station certificate was seen")
    owners = [value for value in seen.client_chain.leaf.subject.all("2.5.4.10") if value.strip()]
    shown = listed([quoted(value) for value in owners])
    if not owners:
        return failed("there is no O in the subject")
    if not seen.operator:
        return unknown(f"O is {shown}; the operator's name is not known")
    return check(any(seen.operator in value for value in owners), f"O is {shown}, the operator {quoted(seen.operator)}")


def _client_serial(seen: Observed, edition: Edition) -> Answer:
    if seen.client_chain is None:
        return unknown("no station certificate was seen")
    common = seen.client_chain.leaf.common_name
    if not common:
        return failed("there is no CN in the subject")
    if not seen.serial:
        return unknown(f"CN is {quoted(common)}; the station's serial number is not known")
    return check(seen.serial in common, f"CN is {quoted(common)}, the serial number {quoted(seen.serial)}")


_RULES: Final[dict[str, Callable[[Observed, Edition], Answer]]] = {
    "trusted-network": _trusted_network,
    "basic-auth": _basic_auth,
    "basic-user": _basic_user,
    "basic-password": _basic_password,
    "basic-checked": _basic_checked,
    "tls": _tls,
    "server-certificate": _server_certificate,
    "server-path": _server_path,
    "server-name": _server_name,
    "tls-version": _tls_version,
    "csms-suites": _csms_suites,
    "station-suites": _station_suites,
    "primitives": _primitives,
    "compression": _compression,
    "legacy-suite": _legacy_suite,
    "client-certificate": _client_certificate,
    "client-path": _client_path,
    "client-owner": _client_owner,
    "client-serial": _client_serial,
}
