"""The page as a visitor has it: `clearer web` as its own process, driven in headless Chromium. `make test-web`."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, TimeoutError

from clearer.web.added import Added, degraded
from helpers.chromium import Watched
from helpers.networks import BLIND, write_identity, write_model
from helpers.photos import SHIPPED
from helpers.uploads import bomb

pytestmark = pytest.mark.web


@dataclass
class Visitor(Watched):
    """The page in a browser, and where the server keeps its files."""

    files: Path = field(kw_only=True)

    def upload(self, file: object) -> None:
        self.page.set_input_files("#drop input[type=file]", file)

    def kept(self) -> list[str]:
        """Return the names of all files that the server keeps, except its lock."""
        try:
            return sorted(path.name for path in self.files.rglob("*") if path.is_file() and path.name != ".lock")
        except FileNotFoundError:  # a folder was removed while it was read
            return self.kept()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The address of the page and the folder where it keeps its files; at the end nothing may be left."""
    desk = tmp_path_factory.mktemp("served")
    write_identity(desk / "identity.safetensors")
    write_identity(desk / "color.safetensors", channels=3)
    temporary = desk / "temporary"
    temporary.mkdir()
    verb = [sys.executable, "-m", "clearer", "web", "--port", "0", "--max-megapixels", "0.5", "--device", "cpu"]
    write_model(desk / "told.safetensors", BLIND, condition="level")
    verb += [
        "--model",
        "identity.safetensors",
        "--model",
        "in color=color.safetensors",
        "--model",
        "with level=told.safetensors",
    ]
    places = {**os.environ, "TMPDIR": str(temporary)}
    started = subprocess.Popen(verb, cwd=desk, env=places, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert started.stdout is not None
        said = [started.stdout.readline(), started.stdout.readline()]
        url = re.search(r"http://127\.0\.0\.1:\d+", said[1])
        assert url, said
        yield url.group(), temporary
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=30)
    finally:
        started.kill()
    assert (started.returncode, err) == (0, "")
    assert list(temporary.glob("clearer-*")) == []  # torch leaves an empty folder of its own


@pytest.fixture
def visitor(served, browser) -> Iterator[Visitor]:
    url, files = served
    visit = Visitor(browser.new_page(), files=files)
    visit.page.goto(url)
    visit.page.wait_for_selector("#drop input[type=file]", state="attached")
    yield visit
    assert visit.hosts == {url}
    # The image is deleted when the page is left.
    visit.page.close()
    ends = time.monotonic() + 20
    while visit.kept() and time.monotonic() < ends:
        time.sleep(0.1)
    assert visit.kept() == []


def downloaded(visitor: Visitor) -> np.ndarray:
    with visitor.page.expect_download() as download:
        visitor.page.click("#download")
    assert download.value.suggested_filename == "restored.png"
    with Image.open(download.value.path()) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def add_noise(page: Page, level: str) -> None:
    """Open the demonstration and add noise. Gradio may not listen yet right after a section has opened: ask again."""
    page.click("#demonstration .label-wrap")
    box = page.locator("#sigma input[type=number]")
    for _ in range(5):
        box.fill("0")
        box.fill(level)
        box.blur()
        with contextlib.suppress(TimeoutError):
            page.wait_for_selector("#status >> text=Noise added", timeout=12_000)
            return
    pytest.fail("no noise was added")


