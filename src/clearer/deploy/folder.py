"""Export a model as a folder: the ONNX file, its card, and examples in Python, C++ and JavaScript."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from clearer.core.errors import UserError
from clearer.core.files import paths_checked, write_text
from clearer.deploy.model_name import model_name
from clearer.deploy.onnx import ExportedFile, export
from clearer.images.pixels import WHOLE, Span, levels_hold
from clearer.inference.memory import bytes_per_pixel
from clearer.inference.onnx_network import INPUT, LEVEL, OUTPUT
from clearer.inference.restorer import Restorer, load
from clearer.inference.tiling import as_overlap
from clearer.network.architecture import Architecture
from clearer.zoo.card import ModelCard
from clearer.zoo.card_text import card_lines, sentence

MODEL, CARD, README = "model.onnx", "card.json", "README.md"
EXAMPLES = ("restore.py", "restore.cpp", "restore.mjs", "restore.html")
_GRAY, _RGB = 1, 3
_WHITE_16 = 65535
_LEVEL_PART = re.compile(r"@level:(.*?)@", re.DOTALL)


class ExportedFolder(TypedDict):
    """The result of `export_folder`: the folder, the names of its files, and the facts of its ONNX file."""

    path: str
    files: list[str]
    onnx: ExportedFile


class Use(NamedTuple):
    """What a program needs to know to run the ONNX file.

    Attributes:
        channels: of the image.
        takes_level: whether there is a second input, the noise level.
        multiple: tiles begin at multiples of it; the graph itself pads images to it.
        overlap: pixels around a tile with which tiles show no visible difference.
        radius: of the receptive field; with this overlap, tiles give the result of the whole image.
        bytes_per_pixel: memory that the network takes for each pixel that it sees, at most.
        black, white: the levels that 0 and 1 stand for in integer files; None: those of the data type.
    """

    channels: int
    takes_level: bool
    multiple: int
    overlap: int
    radius: int
    bytes_per_pixel: int
    black: float | None
    white: float | None


def use_of(architecture: Architecture, card: ModelCard) -> Use:
    """Return what a program needs to know to run a network."""
    low, high = card.span or (None, None)
    return Use(
        architecture.channels,
        architecture.takes_level,
        architecture.multiple,
        as_overlap("auto", architecture),
        as_overlap("full", architecture),
        int(bytes_per_pixel(architecture)),
        low,
        high,
    )


def export_folder(model: str | Path | Restorer, folder: str | Path, **options: Any) -> ExportedFolder:
    """Write a model as a folder for other programs.

    The folder holds ``model.onnx``, ``README.md`` (the model card and what a program needs to know), ``card.json``
    (both for programs), and examples that restore an image with ONNX Runtime: ``restore.py``, ``restore.cpp``,
    ``restore.mjs`` and the page ``restore.html``, which uses the latter. It is created if missing; its files of these
    names are replaced, the ONNX file first.

    Args:
        model: a model's name, a weight file, a run folder, or a restorer.
        folder: where to write.
        options: ``half``, ``int8``, ``calibrate``, ``layout`` and ``opset``, see `clearer.export`.

    Raises:
        UserError: see `clearer.export`; or the network takes neither one channel nor three, or the folder cannot be
            written.
    """
    restorer = model if isinstance(model, Restorer) else load(model, "cpu", "fp32")
    architecture, card, place = restorer.architecture, restorer.card, Path(folder)
    check_folder(place, architecture)
    name = card.name or (place.resolve().name if isinstance(model, Restorer) else model_name(model))
    with paths_checked():
        # All texts before the first file: a fault in one must not leave half a folder.
        use, body = use_of(architecture, card), _body_lines(architecture, card, examples=True)
        texts = {example: example_text(example, use) for example in EXAMPLES}
        facts = {"input": INPUT, "output": OUTPUT, **({"level": LEVEL} if use.takes_level else {}), **use._asdict()}
        texts[CARD] = json.dumps({"name": name, "use": facts, "card": card.to_dict()}, indent=1, allow_nan=False) + "\n"
        found = export(restorer, onnx=place / MODEL, **options)["onnx"]
        texts[README] = _joined([*_head_lines(name, card, found), *body])
        for file, text in texts.items():
            write_text(place / file, text)
    return {"path": str(place), "files": [MODEL, *texts], "onnx": {**found, "path": str(place / MODEL)}}


def check_folder(place: Path, architecture: Architecture) -> None:
    """Raise a UserError if a network cannot be written as a folder."""
    if architecture.channels not in (_GRAY, _RGB):
        raise UserError(
            f"{place}: the examples are for images of 1 or 3 channels, not {architecture.channels}; use --onnx FILE"
        )
    if place.exists() and not place.is_dir():
        raise UserError(f"{place}: a file, where a folder is written; name another, or use --onnx FILE.onnx")


def example_text(name: str, use: Use) -> str:
    """Return one of `EXAMPLES` for a network."""
    text = files("clearer.deploy").joinpath("examples", f"{name}.txt").read_text(encoding="utf-8")
    text = _LEVEL_PART.sub(r"\1" if use.takes_level else "", text)
    gray = use.channels == _GRAY
    low, high = _levels_of_16_bits(use)
    words = {
        "channels": str(use.channels),
        "mode": "L" if gray else "RGB",
        "images": f"an image of 8 bits, or a gray one of 16 bits{', in gray' if gray else ''}",
        "black": f"{low:g}",
        "white": f"{high:g}",
        "kind": "PGM" if gray else "PPM",
        "suffix": "pgm" if gray else "ppm",
        "magic": "P5" if gray else "P6",
        "words": "4" if use.takes_level else "3",
    }
    for key, value in words.items():
        text = text.replace(f"@{key}@", value)
    return text


def _levels_of_16_bits(use: Use) -> Span:
    """Return the levels that are 0 and 1 in files of 16 bits; a range of floats does not hold for integers."""
    if use.black is None or use.white is None or not levels_hold((use.black, use.white), _WHITE_16, 0, _WHITE_16):
        return 0, _WHITE_16
    return use.black, use.white


def readme(name: str, architecture: Architecture, card: ModelCard, file: ExportedFile, *, examples: bool = True) -> str:
    """Return the README of the folder: how to run the ONNX file, with or without ``examples``, and the model card."""
    return _joined([*_head_lines(name, card, file), *_body_lines(architecture, card, examples)])


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _head_lines(name: str, card: ModelCard, file: ExportedFile) -> list[str]:
    """Return the beginning of the README, with the facts of the ONNX file."""
    return [
        f"# {name}",
        "",
        *([sentence(card.description), ""] if card.description else []),
        f"`{MODEL}` ({file['precision']}, {file['bytes'] / 1e6:.2f} MB) runs in ONNX Runtime 1.20 or newer.",
        "",
    ]


def _body_lines(architecture: Architecture, card: ModelCard, examples: bool) -> list[str]:
    """Return the rest of the README, which is known before the ONNX file is written."""
    use = use_of(architecture, card)
    return [
        *(["## Examples", "", *example_lines(use), ""] if examples else []),
        "## Input and output",
        "",
        *use_lines(use),
        "",
        *card_lines(architecture, card),
    ]


def example_lines(use: Use) -> list[str]:
    """Return the commands of the examples as Markdown."""
    gray, sigma = use.channels == _GRAY, " 25" if use.takes_level else ""
    suffix = "pgm" if gray else "ppm"
    return [
        "Python, after `pip install onnxruntime pillow`:",
        "",
        "```sh",
        f"python restore.py noisy.png restored.png{sigma}",
        "```",
        "",
        *_program_lines(use),
        "",
        f"`restore.py` takes images of 8 bits{' and turns color into gray' if gray else ''}, and gray ones of 16 bits, "
        "and keeps the depth. PIL reads color of more bits as 8 bits: PNG, PPM and TIFF files of this kind are "
        "refused. Of a file with several pages it restores the first, and says so. Alpha, "
        "color profile and EXIF, which may state an orientation, are lost; `clearer restore` keeps them.",
        "",
        "C++, with the headers and the library of an ONNX Runtime release in `ONNXRUNTIME`:",
        "",
        "```sh",
        "g++ -std=c++17 -O2 restore.cpp -I ONNXRUNTIME/include -L ONNXRUNTIME/lib -lonnxruntime -o restore",
        f"LD_LIBRARY_PATH=ONNXRUNTIME/lib ./restore noisy.{suffix} restored.{suffix}{sigma}",
        "```",
        "",
        f"It takes {suffix.upper()} files of 8 bits and refuses others.",
        "",
        "JavaScript, in a browser: `restore.mjs` exports `restore`, and `restore.html` is a page that uses it.",
        "",
        "```sh",
        "npm install onnxruntime-web",
        "python -m http.server  # then open http://localhost:8000/restore.html",
        "```",
        "",
        "`restore` takes and returns RGBA bytes. Browsers read images of more bits as 8 bits.",
    ]


def _program_lines(use: Use) -> list[str]:
    """Return the least that a program of one's own needs, for images of 8 bits."""
    mode, planes, pixels = ("L", "[None, None]", "[0, 0]") if use.channels == _GRAY else ("RGB", "", "")
    return [
        "In a program of your own, for images of 8 bits:",
        "",
        "```python",
        "import numpy as np",
        "import onnxruntime",
        "from PIL import Image",
        "",
        f'session = onnxruntime.InferenceSession("{MODEL}")',
        f'pixels = np.asarray(Image.open("noisy.png").convert("{mode}"), np.float32) / 255',
        f"image = pixels{planes or '.transpose(2, 0, 1)[None]'}",
        f'inputs = {{"{INPUT}": image}}',
        *([f'inputs["{LEVEL}"] = np.full_like(image[:, :1], 25 / 255)  # the noise level'] if use.takes_level else []),
        f'(restored,) = session.run(["{OUTPUT}"], inputs)',
        f"restored = restored{pixels or '[0].transpose(1, 2, 0)'}.clip(0, 1)",
        'Image.fromarray((255 * restored).round().astype(np.uint8)).save("restored.png")',
        "```",
    ]


