"""Fields of a message and where they stand in its text, for whole, broken and hostile messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.tui.fieldtree import MAX_DEPTH, MAX_FIELDS, FieldLine, fields_of

CALL = '[2,"19","StartTransaction",{"connectorId":1,"meterValue":[{"value":"x\\u001b"},{}],"idTag":"AB"}]'


def named(lines: list[FieldLine], path: str) -> FieldLine:
    (line,) = (line for line in lines if line.path == path)
    return line


def test_a_frame_has_names_for_its_elements() -> None:
    lines = fields_of(CALL)
    assert [line.name for line in lines[:4]] == ["message type", "message id", "action", "connectorId"]
    assert lines[2].value == "StartTransaction"
    assert CALL[lines[2].start : lines[2].end] == '"StartTransaction"'


def test_fields_have_the_paths_that_a_filter_takes() -> None:
    lines = fields_of(CALL)
    value = named(lines, ".meterValue[0].value")
    assert value.value == "x\\x1b", "and are harmless"
    assert value.depth == 2
    assert CALL[value.start : value.end] == '"x\\u001b"'
    parent = named(lines, ".meterValue")
    assert parent.start <= value.start < value.end <= parent.end


@pytest.mark.parametrize(
    "text, names",
    [
        ('[3,"1",{"status":"Accepted"}]', ["message type", "message id", "status"]),
        ('[4,"1","InternalError","why",{}]', ["message type", "message id", "error code", "error description", "error details"]),
        ('[3,"1",{}]', ["message type", "message id"]),
        ('{"a":1}', ["a"]),
        ('[2,"1","Boot', ["message type", "message id", "action"]),
        ("", []),
        ("nonsense", ["[0]"]),
    ],
)  # fmt: skip
def test_every_kind_of_frame(text: str, names: list[str]) -> None:
    assert [line.name for line in fields_of(text)] == names


def test_an_envelope_has_its_elements() -> None:
    lines = fields_of("<e:Envelope><e:Body><x><status>Accepted</status></x></e:Body></e:Envelope>", xml=True)
    assert [line.name for line in lines] == ["Envelope", "Body", "x", "status"]
    assert lines[-1].value == "Accepted"


def test_what_is_deep_or_long_is_bounded() -> None:
    assert max(line.depth for line in fields_of("[" * 5000 + "]" * 5000)) <= MAX_DEPTH
    assert len(fields_of(f'[2,"1","A",{{"a":[{"1," * 20_000}1]}}]')) <= MAX_FIELDS
    assert fields_of("[" + "1," * 200_000 + "1]") == []


@given(st.text(max_size=300))
def test_no_text_is_too_odd(text: str) -> None:
    for line in [*fields_of(text), *fields_of(text, xml=True)]:
        assert 0 <= line.start <= line.end <= len(text)
        assert line.name.isprintable()
        assert line.value.isprintable()
