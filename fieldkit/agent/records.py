"""What is sent home: a finding, an uplink's change or the agent's own numbers, ready as JSON."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Category: TypeAlias = Literal["finding", "link", "health"]
"""finding: as ``report --json`` has them. link: something happened to an uplink. health: the agent's numbers."""

PRIORITIES: Final = {"critical": 0, "warning": 1, "info": 2}
"""By severity; the least is sent first. Changes of uplinks go with the warnings, numbers come last."""
LOWEST: Final = 3
"""Priority of numbers: the next ones replace them."""
MAX_BODY: Final = 64 << 10
"""Bytes of one record: a finding with a dozen pieces of evidence has a tenth."""


@dataclass(frozen=True, slots=True)
class Record:
    """One of them. A later revision replaces an earlier one, wherever the two meet."""

    uid: str
    """32 hexadecimal digits; whoever receives the same uid again has met a repetition or a later revision."""
    revision: int
    category: Category
    priority: int
    made: int
    """ns since the epoch."""
    body: bytes
    """A JSON object that has uid and revision in it."""
    clock: str = ""
    """Of a record whose times come from a clock that may be wrong: which one (``clock.Clock.mark``)."""

    @property
    def message(self) -> str:
        """Names this revision of it: two messages with the same one are the same."""
        return f"{self.uid}.{self.revision}"


def uid_of(*parts: str) -> str:
    """The same parts make the same uid, on any machine and at any time."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
