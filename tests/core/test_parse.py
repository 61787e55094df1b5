"""JSON and YAML from files: what is wrong with a text is one line, whatever it is."""

from __future__ import annotations

import json

import pytest

from clearer.core.parse import DEEPEST, parse_json, parse_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(k + 1)}: &{chr(k + 1)} [{', '.join(['*' + chr(k)] * 10)}]\n" for k in range(ord("a"), ord("i"))
)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_depth_up_to_the_limit_is_read(parse) -> None:
    value = parse("[" * DEEPEST + "7" + "]" * DEEPEST)
    for _ in range(DEEPEST):
        (value,) = value
    assert value == 7


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 20_000])
def test_deeper_values_are_refused(parse, depth: int) -> None:
    with pytest.raises(ValueError, match=f"nested more than {DEEPEST} deep"):
        parse("[" * depth + "]" * depth)


def test_wide_json_is_read() -> None:
    assert len(parse_json(json.dumps(list(range(200_000))))) == 200_000


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", '{"a": 1e999}'])
def test_numbers_that_are_not_finite_are_read_where_asked_for(text: str) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        parse_json(text)
    parse_json(text, finite=False)


@pytest.mark.parametrize("text", ["{", "", "[1,]", "9" * 5000, '"\ud800'])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    ["a: !!bool maybe", "a: !!timestamp x", "a: 2001-99-99", "a: !!int x", "a: !!float x", "a: !!binary \u00e9",
     "a: !!python/object:os.system x", "a: [", "\x00", "9" * 5000, "? {a: 1}\n: 2", "a: *b", "<<: 3"],
)  # fmt: skip
def test_yaml_that_cannot_be_built_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_aliases_that_stand_for_billions_are_refused() -> None:
    assert len(LAUGHS) < 500
    with pytest.raises(ValueError, match="stands for more than"):
        parse_yaml(LAUGHS)
    with pytest.raises(ValueError):
        parse_yaml("a: &a [*a]")  # without end


def test_a_list_that_is_text_in_one_place_stays_numbers_in_another() -> None:
    """An anchor may stand for values of both kinds of settings."""
    assert parse_yaml("b: &x [010, 020]\na: *x", ["a"]) == {"b": [8, 16], "a": ["010", "020"]}
