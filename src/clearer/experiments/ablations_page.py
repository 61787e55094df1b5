"""ablations.md and lambda2.svg/png, from ablations.json."""

from __future__ import annotations

import itertools
import statistics as stats
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clearer.core.files import read_shaped, write_text
from clearer.experiments.search_records import AblationRow, Ablations
from clearer.recipe.load import recipe_from_dict
from clearer.report.figures import COLORS, MUTED, dress, save_figure

Rows = list[AblationRow]


def redraw(out: str | Path) -> None:
    """Write ablations.md and the figure from ablations.json alone."""
    out = Path(out)
    result = read_shaped(out / "ablations.json", Ablations)
    write_text(out / "ablations.md", as_markdown(result))
    if _of(result, "lambda-comp"):
        figure = lambda2_figure(result)
        for kind in ("svg", "png"):
            save_figure(figure, out / f"lambda2.{kind}")


def as_markdown(result: Ablations) -> str:
    """Return a table for each question, one row a variant: the mean, and each seed in parentheses."""
    recipe = recipe_from_dict(result["recipe"])
    search, train = recipe.search, recipe.train
    steps = (search.epochs - search.warmup_epochs) * search.steps_per_epoch
    trained = (
        f" Each training: {train.epochs * train.steps_per_epoch:,} steps of {train.batch} patches of "
        f"{train.patch}x{train.patch} pixels; PSNR of the last weights on the validation images."
    ) * any("psnr" in row for row in result["rows"])
    lines = [
        "# Ablations",
        "",
        f"Width {recipe.network.width}, {result['seeds']} seed(s). Each search: {steps:,} architecture steps of "
        f"{search.batch} patches of {search.patch}x{search.patch} pixels, learning rate of alpha {search.alpha.lr:g}, "
        f"lambda_1 {search.lambda_arch:g}.{trained}",
        "",
    ]
    for question, part in (
        ("operations", _operations_lines),
        ("fusion-input", _fusion_lines),
        ("lambda-comp", _lambda_lines),
        ("norm", _norm_lines),
    ):
        if _of(result, question):
            lines += part(result)
    return "\n".join(lines)


def _operations_lines(result: Ablations) -> list[str]:
    head = ["operations", "found", "parameters", "kMAC/pixel", "search (s)", "gap", "PSNR trained from scratch (dB)"]
    rows = []
    for variant, group in _variants(_of(result, "operations")):
        search = [_search_seconds(group), _gap(group)]
        rows.append([variant, _genotypes(group), *_cost_cells(group), *search, _psnr(group)])
    for variant, group in _variants(_of(result, "published")):
        name = f"{variant}, published architecture"
        rows.append([name, _genotypes(group), *_cost_cells(group), "", "", _psnr(group)])
    return ["## Operations of the supplement or of the released program", "", *_table(head, rows), ""]


def _fusion_lines(result: Ablations) -> list[str]:
    head = [
        "input of the fusion candidate", "found", "gap", "supernet (dB)", "discretized (dB)",
        "discretized, new statistics (dB)", "trained from scratch (dB)",
    ]  # fmt: skip
    rows = []
    for variant, group in _variants(_of(result, "fusion-input")):
        what = {"same": "the module's input (paper)", "parallel": "the parallel candidate's output (released)"}
        gaps = [
            _each([row["supernet_gap"]["supernet"] for row in group]),
            _each([row["supernet_gap"]["derived"] for row in group]),
            _each([row["supernet_gap"]["derived_new_statistics"] for row in group]),
        ]
        rows.append([what[variant], _genotypes(group), _gap(group), *gaps, _psnr(group)])
    patches = "PSNR on held-out patches; in the last column on the validation images."
    return ["## Input of the fusion candidate", "", *_table(head, rows), "", patches, ""]


def _lambda_lines(result: Ablations) -> list[str]:
    alone = {row["lambda_comp"]: row for row in result["terms_alone"]}
    head = [
        "lambda_2", "found", "fusion modules", "parameters", "kMAC/pixel", "gap",
        "L_Arch and L_Comp alone: fusion modules, gap", "first gradient, L_Comp / L_Arch",
    ]  # fmt: skip
    rows = []
    for variant, group in _variants(_of(result, "lambda-comp")):
        terms = alone[float(variant)]
        ratio = f"{terms['pull_comp'] / terms['pull_arch']:.0f}" if terms["pull_arch"] else "no L_Arch"
        fusions = ", ".join(str(row["fusions"]) for row in group)
        cells = [variant, _genotypes(group), fusions, *_cost_cells(group), _gap(group)]
        rows.append([*cells, f"{terms['fusions']} of {group[0]['modules']}, {terms['gap']:.3f}", ratio])
    return ["## lambda_2", "", *_table(head, rows), ""]


