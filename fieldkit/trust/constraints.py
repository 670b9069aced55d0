"""Name constraints: for which names an authority may issue (RFC 5280 §4.2.1.10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from fieldkit.trust.certificate import Certificate
from fieldkit.trust.distinguished import Name
from fieldkit.trust.extensions import Names, show_address
from fieldkit.trust.names import is_host_name
from fieldkit.trust.words import quoted

T = TypeVar("T")


def violation(issuer: Certificate, below: Certificate, *, leaf: bool) -> str:
    """What of ``below`` its (direct or indirect) issuer may not vouch for, in words; empty if all is well."""
    permitted, excluded = issuer.extensions.permitted, issuer.extensions.excluded
    if permitted is None and excluded is None:
        return ""
    return next(_violations(permitted or Names(), excluded or Names(), below, leaf), "")


def _violations(permitted: Names, excluded: Names, below: Certificate, leaf: bool) -> Iterator[str]:
    names = below.extensions.alt_names or Names()
    hosts = list(names.dns)
    if leaf and not hosts and is_host_name(below.common_name):
        # OpenSSL holds a common name that looks like a host against the constraints as well, and so do its users.
        hosts = [below.common_name]
    yield from _kind(hosts, permitted.dns, excluded.dns, _dns, str)
    yield from _kind(names.addresses, permitted.addresses, excluded.addresses, _address, show_address)
    emails = [*names.emails, *below.subject.all("1.2.840.113549.1.9.1")]
    yield from _kind(emails, permitted.emails, excluded.emails, _email, str)
    yield from _kind(names.uris, permitted.uris, excluded.uris, _uri, str)
    directory = [*names.directory, *([below.subject] if below.subject.attributes else [])]
    yield from _kind(directory, permitted.directory, excluded.directory, _directory, str)


def _kind(
    names: Sequence[T], permitted: Sequence[T], excluded: Sequence[T], within: Callable[[T, T], bool],
    show: Callable[[T], str],
) -> Iterator[str]:  # fmt: skip
    for name in names:
        if permitted and not any(within(name, one) for one in permitted):
            yield f"{quoted(show(name))} is not among the permitted names"
        if any(within(name, one) for one in excluded):
            yield f"{quoted(show(name))} is among the excluded names"


def _dns(name: str, constraint: str) -> bool:
    name, constraint = name.lower().rstrip("."), constraint.lower().rstrip(".")
    if constraint.startswith("."):  # against the text, and common: hosts below it only
        return name.endswith(constraint)
    return not constraint or name == constraint or name.endswith("." + constraint)


def _address(address: bytes, constraint: bytes) -> bool:
    if len(constraint) != 2 * len(address):
        return False
    network, mask = constraint[: len(address)], constraint[len(address) :]
    return all(one & bits == net & bits for one, net, bits in zip(address, network, mask, strict=True))


def _email(email: str, constraint: str) -> bool:
    email, constraint = email.lower(), constraint.lower()
    if "@" in constraint:
        return email == constraint
    host = email.rpartition("@")[2]
    return host.endswith(constraint) if constraint.startswith(".") else host == constraint


def _uri(uri: str, constraint: str) -> bool:
    authority = uri.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = authority.partition(":")[0].lower()
    constraint = constraint.lower()
    return host.endswith(constraint) if constraint.startswith(".") else host == constraint


def _directory(name: Name, constraint: Name) -> bool:
    return name.key[: len(constraint.key)] == constraint.key
