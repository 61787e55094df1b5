"""Recipes: all settings of a run, as frozen values read from YAML and checked key by key."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import yaml

from clearer.core.config import Named, Range, plain
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.none import NoDegradation
from clearer.degradations.registry import BY_KIND
from clearer.losses.registry import LOSSES
from clearer.network.architecture import Architecture, SearchSpace

Count = Annotated[int, Range(above=0)]
FromZero = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, below=2**63 - 2**16)]  # what torch takes; a little is added for each use
Amount = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, below=1)]


@dataclass(frozen=True)
class Pairs:
    """Two folders of pairs, matched by the stem of the file name."""

    clean: str
    degraded: str


@dataclass(frozen=True)
class NetworkSettings:
    """See `clearer.SearchSpace`."""

    channels: int = 1
    width: int = 32
    scales: int = 4
    modules_per_cell: int = 4
    operations: Literal["supplement", "released"] = "supplement"
    norm: Literal["batch", "none", "bias-free"] = "batch"
    residual: bool = False
    unshuffle: int = 1


@dataclass(frozen=True)
class DataSettings:
    """Where the images are: ``folder`` to be split by clean image, or ``train``, ``validation``, ``test``.

    ``train`` may be a list of several. ``train_clean`` names folders of clean images that train besides,
    whatever the layout of the others, degraded as ``degradation`` says. ``only_validation`` is a text file with a
    file name a line: of the validation images, these are taken.

    ``leaks``: what to do with a training or validation image that shows the same clean image as
    one of a later set: ``refuse`` to run, or ``drop`` it. ``limit_train`` and ``limit_validation``
    take so many, spread over the names in order; ``limit_test`` takes the first so many, as `clearer.evaluate` does.

    ``augment``: true for patches turned and mirrored in all eight ways; ``mirror`` for left and right alone, where
    up and down or upright and level differ, as with rain; false for patches as they are.
    """

    folder: str | Pairs | None = None
    train: str | Pairs | list[str] | None = None
    validation: str | Pairs | None = None
    test: str | Pairs | None = None
    train_clean: str | list[str] | None = None
    layout: Literal["auto", "clean", "pairs", "side-by-side"] = "auto"
    clean_side: Literal["left", "right"] = "left"
    fractions: list[float] = field(default_factory=lambda: [0.8, 0.1, 0.1])
    leaks: Literal["refuse", "drop"] = "refuse"
    convert: bool = False
    only_validation: str | None = None
    limit_train: Count | None = None
    limit_validation: Count | None = None
    limit_test: Count | None = None
    augment: Literal[True, False, "mirror"] = True
    degradation: Annotated[Degradation, BY_KIND] = field(default_factory=NoDegradation)

    def __post_init__(self) -> None:
        shares = self.fractions
        if len(shares) != 3 or min(shares) <= 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            raise UserError(
                f"fractions: {shares} are not three positive shares that sum to 1 (train, validation, test)"
            )


@dataclass(frozen=True)
class OptimizerSettings:
    """An optimizer and its schedule: linear warm-up, then a cosine from ``lr`` to ``lr_final``, by epochs.

    ``momentum`` is that of ``sgd`` and ``muon``, ``betas`` those of the others (see `clearer.training.muon`).
    """

    kind: Literal["sgd", "adam", "adamw", "muon"] = "adam"
    lr: Amount = 1e-2
    lr_final: Amount = 0.0
    warmup_epochs: FromZero = 0
    momentum: Share = 0.9
    betas: list[Share] = field(default_factory=lambda: [0.9, 0.999])
    weight_decay: Amount = 0.0
    clip: Amount | None = 5.0

    def __post_init__(self) -> None:
        if len(self.betas) != 2:
            raise UserError(f"betas: {self.betas} are not two numbers in [0, 1)")


@dataclass(frozen=True)
class SearchSettings:
    """The bilevel search (method of the paper, Section 3; settings of the released program).

    ``fusion_input``: what a module's fusion candidate sees: ``same``, the module's input, as in the paper;
    ``parallel``, what the parallel candidate has made of it, as the released program's search has it.
    ``norm``: the supernet's, where it is not to be that of the network trained afterwards: shared weights without
    batch norm prefer fusion modules for no merit of theirs (docs/reproduction.md).
    ``stop_gap``, if there is one: the search ends early, with an epoch, once the letters have not changed for
    ``stop_steps`` architecture steps and the mean gap of the mixing_weights was at least this all the while.
    """

    epochs: Count = 200
    steps_per_epoch: Count = 50
    warmup_epochs: FromZero = 10
    batch: Count = 32
    patch: Count = 64
    lambda_arch: Amount = 0.01
    lambda_comp: Amount = 0.0
    costs: Literal["paper", "parameters", "macs"] = "paper"
    fusion_input: Literal["same", "parallel"] = "same"
    norm: Literal["batch", "none", "bias-free"] | None = None
    stop_gap: Annotated[float, Range(0, below=1)] | None = None
    stop_steps: Count = 500
    weights: OptimizerSettings = field(
        default_factory=lambda: OptimizerSettings(kind="sgd", lr=0.025, lr_final=0.001, weight_decay=3e-4)
    )
    alpha: OptimizerSettings = field(
        default_factory=lambda: OptimizerSettings(
            lr=3e-4, lr_final=3e-4, betas=[0.5, 0.999], weight_decay=1e-3, clip=None
        )
    )


@dataclass(frozen=True)
class TrainSettings:
    """Training of the network found.

    ``average`` is the decay of averaged weights, 0 for none; ``seed`` is that of the first weights and of
    the batches, by default the recipe's, which also splits the images. ``start``: a weight file, a run
    folder or a shipped model to begin with instead of random weights; its letters may be others (modules that
    differ are begun anew), a color network may begin with a gray one, and all else has to be the same.
    """

    seed: Seed | None = None
    start: str | None = None
    epochs: Count = 1000
    steps_per_epoch: Count = 100
    batch: Count = 32
    patch: Count = 64
    loss: Annotated[str, Named(LOSSES)] = "mse"
    average: Share = 0.0
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    validate_every: Count = 10
    validation_images: Count | None = None
    validation_crop: Count | None = None

    def __post_init__(self) -> None:
        smallest = LOSSES.get(self.loss).smallest_patch
        if self.patch < smallest:
            raise UserError(f"patch: {self.patch} is less than the {smallest} pixels that train.loss {self.loss} needs")


@dataclass(frozen=True)
class EvaluateSettings:
    """Protocols to report on the test images."""

    protocols: list[str] = field(default_factory=list)
    ensemble: bool = False
    samples: FromZero = 3


@dataclass(frozen=True)
class Recipe:
    """All settings of a run. ``architecture``: a text form skips the search."""

    name: str
    task: str = ""
    description: str = ""
    seed: Seed = 0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_minutes: Annotated[float, Range(above=0)] = 2.0
    architecture: str | None = None
    network: NetworkSettings = field(default_factory=NetworkSettings)
    data: DataSettings = field(default_factory=DataSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)

    def __post_init__(self) -> None:
        if self.device not in ("auto", "cpu", "mps") and not re.fullmatch(r"cuda(:\d+)?", self.device):
            raise UserError(f"device: {self.device!r} is not auto, cpu, cuda, cuda:N or mps")

    @property
    def space(self) -> SearchSpace:
        """The search space that ``network`` describes."""
        return SearchSpace(**dataclasses.asdict(self.network))

    @property
    def search_space(self) -> SearchSpace:
        """The space of the supernet, whose norm may be its own."""
        return dataclasses.replace(self.space, norm=self.search.norm or self.network.norm)

    @property
    def given(self) -> Architecture | None:
        """The architecture given by hand, or None where it is searched."""
        if self.architecture is None:
            return None
        fields = dataclasses.asdict(self.network)
        del fields["scales"], fields["modules_per_cell"]
        return Architecture.parse(self.architecture, **fields)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as plain values."""
        settings: dict[str, Any] = plain(self)
        return settings

    def to_yaml(self) -> str:
        """Return the resolved recipe as YAML; reading it gives an equal recipe."""
        value = self.to_dict()
        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        if yaml.safe_load(text) == value:
            return text
        # Some characters (U+0085 in a folder's name) YAML reads back only where they are escaped.
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=False)
