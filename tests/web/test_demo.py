"""The static page that restores in the browser: what it computes is what `Restorer.restore` does. `make test-web`."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import clearer
from clearer.deploy.demo import write_demo
from clearer.inference.tiling import cut, seen_by, shape_within
from clearer.noise.level import estimate_level
from clearer.noise.white_level import white_level
from helpers.chromium import Watched
from helpers.networks import BLIND, write_model
from helpers.photos import SHIPPED
from helpers.runtimes import HOW, PLACE

RUNTIME = PLACE / "node_modules" / "onnxruntime-web"
pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(not RUNTIME.is_dir(), reason=f"needs onnxruntime-web in build/runtimes; {HOW}"),
]
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class Files(SimpleHTTPRequestHandler):
    """Serves a folder as a static server does; below /isolated/ with the headers that allow threads."""

    def end_headers(self) -> None:
        for name, value in ISOLATED.items() if self.path.startswith("/isolated/") else ():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *words: object) -> None: ...


@dataclass
class Demo(Watched):
    """The page in a browser, and where its files are served."""

    url: str = field(kw_only=True)

    def open(self, folder: str) -> None:
        self.page.goto(f"{self.url}/{folder}/")
        self.page.wait_for_selector("#status >> text=Ready")

    def restore(self, file: Path) -> np.ndarray:
        self.choose(file)
        return self.press()

    def choose(self, file: Path) -> None:
        self.page.set_input_files("#file", file)
        self.page.wait_for_selector("#status >> text=Press Restore")

    def press(self) -> np.ndarray:
        """Return the file that the visitor gets."""
        self.page.click("#restore")
        self.page.wait_for_selector("#status >> text=restored in")
        with self.page.expect_download() as download:
            self.page.click("#download")
        assert download.value.suggested_filename.endswith("-restored.png")
        with Image.open(download.value.path()) as image:
            assert image.format == "PNG"
            return np.asarray(image)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A folder with the pages of a color model that takes the level, once with small tiles, and of a gray model."""
    root = tmp_path_factory.mktemp("demo")
    write_model(root / "color.safetensors", BLIND, channels=3, condition="level")
    write_model(root / "gray.safetensors", BLIND)
    for name in ("color", "gray"):
        write_demo(root / f"{name}.safetensors", root / name, RUNTIME)
    shutil.copytree(root / "color", root / "tiled")
    settings = json.loads((root / "color" / "model.json").read_text())
    (root / "tiled" / "model.json").write_text(json.dumps({**settings, "pixels": 40_000}))
    shutil.copytree(root / "tiled", root / "isolated")
    return root


@pytest.fixture(scope="module")
def served(root) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def demo(served, browser) -> Iterator[Demo]:
    demo = Demo(browser.new_page(), url=served)
    yield demo
    assert demo.complaints == []
    assert demo.hosts <= {served}
    demo.page.close()


def noisy(path: Path, size: tuple[int, int], mode: str = "RGB", sigma: float = 20) -> Path:
    """Write a photograph with noise; the second file of one name is the same."""
    with Image.open(SHIPPED / "coffee.png") as image:
        pixels = np.asarray(image.resize(size).convert(mode)).astype(np.float64)
    pixels += np.random.default_rng(0).normal(0, sigma, pixels.shape)
    Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)).save(path)
    return path


def expected(root: Path, model: str, file: Path, **how: object) -> np.ndarray:
    restorer = clearer.load(root / f"{model}.safetensors", "cpu", "fp32")
    with Image.open(file) as image:
        return np.asarray(restorer.restore(image, **how))


def assert_equal(found: np.ndarray, wanted: np.ndarray, before: Path) -> None:
    """Check that two restorations are equal but for rounding, and that something was restored."""
    assert found.shape == wanted.shape
    difference = np.abs(found.astype(int) - wanted)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3
    assert np.abs(wanted.astype(int) - np.asarray(Image.open(before))).mean() > 1


def test_an_image_is_restored_as_in_python(demo, root, tmp_path):
    file = noisy(tmp_path / "small.png", (150, 101))
    demo.open("color")
    assert not demo.page.is_enabled("#restore") and not demo.page.is_visible("#unserved")
    restored = demo.restore(file)
    assert_equal(restored, expected(root, "color", file), file)
    level = float(demo.page.input_value("#level"))
    pixels = torch.from_numpy(np.asarray(Image.open(file)) / np.float32(255)).permute(2, 0, 1)[None]
    assert level == pytest.approx(255 * estimate_level(pixels).item(), abs=0.3)  # the slider has steps of 0.5
    assert demo.page.evaluate("document.body.dataset.threads") == "1"


