"""Model cards as Markdown: the sections that a model's README and its page on the Hub share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel, parameters
from clearer.zoo.card import CardResult, ModelCard
from clearer.zoo.robustness_table import INTRODUCTION, rows_of, table_lines

NOT_STATED = "not stated"
BF16 = "On images of 8 bits, results in bf16 differ from those in fp32 by"


def card_lines(
    architecture: Architecture,
    card: ModelCard,
    *,
    results: Sequence[CardResult] = (),
    data: str | None = None,
    license: str | None = None,
) -> list[str]:
    """Return the sections of a model card as lines of Markdown: results, robustness, data, cost, limits,
    license.

    ``results``, ``data`` and ``license`` replace those of ``card``. Facts that neither states are written as "not
    stated".
    """
    data, license = data or card.data, license or card.license
    degradation = card.trained_on()
    limits = [] if not card.limits else ["## Limits", "", sentence(card.limits), ""]
    return [
        "## Results",
        "",
        *_result_lines(results or card.results, card),
        "",
        *robustness_lines(card),
        "## Data",
        "",
        sentence(data or f"Training images: {NOT_STATED}"),
        "",
        f"Degradation in training: {NOT_STATED if degradation is None else degradation.describe()}.",
        *_range_lines(card),
        "",
        "## Cost",
        "",
        cost_line(architecture, card),
        "",
        _architecture_line(architecture),
        "",
        *bf16_lines(card),
        *limits,
        "## License",
        "",
        f"Weights: {license or NOT_STATED}.",
    ]


def _range_lines(card: ModelCard) -> list[str]:
    if card.span is None:
        return []
    low, high = card.span
    return ["", f"Black is level {low:g} and white is {high:g}, in files of 16 bits and floating point."]


def robustness_lines(card: ModelCard) -> list[str]:
    """Return the section on the robustness table; none where the card states no table, or one of another shape."""
    rows = rows_of(card.robustness or {})
    return ["## Robustness", "", INTRODUCTION, "", *table_lines(rows), ""] if rows else []


def bf16_lines(card: ModelCard) -> list[str]:
    """Return how far results in bf16 are from those in fp32; nothing where the card does not state both numbers."""
    rms, largest = ((card.bf16 or {}).get(key) for key in ("rms", "largest"))
    if type(rms) not in (int, float) or type(largest) not in (int, float):
        return []
    return [f"{BF16} {rms:.2f} gray levels RMS, by {largest:.1f} at most.", ""]


def cost_line(architecture: Architecture, card: ModelCard) -> str:
    """Return what a model costs and how long it was trained; of one that starts from a run's weights, the last stage.

    A card states the steps of its own run alone.
    """
    steps = f"{NOT_STATED if card.steps is None else f'{card.steps:,}'} steps in {card.precision or NOT_STATED}"
    if card.start and Path(card.start).suffix:  # a weight file, not a model of a name
        trained = f"Its last stage took {steps} and started from the weights in `{card.start}`."
    else:
        start = f", starting from the weights in `{card.start}`" if card.start else ""
        trained = f"Trained for {steps}{start}."
    cost = f"{parameters(architecture):,} parameters and {macs_per_pixel(architecture) / 1e3:,.1f} kMAC per pixel."
    return f"{cost} {trained}"


def _architecture_line(a: Architecture) -> str:
    norm = "no norm" if a.norm == "none" else f"{a.norm} norm"
    residual = ", global residual" if a.residual else ""
    unshuffle = f", {a.unshuffle}x{a.unshuffle} pixel unshuffle" if a.unshuffle > 1 else ""
    level = " It takes the noise level as an optional input and estimates it otherwise." if a.takes_level else ""
    return f"Architecture {a}: {a.operations} operations, width {a.width}, {norm}{residual}{unshuffle}.{level}"


def _result_lines(results: Sequence[CardResult], card: ModelCard) -> list[str]:
    if not results:
        found = card.validation_psnr
        return ["Not measured." if found is None else f"Validation PSNR in training: {found:.2f} dB."]
    rows = [
        f"| {dataset_name(r)} | {r.protocol}{ensemble_note(r)} | {r.images} "
        f"| {r.input_psnr:.2f} | {r.psnr:.2f} | {r.ssim:.4f} |"
        for r in results
    ]
    header = "| dataset | protocol | images | input PSNR, dB | PSNR, dB | SSIM |"
    return [header, "| --- | --- |" + " ---: |" * 4, *rows]


def dataset_name(result: CardResult) -> str:
    """Return the name of the measured folder, without the path, which is private to the machine."""
    return Path(result.data or "images").name


def ensemble_note(result: CardResult) -> str:
    """Return the suffix of a protocol's name for results of the self-ensemble."""
    return ", x8 self-ensemble" if result.ensemble else ""


def sentence(text: str) -> str:
    """Return text on one line, with a capital and a full stop.

    >>> sentence("gray images,  sigma 0 to 75")
    'Gray images, sigma 0 to 75.'
    """
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")
