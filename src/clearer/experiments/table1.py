"""Table 1 and Figure 2 of the supplement: the effect of lambda_1 on the mixing weights."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from clearer.core.files import read_shaped, write_json, write_text
from clearer.experiments import published
from clearer.experiments.agreement import Agreement, agreement
from clearer.experiments.records import FoundWeights, PublishedWeights, Table1
from clearer.experiments.runner import Plan, carry_out, default_jobs, scaled
from clearer.pipeline.run_folder import refuse_other_recipe
from clearer.recipe.schema import Recipe
from clearer.report.figures import save_figure, scatter_beside
from clearer.runs.schema import EpochLine

FOUND = ("mixing_weights", "gap", "entropy", "architecture", "steps", "arch_steps", "seconds", "device", "precision")
"""Keys of a search's result that a row holds."""
LAMBDAS = (0.0, 0.01, 0.1)

SCALES: dict[str, dict[str, Any]] = {
    "full": {},
    # A narrower network, but the published batches: the noise of the gradient of alpha is the published one.
    "desk": {"network.width": 8},
    # Smaller patches, but the same 9,500 architecture steps by the same Adam: the balance of L_Arch and
    # weight decay, which decides the mixing weights, depends on nothing else.
    "laptop": {"network.width": 8, "search.patch": 32, "search.batch": 8, "precision": "fp32"},
}


def table1(
    out: str | Path,
    data: dict[str, Any],
    *,
    scale: str = "full",
    lambdas: Sequence[float] = LAMBDAS,
    recipe: str = "paper-denoise-50",
    overrides: dict[str, Any] | None = None,
    seeds: int = 1,
    jobs: int | None = None,
    console: Console | None = None,
) -> Table1:
    """Search with each lambda_1 and write Table 1 and Figure 2 beside the published values.

    Each search has a run folder, ``out``/lambda-L, or lambda-L-seed-N for all seeds but the first. All finished
    searches, of this call or an earlier one, enter table1.json, table1.md, figure2.svg and figure2.png in ``out``.

    Args:
        out: the folder of the experiment.
        data: settings of the images, dotted key to value (`clearer.experiments.runner.data_settings`).
        scale: ``full`` (the published settings), ``desk`` or ``laptop``.
        lambdas: the values of lambda_1 to search with.
        recipe: a shipped recipe or a YAML file.
        overrides: settings to replace, dotted key to value.
        seeds: searches with each lambda_1, by the recipe's seed and those after it.
        jobs: number of searches at a time; the default is one per core on a CPU and one on a GPU.
        console: where progress is printed; the default is standard error.

    Returns:
        The content of table1.json.

    Raises:
        UserError, Interrupted: see `clearer.fit`.
    """
    out, console = Path(out), console or Console(stderr=True)
    base = scaled(recipe, scale, SCALES, {**data, **(overrides or {})})
    plans = [_plan(base, value, base.seed + n, out) for value in lambdas for n in range(seeds)]
    earlier = _earlier(out, base, plans)
    carry_out(plans, jobs=jobs or default_jobs(base.device, len(plans)), console=console)
    found = sorted(plans + earlier, key=lambda plan: (plan.recipe.search.lambda_arch, plan.recipe.seed))
    result: Table1 = {
        "scale": scale,
        "recipe": base.to_dict(),
        "rows": [_row(plan) for plan in found],
        "published": [
            {"lambda_arch": value, "parallel": list(published.PARALLEL[value]), "gap": published.GAPS[value]}
            for value in LAMBDAS
        ],
    }
    write_json(out / "table1.json", result)
    redraw(out)
    return result


def redraw(out: str | Path) -> None:
    """Write table1.md and Figure 2 from table1.json alone."""
    out = Path(out)
    result = read_shaped(out / "table1.json", Table1)
    write_text(out / "table1.md", as_markdown(result))
    figure = figure2(result)
    for kind in ("svg", "png"):
        save_figure(figure, out / f"figure2.{kind}")


def _plan(base: Recipe, value: float, seed: int, out: Path) -> Plan:
    settings = dataclasses.replace(base.search, lambda_arch=float(value))
    recipe = dataclasses.replace(base, search=settings, seed=seed, name=f"{base.name}-lambda-{value:g}")
    name, folder = f"lambda_1 = {value:g}", f"lambda-{value:g}"
    if seed != base.seed:
        name, folder = f"{name}, seed {seed}", f"{folder}-seed-{seed}"
    return Plan(name, recipe, out / folder, "search")


def _earlier(out: Path, base: Recipe, plans: Sequence[Plan]) -> list[Plan]:
    """Return the finished searches of earlier calls, besides those of ``plans``.

    Raises:
        UserError: one of them has another recipe, such as another scale.
    """
    named = (
        re.fullmatch(r"lambda-(\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?:-seed-(\d+))?", path.name)
        for path in out.glob("lambda-*")
    )
    pairs = {(float(name[1]), int(name[2] or base.seed)) for name in named if name}
    asked = {plan.folder for plan in plans}
    found = [plan for plan in (_plan(base, *pair, out) for pair in sorted(pairs)) if plan.folder not in asked]
    finished = [plan for plan in found if plan.finished]
    for plan in finished:
        refuse_other_recipe(plan.run, plan.recipe)
    return finished


