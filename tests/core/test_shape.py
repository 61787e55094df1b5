"""check_shape: JSON values of a wrong shape are refused with the place of what is wrong."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.core.files import read_shaped
from clearer.core.shape import check_shape

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


class Inner(TypedDict):
    count: int
    share: NotRequired[float | None]


class Outer(TypedDict, total=False):
    name: str
    rows: list[Inner]
    pair: tuple[int, int]
    kind: Literal["a", "b"]
    flag: bool
    parts: dict[str, list[str]]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "not a JSON object"),
        ({"name": 7}, "name: 7 is not text"),
        ({"rows": {"count": 1}}, "rows: {'count': 1} is not a list"),
        ({"rows": [{"count": 1}, {}]}, r"rows\[1\]\.count: missing"),
        ({"rows": [{"count": 1.0}]}, r"rows\[0\]\.count: 1\.0 is not a whole number"),
        ({"rows": [{"count": True}]}, r"rows\[0\]\.count: True is not a whole number"),
        ({"rows": [{"count": 10**19}]}, "too large"),
        ({"rows": [{"count": 1, "share": "x"}]}, r"rows\[0\]\.share: 'x' is not a number"),
        ({"rows": [{"count": 1, "share": 10**400}]}, "too large"),
        ({"pair": [1]}, "pair: .* is not a list of 2 values"),
        ({"pair": [1, "x"]}, r"pair\[1\]: 'x' is not a whole number"),
        ({"kind": "c"}, "kind: 'c' is not one of a, b"),
        ({"kind": []}, "is not one of a, b"),
        ({"flag": 1}, "flag: 1 is not true or false"),
        ({"parts": {"train": [["a"]]}}, r"parts\.train\[0\]: \['a'\] is not text"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_shape(value, Outer)


def test_unknown_keys_whole_numbers_for_floats_and_null_where_allowed_pass() -> None:
    check_shape({"rows": [{"count": 1, "share": 2}, {"count": 1, "share": None}], "of another version": [1]}, Outer)
    check_shape({"rows": [{}]}, Outer, whole=False)
    with pytest.raises(ValueError, match="name: missing"):
        check_shape({}, Outer, needs=("name",))


@given(JSON)
def test_any_value_passes_or_is_refused_in_a_short_line(value: Any) -> None:
    try:
        check_shape(value, Outer)
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
    else:
        assert isinstance(value, dict)


def test_the_file_and_the_fix_are_named(tmp_path: Any) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"name": []}')
    with pytest.raises(Exception, match=r"x\.json: name: \[\] is not text; put the file back, or remove"):
        read_shaped(path, Outer)
