"""Figures 3 and 4 of the supplement: the architectures learned for denoising and deraining.

The paper prints the genotype of only one of them, by Table 1's row for lambda_1 = 0.10. Of the deraining one, it states
only that it also has eight fusion and four parallel modules, at other positions.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json, write_text
from clearer.experiments import published
from clearer.experiments.agreement import chance_agreement
from clearer.experiments.records import Counted, Figures34, FoundArchitecture, PublishedArchitecture
from clearer.network.architecture import FUSION, Architecture
from clearer.report.drawing import Drawing, architectures_figure
from clearer.report.figures import save_figure
from clearer.runs.layout import RunFolder, read_architecture_file

LAMBDA = 0.1
"""The row of Table 1 with the numbers of fusion and parallel modules that the supplement states for its figures."""

FIGURES = {"figure3": "denoise", "figure4": "derain"}
TASKS = {"denoise": "image denoising", "derain": "image deraining"}


def figures34(out: str | Path, *, denoise: str | Path | None = None, derain: str | Path | None = None) -> Figures34:
    """Draw found architectures above the published one and count the modules in which they agree.

    Writes figures34.json, figures34.md, published.svg/png, figure3.svg/png (``denoise``) and
    figure4.svg/png (``derain``) into ``out``. Figures of earlier calls stay.

    Args:
        out: the folder of the figures.
        denoise, derain: a run folder with a finished search or an architecture.json, or the path of an
            architecture.json.

    Returns:
        The content of figures34.json.

    Raises:
        UserError: there is no finished search, or it was made for the other task.
    """
    out = Path(out)
    path = out / "figures34.json"
    figures: dict[str, FoundArchitecture] = read_shaped(path, Figures34)["figures"] if path.exists() else {}
    for (name, task), target in zip(FIGURES.items(), (denoise, derain), strict=True):
        if target is not None:
            figures[name] = _found(Path(target), task)
    architecture = Architecture.parse(published.ARCHITECTURE)  # gray, 32 channels: the supplement's
    by_chance = chance_agreement(architecture.choices, architecture.choices.count(FUSION))
    result: Figures34 = {
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
    result = read_shaped(out / "figures34.json", Figures34)
    write_text(out / "figures34.md", as_markdown(result))
    for name, figure in drawn(result).items():
        for kind in ("svg", "png"):
            save_figure(figure, out / f"{name}.{kind}", dpi=130)


def drawn(result: Figures34) -> dict[str, Figure]:
    """Return the figures by name: the published architecture alone, and each found one above it."""
    known = result["published"]
    below = Drawing(
        Architecture.from_dict(known["architecture"]),
        f"published: Table 1, λ₁ = {known['lambda_arch']:g}, mean gap {known['gap']:.4f}",
    )
    figures = {"published": architectures_figure([below])}
    for name, row in result["figures"].items():
        facts = [f"found here for {TASKS[row['task']]}", *_facts(row)]
        differs = tuple(row["differs_at"] or ())
        above = Drawing(Architecture.from_dict(row["architecture"]), ", ".join(facts), differs)
        mark = "differs from the published one" if differs else ""
        figures[name] = architectures_figure([above, below], mark)
    return figures


def as_markdown(result: Figures34) -> str:
    """Return the captions, and the facts of the architectures side by side."""
    known, figures = result["published"], result["figures"]
    lines = ["# Figures 3 and 4: architectures", ""]
    for name, row in figures.items():
        lines += [f"![{name}]({name}.svg)", "", f"**Figure {name[-1]}.** {_caption(row, known)}", ""]
    if not figures:
        lines += ["![published](published.svg)", "", f"The published architecture. {_source(known)}", ""]
    heads = ["published", *(f"figure {name[-1]}: {row['task']}" for name, row in figures.items())]
    columns = [_published_facts(known), *map(_found_facts, figures.values())]
    lines += ["| | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads)]
    for index, text in enumerate(_HEADS):
        lines.append("| " + " | ".join([text, *(column[index] for column in columns)]) + " |")
    return "\n".join(lines) + "\n"


class _Facts(NamedTuple):
    """One column of the table, as text."""

    architecture: str
    fusion: str
    parallel: str
    agreement: str = ""
    expected: str = ""
    at_least: str = ""
    gap: str = ""
    lambda_arch: str = ""
    steps: str = ""
    arch_steps: str = ""
    seed: str = ""
    recipe: str = ""


_HEADS = _Facts(
    "architecture", "fusion modules", "parallel modules", "modules as published", "expected by chance",
    "chance of as many or more", "mean gap", "lambda_1", "weight steps", "architecture steps", "seed", "recipe",
)  # fmt: skip


def _published_facts(row: PublishedArchitecture) -> _Facts:
    return _Facts(*_counts(row), gap=f"{row['gap']:.4f}", lambda_arch=f"{row['lambda_arch']:g}")


def _found_facts(row: FoundArchitecture) -> _Facts:
    facts = _Facts(*_counts(row), agreement=_of(row))
    if row["chance"] is not None:
        chance = row["chance"]
        facts = facts._replace(expected=f"{chance['expected']:.2f}", at_least=f"{chance['at_least']:.3f}")
    if "recipe" not in row:
        return facts
    return facts._replace(
        gap=f"{row['gap']:.4f}", lambda_arch=f"{row['lambda_arch']:g}", steps=f"{row['steps']:,}",
        arch_steps=f"{row['arch_steps']:,}", seed=f"{row['seed']:,}", recipe=row["recipe"].replace("|", "\\|"),
    )  # fmt: skip


def _counts(row: Counted) -> tuple[str, str, str]:
    return _genotype(row), str(row["fusion"]), str(row["parallel"])


def _genotype(row: Counted) -> str:
    return str(row["architecture"]["architecture"])


def _of(row: FoundArchitecture) -> str:
    return "" if row["agreement"] is None else f"{row['agreement']} of {row['fusion'] + row['parallel']}"


def _found(target: Path, task: str) -> FoundArchitecture:
    """Read what a search found, from its run folder or from an architecture.json alone."""
    run = RunFolder(target)
    if run.search.finished:
        recipe = run.read_recipe()
        if recipe.task in TASKS and recipe.task != task:
            raise UserError(f"{target}: its recipe has the task {recipe.task}; give a search for {task}")
        found = run.search.read_result("architecture", "gap", "steps", "arch_steps", "mixing_weights")
        row = _compared(target, task, recipe.space.architecture(found["architecture"].replace("-", "")))
        row["gap"], row["steps"], row["arch_steps"] = found["gap"], found["steps"], found["arch_steps"]
        row["seed"], row["lambda_arch"], row["recipe"] = recipe.seed, recipe.search.lambda_arch, recipe.name
        row["parallel_mixing_weights"] = [weights[0] for weights in found["mixing_weights"]]
        return row
    path = run.architecture if target.is_dir() else target
    if not path.is_file():
        raise UserError(f"{target}: no finished search here; give a run folder with one, or an architecture.json")
    architecture = read_architecture_file(path)
    try:
        return _compared(target, task, architecture)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _counted(architecture: Architecture) -> Counted:
    fusion = architecture.choices.count(FUSION)
    return {"architecture": architecture.to_dict(), "fusion": fusion, "parallel": len(architecture.choices) - fusion}


def _compared(target: Path, task: str, architecture: Architecture) -> FoundArchitecture:
    """Compare with the published genotype, if both have modules in the same places."""
    known = Architecture.parse(published.ARCHITECTURE)
    counted = _counted(architecture)
    row: FoundArchitecture = {
        "task": task, "from": str(target),
        "architecture": counted["architecture"], "fusion": counted["fusion"], "parallel": counted["parallel"],
        "agreement": None, "differs_at": None, "chance": None,
    }  # fmt: skip
    if list(map(len, architecture.cells)) == list(map(len, known.cells)):
        pairs = list(zip(architecture.choices, known.choices, strict=True))
        agreement = sum(a == b for a, b in pairs)
        row["agreement"] = agreement
        row["differs_at"] = [index + 1 for index, (a, b) in enumerate(pairs) if a != b]
        row["chance"] = chance_agreement(known.choices, architecture.choices.count(FUSION), agreement)
    return row


def _facts(row: FoundArchitecture) -> list[str]:
    if "recipe" not in row:
        return []
    return [
        row["recipe"], f"λ₁ = {row['lambda_arch']:g}", f"seed {row['seed']}",
        f"{row['steps']:,} steps", f"mean gap {row['gap']:.4f}",
    ]  # fmt: skip


def _source(known: PublishedArchitecture) -> str:
    return (
        f"{_genotype(known)} is Table 1's row for lambda_1 = {known['lambda_arch']:g}, discretized to the larger "
        f"mixing weights: {known['fusion']} fusion and {known['parallel']} parallel modules. (A random architecture "
        f"with as many of each agrees with it in {known['expected_agreement']:.2f} modules on average.)"
    )


def _caption(row: FoundArchitecture, known: PublishedArchitecture) -> str:
    text = f"The architecture learned for {TASKS[row['task']]}: found here (above), published (below). {_source(known)}"
    if row["task"] == "derain":
        text += (
            " The supplement prints no genotype of its deraining architecture; it says only that it also has eight "
            "fusion and four parallel modules, at other positions. The comparison is therefore with that of Table 1."
        )
    text += f" Found: {row['fusion']} fusion and {row['parallel']} parallel modules."
    chance = row["chance"]
    if chance is None:
        return text + " Its modules do not stand where the published ones do, so the two are not compared."
    return text + (
        f" {_of(row)} modules agree with the published ones; the others are circled. Of the "
        f"{chance['architectures']:,} architectures with {row['fusion']} fusion modules, a random one agrees in "
        f"{chance['expected']:.2f} modules on average, and {100 * chance['at_least']:.1f} % agree in as many or more."
    )