@pytest.mark.parametrize("folder", ["tiled", "isolated"])
def test_tiles_leave_no_seams_and_the_level_can_be_set(demo, root, tmp_path, folder):
    file = noisy(tmp_path / "large.png", (420, 300))
    settings = json.loads((root / "tiled" / "model.json").read_text())
    shape = shape_within(300, 420, settings["pixels"], settings["overlap"], settings["multiple"])
    assert len(cut(300, 420, *shape)) > 3
    demo.open(folder)
    demo.choose(file)
    demo.page.focus("#level")
    demo.page.keyboard.press("End")  # with the keyboard alone
    assert not demo.page.is_checked("#estimate") and demo.page.input_value("#level") == "75"
    wanted = expected(root, "color", file, level=75)
    assert_equal(demo.press(), wanted, file)
    assert not np.array_equal(wanted, expected(root, "color", file))
    if folder == "isolated":
        assert int(demo.page.evaluate("document.body.dataset.threads")) > 1


def test_a_gray_model_restores_color_in_two_ways_and_alpha_stays(demo, root, tmp_path):
    file = noisy(tmp_path / "color.png", (90, 70))
    demo.open("gray")
    assert not demo.page.is_visible("#level-controls")
    assert_equal(demo.restore(file), expected(root, "gray", file), file)
    demo.page.select_option("#color", "channels")
    assert_equal(demo.press(), expected(root, "gray", file, color="channels"), file)
    gray = noisy(tmp_path / "gray.png", (90, 70), "L")
    assert_equal(demo.restore(gray), expected(root, "gray", gray), gray)
    assert not demo.page.is_visible("#color-controls")
    clear = Image.open(gray).convert("LA")
    clear.putalpha(Image.fromarray(np.where(np.arange(90) < 45, 255, 128).astype(np.uint8)[None].repeat(70, 0)))
    clear.save(tmp_path / "clear.png")
    found = demo.restore(tmp_path / "clear.png")
    assert np.array_equal(found[..., 3], np.asarray(clear)[..., 1])


@pytest.mark.parametrize("model", ["color", "gray"])
@pytest.mark.parametrize("alpha", [0, 60])
def test_colors_under_transparency_are_those_of_python(demo, root, tmp_path, model, alpha):
    file = noisy(tmp_path / "clear.png", (150, 101))
    clear = Image.open(file).convert("RGBA")
    opaque = np.full((101, 150), 255, np.uint8)
    opaque[10:70, :50] = alpha
    opaque[95:] = 0
    clear.putalpha(Image.fromarray(opaque))
    clear.save(file)
    demo.open(model)
    found = demo.restore(file)
    assert_equal(found, expected(root, model, file), file)
    hidden = opaque == 0
    assert np.array_equal(found[hidden], np.asarray(clear)[hidden]) and not demo.page.is_visible("#transparent")


def test_a_browser_that_loses_colors_under_transparency_says_so(demo, tmp_path):
    Image.new("RGBA", (40, 30), (200, 100, 50, 9)).save(tmp_path / "clear.png")
    demo.open("gray")
    demo.page.evaluate("""() => {
        const { getContext } = HTMLCanvasElement.prototype;
        HTMLCanvasElement.prototype.getContext = function (kind, ...how) {
            return kind === "webgl" ? null : getContext.call(this, kind, ...how);
        };
    }""")
    demo.restore(tmp_path / "clear.png")
    assert demo.page.is_visible("#transparent >> text=differs from that of clearer restore")
    demo.restore(noisy(tmp_path / "opaque.png", (40, 30)))
    assert not demo.page.is_visible("#transparent")


@pytest.mark.parametrize("model", ["color", "gray"])
def test_equal_channels_are_averaged_in_gray_files_alone(demo, root, tmp_path, model):
    gray = noisy(tmp_path / "gray.png", (90, 70), "L")
    Image.open(gray).convert("RGB").save(tmp_path / "rgb.png")
    demo.open(model)
    for file in (gray, tmp_path / "rgb.png"):
        assert_equal(demo.restore(file), expected(root, model, file), file)


