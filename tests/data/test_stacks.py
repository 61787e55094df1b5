"""Stacks as datasets: pages, channels, and pairs of stacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from clearer.core.errors import UserError
from clearer.data.folders import find_items
from clearer.data.items import read_item
from clearer.data.noisy import split_noisy
from clearer.data.splits import resolve_splits
from clearer.data.stacks import only_channel
from clearer.degradations.gaussian import Gaussian
from clearer.images.tiff.stack import Stack, read_stack_page, stack_of
from clearer.recipe.schema import DataSettings, Pairs

HYPER = np.random.default_rng(0).integers(0, 4096, (3, 2, 2, 20, 24)).astype(np.uint16)  # T, Z, C, Y, X


def _hyperstack(path: Path, kind: str, pixels: np.ndarray = HYPER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    axes: dict = {"axes": "TZCYX"}
    if kind == "ome":
        axes["Channel"] = {"Name": ["DAPI", "GFP"]}
    tifffile.imwrite(path, pixels, metadata=axes, imagej=kind == "imagej", photometric="minisblack")
    return path


@pytest.mark.parametrize("kind", ["imagej", "ome", "plain"])
def test_each_plane_of_a_hyperstack_is_an_item_with_its_channel(tmp_path: Path, kind: str) -> None:
    path = _hyperstack(tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif"), kind)
    names = ("DAPI", "GFP") if kind == "ome" else ()
    assert stack_of(path) == Stack(12, (0, 1) * 6, names)
    items = find_items(tmp_path)
    assert [item.name for item in items[:2]] == [f"{path.name}#01", f"{path.name}#02"]
    for item, plane in zip(items, HYPER.reshape(12, 20, 24), strict=True):
        assert np.array_equal(read_item(item, 1, None)[0][:, :, 0], plane)
    second = only_channel(items, "GFP" if names else "2")
    assert [item.page for item in second] == [1, 3, 5, 7, 9, 11]
    with pytest.raises(UserError, match=r"data\.channel: '3' is not one of"):
        only_channel(items, "3")


def test_channels_of_files_are_the_last_part_of_their_names(tmp_path: Path) -> None:
    for name in ("a_1", "a_2", "b_1", "b_2"):
        tifffile.imwrite(tmp_path / f"{name}.tif", HYPER[0, 0, 0])
    assert [item.name for item in only_channel(find_items(tmp_path), "2")] == ["a_2.tif", "b_2.tif"]
    tifffile.imwrite(tmp_path / "c.tif", HYPER[0, 0, 0])
    with pytest.raises(UserError, match=r"c\.tif states no channels"):
        only_channel(find_items(tmp_path), "3")


def test_a_pyramid_and_a_single_page_are_no_stacks(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "one.tif", HYPER[0, 0, 0])
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as writer:
        writer.write(HYPER[0, 0, 0])
        writer.write(HYPER[0, 0, 0, ::2, ::2], subfiletype=1)
    assert [item.page for item in find_items(tmp_path)] == [None, None]


def test_pairs_of_stacks_match_page_by_page(tmp_path: Path) -> None:
    _hyperstack(tmp_path / "truth" / "a.tif", "imagej")
    _hyperstack(tmp_path / "noisy" / "a.tif", "ome", HYPER + 1)
    items = find_items(tmp_path)
    assert len(items) == 12
    for item in items:
        clean, noisy = read_item(item, 1, None)
        assert noisy is not None and np.array_equal(clean + 1, noisy)


def test_pairs_with_other_numbers_of_pages_are_refused(tmp_path: Path) -> None:
    _hyperstack(tmp_path / "truth" / "a.tif", "plain")
    _hyperstack(tmp_path / "noisy" / "a.tif", "plain", HYPER[:2])
    with pytest.raises(UserError, match=r"8 page\(s\), but its clean .* has 12"):
        find_items(Pairs(clean=str(tmp_path / "truth"), degraded=str(tmp_path / "noisy")))


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_one_page_is_read_without_the_others(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, HYPER.reshape(12, 20, 24), photometric="minisblack", compression=compression)
    assert np.array_equal(read_stack_page(path, 7).color[:, :, 0], HYPER.reshape(12, 20, 24)[7])
    with pytest.raises(UserError, match=r"a\.tif"):
        read_stack_page(path, 12)


def test_a_noisy_stack_alone_is_split_by_pages_of_one_channel(tmp_path: Path) -> None:
    path = _hyperstack(tmp_path / "a.tif", "imagej")
    for folder in (str(path), str(tmp_path)):
        parts = split_noisy(DataSettings(folder=folder, layout="noisy", channel="2"))
        pages = {part: [item.page for item in items] for part, items in parts.items()}
        assert pages["validation"] and sorted(pages["train"] + pages["validation"]) == [1, 3, 5, 7, 9, 11]


@pytest.mark.parametrize(("stacks", "said"), [(2, True), (3, False)])
def test_it_is_said_if_pages_of_one_stack_are_in_several_parts(tmp_path: Path, stacks: int, said: bool) -> None:
    rng = np.random.default_rng(1)
    for number in range(stacks):
        pages = rng.integers(0, 256, (6, 4, 4)).repeat(6, 1).repeat(6, 2).astype(np.uint8)  # no two alike
        tifffile.imwrite(tmp_path / f"{number}.tif", pages, photometric="minisblack")
    lines: list[str] = []
    settings = DataSettings(folder=str(tmp_path), fractions=[0.6, 0.2, 0.2], degradation=Gaussian(25))
    splits = resolve_splits(settings, channels=1, patch=16, seed=0, say=lines.append)
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 6 * stacks
    assert any("pages of 0.tif, 1.tif are in several parts" in line for line in lines) == said
