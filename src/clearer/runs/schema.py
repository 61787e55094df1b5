"""Types of the JSON files in a run folder.

Unfinished runs, and runs of earlier versions, lack some keys: read those that may be absent with ``get``.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class RunRecord(TypedDict, total=False):
    """run.json: which recipe ran, with what software, on what device and how many images."""

    recipe: str
    task: str
    created: str
    clearer: str
    torch: str
    device: str
    threads: int
    precision: str
    images: dict[str, int]


class FileDigest(TypedDict):
    """An image file in digests.json: its size in bytes, its SHA-256 and, of a stack, its pages in the part, from 1."""

    size: int
    sha256: str
    pages: NotRequired[list[int]]


class SearchResult(TypedDict, total=False):
    """search/result.json. Steps are weight steps; ``*_saved`` counts what early stopping left out."""

    architecture: str
    gap: float
    entropy: float
    mixing_weights: list[list[float]]
    steps: int
    arch_steps: int
    steps_saved: int
    seconds: float
    seconds_saved: float
    peak_memory_mb: float
    device: str
    precision: str


class StartRecord(TypedDict, total=False):
    """How a training fared that began with the weights of a model (``train.start``). PSNR in dB on validation images.

    ``psnr``: before the first step; ``reached_psnr``: the best in the first ``steps`` steps; ``fresh_psnr``: the best
    of fresh weights in as many, if the two were compared. ``kept``: which of the two was trained to the end, ``start``
    or ``fresh``. ``dead`` of ``features`` channels gave nothing on the training images; ``revived`` got new weights.
    """

    model: str
    features: int
    dead: int
    revived: int
    last_active: float
    psnr: float
    input_psnr: float
    steps: int
    reached_psnr: float
    fresh_psnr: float
    kept: str


class TrainResult(TypedDict, total=False):
    """train/result.json. PSNR in dB on the validation images.

    Without ground truth, ``estimated_*`` and ``standard_error`` take its place; ``measure`` is a key of
    `clearer.evaluation.no_reference.WHAT`.
    """

    architecture: str
    steps: int
    seconds: float
    peak_memory_mb: float
    device: str
    precision: str
    best_epoch: int
    best_psnr: float
    last_psnr: float
    input_psnr: float
    start: StartRecord
    measure: str
    best_estimated_psnr: float
    standard_error: float
    last_estimated_psnr: float
    estimated_input_psnr: float


class EpochLine(TypedDict, total=False):
    """One line of metrics.jsonl: the means over an epoch, and the values measured at its end.

    Every line has ``epoch`` (from 1), ``step``, ``loss``, ``grad_norm``, ``lr`` and ``seconds`` since the start.
    Those of a search add the terms of the architecture loss and the mixing weights, (modules, K); those of a
    training add ``psnr``, ``input_psnr`` and ``best`` where the epoch ended with a validation, and ``fresh`` where
    fresh weights were trained in place of those of ``train.start``. Without ground truth ``estimated_psnr``, its
    ``standard_error`` and ``estimated_input_psnr`` take the place of the PSNR.
    """

    epoch: int
    step: int
    seconds: float
    loss: float
    grad_norm: float
    lr: float
    psnr: float
    input_psnr: float
    best: bool
    fresh: bool
    estimated_psnr: float
    standard_error: float
    estimated_input_psnr: float
    arch_step: int
    loss_validation: float
    loss_res: float
    loss_arch: float
    loss_comp: float
    gap: float
    entropy: float
    mixing_weights: list[list[float]]


class ModuleCost(TypedDict):
    """The cost of one part of a network; multiply-adds are per input pixel."""

    module: str
    parameters: int
    macs_per_pixel: float


class CostTable(TypedDict, total=False):
    """cost.json: the cost of the network and of each of its parts, in the order of computation."""

    parameters: int
    macs_per_pixel: float
    cells: list[ModuleCost]


class ImageScore(TypedDict):
    """The scores of one image. Height and width in pixels, after the protocol's crop; PSNR in dB."""

    name: str
    height: int
    width: int
    input_psnr: float
    input_ssim: float
    psnr: float
    ssim: float
    seconds: float


class IntensityBin(TypedDict):
    """Pixels of similar brightness: their mean ground truth, and the error of the mean, in the levels of the files."""

    level: float
    pixels: int
    bias: float
    input_bias: float
    rmse: float


class IntensityRecord(TypedDict):
    """Restored against ground truth, by least squares over all pixels: ``restored = slope * truth + offset``.

    Offsets and biases (mean of restored less truth) are in the levels of the files, of which ``levels`` are black and
    white; ``input_*`` are those of the degraded images.
    """

    levels: list[float]
    slope: float
    offset: float
    input_slope: float
    input_offset: float
    bias: float
    input_bias: float
    bins: list[IntensityBin]


class ResultRecord(TypedDict):
    """The JSON form of `clearer.evaluation.evaluate.Result`.

    ``seen``: how many of the images the measured run was trained on or chose its weights by, by part, if any.
    ``clean_side``: the clean half of pairs side by side. ``channel``: the one channel that was measured, if not all.
    ``scales``: a line, if clean and degraded images differ in scale.
    """

    protocol: str
    ensemble: bool
    images: int
    input_psnr: float
    input_ssim: float
    psnr: float
    ssim: float
    seconds: float
    megapixels_per_second: float
    per_image: list[ImageScore]
    intensity: NotRequired[IntensityRecord]
    seen: NotRequired[dict[str, int]]
    clean_side: NotRequired[str]
    channel: NotRequired[str]
    scales: NotRequired[str]


class EvaluationRecord(ResultRecord):
    """evaluation/*.json, and what ``clearer evaluate`` saves elsewhere: which model was measured, on what, where.

    The results of a run that version 0.1 wrote lack the seed, which was 0.
    """

    model: str
    data: str
    architecture: str
    parameters: int
    macs_per_pixel: float
    device: str
    precision: str
    seed: NotRequired[int]


class RankingRow(TypedDict):
    """A model in ranking.json: its estimated PSNR, and what the trained model gains over it; both in dB."""

    name: str
    kind: str
    estimated_psnr: float
    standard_error: float
    gain: float
    gain_standard_error: float


class Ranking(TypedDict, total=False):
    """ranking.json: the trained model among others on held-out noisy images, the best first.

    ``removed_along_*`` is the correlation of neighboring pixels in what the model removed.
    """

    measure: str
    explanation: str
    images: int
    parts: int
    rows: list[RankingRow]
    better: list[str]
    removed_along_rows: float | None
    removed_along_columns: float | None


class SampleEntry(TypedDict, total=False):
    """An entry of samples.json: three image files, relative to the run folder, and their figures.

    Dim images are shown ``gain`` times brighter. Without ground truth, ``removed`` takes the place of ``truth``: the
    noisy image minus the restored one, on mid-gray.
    """

    name: str
    input: str
    restored: str
    truth: str
    removed: str
    input_psnr: float
    input_ssim: float
    psnr: float
    ssim: float
    gain: float
