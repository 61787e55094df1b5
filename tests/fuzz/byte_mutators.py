"""Mutators that know nothing of a format: bits, bytes, runs, cuts, and numbers at their extremes."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable

Mutator = Callable[[bytes, random.Random], bytes]

EXTREMES = (0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 255, 256, 4095, 13000, 32767, 32768, 65535, 65536, 2**24, 178 * 10**6,
            2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip
"""Numbers at which programs go wrong."""


def extreme(chance: random.Random, bits: int) -> int:
    """Return a number of so many bits, often an extreme one."""
    if chance.random() < 0.2:
        return chance.getrandbits(bits)
    return chance.choice([value for value in EXTREMES if value < 2**bits])


def place(data: bytes, chance: random.Random) -> int:
    """Return a place in the data, more often near its beginning, where headers are."""
    return chance.randrange(min(len(data), chance.choice((16, 64, 300, len(data)))) or 1)


def flip_bits(data: bytes, chance: random.Random) -> bytes:
    """Flip 1 to 20 bits."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20)) if made else 0):
        made[place(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(made)


def set_bytes(data: bytes, chance: random.Random) -> bytes:
    """Set single bytes, often to 0 or 255."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 2, 5, 20)) if made else 0):
        made[place(data, chance)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(made)


def set_number(data: bytes, chance: random.Random) -> bytes:
    """Set a number of 16, 32 or 64 bits of either byte order to an extreme."""
    code = chance.choice(("<H", ">H", "<I", ">I", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(code)
    at = place(data, chance)
    return data[:at] + struct.pack(code, extreme(chance, 8 * size)) + data[at + size :]


def fill_run(data: bytes, chance: random.Random) -> bytes:
    """Fill a run with one byte, or with random ones."""
    at, size = place(data, chance), chance.choice((4, 16, 100, 1000))
    run = chance.randbytes(size) if chance.random() < 0.5 else bytes([chance.choice((0, 255, 65))]) * size
    return data[:at] + run[: len(data) - at] + data[at + size :]


def truncate(data: bytes, chance: random.Random) -> bytes:
    """Cut the end off; sometimes pad with zeros to the old length, as a broken transfer does."""
    kept = data[: chance.randrange(len(data) + 1)]
    return kept.ljust(len(data), b"\0") if chance.random() < 0.3 else kept


def insert(data: bytes, chance: random.Random) -> bytes:
    """Insert random bytes, or repeat a part."""
    at, size = place(data, chance), chance.choice((1, 2, 4, 40, 400))
    return data[:at] + (chance.randbytes(size) if chance.random() < 0.5 else data[at : at + size]) + data[at:]


def delete(data: bytes, chance: random.Random) -> bytes:
    """Delete a part."""
    at = place(data, chance)
    return data[:at] + data[at + chance.choice((1, 2, 4, 40, 400)) :]


def swap_blocks(data: bytes, chance: random.Random) -> bytes:
    """Exchange two neighboring parts."""
    a, b, c = sorted(chance.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def append(data: bytes, chance: random.Random) -> bytes:
    """Add bytes behind the end: random ones, zeros or the file again."""
    return data + chance.choice((chance.randbytes(50), bytes(5000), data))


def set_decimal(data: bytes, chance: random.Random) -> bytes:
    """Replace a number that is written in digits, as in the headers of text formats."""
    found = list(re.finditer(rb"-?[0-9]+(\.[0-9]+)?", data[:2000]))
    if not found:
        return set_number(data, chance)
    one = chance.choice(found[: chance.choice((3, 6, len(found)))])
    odd = (b"-1", b"1e999", b"nan", b"inf", b"0x10", b"9" * 30, b"9" * 5000, b"1.5", b"")
    new = chance.choice(odd) if chance.random() < 0.4 else str(extreme(chance, 64)).encode()
    return data[: one.start()] + new + data[one.end() :]


ANY_BYTES: tuple[Mutator, ...] = (
    flip_bits, flip_bits, set_bytes, set_bytes, set_number, set_number, fill_run, truncate, truncate, insert, delete,
    swap_blocks, append,
)  # fmt: skip


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """Apply a mutator of `ANY_BYTES`."""
    return chance.choice(ANY_BYTES)(data, chance)
