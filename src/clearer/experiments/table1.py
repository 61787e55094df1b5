"""The supplement's Table 1 and Figure 2: what lambda_1 does to the mixing_weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.files import read_json, write_json, write_text
from clearer.experiments import published
from clearer.experiments.runner import Plan, carry_out, default_jobs, scaled
from clearer.pipeline.run_folder import refuse_other_recipe
from clearer.recipe.schema import Recipe
from clearer.report.figures import save_figure, scatter_beside

LAMBDAS = (0.0, 0.01, 0.1)

SCALES: dict[str, dict[str, Any]] = {
    "full": {},
    # Smaller images of the same kind, and the same 9,500 architecture steps with the same Adam: what
    # L_Arch and the weight decay make of the alpha hangs on nothing else.
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
    jobs: int | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Search for each lambda_1 and write Table 1 and Figure 2 beside the published values.

    Each search is a run folder ``out``/lambda-L. From those that are finished, by this call or an
    earlier one, come table1.json, table1.md, figure2.svg and figure2.png in ``out``.

    Args:
        out: the folder of the experiment.
        data: the recipe's settings for the images, dotted key to value (`plans.data_settings`).
        scale: ``full`` (the published settings) or ``laptop``.
        lambdas: which lambda_1 to search for; the others are shown where they were searched before.
        recipe: a shipped recipe or a YAML file.
        overrides: dotted key to value, replacing settings of the recipe.
        jobs: searches side by side; by default one a core on a CPU, else one.

    Returns:
        What table1.json holds.

    Raises:
        UserError, Interrupted: as of `clearer.fit`.
    """
    out, console = Path(out), console or Console(stderr=True)
    base = scaled(recipe, scale, SCALES, {**data, **(overrides or {})})
    plans = [_plan(base, value, out) for value in lambdas]
    carry_out(plans, jobs=jobs or default_jobs(base.device, len(plans)), console=console)
    known = sorted({*LAMBDAS, *lambdas})
    found = [plan for plan in (_plan(base, value, out) for value in known) if plan.finished]
    for plan in found:
        refuse_other_recipe(plan.folder, plan.recipe)
    result = {
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
    result = read_json(out / "table1.json")
    write_text(out / "table1.md", as_markdown(result))
    figure = figure2(result)
    for kind in ("svg", "png"):
        save_figure(figure, out / f"figure2.{kind}")


def _plan(base: Recipe, value: float, out: Path) -> Plan:
    settings = dataclasses.replace(base.search, lambda_arch=float(value))
    recipe = dataclasses.replace(base, search=settings, name=f"{base.name}-lambda-{value:g}")
    return Plan(f"lambda_1 = {value:g}", recipe, out / f"lambda-{value:g}", "search")


def _row(plan: Plan) -> dict[str, Any]:
    found, lines = plan.run.search.read_result(), plan.run.search.read_metrics()
    return {
        "lambda_arch": plan.recipe.search.lambda_arch,
        "parallel": [pair[0] for pair in found["mixing_weights"]],
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
    }


def as_markdown(result: dict[str, Any]) -> str:
    """Return Table 1 as Markdown: alpha^p of every module and the mean gap, beside the published ones."""
    modules = max(len(row["parallel"]) for row in result["rows"] + result["published"])
    head = ["lambda_1", "", *(str(i + 1) for i in range(modules)), "mean gap", "architecture"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for kind, rows in (("published", result["published"]), ("here", result["rows"])):
        for row in rows:
            alphas = [f"{a:.4f}" for a in row["parallel"]]
            alphas += [""] * (modules - len(alphas))
            cells = [f"{row['lambda_arch']:g}", kind, *alphas, f"{row['gap']:.4f}", _letters(row)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _letters(row: dict[str, Any]) -> str:
    """Return the architecture of a row; of a published one, from its mixing_weights."""
    if "architecture" in row:
        return str(row["architecture"])
    letters = "".join("P" if a >= 0.5 else "F" for a in row["parallel"])
    return "-".join(letters[i : i + 4] for i in range(0, len(letters), 4))


def figure2(result: dict[str, Any]) -> Any:
    """Return Figure 2: the mixing_weights of each lambda_1 as points, found ones above published ones."""
    panels = []
    for kind, rows in (("here", result["rows"]), ("published", result["published"])):
        panels.append(
            [(f"$\\lambda_1$ = {row['lambda_arch']:g}, {kind}", [(a, 1 - a) for a in row["parallel"]]) for row in rows]
        )
    return scatter_beside(panels)
