"""A case: a number, from which the seed file, the damage and the command follow."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz import image_seeds, run_seeds, tiff_seeds
from fuzz.byte_mutators import Mutator, mutate_bytes, set_decimal
from fuzz.part_mutators import box_parts, ebml_parts, jpeg_parts, mutate_parts, png_parts, protobuf_parts, riff_parts
from fuzz.text_mutators import mutate_json, mutate_safetensors, mutate_yaml
from fuzz.tiff_mutator import mutate_tiff

ROWS = {
    "png": "PNG", "apng": "PNG", "jpg": "JPEG", "tif": "TIFF", "dng": "TIFF", "bmp": "BMP", "gif": "GIF",
    "webp": "WebP",
    "avif": "AVIF", "heic": "HEIC", "jp2": "JPEG 2000", "j2k": "JPEG 2000", "jxl": "JPEG XL", "pbm": "Netpbm, PFM",
    "pgm": "Netpbm, PFM", "ppm": "Netpbm, PFM", "pfm": "Netpbm, PFM",
}  # fmt: skip
"""The row of the table for a suffix of image files; others are "other images"."""

OTHER, VIDEO = "other images", "videos"
SHARES = {
    "PNG": 10, "JPEG": 10, "TIFF": 24, "BMP": 4, "GIF": 3, "WebP": 4, "AVIF": 3, "HEIC": 3, "JPEG 2000": 3,
    "JPEG XL": 4,
    "Netpbm, PFM": 5, OTHER: 5, VIDEO: 8, "folders": 3, "recipe": 12, "weight file": 9, "ONNX file": 3, "checkpoint": 2,
    "run folder": 8, "noise level map": 1,
}  # fmt: skip
"""How often each kind is tried, per hundred or so."""

_BOXES = ("avif", "heic", "jp2", "jxl", "mp4", "mov")


@dataclass(frozen=True)
class Case:
    """A damaged file and the chance that decides what is done with it."""

    number: int
    kind: str
    seed: str
    data: bytes
    chance: random.Random


class Seeds:
    """The sound files, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, list[str]] = {}
        for path in sorted((folder / "files").iterdir()):
            suffix = path.suffix[1:]
            row = VIDEO if path.name in run_seeds.VIDEOS else ROWS.get(suffix, OTHER)
            self.names.setdefault(row, []).append(path.name)
        inside = sorted(p.relative_to(folder) for p in (folder / "run").rglob("*") if p.is_file())
        self.names |= {
            "folders": [name for row in ("PNG", "TIFF", "JPEG") for name in self.names[row]],
            "recipe": [run_seeds.RECIPE, *(p.name for p in folder.glob("shipped-*.yaml"))],
            "weight file": [f"{name}.safetensors" for name in ("gray", "color", "level")],
            "ONNX file": ["gray.onnx", "level.onnx"],
            "checkpoint": [str(p) for p in inside if "checkpoints" in p.parts],
            "run folder": [str(p) for p in inside if p.suffix in (".yaml", ".json", ".jsonl", ".safetensors", ".png")
                           and "checkpoints" not in p.parts],
            "noise level map": ["level.npy"],
        }  # fmt: skip

    def path(self, name: str) -> Path:
        """Return the path of a sound file."""
        path = self.folder / "files" / name
        return path if path.exists() else self.folder / name

    def case(self, seed: int, number: int, kinds: dict[str, int] | None = None) -> Case:
        """Return a case by its number.

        Args:
            seed: of the whole campaign.
            number: of the case.
            kinds: shares by kind; default: `SHARES`.
        """
        chance = random.Random(f"{seed} {number}")
        shares = kinds or SHARES
        (kind,) = chance.choices(list(shares), list(shares.values()))
        name = chance.choice(self.names[kind])
        data = self.path(name).read_bytes()
        mutate = mutator_of(name)
        for _ in range(chance.choice((1, 1, 1, 1, 2, 3))):
            # Damage without regard to the format a third of the time.
            data = (mutate if chance.random() < 0.67 else mutate_bytes)(data, chance)
        return Case(number, kind, name, data, chance)


def mutator_of(name: str) -> Mutator:
    """Return the mutator that knows the format of a file, by its name."""
    suffix = Path(name).suffix[1:]
    splits: dict[str, Callable[[bytes], Any]] = {
        "png": png_parts, "apng": png_parts, "jpg": jpeg_parts, "webp": riff_parts, "avi": riff_parts,
        "onnx": protobuf_parts,
        "mkv": ebml_parts, "webm": ebml_parts, **dict.fromkeys(_BOXES, box_parts),
    }  # fmt: skip
    if suffix in splits:
        return lambda data, chance: mutate_parts(data, chance, splits[suffix])
    known: dict[str, Mutator] = {
        "tif": mutate_tiff, "dng": mutate_tiff, "yaml": mutate_yaml, "json": mutate_json, "jsonl": mutate_json,
        "safetensors": mutate_safetensors, **dict.fromkeys(("pbm", "pgm", "ppm", "pfm", "xbm", "npy", "im", "y4m"),
        set_decimal),
    }  # fmt: skip
    return known.get(suffix, mutate_bytes)


def write_seeds(folder: Path) -> None:
    """Write all sound files; a folder that is there is whole and stays."""
    if folder.exists():
        return
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    files = new / "files"
    files.mkdir(parents=True)
    images = image_seeds.png_seeds() | image_seeds.jpeg_seeds() | image_seeds.box_seeds() | image_seeds.netpbm_seeds()
    for name, data in (images | image_seeds.other_seeds() | tiff_seeds.tiff_seeds()).items():
        (files / name).write_bytes(data)
    run_seeds.write_videos(files)
    run_seeds.write_models(new)
    run_seeds.write_run(new)
    run_seeds.write_recipes(new)
    new.rename(folder)
