"""From a syntax tree to a function that takes a message: all that can be decided beforehand is decided here."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from fieldkit.events import OcppMessage
from fieldkit.query import clues
from fieldkit.query.clues import Clues, Mentions
from fieldkit.query.fields import Field, Kind, Reader, Spelt, closest
from fieldkit.query.grammar import FilterError, no_value, shortened
from fieldkit.query.regex import Regex, RegexError
from fieldkit.query.tree import And, Comparison, Has, Literal, Node, Not, Or, Range, Word
from fieldkit.query.values import DAY, SECOND, Glob, Moment, duration, moment, number

Matches: TypeAlias = Callable[[OcppMessage], bool]
_Test: TypeAlias = Callable[[Any], bool]
"""Whether one value of a field is what was asked for."""

_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}
_MAX_NUMERAL = 40
"""Digits of a text that is taken for a number: OCPP 1.6 sends meter values as texts."""
_MAX_NAMES = 4096
"""Stations and actions of which is remembered whether a word is in them."""


def compiled(node: Node, utc_offset_seconds: int, mentions: Mentions | None = None) -> Matches:
    """``node`` as a function of a message. ``mentions``: knows of a text whether it may be in a message, sooner than
    that could be parsed."""
    match node:
        case Word(literal):
            return _word(literal, mentions)
        case Has(what):
            has = _has(what)
            if mentions is not None and what.surely is not None:
                return _either(what.surely, has)
            return _glanced(has, what, (), mentions)
        case Comparison(what):
            matches = _Compiler(node, utc_offset_seconds).matches()
            return _glanced(matches, what, clues.of_values(node, as_sent=what.spelt is Spelt.AS_SENT), mentions)
        case Not(part):
            inner = compiled(part, utc_offset_seconds, mentions)
            return lambda message: not inner(message)
        case And(parts):
            return _chained([compiled(part, utc_offset_seconds, mentions) for part in parts], until=False)
        case Or(parts):
            return _chained([compiled(part, utc_offset_seconds, mentions) for part in parts], until=True)


def _either(first: Matches, second: Matches) -> Matches:
    return lambda message: first(message) or second(message)


def _chained(parts: Sequence[Matches], *, until: bool) -> Matches:
    if len(parts) == 2:
        first, second = parts
        if until:
            return _either(first, second)
        return lambda message: first(message) and second(message)

    def matches(message: OcppMessage) -> bool:
        for part in parts:
            if part(message) is until:
                return until
        return not until

    return matches


def _word(literal: Literal, mentions: Mentions | None) -> Matches:
    occurs = Glob.of(literal.text, literally=literal.quoted).occurs
    wanted = clues.of_word(literal)
    if mentions is None or not wanted:
        return lambda message: occurs(message.raw) or occurs(message.channel.station) or occurs(message.action)
    (clue,) = wanted
    # Few names come over and over.
    named = lru_cache(_MAX_NAMES)(occurs)
    return lambda message: (
        (mentions(message, clue) and occurs(message.raw)) or named(message.channel.station) or named(message.action)
    )


def _glanced(matches: Matches, what: Field, values: Clues, mentions: Mentions | None) -> Matches:
    """The same, but a message in which there is no trace of what is looked for is not parsed: neither of ``values`` nor
    of the names of the field."""
    names = clues.of_names(what.names)
    if mentions is None or what.spelt is Spelt.ELSEWHERE or not (values or names):
        return matches
    of_name, of_value = _traced(names, mentions), _traced(values, mentions)
    if what.spelt is not Spelt.OR_IN_CALL:
        return lambda message: of_value(message) and of_name(message) and matches(message)

    def glanced(message: OcppMessage) -> bool:
        named = of_name(message)
        if named and of_value(message):
            return matches(message)
        call: Any = message.call
        if call is None or not (of_name(call) and of_value(call)):
            return False
        # An answer that does not name it says what its call says, which was parsed a moment ago.
        return matches(message if named else call)

    return glanced


def _traced(alternatives: Clues, mentions: Mentions) -> Callable[[Any], bool]:
    """Whether a message mentions one of these; true when there are none."""
    if len(alternatives) == 1:
        (clue,) = alternatives
        return lambda told: mentions(told, clue)
    return lambda told: not alternatives or any(mentions(told, clue) for clue in alternatives)


def _has(what: Field) -> Matches:
    read = what.read
    if what.kind is Kind.FLAG:
        return lambda message: read(message)[0] is True
    return lambda message: bool(read(message))


def _any(read: Reader, test: _Test) -> Matches:
    def matches(message: OcppMessage) -> bool:
        for value in read(message):  # noqa: SIM110 - a generator for any() would cost as much again
            if test(value):
                return True
        return False

    return matches


class _Compiler:
    """One comparison; what cannot be compared is a ``FilterError`` at the value or the operator."""

    def __init__(self, node: Comparison, utc_offset_seconds: int) -> None:
        self._node = node
        self._what = node.what
        self._offset = utc_offset_seconds

    def matches(self) -> Matches:
        read = self._what.read
        sign = self._node.operator
        if sign == "matches":
            return _any(read, self._regex())
        tests = [self._test("=" if sign in ("!=", "in") else sign, item) for item in self._node.items]
        if sign == "!=":
            (test,) = tests
            # As a technician means it: there is one, and it is another.
            return lambda message: bool(values := read(message)) and not any(map(test, values))
        if len(tests) == 1:
            return _any(read, tests[0])
        return _any(read, lambda value: any(test(value) for test in tests))

    def _wrong(self, message: str, literal: Literal, suggestion: str = "") -> FilterError:
        return FilterError(message, literal.position, suggestion)

    def _unfit(self) -> FilterError:
        return FilterError(f"{self._what.name} cannot be compared with {self._node.operator}", self._node.position)

    # --------------------------------------------------------------------------------------------- by kind of field

    def _test(self, sign: str, item: Literal | Range) -> _Test:
        if isinstance(item, Range):
            return self._range(item)
        match self._what.kind:
            case Kind.FLAG:
                return self._flag(sign, item)
            case Kind.CHOICE:
                return self._choice(sign, item)
            case Kind.DURATION:
                return self._duration(sign, item)
            case Kind.TIME:
                return self._time(sign, item)
            case Kind.VERSION if sign in _ORDERINGS:
                return self._version_order(sign, item)
            case Kind.VALUE | Kind.NUMBER if sign in _ORDERINGS:
                return self._value_order(sign, item)
            case Kind.VALUE | Kind.NUMBER:
                return self._value(sign, item)
            case Kind.ADDRESS if not set(item.text) <= set("0123456789abcdefABCDEF.:[]*%"):
                raise no_value(item, "address")
            case Kind.VERSION if not set(item.text) <= set("0123456789.*"):
                raise no_value(item, "version")
        if sign in _ORDERINGS:
            raise self._unfit()
        return self._glob(sign, item)

    def _glob(self, sign: str, item: Literal) -> _Test:
        glob = Glob.of(item.text, literally=item.quoted)
        if sign == "~":
            return glob.occurs
        if len(glob.pieces) > 1:
            return glob.equals
        (wanted,) = glob.pieces
        return lambda value: bool(value.casefold() == wanted)

    def _regex(self) -> _Test:
        if self._what.kind in (Kind.FLAG, Kind.CHOICE, Kind.DURATION, Kind.TIME):
            raise self._unfit()
        try:
            search = Regex(self._node.pattern).search
        except RegexError as error:
            (literal,) = self._node.items
            raise FilterError(error.reason, literal.position + error.position) from None  # type: ignore[union-attr]
        return lambda value: (text := _text(value)) is not None and search(text)

    def _flag(self, sign: str, item: Literal) -> _Test:
        if sign != "=":
            raise self._unfit()
        wanted = _BOOLEANS.get(item.text.lower())
        if wanted is None:
            raise self._wrong(f"{self._what.name} is true or false", item)
        return lambda value: value is wanted

    def _choice(self, sign: str, item: Literal) -> _Test:
        if sign != "=":
            raise self._unfit()
        choices = self._what.choices
        wanted = choices.get(item.text.lower())
        if wanted is None:
            known = ", ".join(dict.fromkeys(choices.values()))
            raise self._wrong(f"{shortened(item.text)} is not one of {known}", item, closest(item.text, choices))
        return lambda value: bool(value == wanted)

    def _duration(self, sign: str, item: Literal) -> _Test:
        nanoseconds, precision = self._parsed_duration(item)
        if sign == "=":  # as precisely as it was written: 12ms is not 12.000000 ms
            return lambda value: bool(nanoseconds <= value < nanoseconds + precision)
        return self._ordering(sign, nanoseconds)

    def _time(self, sign: str, item: Literal) -> _Test:
        if sign == "~":
            raise self._unfit()
        wanted = self._parsed_moment(item)
        test = _at(sign, wanted)
        return test if wanted.dated else self._of_day(test)

    def _of_day(self, test: _Test) -> _Test:
        shift = self._offset * SECOND
        return lambda value: test((value + shift) % DAY)

    def _version_order(self, sign: str, item: Literal) -> _Test:
        wanted = _version(item.text)
        if wanted is None:
            raise no_value(item, "version")
        order = _ORDERINGS[sign]
        return lambda value: (found := _version(value)) is not None and order(found, wanted)

    def _value(self, sign: str, item: Literal) -> _Test:
        wanted = None if item.quoted else number(item.text)
        if self._what.kind is Kind.NUMBER and (wanted is None or sign != "="):
            raise self._wrong(f"{self._what.name} is a number", item) if sign == "=" else self._unfit()
        text_test = self._glob(sign, item)

        def test(value: Any) -> bool:
            if wanted is not None and sign == "=" and type(value) in (int, float):
                return bool(value == wanted)
            text = _text(value)
            return text is not None and text_test(text)

        return test

    def _value_order(self, sign: str, item: Literal) -> _Test:
        order = _ORDERINGS[sign]
        wanted = number(item.text)
        if wanted is not None:
            return lambda value: (found := _number(value)) is not None and order(found, wanted)
        date = moment(item.text, self._offset)
        if self._what.kind is Kind.NUMBER or date is None or not date.dated:
            raise self._wrong(f"{shortened(item.text)} is neither a number nor a date", item)
        test = _at(sign, date)
        return lambda value: (found := _moment(value)) is not None and test(found)

    # ------------------------------------------------------------------------------------------------------ ranges

    def _range(self, item: Range) -> _Test:
        """Both ends are in it; ``_Parser._item`` leaves ranges only for the kinds that have an order."""
        match self._what.kind:
            case Kind.DURATION:
                low, high = self._parsed_duration(item.low)[0], self._parsed_duration(item.high)[0]
                self._check_order(low, high, item)
                return lambda value: bool(low <= value <= high)
            case Kind.TIME:
                return self._time_range(item)
        least, most = number(item.low.text), number(item.high.text)
        if least is not None and most is not None:
            self._check_order(least, most, item)
            return lambda value: (found := _number(value)) is not None and least <= found <= most
        if self._what.kind is Kind.NUMBER:
            raise self._wrong(f"{self._what.name} is a number", item.low if least is None else item.high)
        first, last = self._parsed_moment(item.low), self._parsed_moment(item.high)
        if not (first.dated and last.dated):
            raise self._wrong("a range in the payload goes from number to number or from date to date", item.low)
        within = _between(first, last)
        return lambda value: (found := _moment(value)) is not None and within(found)

    def _time_range(self, item: Range) -> _Test:
        first, last = self._parsed_moment(item.low), self._parsed_moment(item.high)
        if first.dated != last.dated:
            raise self._wrong("give both times a date, or neither", item.high if first.dated else item.low)
        if first.dated:
            self._check_order(first.start, last.start, item)
            return _between(first, last)
        if first.start <= last.start:
            return self._of_day(_between(first, last))
        start, end = first.start, last.start + last.length  # 23:30..00:30 lies around midnight
        return self._of_day(lambda value: value >= start or value < end)

    def _check_order(self, low: float, high: float, item: Range) -> None:
        if low > high:
            raise self._wrong("this range runs backwards", item.low, f"{item.high}..{item.low}")

    def _parsed_duration(self, item: Literal) -> tuple[int, int]:
        found = duration(item.text)
        if found is None:
            raise no_value(item, "duration")
        return found

    def _parsed_moment(self, item: Literal) -> Moment:
        found = moment(item.text, self._offset)
        if found is None:
            raise no_value(item, "time")
        return found

    def _ordering(self, sign: str, wanted: int) -> _Test:
        if sign not in _ORDERINGS:
            raise self._unfit()
        order = _ORDERINGS[sign]
        return lambda value: order(value, wanted)


def _at(sign: str, wanted: Moment) -> _Test:
    """A test of nanoseconds. A time is as long as it is written: "<= 10:30" includes 10:30:59, as "= 10:30" does."""
    start, end = wanted.start, wanted.start + wanted.length
    match sign:
        case "=":
            return lambda value: bool(start <= value < end)
        case "<":
            return lambda value: bool(value < start)
        case "<=":
            return lambda value: bool(value < end)
        case ">":
            return lambda value: bool(value > start)
    return lambda value: bool(value >= start)


def _between(first: Moment, last: Moment) -> _Test:
    start, end = first.start, last.start + last.length
    return lambda value: bool(start <= value < end)


# ------------------------------------------------------------------------------------------- values as JSON has them


def _text(value: Any) -> str | None:
    """A value as JSON writes it; None for objects and lists, which have no one text to compare."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, str):
        return number(value) if len(value) <= _MAX_NUMERAL else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(value: Any) -> int | None:
    """OCPP wants times in UTC; one that names no zone is taken for that."""
    found = moment(value) if isinstance(value, str) and len(value) <= _MAX_NUMERAL else None
    return found.start if found is not None and found.dated else None


def _version(text: str) -> tuple[int, ...] | None:
    parts = text.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() and len(part) < 5 for part in parts) else None
