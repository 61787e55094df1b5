"""Images and pairs of images in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clearer.data.folders import Folders, find_items, list_images
from clearer.data.items import Item, check_channels, check_sizes, read_item
from clearer.images.view import write_image
from helpers.reading import noise, refused

# Listing


def test_listing_is_sorted_by_plain_name_and_skips_the_rest(tmp_path: Path) -> None:
    for name in ("b.png", "B.PNG", "10.png", "9.png", ".hidden.png", "._9.png"):
        write_image(tmp_path / name, noise(4, 4))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.png").mkdir()
    assert [p.name for p in list_images(tmp_path)] == ["10.png", "9.png", "B.PNG", "b.png"]


def test_listing_refuses_what_is_no_folder_of_images(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", noise(4, 4))
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "train").mkdir(parents=True)
    refused("no such folder", list_images, tmp_path / "missing")
    refused("a file, where a folder", list_images, tmp_path / "a.png")
    refused("no images directly", list_images, tmp_path / "empty")
    refused(r"name one of its sub-folders \(train\)", list_images, tmp_path / "nested")


# Pairs


def make_pairs(folder: Path, clean: str = "clean", degraded: str = "noisy", count: int = 3) -> None:
    for k in range(count):
        write_image(folder / clean / f"{k}.png", noise(12, 10, seed=k))
        write_image(folder / degraded / f"{k}.bmp", noise(12, 10, seed=k + 100))


def test_pairs_are_found_by_folder_names_and_by_folders(tmp_path: Path) -> None:
    make_pairs(tmp_path, "GT", "Rainy")
    both = Folders(str(tmp_path / "GT"), str(tmp_path / "Rainy"))
    items = find_items(tmp_path)
    assert items == find_items(str(tmp_path), "pairs") == find_items(both)
    assert [i.name for i in items] == ["0.png", "1.png", "2.png"]
    clean, degraded = read_item(items[1], 3)
    assert (clean == noise(12, 10, seed=1)).all() and (degraded == noise(12, 10, seed=101)).all()


def test_auto_takes_a_folder_of_images_as_clean(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    write_image(tmp_path / "a.png", np.hstack([noise(12, 10)] * 2))
    (item,) = find_items(tmp_path)
    assert (item.side, item.degraded) == (None, None)
    assert read_item(item, 1)[1] is None


@pytest.mark.parametrize("side", ["left", "right"])
def test_side_by_side_gives_both_halves(tmp_path: Path, side: str) -> None:
    left, right = noise(6, 5, seed=1), noise(6, 5, seed=2)
    write_image(tmp_path / "a.png", np.hstack([left, right]))
    (item,) = find_items(tmp_path, "side-by-side", side)
    clean, degraded = read_item(item, 3)
    want = (left, right) if side == "left" else (right, left)
    assert (clean == want[0]).all() and (degraded == want[1]).all()
    check_sizes([item], 5)
    refused("a half has 5x6", check_sizes, [item], 6)
    write_image(tmp_path / "b.png", noise(6, 11))
    assert "b.png" in refused("odd", find_items, tmp_path, "side-by-side")


def test_faults_of_pairs_are_named(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    for k in range(5):
        write_image(tmp_path / "clean" / f"lone{k}.png", noise(4, 4))
    assert "lone0.png, lone1.png, lone2.png, ..." in refused("5 of its images have no partner", find_items, tmp_path)
    for k in range(5):
        (tmp_path / "clean" / f"lone{k}.png").unlink()
    write_image(tmp_path / "noisy" / "1.bmp", noise(12, 11))
    assert "1.bmp" in refused("11x12 pixels, but its clean .* has 10x12", find_items, tmp_path)
    item = Item("1.png", tmp_path / "clean" / "1.png", tmp_path / "noisy" / "1.bmp")
    refused("one size", read_item, item, 3)
    write_image(tmp_path / "noisy" / "2.png", noise(12, 10))
    refused("two files that differ only in suffix", find_items, tmp_path)
    (tmp_path / "lq").mkdir()
    refused("more than one sub-folder", find_items, tmp_path)


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", noise(4, 4))
    refused("did you mean 'pairs'", find_items, tmp_path, "pair")
    refused("clean_side", find_items, tmp_path, "side-by-side", "top")
    refused("no pair of sub-folders", find_items, tmp_path, "pairs")
    refused("needs one folder", find_items, Folders("a", "b"), "clean")
    refused("no such folder", find_items, tmp_path / "missing")


def test_channels_are_checked(tmp_path: Path) -> None:
    for k in range(3):
        write_image(tmp_path / f"{k}.png", noise(8, 8))
    items = find_items(tmp_path)
    check_channels(items, 3)
    check_channels(items, 1)
    write_image(tmp_path / "1.png", noise(8, 8, 1))
    for channels in (1, 3):
        assert "1.png" in refused("1 gray and 2 color", check_channels, items, channels)
        check_channels(items, channels, convert=True)
    gray = [items[1]]
    check_channels(gray, 1)
    refused("3 channels are needed", check_channels, gray, 3)
    check_channels(gray, 3, convert=True)


def test_channels_of_both_images_of_a_pair_count(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    write_image(tmp_path / "noisy" / "2.bmp", noise(12, 10, 1))
    items = find_items(tmp_path)
    assert "2.bmp" in refused("1 gray and 5 color", check_channels, items, 3)
    refused("same channels", read_item, items[2])
    assert read_item(items[2], 3)[1].shape == (12, 10, 3)


def test_headers_are_enough_for_the_checks(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", noise(64, 64))
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    items = find_items(tmp_path)
    check_channels(items, 3)
    check_sizes(items, 64)
    refused("less than a patch of 65x65", check_sizes, items, 65)
