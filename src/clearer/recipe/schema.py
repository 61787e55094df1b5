"""Recipes: all settings of a run, as frozen values read from YAML and checked key by key."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from clearer.core.config import Range, build, override
from clearer.core.errors import UserError, nearest
from clearer.network.architecture import Architecture, SearchSpace

SSIM_WINDOW = 11
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
class RainSettings:
    """What synthetic rain may look like: see `clearer.degradations.rain.Rain`; each a pair [low, high]."""

    angle: list[float] = field(default_factory=lambda: [-45.0, 45.0])
    length: list[float] = field(default_factory=lambda: [8.0, 48.0])
    width: list[float] = field(default_factory=lambda: [0.8, 2.6])
    density: list[float] = field(default_factory=lambda: [0.0005, 0.02])
    brightness: list[float] = field(default_factory=lambda: [0.15, 0.8])
    layers: list[float] = field(default_factory=lambda: [1.0, 3.0])
    haze: list[float] = field(default_factory=lambda: [0.0, 0.0])


@dataclass(frozen=True)
class DegradationSettings:
    """How a clean picture is spoilt; ``sigma`` in 8-bit levels, one or a range; ``none`` for pairs.

    ``rain``: what rain of ``kind: rain`` may look like, and ``share``: how many pairs are rained on anew,
    in place of their degraded picture.
    """

    kind: Literal["none", "gaussian", "rain"] = "none"
    sigma: float | list[float] = 0.0
    clip8: bool = False
    rain: RainSettings = field(default_factory=RainSettings)
    share: Annotated[float, Range(0)] = 0.0


@dataclass(frozen=True)
class DataSettings:
    """Where the pictures are: ``folder`` to be split by clean picture, or ``train``, ``validation``, ``test``.

    ``train`` may be a list of several. ``train_clean`` names folders of clean pictures that train besides,
    whatever the layout of the others, spoilt as ``degradation`` says. ``only_validation`` is a text file with a
    file name a line: of the validation pictures, these are taken.

    ``leaks``: what to do with a training or validation picture that shows the same clean picture as
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
    degradation: DegradationSettings = field(default_factory=DegradationSettings)


@dataclass(frozen=True)
class OptimiserSettings:
    """An optimiser and its schedule: linear warm-up, then a cosine from ``lr`` to ``lr_final``, by epochs.

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


@dataclass(frozen=True)
class SearchSettings:
    """The bilevel search (method of the paper, Section 3; settings of the released program).

    ``fusion_input``: what a module's fusion candidate sees: ``same``, the module's input, as in the paper;
    ``parallel``, what the parallel candidate has made of it, as the released program's search has it.
    ``norm``: the supernet's, where it is not to be that of the network trained afterwards: shared weights without
    batch norm prefer fusion modules for no merit of theirs (docs/reproduction.md).
    ``stop_gap``, if there is one: the search ends early, with an epoch, once the letters have not changed for
    ``stop_steps`` architecture steps and the mean gap of the probabilities was at least this all the while.
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
    weights: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(kind="sgd", lr=0.025, lr_final=0.001, weight_decay=3e-4)
    )
    logits: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(
            lr=3e-4, lr_final=3e-4, betas=[0.5, 0.999], weight_decay=1e-3, clip=None
        )
    )


@dataclass(frozen=True)
class TrainSettings:
    """Training of the network found.

    ``average`` is the decay of averaged weights, 0 for none; ``seed`` is that of the first weights and of
    the batches, by default the recipe's, which also splits the pictures. ``start``: a weight file, a run
    folder or a shipped model to begin with instead of random weights; its letters may be others (modules that
    differ are begun anew), a colour network may begin with a gray one, and all else has to be the same.
    """

    seed: Seed | None = None
    start: str | None = None
    epochs: Count = 1000
    steps_per_epoch: Count = 100
    batch: Count = 32
    patch: Count = 64
    loss: Literal["mse", "charbonnier", "log-mse", "charbonnier+ssim"] = "mse"
    average: Share = 0.0
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    validate_every: Count = 10
    validation_pictures: Count | None = None
    validation_crop: Count | None = None


