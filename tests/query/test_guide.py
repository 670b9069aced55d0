"""The users' page on filters: what it shows can be typed as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fieldkit.query import FIELDS, compile_filter

GUIDE = (Path(__file__).parents[2] / "docs" / "filter.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL))

EXAMPLES = [
    *re.findall(r"--filter '(.+)'", GUIDE),
    *re.findall(r"^\| `(.+?)` \|", SECTIONS["The first ten"], re.MULTILINE),
    *(
        text
        for row in re.findall(r"^\| (`.+`) \|", SECTIONS["Times"], re.MULTILINE)
        for text in re.findall("`(.+?)`", row)
    ),
    *re.findall(r"`(\w+ [=~><]=? [^`]+)`", SECTIONS["Fields"]),
    *SECTIONS["Values in the payload"].split("```")[1].strip().splitlines(),
]


def test_it_has_examples() -> None:
    assert len(EXAMPLES) > 20


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_filter(example: str) -> None:
    assert compile_filter(example).text


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_explained(name: str) -> None:
    assert re.search(rf"^\|.*`({name}|{name}\..+?)`.*\|", SECTIONS["Fields"], re.MULTILINE)


def test_the_mistake_it_shows_is_shown_so() -> None:
    with pytest.raises(ValueError, match="unknown field") as caught:
        compile_filter("statoin = CP_17")
    assert str(caught.value) in GUIDE
