"""verdict.md, ranking.svg/png and trained.svg/png, from verdict.json."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clearer.core.files import read_shaped, write_text
from clearer.data.folders import short_name
from clearer.evaluation.intervals import student_t
from clearer.experiments.search_records import AgainstChance, SupernetGap, Trainings, Verdict
from clearer.report.figures import COLORS, INK, MUTED, dress, save_figure


def redraw(out: str | Path) -> None:
    """Write verdict.md and the figures from verdict.json alone."""
    out = Path(out)
    result = read_shaped(out / "verdict.json", Verdict)
    write_text(out / "verdict.md", as_markdown(result))
    figures = {"ranking": ranking_figure(result)}
    if "training" in result:
        figures["trained"] = trained_figure(result)
    for name, figure in figures.items():
        for kind in ("svg", "png"):
            save_figure(figure, out / f"{name}.{kind}")


def as_markdown(result: Verdict) -> str:
    """Return the verdict as Markdown."""
    ranking, gap, search = result["ranking"], result["gap"], result["search"]
    everyone = math.prod(map(len, search["mixing_weights"]))
    whole = "all" if ranking["scored"] == everyone else "a seeded sample of"
    lines = [
        f"# Verdict on the search of {result['recipe']}",
        "",
        f"Chosen: {result['chosen']} (lambda_1 = {result['lambda_arch']:g}, mean gap {search['gap']:.4f}).",
        "",
        "## (a) Rank by the shared weights",
        "",
        f"Of {whole} {ranking['scored']:,} architectures, on {_patches(result)}, "
        f"the chosen one ranks {ranking['rank']:,} ({ranking['chosen_psnr']:.3f} dB; best {ranking['best']} "
        f"{ranking['best_psnr']:.3f}, median {ranking['median_psnr']:.3f}, worst {ranking['worst_psnr']:.3f} dB).",
        f"Among the {ranking['alike']:,} with as many fusion modules it ranks {ranking['rank_alike']:,}.",
        f"Better at no higher cost: {ranking['better_and_no_dearer']:,}. So it is "
        f"{'on' if ranking['on_front'] else 'not on'} the Pareto front of cost and quality, which has "
        f"{len(ranking['front'])} architectures.",
        f"Rank correlation of this score with multiply-adds: {_number(ranking['correlation_with_macs'])}.",
        "",
        *_training_lines(result),
        "## (c) Gap between the supernet and the discretized network",
        "",
        "| on held-out patches | PSNR (dB) |",
        "| --- | --- |",
        *(f"| {text} | {value:.2f} |" for text, value in _gap_rows(gap)),
        "",
        *_cost_lines(result),
    ]
    return "\n".join(lines)


def _patches(result: Verdict) -> str:
    side, part = result.get("patch"), result.get("scored_on")
    size = "" if side is None else f" of {side}x{side} pixels"
    of = "" if part is None else f" of {part} images"  # before 0.2, the validation images, by which alpha moves
    given = result.get("test")
    return f"{result['patches']} held-out patches{size}{of}" + (f" ({short_name(given)})" if given else "")


def _gap_rows(gap: SupernetGap) -> list[tuple[str, float]]:
    rows = [
        ("degraded input", gap["input"]),
        ("supernet, mixed modules", gap["supernet"]),
        ("discretized network, the supernet's weights and statistics", gap["derived"]),
        ("the same, batch-norm statistics measured again", gap["derived_new_statistics"]),
    ]
    if "trained_anew" in gap:
        rows.append(("discretized network, trained from scratch (mean over seeds)", gap["trained_anew"]))
    return rows


def _training_lines(result: Verdict) -> list[str]:
    if "training" not in result:
        return []
    training = result["training"]
    budget, chance = training["budget"], training["against_chance"]
    lines = [
        "## (b) Trained from scratch",
        "",
        f"{budget['steps']:,} steps each, {budget['batch']} patches of {budget['patch']}x{budget['patch']} pixels per "
        f"step; PSNR of the last weights on {_measured_on(training)} "
        f"(input {training['rows'][0]['input_psnr']:.2f} dB).",
        "",
        "| | architecture | kMAC/pixel | supernet's score (dB) | trained (dB) | each seed (dB) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in training["rows"]:
        spread = "" if row["spread"] is None else f" ± {row['spread']:.2f}"
        cells = [
            row["name"], row["architecture"], f"{row['macs_per_pixel'] / 1e3:.1f}", f"{row['score']:.2f}",
            f"{row['mean']:.2f}{spread}", ", ".join(f"{value:.2f}" for value in row["psnr"]),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Rank correlation of the trained PSNR with the supernet's score: "
        f"{_number(training['correlation_with_score'])}; "
        f"with multiply-adds: {_number(training['correlation_with_macs'])}.",
        "",
        judgement(chance),
        "",
    ]
    return lines


def _measured_on(training: Trainings) -> str:
    part = training.get("measured_on")
    if part == "test":
        return "the held-out patches of test images"
    moved = "the validation images, by which the search moved alpha"
    return moved if part is None else f"the held-out patches of {moved}"


def judgement(chance: AgainstChance) -> str:
    """Return the comparison of the chosen architecture with random ones, in a sentence or two."""
    if not chance["random"]:
        return "No random architecture was trained, so the search is not compared with chance."
    text = (
        f"The chosen architecture is {chance['difference']:+.2f} dB from the mean of the {chance['random']} random "
        f"ones; {chance['random_better']} of them are better."
    )
    if chance["seed_spread"] is None:
        return text + " One seed cannot show the noise between seeds."
    spread, count = chance.get("random_spread"), chance["random"]
    seeds = f" Seeds alone differ by ±{chance['seed_spread']:.2f} dB"
    if spread is None:
        return text + f"{seeds}; one random architecture cannot show how much they differ."
    # A choice at random would be one more architecture drawn from those, which differ at least as their seeds do.
    reach = max(student_t(count - 1) * spread * math.sqrt(1 + 1 / count), 2 * chance.get("standard_error", 0.0))
    side = "better" if chance["difference"] > 0 else "worse"
    return text + (
        f"{seeds}, the random ones by ±{spread:.2f} dB, so that one more random architecture would be within "
        f"±{reach:.2f} dB of their mean (95 %): "
        + (
            f"the chosen one is {side} than chance."
            if abs(chance["difference"]) > reach
            else "the search is indistinguishable from chance."
        )
    )


def _cost_lines(result: Verdict) -> list[str]:
    search, ranking = result["search"], result["ranking"]
    lines = [
        "## (d) Cost",
        "",
        f"- search: {search['seconds']:.0f} s for {search['steps']:,} weight and {search['arch_steps']:,} architecture "
        f"steps ({search['device']}, {search['precision']})",
        f"- scoring {ranking['scored']:,} architectures: {ranking['seconds']:.0f} s ({ranking['device']})",
    ]
    if "cost" in result:
        cost, training = result["cost"], result["training"]
        lines += [
            f"- training: {cost['training_seconds']:.0f} s each, {cost['all_trainings_seconds']:.0f} s in total "
            f"({training['device']}, {training['precision']})",
            f"- the search takes as long as {cost['trainings_for_one_search']:.1f} such trainings: that many random "
            "architectures could have been trained and the best one kept",
        ]
    return [*lines, ""]


def ranking_figure(result: Verdict) -> Figure:
    """Return all scored architectures as points of cost and quality, with the Pareto front and the named ones."""
    ranking = result["ranking"]
    figure = Figure(figsize=(8.4, 4.8), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    dress(axes, "all architectures with the supernet's weights", "kMAC/pixel", whole=False)
    axes.set_ylabel("PSNR on held-out patches (dB)", fontsize=9, color=MUTED)
    xs = [ranking["macs_per_pixel"][word] / 1e3 for word in ranking["psnr"]]
    axes.plot(xs, list(ranking["psnr"].values()), ".", color="#b8c0c8", markersize=2.5, zorder=1)
    front = ranking["front"]
    axes.plot([macs / 1e3 for _, macs, _ in front], [value for *_, value in front], "-", color=INK, lw=1, zorder=2)
    points = [("chosen", result["chosen"])]
    if "training" in result:
        points += [(row["name"], row["architecture"]) for row in result["training"]["rows"][1:]]
    named = [(name, ranking["macs_per_pixel"][w] / 1e3, ranking["psnr"][w]) for name, w in points]
    _mark(axes, named)
    return figure


def trained_figure(result: Verdict) -> Figure:
    """Return the trained PSNR over the supernet's score: points for means, bars from the lowest to the highest seed."""
    training = result["training"]
    figure = Figure(figsize=(8.4, 4.8), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    rank = _number(training["correlation_with_score"])
    dress(axes, f"trained from scratch, over the supernet's score (rank correlation {rank})", "score (dB)", whole=False)
    part = "test" if training.get("measured_on") == "test" else "validation"
    axes.set_ylabel(f"PSNR on held-out patches of {part} images (dB)", fontsize=9, color=MUTED)
    for row in training["rows"]:
        axes.plot([row["score"]] * 2, [min(row["psnr"]), max(row["psnr"])], color="#b8c0c8", lw=1.2, zorder=1)
    _mark(axes, [(row["name"], row["score"], row["mean"]) for row in training["rows"]])
    return figure


def _mark(axes: Axes, points: list[tuple[str, float, float]]) -> None:
    """Draw points with a legend, one color for each kind: labels beside the points would overlap."""
    styles = {
        "chosen": ("o", COLORS[1]),
        "published": ("D", COLORS[3]),
        "all parallel": ("^", COLORS[0]),
        "all fusion": ("v", COLORS[2]),
    }
    seen: set[str] = set()
    for name, x, y in points:
        kind = "random" if name.startswith("random") else name
        marker, color = styles.get(kind, ("s", COLORS[4]))
        label = None if kind in seen else kind
        seen.add(kind)
        look = {"markersize": 7.5 if kind == "chosen" else 6, "markeredgecolor": "white", "zorder": 3}
        axes.plot(x, y, marker, color=color, label=label, linestyle="", **look)  # type: ignore[arg-type]
    axes.legend(frameon=False, fontsize=8.5, loc="best")


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:+.2f}"
