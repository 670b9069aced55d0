"""Extensions of certificates and requests (RFC 5280 §4.2), each read for itself: a broken one hides no other."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from fieldkit.trust import der, oids
from fieldkit.trust.der import DerError, Node
from fieldkit.trust.distinguished import Name, read_name

MAX_EXTENSIONS: Final = 100
"""Extensions of one certificate: real ones have up to 15."""
MAX_NAMES: Final = 1000
"""Names of one certificate that are kept: content networks have some hundreds."""


@dataclass(frozen=True, slots=True)
class Names:
    """GeneralNames."""

    dns: tuple[str, ...] = ()
    addresses: tuple[bytes, ...] = ()
    """4 or 16 bytes; in name constraints twice as many."""
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    directory: tuple[Name, ...] = ()
    others: int = 0

    @property
    def shown_addresses(self) -> tuple[str, ...]:
        return tuple(show_address(one) for one in self.addresses)

    def __len__(self) -> int:
        return (
            len(self.dns) + len(self.addresses) + len(self.uris) + len(self.emails) + len(self.directory) + self.others
        )


def show_address(packed: bytes) -> str:
    """As in "192.0.2.1"; with a mask as in "10.0.0.0/255.0.0.0"."""
    if len(packed) in (8, 32):
        half = len(packed) // 2
        return f"{ipaddress.ip_address(packed[:half])}/{ipaddress.ip_address(packed[half:])}"
    return str(ipaddress.ip_address(packed)) if len(packed) in (4, 16) else packed.hex()


@dataclass(slots=True)
class Extensions:
    """What the extensions say; None and empty for those that are not there."""

    present: dict[str, bool] = field(default_factory=dict)
    """Critical or not, by dotted number."""
    broken: dict[str, str] = field(default_factory=dict)
    """Why it could not be read, by dotted number."""
    twice: list[str] = field(default_factory=list)
    is_ca: bool | None = None
    path_length: int | None = None
    key_usage: frozenset[str] | None = None
    purposes: tuple[str, ...] | None = None
    """Extended key usage, dotted."""
    alt_names: Names | None = None
    subject_key_id: bytes = b""
    authority_key_id: bytes = b""
    authority_serial: int | None = None
    ocsp: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    """Addresses of the issuer's certificate (caIssuers)."""
    crls: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    permitted: Names | None = None
    excluded: Names | None = None
    features: tuple[int, ...] = ()
    """TLS features: 5 means that the server must staple (RFC 7633)."""
    no_check: bool = False

    def critical(self, number: str) -> bool:
        """Whether it is there and marked critical."""
        return self.present.get(number, False)

    @property
    def unknown_critical(self) -> list[str]:
        """What clients must refuse because they do not know it."""
        return [number for number, critical in self.present.items() if critical and number not in oids.PROCESSED]


def read_extensions(node: Node) -> Extensions:
    """Extensions."""
    found = Extensions()
    for extension in node.expect(der.SEQUENCE, "the extensions").each():
        parts = extension.expect(der.SEQUENCE, "an extension").children()
        if len(parts) not in (2, 3):
            raise DerError("an extension is broken")
        number = der.oid(parts[0])
        critical = len(parts) == 3 and der.boolean(parts[1].expect(der.BOOLEAN, "whether an extension is critical"))
        content = parts[-1].expect(der.OCTET_STRING, "the content of an extension").content
        if number in found.present:
            found.twice.append(number)
            continue
        if len(found.present) >= MAX_EXTENSIONS:
            raise DerError(f"there are more than {MAX_EXTENSIONS} extensions")
        found.present[number] = critical
        reader = _READERS.get(number)
        if reader is not None:
            try:
                reader(found, der.read(content))
            except (DerError, ValueError, IndexError) as error:
                found.broken[number] = str(error)
    return found


def read_names(node: Node) -> Names:
    """GeneralNames: a sequence of them, or what has a context tag and is one."""
    dns: list[str] = []
    addresses: list[bytes] = []
    uris: list[str] = []
    emails: list[str] = []
    directory: list[Name] = []
    others = 0
    for count, name in enumerate(node.each()):
        if count >= MAX_NAMES:
            others += 1
            continue
        match name.context:
            case 1:
                emails.append(_latin(name))
            case 2:
                dns.append(_latin(name))
            case 4:
                directory.append(read_name(name.children()[0]))
            case 6:
                uris.append(_latin(name))
            case 7:
                addresses.append(name.content[:32])
            case _:
                others += 1
    return Names(tuple(dns), tuple(addresses), tuple(uris), tuple(emails), tuple(directory), others)


