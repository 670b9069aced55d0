"""Requirements and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

Result: TypeAlias = Literal["pass", "fail", "not applicable", "cannot tell"]
Level: TypeAlias = Literal["shall", "should"]
Edition: TypeAlias = Literal["1.6", "2.0.1", "2.1"]

EDITIONS: Final[tuple[Edition, ...]] = ("1.6", "2.0.1", "2.1")


class Answer(NamedTuple):
    """Result and the reason for it, in a phrase."""

    result: Result
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One requirement, judged."""

    id: str
    """"A00.FR.318", "V2G2-010"; what standards give no number has a name."""
    edition: str
    """"1.6", "2.0.1", "2.1", "ISO 15118-2", "ISO 15118-20", "TLS"."""
    title: str
    """What is required, in a phrase."""
    level: Level
    result: Result
    why: str


def passed(why: str) -> Answer:
    return Answer("pass", why)


def failed(why: str) -> Answer:
    return Answer("fail", why)


def unknown(why: str) -> Answer:
    return Answer("cannot tell", why)


def inapplicable(why: str) -> Answer:
    return Answer("not applicable", why)


def check(good: bool, why: str) -> Answer:
    """Pass or fail with the same words: what was observed."""
    return Answer("pass" if good else "fail", why)
