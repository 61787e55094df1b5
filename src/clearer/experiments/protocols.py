"""Measure the effect of the evaluation protocol on the figures of one method."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from clearer.core.console import progress_bar, say
from clearer.core.errors import UserError, nearest
from clearer.core.files import read_shaped, write_json, write_text
from clearer.data.folders import pairs_of, short_name
from clearer.data.items import Item
from clearer.data.ranges import with_noticed_levels
from clearer.data.side_by_side import refuse_single_images
from clearer.degradations.gaussian import Gaussian
from clearer.evaluation.evaluate import Result, evaluate, items_for
from clearer.evaluation.metrics import luma601, patch_psnr, psnr, ssim
from clearer.evaluation.protocols import Protocol, parse_protocol
from clearer.experiments.records import EffectRow, ProtocolEffects
from clearer.methods.base import Method, as_restore
from clearer.methods.trained_model import method_of_model
from clearer.methods.user_file import methods_from_file
from clearer.report.facts import seen_line

PATCH = 64  # pixels, the side of separate patches


@dataclass(frozen=True)
class Way:
    """One way to evaluate: its difference from the base, its protocol, and whether it uses the x8 self-ensemble.

    ``apart``: each patch is restored by itself, as the released program's ``patches2patches`` does for CLEARER-P.
    """

    text: str
    protocol: Protocol
    ensemble: bool = False
    apart: bool = False


@dataclass
class ExtraMeasurements:
    """Measurements beyond the protocol's own, on the same restored images."""

    luma_psnr: list[float] = field(default_factory=list)
    luma_ssim: list[float] = field(default_factory=list)
    patch_psnr: list[float] = field(default_factory=list)

    def observe(self, clean: Tensor, degraded: Tensor, restored: Tensor, where: Tensor | None) -> None:
        """Measure one image, each (1, C, H, W) in [0, 1]; see `clearer.evaluation.evaluate.Watch`."""
        if clean.shape[1] == 3:
            a, b = luma601(restored), luma601(clean)
            self.luma_psnr.append(psnr(a, b, where).item())
            self.luma_ssim.append(ssim(a, b, where).item())
        if min(clean.shape[2:]) >= PATCH:
            found = patch_psnr(restored, clean, PATCH, where).item()
            self.patch_psnr += [] if math.isnan(found) else [found]


def compare_protocols(
    method: Method,
    data: str | Path,
    sigma: float | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    clean_side: str | None = None,
    out: str | Path | None = None,
    console: Console | None = None,
) -> ProtocolEffects:
    """Evaluate one method in several ways, each of which differs from the base in one respect.

    The base is ``clearer-gray-S`` for gray noise, ``color-awgn-S`` for color noise and ``rain-rgb`` for
    rain. The other ways, if they apply: whole images or their center crop, clipped or unclipped noise,
    Y instead of RGB, mean PSNR over separate 64x64 patches, patches that are restored each by itself, and the x8
    self-ensemble. Noise is drawn
    after the crop, so another crop has another noise sample. If a method was trained on the other kind of
    noise, clipped or unclipped, that row shows the cost of the mismatch.

    Args:
        method: the method to evaluate; see `choose_method`.
        data: a folder of clean images, or of pairs for rain.
        sigma: noise level in gray levels; the default is the method's own, if it has a single one. None for rain.
        limit: evaluate only the first N images.
        seed: noise seed; keep 0 for comparable results.
        clean_side: "left" or "right", of pairs side by side, whether or not their halves look alike; only for rain.
        out: a JSON file to write; a Markdown table is written beside it.
        console: where each result is printed when it is known; the default is standard error.

    Returns:
        The content of the JSON file; its first row is the base.

    Raises:
        UserError: the method is not meant for the level; the images are single ones where pairs are needed; or see
            `clearer.evaluation.evaluate.evaluate`.
    """
    ways = _ways(method, _level(method, sigma))
    items = with_noticed_levels(_items(data, ways[0].protocol, clean_side))
    console = console or Console(stderr=True)
    if method.seen is not None and (
        line := seen_line({"seen": method.seen(items[:limit]), "images": len(items[:limit])})
    ):
        say(line, console)
    rows: list[EffectRow] = []
    for way in ways:
        extra, place = ExtraMeasurements(), len(rows)
        with progress_bar(way.text) as progress:
            restore = as_restore(method, way.protocol.sigma)
            result = evaluate(
                patchwise(restore) if way.apart else restore, items, way.protocol, limit=limit, seed=seed,
                ensemble=way.ensemble, progress=progress, observe=extra.observe,
            )  # fmt: skip
        rows += _rows(way, result, extra, rows[0]["psnr"] if rows else None)
        for row in rows[place:]:
            say(f"{row['name']}: {row['psnr']:.2f} dB ({row['difference']:+.2f})", console)
    found: ProtocolEffects = {
        "method": method.name, "notes": method.notes, "setup": method.setup, "sha256": method.sha256,
        "data": short_name(data), "images": result.images, "limit": limit, "sigma": ways[0].protocol.sigma,
        "seed": seed, "base": ways[0].protocol.name, "rows": rows,
    }  # fmt: skip
    if out is not None:
        write_json(out, found)
        redraw(out)
    return found


