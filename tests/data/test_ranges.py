"""The levels that are black and white in a set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from clearer.core.errors import UserError
from clearer.data.folders import find_items
from clearer.data.items import read_item
from clearer.data.ranges import settled_range
from clearer.images.pixels import to_unit


def _settled(place: Path, *images: np.ndarray, stated: tuple[float, float] | None = None):
    for k, image in enumerate(images):
        tifffile.imwrite(place / f"{k}.tif", image)
    said: list[str] = []
    return settled_range(find_items(place), stated, said.append), said


def _levels(top: int, dtype: type = np.uint16, step: int = 1) -> np.ndarray:
    image = (np.arange(64).reshape(8, 8) * step).astype(dtype)
    image[0, 0] = top
    return image


@pytest.mark.parametrize(("top", "white"), [(900, 4095), (4095, 4095), (4096, 16383), (16383, 16383)])
def test_cameras_of_12_and_14_bits_are_noticed_and_said(tmp_path: Path, top: int, white: int) -> None:
    span, said = _settled(tmp_path, _levels(63), _levels(top))
    assert span == (0, white) and len(said) == 1
    assert f"end at {top}" in said[0] and f"{white} is white (--range 0,65535 keeps" in said[0]


def test_files_that_use_their_depth_stay_as_they_are(tmp_path: Path) -> None:
    assert _settled(tmp_path, _levels(16384)) == (None, [])
    eight = tmp_path / "eight"
    eight.mkdir()
    assert _settled(eight, _levels(63, np.uint8)) == (None, [])
    floats = tmp_path / "floats"
    floats.mkdir()
    assert _settled(floats, _levels(1, np.float32) / 64) == (None, [])


def test_12_bits_times_16_are_said_and_need_no_range(tmp_path: Path) -> None:
    span, (line,) = _settled(tmp_path, _levels(65520, step=16))
    assert span is None and "hold 12 bits, multiplied by 16" in line


def test_a_stated_range_holds(tmp_path: Path) -> None:
    assert _settled(tmp_path, _levels(900), stated=(0, 65535)) == ((0, 65535), [])


def test_a_white_beyond_all_levels_of_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^data.range: 0 to 4095, but .*0.tif has 8 bits, levels of 0 to 255; leave"):
        _settled(tmp_path, _levels(63, np.uint8), stated=(0, 4095))
    with pytest.raises(UserError, match=r"^data.range: 0 to 70000, but .*0.tif has 16 bits, levels of 0 to 65535"):
        _settled(tmp_path, _levels(63), stated=(0, 70000))
    assert _settled(tmp_path, _levels(63, np.uint8), stated=(16, 235))[0] == (16, 235)


def test_floats_that_are_levels_need_a_range_unless_integers_show_it(tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    with pytest.raises(UserError, match=r"floats reach from 1 to 3000; .* --range 0,4095$"):
        _settled(alone, _levels(3000, np.float32).clip(1, None))
    span, said = _settled(tmp_path, _levels(3000), _levels(2500, np.float32))
    assert span == (0, 4095) and any("several depths" in line for line in said)


@pytest.mark.parametrize(
    ("least", "most", "named"),
    [(0, 2.3, "0,1.2"), (-0.2, 4, "0,2"), (0, 9.5, "0,9.5"), (-1.5, 0.9, "-1.5,0.45"), (-30, 300, "0,1023"),
     (-5000, 3000, "-5000,4095")],
)  # fmt: skip
def test_the_range_that_is_named_for_floats_holds_for_them(tmp_path: Path, least: float, most: float, named: str):
    """Peaks of noise above 2, in units of [0, 1], once asked for a white of 255, which made the images black."""
    image = np.linspace(least, most, 64, dtype=np.float32).reshape(8, 8)
    with pytest.raises(UserError, match=f" --range {named}$"):
        _settled(tmp_path, image)
    with pytest.raises(UserError, match=f"^its floats reach .* state both with --range LOW,HIGH, such as {named}$"):
        to_unit(image)
    low, high = map(float, named.split(","))
    assert _settled(tmp_path, image, stated=(low, high)) == ((low, high), [])
    assert to_unit(image, (low, high)).min() == pytest.approx((least - low) / (high - low), abs=1e-6)


def test_a_stated_range_that_floats_leave_far_behind_is_refused_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"0\.tif: its floats reach from 0 to 3, where 0 .* 1 as white.*as 0,1\.5$"):
        _settled(tmp_path, np.linspace(0, 3, 64, dtype=np.float32).reshape(8, 8), stated=(0, 1))


@pytest.mark.parametrize("kind", [np.int16, np.uint32, np.int32])
def test_integers_of_no_usual_range_are_levels_as_floats_are(tmp_path: Path, kind: type) -> None:
    """They were taken for 8 bits: a range was refused, and none ended in the first batch."""
    low = -2000 if np.issubdtype(kind, np.signedinteger) else 0
    image = np.linspace(low, 3000, 64).reshape(8, 8).astype(kind)
    with pytest.raises(UserError, match=f" --range {low},4095$"):
        _settled(tmp_path, image)
    assert _settled(tmp_path, image, stated=(low, 4095)) == ((low, 4095), [])
    (item,) = find_items(tmp_path)
    clean, _ = read_item(replace(item, span=(low, 4095)), 1, None)
    assert clean.dtype == np.float32
    assert clean.max() == pytest.approx((3000 - low) / (4095 - low), abs=1e-6)


def test_depths_whose_levels_cannot_agree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 have 8 bits, such as"):
        _settled(tmp_path, _levels(900), _levels(63, np.uint8), stated=(0, 4095))
    with pytest.raises(UserError, match="holds levels of 0 to 4095, beside"):
        _settled(tmp_path, _levels(900), _levels(63, np.uint8))
    span, (line,) = _settled(tmp_path, _levels(60000), _levels(63, np.uint8))
    assert span is None and "1 of 8 bits, 1 of 16 bits" in line.replace(
        "1 of 16 bits, 1 of 8 bits", "1 of 8 bits, 1 of 16 bits"
    )
