"""Mutators of YAML and JSON: values of other types, unknown keys, deep nesting, and the syntax itself."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import re
from typing import Any

import yaml

from fuzz.byte_mutators import mutate_bytes, set_decimal

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 10**9, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**4000, 0.0, -0.0,
    0.5,
    1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), "", " ", "0", "1e3", "none", "nan", "\x00",
    "\x1b[31m",
    "../..", "/", "~", "a" * 5000, "\u202e", "\ud800", "é", [], [[]], [None], [0, 1], [1, 0], [0.1, 0.2, 0.3],
    ["a"] * 300,
    {}, {"": 0}, {"kind": "gaussian"}, {"kind": None}, {"a": {"b": {"c": 1}}}, [{"a": 1}],
)  # fmt: skip
"""Values that stand where others are expected."""

TOKENS = (
    b"&a ", b"*a", b"&a [*a, *a]", b"<<: *b", b"<<: {a: 1}", b"!!python/object:os.system ", b"!!binary ab=",
    b"!!set {a}",
    b"!!timestamp 2001-99-99", b"!!float x", b"!!int x", b"\t", b"---\n", b"...\n", b"%YAML 9.9\n", b"{", b"}", b"[",
    b"]",
    b"? ", b": ", b"- ", b"|\n", b">\n", b"'", b'"', b"#", b"@", b"`", b"190:20:30", b"0o777", b"0b", b"1_000",
    b"1e999",
    b"2001-12-14", b"=", b"~", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x00", b"\r", b"\xe2\x80\xa8", b"\x85",
    b"[" * 5000, b"{a: " * 3000, b"- " * 3000, b"9" * 5000, b"NaN", b"-Infinity", b"\\ud800", b'{"a":' * 3000,
    b"\x1b[2J",
)  # fmt: skip
"""Parts of YAML and JSON that readers stumble over."""


LONGEST = 2**20
"""Bytes that a repeated line may have."""
_NOT_DATA = (ValueError, TypeError, AttributeError, RecursionError, IndexError, KeyError)
"""Raised where a file is damaged already, or a value cannot be written."""


def mutate_tree(value: Any, chance: random.Random, others: tuple[Any, ...] = ODD) -> Any:
    """Return a copy of nested mappings and lists in which a few values or keys are others."""
    whole = [copy.deepcopy(value)]
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        holder, key = chance.choice(_places(whole))
        kind = chance.random()
        if kind < 0.6:
            holder[key] = copy.deepcopy(chance.choice(others))
        elif kind < 0.7:
            holder[key] = [holder[key]] if chance.random() < 0.5 else {"a": holder[key]}
        elif kind < 0.8 and isinstance(holder[key], int | float):
            factor = chance.choice((-1, 2, 10, 1e6, 1e-6, 0.5))
            with contextlib.suppress(OverflowError):  # an int of hundreds of digits is no float
                holder[key] = holder[key] * factor
        elif kind < 0.9 and isinstance(holder, dict):
            del holder[key]
        elif isinstance(holder, dict):
            holder[chance.choice(("unknown", str(key) + "s", "", 1, None, True, "a\nb", "\x1b[0m"))] = holder[key]
        else:
            holder.append(holder[key])
    return whole[0]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (mapping or list, key or index) inside a value."""
    found: list[tuple[Any, Any]] = []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        found += [(value, key), *_places(inner)]
    return found


def mutate_text(data: bytes, chance: random.Random) -> bytes:
    """Insert a token, replace a word or a number, repeat, exchange or indent lines, or change bytes."""
    kind = chance.random()
    if kind < 0.3:
        at = chance.choice([m.end() for m in re.finditer(rb"[:\-,\n\[{]\s?", data)] or [0])
        return data[:at] + chance.choice(TOKENS) + data[at:]
    if kind < 0.45:
        words = list(re.finditer(rb"[^\s:,\[\]{}\"]+", data))
        if words:
            one = chance.choice(words)
            return data[: one.start()] + chance.choice(TOKENS) + data[one.end() :]
    if kind < 0.6:
        return set_decimal(data, chance)
    if kind < 0.8:
        lines = data.splitlines(keepends=True) or [b""]
        k, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        many = min(2000, LONGEST // (len(lines[k]) + 1) + 1)  # a line may be all of a weight file
        new = chance.choice((lines[other], b"  " + lines[k], lines[k].lstrip(), lines[k] * 2, b"", lines[k] * many))
        return b"".join([*lines[:k], new, *lines[k + 1 :]])
    return mutate_bytes(data, chance)


def mutate_yaml(data: bytes, chance: random.Random) -> bytes:
    """Change the values of a YAML file, or its text."""
    if chance.random() < 0.6:
        try:
            made = mutate_tree(yaml.safe_load(data), chance)
            return yaml.safe_dump(made, sort_keys=False).encode(errors="surrogatepass")
        except (yaml.YAMLError, *_NOT_DATA):
            return mutate_text(data, chance)
    return mutate_text(data, chance)


def mutate_json(data: bytes, chance: random.Random) -> bytes:
    """Change the values of a JSON file, or its text; of lines of JSON, those of one line."""
    if chance.random() < 0.6:
        lines = data.splitlines() if data.count(b"\n{") else [data]
        k = chance.randrange(len(lines))
        try:
            lines[k] = json.dumps(mutate_tree(json.loads(lines[k]), chance)).encode()
            return b"\n".join(lines)
        except _NOT_DATA:
            return mutate_text(data, chance)
    return mutate_text(data, chance)


def mutate_safetensors(data: bytes, chance: random.Random) -> bytes:
    """Change the header of a safetensors file: its length, its JSON, or the JSON that its metadata hold."""
    size = int.from_bytes(data[:8], "little")
    head, tensors = data[8 : 8 + size], data[8 + size :]
    kind = chance.random()
    if kind < 0.1:
        return (
            chance.choice((0, 1, size - 1, size + 1, len(data), 2**31, 2**63, 2**64 - 1)).to_bytes(8, "little")
            + data[8:]
        )
    if kind < 0.25:
        return data[: 8 + size] + mutate_bytes(tensors, chance)
    if kind < 0.4:
        return data[:8] + mutate_bytes(head + tensors, chance)
    if kind < 0.6:
        made = mutate_json(head, chance)
    else:
        try:
            made = _with_mutated_metadata(head, chance)
        except _NOT_DATA:
            made = mutate_text(head, chance)
    return len(made).to_bytes(8, "little") + made + tensors


def _with_mutated_metadata(head: bytes, chance: random.Random) -> bytes:
    whole = json.loads(head)
    inside = [key for key, text in whole["__metadata__"].items() if text[:1] in "{["]
    key = chance.choice(inside) if inside else chance.choice(list(whole["__metadata__"]))
    text = mutate_json(whole["__metadata__"][key].encode(), chance).decode(errors="replace")
    return json.dumps({**whole, "__metadata__": {**whole["__metadata__"], key: text}}).encode()
