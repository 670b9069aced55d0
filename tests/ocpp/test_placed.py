"""Trees of text that is whole, cut off or broken, and where their values stand."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.ocpp.placed import MAX_TEXT, Branch, Leaf, TooLongError, read_json, read_xml, xml_escape, xml_unescape


def plain(branch: Branch) -> list[Any]:
    """A tree without its places: (name, text) and (name, [children])."""
    return [(name, plain(value) if isinstance(value, Branch) else str(value)) for name, value in branch]


def leaves(branch: Branch) -> Iterator[Leaf]:
    for _, value in branch:
        if isinstance(value, Branch):
            yield from leaves(value)
        else:
            yield value


def test_values_have_their_names_and_their_places() -> None:
    text = '[2, "1", {"a": "x\\u0041", "b": [1.5, null], "a": {}}]'
    tree, sound = read_json(text)
    assert sound
    assert plain(tree) == [
        (None, [(None, "2"), (None, "1"), (None, [("a", "xA"), ("b", [(None, "1.5"), (None, "null")]), ("a", [])])])
    ]
    assert [text[leaf.start : leaf.end] for leaf in leaves(tree)] == ["2", '"1"', '"x\\u0041"', "1.5", "null"]
    assert [leaf.scalar for leaf in leaves(tree)] == [True, False, False, True, True]


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def expected(value: Any) -> Any:
    if isinstance(value, dict):
        return [(name, expected(member)) for name, member in value.items()]
    if isinstance(value, list):
        return [(None, expected(member)) for member in value]
    return value if isinstance(value, str) else json.dumps(value)


@settings(max_examples=100)
@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_any_json_is_read_as_it_means(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    tree, sound = read_json(text)
    assert sound
    assert plain(tree) == [(None, expected(value))]
    for leaf in leaves(tree):
        assert json.loads(text[leaf.start : leaf.end]) == (json.loads(leaf) if leaf.scalar else str(leaf))


@pytest.mark.parametrize(
    "text",
    ['{"a":1', '{"a":"x', '{"a":', '{"a"', '[1,{"b":[', '{"a":,"b":2}', '{"a":1,}', "[1,,2]", '{"a":tru', "", "  "],
)
def test_what_is_cut_off_or_left_out_does_not_confuse_names(text: str) -> None:
    assert read_json(text)[1]


@pytest.mark.parametrize(
    "text",
    [
        '{"a" 1}',
        '{"a":"x" "b":2}',
        '{"a":x"}',
        '{a"b":1}',
        '{"a":1]',
        '["a":1]',
        '{"a":"b":1}',
        "{'a':1}",
        '{"a","b"}',
        "[1}",
        ":",
    ],
)
def test_a_lost_quote_colon_or_bracket_does(text: str) -> None:
    assert not read_json(text)[1]


def test_it_is_known_what_was_not_closed() -> None:
    tree, _ = read_json('[{"a":1},{"b":')
    frame = tree[0][1]
    assert (tree.cut, frame.cut, frame[0][1].cut, frame[1][1].cut) == (True, True, False, True)


def test_xml_is_read_without_prefixes_and_with_its_places() -> None:
    text = '<?xml version="1.0"?><s:a><!-- c --><key x:id="1&amp;2">A&#x42;<![CDATA[<C]]></key><e/><v></v></s:a>'
    tree, sound = read_xml(text)
    assert sound
    assert plain(tree) == [("a", [("@", [("id", "1&2")]), ("key", "AB<C"), ("v", "")])]
    assert [text[leaf.start : leaf.end] for leaf in leaves(tree)] == ["1&amp;2", "A&#x42;<![CDATA[<C]]>", ""]


@pytest.mark.parametrize(
    "text",
    [
        "<a><b></a></b>",
        "<a>x<b/>",
        "</a>",
        "<a>x<b>y</b></a>",
        '<a b="1></a>',
        "<a>1 < 2</a>",
        "<!-- ",
        "<?xml ",
        '<!DOCTYPE a [<!ENTITY k "v">]><a/>',
    ],
)
def test_xml_that_is_not_sure_is_called_so(text: str) -> None:
    assert read_xml(text)[1] == (text == "<a>x<b/>")


@settings(max_examples=100)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20))
def test_escaping_survives_a_parser(text: str) -> None:
    assert (ElementTree.fromstring(f"<a>{xml_escape(text)}</a>").text or "") == text.replace("\r", "\n")
    assert xml_unescape(xml_escape(text)) == text


def test_references_beyond_unicode_are_no_trouble() -> None:
    assert xml_unescape("&#x110000; &#9999999; &nbsp; &#;") == "\ufffd \ufffd &nbsp; &#;"


@given(st.text("{}[]:,\"'\\<>&;/!-?= ab", max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    for read in (read_json, read_xml):
        tree, _ = read(text)
        for leaf in leaves(tree):
            assert 0 <= leaf.start <= leaf.end <= len(text)


@pytest.mark.parametrize(("read", "unit"), [(read_json, "[],"), (read_xml, "<a/>")])
def test_no_tree_grows_without_bound(read: Any, unit: str) -> None:
    assert read(unit * 20)[0].tokens == 20 * (3 if unit == "[]," else 1)
    with pytest.raises(TooLongError):
        read(unit * 20, 19)
    with pytest.raises(TooLongError):
        read(" " * MAX_TEXT + unit)
    with pytest.raises(TooLongError):
        read("<a x='' y=''/>" * 20 if unit == "<a/>" else "1 " * 20, 19)
