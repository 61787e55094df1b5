"""OME-Zarr folders: which images they hold, how they are cut into blocks, and how their pyramids are made anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.images.ome_zarr.pyramid import factors_of, make_smaller, way_of
from clearer.images.ome_zarr.store import blocks, steps_within
from clearer.images.ome_zarr.tree import is_zarr, tree_of

zarr = pytest.importorskip("zarr", reason="needs zarr; pip install 'clearer[zarr]'")

from helpers.ome_zarr import VERSIONS, corners, means, write_image, write_labels  # noqa: E402

PIXELS = np.arange(1 * 2 * 3 * 8 * 10, dtype=np.uint16).reshape(1, 2, 3, 8, 10)


# which images there are


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_states_the_same_image(version: str, tmp_path: Path) -> None:
    write_image(tmp_path / "a.zarr", PIXELS, version=version, levels=2)
    (image,) = tree_of(tmp_path / "a.zarr").images
    assert (image.group, image.axes, image.levels) == ("", tuple("tczyx"), ("0", "1"))
    assert is_zarr(tmp_path / "a.zarr") and not is_zarr(tmp_path)


def test_labels_and_arrays_of_no_image_are_told_apart(tmp_path: Path) -> None:
    write_image(tmp_path / "a.zarr", PIXELS[0, 0], "zyx")
    write_labels(tmp_path / "a.zarr")
    zarr.open_group(str(tmp_path / "a.zarr"), mode="a", zarr_format=2).create_array("table", shape=3, dtype="f4")
    tree = tree_of(tmp_path / "a.zarr")
    assert [image.group for image in tree.images] == [""]
    assert (tree.labels, tree.others) == (("labels/nuclei",), ("table",))


def test_the_fields_of_a_plate_are_its_images(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "p.zarr"), mode="w", zarr_format=3)
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}]}}
    root.create_group("A").create_group("1").attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    for field in ("0", "1"):
        write_image(tmp_path / "p.zarr" / "A" / "1" / field, PIXELS, version="0.5")
    assert [image.path(0) for image in tree_of(tmp_path / "p.zarr").images] == ["A/1/0/0", "A/1/1/0"]


FAULTS = {
    "no image": (lambda root: (root / ".zattrs").write_text("{}"), "no OME-Zarr image"),
    "broken metadata": (lambda root: (root / ".zattrs").write_text('{"multi'), "not readable as metadata"),
    "a list": (lambda root: (root / ".zattrs").write_text("[1]"), "no JSON object"),
    "no datasets": (lambda root: _change(root, lambda one: one.pop("datasets")), "state no 'datasets'"),
    "a missing array": (lambda root: shutil.rmtree(root / "0"), "arrays that are missing"),
    "x before y": (lambda root: _change(root, lambda one: one["axes"].reverse()), "reorder them"),
    "an axis of no known name": (lambda root: _change(root, lambda one: one["axes"][0].update(name="q")), "reorder"),
}


def _change(root: Path, change) -> None:
    stated = json.loads((root / ".zattrs").read_text())
    change(stated["multiscales"][0])
    (root / ".zattrs").write_text(json.dumps(stated))


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_folder_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    damage, fault = FAULTS[name]
    damage(write_image(tmp_path / "a.zarr", PIXELS))
    with pytest.raises(UserError, match=fault) as raised:
        tree_of(tmp_path / "a.zarr")
    assert "\n" not in str(raised.value) and str(tmp_path / "a.zarr") in str(raised.value)


def test_a_plain_array_is_no_ome_zarr(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(4, 4), dtype="u1")
    with pytest.raises(UserError, match="a Zarr array without the metadata of OME-Zarr"):
        tree_of(tmp_path / "a.zarr")


# blocks


@given(
    shape=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    unit=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    most=st.integers(1, 2000),
)
def test_blocks_cover_an_array_once_in_whole_chunks(shape: list[int], unit: list[int], most: int) -> None:
    unit = unit[: len(shape)]
    steps, count = steps_within(shape, unit, most), np.zeros(shape, int)
    for place in blocks(shape, steps):
        count[place] += 1
        assert all(part.start % one == 0 for part, one in zip(place, unit, strict=True))
        assert all(part.stop % one == 0 or part.stop == n for part, one, n in zip(place, unit, shape, strict=True))
    assert (count == 1).all()
    one = [min(pair) for pair in zip(unit, shape, strict=True)]
    assert np.prod(steps) <= max(most, np.prod(one))


# pyramids


WAYS = {
    "means of blocks": means,
    "means of blocks, rounded down": lambda x: np.floor(_halves(x)).astype(x.dtype),
    "first pixels of blocks": corners,
    "central pixels of blocks": lambda x: x[..., 1::2, 1::2],
}


def _halves(x: np.ndarray) -> np.ndarray:
    return x.reshape(*x.shape[:-2], x.shape[-2] // 2, 2, x.shape[-1] // 2, 2).mean((-3, -1))


@pytest.mark.parametrize("name", WAYS)
def test_a_smaller_level_is_made_in_the_way_of_the_source(name: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    old, new = (chance.integers(0, 4000, (2, 40, 60)).astype(np.uint16) for _ in range(2))
    write_image(tmp_path / "a.zarr", old, "zyx", chunks=(1, 16, 16), levels=2, smaller=WAYS[name])
    one, two = (zarr.open_array(str(tmp_path / "a.zarr" / level), mode="r+") for level in "01")
    how = way_of(one, two)
    assert how is not None and (how.way, how.factors, how.is_exact) == (name, (1, 2, 2), True)
    one[...] = new
    make_smaller(one, two, how, None)
    assert np.array_equal(two[...], WAYS[name](new))


def test_a_level_made_in_another_way_is_noticed(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    write_image(tmp_path / "a.zarr", pixels, "yx", levels=2, smaller=lambda x: means(x) ** 1.1)
    how = way_of(*(zarr.open_array(str(tmp_path / "a.zarr" / level), mode="r") for level in "01"))
    assert how is not None and how.way == "means of blocks" and not how.is_exact


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 5), st.booleans()), min_size=1, max_size=4))
def test_factors_are_those_of_sides_rounded_either_way(axes: list[tuple[int, int, bool]]) -> None:
    small = [side for side, _, _ in axes]
    large = [side * factor - (up and factor > 1 and side > factor) for side, factor, up in axes]
    assert factors_of(large, small) == tuple(factor for _, factor, _ in axes)
