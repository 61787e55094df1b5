"""The protocol `robustness`: its rows, its comparison with FFDNet, its refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clearer.core.errors import UserError
from clearer.evaluation import robustness
from clearer.evaluation.protocols import parse_protocol
from clearer.evaluation.robustness import BaselineRow, RowScore
from clearer.evaluation.robustness_rows import ROWS, Row
from clearer.images.pixels import gray_of
from clearer.images.tensors import to_array
from helpers.synthetic_images import image_of

CLEAN = image_of(64, 64, 3, seed=1)
ROW = {row.name: row for row in ROWS}


def _score(name: str, before: float, after: float, images: int = 24) -> RowScore:
    return {
        "name": name, "images": images, "input_psnr": before, "psnr": after, "ffdnet_psnr": None, "ffdnet_level": None,
        "dead": False,
    }  # fmt: skip


def test_every_row_degrades_the_same_way_each_time_and_every_image_in_its_own() -> None:
    for row in ROWS:
        clean, degraded = row.pair(CLEAN, 3, 0, 0)
        assert clean.shape == degraded.shape == (1, 3, 64, 64)
        assert torch.equal(degraded, row.pair(CLEAN, 3, 0, 0)[1])
        assert row.name == "clean" or not torch.equal(degraded, row.pair(CLEAN, 3, 0, 1)[1])
        if row.stored:
            assert torch.equal(degraded, (degraded * 255).round() / 255), row.name
        if row.gray:
            assert row.pair(CLEAN, 1, 0, 0)[1].shape == (1, 1, 64, 64)
    assert len({row.name for row in ROWS}) == len({row.digest() for row in ROWS}) == len(ROWS)


def test_seeds_of_any_size_are_taken() -> None:
    images = [ROW["white-25"].pair(CLEAN, 3, seed, 0)[1] for seed in (0, 2 * 10**13, 10**30)]
    assert not torch.equal(images[0], images[1]) and not torch.equal(images[1], images[2])


def test_levels_are_those_of_the_names() -> None:
    for sigma in (15, 25, 50):
        for channels in (1, 3):
            clean, degraded = ROW[f"white-{sigma}"].pair(CLEAN, channels, 0, 0)
            assert (degraded - clean).std().item() * 255 == pytest.approx(sigma, rel=0.03)
    clean, degraded = ROW["clean"].pair(CLEAN, 3, 0, 0)
    assert torch.equal(clean, degraded) and np.array_equal(to_array(clean) * 255, CLEAN)


def test_gray_images_have_one_channel_in_all_three_or_are_luma() -> None:
    clean, degraded = ROW["gray-image-white-25"].pair(CLEAN, 3, 0, 0)
    for image in (clean, degraded):
        assert torch.equal(image[:, 0], image[:, 1]) and torch.equal(image[:, 0], image[:, 2])
    assert torch.equal(clean, ROW["white-25"].pair(CLEAN, 1, 0, 0)[0].expand(-1, 3, -1, -1))
    row = Row("luma", ({"kind": "gaussian", "sigma": 25},), gray="luma")
    clean, degraded = row.pair(CLEAN, 1, 0, 0)
    assert np.abs(to_array(clean) * 255 - gray_of(CLEAN)).max() < 0.51
    expected = 25 * (0.299**2 + 0.587**2 + 0.114**2) ** 0.5  # the luma of independent noise in three channels
    assert (degraded - clean).std().item() * 255 == pytest.approx(expected, rel=0.03)


def test_the_ground_truth_of_a_soft_image_is_soft() -> None:
    image = np.random.default_rng(0).integers(100, 156, (64, 64, 3), np.uint8)
    clean, degraded = ROW["soft-image-white-25"].pair(image, 3, 0, 0)
    sharp = ROW["white-25"].pair(image, 3, 0, 0)[0]
    assert clean.diff(dim=-1).square().mean() < 0.3 * sharp.diff(dim=-1).square().mean()
    assert (degraded - clean).std().item() * 255 == pytest.approx(25, rel=0.03)
    assert ROW["soft-image-white-25"].digest() != Row("x", ROW["white-25"].steps).digest()


def test_the_digest_changes_with_settings_images_and_crop() -> None:
    photos, bsd68 = robustness.SETS
    row = ROW["white-25"]
    digests = {
        robustness.row_digest(photos, row),
        robustness.row_digest(bsd68, row),
        robustness.row_digest(robustness.ImageSet("photos", photos.folder, photos.side + 1), row),
        robustness.row_digest(photos, Row("white-25", ({"kind": "gaussian", "sigma": 26},), stored=False)),
        robustness.row_digest(photos, Row("white-25", row.steps, stored=True)),
    }
    assert len(digests) == 5


def test_a_row_is_dead_where_the_model_gains_nothing_and_ffdnet_does() -> None:
    photos = robustness.SETS[0]
    digest = robustness.row_digest(photos, ROW["white-25"])
    recorded: BaselineRow = {
        "name": "photos:white-25", "digest": digest, "input_psnr": 20.0, "psnr": 22.0, "level": 25, "weights": "w",
    }  # fmt: skip

    def found(after: float, before: float = 20.0, images: int = 24, **change: object) -> RowScore:
        line = {**recorded, **change}
        scores = [_score("photos:white-25", before, after, images)]
        return robustness.with_baseline(scores, {line["name"]: line}, 3)[0]  # type: ignore[dict-item]

    assert found(20.4)["dead"] and found(20.4)["ffdnet_psnr"] == 22.0 and found(20.4)["ffdnet_level"] == 25
    assert not found(20.5)["dead"]
    assert not found(20.4, psnr=21.9)["dead"]
    # Figures of another seed do not apply, though the noise is as strong.
    (other,) = robustness.with_baseline([_score("photos:white-25", 20.0, 20.4)], {"photos:white-25": recorded}, 3, 1)
    assert other["ffdnet_psnr"] is None and not other["dead"]
    # Figures of other images do not apply.
    for other in (found(20.4, digest="0"), found(20.4, before=20.1), found(20.4, images=8)):
        assert other["ffdnet_psnr"] is None and not other["dead"]


def test_a_function_that_changes_nothing_measures_its_input_and_a_perfect_one_the_ceiling() -> None:
    sets = {"photos": [CLEAN, image_of(64, 64, 3, seed=2)]}
    steps: list[int] = []
    same = robustness.measure(lambda x: x, sets, 3, progress=lambda done, total: steps.append(total - done))
    assert [score["name"] for score in same] == [f"photos:{row.name}" for row in ROWS]
    assert all(score["psnr"] == score["input_psnr"] and score["images"] == 2 for score in same)
    assert steps == list(range(2 * len(ROWS)))[::-1]
    gray = robustness.measure(lambda x: x, sets, 1)
    assert [score["name"] for score in gray] == [f"photos:{row.name}" for row in ROWS if row.gray]
    with pytest.raises(UserError, match="not finite"):
        robustness.measure(lambda x: x * float("nan"), sets, 3)


def test_missing_images_are_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARER_SHARED", raising=False)
    with pytest.raises(UserError, match=r"give --data FOLDER, a folder with photos_cid22/ and bsds500/val/"):
        robustness.data_folder(None)
    with pytest.raises(UserError, match=r"photos_cid22/1001682.webp is not there"):
        robustness.data_folder(tmp_path)
    monkeypatch.setenv("CLEARER_SHARED", str(tmp_path))
    with pytest.raises(UserError, match=r"data: photos_cid22/1001682.webp is not there"):
        robustness.data_folder(None)
    with pytest.raises(UserError, match="clearer evaluate MODEL --protocol robustness"):
        parse_protocol("robustness")
