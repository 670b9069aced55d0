"""Names of subjects and issuers (X.501; RFC 5280 §4.1.2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fieldkit.trust import der, oids
from fieldkit.trust.der import DerError, Node

MAX_ATTRIBUTES: Final = 50
"""Attributes of one name: real ones have up to ten."""


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name."""

    der: bytes
    """As it was sent: what OCPP's issuerNameHash and OCSP hash."""
    attributes: tuple[tuple[str, str], ...]
    """(dotted type, value) in the order of the encoding."""

    def __str__(self) -> str:
        """As in "CN=csms.example, O=Example", most special first, for people."""
        if not self.attributes:
            return "(no name)"
        ranked = sorted(self.attributes, key=lambda one: _RANKS.get(one[0], len(_RANKS)))
        return ", ".join(f"{oids.ATTRIBUTES.get(type_, type_)}={value}" for type_, value in ranked)

    @property
    def label(self) -> str:
        """What it is called in a sentence: the common name, else the organisation, else all of it."""
        for type_ in (oids.COMMON_NAME, oids.ORGANIZATION):
            found = self.all(type_)
            if found and found[0].strip():
                return found[0]
        return str(self)

    def all(self, type_: str) -> tuple[str, ...]:
        """Values of an attribute."""
        return tuple(value for found, value in self.attributes if found == type_)

    @property
    def common(self) -> str:
        """The common name; of several the last, which is the most special one (RFC 6125 §2.3.1)."""
        found = self.all(oids.COMMON_NAME)
        return found[-1] if found else ""

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """Equal for names that are the same: letter case and the number of blanks do not count (RFC 5280 §7.1)."""
        return tuple((type_, " ".join(value.split()).casefold()) for type_, value in self.attributes)

    def same(self, other: Name) -> bool:
        """Tell whether both are the same name."""
        return self.der == other.der or (bool(self.attributes) and self.key == other.key)


_RANKS: Final = {
    type_: rank
    for rank, type_ in enumerate(
        (oids.COMMON_NAME, oids.UNIT, oids.ORGANIZATION, oids.DOMAIN_COMPONENT, "2.5.4.7", "2.5.4.8", oids.COUNTRY)
    )
}


def read_name(node: Node) -> Name:
    """A Name out of a certificate."""
    node.expect(der.SEQUENCE, "a name")
    found: list[tuple[str, str]] = []
    for part in node.each():
        for pair in part.expect(der.SET, "a part of a name").each():
            entries = pair.expect(der.SEQUENCE, "an attribute of a name").children()
            if len(entries) != 2:
                raise DerError("an attribute of a name is broken")
            found.append((der.oid(entries[0]), der.text(entries[1])))
            if len(found) > MAX_ATTRIBUTES:
                raise DerError(f"a name has more than {MAX_ATTRIBUTES} attributes")
    return Name(node.raw, tuple(found))
