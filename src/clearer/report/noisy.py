"""Parts of the page of a run without ground truth: the measured noise, and the ranking by estimated errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearer.noise.profile import profile_from
from clearer.report.markup import drawing, note, section, table
from clearer.report.noise_figure import noise_figure
from clearer.runs.record import Record, number

CERTAIN = 2.0
"""Standard errors from which on a difference counts."""
UNCERTAIN = 10.0
"""Standard error in dB from which an estimate says nothing: the error is less than the doubt about the noise level."""
SIMILAR = 0.1
"""Correlation of what was removed, beyond that of the noise, from which image content is suspected in it."""
UNKNOWN = "too small to be told from the noise"


def noise_section(record: Record) -> str:
    """Return the measured noise in words and as a figure."""
    words = record.noise.get("words")
    if not isinstance(words, list):
        return ""
    profile = profile_from(record.noise)
    figure = drawing(noise_figure({"training images": profile}), "chart", "noise") if profile is not None else ""
    return section("Noise", figure + "".join(note(str(sentence)) for sentence in words))


def ranking_section(record: Record) -> str:
    """Return the estimated errors of the model and of others on held-out images, with their uncertainty."""
    rows = record.ranking.get("rows")
    if not rows:
        return ""
    head = ("estimated on held-out noisy images", "PSNR dB", "this model is better by dB")
    cells = [(str(row.get("name")), _pair(row, "estimated_psnr", "standard_error", ".2f"), _gain(row)) for row in rows]
    count, explanation = record.ranking.get("images"), record.ranking.get("explanation")
    images = "one held-out image" if count == 1 else f"{count} held-out images"
    text = (
        f"There is no ground truth: all figures are estimates on {images} ({explanation}), with their "
        "standard error. Differences are more certain than the figures themselves, which depend on the noise model."
    )
    better = record.ranking.get("better")
    if better:
        text += f" Estimated to do better, without training on these images: {', '.join(better)}."
    return section("Estimated results", table(head, cells, left=1) + note(text) + note(_residual(record)))


def estimated_line(record: Record) -> str:
    """Return the estimate of the model and of the input in one line; an empty string without an estimate."""
    if number(record.train, "best_estimated_psnr") is None:
        return ""
    value = _pair(record.train, "best_estimated_psnr", "standard_error", ".2f")
    before = number(record.train, "estimated_input_psnr")
    unit = "" if value == UNKNOWN else " dB"
    return f"{value}{unit}{'' if before is None else f', input {before:.2f} dB'}"


def _pair(values: Mapping[str, Any], key: str, error: str, form: str) -> str:
    value, spread = number(values, key), number(values, error)
    if value is None:
        return ""
    if spread is not None and spread > UNCERTAIN:
        return UNKNOWN
    return f"{value:{form}}" + ("" if spread is None else f" ± {spread:{form}}")


def _gain(row: Mapping[str, Any]) -> str:
    if row.get("kind") == "trained":
        return ""
    return _pair(row, "gain", "gain_standard_error", "+.2f").replace("± +", "± ")


def _residual(record: Record) -> str:
    """Return in words whether what was removed looks like the noise."""
    found = [number(record.ranking, f"removed_along_{axis}") for axis in ("rows", "columns")]
    own = [_neighbor(record.noise.get(axis)) for axis in ("rows", "columns")]
    if None in found:
        return ""
    what = ", ".join(f"{_plain(value)} along {axis}" for value, axis in zip(found, ("rows", "columns"), strict=True))
    text = f"What the model removes has a correlation of neighboring pixels of {what}"
    text += f"; the noise itself of {_plain(own[0])} and {_plain(own[1])}." if None not in own else "."
    excess = [a - b for a, b in zip(found, own, strict=True) if a is not None and b is not None]
    if excess and max(excess) > SIMILAR:
        text += " It is more alike than the noise: image content may be removed with it; see the images."
    return text


def _plain(value: float | None) -> str:
    return f"{round(value or 0.0, 2) + 0.0:.2f}"  # never -0.00


def _neighbor(correlation: object) -> float | None:
    known = isinstance(correlation, list) and len(correlation) > 1
    return float(correlation[1]) if known else None  # type: ignore[index]