def _norm_lines(result: Ablations) -> list[str]:
    head = [
        "network", "found", "fusion modules", "modules that two seeds share", "gap", "supernet (dB)",
        "discretized (dB)", "random architectures, median (dB)", "rank correlation with multiply-adds",
    ]  # fmt: skip
    norms, rows = _of(result, "norm"), []
    for variant, group in _variants(norms):
        fusions = ", ".join(str(row["fusions"]) for row in group)
        gaps = [
            _each([row["supernet_gap"]["supernet"] for row in group]),
            _each([row["supernet_gap"]["derived"] for row in group]),
        ]
        median = _each([row["scores"]["median"] for row in group])
        correlations = [row["scores"]["correlation_with_macs"] for row in group]
        known = ", ".join("none" if value is None else f"{value:+.2f}" for value in correlations)
        rows.append([variant, _genotypes(group), fusions, _shared_modules(group), _gap(group), *gaps, median, known])
    scored = max(row["scores"]["scored"] for row in norms)
    note = (
        f"PSNR on held-out patches with the supernet's weights; input {norms[-1]['supernet_gap']['input']:.2f} dB. The "
        f"last two columns are of {scored} random architectures. Chance: the modules that two random architectures "
        "share, each with as many modules of each kind as one of the two found."
    )
    return ["## Batch norm or no norm", "", *_table(head, rows), "", note, ""]


def _shared_modules(group: Rows) -> str:
    """Return the number of modules in which two seeds agree, a mean over pairs, and the same by chance."""
    if len(group) < 2:
        return ""
    agreed, chance = [], []
    for one, other in itertools.combinations(group, 2):
        a, b = (row["architecture"].replace("-", "") for row in (one, other))
        agreed.append(sum(x == y for x, y in zip(a, b, strict=True)))
        chance.append(sum(a.count(letter) * b.count(letter) for letter in set(a)) / len(a))
    return f"{stats.mean(agreed):.1f} of {group[0]['modules']} (chance {stats.mean(chance):.1f})"


def lambda2_figure(result: Ablations) -> Figure:
    """Return parameters and number of fusion modules over lambda_2, one point a seed."""
    figure = Figure(figsize=(9, 3.6), layout="constrained", facecolor="white")
    rows = _of(result, "lambda-comp")
    names = [variant for variant, _ in _variants(rows)]
    for place, (key, title) in enumerate((("parameters", "parameters (thousands)"), ("fusions", "fusion modules"))):
        axes = figure.add_subplot(1, 2, place + 1)
        dress(axes, title, r"$\lambda_2$", whole=False)
        values = [
            [row["parameters"] / 1e3 if key == "parameters" else row["fusions"] for row in group]
            for _, group in _variants(rows)
        ]
        axes.plot(range(len(names)), list(map(stats.mean, values)), color=COLORS[place], linewidth=1.4)
        for at, group in enumerate(values):
            axes.plot([at] * len(group), group, "o", color=COLORS[place], markersize=5)
        axes.set_xticks(range(len(names)), names)
        if key == "fusions":
            axes.set_ylim(-0.5, rows[0]["modules"] + 0.5)
            axes.yaxis.set_major_locator(MaxNLocator(7, integer=True))
            axes.axhline(rows[0]["modules"], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    return figure


def _of(result: Ablations, question: str) -> Rows:
    return [row for row in result["rows"] if row["question"] == question]


def _variants(rows: Rows) -> list[tuple[str, Rows]]:
    """Return the rows of each variant, in their order."""
    groups: dict[str, Rows] = {}
    for row in rows:
        groups.setdefault(row["variant"], []).append(row)
    return list(groups.items())


def _genotypes(group: Rows) -> str:
    return ", ".join(dict.fromkeys(row["architecture"] for row in group))


def _cost_cells(group: Rows) -> list[str]:
    unique = list({row["architecture"]: row for row in group}.values())
    return [
        ", ".join(f"{row['parameters']:,}" for row in unique),
        ", ".join(f"{row['macs_per_pixel'] / 1e3:.1f}" for row in unique),
    ]


def _search_seconds(group: Rows) -> str:
    return ", ".join(f"{row['search_seconds']:.0f}" for row in group)


def _gap(group: Rows) -> str:
    return ", ".join(f"{row['gap']:.3f}" for row in group)


def _psnr(group: Rows) -> str:
    return _each([row["psnr"] for row in group])


def _each(values: Sequence[float]) -> str:
    text = f"{stats.mean(values):.2f}"
    return text if len(values) < 2 else f"{text} ({', '.join(f'{value:.2f}' for value in values)})"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]
