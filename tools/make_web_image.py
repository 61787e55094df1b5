"""Write docs/images/web.png: a screenshot of `clearer web` in Chromium, with a noisy photograph of scikit-image.

python tools/make_web_image.py
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import skimage
from PIL import Image
from playwright.sync_api import sync_playwright

PHOTOGRAPH = Path(skimage.__file__).parent / "data" / "coffee.png"
PLACE = Path(__file__).parents[1] / "docs" / "images" / "web.png"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    verb = [sys.executable, "-m", "clearer", "web", "--port", "0"]
    served = subprocess.Popen(verb, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        served.stdout.readline()
        url = served.stdout.readline().split()[1]
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
            chromium = playwright.chromium
            browser = chromium.launch_persistent_context(
                profile, executable_path="/usr/bin/chromium", args=FLAGS, viewport={"width": 1180, "height": 1060}
            )
            page = browser.pages[0]
            page.set_default_timeout(180_000)
            page.goto(url)
            page.set_input_files("#drop input[type=file]", PHOTOGRAPH)
            page.wait_for_selector("#status >> text=Press Restore")
            page.click("#demonstration .label-wrap")
            page.locator("#sigma input[type=number]").fill("25")
            page.locator("#sigma input[type=number]").blur()
            page.wait_for_selector("#status >> text=Noise added")
            page.click("#restore")
            page.wait_for_selector("#status >> text=restored in")
            before = page.locator("#close img").first.get_attribute("src")
            page.locator("#map img").click(position={"x": 118, "y": 92})
            page.wait_for_function("old => document.querySelector('#close img').src != old", arg=before)
            page.mouse.move(0, 0)
            page.wait_for_timeout(1500)
            page.screenshot(path=PLACE, full_page=True)
            browser.close()
    finally:
        served.send_signal(signal.SIGINT)
        served.wait()
    with Image.open(PLACE) as image:
        small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(PLACE, optimize=True)


if __name__ == "__main__":
    main()
