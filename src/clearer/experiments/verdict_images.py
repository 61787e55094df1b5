"""The test images of a verdict on a search within budgets, and the scores of each training on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from clearer.core.console import progress_bar, say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.data.items import Item
from clearer.data.noisy import is_noisy_only
from clearer.data.ranges import with_noticed_levels, with_range
from clearer.data.side_by_side import refuse_single_images
from clearer.data.splits import resolve_splits, without_seen
from clearer.data.stacks import only_channel
from clearer.evaluation.evaluate import check_fit, evaluate, items_for
from clearer.evaluation.protocols import parse_protocol
from clearer.experiments.runner import Plan
from clearer.inference.restorer import load
from clearer.recipe.schema import Recipe


class _TestScores(TypedDict):
    """The scores of a training on test images, by image, and what was measured."""

    measured: dict[str, Any]
    psnr: list[float]


def measured_items(recipe: Recipe, test: str | None, console: Console) -> list[Item]:
    """Return the test images as the recipe reads its own: by its layout, clean side, channel and range.

    Args:
        recipe: of the trainings.
        test: a folder in place of the recipe's test images. Images that show what training or validation images show
            are left out, which is said. Those of trainings on noisy images alone, of which nobody knows what they
            show, are taken as they are.
        console: where it is said.

    Raises:
        UserError: there are no test images, none is new, or they do not fit a protocol of the recipe, as single
            images do not fit one of pairs.
    """

    def told(text: str) -> None:
        say(text, console)

    data, channels, patch = recipe.data, recipe.network.channels, recipe.train.patch
    protocols = [parse_protocol(name) for name in recipe.evaluate.protocols]
    splits = resolve_splits(data, channels=channels, patch=patch, seed=recipe.seed, say=lambda remark: None)
    stated = None if data.range is None else data.span
    if not protocols or (test is None and not splits.test):
        raise UserError("verdict: the recipe has no test images or no protocol to measure them; give --test FOLDER")
    if test is None:
        items = with_range(splits, stated, lambda remark: None).test
    else:
        layout = "side-by-side" if data.layout == "side-by-side" else "auto"
        if protocols[0].needs_pairs:
            refuse_single_images(test, layout, "name a folder with two sub-folders of pairs, such as clean and noisy")
        found = items_for(test, protocols[0], layout, data.clean_side)
        found = found if data.channel is None else only_channel(found, data.channel)
        items = with_noticed_levels(found if is_noisy_only(data) else without_seen(found, test, splits, told), stated)
    for protocol in protocols:
        check_fit(items, protocol)
    return items


def scores_of(
    plan: Plan, device: str, items: Sequence[Item], protocols: Sequence[str], out: Path
) -> NDArray[np.float64]:
    """Return the PSNR of each test image, the mean over the protocols; measured once for equal weights and images."""
    file = out / "test" / f"{plan.name}.json"
    weights = hashlib.sha256(plan.run.last_weights.read_bytes()).hexdigest()
    wanted = {"weights": weights, "images": _digest_of(items), "protocols": list(protocols)}
    if file.exists() and (kept := read_shaped(file, _TestScores))["measured"] == wanted:
        return np.array(kept["psnr"])
    restorer = load(plan.run.last_weights, device, "fp32")
    scores = []
    for name in protocols:
        with progress_bar(f"{plan.name} {name}") as progress:
            found = evaluate(restorer, items, name, progress=progress)
        scores.append([image["psnr"] for image in found.per_image])
    mean: NDArray[np.float64] = np.array(scores).mean(axis=0)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"measured": wanted, "psnr": mean.tolist()})
    return mean


def _digest_of(items: Sequence[Item]) -> str:
    """Return a digest that changes when an image is added, removed, renamed, written again, or read otherwise."""
    facts = []
    for item in items:
        files = [path.stat() for path in (item.clean, item.degraded) if path is not None]
        facts.append((item.name, item.side, item.page, item.span, [(file.st_size, file.st_mtime_ns) for file in files]))
    return hashlib.sha256(repr(facts).encode()).hexdigest()
