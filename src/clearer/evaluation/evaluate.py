"""Measure how well a function restores a set of images by a protocol."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.data.folders import Source, find_items, find_pairs
from clearer.data.items import Item, item_size
from clearer.evaluation.intensity import IntensityMeter, levels_of
from clearer.evaluation.metrics import luma601, psnr, ssim
from clearer.evaluation.pairs import MeasuredPair, pair_of
from clearer.evaluation.protocols import Protocol, parse_protocol, without_pairs
from clearer.evaluation.self_ensemble import self_ensemble
from clearer.images.pixels import Span
from clearer.images.view import native_channels
from clearer.recipe.schema import Pairs
from clearer.runs.schema import ImageScore, IntensityRecord, ResultRecord

_WARM_UP = 64  # side in pixels of the corner that is restored once before timing starts


@dataclass(frozen=True)
class Result:
    """The result of `evaluate`. PSNR in dB and SSIM are means over the images.

    Args:
        protocol: name of the protocol.
        ensemble: whether the x8 self-ensemble was used.
        images: number of images.
        input_psnr, input_ssim: of the degraded images, clamped to [0, 1].
        psnr, ssim: of the restored images, clamped to [0, 1].
        seconds: time in ``restore`` for all images, without reading, degrading and metrics.
        megapixels_per_second: pixels, not counting channels, per second of that time.
        per_image: the scores of each image, in the order of measurement.
        intensity: of pairs of any degradation, how brightness is preserved; see `clearer.evaluation.intensity`.
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
    intensity: IntensityRecord | None = None

    def to_dict(self) -> ResultRecord:
        """Return the JSON form."""
        facts = dataclasses.asdict(self)
        if self.intensity is None:
            del facts["intensity"]
        return cast(ResultRecord, facts)


Watch = Callable[[Tensor, Tensor, Tensor, Tensor | None], None]
"""Takes the clean, the degraded and the restored image, and where they count, as ``observe`` of `evaluate`."""


def evaluate(
    restore: Callable[[Tensor], Tensor],
    data: Source | Sequence[Item],
    protocol: str | Protocol,
    *,
    limit: int | None = None,
    ensemble: bool = False,
    seed: int = 0,
    layout: str = "auto",
    span: Span | None = None,
    progress: Callable[[int, int], None] | None = None,
    observe: Watch | None = None,
) -> Result:
    """Degrade, restore and measure a set of images.

    Images are measured in the order of their names. Random numbers depend on an image's place in that order, so
    that ``limit`` changes which images are measured, but not their scores. Metrics are those of
    `clearer.evaluation.metrics`, PSNR at most 100 dB.

    Args:
        restore: (1, C, H, W) float32 on the CPU, in [0, 1] except for unclipped noise -> the same shape, on any
            device, not clamped. It is called once on a corner before timing starts.
        data: a folder, two folders, or items. A protocol that needs pairs measures on them; any other degrades
            the clean images.
        protocol: a protocol or its name.
        limit: number of images to measure, the first ones by name.
        ensemble: restore by the x8 self-ensemble.
        seed: of the degradation; keep 0 for comparable results.
        layout: see `clearer.data.folders.find_items`. If the protocol needs pairs, ``"auto"`` reads the files of a
            plain folder as pairs side by side, the clean half on the left. Not used for items.
        span: the levels that are black and white, in place of those of the items.
        progress: called with (images done, number of images) after each image.
        observe: called with the clean, degraded and restored image, in the order of measuring, for further
            measurements: (1, C, H, W) float32 on the CPU, clamped, all channels; and with where (H, W) pixels have a
            value and so count, None for everywhere.

    Raises:
        UserError: the protocol is unknown, the set is empty or does not fit the protocol (no pairs, gray files for
            a color protocol, an image smaller than the crop), a file cannot be read, or a restored image is not
            finite.
    """
    protocol = parse_protocol(protocol) if isinstance(protocol, str) else protocol
    if limit is not None and limit < 1:
        raise UserError(f"limit: {limit} is less than 1; leave it out to measure all images")
    items = items_for(data, protocol, layout)[:limit]
    if span is not None:
        items = [dataclasses.replace(item, span=span) for item in items]
    check_fit(items, protocol)
    scores: list[ImageScore] = []
    any_pairs = protocol.needs_pairs and not protocol.shows
    meter = IntensityMeter(levels_of(items[0].clean, items[0].span)) if any_pairs else None
    watch = [] if observe is None else [observe]
    numbered = list(enumerate(items))
    for score in image_scores(restore, numbered, protocol, ensemble=ensemble, seed=seed, watch=watch, meter=meter):
        scores.append(score)
        if progress is not None:
            progress(len(scores), len(items))
    return result_of(protocol.name, ensemble, scores, None if meter is None else meter.record())


