"""The choice of training, validation and test images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clearer.core.errors import UserError
from clearer.data.splits import Splits, resolve_splits
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.none import NoDegradation
from clearer.degradations.rain import Rain
from clearer.recipe.schema import DataSettings, Pairs
from helpers.photos import NAMES, photograph, write_photos

NOISE = Gaussian(25.0)


def _resolve(said: list[str] | None = None, *, channels: int = 1, **settings: Any) -> Splits:
    data = DataSettings(**{"degradation": NOISE, **settings})
    say = (said if said is not None else []).append
    return resolve_splits(data, channels=channels, patch=16, seed=0, say=say)


def test_a_folder_is_split_into_three_parts_that_share_nothing(photos: Path) -> None:
    names = _resolve(folder=str(photos)).names()
    assert sorted(name for part in names.values() for name in part) == sorted(path.name for path in photos.iterdir())
    assert all(names.values()) and len(names["train"]) > len(names["test"])
    assert _resolve(folder=str(photos)).names() == names


def test_sub_folders_with_the_names_of_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    for part, chosen in (("train", NAMES[:3]), ("val", NAMES[3:5]), ("test", NAMES[5:])):
        write_photos(tmp_path / part, chosen)
    names = _resolve(folder=str(tmp_path)).names()
    assert [len(names[part]) for part in ("train", "validation", "test")] == [3, 2, 2]
    (tmp_path / "test").rename(tmp_path / "test_syn")
    write_photos(tmp_path / "test_nature", NAMES[:1])
    with pytest.raises(UserError, match="test_nature and test_syn look like test images"):
        _resolve(folder=str(tmp_path))
    assert len(_resolve(folder=str(tmp_path), test=str(tmp_path / "test_syn")).test) == 2


def test_a_leak_into_the_test_set_is_refused_or_dropped(tmp_path: Path) -> None:
    train, validation = write_photos(tmp_path / "a", NAMES[:4]), write_photos(tmp_path / "b", NAMES[4:6])
    test = write_photos(tmp_path / "c", NAMES[6:])
    again = photograph(NAMES[0])[..., 0].astype(int) + 2  # the same photograph, a little brighter
    Image.fromarray(np.clip(again, 0, 255).astype(np.uint8)).save(test / "other_name.png")
    places = {"train": str(train), "validation": str(validation), "test": str(test)}
    with pytest.raises(UserError, match=r"1 train image\(s\) show the same clean image as a test image") as error:
        _resolve(**places)
    assert "astronaut.png" in str(error.value) and "other_name.png" in str(error.value)
    said: list[str] = []
    names = _resolve(said, **places, leaks="drop").names()
    assert "astronaut.png" not in names["train"] and len(names["train"]) == 3 and "1 left out of train" in said[0]


def test_pairs_in_two_folders_and_side_by_side(tmp_path: Path) -> None:
    clean, noisy = write_photos(tmp_path / "clean"), write_photos(tmp_path / "noisy")
    found = _resolve(folder=Pairs(clean=str(clean), degraded=str(noisy)), degradation=NoDegradation())
    assert all(item.degraded is not None for item in found.train)
    assert _resolve(folder=str(tmp_path), degradation=NoDegradation()).names() == found.names()
    side = tmp_path / "side"
    side.mkdir()
    for name in NAMES:
        image = photograph(name)[..., 0]
        Image.fromarray(np.hstack([image, 255 - image])).save(side / f"{Path(name).stem}.png")
    whole = _resolve(folder=str(side), layout="side-by-side", degradation=NoDegradation())
    assert {item.side for item in whole.train} == {"left"}


def test_clean_images_without_a_degradation_are_refused(photos: Path) -> None:
    with pytest.raises(UserError, match="the recipe has no degradation"):
        _resolve(folder=str(photos), degradation=NoDegradation())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "no images are named"),
        ({"folder": "nowhere"}, "nowhere"),
        ({"train": "nowhere"}, "nowhere"),
    ],
)
def test_images_that_are_not_there(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        _resolve(**change)
    assert "\n" not in str(error.value)


def test_limits_spread_over_the_names_but_take_the_first_of_the_test(photos: Path, tmp_path: Path) -> None:
    whole = _resolve(folder=str(photos)).names()["train"]
    assert len(whole) == 5
    assert _resolve(folder=str(photos), limit_train=2).names()["train"] == [whole[0], whole[2]]
    test = str(write_photos(tmp_path / "test", ("page.png", "coins.png")))
    assert _resolve(folder=str(photos), test=test, limit_test=1).names()["test"] == ["coins.png"]


def test_the_settings_are_not_changed(photos: Path) -> None:
    data = DataSettings(folder=str(photos), degradation=NOISE)
    before = dataclasses.asdict(data)
    resolve_splits(data, channels=1, patch=16, seed=0, say=print)
    assert dataclasses.asdict(data) == before


def test_missing_parts_are_split_off_the_training_images(photos: Path, tmp_path: Path) -> None:
    other = str(write_photos(tmp_path / "other", ("page.png", "coins.png")))
    found = _resolve(train=str(photos))
    assert found.validation and not found.test and len(found.train) + len(found.validation) == len(NAMES)
    for given in ("validation", "test"):
        parts = _resolve(folder=str(photos), **{given: other}).names()
        assert parts[given] == ["coins.png", "page.png"]
        assert all(parts.values()) and sum(len(names) for names in parts.values()) == len(NAMES) + 2


def test_several_folders_train_together(tmp_path: Path) -> None:
    one, two = write_photos(tmp_path / "one", NAMES[:3]), write_photos(tmp_path / "two", NAMES[3:5])
    held_out = write_photos(tmp_path / "held", NAMES[5:])
    names = _resolve(train=[str(one), str(two)], validation=str(held_out)).names()
    assert len(names["train"]) == 5 and len(names["validation"]) == len(NAMES) - 5
    # Two files with one name are distinguished by their folders.
    (two / NAMES[3]).rename(two / NAMES[0])
    names = _resolve(train=[str(one), str(two)], validation=str(held_out)).names()
    stems = {Path(name).with_suffix("").as_posix() for name in names["train"]}
    assert {f"{folder.as_posix()}/{Path(NAMES[0]).stem}" for folder in (one, two)} <= stems


def test_a_text_file_selects_the_validation_images(tmp_path: Path) -> None:
    train, held_out = write_photos(tmp_path / "a", NAMES[:4]), write_photos(tmp_path / "b", NAMES[4:])
    wanted = sorted(path.name for path in held_out.iterdir())[1:]
    (tmp_path / "list.txt").write_text("\n".join(wanted) + "\n\n")
    settings = {"train": str(train), "validation": str(held_out), "only_validation": str(tmp_path / "list.txt")}
    assert _resolve(**settings).names()["validation"] == wanted
    (tmp_path / "list.txt").write_text("other.png\n")
    with pytest.raises(UserError, match=r"only_validation: .* names other.png, which is not in data.validation"):
        _resolve(**settings)
    (tmp_path / "list.txt").unlink()
    with pytest.raises(UserError, match="cannot be read as text"):
        _resolve(**settings)


def test_clean_images_may_train_along_with_pairs_of_any_layout(tmp_path: Path) -> None:
    pairs, photos = tmp_path / "pairs", write_photos(tmp_path / "photos", NAMES[4:])
    pairs.mkdir()
    for name in NAMES[:4]:
        half = photograph(name)[..., 0]
        Image.fromarray(np.concatenate([half, half], 1)).save(pairs / name)
    settings: dict[str, Any] = {"folder": str(pairs), "layout": "side-by-side", "train_clean": [str(photos)]}
    with pytest.raises(UserError, match="train_clean: nothing degrades these images"):
        _resolve(**settings, degradation=NoDegradation())
    found = _resolve(**settings, degradation=Rain())
    clean = [item for item in found.train if item.side is None]
    assert len(clean) == len(NAMES) - 4 and all("photos/" in item.name for item in clean)
    assert all(item.side for item in (*found.validation, *found.test)) and len(found.train) > len(clean)


def test_a_limit_does_not_hide_leaks_into_the_rest_of_the_test_set(tmp_path: Path) -> None:
    train, validation = write_photos(tmp_path / "a", NAMES[:4]), write_photos(tmp_path / "b", NAMES[4:6])
    test = write_photos(tmp_path / "c", NAMES[6:])
    Image.fromarray(photograph(NAMES[0])[..., 0]).save(test / "zebra.png")
    places = {"train": str(train), "validation": str(validation), "test": str(test), "limit_test": 1}
    with pytest.raises(UserError, match=r"1 train image\(s\) show the same clean image as a test image"):
        _resolve(**places)
    found = _resolve([], **places, leaks="drop").names()
    assert "astronaut.png" not in found["train"] and len(found["test"]) == 1