@dataclass(frozen=True)
class EvaluateSettings:
    """Protocols to report on the test pictures."""

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
        return dataclasses.asdict(self)

    def to_yaml(self) -> str:
        """Return the resolved recipe as YAML; reading it gives an equal recipe."""
        value = self.to_dict()
        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        if yaml.safe_load(text) == value:
            return text
        # Some characters (U+0085 in a folder's name) YAML reads back only where they are escaped.
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=False)


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    folder = resources.files("clearer") / "recipes"
    paths = sorted(Path(str(file)) for file in folder.iterdir())
    return {path.stem: path for path in paths if path.suffix == ".yaml"}


def load_recipe(name_or_path: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a shipped recipe by name, or a YAML file, with single values replaced.

    Args:
        name_or_path: such as ``"quickstart"``, or a path ending in ``.yaml`` or ``.yml``.
        overrides: dotted key to value, such as ``{"search.lambda_arch": 0.1}``.

    Raises:
        UserError: unknown recipe, unknown key (with the nearest), wrong type or range (with its key).
    """
    text = str(name_or_path)
    shipped = shipped_recipes()
    path = Path(text) if text.endswith((".yaml", ".yml")) else shipped.get(text)
    if path is None:
        known = ", ".join(shipped)
        raise UserError(f"recipe {text!r}: no such recipe{nearest(text, shipped)}; known: {known}, or a YAML file")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such recipe file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from error
    if not isinstance(value, dict):
        raise UserError(
            f"{path}: a recipe is a mapping of keys to values; see a shipped one with 'clearer fit --show NAME'"
        )
    value.setdefault("name", path.stem)
    for key, new in (overrides or {}).items():
        override(value, key, new)
    return recipe_from_dict(value)


def recipe_from_dict(value: dict[str, Any]) -> Recipe:
    """Build a checked recipe from plain values.

    Raises:
        UserError: see `load_recipe`.
    """
    recipe = build(Recipe, value)
    space = recipe.space
    given = recipe.given
    if given is not None and given.scales != space.scales:
        raise UserError(
            f"architecture: {given} has {given.scales} scales where network.scales is {space.scales}; make them agree"
        )
    multiple = space.multiple
    for part, settings, norm in (
        ("search", recipe.search, recipe.search_space.norm),
        ("train", recipe.train, space.norm),
    ):
        if settings.patch % multiple:
            raise UserError(
                f"{part}.patch: {settings.patch} is not a multiple of {multiple}, which {space.scales} scales"
                f"{f' and unshuffle {space.unshuffle}' if space.unshuffle > 1 else ''} need"
            )
        if settings.batch < 2 and norm == "batch":
            raise UserError(f"{part}.batch: batch norm needs at least 2 patches a batch")
    if recipe.device not in ("auto", "cpu", "mps") and not re.fullmatch(r"cuda(:\d+)?", recipe.device):
        raise UserError(f"device: {recipe.device!r} is not auto, cpu, cuda, cuda:N or mps")
    fractions = recipe.data.fractions
    if len(fractions) != 3 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise UserError(
            f"data.fractions: {fractions} are not three positive shares that sum to 1 (train, validation, test)"
        )
    sigma = recipe.data.degradation.sigma
    levels = sigma if isinstance(sigma, list) else [sigma, sigma]
    if len(levels) != 2 or not 0 <= levels[0] <= levels[1]:
        raise UserError(f"data.degradation.sigma: {sigma} is not a level (0 or more), nor a range [low, high]")
    for key, span in dataclasses.asdict(recipe.data.degradation.rain).items():
        if len(span) != 2 or not span[0] <= span[1]:
            raise UserError(f"data.degradation.rain.{key}: {span} is not a range [low, high]")
    if recipe.train.loss == "charbonnier+ssim" and recipe.train.patch < SSIM_WINDOW:
        raise UserError(f"train.patch: {recipe.train.patch} is less than the {SSIM_WINDOW} pixels of SSIM's window")
    for part, optimiser in (
        ("search.weights", recipe.search.weights),
        ("search.logits", recipe.search.logits),
        ("train.optimiser", recipe.train.optimiser),
    ):
        if len(optimiser.betas) != 2:
            raise UserError(f"{part}.betas: {optimiser.betas} are not two numbers in [0, 1)")
    return recipe


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value`` of the command line; the value is read as YAML.

    >>> parse_override("search.lambda_arch=0.1")
    ('search.lambda_arch', 0.1)
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: not of the form KEY=VALUE, such as search.lambda_arch=0.1")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--set {text}: the value is not readable as YAML") from error
