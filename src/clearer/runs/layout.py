"""RunFolder: the path and the contents of every file of a run.

::

    recipe.yaml             all settings
    run.json                software, device, counts of images
    images.json             file names of each part (version 0.1: pictures.json)
    digests.json            size and SHA-256 of these files
    architecture.json       the architecture that was searched or given
    cost.json               its parameters and multiply-adds
    budget/                 the search within a budget: ledger.jsonl, result.json, latencies.json, trainings/
    search/, train/         one stage each: checkpoints/, metrics.jsonl, result.json
    model.safetensors       the weights of the best validation
    last.safetensors        the weights of the last epoch
    evaluation/*.json       results on test images
    samples/, samples.json  a few restored images
    noise.json              the measured noise, where images have no ground truth
    ranking.json            estimated errors of this model and others on held-out noisy images
    report.html             the page of the run
    tensorboard/            event files, where asked for
    verdict/                the results of 'clearer verdict'

The folder of several budgets has budget/ with networks.json, too, report.html and a run for each, such as 100ms-1mp/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from clearer.core.errors import UserError
from clearer.core.files import read_json, read_shaped
from clearer.network.architecture import Architecture
from clearer.noise.profile import NoiseProfile
from clearer.recipe.load import load_stored_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.metrics import read_metrics as read_metrics
from clearer.runs.schema import (
    CostTable,
    EpochLine,
    EvaluationRecord,
    FileDigest,
    Ranking,
    RunRecord,
    SampleEntry,
    SearchResult,
    TrainResult,
)

Result = TypeVar("Result", SearchResult, TrainResult)


@dataclass(frozen=True)
class StageFolder(Generic[Result]):
    """The folder of one stage of a run: ``search`` or ``train``."""

    path: Path
    kind: type[Result]

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """Metrics, one line per epoch."""
        return self.path / "metrics.jsonl"

    @property
    def result(self) -> Path:
        """Result, written when the stage ends."""
        return self.path / "result.json"

    @property
    def begun(self) -> bool:
        """Whether a checkpoint exists."""
        return any(self.checkpoints.glob("step-*.safetensors"))

    @property
    def finished(self) -> bool:
        """Whether the result exists."""
        return self.result.is_file()

    def read_result(self, *needs: str) -> Result:
        """Return the result; it has the keys that the caller ``needs``.

        Raises:
            UserError: the file is missing or damaged.
        """
        return read_shaped(self.result, self.kind, needs)

    def read_metrics(self, *needs: str, strict: bool = True) -> list[EpochLine]:
        """Return the lines of metrics.jsonl; see `read_metrics`."""
        return read_metrics(self.metrics, *needs, strict=strict)


@dataclass(frozen=True)
class RunFolder:
    """Paths and typed contents of a run's folder, whether it exists or not."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def recipe(self) -> Path:
        """All settings."""
        return self.path / "recipe.yaml"

    @property
    def record(self) -> Path:
        """The recipe's name, software, device and number of images."""
        return self.path / "run.json"

    @property
    def images(self) -> Path:
        """File names of the images of each part."""
        former = self.path / "pictures.json"  # version 0.1
        return former if former.is_file() else self.path / "images.json"

    @property
    def digests(self) -> Path:
        """Sizes and digests of the image files, which runs of earlier versions lack."""
        return self.path / "digests.json"

    @property
    def architecture(self) -> Path:
        """The architecture that was searched or given."""
        return self.path / "architecture.json"

    @property
    def cost(self) -> Path:
        """Parameters and multiply-adds of the architecture."""
        return self.path / "cost.json"

    @property
    def weights(self) -> Path:
        """Weights of the best validation: the model of the run."""
        return self.path / "model.safetensors"

    @property
    def is_trained(self) -> bool:
        """Whether the training is finished and its weights are there."""
        return self.train.finished and self.weights.exists()

    @property
    def last_weights(self) -> Path:
        """Weights of the last epoch."""
        return self.path / "last.safetensors"

    @property
    def budget(self) -> Path:
        """Folder of the search within a budget, which comes before the run's recipe is known."""
        return self.path / "budget"

    @property
    def ledger(self) -> Path:
        """Short trainings of the search within budgets, a line for each network and rung."""
        return self.budget / "ledger.jsonl"

    @property
    def latencies(self) -> Path:
        """Measured latencies of the chosen networks, of the scaled default and of DnCNN and FFDNet."""
        return self.budget / "latencies.json"

    @property
    def budgeted_networks(self) -> Path:
        """The networks that are compared for each of several budgets; absent where there is one budget."""
        return self.budget / "networks.json"

    @property
    def has_several_budgets(self) -> bool:
        """Whether the folder is that of several budgets, with a run for each."""
        return self.budgeted_networks.is_file()

    @property
    def budget_result(self) -> Path:
        """The outcome of the search within one or several budgets."""
        return self.budget / "result.json"

    @property
    def search(self) -> StageFolder[SearchResult]:
        """Folder of the search."""
        return StageFolder(self.path / "search", SearchResult)

    @property
    def train(self) -> StageFolder[TrainResult]:
        """Folder of the training."""
        return StageFolder(self.path / "train", TrainResult)

    @property
    def evaluation(self) -> Path:
        """Folder of the results on test images."""
        return self.path / "evaluation"

    @property
    def noise(self) -> Path:
        """The measured noise of images without ground truth."""
        return self.path / "noise.json"

    @property
    def ranking(self) -> Path:
        """Estimated errors on held-out images without ground truth."""
        return self.path / "ranking.json"

    @property
    def samples(self) -> Path:
        """Folder of sample images."""
        return self.path / "samples"

    @property
    def sample_list(self) -> Path:
        """Names and figures of the sample images."""
        return self.path / "samples.json"

    @property
    def report(self) -> Path:
        """The page of the run."""
        return self.path / "report.html"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def verdict(self) -> Path:
        """Folder of the results of 'clearer verdict'."""
        return self.path / "verdict"

    @property
    def lock(self) -> Path:
        """File that a process locks while it writes the run."""
        return self.path / ".lock"

    @property
    def is_run(self) -> bool:
        """Whether the folder holds a run: it has a recipe."""
        return self.recipe.is_file()

    def stage(self, name: str) -> StageFolder[SearchResult] | StageFolder[TrainResult]:
        """Return the folder of the stage ``search`` or ``train``."""
        return self.search if name == "search" else self.train

    def evaluation_result(self, name: str) -> Path:
        """Return the file of an evaluation, such as ``gray-awgn-50`` or ``gray-awgn-50-ensemble``."""
        return self.evaluation / f"{name}.json"

    def read_recipe(self, overrides: dict[str, Any] | None = None) -> Recipe:
        """Return the recipe, with single settings overridden.

        Raises:
            UserError: see `clearer.recipe.load.load_recipe`.
        """
        return load_stored_recipe(self.recipe, overrides)

    def read_record(self) -> RunRecord:
        """Return run.json.

        Raises:
            UserError: the file is missing or damaged.
        """
        return read_shaped(self.record, RunRecord)

    def read_images(self) -> dict[str, list[str]]:
        """Return the file names of the images of each part: ``train``, ``validation``, ``test``.

        Raises:
            UserError: the file is missing or damaged.
        """
        return read_shaped(self.images, dict[str, list[str]])

    def read_digests(self) -> dict[str, dict[str, dict[str, FileDigest]]]:
        """Return size and digest of each image file, by part, name, and ``clean`` or ``degraded``.

        Raises:
            UserError: the file is missing or damaged.
        """
        return read_shaped(self.digests, dict[str, dict[str, dict[str, FileDigest]]])

    def read_architecture(self) -> Architecture:
        """Return the architecture.

        Raises:
            UserError: the file is missing or damaged.
        """
        return read_architecture_file(self.architecture)

    def read_cost(self) -> CostTable:
        """Return cost.json.

        Raises:
            UserError: the file is missing or damaged.
        """
        return read_shaped(self.cost, CostTable)

    def read_evaluations(self) -> dict[str, EvaluationRecord]:
        """Return all results on test images by the names of their files; empty if there are none, keys may be missing.

        Raises:
            UserError: a file is damaged.
        """
        return {
            path.stem: read_shaped(path, EvaluationRecord, whole=False)
            for path in sorted(self.evaluation.glob("*.json"))
        }

    def read_samples(self) -> list[SampleEntry]:
        """Return the entries of samples.json; empty if there are none.

        Raises:
            UserError: the file is damaged.
        """
        return read_shaped(self.sample_list, list[SampleEntry]) if self.sample_list.exists() else []

    def read_noise(self) -> Mapping[str, Any]:
        """Return noise.json: the fields of a `NoiseProfile` in their types, and ``words``; empty if there is none.

        Raises:
            UserError: the file is damaged.
        """
        if not self.noise.exists():
            return {}
        found: Mapping[str, Any] = read_shaped(self.noise, cast(Any, NoiseProfile))
        return found

    def read_ranking(self) -> Ranking:
        """Return ranking.json.

        Raises:
            UserError: the file is missing or damaged.
        """
        return read_shaped(self.ranking, Ranking)


def read_architecture_file(path: Path) -> Architecture:
    """Return the architecture that a JSON file holds.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return Architecture.from_dict(read_json(path))
    except UserError as error:
        text = str(error).removeprefix(f"{path}: ")
        raise UserError(f"{path}: {text}; put the file back, or give one that clearer wrote") from error