def test_an_image_is_dropped_restored_compared_and_downloaded(visitor):
    page = visitor.page
    assert not page.is_enabled("#restore") and not page.is_visible("#download")
    visitor.upload(SHIPPED / "coffee.png")
    page.wait_for_selector("#status >> text=600 × 400, color")
    add_noise(page, "25")
    page.click("#restore")
    page.wait_for_selector("#status >> text=/600 × 400, restored in .* s, luma only. PSNR .* dB → .* dB/")
    with Image.open(SHIPPED / "coffee.png") as image:
        coffee = np.asarray(image.convert("RGB"))
    assert np.array_equal(downloaded(visitor), degraded(coffee, Added(25)))  # the model is the identity
    sizes = "images => images.map(image => [image.naturalWidth, image.naturalHeight])"
    page.wait_for_function("document.querySelectorAll('#both img').length == 2")
    assert page.locator("#both img").evaluate_all(sizes) == [[600, 400]] * 2

    def close() -> list[str]:
        return page.locator("#close img").evaluate_all("images => images.map(image => image.src)")

    def changed(before: list[str]) -> list[str]:
        page.wait_for_function("old => document.querySelector('#close img').src != old", arg=before[0])
        page.wait_for_function("[...document.querySelectorAll('#close img')].every(p => p.complete && p.naturalWidth)")
        return close()

    page.wait_for_selector("#close img")
    first = close()
    page.locator("#map img").click(position={"x": 20, "y": 20})
    second = changed(first)
    page.click("#zoom >> text=8×")
    changed(second)
    assert page.locator("#close img").first.evaluate("image => image.naturalWidth") == 768
    assert visitor.complaints == []


def test_another_model_and_a_new_image_replace_the_old_ones(visitor):
    page = visitor.page
    visitor.upload(SHIPPED / "camera.png")
    page.wait_for_selector("#status >> text=512 × 512, gray")
    page.click("#model input")
    page.click("text=in color")
    page.wait_for_selector("#model >> text=For color images")
    page.click("#restore")
    page.wait_for_selector("#status >> text=restored in")
    with Image.open(SHIPPED / "camera.png") as image:
        assert np.array_equal(downloaded(visitor), np.asarray(image))
    page.click("#drop button[aria-label=Clear]")
    page.wait_for_selector("#status >> text=Your image will appear here")
    page.wait_for_selector("#download", state="hidden")
    assert visitor.kept() == [] and not page.is_enabled("#restore")
    assert visitor.complaints == []


def test_several_images_come_back_as_one_zip(visitor):
    page = visitor.page
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not an image"}
    images = [
        {"name": name, "mimeType": "image/png", "buffer": (SHIPPED / name).read_bytes()}
        for name in ("camera.png", "moon.png")
    ]
    visitor.upload([*images, text])
    page.wait_for_selector("#status >> text=/2 images. The first, camera.png: 512 × 512/")
    assert "notes.txt is left out" in page.inner_text("#status")
    page.click("#restore")
    page.wait_for_selector("#status >> text=/2 images restored in/")
    with page.expect_download() as download:
        page.click("#download >> text=as a zip")
    assert download.value.suggested_filename == "restored.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["camera.png", "moon.png"]
        for name in archive.namelist():
            with archive.open(name) as file, Image.open(file) as image, Image.open(SHIPPED / name) as original:
                assert np.array_equal(np.asarray(image), np.asarray(original))
    page.locator("#drop button[aria-label*=Remove]").first.click()
    page.wait_for_selector("#status .line >> text=/^512 × 512, gray\\. /")
    page.wait_for_selector("#status .notes li >> text=/^notes\\.txt is left out: This is not an image/")
    assert visitor.complaints == []


def test_the_noise_level_is_estimated_until_it_is_set(visitor):
    page = visitor.page
    assert not page.is_visible("#levels")
    visitor.upload(SHIPPED / "camera.png")
    page.wait_for_selector("#status >> text=512 × 512, gray")
    page.click("#model input")
    page.click("text=with level")
    page.wait_for_selector("#levels")
    page.click("#restore")
    page.wait_for_selector("#status >> text=/noise level .* \\(estimated\\)/")
    page.wait_for_function("document.querySelector('#level input[type=number]').value > 0")
    blind = downloaded(visitor)
    page.locator("#level input[type=number]").fill("60")
    page.locator("#level input[type=number]").blur()
    page.wait_for_function("!document.querySelector('#estimate input').checked")
    page.click("#restore")
    page.wait_for_function("!document.querySelector('#status').textContent.includes('estimated')")
    assert not np.array_equal(downloaded(visitor), blind)
    assert visitor.complaints == []


