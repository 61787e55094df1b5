"""Measure the front of our denoisers, quality against speed, beside FFDNet, DnCNN and BM3D, and draw it.

    python benchmarks/front.py gray denoise-gray-medium denoise-gray --data bsd68 \\
        -o docs/results/front-gray.json --figure docs/images/front-gray.png
    python benchmarks/front.py color denoise-photo denoise-color --data cbsd68 \\
        -o docs/results/front-color.json --figure docs/images/front-color.png

- ``speed``: everything restores one image of 1920x1080 float32 values in memory, in PyTorch, ONNX Runtime and, if it
  is installed, OpenVINO; all take turns, round by round, and medians count. Our models go through `Restorer.restore`,
  which estimates the noise level and checks the result; FFDNet and DnCNN are plain forward passes. BM3D, if it is
  installed, restores a smaller image. Run this on a machine that does nothing else.
- ``quality``: PSNR at sigma 15, 25 and 50, in fp32 and in bf16, on BSD68 or, for color, on its originals: a folder, or
  the name of one in ``data`` of the folder that the environment variable CLEARER_SHARED names (docs/data.md). FFDNet is
  told the level. DnCNN has published weights for 50 alone. BM3D is slow: it sees the first images (``--bm3d-images``).
  Figures that the cards of our models state, or another page of docs, are taken from there.
- ``figure``: drawn from what the JSON file holds.

Every figure is written when it is measured. A second call measures what is missing, or has other weights than before:
speeds all together, since they are compared, PSNR one by one. ``--again`` measures a part anew. Quality does not need
an idle machine: ``--parts quality`` measures it alone.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from front_figure import draw
from front_networks import Denoiser, denoisers
from front_quality import images_of, is_measured, means, measured, protocol_at, recorded, wanted
from front_speed import below_tier, measure

from clearer.core.errors import UserError
from clearer.core.files import read_json, write_text
from clearer.core.pressure import BUSY
from clearer.inference.budget import ImageSize
from clearer.inference.latency import using_threads

PARTS = ("speed", "quality", "figure")
CHANNELS = {"gray": 1, "color": 3}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=list(CHANNELS))
    parser.add_argument("names", nargs="+", metavar="NAME", help="our models: names, or NAME=PATH")
    parser.add_argument("--data", required=True, help="the test images: a folder, or a name (see above)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to do (default: all)")
    parser.add_argument("--again", nargs="+", choices=PARTS[:2], default=(), help="parts to measure anew")
    parser.add_argument("--images", type=int, help="test images, the first ones by name (default: all)")
    parser.add_argument("--bm3d-images", type=int, default=20, help="those that BM3D sees; 0 leaves it out")
    parser.add_argument("--size", default="1080p", help="of the image that is timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of each restoration (default: all cores)")
    parser.add_argument("--figure", type=Path, help="PNG file to draw")
    parser.add_argument("-o", "--out", required=True, type=Path)
    return parser.parse_args()


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    given = arguments()
    channels = CHANNELS[given.kind]
    try:
        compared = denoisers(channels, given.names, given.bm3d_images > 0)
        size = ImageSize.parse(given.size)
    except UserError as error:
        sys.exit(str(error))
    before: dict[str, Any] = read_json(given.out) if given.out.exists() else {}
    value = {
        "command": command(sys.argv[1:]),
        "channels": channels,
        "data": Path(given.data).name,
        "images": before.get("images", 0),
        "denoisers": [about(one) for one in compared],
        "speed": before.get("speed"),
        "quality": before.get("quality", []),
    }
    is_timed = "speed" not in given.again and same_speed(value["speed"], compared, size, given.threads)
    if "speed" in given.parts and not is_timed:
        with using_threads(given.threads) as threads:
            value["speed"] = measure(compared, channels, size, given.rounds, threads, say)
        save(given.out, value, "speed")
        for row in value["speed"]["rows"]:
            say(f"{row['name']:24} {row['runtime']} {row['precision']}: {row['ms_per_megapixel']:.1f} ms a megapixel")
        for line in below_tier(value["speed"]["rows"]):
            say(line)
        if value["speed"]["busy"] > BUSY:
            say(f"other programs kept this machine busy, {value['speed']['busy']:.0%} of the time: run it again, idle")
    if "quality" in given.parts:
        measure_quality(value, compared, given)
    if "figure" in given.parts and given.figure is not None:
        if value["speed"] is None or not value["quality"]:
            sys.exit(f"{given.out}: holds no speed or no quality yet, so there is nothing to draw")
        draw({**value, "psnr": means(value["quality"], channels, value["images"])}, given.figure)
        say(str(given.figure))


def command(words: list[str]) -> str:
    """Return the command that makes the whole file: without the options that choose parts of it."""
    kept, skipped = [], False
    for word in words:
        skipped = word in ("--parts", "--again") or (skipped and word in PARTS)
        kept += [] if skipped else [word]
    return f"python benchmarks/front.py {shlex.join(kept)}"


def about(denoiser: Denoiser) -> dict[str, Any]:
    facts = {"name": denoiser.name, "kind": denoiser.kind, "level": denoiser.level}
    return facts | {"macs_per_pixel": denoiser.macs_per_pixel}


def same_speed(speed: dict[str, Any] | None, compared: list[Denoiser], size: ImageSize, threads: int | None) -> bool:
    """Return whether these speeds are of the same weights, image and threads."""
    if speed is None or speed["digests"] != {one.name: one.digest for one in compared}:
        return False
    return speed["size"] == [size.width, size.height] and threads in (None, speed["threads"])


def measure_quality(value: dict[str, Any], compared: list[Denoiser], given: argparse.Namespace) -> None:
    """Measure what the rows of ``value`` do not hold yet, and write the file after each."""
    channels, items = value["channels"], images_of(given.data)[: given.images]
    value["images"] = len(items)
    known = [] if "quality" in given.again else value["quality"]
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for denoiser, sigma, precision in wanted(compared):
        protocol = protocol_at(channels, sigma)
        seen = items[: given.bm3d_images] if denoiser.kind == "classical" else items
        row = next((one for one in known if is_measured(one, denoiser, protocol, precision, len(seen))), None)
        if row is None and given.images is None:
            row = recorded(denoiser, protocol, precision, value["data"], len(seen))
        if row is None:
            row = measured(denoiser, channels, sigma, precision, seen)
            if row is None:
                continue
            say(f"{denoiser.name} {protocol} {precision}: {row['psnr']:.2f} dB on {row['images']} images")
        rows[key(row)] = row
        left = [one for one in value["quality"] if key(one) not in rows]
        save(given.out, {**value, "quality": [*rows.values(), *left]}, "quality")
    value["quality"] = list(rows.values())
    save(given.out, value, "quality")


def key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["name"], row["protocol"], row["precision"]


def save(path: Path, value: dict[str, Any], part: str) -> None:
    """Write the file after a part was measured, with a line for each row and the means that are shown.

    The other part is kept as it is in the file: another call may measure it at the same time.
    """
    if path.exists():
        others = ("speed",) if part == "quality" else ("quality", "images")
        value.update({name: there for name, there in read_json(path).items() if name in others})
    value["psnr"] = means(value["quality"], value["channels"], value["images"])

    def lines(part: object, indent: int) -> str:
        pad = " " * indent
        if isinstance(part, list) and part and isinstance(part[0], dict):
            return "[\n" + ",\n".join(f"{pad} {json.dumps(one)}" for one in part) + f"\n{pad}]"
        if isinstance(part, dict) and indent < 2:
            inside = (f"{pad} {json.dumps(key)}: {lines(one, indent + 1)}" for key, one in part.items())
            return "{\n" + ",\n".join(inside) + f"\n{pad}}}"
        return json.dumps(part)

    write_text(path, lines(value, 0) + "\n")


if __name__ == "__main__":
    main()
