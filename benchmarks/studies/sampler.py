"""Compare samplers of networks of equal cost: quasi-random points, and Optuna's TPE, on a table of trained networks.

    pip install 'clearer[optuna]'
    python benchmarks/studies/sampler.py denoise-gray --train bsds500/train --validation bsds500/val \\
        --kmac 8 --networks 54 --draws 18 --steps 200 -o docs/results/sampler.json

All networks are trained for the same steps from one seed. Then each sampler chooses --draws of them, many times.
Quasi-random points get the nearest network that was not chosen before. TPE works as in a search: after eight
quasi-random points it asks for two forms, gets the nearest networks, and is told their PSNR, again and again. What
counts is the best PSNR among those chosen, and the mean of the best third, which a search trains on.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from brief_training import begun, options, recipe_of, trained_psnr
from torch.quasirandom import SobolEngine

from clearer.core.files import read_json, write_json
from clearer.experiments.budget_cost import fixed_fields
from clearer.experiments.short_training import short
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.recipe.schema import Recipe
from clearer.search.halving import UNGUIDED
from clearer.search.macro_space import Form, form_at
from clearer.search.tpe import Estimator, Told

Choices = dict[str, Any]
REPEATS = 200
BATCH = 2
"""Networks that are asked for at a time: as many as there are workers."""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--kmac", type=float, default=8)
    parser.add_argument("--networks", type=int, default=72)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--draws", type=int, default=27)
    given = begun(parser)
    if given.out.exists():  # the table, of a run that was stopped
        rows = read_json(given.out)["networks"]
    else:
        rows = []
    recipe = recipe_of(given, batch=8, patch=48, validation_images=16, validation_crop=128)
    for form, network in forms(1000 * given.kmac, given.networks, recipe):
        if any(row["architecture"] == network.text for row in rows):
            continue
        began = time.process_time()
        rows.append({"architecture": network.text, "form": form, "psnr": trained(recipe, network, given.steps)})
        print(len(rows), network.text, rows[-1]["psnr"], round(time.process_time() - began, 1), flush=True)
        write_json(given.out, {"command": given.command, "networks": rows})
    table = {row["architecture"]: (row["form"], row["psnr"]) for row in rows}
    result = {name: judged(sampler, table, given.draws) for name, sampler in (("sobol", sobol), ("tpe", tpe))}
    psnr = [value for _, value in table.values()]
    result["table"] = {"best": max(psnr), "mean": statistics.mean(psnr), "stdev": statistics.stdev(psnr)}
    print(result)
    write_json(given.out, {"command": given.command, "draws": given.draws, "result": result, "networks": rows})


def forms(macs: float, count: int, recipe: Recipe) -> list[tuple[Choices, Architecture]]:
    """Return forms that fit the budget and their networks, from Sobol points."""
    points = SobolEngine(dimension=7, scramble=True, seed=0)  # type: ignore[no-untyped-call]
    found: dict[str, tuple[Choices, Architecture]] = {}
    while len(found) < count:
        form = form_at(points.draw(1)[0].tolist())
        network = form.fitted(macs_per_pixel, macs, **fixed_fields(recipe))
        if network is not None:
            found.setdefault(network.text, (choices(form), network))
    return list(found.values())


def choices(form: Form) -> Choices:
    values = dataclasses.asdict(form)
    del values["more"]
    return values


def trained(recipe: Recipe, network: Architecture, steps: int) -> float:
    """Return the validation PSNR of a short training."""
    with tempfile.TemporaryDirectory() as folder:
        return trained_psnr(short(recipe, network, 0, steps), Path(folder), steps)


Table = dict[str, tuple[Choices, float]]


def judged(sampler: Callable[[Table, int, int], list[str]], table: Table, draws: int) -> dict[str, float]:
    """Return what a sampler finds in the mean over many repetitions, in dB, and the standard errors."""
    best, third = [], []
    for seed in range(REPEATS):
        psnr = sorted((table[name][1] for name in sampler(table, draws, seed)), reverse=True)
        best.append(psnr[0])
        third.append(statistics.mean(psnr[: draws // 3]))
    error = REPEATS**0.5
    return {
        "best": statistics.mean(best),
        "best_error": statistics.stdev(best) / error,
        "third": statistics.mean(third),
        "third_error": statistics.stdev(third) / error,
    }


def sobol(table: Table, draws: int, seed: int) -> list[str]:
    points = SobolEngine(dimension=7, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    left, found = dict(table), list[str]()
    while len(found) < draws:
        found.append(nearest(choices(form_at(points.draw(1)[0].tolist())), left, seed))
        del left[found[-1]]
    return found


def tpe(table: Table, draws: int, seed: int) -> list[str]:
    """Choose as a search does: the first ones by quasi-random points, beside the default network, then some at a time.

    The default network is of no form, so nothing is told of it; it is not among the draws.
    """
    left, found = dict(table), list[str]()
    for name in sobol(table, min(UNGUIDED - 1, draws), seed):
        found.append(name)
        del left[name]
    while len(found) < draws:
        told = [Told(Form(**table[name][0]), table[name][1]) for name in found]
        estimator = Estimator(told, seed=1000 * seed)
        for _ in range(min(BATCH, draws - len(found))):
            name = nearest(choices(estimator.ask()), left, seed)
            found.append(name)
            del left[name]
    return found


def nearest(form: Choices, left: Table, seed: int) -> str:
    """Return the network whose form differs in the fewest choices; among equal ones, one by chance."""
    shuffled = torch.randperm(len(left), generator=torch.Generator().manual_seed(1000 * seed + len(left))).tolist()
    names = list(left)
    away = {name: sum(bool(other[key] != form[key]) for key in form) for name, (other, _) in left.items()}
    return min((names[k] for k in shuffled), key=lambda name: away[name])


if __name__ == "__main__":
    main()
