"""ablations.json in words and images: ablations.md, lambda2.svg/png."""

from __future__ import annotations

import itertools
import statistics as stats
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clearer.core.files import read_json, write_text
from clearer.report.figures import COLORS, MUTED, dress, save_figure

Rows = list[dict[str, Any]]


def redraw(out: str | Path) -> None:
    """Write ablations.md and the figure from ablations.json alone."""
    out = Path(out)
    result = read_json(out / "ablations.json")
    write_text(out / "ablations.md", as_markdown(result))
    if _of(result, "lambda-comp"):
        figure = lambda2_figure(result)
        for kind in ("svg", "png"):
            save_figure(figure, out / f"lambda2.{kind}")


def as_markdown(result: dict[str, Any]) -> str:
    """Return a table for each question, a row a variant: the mean and, where it may differ, each seed."""
    search, train = result["recipe"]["search"], result["recipe"]["train"]
    steps = (search["epochs"] - search["warmup_epochs"]) * search["steps_per_epoch"]
    trained = (
        f"; each training {train['epochs'] * train['steps_per_epoch']:,} steps of {train['batch']} patches of "
        f"{train['patch']} pixels, its PSNR that of the last weights on the held-out images"
    ) * any("psnr" in row for row in result["rows"])
    lines = [
        "# Ablations",
        "",
        f"Width {result['recipe']['network']['width']}; each search {steps:,} architecture steps of {search['batch']} "
        f"patches of {search['patch']} pixels, alpha' rate {search['alpha']['lr']:g}, lambda_1 "
        f"{search['lambda_arch']:g}{trained}; {result['seeds']} seed(s).",
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


def _operations_lines(result: dict[str, Any]) -> list[str]:
    head = ["operations", "found", "parameters", "kMAC/pixel", "search (s)", "gap", "PSNR trained anew (dB)"]
    rows = []
    for variant, group in _variants(_of(result, "operations")):
        rows.append([variant, _words(group), *_cost_cells(group), _seconds(group), _gap(group), _psnr(group)])
    for variant, group in _variants(_of(result, "published")):
        rows.append([f"{variant}, published architecture", _words(group), *_cost_cells(group), "", "", _psnr(group)])
    return ["## Operations of the supplement, or of the released program", "", *_table(head, rows), ""]


def _fusion_lines(result: dict[str, Any]) -> list[str]:
    head = [
        "the fusion candidate sees", "found", "gap", "supernet (dB)", "derived, its weights (dB)",
        "the same, new statistics (dB)", "trained anew (dB)",
    ]  # fmt: skip
    rows = []
    for variant, group in _variants(_of(result, "fusion-input")):
        what = {"same": "the module's input (paper)", "parallel": "the parallel candidate's output (released)"}
        gaps = [
            _each([row["supernet_gap"][key] for row in group])
            for key in ("supernet", "derived", "derived_new_statistics")
        ]
        rows.append([what[variant], _words(group), _gap(group), *gaps, _psnr(group)])
    patches = "On held-out patches, but for the last column, which is on held-out images."
    return ["## What the fusion candidate sees", "", *_table(head, rows), "", patches, ""]


def _lambda_lines(result: dict[str, Any]) -> list[str]:
    alone = {row["lambda_comp"]: row for row in result["terms_alone"]}
    head = [
        "lambda_2", "found", "fusion modules", "parameters", "kMAC/pixel", "gap",
        "without images: fusion modules, gap", "first pull of L_Comp / of L_Arch",
    ]  # fmt: skip
    rows = []
    for variant, group in _variants(_of(result, "lambda-comp")):
        terms = alone[float(variant)]
        ratio = f"{terms['pull_comp'] / terms['pull_arch']:.0f}" if terms["pull_arch"] else "no L_Arch"
        fusions = ", ".join(str(row["fusions"]) for row in group)
        cells = [variant, _words(group), fusions, *_cost_cells(group), _gap(group)]
        rows.append([*cells, f"{terms['fusions']} of {group[0]['modules']}, {terms['gap']:.3f}", ratio])
    return ["## lambda_2", "", *_table(head, rows), ""]


def _norm_lines(result: dict[str, Any]) -> list[str]:
    head = [
        "network", "found", "fusion modules", "letters that two seeds share", "gap", "supernet (dB)",
        "derived, its weights (dB)", "random ones, median (dB)", "rank correlation with multiply-adds",
    ]  # fmt: skip
    norms, rows = _of(result, "norm"), []
    for variant, group in _variants(norms):
        fusions = ", ".join(str(row["fusions"]) for row in group)
        gaps = [_each([row["supernet_gap"][key] for row in group]) for key in ("supernet", "derived")]
        median = _each([row["scores"]["median"] for row in group])
        correlations = [row["scores"]["correlation_with_macs"] for row in group]
        known = ", ".join("none" if value is None else f"{value:+.2f}" for value in correlations)
        rows.append([variant, _words(group), fusions, _shared_letters(group), _gap(group), *gaps, median, known])
    scored = max(row["scores"]["scored"] for row in norms)
    said = (
        f"PSNR on held-out patches, by the supernet's weights; input {norms[-1]['supernet_gap']['input']:.2f} "
        f"dB. The last two columns are of {scored} random architectures by the shared weights. Two words of so many "
        "letters, of which each letter is drawn at the share that both have, share as many as stands after 'chance'."
    )
    return ["## Batch norm, or none", "", *_table(head, rows), "", said, ""]


def _shared_letters(group: Rows) -> str:
    """Letters in which two seeds' words agree, a mean over pairs, beside what chance gives with such shares of F."""
    if len(group) < 2:
        return ""
    agreed, chance = [], []
    for one, other in itertools.combinations(group, 2):
        a, b = (row["architecture"].replace("-", "") for row in (one, other))
        agreed.append(sum(x == y for x, y in zip(a, b, strict=True)))
        p, q = a.count("F") / len(a), b.count("F") / len(b)
        chance.append((p * q + (1 - p) * (1 - q)) * len(a))
    return f"{stats.mean(agreed):.1f} of {group[0]['modules']} (chance {stats.mean(chance):.1f})"


def lambda2_figure(result: dict[str, Any]) -> Figure:
    """Parameters of what was found, and number of fusion modules, over lambda_2; a point a seed."""
    figure = Figure(figsize=(9, 3.6), layout="constrained", facecolor="white")
    rows = _of(result, "lambda-comp")
    names = [variant for variant, _ in _variants(rows)]
    for place, (key, title) in enumerate((("parameters", "parameters (thousands)"), ("fusions", "fusion modules"))):
        axes = figure.add_subplot(1, 2, place + 1)
        dress(axes, title, r"$\lambda_2$", whole=False)
        unit = 1e3 if key == "parameters" else 1
        means = [stats.mean(row[key] / unit for row in group) for _, group in _variants(rows)]
        axes.plot(range(len(names)), means, color=COLORS[place], linewidth=1.4)
        for at, (_, group) in enumerate(_variants(rows)):
            axes.plot([at] * len(group), [row[key] / unit for row in group], "o", color=COLORS[place], markersize=5)
        axes.set_xticks(range(len(names)), names)
        if key == "fusions":
            axes.set_ylim(-0.5, rows[0]["modules"] + 0.5)
            axes.yaxis.set_major_locator(MaxNLocator(7, integer=True))
            axes.axhline(rows[0]["modules"], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    return figure


def _of(result: dict[str, Any], question: str) -> Rows:
    return [row for row in result["rows"] if row["question"] == question]


def _variants(rows: Rows) -> list[tuple[str, Rows]]:
    """Rows by variant, in their order."""
    groups: dict[str, Rows] = {}
    for row in rows:
        groups.setdefault(row["variant"], []).append(row)
    return list(groups.items())


def _words(group: Rows) -> str:
    return ", ".join(dict.fromkeys(row["architecture"] for row in group))


def _cost_cells(group: Rows) -> list[str]:
    unique = list({row["architecture"]: row for row in group}.values())
    return [
        ", ".join(f"{row['parameters']:,}" for row in unique),
        ", ".join(f"{row['macs_per_pixel'] / 1e3:.1f}" for row in unique),
    ]


def _seconds(group: Rows) -> str:
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
