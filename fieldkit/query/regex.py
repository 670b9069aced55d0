"""Regular expressions whose search takes one step per character, whatever the pattern and whatever the text.

The standard library's ``re`` backtracks: ``(a+)+b`` on forty times "a" outlives the technician, and what is searched
here was written by a charging station. This one follows all ways to match at once (Thompson's construction) and
remembers the sets of steps it meets, a bounded number of them. What cannot be had in linear time, back-references and
look-around, it does not have. It only says whether there is a match, so greedy and lazy quantifiers are the same to
it. Upper and lower case are the same too, as everywhere in a filter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

MAX_PATTERN = 256
"""Characters: more than anybody types, and it bounds the parser's recursion."""
MAX_STEPS = 256
"""Length of a program; counted repeats are written out, so ``(\\d{9}){9}`` takes 81 steps."""
MAX_TEXT = 65_536
"""Characters of a text that are searched: OCPP messages above 64 KiB are lists and certificates."""
MAX_REMEMBERED = 100_000
"""Transitions, and members of sets, that are kept before all are forgotten: some 10 MB."""

_Accepts: TypeAlias = Callable[[str], bool]
_Program: TypeAlias = "list[_Accepts | str | tuple[int, ...]]"
"""Steps: a test that one character must pass, an assertion ("^" or "$"), or a fork to other steps, relative to itself.
Behind the last step lies the match."""

