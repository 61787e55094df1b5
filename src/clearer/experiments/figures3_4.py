"""Figures 3 and 4 of the supplement: the architectures learned for denoising and deraining, drawn.

Published is one of them in letters, by Table 1's row for lambda_1 = 0.10. Of the one for deraining
the supplement says only that it has eight fusion and four parallel modules too, at other positions.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json, write_text
from clearer.experiments import published
from clearer.network.architecture import FUSION, Architecture
from clearer.report.drawing import Drawing, architectures_figure
from clearer.report.figures import save_figure
from clearer.runs.layout import RunFolder

LAMBDA = 0.1
"""The row of Table 1 with as many fusion and parallel modules as the supplement says of its figures."""

FIGURES = {"figure3": "denoise", "figure4": "derain"}
WORDS = {"denoise": "image denoising", "derain": "image deraining"}


def figures34(
    out: str | Path, *, denoise: str | Path | None = None, derain: str | Path | None = None
) -> dict[str, Any]:
    """Draw what searches found above what is published, and count in how many modules they agree.

    Writes figures34.json, figures34.md, published.svg/png, and figure3.svg/png (``denoise``) and
    figure4.svg/png (``derain``) into ``out``. A figure that an earlier call made there stays.

    Args:
        out: the folder for the figures.
        denoise, derain: a run folder whose search is finished (or that holds an architecture.json), or
            an architecture.json alone.

    Returns:
        What figures34.json holds.

    Raises:
        UserError: there is no finished search, or it is one for the other task.
    """
    out = Path(out)
    path = out / "figures34.json"
    figures: dict[str, Any] = read_json(path)["figures"] if path.exists() else {}
    for (name, task), target in zip(FIGURES.items(), (denoise, derain), strict=True):
        if target is not None:
            figures[name] = _found(Path(target), task)
    architecture = Architecture.parse(published.ARCHITECTURE)  # gray, 32 channels: what the supplement says
    by_chance = chance_agreement(architecture.letters, architecture.letters.count(FUSION))
    result = {
        "published": {
            **_counted(architecture),
            "gap": published.GAPS[LAMBDA],
            "lambda_arch": LAMBDA,
            "parallel_mixing_weights": list(published.PARALLEL[LAMBDA]),
            "expected_agreement": by_chance["expected"],
        },
        "figures": {name: figures[name] for name in FIGURES if name in figures},
    }
    write_json(path, result)
    redraw(out)
    return result


def redraw(out: str | Path) -> None:
    """Write the drawings and their captions from figures34.json alone."""
    out = Path(out)
    result = read_json(out / "figures34.json")
    write_text(out / "figures34.md", as_markdown(result))
    for name, figure in drawn(result).items():
        for kind in ("svg", "png"):
            save_figure(figure, out / f"{name}.{kind}", dpi=130)


def drawn(result: dict[str, Any]) -> dict[str, Figure]:
    """Return the figures by name: each found architecture above the published one, and that one alone."""
    known = result["published"]
    below = Drawing(
        Architecture.from_dict(known["architecture"]),
        f"published: Table 1, λ₁ = {known['lambda_arch']:g}, mean gap {known['gap']:.4f}",
    )
    figures = {"published": architectures_figure([below])}
    for name, row in result["figures"].items():
        facts = [f"found here for {WORDS[row['task']]}", *_facts(row)]
        differs = tuple(row["differs_at"] or ())
        above = Drawing(Architecture.from_dict(row["architecture"]), ", ".join(facts), differs)
        mark = "differs from the published one" if differs else ""
        figures[name] = architectures_figure([above, below], mark)
    return figures


def chance_agreement(known: str, fusions: int, agreed: int = 0) -> dict[str, Any]:
    """Say what agreement is worth: the same for a random architecture with as many fusion modules.

    Args:
        known: letters of an architecture.
        fusions: how many of the random architecture's letters are F; all such are equally likely.
        agreed: number of letters in which the found architecture agrees with ``known``.

    Returns:
        ``architectures`` (how many there are), ``expected`` (mean number of letters that agree) and
        ``at_least`` (the share of them that agrees in ``agreed`` letters or more).

    >>> chance_agreement("FPPFFFFFPFFP", 8, 12)["at_least"] == 1 / 495
    True
    """
    modules, known_fusions = len(known), known.count(FUSION)
    ways: dict[int, int] = {}  # letters that agree -> architectures
    for both in range(max(0, known_fusions + fusions - modules), min(known_fusions, fusions) + 1):
        agreeing = modules - known_fusions - fusions + 2 * both
        ways[agreeing] = math.comb(known_fusions, both) * math.comb(modules - known_fusions, fusions - both)
    total = math.comb(modules, fusions)
    return {
        "architectures": total,
        "expected": sum(letters * count for letters, count in ways.items()) / total,
        "at_least": sum(count for letters, count in ways.items() if letters >= agreed) / total,
    }


def as_markdown(result: dict[str, Any]) -> str:
    """Return the captions, and the facts of the architectures side by side."""
    known, figures = result["published"], result["figures"]
    lines = ["# Figures 3 and 4: architectures", ""]
    for name, row in figures.items():
        lines += [f"![{name}]({name}.svg)", "", f"**Figure {name[-1]}.** {_caption(row, known)}", ""]
    if not figures:
        lines += ["![published](published.svg)", "", f"The published architecture. {_source(known)}", ""]
    columns = [("published", known), *((f"figure {name[-1]}: {row['task']}", row) for name, row in figures.items())]
    lines += ["| | " + " | ".join(head for head, _ in columns) + " |", "| --- |" + " --- |" * len(columns)]
    for text, cell in _TABLE:
        lines.append("| " + " | ".join([text, *(cell(row) for _, row in columns)]) + " |")
    return "\n".join(lines) + "\n"


_TABLE = (
    ("architecture", lambda row: row["architecture"]["architecture"]),
    ("fusion modules", lambda row: str(row["fusion"])),
    ("parallel modules", lambda row: str(row["parallel"])),
    ("letters as published", lambda row: _of(row.get("agreement"), row)),
    ("expected by chance", lambda row: f"{row['chance']['expected']:.2f}" if row.get("chance") else ""),
    ("chance of so many or more", lambda row: f"{row['chance']['at_least']:.3f}" if row.get("chance") else ""),
    ("mean gap", lambda row: "" if row.get("gap") is None else f"{row['gap']:.4f}"),
    ("lambda_1", lambda row: "" if row.get("lambda_arch") is None else f"{row['lambda_arch']:g}"),
    ("weight steps", lambda row: _whole(row.get("steps"))),
    ("architecture steps", lambda row: _whole(row.get("arch_steps"))),
    ("seed", lambda row: _whole(row.get("seed"))),
    ("recipe", lambda row: str(row.get("recipe") or "").replace("|", "\\|")),
)


def _of(count: int | None, row: dict[str, Any]) -> str:
    return "" if count is None else f"{count} of {row['fusion'] + row['parallel']}"


def _whole(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _found(target: Path, task: str) -> dict[str, Any]:
    """Read what a search found, from its run folder or from an architecture.json alone."""
    run = RunFolder(target)
    facts: dict[str, Any] = {}
    if run.search.finished:
        recipe = run.read_recipe()
        if recipe.task in WORDS and recipe.task != task:
            raise UserError(f"{target}: its recipe is one to {recipe.task}, where one to {task} is asked for")
        found = run.search.read_result()
        architecture = recipe.space.architecture(found["architecture"].replace("-", ""))
        facts = {"gap": found["gap"], "steps": found["steps"], "arch_steps": found["arch_steps"]}
        facts |= {"seed": recipe.seed, "lambda_arch": recipe.search.lambda_arch, "recipe": recipe.name}
        facts["parallel_mixing_weights"] = [pair[0] for pair in found["mixing_weights"]]
    else:
        path = run.architecture if target.is_dir() else target
        if not path.is_file():
            raise UserError(f"{target}: no finished search here; give a run folder with one, or an architecture.json")
        try:
            architecture = Architecture.from_dict(read_json(path))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    return {"task": task, "from": str(target), **_counted(architecture), **facts, **_compared(architecture)}


def _counted(architecture: Architecture) -> dict[str, Any]:
    fusion = architecture.letters.count(FUSION)
    return {"architecture": architecture.to_dict(), "fusion": fusion, "parallel": len(architecture.letters) - fusion}


def _compared(architecture: Architecture) -> dict[str, Any]:
    """Count the letters that agree with the published ones, where modules stand in the same places."""
    known = Architecture.parse(published.ARCHITECTURE)
    if list(map(len, architecture.cells)) != list(map(len, known.cells)):
        return {"agreement": None, "differs_at": None, "chance": None}
    pairs = list(zip(architecture.letters, known.letters, strict=True))
    agreement = sum(a == b for a, b in pairs)
    return {
        "agreement": agreement,
        "differs_at": [index + 1 for index, (a, b) in enumerate(pairs) if a != b],
        "chance": chance_agreement(known.letters, architecture.letters.count(FUSION), agreement),
    }


def _facts(row: dict[str, Any]) -> list[str]:
    if row.get("recipe") is None:
        return []
    return [
        row["recipe"], f"λ₁ = {row['lambda_arch']:g}", f"seed {row['seed']}",
        f"{row['steps']:,} steps", f"mean gap {row['gap']:.4f}",
    ]  # fmt: skip


def _source(known: dict[str, Any]) -> str:
    return (
        f"{known['architecture']['architecture']} is Table 1's row for lambda_1 = {known['lambda_arch']:g} read by "
        f"its larger mixing_weights: {known['fusion']} fusion and {known['parallel']} parallel modules. (A random "
        f"architecture with as many of each agrees with it in {known['expected_agreement']:.2f} letters on average.)"
    )


def _caption(row: dict[str, Any], known: dict[str, Any]) -> str:
    text = f"The architecture learned for {WORDS[row['task']]}: found here (above), published (below). {_source(known)}"
    if row["task"] == "derain":
        text += (
            " The supplement prints no letters of its deraining architecture; it says only that it has eight fusion "
            "and four parallel modules too, at other positions. So the comparison is with the one of Table 1."
        )
    text += f" Found: {row['fusion']} fusion and {row['parallel']} parallel modules."
    if row["agreement"] is None:
        return text + " Its modules do not stand where the published ones do, so they are not compared."
    chance = row["chance"]
    return text + (
        f" {_of(row['agreement'], row)} letters agree with the published ones (the others are ringed). Of the "
        f"{chance['architectures']:,} architectures with {row['fusion']} fusion modules a random one agrees in "
        f"{chance['expected']:.2f} on average, and {100 * chance['at_least']:.1f} % agree in as many or more."
    )
