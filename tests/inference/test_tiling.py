"""Tiles: the part of an image that the network sees, and a seamless result."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import clearer
from clearer.core.errors import UserError
from clearer.evaluation.self_ensemble import ORIENTATIONS, self_ensemble, turned
from clearer.images.view import read_image
from clearer.inference import restorer as restorer_module
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import (
    DEFAULT_OVERLAP,
    SMALLEST,
    Tile,
    as_overlap,
    as_tiling,
    cut,
    seen_by,
    shape_within,
    window,
)
from clearer.network.architecture import Architecture
from clearer.network.receptive_field import receptive_field
from helpers.networks import plausible
from helpers.photos import SHIPPED


@st.composite
def architectures(draw: st.DrawFn, cells: int = 3) -> Architecture:
    letters = st.text("PF", min_size=1, max_size=2)
    text = "-".join(draw(st.lists(letters, min_size=1, max_size=cells)))
    return Architecture.parse(
        text,
        width=2,
        operations=draw(st.sampled_from(["supplement", "released"])),
        norm=draw(st.sampled_from(["batch", "none"])),
        residual=draw(st.booleans()),
        unshuffle=draw(st.sampled_from([1, 1, 2, 3])),
    )


# the receptive field


@pytest.mark.slow
@given(architectures())
@settings(max_examples=25, deadline=None)
def test_the_receptive_field_is_the_reach_of_gradients(architecture: Architecture) -> None:
    network = plausible(architecture, positive=True).double()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.fill_(-1.0)  # so that every ReLU passes
    radius, multiple = receptive_field(architecture), architecture.multiple
    middle = -(-(radius + multiple) // multiple) * multiple
    side = 2 * middle + multiple
    found = 0
    for phase in range(multiple):
        x = torch.rand(1, 1, multiple, side, dtype=torch.float64, requires_grad=True)
        network(x)[0, 0, :, middle + phase].sum().backward()
        assert x.grad is not None
        reached = x.grad[0, 0].abs().amax(0).nonzero()[:, 0] - (middle + phase)
        found = max(found, -int(reached.min()), int(reached.max()))
    assert found == radius


def test_deeper_and_coarser_networks_see_farther() -> None:
    def radius(text: str) -> int:
        return receptive_field(Architecture.parse(text))

    assert radius("P") < radius("PP") < radius("PP-P") < radius("PP-P-P") < radius("PP-P-P-P")
    assert radius("F-F-F") < radius("F-F-P")


# tiled equals whole

COARSE = Architecture.parse("P-P-P-P", width=2)
RELEASED = Architecture.parse("F-F-P", width=2, operations="released")


@pytest.mark.slow
@given(
    architecture=architectures(),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    tile=st.integers(1, 70),
    seed=st.integers(0, 9),
    ensemble=st.booleans(),
)
@example(architecture=COARSE, height=203, width=67, tile=30, seed=0, ensemble=False)
@example(architecture=RELEASED, height=97, width=141, tile=24, seed=1, ensemble=True)
@settings(max_examples=25, deadline=None)
def test_with_the_full_overlap_tiled_equals_whole(
    architecture: Architecture, height: int, width: int, tile: int, seed: int, ensemble: bool
) -> None:
    tile = max(tile, height // 4, width // 4)  # sixteen tiles are enough
    restorer = Restorer(plausible(architecture, seed), device="cpu", precision="fp32")
    x = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(seed))
    whole = self_ensemble(restorer.run, x) if ensemble else restorer.run(x)
    tiled = restorer(x, ensemble, tile, "full")
    assert (whole - tiled).abs().max() <= 1e-5 * max(1, whole.abs().max())


def test_the_full_overlap_is_minimal() -> None:
    architecture = Architecture.parse("P-P", width=2, operations="released")
    restorer = Restorer(plausible(architecture, positive=True), device="cpu", precision="fp32")
    full, multiple = receptive_field(architecture), architecture.multiple
    x = torch.rand(1, 1, 4 * full, 4 * full)
    whole, edge = restorer(x), 2 * full // multiple * multiple
    differs = []
    for overlap in (full, full - multiple):
        y = restorer(x, tile=edge, overlap=overlap)
        differs.append(not torch.allclose(whole, y, rtol=1e-5, atol=1e-5))
    assert differs == [False, True]


def test_batches_and_color_are_tiled_too() -> None:
    restorer = Restorer(plausible(Architecture.parse("PF", width=2, channels=3)), device="cpu", precision="fp32")
    x = torch.rand(2, 3, 40, 51)
    assert torch.allclose(restorer(x), restorer(x, tile=16, overlap="full"), atol=1e-5)
    image = (x[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    found = restorer.restore(image, tile=16, overlap="full")
    assert found.dtype == np.uint8 and np.abs(found.astype(int) - restorer.restore(image)).max() <= 1


def test_orientations_state_the_direction_of_the_axes() -> None:
    x = torch.arange(6).reshape(2, 3)
    for orientation in ORIENTATIONS:
        first = int(turned(x, orientation)[0, 0])
        row, column = divmod(first, 3)
        assert (row > 0, column > 0) == (orientation.rows_backwards, orientation.columns_backwards)


# windows


@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    overlap=st.integers(0, 200),
    multiple=st.sampled_from([2, 4, 8, 16]),
    pixels=st.integers(1, 10**7),
)
@settings(deadline=None)
def test_tiles_cover_the_image_once_and_fit(height: int, width: int, overlap: int, multiple: int, pixels: int) -> None:
    rows, columns = shape_within(height, width, pixels, overlap, multiple)
    tiles = cut(height, width, rows, columns)
    assert sum(tile.pixels for tile in tiles) == height * width
    assert all(tile.pixels > 0 for tile in tiles)
    seen = [seen_by(tile, (height, width), overlap, multiple) for tile in tiles]
    assert all(max(s.height, s.width) <= SMALLEST + 2 * (overlap + multiple) for s in seen) or all(
        s.pixels <= pixels for s in seen
    )
    if height * width <= pixels:
        assert tiles == [Tile(0, height, 0, width)]


@given(
    st.integers(0, 500), st.integers(1, 300), st.integers(0, 500), st.integers(0, 99), st.sampled_from([2, 4, 8, 16])
)
def test_windows_keep_to_the_whole_images_grid(start: int, some: int, rest: int, overlap: int, multiple: int) -> None:
    stop, length = start + some, start + some + rest
    first, end = window(start, stop, length, overlap, multiple)
    assert first % multiple == 0 and (end == length or end % multiple == 0)
    assert max(0, start - overlap - multiple) <= first <= max(0, start - overlap)
    assert min(length, stop + overlap) <= end <= min(length, stop + overlap + multiple)
    back = window(length - stop, length - start, length, overlap, multiple, backwards=True)
    assert back == (length - end, length - first)


# memory


class Narrow(nn.Module):
    """Stands in for a network on a device where a pass may see only so many pixels."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.architecture = Architecture.parse("P", width=2)
        self.pixels = pixels
        self.passes: list[tuple[int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.passes.append((x.shape[-2], x.shape[-1]))
        if x.shape[-2] * x.shape[-1] > self.pixels:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x / 2


def narrow(pixels: int) -> tuple[Restorer, Any]:
    network = Narrow(pixels)
    return Restorer(network, device="cpu"), network  # type: ignore[arg-type]


@pytest.mark.parametrize("tile", ["auto", 150])
def test_out_of_memory_falls_back_to_smaller_tiles_with_a_warning(tile: Any, caplog: pytest.LogCaptureFixture) -> None:
    restorer, network = narrow(100 * 100)
    x = torch.rand(1, 1, 300, 200)
    with caplog.at_level(logging.WARNING, "clearer"):
        assert torch.equal(restorer(x, tile=tile, overlap=8), x / 2)
    failed = [p for p in network.passes if p[0] * p[1] > 100 * 100]
    assert 1 <= len(failed) <= 4 and len(caplog.messages) == len(failed)  # it remembers what is too large
    assert all("memory ran out on tiles of" in text for text in caplog.messages)


def test_progress_is_reported_after_each_pass() -> None:
    restorer, network = narrow(10**9)
    reported: list[float] = []
    restorer.restore(torch.rand(1, 300, 200), True, tile=150, overlap=8, progress=reported.append)
    assert len(network.passes) == 4 * 8 and np.allclose(reported, np.arange(1, 33) / 32)
    reported.clear()
    narrow(100 * 100)[0](torch.rand(1, 1, 300, 200), tile=150, overlap=8, progress=reported.append)  # tiles are halved
    assert reported == sorted(reported) and reported[-1] == 1


def test_progress_goes_on_from_channel_to_channel() -> None:
    restorer, _ = narrow(10**9)
    reported: list[float] = []
    how: dict[str, Any] = {"tile": 150, "overlap": 8, "color": "channels", "progress": reported.append}
    restorer.restore(torch.rand(2, 3, 300, 200), **how)
    assert np.allclose(reported, np.arange(1, 2 * 3 * 4 + 1) / 24)
    reported.clear()
    restorer.restore(torch.rand(2, 1, 300, 200).expand(-1, 3, -1, -1), **how)  # once for three equal channels
    assert reported == sorted(reported) and len(reported) == 2 * 4 + 1 and reported[-1] == 1


def test_out_of_memory_without_tiles_or_in_the_smallest_is_an_error() -> None:
    x = torch.rand(1, 1, 300, 200)
    with pytest.raises(UserError, match="200x300 pixels need more memory than cpu has; restore it in tiles"):
        narrow(100 * 100)[0](x, tile="none")
    with pytest.raises(UserError, match="200x300 pixels need more memory than cpu has; cut it"):
        narrow(8 * 8)[0](x, tile="auto", overlap=8)
    restorer, network = narrow(0)
    network.forward = lambda x: x[..., :-1] @ x  # a fault that is none of memory
    with pytest.raises(RuntimeError, match=r"must match|shapes|size"):
        restorer(x, tile=64)


def test_auto_depends_on_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    restorer, network = narrow(10**9)
    x = torch.rand(1, 1, 300, 200)
    restorer(x, tile="auto")
    assert network.passes == [(300, 200)]
    monkeypatch.setattr(restorer_module, "pixels_that_fit", lambda *a, batch: 20000 // batch)
    network.passes.clear()
    assert torch.equal(restorer(x, tile="auto", overlap=8), x / 2)
    assert len(network.passes) > 1 and all(h * w <= 20000 for h, w in network.passes)
    network.passes.clear()
    restorer(x.expand(2, -1, -1, -1), tile="auto", overlap=8)
    assert all(h * w <= 10000 for h, w in network.passes)


def test_threads_share_a_restorer_in_tiles() -> None:
    restorer = Restorer(plausible(Architecture.parse("PF-F", width=2)), device="cpu", precision="fp32")
    images = [np.random.default_rng(k).random((60 + k, 70), np.float32) for k in range(12)]
    expected = [restorer.restore(p, tile=32, overlap=8) for p in images]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda p: restorer.restore(p, tile=32, overlap=8), images))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


# options


def test_options_are_words_or_numbers() -> None:
    architecture = Architecture.parse("FPPF-FFFF-PFFP")
    full = receptive_field(architecture)
    assert [as_tiling(v) for v in ("auto", "none", 64, "64")] == ["auto", "none", 64, 64]
    values = ("auto", "full", 8, "8", 0, 10**6)
    assert [as_overlap(v, architecture) for v in values] == [min(DEFAULT_OVERLAP, full), full, 8, 8, 0, full]
    for wrong in ("full", "", "0", 0, -8, "6.5", True, None):
        with pytest.raises(UserError, match=r"^tile: .* is not auto, none or a number of pixels from 1 up"):
            as_tiling(wrong)  # type: ignore[arg-type]
    for wrong in ("none", "-1", -1, False):
        with pytest.raises(UserError, match=r"^overlap: .* is not auto, full or a number of pixels from 0 up"):
            as_overlap(wrong, architecture)


def test_a_unet_sees_farther_than_streams_do() -> None:
    streams, unet = (Architecture.parse("PP-PP-PP", unshuffle=2, topology=name) for name in ("streams", "unet"))
    deep = Architecture.parse("PPPPP-PPPPP-PPPP-PPPPP-PPPPP", unshuffle=2, topology="unet")
    assert as_overlap("auto", deep) == 14 * deep.multiple == 112 < receptive_field(deep)
    assert as_overlap("auto", unet) == min(14 * unet.multiple, receptive_field(unet))
    assert as_overlap("auto", streams) == max(DEFAULT_OVERLAP, 7 * streams.multiple)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["denoise-gray", "denoise-gray-fast", "denoise-color", "denoise-color-fast"])
def test_tiles_of_shipped_unets_do_not_show(name: str) -> None:
    restorer = clearer.load(name, "cpu", "fp32")
    pixels = read_image(SHIPPED / "camera.png", 3)[:384, :384, : restorer.architecture.channels]
    noise = np.random.default_rng(0).normal(0, 50, pixels.shape)
    x = torch.from_numpy(((pixels + noise) / 255).astype(np.float32)).permute(2, 0, 1)[None].contiguous()
    difference = (restorer(x, tile=128) - restorer(x, tile="none")).abs()
    assert 255 * float(difference.max()) < 0.25
