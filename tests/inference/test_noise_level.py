"""Restoring with a noise level: given or estimated, as a number or a map, in tiles, turned, from files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clearer.core.errors import UserError
from clearer.degradations.chain import Chain
from clearer.degradations.correlated import Correlated
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.jpeg import Jpeg
from clearer.evaluation.metrics import psnr
from clearer.images.tensors import to_batch
from clearer.inference import large_tiff
from clearer.inference.files import restore_path
from clearer.inference.large_tiff import restore_large
from clearer.inference.noise_level import ImageLevels, read_level, unit_level
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.noise.level import estimate_level
from clearer.noise.white_level import white_level
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command
from helpers.networks import plausible


def told(channels: int = 1, text: str = "P-F", **fields: Any) -> Restorer:
    """Return a restorer of a small network that takes the noise level."""
    architecture = Architecture.parse(
        text, width=2, channels=channels, residual=True, norm="none", condition="level", **fields
    )
    return Restorer(plausible(architecture), {"name": "told"}, device="cpu", precision="fp32")


def noisy(*shape: int, sigma: float = 20.0, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand((*shape[:-2], 3, 3), generator=random)
    smooth = torch.nn.functional.interpolate(coarse, shape[-2:], mode="bilinear")
    return (0.2 + 0.6 * smooth + sigma / 255 * torch.randn(shape, generator=random)).clamp(0, 1)


# What the network is told


@pytest.mark.parametrize("channels", [1, 3])
def test_blind_equals_the_estimate(channels: int) -> None:
    restorer, x = told(channels), noisy(2, channels, 40, 50)
    levels = estimate_level(x) * 255
    assert levels.min() > 10
    assert torch.equal(restorer.restore(x), restorer.restore(x, level=levels))
    for one, level in zip(x, levels, strict=True):
        torch.testing.assert_close(restorer.restore(one), restorer.restore(one, level=float(level)))
    assert (restorer.restore(x, level=5.0) - restorer.restore(x, level=80.0)).abs().max() > 0.01


WHITE = {"kind": "gaussian", "sigma": [0, 75]}


@pytest.mark.parametrize(
    ("degradation", "is_white"),
    [
        (None, False),  # as after training on pairs
        (WHITE, True),
        ({"kind": "poisson-gaussian", "photons": [10, 100], "read": 2}, True),
        ({**WHITE, "channel_correlation": 1.0}, False),
        ({**WHITE, "channel_correlation": [0.0, 1.0]}, False),
        ({"kind": "correlated", "sigma": 25, "blur": 1, "stretch": 1}, False),
        ({"kind": "chain", "steps": [WHITE, {"kind": "jpeg", "quality": 90}]}, False),
        ({"kind": "mixture", "parts": [{"share": 1.0, **WHITE}], "clean": 0.03}, True),
        ({"kind": "mixture", "parts": [{"share": 0.95, **WHITE}, {"share": 0.05, "kind": "camera", "iso": 800}]}, True),
        (
            {
                "kind": "mixture",
                "parts": [
                    {"share": 0.84, **WHITE},
                    *2 * [{"share": 0.04, "kind": "correlated", "sigma": 20, "blur": 1, "stretch": 1}],
                    {"share": 0.08, "kind": "camera", "iso": 800},
                ],
            },
            False,  # each part is rare, all of them are not
        ),
        ({"kind": "mixture", "parts": [{"share": 0.7, **WHITE}, {"share": 0.3, "kind": "camera", "iso": 800}]}, False),
        ({"kind": "jpeg", "quality": 50}, False),
    ],
)
def test_a_network_for_white_noise_is_told_more_of_other_noise(degradation: Any, is_white: bool) -> None:
    card = {"task": "denoise", "degradation": degradation}
    restorer = Restorer(told(3).network, card, device="cpu", precision="fp32")
    x = noisy(1, 3, 80, 90)
    shared = x[:, :1].expand(-1, 3, -1, -1).contiguous()
    assert white_level(shared).item() > 2 * estimate_level(shared).item()
    trained_on = restorer.card.trained_on()
    _, highest = (trained_on and trained_on.noise_levels()) or (0, 75)
    expected = white_level(shared, highest / 255) if is_white else estimate_level(shared)
    assert torch.equal(restorer(shared), restorer(shared, level=expected * 255))


def test_a_raised_level_is_said(tmp_path: Path) -> None:
    restorer = told(3)
    save_weights(tmp_path / "net.safetensors", restorer.network, {"task": "denoise", "degradation": WHITE})
    x = noisy(1, 3, 80, 90, sigma=15)[0]
    for name, image in (("white", x), ("shared", x[:1].expand(3, -1, -1))):
        values = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    ended = command("restore", tmp_path / "net.safetensors", tmp_path / "shared.png", "-o", tmp_path / "out.png")
    assert ended.status == 0 and ended.out.endswith(" gray levels, raised since the noise is not white\n"), ended.out
    (tmp_path / "both").mkdir()
    for name in ("white", "shared"):
        (tmp_path / f"{name}.png").rename(tmp_path / "both" / f"{name}.png")
    ended = command("restore", tmp_path / "net.safetensors", tmp_path / "both", "-o", tmp_path / "out")
    assert "raised since the noise is not white in 1 of 2 images" in ended.out
    ended = command("restore", tmp_path / "net.safetensors", tmp_path / "both", "-o", tmp_path / "again", "--json")
    white, shared = (str(tmp_path / "both" / f"{name}.png") for name in ("white", "shared"))
    assert ended.json["raised_levels"] == [shared] and ended.json["estimated_levels"][white] < 20


def test_the_shipped_denoisers_remove_noise_that_neighbors_or_channels_share() -> None:
    clean = to_batch(skimage.data.coffee()[:192, :256].astype(np.float32) / 255)
    generator = torch.Generator().manual_seed(0)
    for degradation in (Gaussian(20, channel_correlation=1.0), Correlated(20, 0.8, 1), Chain((Gaussian(20), Jpeg(92)))):
        x = degradation.apply(clean, generator)
        before = psnr(x.clamp(0, 1), clean).item()
        for name in ("denoise-color-fast", "denoise-color"):
            restorer = load(name, "cpu", "fp32")
            as_estimated, told_more = (
                psnr(restorer(x, level=level).clamp(0, 1), clean).item() for level in (estimate_level(x) * 255, None)
            )
            assert told_more > max(before, as_estimated) + 2.5


@given(level=st.floats(0, 100), height=st.integers(1, 40), width=st.integers(1, 40))
@settings(max_examples=15, derandomize=True)
def test_a_number_equals_a_flat_map_of_any_type(level: float, height: int, width: int) -> None:
    restorer, x = told(), noisy(1, 1, height, width)[0]
    one = restorer.restore(x, level=level)
    flat = np.full((height, width), level, np.float32)
    for same in (flat, torch.from_numpy(flat), flat[None], np.full((1, 1, height, width), level)):
        assert torch.equal(restorer.restore(x, level=same), one)
    array = x[0].numpy()
    assert np.array_equal(restorer.restore(array, level=flat), one[0].numpy())


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    tile=st.sampled_from([8, 16, 33]),
    unshuffle=st.sampled_from([1, 2]),
    given=st.sampled_from(["estimated", "number", "map"]),
    ensemble=st.booleans(),
)
@settings(max_examples=25, derandomize=True)
def test_in_tiles_as_in_one_piece(
    height: int, width: int, tile: int, unshuffle: int, given: str, ensemble: bool
) -> None:
    restorer, x = told(unshuffle=unshuffle), noisy(1, 1, height, width)
    level = {"estimated": None, "number": 30.0, "map": 60 * torch.rand(height, width)}[given]
    whole = restorer.restore(x, ensemble, tile="none", level=level)
    tiled = restorer.restore(x, ensemble, tile=tile, overlap="full", level=level)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_the_ensemble_turns_the_map_with_the_image() -> None:
    restorer, x = told(), noisy(1, 1, 32, 24)
    level = 60 * torch.rand(32, 24)
    turned = restorer.restore(torch.rot90(x, 1, (2, 3)), True, level=torch.rot90(level, 1))
    torch.testing.assert_close(turned, torch.rot90(restorer.restore(x, True, level=level), 1, (2, 3)))


def test_a_map_works_where_it_says() -> None:
    restorer, x = told(text="P"), noisy(1, 1, 64, 64)
    level = torch.full((64, 64), 10.0)
    level[:, 32:] = 60
    mixed = restorer.restore(x, level=level)
    torch.testing.assert_close(mixed[..., :20], restorer.restore(x, level=10.0)[..., :20])
    torch.testing.assert_close(mixed[..., 44:], restorer.restore(x, level=60.0)[..., 44:])


def test_other_numbers_of_channels_get_a_level_too() -> None:
    gray, color = told(1), told(3)
    x = noisy(1, 1, 40, 40)[0]
    level = float(estimate_level(x[None])) * 255  # three equal channels have the level of one
    torch.testing.assert_close(color.restore(x), color.restore(x, level=level))
    rgb = noisy(1, 3, 40, 40)[0]
    levels = [float(estimate_level(rgb[None, k : k + 1])) * 255 for k in range(3)]
    channels = torch.cat([gray.restore(rgb[k : k + 1], level=levels[k]) for k in range(3)])
    torch.testing.assert_close(gray.restore(rgb, color="channels"), channels)
    pair, level = noisy(2, 3, 16, 16), 60 * torch.rand(2, 1, 16, 16)
    both = gray.restore(pair, level=level)
    for k in range(2):
        torch.testing.assert_close(both[k], gray.restore(pair[k], level=level[k]))


def test_bf16_takes_it_too() -> None:
    exact = told(text="PF-FP")
    rounded = Restorer(exact.network, device="cpu", precision="bf16")
    x = noisy(1, 1, 48, 40)
    assert (exact.restore(x, level=20.0) - rounded.restore(x, level=20.0)).abs().max() < 0.1


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (-1.0, "negative or not finite; give gray levels from 0 up"),
        (float("nan"), "negative or not finite"),
        (np.zeros((5, 4)), r"a map of shape \(5, 4\) for an image of 5x4 pixels"),
        (np.zeros((3, 1, 4, 5)), "a map of shape"),
    ],
)
def test_levels_that_fit_no_image_are_refused(level: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        told().restore(torch.rand(2, 1, 4, 5), level=level)


def test_networks_without_the_input_refuse_it() -> None:
    plain = Restorer(plausible(Architecture.parse("P", width=2)), {"name": "plain"}, device="cpu")
    with pytest.raises(UserError, match=r"^plain does not take a noise level; (models that do: |train one with)"):
        plain.restore(torch.rand(1, 8, 8), level=10)


# Files


def test_a_level_is_a_number_or_a_map_of_a_file(tmp_path: Path) -> None:
    assert read_level("12.5") == 12.5
    levels = np.array([[0, 10], [20, 255]])
    Image.fromarray(levels.astype(np.uint8)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", levels.astype(np.float32))
    tifffile.imwrite(tmp_path / "c.tif", (levels * 257).astype(np.uint16))
    np.save(tmp_path / "d.npy", levels)
    for name in ("a.png", "b.tif", "c.tif", "d.npy"):
        np.testing.assert_allclose(read_level(tmp_path / name), levels, atol=1e-4)
    assert unit_level(levels, (1, 3, 2, 2)).max() == 1
    Image.new("RGB", (4, 4)).save(tmp_path / "e.png")
    (tmp_path / "f.npy").write_bytes(b"not an array")
    for text, words in (
        ("-1", "not between 0 and 255"),
        ("256", "not between 0 and 255"),
        ("twelve", "neither a number nor a file"),
        (str(tmp_path / "e.png"), r"where a map \(H, W\) is needed"),
        (str(tmp_path / "f.npy"), "not readable as an array"),
    ):
        with pytest.raises(UserError, match=words):
            read_level(text)


def test_files_are_measured_one_by_one_and_the_level_reported(tmp_path: Path) -> None:
    restorer = told()
    (tmp_path / "in").mkdir()
    for name, sigma in (("a", 5.0), ("b", 40.0)):
        pixels = (noisy(1, 1, 64, 64, sigma=sigma)[0, 0] * 255).round().byte().numpy()
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}.png")
    outcome = restore_path(restorer, tmp_path / "in", tmp_path / "out")
    levels = {Path(name).stem: level for name, level in outcome.levels.items()}
    assert levels["a"] == pytest.approx(5, abs=2) and levels["b"] == pytest.approx(38, abs=6)
    for name in "ab":
        source = np.asarray(Image.open(tmp_path / "in" / f"{name}.png"))
        written = np.asarray(Image.open(tmp_path / "out" / f"{name}.png"))
        assert np.array_equal(written, restorer.restore(source)) and not np.array_equal(written, source)
    outcome = restore_path(restorer, tmp_path / "in", tmp_path / "told", RestoreOptions(sigma=12.0))
    assert outcome.levels == {}
    source = np.asarray(Image.open(tmp_path / "in" / "a.png"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "told" / "a.png")), restorer.restore(source, level=12.0))


def test_the_command_takes_numbers_and_maps(tmp_path: Path) -> None:
    restorer = told()
    save_weights(tmp_path / "told.safetensors", restorer.network, {})  # type: ignore[arg-type]
    pixels = (noisy(1, 1, 30, 41)[0, 0] * 255).round().byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    level = np.linspace(0, 80, 30 * 41).reshape(30, 41).astype(np.float32)
    np.save(tmp_path / "map.npy", level)
    run = (
        "restore",
        tmp_path / "told.safetensors",
        tmp_path / "a.png",
        "-o",
        tmp_path / "out.png",
        "--precision",
        "fp32",
    )
    for stated, same in (("12", 12.0), (tmp_path / "map.npy", level)):
        assert command(*run, "--sigma", stated).status == 0
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), restorer.restore(pixels, level=same))
    ended = command(*run, "--json")
    found = json.loads(json.dumps(ended.json))["estimated_levels"]
    assert list(found.values()) == [
        pytest.approx(float(estimate_level(torch.from_numpy(pixels)[None, None] / 255)) * 255, abs=0.1)
    ]
    assert "noise level (estimated): " in command(*run).err + command(*run).out
    np.save(tmp_path / "other.npy", level[:-1])
    ended = command(*run, "--sigma", tmp_path / "other.npy")
    assert ended.status == 2 and "a.png: " in ended.err and "map of shape (29, 41)" in ended.err
    assert ended.err.count("\n") == 1
    ended = command("restore", "denoise-gray-50", tmp_path / "a.png", "-o", tmp_path / "out.png", "--sigma", "12")
    assert ended.status == 2 and "denoise-gray-50 does not take a noise level; " in ended.err


def test_frames_share_a_level_that_changes_slowly() -> None:
    found = iter([0.1, 0.2, 0.0])
    levels = ImageLevels(None, lambda x: torch.tensor([next(found)]), smoothing=0.9)
    x = torch.zeros(1, 1, 4, 4)
    told = []
    for _ in range(3):
        levels.begin_frame()
        told.append(levels.of(x))
    assert told == pytest.approx([25.5, 28.05, 25.245])
    assert levels.summary() == pytest.approx((sum(v**2 for v in (25.5, 28.05, 25.245)) / 3) ** 0.5)
    assert ImageLevels(7.0, None).of(x) == 7 and ImageLevels(None, None).of(x) is None


@pytest.mark.parametrize("channels", [1, 3])
def test_large_files_have_one_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int) -> None:
    monkeypatch.setattr(large_tiff, "SAMPLED_ROWS", 400)  # the whole image, five times
    restorer = told(channels)
    x = noisy(1, channels, 90, 70)[0]
    pixels = np.ascontiguousarray((x * 65535).round().permute(1, 2, 0).numpy().astype(np.uint16))
    tifffile.imwrite(tmp_path / "a.tif", pixels[:, :, 0] if channels == 1 else pixels, photometric=None)
    restore_large(restorer, tmp_path / "a.tif", tmp_path / "b.tif", RestoreOptions(tile=32, overlap="full"))
    whole = restorer.restore(pixels, tile="none").astype(int)
    assert abs(tifffile.imread(tmp_path / "b.tif").reshape(whole.shape).astype(int) - whole).max() <= 1
    monkeypatch.setattr(large_tiff, "LARGE", 1000)
    monkeypatch.setattr("clearer.inference.files.is_large", lambda path: True)
    level = np.linspace(0, 80, 90 * 70, dtype=np.float32).reshape(90, 70)
    options = RestoreOptions(sigma=level, tile=32, overlap="full")
    outcome = restore_path(restorer, tmp_path / "a.tif", tmp_path / "c.tif", options)
    assert outcome.levels == {}
    whole = restorer.restore(pixels, tile="none", level=level).astype(int)
    assert abs(tifffile.imread(tmp_path / "c.tif").reshape(whole.shape).astype(int) - whole).max() <= 1
    outcome = restore_path(restorer, tmp_path / "a.tif", tmp_path / "d.tif", RestoreOptions(tile=32))
    assert list(outcome.levels.values()) == [pytest.approx(20, abs=6)]


def test_the_level_survives_a_second_pass_in_fp32(caplog: pytest.LogCaptureFixture) -> None:
    restorer = told()
    run = restorer._run
    rounded = Restorer(restorer.network, device="cpu", precision="bf16")
    rounded._run = lambda x, *level: run(x, *level) * float("nan")
    x = noisy(1, 1, 24, 24)
    with caplog.at_level(logging.WARNING):
        torch.testing.assert_close(rounded.restore(x, level=33.0), restorer.restore(x, level=33.0))


def test_a_damaged_model_does_not_hide_which_models_take_a_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    monkeypatch.setenv("CLEARER_MODELS", str(tmp_path))
    ended = command("restore", "dejpeg", "a.png", "-o", "b.png", "--sigma", "25")
    assert "dejpeg does not take a noise level; models that do: denoise-color" in ended.err
    assert ended.status == 2 and ended.err.count("\n") == 1


def test_levels_of_a_video_are_smoothed_from_frame_to_frame_each_channel_by_itself() -> None:
    found = iter([5.0, 20.0, 40.0, 15.0, 20.0, 30.0])
    levels = ImageLevels(None, lambda x: torch.tensor([next(found) / 255]), 0.9)
    told = []
    for _ in range(2):
        levels.begin_frame()
        told += [levels.of(torch.zeros(1, 1, 4, 4)) for _ in range(3)]
    assert told == pytest.approx([5, 20, 40, 6, 20, 39], rel=1e-5)
