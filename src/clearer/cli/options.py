"""Options that several verbs share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from clearer.cli.verb import argument, option, whole
from clearer.core.errors import UserError

if TYPE_CHECKING:
    from clearer.data.folders import Folders


_MOST_BANDS = 65535

ROBUSTNESS = "robustness"
"""The protocol of many rows, `clearer.evaluation.robustness.NAME`, named here without importing torch."""


def model_names() -> list[str]:
    """Return the names of the pretrained models."""
    from clearer.zoo.locate import find_models

    return list(find_models())


def recipe_names() -> list[str]:
    """Return the names of the training recipes."""
    from clearer.recipe.load import shipped_recipes

    return list(shipped_recipes())


def protocol_names() -> list[str]:
    """Return the names of the protocols, each with one level."""
    from clearer.evaluation.protocols import example_names

    return [*example_names(), ROBUSTNESS]


def method_names() -> list[str]:
    """Return the values of ``--classical``, except lists of several."""
    from clearer.methods.registry import METHODS

    return [*METHODS, "all", "none"]


def device_names() -> list[str]:
    """Return the values of ``--device``."""
    return ["auto", "cpu", "cuda", "mps"]


def precision_names() -> list[str]:
    """Return the values of ``--precision``."""
    return ["auto", "fp32", "bf16"]


def layout_names() -> list[str]:
    """Return the values of ``--layout``."""
    return ["auto", "clean", "pairs", "side-by-side"]


Model = Annotated[
    Path,
    argument("MODEL", "Name of a pretrained model, weight file, run folder or .onnx file.", complete=model_names),
]
Clean = Annotated[str | None, option("Data", "Clean images of pairs in two folders.", metavar="FOLDER")]
Degraded = Annotated[
    str | None, option("Data", "Degraded images of these pairs, with the same file names.", metavar="FOLDER")
]
Channel = Annotated[
    str | None,
    option("Data", "Channel of stacks or of files FIELD_CHANNEL, such as 2 or DAPI (default: all).", metavar="NAME"),
]
Range = Annotated[
    str | None,
    option(
        "Data",
        "Black and white in files of 16 bits or floats, such as 0,4095 (default: detected).",
        "--range",
        metavar="LOW,HIGH",
    ),
]
Limit = Annotated[int | None, option("Data", "Measure only the first N images.", metavar="N", parser=whole(1))]
Layout = Annotated[str, option("Data", "auto, clean, pairs or side-by-side.", metavar="LAYOUT", complete=layout_names)]
Set = Annotated[
    list[str] | None,
    option("Training", "Replace a recipe setting, such as train.epochs=8; repeatable.", "--set", metavar="KEY=VALUE"),
]
Ensemble = Annotated[
    bool, option("Restoration", "Average over 8 flips and rotations; takes 8 times as long.", "--ensemble")
]
Jobs = Annotated[
    int | None,
    option("Device", "Runs in parallel (default: one per core, or one on a GPU).", metavar="N", parser=whole(1)),
]
Seed = Annotated[int, option("Evaluation", "Noise seed; keep 0 for comparable results.", metavar="N", parser=whole(0))]
Device = Annotated[str, option("Device", "auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE", complete=device_names)]
Precision = Annotated[str, option("Device", "auto, fp32 or bf16.", metavar="PRECISION", complete=precision_names)]
ResultFolder = Annotated[Path, option("Output", "Result folder.", "--out", "-o", metavar="FOLDER")]
Json = Annotated[bool, option("Output", "Print one line of JSON; all else goes to stderr.", "--json")]


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Images by one folder or two folders of pairs."""

    data: Annotated[str | None, option("Data", "Folder of images or of pairs.", metavar="FOLDER")] = None
    clean: Clean = None
    degraded: Degraded = None
    clean_pattern: Annotated[
        str | None,
        option("Data", "Names of clean images, such as '*_gt'; partners have * in common.", metavar="PATTERN"),
    ] = None
    degraded_pattern: Annotated[
        str | None, option("Data", "Names of degraded images, such as '*_in'.", metavar="PATTERN")
    ] = None

    def pairs(self) -> dict[str, str] | None:
        """Return the two folders of pairs, or None where ``--data`` or nothing is given.

        With a pattern, ``--data`` is the folder of both.

        Raises:
            UserError: one of the two is missing, or ``--data`` is given too.
        """
        patterns = {"clean_pattern": self.clean_pattern, "degraded_pattern": self.degraded_pattern}
        given = {key: pattern for key, pattern in patterns.items() if pattern is not None}
        both = self.data is not None and bool(given) and self.clean is None and self.degraded is None
        found = {"clean": str(self.data), "degraded": str(self.data)} if both else None
        found = found or pairs_of(self.data, self.clean, self.degraded)
        if found is None and given:
            raise UserError("--clean-pattern, --degraded-pattern: no images are named; give --data FOLDER")
        return None if found is None else {**found, **given}

    def one_folder(self) -> str | None:
        """Return ``--data``, where two folders of pairs make no sense.

        Raises:
            UserError: ``--clean``, ``--degraded`` or a pattern is given.
        """
        if pairs := self.pairs():
            given = f"--clean {self.clean}" if self.data is None else f"--{list(pairs)[-1].replace('_', '-')}"
            raise UserError(f"{given}: {ROBUSTNESS} degrades images itself; give --data FOLDER alone")
        return self.data

    def images(self) -> str | Folders:
        """Return the folder, or the two folders of pairs.

        Raises:
            UserError: none is given; or see `pairs`.
        """
        from clearer.data.folders import Folders

        pairs = self.pairs()
        if pairs is None and self.data is None:
            raise UserError("images: none are named; give a folder, or --clean FOLDER and --degraded FOLDER")
        return Folders(**pairs) if pairs else str(self.data)


def pairs_of(data: str | None, clean: str | None, degraded: str | None) -> dict[str, str] | None:
    """See `ImageOptions.pairs`."""
    if clean is None and degraded is None:
        return None
    if clean is None or degraded is None:
        missing = "--clean" if clean is None else "--degraded"
        raise UserError(f"--clean, --degraded: {missing} is missing; pairs in two folders need both")
    if data is not None:
        raise UserError(f"{data}: given together with --clean and --degraded; leave out one of them")
    return {"clean": clean, "degraded": degraded}


def parsed(settings: list[str] | None) -> dict[str, Any]:
    """Return the values of ``--set`` by key."""
    from clearer.recipe.load import parse_override

    return dict(parse_override(text) for text in settings or [])


def span_of(text: str) -> tuple[float, float]:
    """Return the two numbers of ``--range``.

    Raises:
        UserError: they are not two finite numbers, the smaller one first.
    """
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UserError(f"--range {text}: not of the form LOW,HIGH, two numbers") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"--range {text}: not of the form LOW,HIGH, two finite numbers, the smaller one first")
    return low, high


def bands_of(text: str) -> tuple[int, ...]:
    """Return the numbers of ``--bands``, such as ``1,3`` or ``2-4``.

    Raises:
        UserError: they are not numbers from 1.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not (first.strip().isdecimal() and (not dash or last.strip().isdecimal())):
            raise UserError(f"--bands {text}: not numbers from 1, such as 1,3 or 2-4")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= _MOST_BANDS:
            raise UserError(f"--bands {text}: not numbers from 1 to {_MOST_BANDS}, the smaller one first")
        found += range(low, high + 1)
    return tuple(dict.fromkeys(found))
