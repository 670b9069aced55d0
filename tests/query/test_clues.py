"""A clue stands in every text that has the value, or there is none."""

from __future__ import annotations

import pytest

from fieldkit.query import clues
from fieldkit.query.grammar import parse
from fieldkit.query.tree import Comparison, Literal


def found(text: str, *, as_sent: bool = False) -> set[bytes]:
    node = parse(text)
    assert isinstance(node, Comparison)
    return {clue if isinstance(clue, bytes) else clue.pattern for clue in clues.of_values(node, as_sent=as_sent)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".status = Faulted", {b"faulted"}),
        (".status ~ Fault", {b"fault"}),
        (".status in (Faulted, Unavailable)", {b"faulted", b"unavailable"}),
        (".status = Sus*EVSE", {b"evse"}),
        (".status matches /Faulted|Unav.*/", {b"faulted", b"unav"}),
        (".status matches /colou?rs\\d+ok/", {b"colo"}),
        ("tx = 4711", {b"4711"}),
        ("tx = +04711.500", {b"4711.5"}),
        ("tx = 100", {b"100"}),
        # Nothing can be said of these.
        (".status != Faulted", set()),
        (".status in (Faulted, Größe)", set()),
        (".limit > 32", set()),
        (".limit in (16..32)", set()),
        (".limit ~ 5e-05", set()),
        (".limit = inf", set()),
        (".status = 2", {rb'(?:status)"\s*:\s*"?[-+0]*2'}),
        ("evse = 2", {rb'(?:evseid|id)"\s*:\s*"?[-+0]*2'}),
        ("connector = 007.0", {rb'(?:connectorid)"\s*:\s*"?[-+0]*7'}),
        ("connector in (2, 14)", {rb'(?:connectorid)"\s*:\s*"?[-+0]*2', b"14"}),
        ('connector = "2"', set()),
        ("connector ~ 2", set()),
        (".list[0] = 2", set()),
        (".status matches /(Faulted)/", set()),
        (".status matches /Faulted|./", set()),
        (".status matches /a*b*c?/", set()),
    ],
)
def test_clues_of_a_comparison(text: str, expected: set[bytes]) -> None:
    assert found(text) == expected


def test_the_text_itself_is_searched_for_digits_too() -> None:
    assert found("text ~ 4711", as_sent=True) == {b"4711"}


def test_a_name_that_contains_another_is_found_with_it() -> None:
    assert clues.of_names(["status", "connectorStatus"]) == (b"status",)
    assert clues.of_names(["straße"]) == clues.of_names(["x"]) == ()


def test_a_word_is_its_longest_piece() -> None:
    assert clues.of_word(Literal("ab*cdef", quoted=False)) == (b"cdef",)
    assert clues.of_word(Literal("ab*cdef", quoted=True)) == (b"ab*cdef",)


@pytest.mark.parametrize(
    "text", [r'["\u0041"]', '["é"]', "[1e3]", "[0.1000000000000000055]", "[1234567890123456]", "[\0]", "[-2.5E1]"]
)
def test_texts_that_do_not_say_literally_what_they_mean(text: str) -> None:
    assert clues.is_odd(text.encode())


def test_a_usual_message_is_not_odd() -> None:
    data = b'[2,"3e4-1e9","MeterValues",{"transactionId":4711,"value":"16.52e0","at":"2026-11-21T10:15:30.123Z"}]'
    assert not clues.is_odd(data)