def test_a_level_beyond_the_slider_is_shown_as_the_network_is_told(demo, root, tmp_path):
    generator = np.random.default_rng(0)
    file = tmp_path / "loud.png"
    Image.fromarray(np.repeat(generator.choice([20, 235], (64, 64, 1)).astype(np.uint8), 3, 2)).save(file)
    pixels = torch.from_numpy(np.asarray(Image.open(file)) / np.float32(255)).permute(2, 0, 1)[None]
    wanted = 255 * estimate_level(pixels).item()
    demo.open("color")
    demo.restore(file)
    shown = float(demo.page.inner_text("#level-value"))
    assert wanted > 80 and shown == pytest.approx(wanted, abs=2)  # of blocks that are nearly alike, others are chosen
    assert f"noise level {shown} (estimated)" in demo.page.inner_text("#status")
    demo.page.uncheck("#estimate")  # the level stays
    told = expected(root, "color", file, level=shown).astype(int)
    assert np.abs(demo.press() - told).max() <= 1
    assert np.abs(expected(root, "color", file, level=75) - told).max() > 1


def test_the_file_chosen_last_counts_whichever_is_decoded_first(demo, tmp_path):
    demo.open("gray")
    chance = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), dtype=np.uint8)
    Image.fromarray(chance).save(tmp_path / "big.png", compress_level=1)
    demo.page.set_input_files("#file", tmp_path / "big.png")
    demo.page.set_input_files("#file", noisy(tmp_path / "small.png", (64, 48)))
    demo.page.wait_for_selector("#status >> text=64 × 48")
    demo.page.wait_for_timeout(1500)
    assert "64 × 48" in demo.page.inner_text("#status")
    assert demo.page.evaluate("document.querySelector('#before').width") == 64


def test_the_estimate_is_that_of_python(demo):
    generator = torch.Generator().manual_seed(0)
    images = []
    for size, sigma in (((3, 5), 9), ((8, 8), 20), ((64, 90), 5), ((128, 200), 30), ((7, 300), 10), ((500, 640), 15)):
        coarse = torch.rand((1, 1, 5, 5), generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, size, mode="bicubic")
        images.append((smooth + sigma / 255 * torch.randn((1, 1, *size), generator=generator)).clamp(0, 1)[0, 0])
    blurred = torch.nn.functional.avg_pool2d(0.5 + 0.2 * torch.randn((1, 1, 259, 259), generator=generator), 4, 1)
    images.append(blurred[0, 0])  # noise that neighbors share
    page = torch.full((304, 400), 0.96)
    page[40:100, 20:380] = 0.8 * (torch.rand((60, 360), generator=generator) > 0.5)
    images.append(page)  # content, left out
    images.append(page + 0.02 * torch.nn.functional.interpolate(blurred, (304, 400))[0, 0])
    demo.open("gray")
    ask = """([values, height, width]) => import('./level.js').then(({ estimateLevel }) =>
        estimateLevel([(row, column) => values[row * width + column]], height, width))"""
    for image in images:
        found = demo.page.evaluate(ask, [image.flatten().tolist(), *image.shape])
        assert found == pytest.approx(estimate_level(image[None, None]).item(), rel=1e-3, abs=1e-6), image.shape


def test_the_level_for_white_noise_is_that_of_python(demo):
    generator = torch.Generator().manual_seed(0)

    def noise(channels, height, width, sigma):
        return sigma / 255 * torch.randn((channels, height, width), generator=generator)

    smooth = torch.nn.functional.interpolate(0.2 + 0.6 * torch.rand((1, 3, 5, 5), generator=generator), (160, 200))[0]
    coarse = torch.nn.functional.avg_pool2d(noise(3, 161, 201, 40), 2, 1)
    images = [smooth + noise(3, 160, 200, 20), smooth + coarse, (smooth + noise(1, 160, 200, 20)).clamp(0, 1)]
    images += [images[0][:, :7], images[1][:, :40, :30], images[1][:1], smooth[:1] + noise(1, 160, 200, 20), smooth]
    images.append(torch.where(smooth > 0.6, 1.0, images[1].clamp(0, 1)))  # clipped in large parts
    images.append(images[2] * torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1))  # in one channel
    images.append((images[1] * 255).round() / 255)
    demo.open("gray")
    ask = """([channels, height, width]) => import('./white_level.js').then(({ whiteLevel }) => whiteLevel(
        channels.map((values) => (row, column) => values[row * width + column]), height, width, 60 / 255))"""
    raised = 0
    for image in images:
        found = demo.page.evaluate(ask, [image.flatten(1).tolist(), *image.shape[1:]])
        wanted = white_level(image[None], 60 / 255).item()
        raised += wanted > 1.5 * estimate_level(image[None]).item()
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-6), image.shape
    assert 3 <= raised < len(images) - 4


