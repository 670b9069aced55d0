"""Which host a certificate is for, by two rules that do not agree.

OCPP's text wants the host's full name in CN and advises against subjectAltName (A00.FR.510, note under A00.FR.511); all
of today's TLS clients look at subjectAltName alone (RFC 9525 §6.3) and take no notice of CN. A certificate that is to
work everywhere has both.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from fieldkit.trust.certificate import Certificate
from fieldkit.trust.words import listed, quoted

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class NameVerdict:
    """Whether a certificate is for a host, and why."""

    fits: bool
    why: str


def packed_address(text: str) -> bytes:
    """An IP address in bytes; empty for what is none."""
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0]).packed
    except ValueError:
        return b""


def is_host_name(text: str) -> bool:
    """As in "csms.example", with a dot in it."""
    labels = text.lower().rstrip(".").split(".")
    return len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()


def matches(pattern: str, host: str) -> bool:
    """RFC 9525 §6.3: without letter case; "*" stands for the whole first label, below two others at least, as OpenSSL
    has it."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if pattern.startswith("*."):
        label, _, rest = host.partition(".")
        return bool(label) and rest == pattern[2:] and "." in rest
    return bool(pattern) and pattern == host


def by_ocpp(certificate: Certificate, host: str) -> NameVerdict:
    """As OCPP's text has it: CN is the host, unless alternative names are there, which then count (RFC 2818 §3.1)."""
    names = certificate.extensions.alt_names
    common = certificate.subject.all("2.5.4.3")
    if names is not None and (names.dns or names.addresses):
        if _alternative(certificate, host):
            return NameVerdict(True, "it is among the alternative names")
        return NameVerdict(False, f"the alternative names are {_shown(certificate)}")
    if any(matches(name, host) for name in common):
        return NameVerdict(True, "it is the common name")
    if not common:
        return NameVerdict(False, "it has no common name")
    return NameVerdict(False, f"its common name is {listed([quoted(name) for name in common])}")


def by_clients(certificate: Certificate, host: str) -> NameVerdict:
    """As today's TLS clients have it: the host must be among the alternative names."""
    names = certificate.extensions.alt_names
    if names is None or not (names.dns or names.addresses):
        return NameVerdict(False, "it has no alternative names, and today's TLS clients look at nothing else")
    if _alternative(certificate, host):
        return NameVerdict(True, "it is among the alternative names")
    return NameVerdict(False, f"the alternative names are {_shown(certificate)}")


def _alternative(certificate: Certificate, host: str) -> bool:
    names = certificate.extensions.alt_names
    if names is None:
        return False
    packed = packed_address(host)
    if packed:
        return packed in names.addresses
    return any(matches(name, host) for name in names.dns)


def _shown(certificate: Certificate) -> str:
    return listed([quoted(name) for name in host_names(certificate)])


def host_names(certificate: Certificate) -> list[str]:
    """All names and addresses of hosts that it is for: alternative ones, else common names."""
    names = certificate.extensions.alt_names
    found = [*names.dns, *names.shown_addresses] if names is not None else []
    return found or list(certificate.subject.all("2.5.4.3"))
