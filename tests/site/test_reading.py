from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.site import reading

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
READERS = [
    reading.text,
    reading.whole,
    reading.number,
    reading.flag,
    reading.moment,
    reading.obj,
    lambda payload, *path: list(reading.items(payload, *path)),
    lambda payload, *path: list(reading.objects(payload, *path)),
]


@given(ANYTHING, st.lists(st.sampled_from("abc"), max_size=3))
def test_no_payload_is_too_strange_to_be_read(payload: Any, path: list[str]) -> None:
    for reader in READERS:
        reader(payload, *path)


def test_a_member_is_found_by_its_path() -> None:
    payload = {"evse": {"id": 2, "connectorId": 1}}
    assert reading.whole(payload, "evse", "id") == 2
    assert reading.whole(payload, "evse", "id", "deeper") is None
    assert reading.whole(payload, "connector") is None


@pytest.mark.parametrize(
    "value, whole, number",
    [
        (1, 1, 1.0),
        (1.0, 1, 1.0),
        (1.5, None, 1.5),
        ("1", None, 1.0),
        ("12.5", None, 12.5),
        (True, None, None),
        ("NaN", None, None),
        ("1e999", None, None),
        ("", None, None),
        ([1], None, None),
        (10**400, None, None),
    ],
)
def test_what_counts_as_a_number(value: Any, whole: int | None, number: float | None) -> None:
    assert reading.whole({"x": value}, "x") == whole
    assert reading.number({"x": value}, "x") == number


def test_a_moment_is_nanoseconds_whatever_its_spelling() -> None:
    for spelling in ("2026-08-31T08:00:00Z", "2026-08-31T10:00:00+02:00", "2026-08-31 08:00:00"):
        assert reading.moment({"timestamp": spelling}, "timestamp") == 1_788_163_200_000_000_000
    assert reading.moment({"timestamp": "yesterday"}, "timestamp") is None
    assert reading.moment({"timestamp": "0001-01-01T00:00:00Z"}, "timestamp") is None
    assert reading.moment({"timestamp": 1_788_163_200}, "timestamp") is None


def test_what_is_kept_is_bounded() -> None:
    assert len(reading.text({"x": "a" * 1_000_000}, "x") or "") == reading.MAX_TEXT
    assert len(list(reading.items({"x": [0] * 1_000_000}, "x"))) == reading.MAX_ITEMS


def test_objects_leaves_out_what_is_none() -> None:
    assert list(reading.objects({"x": [1, {"a": 1}, "b", {}]}, "x")) == [{"a": 1}, {}]
    assert reading.obj({"x": 1}, "x") == {}
