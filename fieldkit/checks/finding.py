"""What a check yields: a kind of finding, and one occurrence of it with the values that were observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:  # the prober needs findings and no events, which take longer to load than it takes to probe
    from fieldkit.events import Event

Severity: TypeAlias = Literal["critical", "warning", "info"]
"""critical: charging or the connection does not work. warning: it works badly, or will stop working. info: worth
knowing, nobody's fault."""

Owner: TypeAlias = Literal["station", "csms", "site-network", "uplink", "pki", "vehicle", "operator", "unknown"]
"""Who has to act."""

SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "warning", "info")
"""The worst first."""


class Identity(str):
    """An id token, contract or vehicle identity among a finding's values: masked unless ids are to be shown."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """An entry of the catalogue (docs/findings.md)."""

    id: str
    """Stable, dotted, lower case: "boot.rejected"."""
    severity: Severity
    owner: Owner
    title: str
    """A short sentence without values."""
    explanation: str
    """What was seen and why it matters, for ``str.format`` with the values of the occurrence."""
    advice: str
    """What to do next; the same values may be used."""
    reference: str
    """Section of a specification, or the address of a public issue."""
    inferred: bool = False
    """It is a conclusion, not an observation; documents say so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One occurrence. Occurrences of the same kind, station, connector, transaction and group are counted as one."""

    kind: Kind
    time: int
    """ns"""
    station: str
    evidence: tuple[Event, ...]
    """What shows it, in order; the first must not be left out of any report."""
    values: Mapping[str, object] = field(default_factory=dict)
    """For the texts: words and numbers as they shall be read ("2 min 5 s"), ``Identity`` where they identify a person.
    Never a secret."""
    connector: str = ""
    """As ``site.connector.connector_name`` spells it."""
    transaction: str = ""
    group: str = ""
    """Keeps apart what would be joined otherwise: an action, a rule."""
    severity: Severity | None = None
    """Where it differs from the kind's."""
    owner: Owner | None = None
