"""What a filter consists of. The text of each part, ``str(part)``, is a filter again, and means the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from fieldkit.query.fields import Field


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written. Quoted, it is a text that means itself; unquoted, ``*`` stands for anything."""

    text: str
    quoted: bool
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if not self.quoted:
            return self.text
        escaped = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Range:
    """Two ends, both included."""

    low: Literal
    high: Literal

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


@dataclass(frozen=True, slots=True)
class Word:
    """A text that occurs in the station's name, the action or the message."""

    literal: Literal

    def __str__(self) -> str:
        return str(self.literal)


@dataclass(frozen=True, slots=True)
class Has:
    """The message has this; of a flag: it is true."""

    what: Field

    def __str__(self) -> str:
        return self.what.name


@dataclass(frozen=True, slots=True)
class Comparison:
    """``operator`` is one of = != < <= > >= ~ matches in; only "in" has ranges, or more than one item."""

    what: Field
    operator: str
    items: tuple[Literal | Range, ...]
    position: int = field(default=0, compare=False)
    """Of the operator."""

    def __str__(self) -> str:
        if self.operator == "in":
            return f"{self.what.name} in ({', '.join(map(str, self.items))})"
        if self.operator == "matches":
            return f"{self.what.name} matches /{self.pattern}/"
        return f"{self.what.name} {self.operator} {self.items[0]}"

    @property
    def pattern(self) -> str:
        """Of "matches": the regular expression."""
        (literal,) = self.items
        assert isinstance(literal, Literal)
        return literal.text


@dataclass(frozen=True, slots=True)
class Not:
    """``part`` does not hold."""

    part: Node

    def __str__(self) -> str:
        return f"not ({self.part})" if isinstance(self.part, And | Or) else f"not {self.part}"


@dataclass(frozen=True, slots=True)
class And:
    """All ``parts`` hold."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """One of ``parts`` holds."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Node: TypeAlias = Word | Has | Comparison | Not | And | Or
