"""The commands that are killed: how each is called, and the inputs that they share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from helpers.networks import BLIND, write_model
from helpers.noisy_images import noisy_folder
from helpers.photos import write_photos
from helpers.recipes import TINY
from helpers.videos import write_video

LONGER: dict[str, Any] = {**TINY, "search.epochs": 4, "train.epochs": 6, "train.average": 0.9}
NOISY: dict[str, Any] = {
    key: value for key, value in TINY.items() if key.split(".")[0] in ("precision", "network", "checkpoint_minutes")
} | {
    "architecture": "PP", "train.epochs": 4, "train.steps_per_epoch": 4, "train.batch": 2, "train.patch": 32,
    "train.validate_every": 2, "teacher.epochs": 2, "train.optimizer.warmup_epochs": 1,
}  # fmt: skip


def _set(values: dict[str, Any]) -> str:
    return " ".join(f"--set {key}={json.dumps(value)}" for key, value in values.items())


def _nothing() -> None:
    pass


def _by_rows() -> None:
    """Restore small TIFF files by rows, as large ones are."""
    from clearer.inference import large_tiff

    large_tiff.LARGE, large_tiff.BAND_ROWS, large_tiff.FEWEST_BAND_ROWS = 1000, 16, 8


@dataclass(frozen=True)
class Command:
    """A command that writes into the folder ``out``.

    Attributes:
        name: its first word is the verb, in the table.
        line: the arguments of ``clearer``, without spaces in them.
        needs: what it imports.
        prepare: called in its process before it runs.
        is_final: a file of a final name holds at once what it holds at the end.
        shared: the folder ``out`` may hold files of others.
    """

    name: str
    line: str
    needs: tuple[str, ...] = ("clearer.inference.files",)
    prepare: Callable[[], None] = _nothing
    is_final: bool = True
    shared: bool = True

    @property
    def arguments(self) -> list[str]:
        """The arguments of ``clearer``."""
        return self.line.split()

    @property
    def verb(self) -> str:
        """The verb, by which kills are counted."""
        return self.name.partition(" ")[0]


_FIT = ("clearer.pipeline.fit", "clearer.report.page", "matplotlib.pyplot")
_FILES = ("clearer.inference.files", "clearer.images.tiff.rewrite", "clearer.inference.large_tiff")
_VIDEO = ("clearer.inference.video.restore", "av")
_MODEL = "model.safetensors"
_EXPORT = ("clearer.deploy.onnx", "clearer.deploy.quantize", "torch.onnx", "torch.export", "onnx", "onnxruntime")
_MEASURE = ("clearer.pipeline.evaluate", "clearer.experiments.protocols")


def _run(name: str, line: str) -> Command:
    """Return a command that makes a run folder, whose files change while it works."""
    return Command(name, f"{line} -o out", _FIT, is_final=False, shared=False)


COMMANDS = (
    _run("search", f"search quickstart --data photos {_set(LONGER)}"),
    _run("train", f"train quickstart --data photos --architecture PF {_set(LONGER)}"),
    _run("fit RECIPE", f"fit quickstart --data photos {_set(TINY)}"),
    _run("fit --noisy", f"fit --noisy noisy {_set(NOISY)}"),
    Command("restore FOLDER", "restore model.safetensors mixed -o out --pattern *", (*_FILES, *_VIDEO)),
    Command("restore VIDEO", "restore model.safetensors mixed/film.mkv -o out/film.mkv", (*_FILES, *_VIDEO)),
    Command("restore --skip-existing", "restore model.safetensors mixed -o out -r --skip-existing", _FILES),
    Command("restore by rows", "restore model.safetensors tall.tif -o out/tall.tif", _FILES, _by_rows),
    Command("restore --compare", "restore auto mixed/a.png -o out/a.png --compare out/both.png", _FILES),
    Command("export --onnx", "export model.safetensors --onnx out/m.onnx --half", _EXPORT),
    Command("export --int8", "export model.safetensors --onnx out/m.onnx --int8 --calibrate photos", _EXPORT),
    Command("export --torch", "export model.safetensors --torch out/m.pt2", _EXPORT),
    Command("evaluate", "evaluate model.safetensors --data photos -o out/r.json --protocol gray-awgn-50", _MEASURE),
    Command("compare-protocols", f"compare-protocols {_MODEL} --data photos --sigma 25 -o out/p.json", _MEASURE),
)  # fmt: skip

PAGE = Command("web", "web --model model.safetensors --port 0 --device cpu", ("clearer.web.server", "clearer.web.page"))


def make_inputs(desk: Path) -> None:
    """Write the images, the video and the model that the commands read."""
    for part in ("tmp", "log"):
        (desk / part).mkdir(parents=True)
    write_photos(desk / "photos")
    noisy_folder(desk / "noisy", 4)
    write_model(desk / "model.safetensors", BLIND)
    mixed = desk / "mixed"
    (mixed / "below").mkdir(parents=True)
    chance = np.random.default_rng(0)
    for name, size in (("a.png", (60, 90)), ("b.png", (40, 50, 3)), ("c.jpg", (64, 64, 3)), ("below/d.png", (30, 30))):
        Image.fromarray(chance.integers(0, 256, size, dtype=np.uint8)).save(mixed / name)
    pages = chance.integers(0, 65536, (5, 48, 40), dtype=np.uint16)
    tifffile.imwrite(mixed / "stack.tif", pages, photometric="minisblack", compression="zlib")
    tifffile.imwrite(desk / "tall.tif", chance.integers(0, 65536, (400, 60), dtype=np.uint16), rowsperstrip=16)
    write_video(mixed / "film.mkv", size=(48, 32), count=12)
