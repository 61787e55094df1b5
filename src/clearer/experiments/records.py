"""The JSON files that experiments write, and from which alone their pages are drawn.

Files of version 0.1 read the same: `clearer.core.files.read_json` renames former keys.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

ArchitectureJson = dict[str, Any]
"""The JSON form that `clearer.network.architecture.Architecture.to_dict` returns."""
RecipeJson = dict[str, Any]
"""The plain values that `clearer.recipe.schema.Recipe.to_dict` returns; `clearer.recipe.load.recipe_from_dict` reads
it."""


# table1.json


class PublishedWeights(TypedDict):
    """A published row of Table 1. ``parallel`` is the mixing weight of the parallel candidate of each module."""

    lambda_arch: float
    parallel: list[float]
    gap: float


class FoundWeights(PublishedWeights):
    """The same of a search here. ``gap_over_steps`` holds pairs of architecture step and mean gap.

    ``genotype_over_steps``: the architecture step from which on a genotype was that of the larger mixing weights, and
    that genotype, for each change; results before 0.2 lack it.
    """

    entropy: float
    architecture: str
    steps: int
    arch_steps: int
    seconds: float
    device: str
    precision: str
    seed: int
    gap_over_steps: list[list[float]]
    genotype_over_steps: NotRequired[list[tuple[int, str]]]


class Table1(TypedDict):
    """table1.json: the result of each search, beside the published rows."""

    scale: str
    recipe: RecipeJson
    rows: list[FoundWeights]
    published: list[PublishedWeights]


# figures34.json


class Chance(TypedDict):
    """Agreement of a random architecture: how many there are, their mean, the share that agrees as well or better."""

    architectures: int
    expected: float
    at_least: float


class Counted(TypedDict):
    """An architecture and its numbers of fusion and parallel modules."""

    architecture: ArchitectureJson
    fusion: int
    parallel: int


class PublishedArchitecture(Counted):
    """The architecture of Table 1."""

    gap: float
    lambda_arch: float
    parallel_mixing_weights: list[float]
    expected_agreement: float


_From = TypedDict("_From", {"from": str})  # a keyword, which no class may have as a name


class FoundArchitecture(Counted, _From):
    """An architecture found here. Agreement is None where its modules stand elsewhere than the published ones.

    An architecture.json alone does not say how it was found: the last keys are missing.
    """

    task: str
    agreement: int | None
    differs_at: list[int] | None
    chance: Chance | None
    gap: NotRequired[float]
    steps: NotRequired[int]
    arch_steps: NotRequired[int]
    seed: NotRequired[int]
    lambda_arch: NotRequired[float]
    recipe: NotRequired[str]
    parallel_mixing_weights: NotRequired[list[float]]


class Figures34(TypedDict):
    """figures34.json: figures by name, ``figure3`` and ``figure4``."""

    published: PublishedArchitecture
    figures: dict[str, FoundArchitecture]


# figures57.json (sheets.json in version 0.1)


class CropBox(TypedDict):
    """The enlarged square, in pixels."""

    top: int
    left: int
    side: int


class InputCell(TypedDict):
    """A crop of the degraded image, and PSNR (dB) and SSIM of the whole image."""

    crop: str
    psnr: float
    ssim: float


class RestoredCell(InputCell):
    """The same of a restored image; ``restored`` is the file of the whole image."""

    restored: str
    seconds: float


class FigureRow(TypedDict):
    """One protocol: the degraded input, and the cell of each column (None where the method does not suit)."""

    protocol: str
    sigma: float | None
    input: InputCell
    cells: dict[str, RestoredCell | None]


class ComparisonFigure(TypedDict):
    """One image as each method restores it. Files are relative to the folder of the JSON.

    ``place`` is the image's place in its folder by name, which numbers its noise. ``seen``: the columns of networks
    that were trained on the image, or whose weights were chosen by it; figures before 0.2 lack it.
    """

    name: str
    task: str
    data: str
    image: str
    place: int
    height: int
    width: int
    whole: str
    truth: str
    crop: CropBox
    columns: list[str]
    notes: dict[str, str]
    seen: NotRequired[list[str]]
    rows: list[FigureRow]


class Figures57(TypedDict):
    """figures57.json."""

    noise_seed: int
    left_out: list[str]
    figures: list[ComparisonFigure]


# tables.json


class TableCell(TypedDict):
    """PSNR (dB) and SSIM. A published cell has nothing else.

    ``ssim_zero_padded``: SSIM as the paper's program measures it. ``mib``: the memory that restoring one image took,
    see `ResultTable`. Tables made before 0.2 lack both.
    """

    psnr: float
    ssim: float | None
    ssim_zero_padded: NotRequired[float | None]
    images: NotRequired[int]
    seconds_per_image: NotRequired[float]
    megapixels_per_second: NotRequired[float]
    threads: NotRequired[int]
    mib: NotRequired[float | None]
    parameters: NotRequired[int | None]
    macs_per_pixel: NotRequired[float | None]
    notes: NotRequired[str]
    setup: NotRequired[str]
    sha256: NotRequired[str]


class TableRow(TypedDict):
    """The cells of one method by protocol; ``source`` is ``"input"``, ``"published"`` or ``"here"``."""

    name: str
    source: str
    cells: dict[str, TableCell]


class ResultTable(TypedDict):
    """One set of images, or a sample of it of ``sample`` images: seeded, or (``drawn`` is false) all that can be in it.

    ``mib_size``: width and height of the image that the memory of all methods was measured on. In a table without it,
    memory is the most of all images and counts that of scoring, too.
    """

    name: str
    data: str
    sample: NotRequired[int]
    drawn: NotRequired[bool]
    mib_size: NotRequired[list[int]]
    images: int
    images_in_set: int
    protocols: list[str]
    rows: list[TableRow]


class Tables(TypedDict):
    """tables.json."""

    seed: int
    limit: int | None
    left_out: list[str]
    tables: list[ResultTable]


# the file of compare-protocols


class EffectRow(TypedDict):
    """One way to evaluate; ``difference`` is its PSNR minus that of the base, in dB."""

    name: str
    protocol: str
    ensemble: bool
    images: int
    psnr: float
    ssim: float | None
    difference: float


class ProtocolEffects(TypedDict):
    """One method, evaluated in several ways; the first row is the base."""

    method: str
    notes: str
    setup: str
    sha256: str
    data: str
    images: int
    limit: int | None
    sigma: float | None
    seed: int
    base: str
    rows: list[EffectRow]
