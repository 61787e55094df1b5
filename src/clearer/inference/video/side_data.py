"""The side data of frames: rotation, and the mastering display and light level of HDR10."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

_NEW_TYPES = {28: "LCEVC", 29: "VIEW_ID", 30: "3D_REFERENCE_DISPLAYS", 31: "EXIF"}
"""FFmpeg's types of side data that PyAV has no name for."""


def side_data_by_name(frame: Any) -> dict[str, bytes]:
    """Return the side data of PyAV's ``frame`` by the name of its type, such as "DISPLAYMATRIX"."""
    from av.sidedata.sidedata import Type

    if "_missing_" not in vars(Type):  # PyAV refuses all side data of a frame that has one of a type it does not know
        setattr(Type, "_missing_", classmethod(_unnamed))  # noqa: B010
    found = frame.side_data
    entries = found.values() if isinstance(next(iter(found), None), Type) else found  # PyAV 19 iterates types
    return {entry.type.name: bytes(entry) for entry in entries}


def _unnamed(types: Any, value: int) -> Any:
    made = object.__new__(types)
    made._name_, made._value_ = _NEW_TYPES.get(value, f"UNKNOWN_{value}"), value
    return made


def side_data_of(frame: Any, name: str) -> bytes | None:
    """Return the side data of PyAV's ``frame`` of a type; None if it has none."""
    return side_data_by_name(frame).get(name)


def display_matrix(frame: Any) -> tuple[int, ...] | None:
    """Return the nine integers of the rotation and mirroring with which a frame is shown."""
    data = side_data_of(frame, "DISPLAYMATRIX")
    return None if data is None or len(data) != 36 else struct.unpack("=9i", data)


def hdr_parameters(encoder: str, frame: Any) -> list[str]:
    """Return the parameters with which libx264, libx265 and libsvtav1 write a frame's HDR10 side data."""
    if encoder not in ("libx264", "libx265", "libsvtav1"):
        return []
    found = []
    light = side_data_of(frame, "CONTENT_LIGHT_LEVEL")
    if light is not None and len(light) >= 8:
        key = {"libx264": "cll", "libx265": "max-cll", "libsvtav1": "content-light"}[encoder]
        most, average = struct.unpack("=2I", light[:8])
        found.append(f"{key}={most},{average}")
    display = _mastering(side_data_of(frame, "MASTERING_DISPLAY_METADATA"))
    if display is not None:
        points, (least, most_light) = display
        # x264 and x265 count in steps of 0.00002 and of 0.0001 cd/m2.
        place, light_unit = (1, 1) if encoder == "libsvtav1" else (50000, 10000)
        texts = [
            f"{letter}({_number(x * place)},{_number(y * place)})"
            for letter, (x, y) in zip("RGBW", points, strict=True)
        ]
        texts[3] = texts[3].replace("W", "WP")
        red, green, blue, white = texts
        key = "master-display" if encoder == "libx265" else "mastering-display"
        light_text = f"L({_number(most_light * light_unit)},{_number(least * light_unit)})"
        found.append(f"{key}={green}{blue}{red}{white}{light_text}")
    return found


def _number(value: Fraction) -> str:
    return str(round(value)) if value > 100 or value == round(value) else f"{float(value):.6f}".rstrip("0")


def _mastering(data: bytes | None) -> tuple[list[tuple[Fraction, Fraction]], tuple[Fraction, Fraction]] | None:
    """Return the places of R, G, B and white, and the least and largest light in cd/m2 (FFmpeg's layout)."""
    if data is None or len(data) < 88:
        return None
    *numbers, has_places, has_light = struct.unpack("=22i", data[:88])
    if not (has_places and has_light) or 0 in numbers[1::2]:
        return None
    values = [Fraction(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    return [(values[k], values[k + 1]) for k in (0, 2, 4, 6)], (values[8], values[9])