def test_an_estimate_beyond_the_slider_is_no_obstacle(visitor, tmp_path):
    page = visitor.page
    loud = np.random.default_rng(0).choice(np.array([8, 248], np.uint8), (160, 200))  # of level 120
    Image.fromarray(loud).save(tmp_path / "loud.png")
    visitor.upload(tmp_path / "loud.png")
    page.wait_for_selector("#status >> text=200 × 160, gray")
    page.click("#model input")
    page.click("text=with level")
    page.wait_for_selector("#levels")
    page.click("#restore")
    page.wait_for_selector("#status >> text=/noise level 1[0-9]{2}\\.[0-9] \\(estimated\\)/")
    page.wait_for_function("document.querySelector('#level input[type=number]').value == 100")
    page.click("#estimate input")
    page.click("#restore")
    page.wait_for_function("!document.querySelector('#status').textContent.includes('estimated')")
    page.wait_for_selector("#status >> text=/restored in/")
    assert visitor.complaints == []


# Each end of a stream reaches the page when `readEnd` is called.
LATE_ENDS = """() => {
  const fetched = window.fetch;
  window.fetch = async (...request) => {
    const response = await fetched(...request);
    if (!response.url.includes("/queue/data")) return response;
    const late = new TransformStream({
      async transform(part, stream) {
        const text = new TextDecoder().decode(part), end = text.indexOf('data: {"msg":"close_stream"');
        if (end < 0) return stream.enqueue(part);
        if (end > 0) stream.enqueue(new TextEncoder().encode(text.slice(0, end)));
        await new Promise(read => { window.readEnd = read; });
        stream.enqueue(new TextEncoder().encode(text.slice(end)));
      },
    });
    return new Response(response.body.pipeThrough(late), response);
  };
}"""


def test_an_event_that_meets_the_end_of_the_stream_of_another_comes_back(visitor):
    page = visitor.page
    page.evaluate(LATE_ENDS)
    page.click("#model input")
    page.click("#model ul >> text=in color")
    page.wait_for_function("window.readEnd != null")
    page.wait_for_selector("#model >> text=For color images")
    page.click("#model input")
    with page.expect_request(re.compile("/queue/join")):
        page.click("#model ul >> text=with level")
    page.wait_for_timeout(500)  # the server has queued this event, whose stream counts as open
    page.evaluate("readEnd(); window.readEnd = null")
    page.wait_for_function("window.readEnd != null")
    page.evaluate("readEnd()")
    page.wait_for_selector("#levels")
    assert visitor.complaints == []


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("empty.png", b"", "The file is empty"),
        ("text.jpg", b"not an image at all", "This is not an image"),
        ("bomb.png", bomb(), "The image is too large"),
        ("../../broken.png", (SHIPPED / "coffee.png").read_bytes()[:90_000], "The image is damaged"),
        ("<img src=x onerror=alert(1)>.png", b"x", "This is not an image"),
    ],
)
def test_unusable_files_are_refused_clearly(visitor, name, data, text):
    visitor.upload({"name": name, "mimeType": "image/png", "buffer": data})
    visitor.page.wait_for_selector(f"#status .problem >> text={text}")
    assert not visitor.page.is_enabled("#restore") and visitor.kept() == []
    assert visitor.complaints == []


def test_a_file_of_too_many_bytes_is_not_sent(visitor):
    visitor.upload({"name": "large.png", "mimeType": "image/png", "buffer": bytes(6 * 2**20)})
    visitor.page.wait_for_selector("text=/exceeds|too large|maximum/i")
    assert visitor.kept() == []


def test_nothing_overflows_on_a_phone(visitor):
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.upload(SHIPPED / "camera.png")
    page.wait_for_selector("#status >> text=512 × 512")
    page.click("#restore")
    page.wait_for_selector("#download", state="visible")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for control in page.locator("button:visible, input:visible").all():
        box = control.bounding_box()
        assert box is None or (box["x"] >= 0 and box["x"] + box["width"] <= 390), control.evaluate(
            "one => one.outerHTML"
        )
