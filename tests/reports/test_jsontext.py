from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fieldkit.reports.jsontext import inert


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_programs_see_no_difference(text: str) -> None:
    written = json.dumps({"text": text}, ensure_ascii=False)
    assert json.loads(inert(written)) == {"text": text}


def test_what_a_terminal_obeys_is_spelt_out() -> None:
    assert inert('"\x7f\x9b2J\u202e\ufeff\U000e0041"') == r'"\u007f\u009b2J\u202e\ufeff\udb40\udc41"'


def test_letters_stay() -> None:
    assert inert('"Säule 東京 🔌"') == '"Säule 東京 🔌"'