def use_lines(use: Use) -> list[str]:
    """Return what a program needs to know, as a list of Markdown."""
    low, high = (use.black, use.white) if use.white is not None else WHOLE
    deep = _levels_of_16_bits(use)
    kind = "gray" if use.channels == _GRAY else "R, G and B"
    scaled = (
        f"Divide 8 bits by 255. Levels {low:g} and {high:g} of 16-bit and floating-point files are 0 and 1."
        if deep == (low, high)
        else f"Divide 8 bits by 255 and 16 bits by {_WHITE_16}."
    )
    if use.white is not None and deep != (low, high):
        scaled += f" Levels {low:g} and {high:g} of floating-point files are 0 and 1."
    shape = f"float32 (batch, {use.channels}, height, width)"
    lines = [
        f"- **Range.** Input `{INPUT}` and output `{OUTPUT}` are {shape}: {kind}, 0 black and 1 white. {scaled} "
        "Noise may leave 0..1, so do not clip the input. The output is not clipped: clip it before you round it.",
        f"- **Size.** Any height and width from 1 up: the graph pads to a multiple of {use.multiple} and crops.",
    ]
    if use.takes_level:
        lines.append(
            f"- **Noise level.** Input `{LEVEL}` is float32 (batch, 1, height, width): the standard deviation of the "
            "noise at each pixel, in the unit of the image (gray levels of 0..255 divided by 255). Fill it with one "
            "number where the noise is the same everywhere. `clearer restore` estimates it, and may tell a color "
            "network more of noise that is not white, which it would leave otherwise."
        )
    lines.append(
        f"- **Tiles.** The network takes up to {use.bytes_per_pixel} bytes for each pixel that it sees. Cut larger "
        f"images into tiles. What the network sees of each begins at a multiple of {use.multiple}, in rows and in "
        f"columns, and reaches {use.overlap} pixels beyond the tile on each side, or to the edge of the image; keep "
        f"only the tile. With {use.radius} pixels beyond, the result is that of the whole image."
    )
    return lines
