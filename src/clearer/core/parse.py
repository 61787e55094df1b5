"""Parse JSON and YAML: whatever is wrong with a text is a ValueError of one line."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from typing import Any

DEEPEST = 100
"""Mappings and lists inside each other; what reads the values may call itself once for each."""
MOST = 100_000
"""Values of a YAML text with its aliases written out: a few lines of them can stand for billions."""


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """Return the value of a JSON text.

    Args:
        text: the text.
        finite: refuse NaN and infinities, which are no JSON and which what is written of the value could not hold.

    Raises:
        ValueError: it is not JSON, or nested more than `DEEPEST` deep.

    >>> parse_json('{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite) if finite else json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    _check(value, None)
    return value


def parse_yaml(text: str, texts: Collection[str] = (), at: str = "") -> Any:
    """Return the value of a YAML text; only plain values are built.

    Args:
        text: the YAML text.
        texts: dotted keys of settings that are text. YAML would read ``010`` as 8 and ``1:30`` as 90; the values of
            these keys, and of lists there, stay as they are written. ``null`` remains None.
        at: the dotted key of the whole value.

    Raises:
        ValueError: it is not YAML, nested more than `DEEPEST` deep, or stands for more than `MOST` values.

    >>> parse_yaml("a: &x [1, 2]\\nb: *x")
    {'a': [1, 2], 'b': [1, 2]}
    >>> parse_yaml("{name: 010, number: 010}", texts=["name"])
    {'name': '010', 'number': 8}
    """
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        value = None if node is None else loader.construct_document(_as_written(loader, node, at, texts))
    except RecursionError:
        raise _too_deep() from None
    except Exception as error:
        # A tag that does not fit its value raises whatever its constructor meets, from KeyError to AttributeError.
        what = str(error) if isinstance(error, yaml.YAMLError | ValueError) else "a tag does not fit its value"
        raise ValueError(" ".join(what.split())) from error
    _check(value, MOST)
    return value


def _as_written(loader: Any, node: Any, at: str, texts: Collection[str]) -> Any:
    """Return a node of a YAML text with the values of the keys ``texts`` as text, however they look."""
    import yaml

    if isinstance(node, yaml.MappingNode) and (not at or any(key.startswith(f"{at}.") for key in texts)):
        loader.flatten_mapping(node)
        entries = [
            (key, _as_written(loader, value, f"{at}.{key.value}" if at else key.value, texts))
            if isinstance(key, yaml.ScalarNode)
            else (key, value)
            for key, value in node.value
        ]
        return yaml.MappingNode(node.tag, entries, node.start_mark, node.end_mark)
    if at in texts and isinstance(node, yaml.SequenceNode):
        return yaml.SequenceNode(node.tag, [_text(value) for value in node.value], node.start_mark, node.end_mark)
    if at in texts:
        return _text(node)
    return node


def _text(node: Any) -> Any:
    """Return a scalar node as one of text; a new node, since an alias may share the given one."""
    import yaml

    if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
        return node
    return yaml.ScalarNode("tag:yaml.org,2002:str", node.value, node.start_mark, node.end_mark)


def is_finite(value: float) -> bool:
    """Return whether a number is one that a float can hold.

    >>> is_finite(2.5), is_finite(float("nan")), is_finite(10**400)
    (True, False, False)
    """
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _too_deep() -> ValueError:
    return ValueError(f"nested more than {DEEPEST} deep")


def _check(value: Any, most: int | None) -> None:
    """Refuse a value that is too deep or too large, without calling itself."""
    here, depth, count = _containers([value]), 0, 0
    while here:
        depth += 1
        if depth > DEEPEST:
            raise _too_deep()
        below: list[Any] = []
        for one in here:
            count += len(one)
            if most is not None and count > most:
                raise ValueError(f"stands for more than {most:,} values")
            below += _containers(one.values() if isinstance(one, dict) else one)
        here = below


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list | tuple | set)]
