"""The filter's own regular expressions, held against the standard library's."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.query import regex
from fieldkit.query.regex import Regex, RegexError


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("boot", "BootNotification", "Heartbeat"),
        ("^cp_[0-9]+$", "CP_17", "XCP_17"),
        ("^(?:Charging|Suspended(?:EV|EVSE))$", "suspendedevse", "SuspendedEVSEs"),
        (r'"limit":\s*\d+\.\d{2,}', '{"limit": 11.25}', '{"limit": 11.2}'),
        (r"\{2\}|{x}|{", "a {2} b", "a 2 b"),
        ("[^a-z]", "a-b", "ABC"),
        (r"[\d_-]", "-", "a"),
        ("[]x]", "]", "["),
        ("a.c", "abc", "a\nc"),
        ("^$", "", "a"),
        (r"straße", "STRASSE", "strase"),
        (r"\x41\u0042", "xAB", "BA"),
        ("(a|)b{0}c", "c", "b"),
        ("x{,2}y", "y", "x"),
        (r"a\/b", "a/b", "a\\b"),
        ("a+?b*?c??d{2}?", "add", "ad"),
    ],
)
def test_it_finds_what_is_there_and_nothing_else(pattern: str, found: str, missed: str) -> None:
    assert Regex(pattern).search(found)
    assert not Regex(pattern).search(missed)


@pytest.mark.parametrize(
    ("pattern", "reason", "position"),
    [
        ("a)b", "this ) closes nothing", 1),
        ("x(a|b", "this ( is never closed", 1),
        ("x[a", "this [ is never closed", 1),
        ("a|*", "there is nothing that this * could repeat", 2),
        ("a**", "two quantifiers in a row", 2),
        ("a{3,2}", "these counts run backwards", 1),
        ("[z-a]", "this range of characters runs backwards", 0),
        ("(?=a)", "look-around, flags and named groups are not supported", 0),
        (r"(a)\1", r"\1 is not supported", 3),
        (r"a\b", r"\b is not supported", 1),
        (r"\x4", r"\x wants 2 hexadecimal digits", 0),
        ("a\\", "a backslash at the end escapes nothing", 1),
    ],
)
def test_what_is_wrong_or_not_to_be_had_is_named_with_its_place(pattern: str, reason: str, position: int) -> None:
    with pytest.raises(RegexError) as caught:
        Regex(pattern)
    assert (caught.value.reason, caught.value.position) == (reason, position)


@pytest.mark.parametrize(
    "pattern",
    ["a" * 300, "(((a{9}){9}){9}){9}", "a{99999999999999999999}", "(" * 257, "(a{0,200}){0,200}", "(){99999999}" * 20],
)
def test_a_pattern_has_its_limits(pattern: str) -> None:
    with pytest.raises(RegexError):
        Regex(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a?){60}a{60}b", ".*a.*a.*a.*a.*b", "(.*)*c"])
def test_patterns_that_ruin_others_take_a_step_per_character(pattern: str) -> None:
    begun = time.process_time()
    assert not Regex(pattern).search("a" * 30_000)
    assert time.process_time() - begun < 2


def test_it_forgets_what_it_knows_before_it_grows_large(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join("ab"[(i * i // 7) % 2] for i in range(3000))
    pattern = "(a|b)*a(a|b){9}c"
    monkeypatch.setattr(regex, "MAX_REMEMBERED", 500)
    forgetful = Regex(pattern)
    assert not forgetful.search(text)
    assert forgetful.search(text + "c") == bool(re.search(pattern, text + "c"))
    assert len(forgetful._known) < 600


def test_only_the_beginning_of_a_very_long_text_is_searched() -> None:
    assert Regex("needle").search("x" * (regex.MAX_TEXT - 6) + "needle")
    assert not Regex("needle").search("x" * regex.MAX_TEXT + "needle")


atoms = st.sampled_from(["a", "b", "A", ".", "[ab]", "[^a]", "[A-C]", r"\d", r"\W", r"\.", "1", "-"])
patterns = st.recursive(
    atoms | st.just(""),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,1}", "{1,}", "*?"])).map(
            lambda part: f"(?:{part[0]}){part[1]}"
        ),
        inner.map(lambda part: f"^{part}"),
        inner.map(lambda part: f"{part}$"),
    ),
    max_leaves=8,
)


@given(patterns, st.text("abAB1.-\n", max_size=8))
@settings(max_examples=300)
def test_it_agrees_with_the_standard_library(pattern: str, text: str) -> None:
    # re's "$" also matches before a newline at the end; ours is "\Z", which is what a filter means.
    expected = re.search(pattern.replace("$", r"\Z"), text, re.IGNORECASE)
    assert Regex(pattern).search(text) == bool(expected)


@given(st.text("ab(|)[]{}*+?^$\\.,-:=d10", max_size=24), st.text(max_size=20))
@settings(max_examples=300)
def test_no_pattern_raises_anything_but_its_own_error(pattern: str, text: str) -> None:
    with contextlib.suppress(RegexError):
        Regex(pattern).search(text)
