"""The schema of recipes: all settings of a run as frozen dataclasses, checked key by key."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import yaml

from clearer.core.config import Named, Range, Text, later, plain
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.none import NoDegradation
from clearer.degradations.registry import BY_KIND
from clearer.losses.registry import LOSSES
from clearer.network.architecture import PUBLISHED_CANDIDATES, Architecture, SearchSpace
from clearer.network.baselines.form import BaselineForm
from clearer.network.baselines.registry import BASELINES
from clearer.network.costs.registry import COSTS
from clearer.network.topologies.registry import STREAMS, TOPOLOGIES

Count = Annotated[int, Range(above=0)]
FromZero = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, below=2**63 - 2**16)]  # torch's largest seed, less the offset that each use adds
Amount = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, below=1)]


@dataclass(frozen=True)
class Pairs:
    """Two folders of image pairs, or one folder twice, matched by the stem of the file name.

    Args:
        clean_pattern, degraded_pattern: how the names are made, such as ``*_gt`` and ``*_in``, where ``*`` is what
            partners have in common.
    """

    clean: str
    degraded: str
    clean_pattern: str | None = later(None)
    degraded_pattern: str | None = later(None)


@dataclass(frozen=True)
class NetworkSettings:
    """See `clearer.SearchSpace`."""

    channels: int = 1
    width: int | list[int] = 32
    scales: int = 4
    modules_per_cell: int | list[int] = 4
    operations: Literal["supplement", "released"] = "supplement"
    norm: Literal["batch", "none", "bias-free"] = "batch"
    residual: bool = False
    unshuffle: int = 1
    candidates: str = PUBLISHED_CANDIDATES
    condition: Literal["none", "level"] = "none"
    topology: Annotated[str, Named(TOPOLOGIES)] = later(STREAMS)


@dataclass(frozen=True)
class DataSettings:
    """The images, and how clean ones are degraded.

    Args:
        folder: one folder, split into training, validation and test images by clean image; see ``fractions``.
        train, validation, test: a folder for each part instead; ``train`` may be a list.
        train_clean: further folders of clean images to train on, in addition to the others, of any layout.
        layout: how a folder holds its images; ``auto`` finds out. ``noisy``: noisy images without ground truth;
            ``exposures``: repeated noisy exposures of each scene (docs/noisy-only.md).
        clean_side: the clean half of a file that holds both images of a pair side by side.
        fractions: shares of training, validation and test images; they sum to 1.
        leaks: ``refuse`` to run if a training or validation image shows the same clean image as one of a later
            part, or ``drop`` that image.
        channel: use only this channel: of stacks, a number from 1 or a name; of files named FIELD_CHANNEL, the part
            behind the last separator.
        group: a regular expression for the names of images of one field of view, which stay in one part; its first
            group is the field. By default names of the form FIELD_CHANNEL are noticed.
        range: the levels that stand for black and white in files of 16 bits and floating point, such as [0, 4095] for
            12 bits in files of 16. By default 0 and the largest level of the file; 12 and 14 bits are noticed.
        convert: convert images whose number of channels differs from the network's.
        only_validation: a text file with one file name per line; only these validation images are used.
        exclude: a text file, or a list of them, with one file name per line; these images are neither trained nor
            validated on. ``robustness`` stands for the images of the protocol of that name.
        limit_train, limit_validation: number of images to use, spread evenly over the sorted names.
        limit_test: number of images to use, the first ones by name, as `clearer.evaluate` does.
        augment: true flips and rotates patches in all eight ways; ``mirror`` flips them left to right only, for
            degradations such as rain with an up and a down; false leaves them as they are.
        gray_share: share of a color network's training patches that are turned gray before they are degraded, so that
            it learns noise that is the same in all channels.
        soft_share: share of the training patches of clean images that show a smaller part, enlarged by 1 to 3, as
            smooth as photographs at the full size of their camera.
        clean_share: share of the training patches that are not degraded, nor taken from the degraded image of a pair,
            so that the network learns to leave clean images as they are.
        degradation: what degrades the clean images; its ``kind`` chooses the other settings.
    """

    folder: str | Pairs | None = None
    train: str | Pairs | list[str] | None = None
    validation: str | Pairs | None = None
    test: str | Pairs | None = None
    train_clean: str | list[str] | None = None
    layout: Literal["auto", "clean", "pairs", "side-by-side", "noisy", "exposures"] = "auto"
    clean_side: Literal["left", "right"] = "left"
    fractions: list[float] = field(default_factory=lambda: [0.8, 0.1, 0.1])
    leaks: Literal["refuse", "drop"] = "refuse"
    channel: Annotated[str | None, Text()] = None
    group: str | None = None
    range: list[float] | None = None
    convert: bool = False
    only_validation: str | None = None
    exclude: str | list[str] | None = None
    limit_train: Count | None = None
    limit_validation: Count | None = None
    limit_test: Count | None = None
    augment: Literal[True, False, "mirror"] = True
    gray_share: Share = 0.0
    soft_share: Share = 0.0
    clean_share: Share = later(0.0)  # noqa: RUF009 - `later` returns a field
    degradation: Annotated[Degradation, BY_KIND] = field(default_factory=NoDegradation)

    def __post_init__(self) -> None:
        shares = self.fractions
        if len(shares) != 3 or min(shares) <= 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            raise UserError(
                f"fractions: {shares} are not three positive shares that sum to 1 (train, validation, test)"
            )
        if self.range is not None and not (
            len(self.range) == 2 and all(map(math.isfinite, self.range)) and self.range[0] < self.range[1]
        ):
            raise UserError(f"range: {self.range} are not two numbers, black and white, the smaller one first")

    @property
    def span(self) -> tuple[float, float]:
        """The values that stand for black and white, as `clearer.images.pixels.to_unit` takes them."""
        return (0.0, 1.0) if self.range is None else (self.range[0], self.range[1])


@dataclass(frozen=True)
class OptimizerSettings:
    """An optimizer and its schedule: a linear warm-up, then from ``lr`` to ``lr_final``, per epoch.

    ``sgd`` and ``muon`` use ``momentum``; the others use ``betas``, as does `clearer.training.muon` for some weights.
    ``clip`` is the largest norm of the gradient; with ``clip_by_rate``, of the gradient times the learning rate.

    Args:
        schedule: ``cosine``, ``exponential`` (a constant factor an epoch), or ``steps``.
        milestones: epochs after which ``steps`` multiply the rate by ``factor``.
    """

    kind: Literal["sgd", "adam", "adamw", "muon"] = "adam"
    lr: Amount = 1e-2
    lr_final: Amount = 0.0
    warmup_epochs: FromZero = 0
    momentum: Share = 0.9
    betas: list[Share] = field(default_factory=lambda: [0.9, 0.999])
    weight_decay: Amount = 0.0
    clip: Amount | None = 5.0
    schedule: Literal["cosine", "exponential", "steps"] = later("cosine")
    milestones: list[Count] | None = later(None)  # noqa: RUF009 - `later` returns a field
    factor: Annotated[float, Range(0, below=1)] = later(0.1)
    clip_by_rate: bool = later(False)

    def __post_init__(self) -> None:
        if len(self.betas) != 2:
            raise UserError(f"betas: {self.betas} are not two numbers in [0, 1)")
        if (self.schedule == "steps") != (self.milestones is not None):
            raise UserError(f"milestones: {self.milestones} with schedule {self.schedule}; steps alone need them")
        if self.schedule == "exponential" and not 0 < self.lr_final <= self.lr:
            raise UserError(f"lr_final: {self.lr_final:g} is not in (0, {self.lr:g}], which an exponential needs")


@dataclass(frozen=True)
class SearchSettings:
    """The bilevel search (the paper's Section 3, with the settings of the authors' released program).

    Args:
        lambda_arch, lambda_comp: weights of the two terms of the architecture loss.
        costs: the cost of a candidate in the complexity term.
        fusion_input: what a module's fusion candidate sees: ``same``, the module's input, as in the paper;
            ``parallel``, the output of the parallel candidate, as in the released program's search.
        norm: of the supernet, if another one. Shared weights without batch norm favor fusion (docs/reproduction.md).
        order: what a step moves first, ``weights`` or, as in the released program, ``alpha``.
        stop_gap, stop_steps: end the search early, after an epoch, once the genotype has not changed for
            ``stop_steps`` architecture steps in which the mean gap of the mixing weights was at least ``stop_gap``.
        weights, alpha: optimizers of the network's weights and of the architecture parameters.
    """

    epochs: Count = 200
    steps_per_epoch: Count = 50
    warmup_epochs: FromZero = 10
    batch: Count = 32
    patch: Count = 64
    lambda_arch: Amount = 0.01
    lambda_comp: Amount = 0.0
    costs: Annotated[str, Named(COSTS)] = "paper"
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
    order: Literal["weights", "alpha"] = later("weights")


@dataclass(frozen=True)
class TrainSettings:
    """The training of the network that the search found, or that the recipe gives.

    Args:
        seed: of the initial weights and of the batches; by default the recipe's, which also splits the images.
        start: a weight file, run folder or pretrained model to start from instead of random weights. Modules whose
            letter differs start from random weights; a color network may start from a gray one; all else must agree.
        watch_start: steps after which a start that has gained next to nothing is compared with fresh weights trained
            as long; the better ones go on. At most half of all steps. 0: the start is taken as it is, without this and
            without reviving dead features.
        loss: what training minimizes.
        average: decay of the averaged weights, 0 for none.
        level_estimated: share of the patches whose noise level a network with ``network.condition: level`` gets as
            estimated from the degraded patch; the others get the true one, the RMS of degraded minus clean.
        level_jitter: standard deviation of the logarithm of the factor that these levels are multiplied by.
        validate_every: epochs from one validation to the next.
        validation_images: number of images to validate on, the first ones.
        validation_crop: validate on center crops of this many pixels.
    """

    seed: Seed | None = None
    start: str | None = None
    watch_start: FromZero = 500
    epochs: Count = 1000
    steps_per_epoch: Count = 100
    batch: Count = 32
    patch: Count = 64
    loss: Annotated[str, Named(LOSSES)] = "mse"
    average: Share = 0.0
    level_estimated: Amount = 0.5
    level_jitter: Amount = 0.1
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    validate_every: Count = 10
    validation_images: Count | None = None
    validation_crop: Count | None = None

    def __post_init__(self) -> None:
        if self.level_estimated > 1:
            raise UserError(f"level_estimated: {self.level_estimated:g} is not a share from 0 to 1")
        smallest = LOSSES.get(self.loss).smallest_patch
        if self.patch < smallest:
            raise UserError(f"patch: {self.patch} is less than the {smallest} pixels that train.loss {self.loss} needs")


@dataclass(frozen=True)
class TeacherSettings:
    """A teacher for noise that is correlated in both directions (docs/noisy-only.md).

    Every ``stride``-th pixel of each row and column makes an image whose noise is less correlated. The teacher learns
    from these images alone; what it makes of them, put together again, is the ground truth for ``train``.

    Args:
        stride: 1 for no teacher.
        loss, epochs: of the training of the teacher; its other settings are those of ``train``.
        only: ``train`` is on the subsampled images; there is no teacher.
    """

    stride: Annotated[int, Range(1, below=9)] = 1
    loss: Annotated[str, Named(LOSSES)] = "neighbor2neighbor"
    epochs: Count = 60
    only: bool = later(False)


@dataclass(frozen=True)
class EvaluateSettings:
    """The protocols for the test images, the x8 self-ensemble or not, and the number of sample images to save."""

    protocols: list[str] = field(default_factory=list)
    ensemble: bool = False
    samples: FromZero = 3


@dataclass(frozen=True)
class Recipe:
    """All settings of a run. An ``architecture``, given as a genotype, or a ``baseline`` replaces the search."""

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
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    baseline: Annotated[str, Named(BASELINES)] | None = later(None)

    def __post_init__(self) -> None:
        if self.device not in ("auto", "cpu", "mps") and not re.fullmatch(r"cuda(:\d+)?", self.device):
            raise UserError(f"device: {self.device!r} is unknown; use auto, cpu, cuda, cuda:N or mps")

    @property
    def space(self) -> SearchSpace:
        """The space of the network that is trained."""
        return SearchSpace(**dataclasses.asdict(self.network))

    @property
    def search_space(self) -> SearchSpace:
        """The space of the supernet, which may have another norm."""
        return dataclasses.replace(self.space, norm=self.search.norm or self.network.norm)

    @property
    def given(self) -> Architecture | None:
        """The architecture that the recipe gives; None if it is searched."""
        if self.architecture is None:
            return None
        fields = dataclasses.asdict(self.network)
        del fields["scales"], fields["modules_per_cell"], fields["candidates"]  # the letters state them
        return Architecture.parse(self.architecture, **fields)

    @property
    def form(self) -> Architecture | BaselineForm | None:
        """The network that the recipe gives, of an architecture or a baseline; None if it is searched."""
        return self.given if self.baseline is None else BaselineForm(self.baseline)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as plain values."""
        settings: dict[str, Any] = plain(self)
        return settings

    def to_yaml(self) -> str:
        """Return the resolved recipe as YAML; reading it gives an equal recipe."""
        value = self.to_dict()
        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        with contextlib.suppress(yaml.YAMLError):
            if yaml.safe_load(text) == value:
                return text
        # YAML reads some characters back only if they are escaped: U+0085 in a folder's name, or bytes not UTF-8.
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=False)
