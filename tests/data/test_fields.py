"""Fields of view by the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearer.core.errors import UserError
from clearer.data.duplicates import PARTS, fingerprints, propose_split
from clearer.data.fields import fields_of
from clearer.data.folders import find_items
from clearer.data.items import Item
from clearer.images.view import write_image
from helpers.reading import noise


def _items(*stems: str) -> list[Item]:
    return [Item(f"{stem}.png", Path(f"{stem}.png")) for stem in stems]


def test_names_of_field_and_channel_are_noticed() -> None:
    fields, rule = fields_of(_items(*(f"{field:03}_{channel}" for field in range(20) for channel in range(3))))
    assert len(set(fields.values())) == 20 and fields["007_2.png"] == fields["007_0.png"] == "007"
    assert rule == "names are FIELD_CHANNEL (20 fields, 3 channels)"


@pytest.mark.parametrize(
    "stems",
    [
        [f"image_{k:04}" for k in range(30)],  # one field
        [f"{scene}_{k:04}" for scene in "abc" for k in range(30)],  # series, not channels
        ["a_1", "b_2", "c_3", "d_4"],  # every field has another channel
        ["a_1", "a_2", "b_1", "b_2"],  # too few fields
        ["a_1", "a_2", "b_1", "b_2", "c_1", "c_2", "other"],
    ],
)
def test_other_names_are_not_fields(stems: list[str]) -> None:
    assert fields_of(_items(*stems)) == ({}, "")


def test_a_pattern_names_the_field() -> None:
    fields, _ = fields_of(_items("w1s2c1", "w1s2c2", "w1s3c1"), r"(w\d+s\d+)c")
    assert list(fields.values()) == ["w1s2", "w1s2", "w1s3"]
    for wrong, words in (("(", "not a regular expression"), ("x", "matches no name, such as w1s2c1")):
        with pytest.raises(UserError, match=words):
            fields_of(_items("w1s2c1"), wrong)


def test_pages_of_three_stacks_are_three_fields() -> None:
    items = [Item(f"{stem}.tif#{k}", Path(f"{stem}.tif"), page=k) for stem in ("a", "b", "c") for k in range(4)]
    fields, rule = fields_of(items)
    assert len(set(fields.values())) == 3 and rule == "3 stacks of pages"
    assert fields_of(items[:8]) == ({}, "")


def test_a_split_keeps_fields_together(tmp_path: Path) -> None:
    for k in range(5):
        for channel in range(3):
            write_image(tmp_path / f"{k}_{channel}.png", noise(24, 24, 1, seed=3 * k + channel))
    items = find_items(tmp_path)
    split = propose_split(items, fingerprints(items), (0.6, 0.2, 0.2), 0, fields_of(items)[0])
    fields = [{item.name[0] for item in split[part]} for part in PARTS]
    assert sum(map(len, fields)) == len(set.union(*fields)) == 5
    assert [len(split[part]) for part in PARTS] == [9, 3, 3]
