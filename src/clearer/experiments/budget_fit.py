"""fit within a budget: search first, then train what was found."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.experiments.macro_search import macro_search
from clearer.inference.budget import Budget
from clearer.pipeline.data_mode import choose
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.training import distributed


def settings_for(
    recipe: str | Path | None,
    out: str | Path | None,
    overrides: dict[str, Any],
    budget: str,
    *,
    minutes: float = 60,
    jobs: int | None = None,
    console: Console,
) -> tuple[Path, dict[str, Any]]:
    """Search within a budget for what `clearer.fit` trains next; return its run folder and all its overrides.

    The search is in the sub-folder ``budget`` of the run folder.

    Args:
        recipe, out, overrides, console: see `clearer.fit`.
        budget: such as ``100ms@1mp``; see `Budget.parse`.
        minutes, jobs: see `macro_search`.

    Raises:
        UserError: the architecture is given too, or the budget cannot be met; see `macro_search`.
    """
    wanted = Budget.parse(budget)
    if overrides.get("architecture") or overrides.get("train.start"):
        raise UserError(f"budget: {budget} searches for an architecture, and one is given too; leave out one of them")
    if distributed.launched()[1] > 1:
        raise UserError(f"budget: {budget} needs a single process, which runs several trainings; leave torchrun out")
    chosen = choose(recipe, overrides)
    for remark in chosen.remarks:
        say(remark, console)
    resolved = load_recipe(chosen.recipe, chosen.overrides)
    folder = Path(out) if out is not None else Path("runs") / resolved.name
    place = RunFolder(folder).budget
    place.mkdir(parents=True, exist_ok=True)
    found = macro_search(resolved, place, wanted, minutes=minutes, jobs=jobs, console=console)
    write_json(
        place / "result.json",
        {
            "budget": budget,
            "architecture": found.architecture.text,
            "default": found.default.text,
            "spread": found.gate.spread,
            "chance": found.gate.chance,
            "trained": [dataclasses.asdict(line) for line in found.trained],
        },
    )
    say(f"search: {found.architecture.text}", console)
    multiple = found.architecture.multiple
    patches = {f"{part}.patch": getattr(resolved, part).patch for part in ("search", "train")}
    rounded = {key: -(-patch // multiple) * multiple for key, patch in patches.items()}
    return folder, {**overrides, **rounded, "architecture": found.architecture.text}
