"""The filter's language: text → syntax tree.

    filter      := both ("or" both)*
    both        := single ("and" single)*
    single      := "not" single | "(" filter ")" | window | test | field | word
    test        := field operator value | field ["not"] "in" (range | "(" item ("," item)* ")") | field range
    operator    := "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" | ["not"] ("contains" | "matches")
    window      := ("since" | "until") value | "between" value "and" value
    item        := value | range          range := value ".." value, in one word: 10:00..10:30
    value       := word | "quoted" | 'quoted' | /pattern/ behind "matches"

``&&``, ``||`` and ``!`` stand for and, or and not. A field alone asks whether there is one, any other word or quoted
text whether it occurs. Two tests side by side are a mistake, not an "and": ``action Heartbeat`` would otherwise quietly
ask for something else than was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fieldkit.query.fields import BY_NAME, ORDERED, Field, find, nearest
from fieldkit.query.tree import And, Comparison, Has, Literal, Node, Not, Or, Range, Word
from fieldkit.query.values import is_ordered, moment

MAX_FILTER = 4096
"""Characters."""
MAX_DEPTH = 50
"""Parentheses and nots inside each other; every stage recurses once or twice for each."""

_CARET_MARGIN = 35
"""Characters shown on either side of a mistake, so that the line with the caret fits a terminal."""

_TIME = BY_NAME["time"]


class FilterError(ValueError):
    """A filter that cannot be understood: what is wrong, where, and what was probably meant."""

    def __init__(self, message: str, position: int, suggestion: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        """Index into the filter's text."""
        self.suggestion = suggestion
        """A field name, value or phrase that may be put in its place; empty when there is no guess."""
        self.hint = hint
        """How it is written, where there is nothing to guess."""
        self.text = ""

    def __str__(self) -> str:
        help_ = f"did you mean {self.suggestion}?" if self.suggestion else self.hint
        first = max(0, self.position - _CARET_MARGIN)
        shown = self.text[first : self.position + _CARET_MARGIN]
        where = f"{self.message} at column {self.position + 1}"
        return _printable(f"{where}: {help_}" if help_ else where, shown, " " * (self.position - first) + "^")


def _printable(*lines: str) -> str:
    """Whatever was pasted: nothing in it that a terminal obeys, or that would move the caret."""
    return "\n  ".join("".join(char if char.isprintable() else " " for char in line) for line in lines)


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def shortened(text: str) -> str:
    return f"'{_cut(text)}'"


_EXAMPLES: Final = {
    "time": "10:15 or 2026-11-21T10:15:30",
    "duration": "250ms, 5s or 2m",
    "version": "1.6 or 2.0.1",
    "address": "10.0.0.7, 10.0.* or 10.0.0.7:9000",
}


def no_value(literal: Literal, kind: str) -> FilterError:
    return FilterError(f"{shortened(literal.text)} is no {kind}", literal.position, hint=f"write {_EXAMPLES[kind]}")


# -------------------------------------------------------------------------------------------------------- the tokens

