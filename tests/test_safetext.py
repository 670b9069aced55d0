r"""What a station may say, and what a screen, a page or a spreadsheet makes of it."""

from __future__ import annotations

import csv
import io
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fieldkit import safetext

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07[red]a[/red]<script>alert('x')</script>\"&\u202egnp.exe\u200b\u2028\r\n\t\x7f\x9b\ud800"
)

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
"""Lone surrogates included: JSON can spell them."""


def test_plain_text_is_the_very_same_object() -> None:
    text = "VendorX M-5, firmware 1.2.3 (Zürich)"
    assert safetext.terminal(text) is text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("tag\u202e123", r"tag\u202e123"),
        ("CP\u200b001\ufeff", r"CP\u200b001\ufeff"),
        ("one\u2028two\u2029", r"one\u2028two\u2029"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("CP\u00a0001", r"CP\xa0001"),
        ("CP\u3164\u2800", r"CP\u3164\u2800"),
        ("e\u0301", "e\u0301"),
        ("e" + "\u0301" * 5, "e" + r"\u0301" * 5),
        ("充电桩 1", "充电桩 1"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_shown_as_its_number(said: str, shown: str) -> None:
    assert safetext.terminal(said) == shown


@given(ANY_TEXT)
@example(HOSTILE)
def test_terminal_text_is_printable_on_one_line_whatever_comes_in(text: str) -> None:
    shown = safetext.terminal(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)
    assert safetext.terminal(shown) == shown
    shown.encode()


@given(ANY_TEXT, st.integers(0, 20))
def test_terminal_text_keeps_to_its_limit(text: str, limit: int) -> None:
    shown = safetext.terminal(text, limit)
    assert len(shown) <= limit
    if len(safetext.terminal(text)) <= limit:
        assert shown == safetext.terminal(text)
    elif limit:
        assert shown.endswith("…")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))


@given(ANY_TEXT)
@example(HOSTILE)
def test_html_says_the_text_and_nothing_but_the_text(text: str) -> None:
    page = _Page()
    page.feed(f'<p title="{safetext.html(text)}">{safetext.html(text)}</p>')
    page.close()
    shown = safetext.terminal(text)
    assert page.tags == [("p", [("title", shown)])]
    assert page.text == shown


@pytest.mark.parametrize("said", ["=cmd()|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "  =1+1", "＝1+1", "\t=1"])
def test_a_spreadsheet_is_not_given_a_formula(said: str) -> None:
    assert safetext.csv_cell(said)[0] in "'\\"


@pytest.mark.parametrize("said", ["-5", "+49", "12.4", "-0,5", "CP001", ""])
def test_numbers_and_names_stay_as_they_are_in_a_spreadsheet(said: str) -> None:
    assert safetext.csv_cell(said) == said


@given(ANY_TEXT)
@example(HOSTILE)
def test_a_csv_row_stays_a_row(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([safetext.csv_cell(text), "next"])
    (row,) = csv.reader(io.StringIO(out.getvalue()))
    assert row == [safetext.csv_cell(text), "next"]
    assert not row[0].lstrip().startswith(("=", "@"))


@given(ANY_TEXT.filter(lambda text: "\\" not in text))
@example(HOSTILE)
@example("[red]x[/red] [1] [link=http://x]y[/link] []")
def test_markup_keeps_rich_from_seeing_a_tag(text: str) -> None:
    rich = pytest.importorskip("rich.text")
    shown = rich.Text.from_markup(f"[bold]{safetext.markup(text)}[/bold]", emoji=False)
    assert [span.style for span in shown.spans] in (["bold"], [])
    assert shown.plain.replace("\\", "") == safetext.terminal(text).replace("\\", "") + " " * shown.plain.endswith(
        "\\ "
    )


def test_a_backslash_before_a_bracket_or_at_the_end_opens_no_tag_either() -> None:
    assert safetext.markup(r"\[red]") == r"\\\[red]"
    assert safetext.markup("C:\\") == "C:\\ "


def test_shorten_shows_that_something_is_missing() -> None:
    assert safetext.shorten("GroundFailure", 13) == "GroundFailure"
    assert safetext.shorten("GroundFailure", 7) == "Ground…"
    assert safetext.shorten("GroundFailure", 1) == "…"
    assert safetext.shorten("GroundFailure", 0) == ""


@pytest.mark.parametrize(
    ("token", "shown"),
    [("04A1B2C3D4E57F", "04…7F"), ("12345678", "12…78"), ("1234567", "1******"), ("AB", "A*"), ("A", "*"), ("", "")],
)
def test_identity_tokens_are_masked(token: str, shown: str) -> None:
    assert safetext.mask(token) == shown


@given(st.text("ABCDEF0123456789", max_size=40))
def test_a_mask_never_reveals_more_than_half(token: str) -> None:
    revealed = sum(c in "ABCDEF0123456789" for c in safetext.mask(token))
    assert revealed * 2 <= len(token)


def test_display_width_counts_columns_not_characters() -> None:
    assert safetext.display_width("CP001") == 5
    assert safetext.display_width("充电桩") == 6
    assert safetext.display_width("Zu\u0308rich") == 6
    assert safetext.display_width("→…×") == 3
