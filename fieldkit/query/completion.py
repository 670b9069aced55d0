"""What may come next in a filter that somebody is typing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from fieldkit.ocpp.actions import ACTIONS, VERSIONS
from fieldkit.query.fields import BY_NAME, Field, Kind, find
from fieldkit.query.grammar import KEYWORDS, FilterError, Token, next_token

_BEGINNINGS: Final = (*BY_NAME, "not", "since", "until", "between")
_CONNECTIVES: Final = ("and", "or")
_BEHIND_FIELD: Final = ("=", "!=", "~", "contains", "matches", "in", *_CONNECTIVES)
_BEHIND_ORDERED: Final = ("=", "!=", "<", "<=", ">", ">=", "in", *_CONNECTIVES)
_ORDERED: Final = (Kind.NUMBER, Kind.DURATION, Kind.TIME, Kind.VERSION)
_COMPARES: Final = ("operator", "contains", "matches")


def complete(text: str, cursor: int, known: Mapping[str, Iterable[str]] | None = None) -> list[str]:
    """What the word that ends at ``cursor`` may become, or what may follow where none does.

    Each is a whole word, to be put in the place of the one that has been begun. ``known`` names values that were seen,
    by field: {"station": ["CP_1", "CP_2"]}.
    """
    try:
        tokens = list(_tokens(text[:cursor]))
    except FilterError:  # inside quotes, or behind something that is wrong
        return []
    begun = tokens.pop().text if tokens and tokens[-1].end == cursor and _is_word(tokens[-1]) else ""
    folded = begun.casefold()
    return [word for word in _candidates(tokens, known or {}) if word.casefold().startswith(folded) and word != begun]


def _tokens(text: str) -> Iterator[Token]:
    token = next_token(text, 0)
    while token.kind != "end":
        yield token
        token = next_token(text, token.end)


def _is_word(token: Token) -> bool:
    return token.kind == "word" or token.text.lower() in KEYWORDS


def _candidates(tokens: Sequence[Token], known: Mapping[str, Iterable[str]]) -> Iterable[str]:
    if not tokens:
        return _BEGINNINGS
    last = tokens[-1].kind
    listed = _list_begin(tokens)
    if listed is not None:
        return _values(tokens[:listed], known) if last in ("open", "comma") else (",", ")")
    if last in _COMPARES:
        return _values(tokens[:-1], known)
    match last:
        case "in":
            return ("(",)
        case "since" | "until" | "between":
            return ()
        case "not" if len(tokens) > 1 and _field(tokens[-2]) is not None:
            return ("in", "contains", "matches")
        case "and" | "or" | "not" | "open":
            return _BEGINNINGS
    subject = None if len(tokens) > 1 and tokens[-2].kind in _COMPARES else _field(tokens[-1])
    if subject is None:
        return _CONNECTIVES
    return _BEHIND_ORDERED if subject.kind in _ORDERED else _BEHIND_FIELD


def _list_begin(tokens: Sequence[Token]) -> int | None:
    """Index of the "in" whose list is still open."""
    for at in range(len(tokens) - 1, 0, -1):
        if tokens[at].kind == "close":
            return None
        if tokens[at].kind == "open":
            return at - 1 if tokens[at - 1].kind == "in" else None
    return None


def _field(token: Token) -> Field | None:
    try:
        return find(token.text) if token.kind == "word" else None
    except ValueError:
        return None


def _values(before: Sequence[Token], known: Mapping[str, Iterable[str]]) -> Iterable[str]:
    """Values for the field that ``before``, all in front of the operator, ends with."""
    if before and before[-1].kind == "not":
        before = before[:-1]
    what = _field(before[-1]) if before else None
    if what is None:
        return ()
    seen = tuple(known.get(what.name, ()))
    if seen:
        return seen
    match what.kind, what.name:
        case Kind.FLAG, _:
            return ("true", "false")
        case Kind.CHOICE, _:
            return dict.fromkeys(what.choices.values())
        case Kind.VERSION, _:
            return VERSIONS
        case _, "action":
            return sorted(ACTIONS)
    return ()
