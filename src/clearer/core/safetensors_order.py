"""Write safetensors files that hold the same as the same bytes; the library orders metadata at random."""

from __future__ import annotations

import json


def in_fixed_order(data: bytes) -> bytes:
    """Return the bytes of a safetensors file with its metadata in the order of their keys."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes, counted from the end of the header
    return len(text).to_bytes(8, "little") + text + data[end:]