def patchwise(restore: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a function that cuts an image into patches of 64x64 pixels and restores each by itself.

    Images are (1, C, H, W). A patch at the right or bottom edge may be smaller.
    """

    def apart(x: Tensor) -> Tensor:
        rows = [[restore(patch) for patch in torch.split(row, PATCH, 3)] for row in torch.split(x, PATCH, 2)]
        return torch.cat([torch.cat(row, 3) for row in rows], 2)

    return apart


def redraw(path: str | Path) -> None:
    """Write the Markdown table beside the JSON file, from the JSON alone."""
    write_text(Path(path).with_suffix(".md"), as_markdown(read_shaped(path, ProtocolEffects)))


def as_markdown(result: ProtocolEffects) -> str:
    """Return the rows as a Markdown table."""
    number = result["images"]
    count = f"{'all' if result['limit'] is None else 'the first'} {number} image{'' if number == 1 else 's'}"
    notes = f" ({result['notes']})" if result["notes"] else ""
    lines = [
        f"**{result['method']}**{notes}, {count} of {result['data']}; the base is {result['base']}",
        "",
        "| | PSNR (dB) | SSIM | from the base (dB) |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        structure = "" if row["ssim"] is None else f"{row['ssim']:.4f}"
        lines.append(f"| {row['name']} | {row['psnr']:.2f} | {structure} | {row['difference']:+.2f} |")
    if result["sigma"] is not None:
        lines += ["", "A row with another kind of noise than in training shows the cost of that mismatch."]
    return "\n".join(lines) + "\n"


def choose_method(
    model: str, also: str | Path | None, sigma: float | None, *, device: str = "auto", precision: str = "fp32"
) -> Method:
    """Return a trained network, or a method of a Python file.

    Args:
        model: a model as `clearer.load` takes it; with ``also``, the name of a method in that file.
        also: a Python file that defines METHODS, or None.
        sigma: the noise level, which tells methods of one name apart.
        device, precision: see `clearer.load`.

    Raises:
        UserError: see `method_of_model` and `methods_from_file`; or the file does not have exactly one such
            method for this level.
    """
    if also is None:
        return method_of_model(model, device, precision)
    methods = methods_from_file(also)
    named = [method for method in methods if method.name == model]
    if not named:
        known = dict.fromkeys(method.name for method in methods)
        raise UserError(f"{also}: has no method {model!r}{nearest(model, known)}; it has {', '.join(known)}")
    fitting = [m for m in named if sigma is None or m.sigmas is None or m.sigmas[0] <= sigma <= m.sigmas[1]]
    if len(fitting) != 1:
        raise UserError(f"{also}: {len(fitting)} methods {model!r} are for this noise level; give it with --sigma")
    return fitting[0]


def _level(method: Method, sigma: float | None) -> float | None:
    """Return the noise level after checking it against the method."""
    if method.degradation == "rain":
        if sigma is not None:
            raise UserError(f"sigma: {method.name} removes rain, which has no noise level; leave it out")
        return None
    if method.degradation != "gaussian":
        raise UserError(f"{method.name}: is for {method.degradation!r}; give a method for noise or rain")
    if method.sigmas is not None and method.sigmas[0] == method.sigmas[1]:
        sigma = method.sigmas[0] if sigma is None else sigma
    if sigma is None:
        raise UserError(f"sigma: {method.name} is for more than one noise level; give one, such as --sigma 50")
    if method.sigmas is not None and not method.sigmas[0] <= sigma <= method.sigmas[1]:
        low, high = method.sigmas
        span = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        raise UserError(f"sigma: {method.name} is for sigma {span}, not {sigma:g}; give such a level")
    return sigma


def _items(data: str | Path, protocol: Protocol, clean_side: str | None) -> list[Item]:
    """Return the images of a user's folder; single ones are not cut into halves for pairs, unless that is stated."""
    if not protocol.needs_pairs:
        if clean_side is not None:
            raise UserError(f"--clean-side: {protocol.name} takes clean images and degrades them; leave it out")
        return items_for(data, protocol)
    if clean_side is not None and pairs_of(data) is not None:
        raise UserError(f"--clean-side {clean_side}: {data} holds pairs in two folders, not side by side; leave it out")
    layout = "auto" if clean_side is None else "side-by-side"
    refuse_single_images(
        data,
        layout,
        "name a folder with two sub-folders of pairs, such as clean and rainy, or give --clean-side left or right if "
        "each file is a pair side by side all the same",
    )
    return items_for(data, protocol, layout, clean_side or "left")


def _ways(method: Method, sigma: float | None) -> list[Way]:
    """Return the ways to evaluate, the base first."""
    if sigma is None:
        base = parse_protocol("rain-rgb")
        return [Way("rain-rgb", base), Way("x8 self-ensemble", base, True)]

    def but(text: str, **changes: Any) -> Way:
        return Way(text, dataclasses.replace(base, name=f"{base.name}, {text}", **changes))

    if method.channels == 3:
        base = parse_protocol(f"color-awgn-{sigma:g}")
        crop = but(f"center crop to multiples of {PATCH}", crop=PATCH)
        ways = [but("noise clipped, floored to 8 bits", degradation=Gaussian(sigma, clip8=True)), crop]
    else:
        base = parse_protocol(f"clearer-gray-{sigma:g}")
        usual = parse_protocol(f"gray-awgn-{sigma:g}")
        ways = [but("noise not clipped", degradation=Gaussian(sigma)), but("whole images", crop=1)]
        ways.append(Way(f"both: {usual.name}", usual))
    alone = [Way(f"each {PATCH}x{PATCH} patch restored by itself", base, apart=True)] if base.crop == PATCH else []
    return [Way(base.name, base), *ways, *alone, Way("x8 self-ensemble", base, True)]


def _rows(way: Way, result: Result, extra: ExtraMeasurements, base: float | None) -> list[EffectRow]:
    """Return the rows of one way; extra measurements only of the base and of its self-ensemble.

    ``base`` is the base's PSNR; None means that this way is the base.
    """

    def row(name: str, value: float, structure: float | None) -> EffectRow:
        return {
            "name": name, "protocol": way.protocol.name, "ensemble": way.ensemble, "images": result.images,
            "psnr": value, "ssim": structure, "difference": value - (result.psnr if base is None else base),
        }  # fmt: skip

    rows = [row(way.text, result.psnr, result.ssim)]
    if base is None or way.ensemble or way.apart:
        before = f"{way.text}, " if base is not None else ""
        if extra.luma_psnr:
            rows.append(row(f"{before}on Y instead of RGB", _mean(extra.luma_psnr), _mean(extra.luma_ssim)))
        if len(extra.patch_psnr) == result.images:  # else an image is smaller than a patch
            name = f"{before}mean over separate {PATCH}x{PATCH} patches"
            rows.append(row(name, _mean(extra.patch_psnr), None))
    return rows


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