_CLASSES: Final[dict[str, _Accepts]] = {
    "d": str.isdigit,
    "w": lambda char: char == "_" or char.isalnum(),
    "s": str.isspace,
    "D": lambda char: not char.isdigit(),
    "W": lambda char: char != "_" and not char.isalnum(),
    "S": lambda char: not char.isspace(),
}
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class RegexError(ValueError):
    """The pattern is wrong, or asks for what this engine does not have."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


class Regex:
    """A pattern, ready to search with."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN:
            raise RegexError(f"a pattern may have {MAX_PATTERN} characters", MAX_PATTERN)
        self._program = _Parser(pattern).parse()
        self._known: dict[frozenset[int], _State] = {}
        self._remembered = 0
        self._start = self._state([0], at_start=True)

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in (the first ``MAX_TEXT`` characters of) ``text``."""
        state = self._start
        if state.matched:
            return True
        for char in text[:MAX_TEXT].casefold():
            following = state.next.get(char)
            if following is None:
                following = self._step(state, char)
            if following.matched:
                return True
            state = following
        return state.matched_at_end

    def _step(self, state: _State, char: str) -> _State:
        if self._remembered > MAX_REMEMBERED:
            self._known.clear()
            self._start.next.clear()
            state.next.clear()
            self._remembered = 0
        reached = [0]  # a match may begin behind any character
        for step in state.steps:
            test = self._program[step] if step < len(self._program) else None
            if callable(test) and test(char):
                reached.append(step + 1)
        self._remembered += 1
        following = state.next[char] = self._state(reached, at_start=False)
        return following

    def _state(self, reached: list[int], *, at_start: bool) -> _State:
        steps = self._closure(reached, at_start, at_end=False)
        known = None if at_start else self._known.get(steps)
        if known is not None:
            return known
        match = len(self._program)
        state = _State(steps, match in steps, match in self._closure(reached, at_start, at_end=True))
        if not at_start:
            self._known[steps] = state
            self._remembered += len(steps)
        return state

    def _closure(self, reached: list[int], at_start: bool, at_end: bool) -> frozenset[int]:
        """The steps that can be had from ``reached`` without reading a character."""
        seen = set(reached)
        waiting = list(seen)
        while waiting:
            step = waiting.pop()
            what = self._program[step] if step < len(self._program) else ()
            if what == "^":
                offsets: tuple[int, ...] = (1,) if at_start else ()
            elif what == "$":
                offsets = (1,) if at_end else ()
            else:
                offsets = what if isinstance(what, tuple) else ()
            for offset in offsets:
                if step + offset not in seen:
                    seen.add(step + offset)
                    waiting.append(step + offset)
        return frozenset(seen)


class _State:
    """Steps that are all possible now, and where each next character leads."""

    __slots__ = ("matched", "matched_at_end", "next", "steps")

    def __init__(self, steps: frozenset[int], matched: bool, matched_at_end: bool) -> None:
        self.steps = steps
        self.matched = matched
        self.matched_at_end = matched_at_end
        self.next: dict[str, _State] = {}


class _Parser:
    """Reads a pattern once, from left to right, and writes the program as it goes."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def parse(self) -> _Program:
        program = self._alternatives()
        if self._at < len(self._pattern):
            raise RegexError("this ) closes nothing", self._at)
        return program

    def _peek(self, ahead: int = 0) -> str:
        return self._pattern[self._at + ahead : self._at + ahead + 1]

    def _alternatives(self) -> _Program:
        program = self._sequence()
        while self._peek() == "|":
            self._at += 1
            other = self._sequence()
            program = [(1, len(program) + 2), *program, (len(other) + 1,), *other]
            self._check(len(program))
        return program

    def _sequence(self) -> _Program:
        program: _Program = []
        while self._peek() not in ("", "|", ")"):
            program += self._repeated(self._atom())
            self._check(len(program))
        return program

    def _check(self, steps: int) -> None:
        if steps > MAX_STEPS:
            raise RegexError("this pattern is too long, with its repeats written out", self._at)

    def _atom(self) -> _Program:
        start = self._at
        char = self._peek()
        self._at += 1
        if char == "(":
            return self._group(start)
        if char == "[":
            return [self._set(start)]
        if char == ".":
            return [_not_newline]
        if char in "^$":
            return [char]
        if char in "*+?":
            raise RegexError(f"there is nothing that this {char} could repeat", start)
        if char == "\\":
            escaped = self._escaped(start)
            if not isinstance(escaped, str):
                return [escaped]
            char = escaped
        # What folds to two characters ("ß") is two steps.
        return [folded.__eq__ for folded in char.casefold()]

    def _group(self, start: int) -> _Program:
        if self._peek() == "?":
            if self._peek(1) != ":":
                raise RegexError("look-around, flags and named groups are not supported", start)
            self._at += 2
        program = self._alternatives()
        if self._peek() != ")":
            raise RegexError("this ( is never closed", start)
        self._at += 1
        return program

    def _escaped(self, start: int) -> _Accepts | str:
        """What stands behind a backslash: a class of characters, or one character."""
        char = self._peek()
        self._at += 1
        if not char:
            raise RegexError("a backslash at the end escapes nothing", start)
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char in "xu":
            width = 2 if char == "x" else 4
            digits = self._pattern[self._at : self._at + width]
            if len(digits) < width or not _HEX.issuperset(digits):
                raise RegexError(f"\\{char} wants {width} hexadecimal digits", start)
            self._at += width
            return chr(int(digits, 16))
        if char.isalnum():
            raise RegexError(f"\\{char} is not supported", start)
        return char

    def _set(self, start: int) -> _Accepts:
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[tuple[str, str]] = []
        classes: list[_Accepts] = []
        while self._peek() != "]" or not (ranges or classes):
            low = self._member(start)
            if not isinstance(low, str):
                classes.append(low)
                continue
            high = low
            if self._peek() == "-" and self._peek(1) not in ("]", ""):
                self._at += 1
                end = self._member(start)
                if not isinstance(end, str) or end < low:
                    raise RegexError("this range of characters runs backwards", start)
                high = end
            ranges.append((low, high))
        self._at += 1

        def accepts(char: str) -> bool:
            # The text comes folded; a range like A-Z does not.
            capital = char.upper() if len(char.upper()) == 1 else char
            inside = any(low <= char <= high or low <= capital <= high for low, high in ranges)
            return negated != (inside or any(accept(char) for accept in classes))

        return accepts

    def _member(self, start: int) -> _Accepts | str:
        char = self._peek()
        if not char:
            raise RegexError("this [ is never closed", start)
        self._at += 1
        return self._escaped(self._at - 1) if char == "\\" else char

    def _repeated(self, program: _Program) -> _Program:
        """``program`` as often as the quantifier behind it says."""
        at = self._at
        low, high = self._counts()
        if self._at == at:
            return program
        if self._peek() == "?":
            self._at += 1  # lazy, which makes no difference to whether there is a match
        if self._peek() in ("*", "+", "?"):
            raise RegexError("two quantifiers in a row", self._at)
        self._check((len(program) + 1) * max(low, high or 0))
        size = len(program)
        any_number: _Program = [(1, size + 2), *program, (-size - 1,)]
        at_most_one: _Program = [(1, size + 1), *program]
        return program * low + (any_number if high is None else at_most_one * (high - low))

    def _counts(self) -> tuple[int, int | None]:
        """Least and greatest number of times, None when there is no greatest. Passes over what it takes."""
        char = self._peek()
        if char in ("*", "+", "?") and char:
            self._at += 1
            return int(char == "+"), (1 if char == "?" else None)
        end = self._pattern.find("}", self._at)
        if char != "{" or end < 0:
            return 1, 1
        low, comma, high = self._pattern[self._at + 1 : end].partition(",")
        if not (low or high) or not all(part.isascii() and part.isdigit() for part in (low, high) if part):
            return 1, 1  # a brace that means itself, as in JSON
        least = int(low or 0)
        most = least if not comma else int(high) if high else None
        if most is not None and most < least:
            raise RegexError("these counts run backwards", self._at)
        self._at = end + 1
        return least, most


def _not_newline(char: str) -> bool:
    return char != "\n"
