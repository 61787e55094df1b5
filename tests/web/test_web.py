"""The page without a browser: its models, its folder, and its handling of images, also hostile ones."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import time
import zlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.io import read_file
from clearer.inference.choice import default_model
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer, load
from clearer.web import actions as work
from clearer.web import close_up, uploads
from clearer.web import offered as models
from clearer.web.added import Added
from clearer.web.batch import Upload
from clearer.web.callbacks import Callbacks, Choices, Visit
from clearer.web.uploads import UPLOAD, Limits
from clearer.zoo.locate import find_models
from clearer.zoo.names import is_for_use
from helpers.command import clearer as command
from helpers.networks import BLIND, stand_in, write_identity, write_model
from helpers.photos import SHIPPED, photograph
from helpers.uploads import bomb, encoded, packed_tiff, tiff, uploaded

pytestmark = pytest.mark.slow  # whole pages, figures and verbs

LIMITS = Limits(megapixels=1)
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM")


@pytest.fixture(scope="module")
def gray(tmp_path_factory) -> Restorer:
    return load(write_identity(tmp_path_factory.mktemp("gray") / "gray.safetensors"), "cpu")


@pytest.fixture(scope="module")
def color(tmp_path_factory) -> Restorer:
    return load(write_identity(tmp_path_factory.mktemp("color") / "color.safetensors", channels=3), "cpu")


# models


def test_models_come_from_the_command_line_and_from_finished_runs(tmp_path):
    one = write_identity(tmp_path / "one.safetensors")
    for name, finished in (("done", True), ("half", False), ("broken", True)):
        run = tmp_path / "runs" / name
        (run / "train").mkdir(parents=True)
        shutil.copy(one, run / "model.safetensors")
        if finished:
            (run / "train" / "result.json").write_text("{}")
    (tmp_path / "runs" / "broken" / "model.safetensors").write_bytes(b"nothing")
    found = models.offered([str(one), f"mine={one}"], tmp_path / "runs")
    shipped = {name: str(file.path) for name, file in find_models().items() if is_for_use(name)}
    photographs = default_model(shipped)
    others = [(name, path) for name, path in shipped.items() if name != photographs]
    assert list({name: model.source for name, model in found.items()}.items()) == [
        ("one", str(one)),
        ("mine", str(one)),
        (photographs, shipped[photographs]),  # the default where no model is named
        ("done", str(tmp_path / "runs" / "done")),
        *others,
    ]
    assert found["done"].about == "For gray images, noise of level 0 to 75."
    # A run that is named is not offered twice.
    named = models.offered([f"mine={tmp_path / 'runs' / 'done'}"], tmp_path / "runs")
    assert list(named) == ["mine", photographs, *dict(others)]
    assert named["denoise-photo"].about == "Color and gray photographs with noise of cameras or scanners."
    assert "denoise-gray-50" not in named and "denoise-gray-50" in models.offered(["denoise-gray-50"], tmp_path)


def test_damaged_weights_are_named_and_left_out(tmp_path, monkeypatch, caplog):
    one = write_identity(tmp_path / "one.safetensors")
    for place in (tmp_path / "models", tmp_path / "runs" / "broken"):
        place.mkdir(parents=True)
    (tmp_path / "runs" / "broken" / "train").mkdir()
    (tmp_path / "runs" / "broken" / "train" / "result.json").write_text("{}")
    (tmp_path / "runs" / "broken" / "model.safetensors").write_bytes(b"nothing")
    (tmp_path / "models" / "cut.safetensors").write_bytes(one.read_bytes()[:100])
    shutil.copy(one, tmp_path / "models" / "whole.safetensors")
    monkeypatch.setenv("CLEARER_MODELS", str(tmp_path / "models"))
    found = models.offered((), tmp_path / "runs")
    assert "whole" in found and "cut" not in found and "broken" not in found
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(": not offered: ")[0] for line in said] == ["broken", "cut"]
    assert "cut.safetensors" in said[1] and not any("\n" in line for line in said)


def test_faults_of_models_are_reported_at_once(tmp_path):
    one = write_identity(tmp_path / "one.safetensors")
    (tmp_path / "text.safetensors").write_text("text")
    for wanted, text in (
        ([str(one), f"one={one}"], "'one' names two models"),
        ([str(tmp_path / "none")], "no such weight file"),
        ([str(tmp_path / "text.safetensors")], "not a weight file"),
    ):
        with pytest.raises(UserError, match=text):
            models.offered(wanted, tmp_path / "runs")


def test_a_model_is_loaded_once_and_only_if_offered(tmp_path):
    one = write_identity(tmp_path / "one.safetensors")
    restorer = models.loader(models.offered([str(one)], tmp_path), "cpu", "fp32")
    assert restorer("one") is restorer("one")
    with pytest.raises(UserError, match="not on offer"):
        restorer(str(one))


def test_the_verb_reports_errors_before_it_serves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command("web", "--model", "nowhere")
    assert (ended.status, ended.err.count("\n")) == (2, 1) and "nowhere: no such weight file" in ended.err


# the folder


@pytest.mark.parametrize("library", ["gradio", "python_multipart"])
def test_without_the_extra_the_verb_ends_in_one_line(monkeypatch, library):
    for name in [name for name in sys.modules if name.startswith(("clearer.web.gate", "clearer.web.page"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    ended = command("web", "--port", 0)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"clearer: web: {library} is not installed; run pip install 'clearer[web]'\n"


BAD_NAMES = ("", ".", "..", "../x", "/etc", "a" * 31, "g" * 32, "A" * 32, "a" * 32 + "\n", None, 7)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_only_random_names_lead_to_an_image(tmp_path, name):
    (tmp_path / UPLOAD).write_bytes(b"x")
    with pytest.raises(UserError, match="no longer here"):
        uploads.place_of(tmp_path, name)
    place = uploaded(tmp_path, b"x")
    assert uploads.place_of(tmp_path, place.name) == place


def test_old_images_are_removed_and_then_the_least_recently_used(tmp_path):
    (tmp_path / ".lock").touch()
    places = [uploaded(tmp_path, b"x") for _ in range(6)]
    (tmp_path / "something").mkdir()
    now = time.time()
    for age, place in enumerate(places):
        os.utime(place, (now - 60 * age, now - 60 * age))
    uploads.remove_old(tmp_path, Limits(files=4), now)
    assert [place.exists() for place in places] == [True] * 4 + [False] * 2
    uploads.remove_old(tmp_path, Limits(files=4, minutes=1.5), now)
    assert [place.exists() for place in places] == [True] * 2 + [False] * 4
    uploads.remove_old(tmp_path, Limits(minutes=1), now + 3600)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_what_is_at_work_is_kept_and_counts_as_used_at_the_end(tmp_path):
    now = time.time()
    places = [uploaded(tmp_path, b"x") for _ in range(3)]
    for place in places:
        os.utime(place, (now - 4000, now - 4000))
    with uploads.held(places[0], places[1]):
        with uploads.held(places[1], tmp_path / "gone"):
            uploads.remove_old(tmp_path, Limits(files=1), now)
        os.utime(places[1], (now - 4000, now - 4000))
        uploads.remove_old(tmp_path, Limits(files=1), now)  # still held by the other
        assert [place.exists() for place in places] == [True, True, False]
    uploads.remove_old(tmp_path, Limits(), now)
    assert [place.exists() for place in places] == [True, True, False]
    uploads.remove_old(tmp_path, Limits(), now + 3700)
    assert list(tmp_path.iterdir()) == []


# images that are refused


COLOR = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)


def lab() -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(COLOR).convert("LAB").save(file, "TIFF")
        return file.getvalue()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),  # Pillow would call Ghostscript
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (bomb(), "too large: more than 178 megapixels"),
        (bomb(1001, 1000), "too large: 1001 × 1000 is 1.0 megapixels; this page takes up to 1"),
        (bomb(0, 9), "damaged|no pixels|not an image"),
        (encoded(photograph("camera.png")[..., 0])[:300], "damaged"),
        (tiff(np.float32([[0, 4000]])), r"reach from 0 to 4000, .*white\. Scale them, or use .* --range"),
        (tiff(np.float32([[0.5, np.inf]])), r"values that are not finite \(NaN or infinity\)\. Replace them\.$"),
        # Sound files of kinds that are not restored: what is the matter, and what to do.
        (tiff(COLOR[..., 0].astype(np.complex64)), "^The image cannot be used: page 1: 64-bit complex64 are .* Conv"),
        (lab(), r"^The image cannot be used: page 1: its colors .* \(CIELAB\)\. Convert it to RGB\.$"),
        (b"P5\n2 1\n99999\n" + bytes(4), r"^The image is damaged: its header cannot be read\. Take another copy\.$"),
        (b"P5\n2 1\n65535\n" + bytes(3), r"^The image is damaged: .*\. Take another copy\.$"),
        (encoded(COLOR)[:-20], r"^The image is damaged: .*the PNG is cut short\)\. Take another copy\.$"),
        (tiff(COLOR, compression="lzw")[:-900], r"^The image is damaged: .*cut short\)\. Take"),
        (tiff(COLOR, compression="jpegxl"), "^The image cannot be used: it is compressed as JPEGXL, .* Save it"),
    ],
)
def test_unusable_images_are_refused_in_one_sentence(tmp_path, gray, data, text):
    place = uploaded(tmp_path, data)
    for call in (lambda: work.show_upload(place, LIMITS), lambda: work.restore_upload(place, gray, LIMITS)):
        with pytest.raises(UserError, match=text) as caught:
            call()
        assert str(tmp_path) not in str(caught.value) and "\n" not in str(caught.value)
        assert [path.name for path in place.iterdir()] == [UPLOAD]


def test_bombs_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    large = np.zeros((2000, 2000, 3), np.uint8)
    bombs = (
        bomb(),
        bomb(12_000, 12_000),
        encoded(large, "TIFF"),
        tiff(large.astype(np.float16), photometric="rgb", compression="zlib"),  # which Pillow does not open
        # 320 pixels by the page's own header, and four million by that of its only part.
        packed_tiff(imagecodecs.jpeg_encode(large), 7),
        packed_tiff(imagecodecs.jpeg2k_encode(large, codecformat="J2K"), 34712),
        packed_tiff(imagecodecs.png_encode(large), 34933),
        packed_tiff(imagecodecs.webp_encode(large), 50001),
        packed_tiff(imagecodecs.webp_encode(large, lossless=True), 50001),
        packed_tiff(zlib.compress(large.tobytes()), 8, tile=(2000, 2000)),
    )
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_, **__: pytest.fail("decoded"))
    for data in bombs:
        with pytest.raises(UserError, match="too large"):
            work.read_upload(uploaded(tmp_path, data), LIMITS)


COFFEE = photograph("coffee.png", 24).repeat(3, axis=2)
ORIGINALS = {form: encoded(COFFEE, form) for form in FORMATS} | {
    "floats": tiff((COFFEE / 255).astype(np.float32), photometric="rgb", compression="zlib", predictor=True),
    "jpeg in tiff": tiff(COFFEE, photometric="rgb", compression="jpeg", tile=(16, 16)),
    "jpeg 2000 in tiff": tiff(COFFEE, photometric="rgb", compression="jpeg2000"),
}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    format=st.sampled_from(list(ORIGINALS)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6),
    kept=st.floats(0, 1),
)
def test_mutated_files_are_restored_or_refused_and_leave_nothing(tmp_path, gray, format, changes, kept):
    data = bytearray(ORIGINALS[format])
    for at, new in changes:
        start = int(at * len(data)) if len(new) % 2 else int(at * 64)  # as often in the header as anywhere
        data[start : start + len(new)] = new
    place = uploaded(tmp_path, bytes(data[: int(kept * len(data))] if kept < 0.5 else data))
    try:
        result = work.restore_upload(place, gray, LIMITS, Added(5, 0.4))
        assert {path.name for path in place.iterdir()} == {UPLOAD, result.folder.name}
        close_up.close_up(result.folder, (0.5, 0.5), 4)
    except UserError as error:
        assert str(tmp_path) not in str(error) and "\n" not in str(error)
        assert [path.name for path in place.iterdir()] == [UPLOAD]
    finally:
        shutil.rmtree(place)
    assert list(tmp_path.iterdir()) == []


# images that can


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 97), (97, 1, 3), (30, 41), (31, 40, 3)])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_any_size_and_either_kind_is_restored_by_either_model(tmp_path, gray, color, shape, format):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    place = uploaded(tmp_path, encoded(image, format))
    for restorer in (gray, color):  # both are the identity
        result = work.restore_upload(place, restorer, LIMITS, ensemble=True)
        for name in ("before", "before-seen", "after", "after-seen"):
            with Image.open(result.folder / f"{name}.png") as found:
                assert np.array_equal(np.asarray(found), image), name
        assert result.text.startswith(f"{shape[1]} × {shape[0]}, restored in ") and "PSNR" not in result.text
        assert ("luma only" in result.text) == (restorer is gray and image.ndim == 3)
        with Image.open(result.file) as found:
            assert found.format == format and np.array_equal(np.asarray(found), image)
        for zoom in (2, 8):
            assert close_up.close_up(result.folder, (0, 1), zoom).before.is_file()


def test_noise_is_seeded_measured_and_clipped(tmp_path, gray):
    place = uploaded(tmp_path, (SHIPPED / "camera.png").read_bytes())
    found = {}
    for seed in (1, 1, 2):
        result = work.restore_upload(place, gray, LIMITS, Added(25, seed=seed))
        with Image.open(result.folder / "before.png") as image:
            before = np.asarray(image)
        assert seed not in found or np.array_equal(found[seed], before)
        found[seed] = before
    assert not np.array_equal(found[1], found[2])
    assert "PSNR" in result.text and " 20." in result.text  # 20 log10(255 / 25) and what clipping takes away
    for sigma, seed in ((-1, 0), (101, 0), (float("nan"), 0), (5, -1), (5, 0.5), (5, float("inf"))):
        with pytest.raises(UserError):
            Added(sigma, seed=seed)
    for wet in (-0.1, 1.1, float("nan")):
        with pytest.raises(UserError):
            Added(rain=wet)


def test_rain_is_seeded_and_whitens(tmp_path, color):
    place = uploaded(tmp_path, (SHIPPED / "coffee.png").read_bytes())
    found = []
    for how in (Added(rain=0.5, seed=1), Added(rain=0.5, seed=1), Added(rain=0.5, seed=2)):
        result = work.restore_upload(place, color, LIMITS, how)
        with Image.open(result.folder / "before.png") as image:
            found.append(np.asarray(image).astype(int))
    with Image.open(SHIPPED / "coffee.png") as image:
        clean = np.asarray(image.convert("RGB")).astype(int)
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])
    assert (found[0] >= clean - 1).all() and (found[0] - clean).mean() > 2
    assert "PSNR" in result.text and work.show_upload(place, LIMITS, how)[0].is_file()


def test_the_download_is_of_the_kind_and_depth_of_the_upload(tmp_path, gray, color):
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
    place = uploaded(tmp_path, encoded(deep, "TIFF"))
    shown, text = work.show_upload(place, LIMITS)
    assert text == "30 × 20, gray, 16 bits" and shown.is_file()
    for restorer in (gray, color):
        result = work.restore_upload(place, restorer, LIMITS)
        assert result.file.name == "restored.tif" and np.array_equal(tifffile.imread(result.file), deep)
    see_through = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    turned = Image.Exif()
    turned[274] = 6
    with io.BytesIO() as file:
        Image.fromarray(see_through).save(file, "PNG", exif=turned)
        place = uploaded(tmp_path, file.getvalue())
    result = work.restore_upload(place, color, LIMITS)
    assert result.text.startswith("20 × 30, restored")  # as a screen shows it
    with Image.open(result.file) as found:
        assert found.getexif()[274] == 6 and np.array_equal(np.asarray(found), see_through)


PLANES = COLOR.transpose(2, 0, 1).astype(np.uint16)
TIFFS = {
    "float32 RGB": ((COLOR / 255).astype(np.float32), {"photometric": "rgb"}),
    "float16": ((COLOR[..., 0] / 255).astype(np.float16), {}),
    "float64": (COLOR[..., 0] / 255, {}),
    "JPEG 2000": (COLOR, {"photometric": "rgb", "compression": "jpeg2000"}),
    "PNG": (COLOR, {"photometric": "rgb", "compression": "png"}),
    "WebP": (COLOR, {"photometric": "rgb", "compression": "webp", "compressionargs": {"lossless": True}}),
    "tiles, larger than the image": (COLOR, {"photometric": "rgb", "compression": "zlib", "tile": (256, 256)}),
    "JPEG 2000 in such tiles": (COLOR, {"photometric": "rgb", "compression": "jpeg2000", "tile": (64, 64)}),
    "16 bits in planes": (PLANES, {"photometric": "rgb", "planarconfig": "separate"}),
}


@pytest.mark.parametrize("kind", TIFFS)
def test_a_tiff_is_accepted_if_the_command_line_accepts_it(tmp_path, gray, color, kind):
    image, how = TIFFS[kind]
    data = tiff(image, **how)
    clean = read_file(data).pages[0].color
    for restorer in (gray, color):  # both are the identity
        result = work.restore_upload(uploaded(tmp_path, data), restorer, Limits(megapixels=0.07), Added(0))
        found = read_file(result.file).pages[0].color
        assert found.dtype == clean.dtype and np.allclose(found, clean, atol=2e-3)
    shown, text = work.show_upload(uploaded(tmp_path, data), LIMITS, Added(9, 0.3))
    assert text.startswith("20 × 16, ") and shown.is_file()


@pytest.mark.parametrize("sigma", [0, 20])
def test_floats_without_a_value_are_shown_black_and_come_back(tmp_path, gray, sigma):
    pixels = np.full((20, 30), 0.5, np.float32)
    pixels[:, :7] = np.nan
    place = uploaded(tmp_path, tiff(pixels))
    added = Added(sigma)
    shown, _ = work.show_upload(place, LIMITS, added)
    seen = np.asarray(Image.open(shown)).astype(int)
    assert (seen[:, :7] == 0).all() and (seen[:, 7:] > 9).all() and (seen[:, 7:].std() > 9) == bool(sigma)
    result = work.restore_upload(place, gray, LIMITS, added)
    found = tifffile.imread(result.file)
    assert np.isnan(found[:, :7]).all() and np.isfinite(found[:, 7:]).all()
    assert (np.asarray(Image.open(result.folder / "after.png"))[:, :7] == 0).all()


def test_progress_goes_on_while_the_network_works(tmp_path, gray):
    pages = np.random.default_rng(0).integers(0, 256, (2, 9, 8, 3), dtype=np.uint8)
    told: list[tuple[float, str]] = []
    work.restore_upload(
        uploaded(tmp_path, tiff(pages, photometric="rgb")), gray, LIMITS, how=RestoreOptions("channels"), ensemble=True,
        progress=lambda share, doing: told.append((share, doing)),
    )  # fmt: skip
    restoring = [share for share, doing in told if doing == "Restoring"]
    assert len(restoring) == 1 + 2 * 3 * 8  # pages, channels, orientations
    assert np.allclose(restoring, np.linspace(0.1, 0.9, 49)) and told[-1] == (0.9, "Writing")


def test_pages_count_and_come_back(tmp_path, gray):
    pages = np.random.default_rng(0).integers(0, 256, (3, 20, 30), dtype=np.uint8)
    with io.BytesIO() as file:
        tifffile.imwrite(file, pages, photometric="minisblack")
        place = uploaded(tmp_path, file.getvalue())
    assert work.show_upload(place, LIMITS)[1] == "30 × 20, gray, 3 pages"
    assert np.array_equal(tifffile.imread(work.restore_upload(place, gray, LIMITS).file), pages)
    with pytest.raises(UserError, match=r"3 pages are 0\.0 megapixels"):
        work.read_upload(place, Limits(megapixels=0.0017))


def test_the_limits_count_every_page(tmp_path, monkeypatch):
    with io.BytesIO() as file:
        with tifffile.TiffWriter(file) as writer:
            for side in (8, 1000):
                writer.write(np.zeros((side, side), np.uint8), photometric="minisblack", compression="deflate")
        uneven = file.getvalue()
    with io.BytesIO() as file:
        tifffile.imwrite(file, np.zeros((101, 2, 2), np.uint8), photometric="minisblack")
        many = file.getvalue()
    phone = encoded(photograph("coffee.png").repeat(3, axis=2), "JPEG")
    with io.BytesIO() as file:
        image = Image.fromarray(np.zeros((700, 1000, 3), np.uint8))
        image.save(file, "MPO", save_all=True, append_images=[image.resize((10, 10))])
        with_preview = file.getvalue()
    assert work.show_upload(uploaded(tmp_path, with_preview), LIMITS)[1] == "1000 × 700, color"
    assert work.show_upload(uploaded(tmp_path, phone), LIMITS)[1] == "80 × 80, color"
    monkeypatch.setattr(work, "read_file", lambda *_: pytest.fail("decoded"))
    for data, said in ((uneven, "2 pages are 1.0 megapixels"), (many, "has 101 pages")):
        with pytest.raises(UserError, match=said):
            work.read_upload(uploaded(tmp_path, data), Limits(megapixels=0.2))


@pytest.mark.slow
def test_visitors_choose_the_strength_and_the_color_of_a_gray_model(tmp_path):
    changing = load(write_model(tmp_path / "changing.safetensors", BLIND), "cpu")
    place = uploaded(tmp_path, (SHIPPED / "coffee.png").read_bytes())

    def restored(**how: object) -> np.ndarray:
        with Image.open(work.restore_upload(place, changing, LIMITS, how=RestoreOptions(**how)).file) as image:  # type: ignore[arg-type]
            return np.asarray(image).astype(int)

    with Image.open(SHIPPED / "coffee.png") as image:
        clean = np.asarray(image.convert("RGB")).astype(int)
    assert np.array_equal(restored(strength=0.0), clean)
    assert np.abs(restored(strength=0.5) - clean).mean() == pytest.approx(
        np.abs(restored() - clean).mean() / 2, rel=0.2
    )
    assert not np.array_equal(restored(color="channels"), restored())


def test_visitors_set_the_noise_level_or_see_the_estimate(tmp_path):
    name = str(write_model(tmp_path / "told.safetensors", BLIND, condition="level"))
    known = models.offered([f"told={name}", f"blind={write_model(tmp_path / 'blind.safetensors', BLIND)}"])
    assert known["told"].takes_level and not known["blind"].takes_level
    place = uploaded(tmp_path, (SHIPPED / "camera.png").read_bytes())
    added = Added(20)
    restorer = models.loader(known, "cpu", "fp32")

    def restored(sigma: float | None) -> tuple[np.ndarray, work.Result]:
        result = work.restore_upload(place, restorer("told"), LIMITS, added, RestoreOptions(sigma=sigma))
        with Image.open(result.file) as image:
            return np.asarray(image), result

    blind, found = restored(None)
    assert found.level == pytest.approx(20, abs=3) and f"noise level {found.level:.1f} (estimated)" in found.text
    told, given = restored(found.level)
    assert np.array_equal(told, blind) and given.level is None and "estimated" not in given.text
    assert not np.array_equal(restored(60.0)[0], blind)
    # The callback: an estimate moves the slider; what the visitor sets is used; other models are told nothing.
    request: Any = SimpleNamespace(session_hash="visitor")
    calls = Callbacks(restorer, tmp_path, LIMITS, {"visitor": Visit([Upload(place, "camera.png")])})
    choices = Choices("told", 20, 0, 0, False, "luma", 1, "4×")
    *_, level = calls.restore(choices, request, lambda *_: None)  # type: ignore[arg-type]
    assert level["value"] == round(found.level, 1)
    text, *_, level = calls.restore(replace(choices, estimate=False, level=60), request, lambda *_: None)  # type: ignore[arg-type]
    assert "value" not in level and "estimated" not in text
    text, *_ = calls.restore(replace(choices, model="blind", estimate=False), request, lambda *_: None)  # type: ignore[arg-type]
    assert "restored in" in text


def test_a_new_result_replaces_the_old_one(tmp_path, gray):
    place = uploaded(tmp_path, ORIGINALS["PNG"])
    first, second = (work.restore_upload(place, gray, LIMITS) for _ in range(2))
    assert {path.name for path in place.iterdir()} == {UPLOAD, second.folder.name}
    with pytest.raises(UserError, match="press Restore again"):
        close_up.close_up(first.folder, (0.5, 0.5), 4)
    work.show_upload(place, LIMITS, Added(9))
    assert not second.folder.exists()


def test_an_image_removed_meanwhile_is_reported(tmp_path, gray):
    place = uploaded(tmp_path, ORIGINALS["PNG"])

    def vanish(share: float, doing: str) -> None:
        if doing == "Writing":
            shutil.rmtree(place)

    with pytest.raises(UserError, match="no longer here"):
        work.restore_upload(place, gray, LIMITS, progress=vanish)
    with pytest.raises(UserError, match="no longer here"):
        work.show_upload(place, LIMITS)
    assert list(tmp_path.iterdir()) == []


def test_large_images_are_shown_smaller_and_kept_whole(tmp_path, gray):
    place = uploaded(tmp_path, encoded(np.zeros((3, work.SHOWN_SIDE + 200), np.uint8)))
    result = work.restore_upload(place, gray, LIMITS)
    sizes = {}
    for name in ("after", "after-seen"):
        with Image.open(result.folder / f"{name}.png") as image:
            sizes[name] = image.size
    assert sizes == {"after": (work.SHOWN_SIDE + 200, 3), "after-seen": (work.SHOWN_SIDE, 3)}


def test_a_close_up_shows_the_pixels_themselves(tmp_path, gray):
    with Image.open(SHIPPED / "camera.png") as image:
        camera = np.asarray(image)
    result = work.restore_upload(uploaded(tmp_path, encoded(camera)), gray, LIMITS)
    for _ in range(6):
        close = close_up.close_up(result.folder, (0.25, 0.75), 8)
    left, top, right, bottom = close_up.region((512, 512), (0.25, 0.75), 8)
    assert (left + right, top + bottom) == (256, 768)
    with Image.open(close.restored) as shown, Image.open(close.map) as small:
        assert np.array_equal(np.asarray(shown)[::8, ::8], camera[top:bottom, left:right])
        assert shown.size == close_up.CLOSE_UP and small.size == close.map_size == (480, 480)
    assert len(list(result.folder.glob("*-close.png"))) == 3 * close_up.CLOSE_UPS_KEPT


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    center=st.tuples(st.floats(), st.floats()),
    zoom=st.sampled_from([2, 4, 8]),
)
def test_a_region_is_inside_its_image(width, height, center, zoom):
    left, top, right, bottom = close_up.region((width, height), center, zoom)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert (right - left) * zoom <= close_up.CLOSE_UP[0] and (bottom - top) * zoom <= close_up.CLOSE_UP[1]


def test_the_page_says_which_model_fits_and_where_a_model_does_not(tmp_path):
    chance = np.random.default_rng(0)
    ramp = np.linspace(60, 190, 160)[None, :].repeat(160, 0)
    noisy = (ramp + chance.normal(0, 20, ramp.shape)).round().astype(np.uint8)
    place = uploaded(tmp_path, encoded(noisy))
    assert re.match(r"Denoise-[a-z-]+: noise of about (19|20) gray levels, independent", work.suggest(place, LIMITS))
    result = work.restore_upload(place, stand_in(1), LIMITS)  # changes nothing
    assert re.search(r"About (19|20) of (19|20) gray levels of noise are left; denoise-gray", result.notes[0])
    smooth = uploaded(tmp_path, encoded(ramp.astype(np.uint8)))
    assert work.suggest(smooth, LIMITS).startswith("Nothing to do")


def test_heic_is_restored_where_its_library_is_installed(tmp_path, color, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    written = io.BytesIO()
    Image.fromarray(np.repeat(photograph("coffee.png", 64), 3, axis=2)).save(written, format="HEIF", quality=95)
    place = uploaded(tmp_path, written.getvalue())
    assert work.restore_upload(place, color, LIMITS).file.suffix == ".heic"
    with pytest.raises(UserError, match="too large: 64 × 64"):
        work.read_upload(place, Limits(megapixels=0.001))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UserError, match=r"^HEIC needs pillow-heif: run pip install 'clearer\[heif\]' .*\.$"):
        work.read_upload(place, LIMITS)
