"""TIFF files restored by rows: same result as in memory, bounded memory, written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clearer.core.errors import UserError
from clearer.images.tiff.plan import plan_of
from clearer.images.tiff.read import opened_file
from clearer.images.tiff.rows import TiffRows
from clearer.inference.large_tiff import is_large, restore_large
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.network.architecture import Architecture
from clearer.zoo.weights import save_weights
from helpers.networks import StandIn, plausible


def restorer_of(text: str = "P-F", channels: int = 1) -> Restorer:
    architecture = Architecture.parse(text, width=2, channels=channels, residual=True)
    return Restorer(plausible(architecture), device="cpu", precision="fp32")


def pixels_of(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape)
    return (values if dtype == "float32" else values * np.iinfo(dtype).max).astype(dtype)


KINDS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 7},
    "big-endian": {"byteorder": ">", "rowsperstrip": 16},
    "deflate": {"compression": "zlib", "rowsperstrip": 16},
    "tiles": {"tile": (32, 16)},
    "tiles, deflate": {"tile": (16, 32), "compression": "zlib"},
}


def written(path: Path, pixels: np.ndarray, byteorder: str = "<", **how: Any) -> Path:
    photometric = "RGB" if pixels.ndim == 3 and pixels.shape[2] >= 3 else "MINISBLACK"
    planar = {"planarconfig": "CONTIG"} if pixels.ndim == 3 else {}
    with tifffile.TiffWriter(path, byteorder=byteorder) as file:  # type: ignore[arg-type]
        file.write(pixels, **{"photometric": photometric, "metadata": None, **planar, **how})
    return path


# reading


@given(kind=st.sampled_from(sorted(KINDS)), dtype=st.sampled_from(["uint8", "uint16", "float32"]), data=st.data())
@settings(max_examples=40, deadline=None)
def test_rows_equal_those_of_the_whole_image(
    kind: str, dtype: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    samples = data.draw(st.sampled_from([None, 3, 4]))
    pixels = pixels_of((height, width) if samples is None else (height, width, samples), dtype)
    path = written(tmp_path_factory.mktemp("rows") / "a.tif", pixels, **KINDS[kind])
    whole = pixels.reshape(height, width, -1)
    with opened_file(path) as (tiff, content):
        (image,) = plan_of(tiff, content).images
        rows, top = TiffRows(image, content, "a.tif"), 0
        while top < height:
            bottom = data.draw(st.integers(top + 1, height))
            found = rows.read(top, bottom)
            assert found.dtype == np.dtype(dtype) and np.array_equal(found[0, 0], whole[top:bottom])
            top = data.draw(st.integers(top + 1, bottom))
        assert np.array_equal(rows.read(0, height)[0, 0], whole)  # backwards too


# restoring


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_restoring_by_rows_equals_restoring_in_memory(kind: str, dtype: str, tmp_path: Path) -> None:
    pixels = pixels_of((150, 70), dtype)
    source = written(tmp_path / "a.tif", pixels, **KINDS[kind])
    restorer, done = restorer_of(), list[tuple[int, int]]()
    target = restore_large(
        restorer,
        source,
        tmp_path / "new" / "b.tif",
        RestoreOptions(tile=40, overlap="full"),
        progress=lambda k, n: done.append((k, n)),
    )
    found, expected = tifffile.imread(target), restorer.restore(pixels, tile="none")
    assert found.dtype == pixels.dtype and found.shape == pixels.shape
    assert np.abs(found.astype(float) - expected).max() <= (1e-5 if dtype == "float32" else 1)
    assert (found != expected).mean() < (1 if dtype == "float32" else 0.01)  # except for rounding
    assert done == [(40, 150), (80, 150), (120, 150), (150, 150)]
    with tifffile.TiffFile(source) as old, tifffile.TiffFile(target) as new:
        assert old.byteorder == new.byteorder
        assert new.pages[0].compression == (8 if "deflate" in kind else 1)  # type: ignore[union-attr]


def test_the_ensemble_by_rows_equals_that_of_the_whole_image(tmp_path: Path) -> None:
    pixels = pixels_of((101, 67), "float32")
    source, restorer = written(tmp_path / "a.tif", pixels), restorer_of()
    options = RestoreOptions(ensemble=True, tile=48, overlap="full")
    target = restore_large(restorer, source, tmp_path / "b.tif", options)
    assert np.allclose(tifffile.imread(target), restorer.restore(pixels, True, "none"), atol=1e-5)


def test_alpha_and_color(tmp_path: Path) -> None:
    pixels = pixels_of((50, 40, 4), "uint8")
    pixels[..., 3] |= 1  # nothing is transparent altogether
    source = written(tmp_path / "a.tif", pixels, extrasamples=["UNASSALPHA"], compression="zlib")
    restorer = restorer_of(channels=3)
    found = tifffile.imread(restore_large(restorer, source, tmp_path / "b.tif"))
    assert np.array_equal(found[..., 3], pixels[..., 3])
    expected = restorer.restore(np.ascontiguousarray(pixels[..., :3]))
    assert np.abs(found[..., :3].astype(int) - expected).max() <= 1
    gray = written(tmp_path / "gray.tif", pixels[..., 0])
    found = tifffile.imread(restore_large(restorer, gray, tmp_path / "c.tif"))
    expected = restorer.restore(np.repeat(pixels[..., :1] / np.float32(255), 3, axis=2)).mean(2) * 255
    assert np.abs(found - expected).max() <= 0.51
    by_channel = tifffile.imread(
        restore_large(restorer_of(), source, tmp_path / "d.tif", RestoreOptions(color="channels"))
    )
    one = restorer_of().restore(np.ascontiguousarray(pixels[..., 1]))
    assert np.abs(by_channel[..., 1].astype(int) - one).max() <= 1


def test_white_as_zero_is_restored_as_light(tmp_path: Path) -> None:
    pixels = pixels_of((50, 40), "uint8")
    restorer = restorer_of()
    source = written(tmp_path / "a.tif", 255 - pixels, photometric="MINISWHITE")
    found = tifffile.imread(restore_large(restorer, source, tmp_path / "b.tif"))
    assert np.abs(255 - found.astype(int) - restorer.restore(pixels)).max() <= 1


def test_tags_are_kept(tmp_path: Path) -> None:
    geo = (33550, "d", 3, (2.0, 2.0, 0.0), True)
    source = written(
        tmp_path / "a.tif",
        pixels_of((30, 20), "uint16"),
        iccprofile=b"a profile",
        description="What it shows",
        software="a scanner",
        datetime="2020:01:02 03:04:05",
        resolution=(300, 150),
        resolutionunit="CENTIMETER",
        extratags=[(274, "H", 1, 6, True), geo, (700, "B", 5, b"<xmp>", True)],
    )
    target = restore_large(restorer_of(), source, tmp_path / "b.tif")
    with tifffile.TiffFile(source) as old, tifffile.TiffFile(target) as new:
        before, after = old.pages[0].tags, new.pages[0].tags  # type: ignore[union-attr]
        for code in (270, 274, 282, 283, 296, 305, 306, 700, 33550, 34675):
            assert after[code].value == before[code].value, code
        assert len(new.pages) == 1


# errors


def test_files_that_cannot_be_read_by_rows_are_refused(tmp_path: Path) -> None:
    pixels = pixels_of((64, 40), "uint8")
    pages = tmp_path / "pages.tif"
    tifffile.imwrite(pages, np.stack([pixels, pixels]), photometric="MINISBLACK", truncate=True)
    cut = written(tmp_path / "cut.tif", pixels, rowsperstrip=8)
    cut.write_bytes(cut.read_bytes()[:1500])
    broken = written(tmp_path / "broken.tif", pixels, rowsperstrip=8, compression="zlib")
    data = bytearray(broken.read_bytes())
    data[-200:] = bytes(200)
    broken.write_bytes(data)
    endless = written(tmp_path / "endless.tif", np.full((9, 9), np.inf, np.float32))
    levels = written(tmp_path / "levels.tif", np.full((9, 9), 255, np.float32))
    empty, other = tmp_path / "empty.tif", tmp_path / "other.tif"
    empty.write_bytes(b"")
    other.write_bytes(b"\x89PNG nothing of the kind")
    for source, words in (
        (pages, "several images in one directory"),
        (written(tmp_path / "deep.tif", pixels.astype(np.complex64)), "32-bit complex64|64-bit complex64"),
        (cut, "cut short"),
        (broken, "not readable"),
        (endless, "not finite"),
        (levels, "reach from 255 to 255, .* --range"),
        (empty, "not readable"),
        (other, "not readable"),
        (tmp_path / "none.tif", "no such file"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            restore_large(restorer_of(), source, tmp_path / "out" / "b.tif", RestoreOptions(tile=16))
        assert "\n" not in str(caught.value) and str(source) in str(caught.value)
        assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


class Degraded(StandIn):
    """Makes what is no image: always, or in bf16 only."""

    def __init__(self, factor: float, always: bool) -> None:
        super().__init__()
        self.factor, self.always = factor, always

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor if self.always or torch.is_autocast_enabled("cpu") else x


@pytest.mark.parametrize(("factor", "words"), [(float("nan"), "not finite"), (0.0, "nothing but black")])
def test_unsound_output_is_recomputed_in_fp32_or_refused(tmp_path: Path, factor: float, words: str) -> None:
    pixels = pixels_of((60, 40), "uint8")
    source, target = written(tmp_path / "a.tif", pixels), tmp_path / "b.tif"
    restorer = Restorer(Degraded(factor, False), device="cpu", precision="bf16")  # type: ignore[arg-type]
    restore_large(restorer, source, target, RestoreOptions(tile=32))
    assert np.array_equal(tifffile.imread(target), pixels)
    target.unlink()
    hopeless = Restorer(Degraded(factor, True), device="cpu", precision="bf16")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=rf"a\.tif: the network returned .*{words}.* in fp32 too"):
        restore_large(hopeless, source, target, RestoreOptions(tile=32))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif"]
    dark = written(tmp_path / "dark.tif", np.full((60, 40), 3, np.uint8))
    black = Restorer(Degraded(0.0, True), device="cpu", precision="fp32")  # type: ignore[arg-type]
    assert not tifffile.imread(restore_large(black, dark, target, RestoreOptions(tile=32))).any()


def test_which_files_are_large(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", pixels_of((30, 20), "uint8"))
    assert is_large(path, 600) and not is_large(path, 601) and not is_large(path)
    (tmp_path / "b.tif").write_bytes(b"nothing")
    assert not is_large(tmp_path / "b.tif", 0) and not is_large(tmp_path / "none.tif", 0)
    smaller = tmp_path / "c.tif"
    with tifffile.TiffWriter(smaller) as file:
        file.write(pixels_of((30, 20), "uint8"), subifds=1)
        file.write(pixels_of((15, 10), "uint8"), subfiletype=1)
    assert not is_large(smaller, 0)


def test_tiles_shrink_when_memory_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer, pixels = restorer_of(), pixels_of((150, 200), "uint8")
    source, expected = written(tmp_path / "a.tif", pixels), restorer.restore(pixels)
    run, limit = restorer.run, 100 * 100

    def narrow(x: Tensor) -> Tensor:
        if x.shape[-1] * x.shape[-2] > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(x)

    monkeypatch.setattr(restorer, "run", narrow)
    options = RestoreOptions(tile=120, overlap="full")
    found = tifffile.imread(restore_large(restorer, source, tmp_path / "b.tif", options))
    assert np.abs(found.astype(int) - expected).max() <= 1
    limit = 10
    with pytest.raises(UserError, match=r"a\.tif: even small tiles"):
        restore_large(restorer, source, tmp_path / "c.tif", RestoreOptions(tile=120))
    assert not (tmp_path / "c.tif").exists()


MEASURE = """
import resource, sys
from clearer.inference.large_tiff import restore_large
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import load
restorer = load(sys.argv[1], "cpu", "fp32")
restore_large(restorer, sys.argv[2], sys.argv[4], RestoreOptions(tile=256, overlap=8))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
restore_large(restorer, sys.argv[3], sys.argv[4], RestoreOptions(tile=256, overlap=8))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts kibibytes, as Linux does")
def test_memory_does_not_grow_with_the_height(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.safetensors", restorer_of("P").network, {})
    small, tall = (written(tmp_path / f"{h}.tif", pixels_of((h, 256), "uint16")) for h in (1024, 1024 * 48))
    call = [sys.executable, "-c", MEASURE, tmp_path / "a.safetensors", small, tall, tmp_path / "out.tif"]
    grown = int(subprocess.run(call, check=True, capture_output=True, text=True).stdout) * 1024
    assert tifffile.imread(tmp_path / "out.tif").shape == (1024 * 48, 256)
    assert grown < tall.stat().st_size // 2  # 24 MiB of pixels; as floats 48 MiB
