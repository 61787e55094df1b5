"""The effect of the protocol on a figure: separate patches, clipping, crops, Y, the self-ensemble."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from clearer.core.errors import UserError
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.metrics import luma601, patch_psnr, psnr
from clearer.experiments.protocols import as_markdown, choose_method, compare_protocols, redraw
from clearer.images.view import read_image
from clearer.methods.base import ImageArray, Method, as_restore
from helpers.command import clearer
from helpers.networks import write_model
from helpers.photos import NAMES, SHIPPED, write_photos


def blend(image: ImageArray, sigma: float | None) -> ImageArray:
    """A weak denoiser whose result depends on the orientation of the image, so that an ensemble helps."""
    return (image + np.roll(image, 1, 0)) / np.float32(2)


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("set") / "test", NAMES[:3], side=150)


@pytest.fixture(scope="module")
def color(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("color")
    for name in ("astronaut.png", "coffee.png"):
        Image.fromarray(read_image(SHIPPED / name, 3)[100:170, 100:240]).save(folder / name)
    return folder


def rows_of(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in result["rows"]}


# PSNR of separate patches


@settings(max_examples=25, deadline=None)
@given(height=st.integers(8, 30), width=st.integers(8, 30), channels=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_patch_psnr_is_the_mean_over_the_patches_of_the_center(
    height: int, width: int, channels: int, seed: int
) -> None:
    chance = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(2, channels, height, width, generator=chance) for _ in range(2))
    b[..., : width // 2] = a[..., : width // 2] + 0.1  # an uneven error, so that patches differ
    rows, columns = height // 8, width // 8
    top, left = (height - 8 * rows) // 2, (width - 8 * columns) // 2
    cut = [
        (slice(None), slice(None), slice(top + 8 * r, top + 8 * r + 8), slice(left + 8 * c, left + 8 * c + 8))
        for r in range(rows)
        for c in range(columns)
    ]
    expected = torch.stack([psnr(a[part], b[part]) for part in cut]).mean(0)
    found = patch_psnr(a, b, side=8)
    assert found.shape == (2,) and torch.allclose(found, expected, atol=1e-4)
    whole = (slice(None), slice(None), slice(top, top + 8 * rows), slice(left, left + 8 * columns))
    assert (found >= psnr(a[whole], b[whole]) - 1e-4).all()  # Jensen


def test_an_image_smaller_than_a_patch_has_none() -> None:
    with pytest.raises(ValueError, match="no patch of 64x64 pixels fits into 90x63"):
        patch_psnr(torch.zeros(1, 1, 63, 90), torch.zeros(1, 1, 63, 90))


def test_an_observer_sees_what_is_measured(gray: Path) -> None:
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    result = evaluate(lambda x: 3 * x - 1, gray, "gray-awgn-50", observe=lambda *found: seen.append(found[:3]))
    assert len(seen) == 3 and all(x.min() >= 0 and x.max() <= 1 for images in seen for x in images)
    for score, (clean, degraded, restored) in zip(result.per_image, seen, strict=True):
        assert score["psnr"] == psnr(restored, clean).item() and score["input_psnr"] == psnr(degraded, clean).item()


# the comparison


def test_gray_noise(gray: Path) -> None:
    calls = 0

    def counted(image: ImageArray, sigma: float | None) -> ImageArray:
        nonlocal calls
        calls += sigma == 50
        return blend(image, sigma)

    method = Method("m", "gaussian", counted, sigmas=(50, 50))
    result = compare_protocols(method, gray)
    # Four ways, each after a corner of 64 pixels; four patches of each image by themselves; the ensemble.
    assert calls == 4 * (3 + 1) + (4 * 3 + 1) + (8 * 3 + 1)
    rows = rows_of(result)
    assert next(iter(rows)) == result["base"] == "clearer-gray-50" and rows["clearer-gray-50"]["difference"] == 0
    restore = as_restore(method, 50)
    for name, protocol, ensemble in (
        ("clearer-gray-50", "clearer-gray-50", False),
        ("both: gray-awgn-50", "gray-awgn-50", False),
        ("x8 self-ensemble", "clearer-gray-50", True),
    ):
        expected = evaluate(restore, gray, protocol, ensemble=ensemble)
        assert (rows[name]["psnr"], rows[name]["ssim"]) == (expected.psnr, expected.ssim)
        assert rows[name]["difference"] == expected.psnr - rows["clearer-gray-50"]["psnr"]
    patches = rows["mean over separate 64x64 patches"]
    assert patches["difference"] > 0 and patches["ssim"] is None
    assert rows["x8 self-ensemble"]["difference"] > 0
    # Two things differ between the base and gray-awgn; each alone has a row of its own.
    alone = [rows[name]["psnr"] for name in ("noise not clipped", "whole images")]
    assert len({*alone, rows["clearer-gray-50"]["psnr"], rows["both: gray-awgn-50"]["psnr"]}) == 4


def test_color_noise(color: Path) -> None:
    result = compare_protocols(Method("m", "gaussian", blend, channels=3), color, 25)
    rows = rows_of(result)
    assert result["base"] == "color-awgn-25" and result["images"] == 2
    assert {"noise clipped, floored to 8 bits", "center crop to multiples of 64", "x8 self-ensemble"} <= set(rows)
    found: list[float] = []

    def measure(clean: Tensor, degraded: Tensor, restored: Tensor, where: Tensor | None) -> None:
        found.append(psnr(luma601(restored), luma601(clean)).item())

    evaluate(as_restore(Method("m", "gaussian", blend), 25), color, "color-awgn-25", observe=measure)
    assert rows["on Y instead of RGB"]["psnr"] == math.fsum(found) / 2 > rows["color-awgn-25"]["psnr"]


def test_rain_and_images_smaller_than_a_patch(tmp_path: Path) -> None:
    for name in ("clean", "rainy"):
        for k in range(2):
            (tmp_path / name).mkdir(exist_ok=True)
            level = np.random.default_rng(k).integers(0, 200, (40, 50, 3)) + (50 if name == "rainy" else 0)
            Image.fromarray(level.astype(np.uint8)).save(tmp_path / name / f"{k}.png")
    rows = rows_of(compare_protocols(Method("m", "rain", blend), tmp_path))
    assert list(rows) == [
        "rain-rgb", "on Y instead of RGB", "x8 self-ensemble", "x8 self-ensemble, on Y instead of RGB"
    ]  # fmt: skip
    expected = evaluate(as_restore(Method("m", "rain", blend), None), tmp_path, "rain-y")
    assert rows["on Y instead of RGB"]["psnr"] == pytest.approx(expected.psnr)
    assert rows["on Y instead of RGB"]["ssim"] == pytest.approx(expected.ssim)


def test_from_the_command_line_to_a_table(gray: Path, tmp_path: Path) -> None:
    model, out = write_model(tmp_path / "small.safetensors"), tmp_path / "effects" / "small.json"
    done = clearer("compare-protocols", model, "--data", gray, "--limit", 1, "-o", out, "--device", "cpu", "--json")
    assert done.status == 0, done.err
    kept = json.loads(out.read_text())
    assert done.json == {**kept, "saved": str(out)} and kept["sigma"] == 50 and kept["images"] == kept["limit"] == 1
    text = out.with_suffix(".md").read_text()
    assert text == as_markdown(kept) and text in done.err and re.search(r"the first 1 image of \S+/test", text)
    out.with_suffix(".md").unlink()
    redraw(out)
    assert out.with_suffix(".md").read_text() == text


def test_patches_by_themselves_are_restored_as_images_of_their_own(gray: Path) -> None:
    def centered(image: ImageArray, sigma: float | None) -> ImageArray:
        return image - image.mean()  # depends on everything that is seen

    method = Method("m", "gaussian", centered, sigmas=(50, 50))
    rows = rows_of(compare_protocols(method, gray, limit=1))
    found: list[float] = []

    def measure(clean: Tensor, degraded: Tensor, restored: Tensor, where: Tensor | None) -> None:
        parts = [(slice(r, r + 64), slice(c, c + 64)) for r in (0, 64) for c in (0, 64)]
        found.extend(
            psnr((degraded[0, :, *p] - degraded[0, :, *p].mean()).clamp(0, 1)[None], clean[:, :, *p]).item()
            for p in parts
        )

    evaluate(as_restore(method, 50), gray, "clearer-gray-50", limit=1, observe=measure)
    alone = rows["each 64x64 patch restored by itself, mean over separate 64x64 patches"]
    assert alone["psnr"] == pytest.approx(math.fsum(found) / 4, abs=1e-4)
    assert alone["psnr"] != pytest.approx(rows["mean over separate 64x64 patches"]["psnr"], abs=1e-2)


# which method, which level


def test_the_level_must_be_one_that_the_method_is_for(gray: Path) -> None:
    for method, sigma, words in (
        (Method("m", "gaussian", blend, sigmas=(50, 50)), 30, "m is for sigma 50, not 30"),
        (Method("m", "gaussian", blend, sigmas=(5, 55)), 70, "m is for sigma 5 to 55, not 70"),
        (Method("m", "gaussian", blend, sigmas=(5, 55)), None, "give one, such as --sigma 50"),
        (Method("m", "gaussian", blend), None, "give one, such as --sigma 50"),
        (Method("m", "rain", blend), 50, "no noise level; leave it out"),
        (Method("m", "deblur", blend), None, "is for 'deblur'"),
    ):
        with pytest.raises(UserError, match=words):
            compare_protocols(method, gray, sigma)


def test_a_method_of_a_file_is_chosen_by_its_name_and_level(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from clearer.methods.base import Method\n"
        "METHODS = [Method('net', 'gaussian', len, sigmas=(s, s)) for s in (30, 50)] + [Method('one', 'rain', len)]"
    )
    assert choose_method("net", path, 50).sigmas == (50, 50) and choose_method("one", path, None).name == "one"
    with pytest.raises(UserError, match=r"has no method 'nets' \(did you mean 'net'\?\); it has net, one"):
        choose_method("nets", path, 50)
    for sigma, count in ((None, 2), (70, 0)):
        with pytest.raises(UserError, match=f"{count} methods 'net' are for this noise level"):
            choose_method("net", path, sigma)
