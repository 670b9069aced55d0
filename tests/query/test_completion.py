"""What is offered to somebody who types; | is where the cursor stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.query import FIELDS, complete


def offered(typed: str) -> list[str]:
    text = typed.replace("|", "")
    return complete(text, typed.index("|"), {"station": ["CP_1", "CP_2", "Depot"]})


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("st|", ["station", "status"]),
        ("ST|", ["station", "status"]),
        ("valid and not la|", ["latency"]),
        ("(tr|ash", ["transport"]),
        ("be|", ["between"]),
        ("station|", []),
        ("station = |", ["CP_1", "CP_2", "Depot"]),
        ("station = c|", ["CP_1", "CP_2"]),
        ("station not in (CP_1, D|", ["Depot"]),
        ("station in |", ["("]),
        ("station in (CP_1 |", [",", ")"]),
        ("station in (CP_1) a|", ["and"]),
        ("station = CP_1 |", ["and", "or"]),
        ("station not |", ["in", "contains", "matches"]),
        ("type != r|", ["result", "resulterror"]),
        ("valid = |", ["true", "false"]),
        ("version = 2.0|", ["2.0.1"]),
        ("action = heartb|", ["Heartbeat"]),
        ("latency <|", []),
        ("since |", []),
        ("whatever |", ["and", "or"]),
        ("station = 'C|", []),
        ("payload. |", ["and", "or"]),
        ("= |", []),
        ("'x' = |", []),
    ],
)
def test_words_that_fit(typed: str, words: list[str]) -> None:
    assert offered(typed) == words


def test_at_the_beginning_there_is_every_field() -> None:
    assert set(FIELDS) < set(offered("|"))


def test_behind_a_field_there_are_operators_that_it_has() -> None:
    assert "matches" in offered("action |")
    assert ">" not in offered("action |")
    assert ">" in offered("latency |")


@given(st.text("station = in ('C,)& not|", max_size=30), st.integers(0, 40))
def test_it_has_an_answer_to_anything(text: str, cursor: int) -> None:
    assert all(isinstance(word, str) for word in complete(text, cursor))