def test_tiles_are_those_of_python(demo):
    demo.open("gray")
    ask = """([height, width, pixels, overlap, multiple]) => import('./tiles.js').then((tiles) => {
        const { rows, columns } = tiles.shapeWithin(height, width, pixels, overlap, multiple);
        const seen = (tile) => tiles.seenBy(tile, height, width, overlap, multiple);
        const ends = (one) => [one.top, one.bottom, one.left, one.right];
        return tiles.cut(height, width, rows, columns).map((tile) => [ends(tile), ends(seen(tile))]);
    })"""
    chance = np.random.default_rng(0)
    for _ in range(30):
        height, width = (int(side) for side in chance.integers(1, 3000, 2))
        rest = int(10 ** chance.uniform(4, 6)), int(chance.integers(0, 120)), int(chance.choice([1, 4, 8]))
        tiles = cut(height, width, *shape_within(height, width, *rest))
        wanted = [[list(tile), list(seen_by(tile, (height, width), *rest[1:]))] for tile in tiles]
        assert demo.page.evaluate(ask, [height, width, *rest]) == wanted


def test_tiles_are_halved_when_memory_runs_out(demo):
    demo.open("gray")
    ask = """() => import('./restore.js').then(async ({ restoredTiles }) => {
        const image = { data: new Uint8ClampedArray(4 * 200 * 100).fill(60), width: 200, height: 100 };
        const network = async (x) => { if (x.length > 6000) throw new Error("bad allocation"); return x; };
        const settings = { channels: 1, overlap: 4, multiple: 4, pixels: 1e6 };
        const covered = new Uint8Array(200 * 100);
        for await (const tile of restoredTiles(image, network, settings, "luma", null))
            for (let row = tile.top; row < tile.bottom; row++) covered.fill(1 + covered[row * 200 + tile.left],
                row * 200 + tile.left, row * 200 + tile.right);
        return covered.every((times) => times === 1);
    })"""
    assert demo.page.evaluate(ask)


def test_what_cannot_be_read_is_said(demo, tmp_path):
    demo.open("gray")
    (tmp_path / "text.png").write_text("not an image")
    demo.page.set_input_files("#file", tmp_path / "text.png")
    demo.page.wait_for_selector("#status.problem >> text=text.png: this browser cannot read it as an image")
    assert not demo.page.is_enabled("#restore")


def test_stopping_ends_the_work_and_the_image_can_be_restored_again(demo, root, tmp_path):
    file = noisy(tmp_path / "large.png", (420, 300))
    demo.open("tiled")
    demo.choose(file)
    demo.page.click("#restore")
    demo.page.click("#stop")
    demo.page.wait_for_selector("#status >> text=Press Restore")
    assert not demo.page.is_visible("#download")
    assert_equal(demo.press(), expected(root, "color", file), file)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_all_controls_have_names(demo, tmp_path, width):
    demo.page.set_viewport_size({"width": width, "height": 844})
    demo.open("color")
    demo.restore(noisy(tmp_path / "wide.png", (600, 200)))
    assert demo.page.evaluate("document.documentElement.scrollWidth") <= width
    for control in demo.page.locator("button:visible, input:visible, select:visible").all():
        assert control.evaluate("one => one.labels?.length || one.textContent.trim() || one.ariaLabel")
        box = control.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] >= 18
    split = demo.page.locator("#split")
    split.focus()
    demo.page.keyboard.press("Home")
    assert "50%" not in demo.page.evaluate("getComputedStyle(document.querySelector('#after')).clipPath")


def test_the_page_says_that_it_needs_a_server(root, browser):
    page = browser.new_page()
    page.goto((root / "gray" / "index.html").as_uri())
    page.wait_for_selector("#unserved >> text=python -m http.server")
    assert not page.is_visible("#desk")
    page.close()