def _row(plan: Plan) -> FoundWeights:
    stage = plan.run.search
    found, lines = stage.read_result(*FOUND), stage.read_metrics("arch_step", "gap", "mixing_weights")
    return {
        "lambda_arch": plan.recipe.search.lambda_arch,
        "parallel": [weights[0] for weights in found["mixing_weights"]],
        "gap": found["gap"],
        "entropy": found["entropy"],
        "architecture": found["architecture"],
        "steps": found["steps"],
        "arch_steps": found["arch_steps"],
        "seconds": found["seconds"],
        "device": found["device"],
        "precision": found["precision"],
        "seed": plan.recipe.seed,
        "gap_over_steps": [[line["arch_step"], round(line["gap"], 5)] for line in lines],
        "genotype_over_steps": _changes(lines, found["architecture"], plan.recipe.network.candidates),
    }


def _changes(lines: Sequence[EpochLine], final: str, candidates: str) -> list[tuple[int, str]]:
    """Return the genotype of the larger mixing weights, without a form, wherever it changed, with its step."""
    cells = [len(cell) for cell in final.partition("@")[0].split("-")]
    changes: list[tuple[int, str]] = []
    for line in lines:
        letters = iter([candidates[max(range(len(w)), key=w.__getitem__)] for w in line["mixing_weights"]])
        genotype = "-".join("".join(next(letters) for _ in range(size)) for size in cells)
        if not changes or changes[-1][1] != genotype:
            changes.append((line["arch_step"], genotype))
    return changes


def as_markdown(result: Table1) -> str:
    """Return Table 1 as Markdown: the mixing weight of parallel in every module, the mean gap, and who agrees."""
    rows = [(row, "published", _published_genotype(row)) for row in result["published"]]
    rows += [(row, _source(row, result), row["architecture"]) for row in result["rows"]]
    modules = max(len(row["parallel"]) for row, *_ in rows)
    head = ["lambda_1", "", *(str(i + 1) for i in range(modules)), "mean gap", "architecture"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row, source, genotype in rows:
        weights = [f"{a:.4f}" for a in row["parallel"]]
        weights += [""] * (modules - len(weights))
        cells = [f"{row['lambda_arch']:g}", source, *weights, f"{row['gap']:.4f}", genotype]
        lines.append("| " + " | ".join(cells) + " |")
    lines += _agreement_lines(result)
    return "\n".join(lines) + "\n"


def _agreement_lines(result: Table1) -> list[str]:
    compared = [
        f"| {value} | {names} | {found.agreed} of {found.modules} | {found.chance['expected']:.2f} | "
        f"{found.chance['at_least']:.3f} |"
        for value, names, found in agreements(result)
    ]
    head = "| lambda_1 | architectures | modules alike | expected by chance | chance of as many or more |"
    return ["", head, "|" + " --- |" * 5, *compared] if compared else []


def agreements(result: Table1) -> Iterator[tuple[str, str, Agreement]]:
    """Compare the architectures of the same lambda_1 in pairs, the published one with each found one first.

    Then those of different lambda_1 of the same seed, and the published ones beside them.

    Yields:
        lambda_1, or both; the names of the two; and their agreement.
    """
    values = sorted({row["lambda_arch"] for row in result["rows"]})
    named = {"published": {row["lambda_arch"]: _published_genotype(row) for row in result["published"]}}
    for row in result["rows"]:
        named.setdefault(_source(row, result), {})[row["lambda_arch"]] = row["architecture"]
    for value in values:
        for first, second in combinations([name for name, found in named.items() if value in found], 2):
            if found := agreement(named[first][value], named[second][value]):
                yield f"{value:g}", f"{first}; {second}", found
    for one, other in combinations(values, 2):
        for name, genotypes in named.items():
            if one in genotypes and other in genotypes and (found := agreement(genotypes[one], genotypes[other])):
                yield f"{one:g} and {other:g}", name, found


def _source(row: FoundWeights, result: Table1) -> str:
    """Return how a row found here is named: with its seed, where there are several."""
    several = len({other["seed"] for other in result["rows"]}) > 1
    return f"here, seed {row['seed']}" if several else "here"


def _published_genotype(row: PublishedWeights) -> str:
    """Return the genotype that a row of the paper's mixing weights discretizes to."""
    letters = "".join("P" if a >= 0.5 else "F" for a in row["parallel"])
    return "-".join(letters[i : i + 4] for i in range(0, len(letters), 4))


def figure2(result: Table1) -> Figure:
    """Return Figure 2: the mixing weights of each lambda_1 as points, found ones above published ones."""
    sources: list[list[tuple[str, PublishedWeights]]] = [
        [(_source(row, result), row) for row in result["rows"]],
        [("published", row) for row in result["published"]],
    ]
    return scatter_beside([
        [(f"$\\lambda_1$ = {row['lambda_arch']:g}, {source}", [(a, 1 - a) for a in row["parallel"]])
         for source, row in rows]
        for rows in sources
    ])  # fmt: skip