def image_scores(
    restore: Callable[[Tensor], Tensor],
    items: Sequence[tuple[int, Item]],
    protocol: Protocol,
    *,
    ensemble: bool = False,
    seed: int = 0,
    watch: Sequence[Watch] = (),
    meter: IntensityMeter | None = None,
) -> Iterator[ImageScore]:
    """Yield the scores of images one by one, so that a caller can keep each; see `evaluate`.

    Args:
        restore, ensemble, seed: see `evaluate`.
        items: each with its place among the images of the set in the order of their names, from 0.
        protocol: it fits the items.
        watch: called with each image, as ``observe`` of `evaluate`.
        meter: it gets the pixels that have a value.
    """
    run = (lambda x: self_ensemble(restore, x)) if ensemble else restore
    warm = False
    for place, item in items:
        with torch.inference_mode():
            pair = pair_of(item, protocol, seed, place)
            if not warm:
                restore(pair.degraded[..., :_WARM_UP, :_WARM_UP])
            score = _score(run, item.name, pair, protocol.luma, watch, meter)
        warm = True
        yield score


def result_of(
    protocol: str, ensemble: bool, scores: list[ImageScore], intensity: IntensityRecord | None = None
) -> Result:
    """Return the means over images, as `evaluate` does."""

    def mean(key: Literal["input_psnr", "input_ssim", "psnr", "ssim"]) -> float:
        return math.fsum(score[key] for score in scores) / len(scores)

    seconds = sum(score["seconds"] for score in scores)
    pixels = sum(score["height"] * score["width"] for score in scores)
    return Result(
        protocol=protocol,
        ensemble=ensemble,
        images=len(scores),
        input_psnr=mean("input_psnr"),
        input_ssim=mean("input_ssim"),
        psnr=mean("psnr"),
        ssim=mean("ssim"),
        seconds=seconds,
        megapixels_per_second=pixels / 1e6 / max(seconds, 1e-9),
        per_image=scores,
        intensity=intensity,
    )


def items_for(
    data: Source | Sequence[Item], protocol: Protocol, layout: str = "auto", clean_side: str = "left"
) -> list[Item]:
    """Return all items that a protocol measures, sorted by name.

    Raises:
        UserError: there are none; or see `clearer.data.folders.find_items`.
    """
    if isinstance(data, str | Path | Pairs):
        items = (find_pairs if protocol.needs_pairs else find_items)(data, layout, clean_side)
    else:
        items = list(data)
    if not items:
        raise UserError("evaluation: no images to measure; name a folder with images")
    return sorted(items, key=lambda item: item.name)


def check_fit(items: Sequence[Item], protocol: Protocol, for_gray: str = "use color images or a gray protocol") -> None:
    """Refuse images that the protocol cannot measure, from their headers alone, before any work is done.

    Args:
        items: the images.
        protocol: to measure them by.
        for_gray: what helps where an image is gray and the protocol is not.

    Raises:
        UserError: see `evaluate`.
    """
    for item in items:
        if protocol.needs_pairs and not item.is_pair:
            others = ", ".join(without_pairs(protocol))
            raise UserError(
                f"{item.clean}: {protocol.name} needs pairs, and this is a single image; give two folders of pairs "
                f"or files with both halves side by side{f', or use {others} for clean images' if others else ''}"
            )
        files = [path for path in (item.clean, item.degraded if protocol.needs_pairs else None) if path is not None]
        for path in files:
            if native_channels(path) < protocol.channels:
                raise UserError(f"{path}: gray, where {protocol.name} needs {protocol.channels} channels; {for_gray}")
        height, width = item_size(item)
        if min(height, width) < protocol.crop:
            raise UserError(
                f"{item.clean}: {width}x{height} pixels, and {protocol.name} crops to multiples of {protocol.crop}; "
                "remove it or use another protocol"
            )


def _score(
    run: Callable[[Tensor], Tensor],
    name: str,
    pair: MeasuredPair,
    luma: bool,
    watch: Sequence[Watch],
    meter: IntensityMeter | None,
) -> ImageScore:
    clean, degraded, where = pair
    start = time.perf_counter()
    restored = run(degraded).float().cpu()  # .cpu() waits for the device
    seconds = time.perf_counter() - start
    if restored.shape != clean.shape:
        raise ValueError(f"restore returned shape {tuple(restored.shape)} for {tuple(clean.shape)}")
    if not bool(torch.isfinite(restored).all()):
        raise UserError(f"{name}: restored values are not finite; the network has diverged: train it again")
    before, after = degraded.clamp(0, 1), restored.clamp(0, 1)
    for see in watch:
        see(clean, before, after, where)
    if meter is not None:
        meter.add(*(image if where is None else image[:, :, where] for image in (clean, before, after)))
    if luma:
        clean, before, after = luma601(clean), luma601(before), luma601(after)
    return ImageScore(
        name=name,
        height=clean.shape[2],
        width=clean.shape[3],
        input_psnr=psnr(before, clean, where).item(),
        input_ssim=ssim(before, clean, where).item(),
        psnr=psnr(after, clean, where).item(),
        ssim=ssim(after, clean, where).item(),
        seconds=seconds,
    )
