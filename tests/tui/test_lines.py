"""Lines of exactly so many columns, whatever they are made of."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from fieldkit.tui.lines import cut, wrapped


@pytest.mark.parametrize(
    "text", ["one two three", "電車は速い 電車 は速い", "電車は速い電車は速い電車は速い", "a電b車c速d", ""]
)
@pytest.mark.parametrize("width", [10, 11, 30])
def test_nothing_is_lost_when_a_text_is_wrapped(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert lines


def test_the_lines_of_a_paragraph_are_indented() -> None:
    assert wrapped("one two three", 9, first="- ", rest="  ") == ["- one two", "  three"]


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("127.0.0.1:52184", 15, "127.0.0.1:52184"), ("127.0.0.1:52184", 14, "127.0.0.1:521…"), ("電車", 4, "電車"),
     ("電車", 3, "電…"), ("電車", 2, " …"), ("ab", 1, "a"), ("ab", 4, "ab  ")],
)  # fmt: skip
def test_what_does_not_fit_ends_in_an_ellipsis(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown
    assert cell_len(cut(text, width)) == width
