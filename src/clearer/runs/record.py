"""Record: the contents of a run folder, read for its page and its summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from clearer.core.errors import UserError
from clearer.core.parse import is_finite
from clearer.network.architecture import Architecture
from clearer.runs.layout import RunFolder
from clearer.runs.schema import (
    CostTable,
    EpochLine,
    EvaluationRecord,
    Ranking,
    RunRecord,
    SampleEntry,
    SearchResult,
    TrainResult,
)


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
        evaluations: evaluation/*.json; the run's own results first, self-ensembles last.
        samples: samples.json.
        noise, ranking: noise.json and ranking.json, of runs without ground truth.
    """

    folder: Path
    recipe: str
    architecture: Architecture
    run: RunRecord
    cost: CostTable
    search: SearchResult
    search_lines: list[EpochLine]
    train: TrainResult
    train_lines: list[EpochLine]
    evaluations: list[EvaluationRecord]
    samples: list[SampleEntry]
    noise: Mapping[str, Any]
    ranking: Ranking

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
        """PSNR in dB of the input and of the result, and where: the first protocol, else the validation images."""
        places: list[tuple[Mapping[str, object], str, str]] = [
            *((e, "psnr", str(e.get("protocol", ""))) for e in self.evaluations),
            (self.train, "best_psnr", "validation"),
        ]
        for values, key, where in places:
            before, after = number(values, "input_psnr"), number(values, key)
            if before is not None and after is not None:
                return before, after, where
        return None


def read_record(run: str | Path) -> Record:
    """Read a run folder.

    Raises:
        UserError: recipe.yaml or architecture.json is missing, or a file is damaged.
    """
    folder = RunFolder(Path(run))
    try:
        recipe = folder.recipe.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        raise UserError(f"{folder.recipe}: missing or not readable; give the folder of a run") from None
    return Record(
        folder=folder.path,
        recipe=recipe,
        architecture=folder.read_architecture(),
        run=folder.read_record() if folder.record.exists() else {},
        cost=folder.read_cost() if folder.cost.exists() else {},
        search=folder.search.read_result() if folder.search.finished else {},
        search_lines=folder.search.read_metrics(),
        train=folder.train.read_result() if folder.train.finished else {},
        train_lines=folder.train.read_metrics(),
        evaluations=_in_order(folder.read_evaluations()),
        samples=folder.read_samples(),
        noise=folder.read_noise(),
        ranking=folder.read_ranking() if folder.ranking.exists() else {},
    )


def _in_order(evaluations: dict[str, EvaluationRecord]) -> list[EvaluationRecord]:
    """Sort the results on test images: the run's own first, self-ensembles last."""
    named = [(name.removesuffix("-ensemble"), values) for name, values in evaluations.items()]
    # fit names its own results by the protocol alone; a later evaluation elsewhere is not the headline.
    named.sort(key=lambda entry: (entry[0] != entry[1].get("protocol"), entry[0]))
    return sorted((values for _, values in named), key=lambda values: bool(values.get("ensemble")))


def number(values: Mapping[str, object], key: str) -> float | None:
    """Return the finite number under ``key``, or None."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
        return None
    return float(value)


def sample_images(record: Record, sample: SampleEntry) -> dict[str, npt.NDArray[np.uint8]] | None:
    """Read a sample's ``input``, ``restored``, and ``truth`` or ``removed``; None where one of the files is absent.

    Raises:
        UserError: a file is not an image, or lies outside the run folder.
    """
    images = {}
    for key in ("input", "restored", "removed" if "removed" in sample else "truth"):
        name = sample.get(key)
        if not isinstance(name, str) or not (path := record.folder / name).is_file():
            return None
        if not path.resolve().is_relative_to(record.folder.resolve()):
            samples = RunFolder(record.folder).sample_list
            raise UserError(f"{samples}: {name} is outside the run folder; name images inside it")
        try:
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                images[key] = np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(f"{path}: not readable as an image ({error}); restore it again") from error
    return images
