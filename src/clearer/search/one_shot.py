"""Score all architectures of a space with the shared weights of a finished supernet.

All K^modules architectures are paths through one tree: two that agree in their first modules share those modules'
features. The tree is walked depth first, so that each distinct prefix is computed once and memory holds one path.
For the paper's 12 modules that is 8,190 modules instead of 49,152.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn

from clearer.core.errors import UserError
from clearer.evaluation.metrics import psnr
from clearer.network.architecture import Architecture
from clearer.network.backbone import Cell
from clearer.network.modules import Features
from clearer.network.supernet import MixedModule, Supernet
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training.checkpoints import load_checkpoint

STATISTICS = ("batch", "running")
"""Source of a batch norm's mean and variance while architectures are scored; see `score_architectures`."""


def load_supernet(folder: str | Path, device: torch.device) -> tuple[Recipe, Supernet]:
    """Return the recipe and the supernet of a run whose search is finished, in eval mode.

    Raises:
        UserError: the folder is no such run, or its last checkpoint is gone.
    """
    run = RunFolder(Path(folder))
    if not run.search.finished:
        raise UserError(f"{run}: holds no finished search; run 'clearer search RECIPE --out {run}' first")
    recipe = run.read_recipe()
    said: list[str] = []
    state = load_checkpoint(run.search.checkpoints, said.append)
    # A search may have ended early.
    if state is None or state["step"] != run.search.read_result("steps")["steps"]:
        raise UserError(
            f"{run.search.checkpoints}: the supernet's final weights are missing; search again in a new folder"
        )
    supernet = Supernet(recipe.search_space, recipe.search.fusion_input)
    supernet.load_state_dict(state["job"]["supernet"])
    return recipe, supernet.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


@torch.no_grad()
def reestimate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running mean and variance of every batch norm to their plain average over ``batches``.

    Weights shared by many architectures keep statistics of the mixture; a single architecture's features are
    distributed otherwise. Each batch is (B, C, H, W). The network's mode is restored.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    was_training, momenta = network.training, [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: a cumulative average
    network.train()
    for batch in batches:
        network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(was_training)


@torch.inference_mode()
def score_architectures(
    supernet: Supernet,
    degraded: Tensor,
    clean: Tensor,
    architectures: Sequence[Architecture] | None = None,
    *,
    statistics: str = "batch",
    chunk: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """Return the PSNR in dB of architectures with the supernet's weights, by genotype.

    Args:
        supernet: with both candidates fed the module's input (``fusion_input="same"``).
        degraded, clean: (B, C, H, W) held-out patches; sides multiples of the space's multiple.
        architectures: the architectures to score; default: all of the space.
        statistics: ``"batch"``: every batch norm takes those of the patches at hand, so that each
            architecture has its own; ``"running"``: those the supernet gathered of the mixture.
        chunk: the most patches that go through together; with ``"batch"`` they share statistics, so all chunks have
            as many patches, or one fewer.
        progress: called with (architectures done, architectures in all).

    Returns:
        Mean over patches of the PSNR after clamping.

    Raises:
        UserError: an architecture is not of the supernet's space; ``statistics`` is not known.
    """
    if statistics not in STATISTICS:
        raise UserError(f"statistics: {statistics!r} is not one of {', '.join(STATISTICS)}")
    space = supernet.space
    wanted = list(space.all_architectures()) if architectures is None else list(architectures)
    for architecture in wanted:
        if not space.holds(architecture):
            raise UserError(f"architecture: {architecture} is not of the supernet's space, {space}")
    genotypes = {architecture.choices for architecture in wanted}
    prefixes = {word[:n] for word in genotypes for n in range(len(word) + 1)}
    sums = dict.fromkeys(sorted(genotypes), 0.0)
    chunks = _chunks(degraded, clean, chunk)
    norms = [m for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)]
    was_training, momenta = supernet.training, [norm.momentum for norm in norms]
    supernet.train(statistics == "batch")
    done = 0
    try:
        for norm in norms:
            norm.momentum = 0.0  # in training mode, the running statistics stay as they are
        for x, ground_truth in chunks:
            x = x.contiguous(memory_format=torch.channels_last)

            def leaf(word: str, features: Features, x: Tensor = x, target: Tensor = ground_truth) -> None:
                nonlocal done
                output = supernet.unfolded(supernet.ended(features))
                output = output + x if supernet.residual else output
                sums[word] += float(psnr(output.float().clamp(0, 1), target).sum())
                done += 1
                if progress is not None and (done % 32 == 0 or done == len(sums) * len(chunks)):
                    progress(done // len(chunks), len(sums))

            _walk(supernet, "", [supernet.stem(supernet.seen(x))], prefixes, leaf)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        supernet.train(was_training)
    return {str(space.architecture(word)): total / len(clean) for word, total in sums.items()}


def _walk(
    supernet: Supernet, choices: str, features: Features, prefixes: set[str], leaf: Callable[[str, Features], None]
) -> None:
    """Visit all wanted continuations of the prefix ``choices``, whose features are given."""
    space = supernet.space
    if len(choices) == space.modules:
        leaf(choices, features)
        return
    starts = list(accumulate(space.depths, initial=0))
    number = bisect_right(starts, len(choices)) - 1
    cell, index = supernet.cells[number], len(choices) - starts[number]
    assert isinstance(cell, Cell)
    if index == 0:
        features = cell.begin(features)
    mixed = cell.searched[index]
    assert isinstance(mixed, MixedModule)
    for letter in space.candidates:
        if choices + letter in prefixes:
            _walk(supernet, choices + letter, mixed.candidate(letter)(features), prefixes, leaf)


def held_out_psnr(network: Callable[[Tensor], Tensor], degraded: Tensor, clean: Tensor, chunk: int = 32) -> float:
    """Return the mean PSNR in dB over patches (B, C, H, W) of ``network``, clamped to [0, 1]."""
    with torch.inference_mode():
        parts = [psnr(network(x).float().clamp(0, 1), target) for x, target in _chunks(degraded, clean, chunk)]
    return float(torch.cat(parts).mean())


def _chunks(degraded: Tensor, clean: Tensor, most: int) -> list[tuple[Tensor, Tensor]]:
    """Cut both into as few chunks of at most ``most`` patches as there can be, of equal sizes or one patch fewer.

    A last chunk of few patches would be scored by the statistics of these few: a lone patch lost 4 dB.
    """
    count = -(-len(degraded) // most)
    return list(zip(degraded.tensor_split(count), clean.tensor_split(count), strict=True))
