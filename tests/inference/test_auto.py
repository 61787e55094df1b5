"""`restore auto`: each image of a folder by the model that fits it; the others are copied."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.view import read_image
from clearer.inference import large_tiff
from clearer.inference.auto import look, restore_auto
from clearer.inference.large_tiff import center_of
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer, load
from helpers.command import clearer as command
from helpers.photos import SHIPPED
from helpers.videos import read_planes, same_planes, write_gray_video

COFFEE = read_image(SHIPPED / "coffee.png", 3)[:256, :256]


def restorer(model: str) -> Restorer:
    return load(model, "cpu", "fp32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a noisy gray image, a clean color one, and a broken file."""
    place = tmp_path / "in"
    place.mkdir()
    noise = np.random.default_rng(0).normal(0, 18, COFFEE.shape[:2])
    Image.fromarray((COFFEE[..., 0] + noise).clip(0, 255).astype(np.uint8)).save(place / "noisy.png")
    Image.fromarray(COFFEE).save(place / "clean.png")
    (place / "broken.png").write_bytes(b"no image")
    return place


def test_each_file_gets_its_model_and_clean_ones_are_copied(folder: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = restore_auto(restorer, folder, tmp_path / "out", progress=lambda *step: steps.append(step))
    models = {Path(one.file).name: one.choice.model for one in found.chosen}
    assert models["clean.png"] is None and models["noisy.png"] is not None
    assert (tmp_path / "out" / "clean.png").read_bytes() == (folder / "clean.png").read_bytes()
    clean = COFFEE[..., 0].astype(float)
    before, after = (np.asarray(Image.open(p / "noisy.png")).astype(float) for p in (folder, tmp_path / "out"))
    assert np.square(after - clean).mean() < 0.2 * np.square(before - clean).mean()
    assert [Path(name).name for name, _ in found.outcome.failed] == ["broken.png"]
    assert sorted(path.name for path in found.outcome.written) == ["clean.png", "noisy.png"]
    assert {fit.file: fit.problem for fit in found.outcome.fits} == {str(folder / "noisy.png"): None}
    assert steps and steps[-1][1] == 3


@pytest.mark.parametrize("bulk", [(), ("--workers", "1")])
def test_what_is_only_read_is_not_copied_under_the_name_of_another_format(
    tmp_path: Path, bulk: tuple[str, ...]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.gif", "b.tga", "c.jp2", "d.bmp"):
        Image.new("RGB", (48, 48), (90, 90, 90)).save(tmp_path / "in" / name)
    ended = command("restore", "auto", tmp_path / "in", "-o", tmp_path / "out", *bulk)
    assert ended.status == 0, ended.err
    for name in ("a.gif.png", "b.tga.png", "c.jp2.png"):
        with Image.open(tmp_path / "out" / name) as image:
            assert image.format == "PNG" and image.getpixel((3, 3))[:3] == (90, 90, 90)
    assert (tmp_path / "out" / "d.bmp").read_bytes() == (tmp_path / "in" / "d.bmp").read_bytes()


def test_a_raised_level_is_told(tmp_path: Path) -> None:
    """Of pages of one file: the first has white noise, by which the model is chosen, the second correlated noise."""
    generator = np.random.default_rng(0)
    white = generator.normal(0, 20, COFFEE.shape)
    soft = generator.normal(0, 30, COFFEE.shape)
    soft = (soft + np.roll(soft, 1, 0) + np.roll(soft, 1, 1) + np.roll(soft, (1, 1), (0, 1))) / 2
    pages = [(COFFEE + noise).clip(0, 255).astype(np.uint8) for noise in (white, soft)]
    tifffile.imwrite(tmp_path / "two.tif", np.stack(pages), photometric="rgb")
    found = restore_auto(restorer, tmp_path / "two.tif", tmp_path / "out.tif")
    assert found.chosen[0].choice.model == "denoise-color"
    assert found.outcome.raised == [str(tmp_path / "two.tif")]


@pytest.mark.parametrize("bulk", [(), ("--workers", "1")])
def test_a_stated_noise_level_counts_for_the_models_that_take_one(
    folder: Path, tmp_path: Path, bulk: tuple[str, ...]
) -> None:
    (folder / "broken.png").unlink()
    Image.fromarray(COFFEE).save(folder / "packed.jpg", quality=20)
    out = tmp_path / "out"
    ended = command("restore", "auto", folder, "-o", out, "--sigma", "25", "--json", "--device", "cpu", *bulk)
    assert ended.status == 0
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == ["clean.png", "noisy.png", "packed.jpg"]
    note = "--sigma 25 not used: dejpeg takes no noise level"
    if bulk:
        records = next((out / ".clearer-bulk").rglob("00000.jsonl"))
        said = [line for line in records.read_text().splitlines() if note in line]
        assert len(said) == 1 and "packed.jpg" in said[0]
        return
    facts = json.loads(ended.out)
    assert facts["notes"] == [f"{folder / 'packed.jpg'}: {note}"]
    chosen = {Path(one["file"]).name: one["model"] for one in facts["chosen"]}
    assert chosen["packed.jpg"] == "dejpeg" and not facts["estimated_levels"]
    restorer(str(chosen["noisy.png"])).restore(np.zeros((8, 8), np.uint8), level=25)  # it takes a level
    named = command("restore", chosen["noisy.png"], folder / "noisy.png", "-o", tmp_path / "n.png", "--sigma", "25")
    assert named.status == 0 and (tmp_path / "n.png").read_bytes() == (out / "noisy.png").read_bytes()


def test_a_model_that_cannot_be_loaded_ends_the_call_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    Image.fromarray(COFFEE).save(folder / "packed.jpg", quality=20)

    def partly(model: str) -> Restorer:
        if model == "dejpeg":
            raise UserError("dejpeg: damaged")
        return restorer(model)

    with pytest.raises(UserError, match="dejpeg: damaged"):
        restore_auto(partly, folder, tmp_path / "out")
    assert not any((tmp_path / "out").rglob("*.*"))


def test_a_copy_in_another_format_has_the_same_pixels(folder: Path, tmp_path: Path) -> None:
    restore_auto(restorer, folder / "clean.png", tmp_path / "a.tif", RestoreOptions(depth="16"))
    assert np.array_equal(read_image(tmp_path / "a.tif", 3, depth=None), COFFEE.astype(np.uint16) * 257)


def test_what_cannot_be_looked_at_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="standard input"):
        restore_auto(restorer, "-", tmp_path / "a.png")
    with pytest.raises(UserError, match="no such file"):
        look(tmp_path / "missing.png")
    with pytest.raises(UserError, match="broken"):
        restore_auto(restorer, folder / "broken.png", tmp_path / "b.png")


@pytest.mark.parametrize("value, fault", [(4530.64, "its floats reach from 0 to 4530.64"), (np.inf, "not finite")])
def test_values_that_cannot_be_judged_are_refused_with_the_name_of_the_file(
    value: float, fault: str, folder: Path, tmp_path: Path
) -> None:
    pixels = np.zeros((24, 24), np.float32)
    pixels[3, 3] = value
    tifffile.imwrite(folder / "far.tif", pixels)
    whole = restore_auto(restorer, folder, tmp_path / "out").outcome
    (failed,) = [error for name, error in whole.failed if name.endswith("far.tif")]
    assert failed.startswith(f"{folder / 'far.tif'}: ") and fault in failed
    with pytest.raises(UserError) as looked:
        look(folder / "far.tif")
    with pytest.raises(UserError) as restored:
        restore_auto(restorer, folder / "far.tif", tmp_path / "a.tif")
    assert str(looked.value) == str(restored.value) == failed


def test_levels_far_outside_the_stated_range_are_refused_with_the_name_of_the_file(folder: Path) -> None:
    with pytest.raises(UserError) as raised:
        look(folder / "clean.png", RestoreOptions(span=(0.0, 10.0)))
    assert str(raised.value).startswith(f"{folder / 'clean.png'}: its levels reach from")


def test_most_frames_choose_the_model_of_a_video(tmp_path: Path) -> None:
    pytest.importorskip("av")
    clean, chance = COFFEE[:192, :192, 0], np.random.default_rng(0)
    noisy = [(clean + chance.normal(0, 18, clean.shape)).clip(0, 255).astype(np.uint8) for _ in range(4)]
    source = write_gray_video(tmp_path / "a.mkv", [clean, *noisy])
    found = restore_auto(restorer, source, tmp_path / "out.mkv")
    (chosen,) = found.chosen
    assert chosen.choice.model == look(tmp_path / "a.mkv").choice.model is not None
    assert chosen.choice.line().startswith(f"{chosen.choice.model}: noise of about 1")
    assert chosen.choice.line().endswith(", independent from pixel to pixel, as in 4 of 5 frames looked at")
    restored = [planes[0] for planes in read_planes(tmp_path / "out.mkv")]
    assert len(restored) == 5 and found.outcome.written == [tmp_path / "out.mkv"]
    before, after = (np.square(np.asarray(one).astype(float) - clean).mean() for one in (noisy[2], restored[3]))
    assert after < 0.8 * before  # the level that is estimated rises slowly from that of the clean frame
    named = command("models", "--for", source)
    assert named.out.startswith(f"{chosen.choice.model}: gray video, noise of about 1")


def test_a_video_with_nothing_to_remove_is_copied_and_the_line_says_so(tmp_path: Path) -> None:
    pytest.importorskip("av")
    source = write_gray_video(tmp_path / "a.mkv", [COFFEE[:192, :192, 0]] * 3)
    ended = command("restore", "auto", source, "-o", tmp_path / "same.mkv")
    assert ended.status == 0 and f"clearer: {source}: nothing to do: nearly no noise" in ended.err
    assert (tmp_path / "same.mkv").read_bytes() == source.read_bytes()
    assert "note" not in ended.err
    other = restore_auto(restorer, source, tmp_path / "other.avi").outcome
    assert other.notes == [f"{source}: encoded anew, for another container (.avi); .mkv gives a copy"]
    assert (tmp_path / "other.avi").read_bytes()[:4] == b"RIFF"
    assert same_planes(read_planes(source), read_planes(tmp_path / "other.avi"))
    asked = restore_auto(restorer, source, tmp_path / "asked.avi", RestoreOptions(quality=100)).outcome
    assert not asked.notes


@pytest.mark.parametrize("content", [b"", b"no video at all", b"#EXTM3U\nother.ts\n"])
def test_a_video_that_cannot_be_looked_at_is_refused_with_its_name(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UserError) as raised:
        look(tmp_path / "a.mp4")
    assert str(raised.value).startswith(f"{tmp_path / 'a.mp4'}: ") and "\n" not in str(raised.value)
    with pytest.raises(UserError, match="no such file"):
        look(tmp_path / "missing.mp4")


def test_the_first_page_of_measurements_is_judged_by_the_levels_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(0)
    pages = [1000 + chance.normal(0, 20, (128, 128)), np.linspace(0, 4000, 128)[None, :].repeat(128, 0)]
    tifffile.imwrite(tmp_path / "a.tif", np.stack(pages).round().astype(np.int16), photometric="minisblack")
    assert abs(look(tmp_path / "a.tif").facts.level - 20 / 4000 * 255) < 0.3
    monkeypatch.setattr(large_tiff, "LARGE", 1)
    assert abs(look(tmp_path / "a.tif").facts.level - 20 / 4000 * 255) < 0.3


def test_a_large_tiff_is_judged_by_its_center(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 300, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, rowsperstrip=7, photometric="rgb", compression="zlib")
    center = center_of(tmp_path / "a.tif", 64).pages[0].color
    assert np.array_equal(center, pixels[13:77, 118:182])
    whole = look(tmp_path / "a.tif")
    monkeypatch.setattr(large_tiff, "LARGE", 1)
    assert look(tmp_path / "a.tif") == whole
