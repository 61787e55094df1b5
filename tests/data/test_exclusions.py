"""Lists of images that are neither trained on nor validated on."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearer.core.errors import UserError
from clearer.data.exclusions import ROBUSTNESS, read_list
from clearer.data.splits import resolve_splits
from clearer.degradations.gaussian import Gaussian
from clearer.recipe.schema import DataSettings
from helpers.photos import NAMES, write_photos


def _names(said: list[str], **settings: object) -> dict[str, list[str]]:
    data = DataSettings(degradation=Gaussian(25.0), **settings)  # type: ignore[arg-type]
    return resolve_splits(data, channels=1, patch=16, seed=0, say=said.append).names()


def test_listed_images_are_left_out_of_training_and_validation_whatever_their_suffix(tmp_path: Path) -> None:
    train, validation = write_photos(tmp_path / "a", NAMES[:3]), write_photos(tmp_path / "b", NAMES[3:5])
    clean, test = write_photos(tmp_path / "c", NAMES[5:6] + NAMES[:1]), write_photos(tmp_path / "d", NAMES[6:])
    gone = [NAMES[0], NAMES[3], NAMES[6]]
    (tmp_path / "list.txt").write_text("# held out\n" + "\n".join(f"set/{Path(name).stem}.webp" for name in gone))
    said: list[str] = []
    names = _names(
        said, train=str(train), validation=str(validation), train_clean=str(clean), test=str(test),
        exclude=str(tmp_path / "list.txt"),
    )  # fmt: skip
    stems = {part: sorted(Path(name).stem for name in found) for part, found in names.items()}
    assert stems["train"] == sorted(Path(name).stem for name in (NAMES[1], NAMES[2], NAMES[5]))
    assert stems["validation"] == [Path(NAMES[4]).stem]
    assert stems["test"] == [Path(NAMES[6]).stem]  # held-out images may be measured on
    assert "3 of 7 images" in said[0]  # one of them in two folders


def test_a_list_without_effect_or_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "a")
    (tmp_path / "none.txt").write_text("other.png\n")
    with pytest.raises(UserError, match=r"none\.txt names none of the images"):
        _names([], folder=str(photos), exclude=str(tmp_path / "none.txt"))
    (tmp_path / "all.txt").write_text("\n".join(NAMES))
    with pytest.raises(UserError, match=r"all\.txt names all images of a part"):
        _names([], folder=str(photos), exclude=[str(tmp_path / "all.txt")])
    with pytest.raises(UserError, match="cannot be read as text"):
        _names([], folder=str(photos), exclude=str(tmp_path / "missing.txt"))
    (tmp_path / "two.txt").write_text("\n".join(NAMES[:2]))
    (tmp_path / "one.txt").write_text(NAMES[1])
    lists = [str(tmp_path / name) for name in ("two.txt", "one.txt")]  # the second has nothing new
    assert _names([], folder=str(photos), exclude=lists) == _names([], folder=str(photos), exclude=lists[0])
    assert _names([], folder=str(photos), exclude="robustness") == _names([], folder=str(photos))


def test_the_list_of_the_protocol_robustness_holds_24_photographs_and_bsd68() -> None:
    lines = read_list(ROBUSTNESS)
    folders = [line.rpartition("/")[0] for line in lines]
    assert folders == ["photos_cid22"] * 24 + ["bsds500/val"] * 68
    assert len({Path(line).stem for line in lines}) == len(lines)
