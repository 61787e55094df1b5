"""What a run folder tells, read for its page and its summary."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from clearer.core.errors import UserError
from clearer.core.files import read_json
from clearer.network.architecture import Architecture


@dataclass(frozen=True)
class Record:
    """The contents of a run folder; what the folder lacks is empty.

    Args:
        folder: the run folder as it was given.
        recipe: text of recipe.yaml.
        architecture: from architecture.json.
        run, cost: run.json and cost.json.
        search, search_lines: search/result.json and search/metrics.jsonl.
        train, train_lines: train/result.json and train/metrics.jsonl.
        evaluations: evaluation/*.json by name, the run's own test images and no self-ensemble first.
        samples: samples.json.
    """

    folder: Path
    recipe: str
    architecture: Architecture
    run: dict[str, Any]
    cost: dict[str, Any]
    search: dict[str, Any]
    search_lines: list[dict[str, Any]]
    train: dict[str, Any]
    train_lines: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    samples: list[dict[str, Any]]

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.folder.resolve().name

    @property
    def seconds(self) -> float | None:
        """Time of search and training together, where known."""
        known = [s for s in (number(self.search, "seconds"), number(self.train, "seconds")) if s is not None]
        return sum(known) if known else None

    @property
    def before_after(self) -> tuple[float, float, str] | None:
        """PSNR of the input and of the result in dB, and where: the first protocol, else the validation."""
        places = [(e, "psnr", str(e.get("protocol", ""))) for e in self.evaluations]
        for values, key, where in (*places, (self.train, "best_psnr", "validation")):
            before, after = number(values, "input_psnr"), number(values, key)
            if before is not None and after is not None:
                return before, after, where
        return None


def read_record(run: str | Path) -> Record:
    """Read a run folder.

    Raises:
        UserError: recipe.yaml or architecture.json is missing, or a file is damaged.
    """
    folder = Path(run)
    recipe = folder / "recipe.yaml"
    try:
        text = recipe.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        raise UserError(f"{recipe}: missing or not readable; give the folder of a run") from None
    # fit names its own results by the protocol alone; a later evaluation elsewhere is not the headline.
    found = [(path.stem.removesuffix("-ensemble"), _object(path)) for path in (folder / "evaluation").glob("*.json")]
    found.sort(key=lambda entry: (entry[0] != entry[1].get("protocol"), entry[0]))
    evaluations = [evaluation for _, evaluation in found]
    samples = folder / "samples.json"
    return Record(
        folder=folder,
        recipe=text,
        architecture=Architecture.from_dict(read_json(folder / "architecture.json")),
        run=_object(folder / "run.json"),
        cost=_object(folder / "cost.json"),
        search=_object(folder / "search" / "result.json"),
        search_lines=_lines(folder / "search" / "metrics.jsonl"),
        train=_object(folder / "train" / "result.json"),
        train_lines=_lines(folder / "train" / "metrics.jsonl"),
        evaluations=sorted(evaluations, key=lambda e: bool(e.get("ensemble"))),
        samples=objects(read_json(samples)) if samples.exists() else [],
    )


def number(values: Mapping[str, Any], key: str) -> float | None:
    """The finite number under ``key``, or None."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a JSON list; nothing of any other value."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def sample_images(record: Record, sample: Mapping[str, Any]) -> dict[str, npt.NDArray[np.uint8]] | None:
    """Read a sample's ``input``, ``restored`` and ``truth``; None where one of the files is absent.

    Raises:
        UserError: a file is no image, or lies outside the run folder.
    """
    images = {}
    for key in ("input", "restored", "truth"):
        name = sample.get(key)
        if not isinstance(name, str) or not (path := record.folder / name).is_file():
            return None
        if not path.resolve().is_relative_to(record.folder.resolve()):
            raise UserError(
                f"{record.folder / 'samples.json'}: {name} is outside the run folder; name images inside it"
            )
        try:
            with Image.open(path) as image:
                images[key] = np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(f"{path}: not readable as an image ({error}); restore it again") from error
    return images


def _object(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object; remove it or run the step that writes it again")
    return value


def _lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines; a last line cut short by a crash is passed over."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    values: list[Any] = []
    for index, line in enumerate(lines):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            if index < len(lines) - 1:
                raise UserError(f"{path}: line {index + 1} is not JSON ({error}); remove that line") from error
    return objects(values)


def duration(seconds: float | None) -> str:
    """Seconds as a reader says them.

    >>> duration(0.84), duration(75), duration(8000), duration(None)
    ('0.84 s', '1 min 15 s', '2 h 13 min', '')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def count(value: float | None) -> str:
    """A count with three or four digits.

    >>> count(6073536), count(92544), count(512)
    ('6.07 M', '92.5 k', '512')
    """
    if value is None:
        return ""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.4g}{unit}" if value >= 1000 * size else f"{value / size:.3g}{unit}"
    return f"{value:.0f}"