TOKEN: Final = re.compile(
    r"""
    (?P<open>\() | (?P<close>\)) | (?P<comma>,)
    | (?P<and>&&) | (?P<or>\|\|)
    | (?P<operator>==|!=|!~|>=|<=|=|>|<|~) | (?P<not>!)
    | (?P<string>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
    | (?P<word>[^\s()",=<>~!&|'][^\s()",=<>~!&|]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_SPACE: Final = re.compile(r"\s*")
_PATTERN: Final = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)
_ESCAPE: Final = re.compile(r"""\\(["'\\])""")
_SLASH: Final = re.compile(r"\\.|/", re.DOTALL)

KEYWORDS: Final = frozenset({"and", "or", "not", "in", "contains", "matches", "since", "until", "between"})
_CONNECTIVES: Final = frozenset({"and", "or", "not"})


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is a group of ``TOKEN``, a keyword (and, or, not also when written as a sign), or "end"."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_value(self) -> bool:
        """It may stand behind an operator: any word, but a missing value shall not swallow the next "and"."""
        return self.kind in ("word", "string") or self.kind in KEYWORDS - _CONNECTIVES


def next_token(text: str, at: int) -> Token:
    space = _SPACE.match(text, at)
    assert space is not None  # it also matches nothing
    start = space.end()
    match = TOKEN.match(text, start)
    if match is not None:
        kind = match.lastgroup or ""
        if kind == "word" and match[0].lower() in KEYWORDS:
            kind = match[0].lower()
        return Token(kind, match[0], start, match.end())
    if start == len(text):
        return Token("end", "", start, start)
    if text[start] in "\"'":
        raise FilterError("the text that begins here has no closing quote", start)
    raise FilterError(f"a single {text[start]} means nothing", start, text[start] * 2)


# -------------------------------------------------------------------------------------------------------- the parser


def parse(text: str) -> Node:
    """The syntax tree of a filter; FilterError when it is none."""
    try:
        if len(text) > MAX_FILTER:
            raise FilterError(f"a filter may have {MAX_FILTER} characters", MAX_FILTER)
        return _Parser(text).filter()
    except FilterError as error:
        error.text = text
        raise


class _Parser:
    """A recursive descent with one token of foresight."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._token = next_token(text, 0)

    def filter(self) -> Node:
        node = self._either()
        if self._token.kind == "close":
            raise FilterError("this ) closes nothing", self._token.start)
        assert self._token.kind == "end", "_all and _either leave nothing else"
        return node

    def _take(self) -> Token:
        token = self._token
        self._token = next_token(self._text, token.end)
        return token

    def _either(self) -> Node:
        parts = [self._all()]
        while self._token.kind == "or":
            self._take()
            parts.append(self._all())
        return _joined(Or, parts)

    def _all(self) -> Node:
        parts = [self._single()]
        while self._token.kind == "and":
            self._take()
            parts.append(self._single())
        if self._token.kind not in ("or", "close", "end"):
            raise FilterError('"and" or "or" is missing', self._token.start)
        return _joined(And, parts)

    def _single(self) -> Node:
        token = self._token
        match token.kind:
            case "not":
                self._take()
                return Not(self._deeper(token, self._single))
            case "open":
                self._take()
                node = self._deeper(token, self._either)
                if self._token.kind != "close":
                    raise FilterError("this ( is never closed", token.start)
                self._take()
                return node
            case "since" | "until":
                self._take()
                return Comparison(_TIME, ">=" if token.kind == "since" else "<=", (self._value(token),), token.start)
            case "between":
                return self._between(self._take())
            case "string":
                self._take()
                if self._token.kind == "operator":
                    raise FilterError("a field is written without quotes", token.start)
                return Word(_literal(token))
            case "word":
                return self._subject(self._take())
            case "end":
                raise FilterError(
                    "something is missing here" if self._text.strip() else "the filter is empty", token.start
                )
            case _:
                raise FilterError(f"something is missing before {token.text}", token.start)

    def _deeper(self, token: Token, rule: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(f"this is nested more than {MAX_DEPTH} deep", token.start)
        node = rule()
        self._depth -= 1
        return node

    def _between(self, token: Token) -> Node:
        low = self._end_of_range(self._value(token))
        if self._token.kind != "and":
            raise FilterError('between needs two times with "and" between them', self._token.start)
        high = self._end_of_range(self._value(self._take()))
        return Comparison(_TIME, "in", (Range(low, high),), token.start)

    def _end_of_range(self, literal: Literal) -> Literal:
        written = literal.text.replace(" ", "T")
        if moment(written) is None:
            raise no_value(literal, "time")
        return Literal(written, quoted=False, position=literal.position)

    def _subject(self, token: Token) -> Node:
        """What follows a word that may be a field."""
        try:
            what = find(token.text)
        except ValueError as error:
            reason, _, hint = str(error).partition(": ")
            raise FilterError(reason, token.start, hint=hint) from None
        follows = self._token
        compared = follows.kind in ("operator", "in", "contains", "matches")
        if what is None:
            if compared:
                raise FilterError(f"unknown field {shortened(token.text)}", token.start, nearest(token.text))
            return Word(_literal(token))
        if compared:
            return self._comparison(what, self._take())
        if follows.kind == "not":
            self._take()
            if follows.text == "!" or self._token.kind not in ("in", "contains", "matches"):
                raise FilterError('"and" or "or" is missing', follows.start)
            return Not(self._comparison(what, self._take()))
        if follows.kind in ("word", "string"):
            item = self._item(what, follows)
            if isinstance(item, Range):
                return Comparison(what, "in", (item,), follows.start)
            raise FilterError(
                f"an operator is missing behind {shortened(what.name)}",
                follows.start,
                f"{_cut(what.name)} = {_cut(follows.text)}",
            )
        return Has(what)

    def _comparison(self, what: Field, operator: Token) -> Node:
        at = operator.start
        match operator.kind:
            case "in":
                return Comparison(what, "in", self._list(what, operator), at)
            case "matches":
                return Comparison(what, "matches", (self._pattern(operator),), at)
            case "contains":
                return Comparison(what, "~", (self._value(operator),), at)
        sign = "=" if operator.text == "==" else operator.text
        if sign == "!~":
            return Not(Comparison(what, "~", (self._value(operator),), at))
        if sign not in ("=", "!="):
            return Comparison(what, sign, (self._value(operator),), at)
        item = self._item(what, operator)
        if not isinstance(item, Range):
            return Comparison(what, sign, (item,), at)
        within = Comparison(what, "in", (item,), at)
        return within if sign == "=" else And((Has(what), Not(within)))

    def _list(self, what: Field, operator: Token) -> tuple[Literal | Range, ...]:
        if self._token.kind != "open":
            item = self._item(what, operator)
            if isinstance(item, Range):
                return (item,)
            raise FilterError("in wants a list or a range", item.position, hint="write (a, b, c) or 1..5")
        opened = self._take()
        items = [self._item(what, opened)]
        while self._token.kind == "comma":
            items.append(self._item(what, self._take()))
        if self._token.kind != "close":
            raise FilterError("this list needs a comma or a ) here", self._token.start)
        self._take()
        return tuple(items)

    def _value(self, behind: Token) -> Literal:
        if not self._token.is_value:
            raise FilterError(f"a value is missing behind {behind.text}", self._token.start)
        return _literal(self._take())

    def _item(self, what: Field, behind: Token) -> Literal | Range:
        literal = self._value(behind)
        low, dots, high = literal.text.partition("..")
        if literal.quoted or not dots or what.kind not in ORDERED or not (is_ordered(low) and is_ordered(high)):
            return literal
        at = literal.position
        return Range(Literal(low, False, at), Literal(high, False, at + len(low) + 2))

    def _pattern(self, operator: Token) -> Literal:
        """/pattern/, which is not made of tokens, or the same as a word or in quotes."""
        at = self._token.start
        slashes = _PATTERN.match(self._text, at)
        if slashes is not None:
            self._token = next_token(self._text, slashes.end())
            return Literal(slashes[1], True, at + 1)
        literal = self._value(operator)
        pattern = _SLASH.sub(lambda found: "\\/" if found[0] == "/" else found[0], literal.text)
        if _PATTERN.fullmatch(f"/{pattern}/") is None:
            raise FilterError("a backslash at the end escapes nothing", literal.position)
        return Literal(pattern, True, literal.position + literal.quoted)


def _literal(token: Token) -> Literal:
    if token.kind == "string":
        return Literal(_ESCAPE.sub(r"\1", token.text[1:-1]), True, token.start)
    return Literal(token.text, False, token.start)


def _joined(kind: type[And] | type[Or], parts: list[Node]) -> Node:
    """One part stays as it is; "(a and b) and c" is "a and b and c"."""
    if len(parts) == 1:
        return parts[0]
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else [part])
    return kind(tuple(flat))