def _latin(node: Node) -> str:
    # IA5String, in which some put UTF-8 all the same.
    return node.content[: 4 * der.MAX_TEXT].decode("utf-8", "replace")[: der.MAX_TEXT]


def _basic(found: Extensions, node: Node) -> None:
    parts = node.expect(der.SEQUENCE, "basicConstraints").children()
    found.is_ca = bool(parts) and parts[0].tag == der.BOOLEAN and der.boolean(parts[0])
    if parts and parts[-1].tag == der.INTEGER:
        found.path_length = der.integer(parts[-1])


def _usage(found: Extensions, node: Node) -> None:
    found.key_usage = frozenset(oids.USAGES[bit] for bit in der.flags(node) if bit < len(oids.USAGES))


def _purposes(found: Extensions, node: Node) -> None:
    found.purposes = tuple(der.oid(one) for one in node.children()[:MAX_EXTENSIONS])


def _alt_names(found: Extensions, node: Node) -> None:
    found.alt_names = read_names(node.expect(der.SEQUENCE, "subjectAltName"))


def _subject_key(found: Extensions, node: Node) -> None:
    found.subject_key_id = node.expect(der.OCTET_STRING, "subjectKeyIdentifier").content[:64]


def _authority_key(found: Extensions, node: Node) -> None:
    for part in node.expect(der.SEQUENCE, "authorityKeyIdentifier").each():
        if part.context == 0:
            found.authority_key_id = part.content[:64]
        elif part.context == 2:
            found.authority_serial = der.integer(part)


def _access(found: Extensions, node: Node) -> None:
    ocsp: list[str] = []
    issuers: list[str] = []
    for entry in node.children()[:MAX_EXTENSIONS]:
        method, place = entry.children()[:2]
        if place.context == 6:
            kind = der.oid(method)
            if kind == oids.ACCESS_OCSP:
                ocsp.append(_latin(place))
            elif kind == oids.ACCESS_ISSUERS:
                issuers.append(_latin(place))
    found.ocsp, found.issuers = tuple(ocsp), tuple(issuers)


def _crls(found: Extensions, node: Node) -> None:
    urls: list[str] = []
    for point in node.children()[:MAX_EXTENSIONS]:
        for part in point.children():
            if part.context == 0:
                for full in part.children():
                    if full.context == 0:
                        urls += read_names(full).uris
    found.crls = tuple(urls)


def _policies(found: Extensions, node: Node) -> None:
    found.policies = tuple(der.oid(one.children()[0]) for one in node.children()[:MAX_EXTENSIONS])


def _constraints(found: Extensions, node: Node) -> None:
    for part in node.expect(der.SEQUENCE, "nameConstraints").each():
        # GeneralSubtrees: each holds a name, and bounds that nobody uses (RFC 5280 §4.2.1.10).
        bare = b"".join(tree.children()[0].raw for tree in part.children()[:MAX_NAMES])
        names = read_names(der.read(der.write(der.SEQUENCE, bare)))
        if part.context == 0:
            found.permitted = names
        elif part.context == 1:
            found.excluded = names


def _features(found: Extensions, node: Node) -> None:
    found.features = tuple(der.integer(one) for one in node.children()[:MAX_EXTENSIONS])


def _no_check(found: Extensions, node: Node) -> None:
    found.no_check = True


_READERS: Final[dict[str, Callable[[Extensions, Node], Any]]] = {
    oids.BASIC_CONSTRAINTS: _basic,
    oids.KEY_USAGE: _usage,
    oids.EXTENDED_USAGE: _purposes,
    oids.ALT_NAME: _alt_names,
    oids.SUBJECT_KEY_ID: _subject_key,
    oids.AUTHORITY_KEY_ID: _authority_key,
    oids.AUTHORITY_INFO: _access,
    oids.CRL_POINTS: _crls,
    oids.POLICIES: _policies,
    oids.NAME_CONSTRAINTS: _constraints,
    oids.TLS_FEATURE: _features,
    oids.OCSP_NO_CHECK: _no_check,
}
