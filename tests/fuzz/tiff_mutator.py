"""Mutator of TIFF: entries of directories, classic and BigTIFF, of either byte order."""

from __future__ import annotations

import random
import struct

from fuzz.byte_mutators import extreme, mutate_bytes

_CODES = (254, 256, 257, 258, 259, 262, 270, 273, 274, 277, 278, 279, 282, 284, 296, 317, 320, 322, 323, 324, 325, 330,
          338, 339, 347, 530, 700, 34675, 34665, 34853, 42113, 50838, 50839)  # fmt: skip
_SMALL = {
    258: (0, 1, 2, 4, 8, 12, 16, 24, 32, 64, 65535),
    259: (1, 2, 3, 4, 5, 6, 7, 8, 32773, 34712, 34887, 34925, 50000, 50001, 50002, 65000),
    262: (0, 1, 2, 3, 4, 5, 6, 8, 32803, 34892),
    274: (0, 1, 5, 8, 9),
    277: (0, 1, 2, 3, 4, 5, 60000),
    284: (0, 1, 2, 3),
    317: (1, 2, 3, 34892),
    339: (0, 1, 2, 3, 4, 5, 6),
}
"""Values that mean something, by tag."""


def mutate_tiff(data: bytes, chance: random.Random) -> bytes:
    """Change code, type, count or value of an entry, a linked value, or where a directory stands."""
    entries = tiff_entries(data)
    if not entries:
        return mutate_bytes(data, chance)
    made = bytearray(data)
    order, big = _form(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.choice(entries)
        code = struct.unpack_from(order + "H", data, at)[0]
        kind = chance.random()
        if kind < 0.1:
            struct.pack_into(order + "H", made, at, chance.choice(_CODES))
        elif kind < 0.25:
            struct.pack_into(order + "H", made, at + 2, chance.randrange(20))
        elif kind < 0.4:
            struct.pack_into(order + ("Q" if big else "I"), made, at + 4, extreme(chance, 64 if big else 32))
        elif kind < 0.6 and code in _SMALL:
            struct.pack_into(order + "H", made, at + (12 if big else 8), chance.choice(_SMALL[code]))
        elif kind < 0.9:
            struct.pack_into(order + ("Q" if big else "I"), made, at + (12 if big else 8), _value(data, chance, big))
        else:
            _mutate_links(made, chance, order, big)
    return bytes(made)


def tiff_entries(data: bytes) -> list[int]:
    """Return the places of the entries of all directories, those of SubIFDs and EXIF included."""
    order, big = _form(data)
    if order == "":
        return []
    word, size, entry, counts = ("Q", 8, 20, "Q") if big else ("I", 4, 12, "H")
    found: list[int] = []
    todo, seen = [struct.unpack_from(order + word, data, 8 if big else 4)[0]], set()
    while todo:
        at = todo.pop()
        if at in seen or at + 10 > len(data) or len(seen) > 50:
            continue
        seen.add(at)
        count = min(struct.unpack_from(order + counts, data, at)[0], len(data))
        first = at + (8 if big else 2)
        places = [first + entry * k for k in range(count) if first + entry * (k + 1) + size <= len(data)]
        found += places
        for one in places:
            if struct.unpack_from(order + "H", data, one)[0] in (330, 34665, 34853):
                todo.append(struct.unpack_from(order + word, data, one + (12 if big else 8))[0])
        if places:
            todo.append(struct.unpack_from(order + word, data, places[-1] + entry)[0])
    return found


def _form(data: bytes) -> tuple[str, bool]:
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "") if len(data) > 16 else ""
    return order, order != "" and struct.unpack_from(order + "H", data, 2)[0] == 43


def _value(data: bytes, chance: random.Random, big: bool) -> int:
    """Return an extreme, a place in the file, or one near its end."""
    return chance.choice(
        (extreme(chance, 64 if big else 32), chance.randrange(len(data)), len(data) - chance.randrange(9))
    )


def _mutate_links(made: bytearray, chance: random.Random, order: str, big: bool) -> None:
    """Let a directory be followed by any other place, such as itself."""
    entries = tiff_entries(bytes(made))
    word, entry = ("Q", 20) if big else ("I", 12)
    at = chance.choice([8 if big else 4, *(place + entry for place in entries)])
    target = chance.choice((0, 8, *[place - (8 if big else 2) for place in entries[:1]], chance.randrange(len(made))))
    if at + struct.calcsize(word) <= len(made):
        struct.pack_into(order + word, made, at, target)
