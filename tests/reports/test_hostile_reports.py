"""What a station sends may be anything: no format obeys it, and none is flooded by it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from fieldkit.reports import jsonreport, junit, markdown, text
from fieldkit.reports.document import Report

RENDERERS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "markdown": markdown.render,
    "junit": junit.render,
    "json": jsonreport.render,
}


@pytest.mark.parametrize("form", RENDERERS)
def test_nothing_that_a_terminal_obeys(hostile: Report, form: str) -> None:
    shown = RENDERERS[form](hostile)
    obeyed = {c for c in shown if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}
    assert obeyed == set()


@pytest.mark.parametrize("form", RENDERERS)
def test_it_is_there_and_short(hostile: Report, form: str) -> None:
    shown = RENDERERS[form](hostile)
    assert "script" in shown
    assert len(shown) < 400_000


def test_text_with_color_has_its_own_escapes_only(hostile: Report) -> None:
    shown = text.render(hostile, color=True)
    own = {"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[36m"}
    for escape in own:
        shown = shown.replace(escape, "")
    assert "\x1b" not in shown


def test_markdown_has_no_markup_of_a_station(hostile: Report) -> None:
    shown = markdown.render(hostile)
    assert "<script" not in shown
    assert "\n@" not in shown
    assert "https://evil" not in shown
    assert "www.evil" not in shown
    assert "[red]" not in shown.replace(r"\[red\]", "")


def test_tables_keep_their_columns(hostile: Report) -> None:
    rows = [line for line in markdown.render(hostile).splitlines() if line.startswith("| ") and "script" in line]
    assert rows
    assert {line.replace(r"\|", "").count("|") for line in rows} == {9}


def test_junit_is_xml(hostile: Report) -> None:
    root = ElementTree.fromstring(junit.render(hostile))
    assert root.tag == "testsuites"


def test_json_says_what_was_sent(hostile: Report) -> None:
    shown = json.loads(jsonreport.render(hostile))
    assert "\x1b[31m" in shown["stations"][0]["vendor"]
    assert len(shown["stations"][0]["firmware"]) <= 200


@pytest.mark.parametrize(
    "said, shown",
    [
        ("# no heading", r"\# no heading"),
        ("1. no list", r"1\. no list"),
        ("- no list", r"\- no list"),
        ("0.34 kWh", "0.34 kWh"),
        ("a | b", r"a \| b"),
        ("<img src=x>", r"&lt;img src=x\>"),
        ("![x](javascript:alert(1))", r"!\[x\](javascript:alert(1))"),
        ("snake_case *bold* `code`", r"snake\_case \*bold\* \`code\`"),
        ("http://a.example and www.b.example", "http&#58;//a.example and ww&#119;.b.example"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("two\nlines", r"two\\nlines"),
    ],
)
def test_markdown_of_a_text(said: str, shown: str) -> None:
    assert markdown.safe(said) == shown
