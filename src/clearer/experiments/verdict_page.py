"""verdict.json in words and images: verdict.md, ranking.svg/png, trained.svg/png."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clearer.core.files import read_json, write_text
from clearer.report.figures import COLORS, INK, MUTED, dress, save_figure


def redraw(out: str | Path) -> None:
    """Write verdict.md and the figures from verdict.json alone."""
    out = Path(out)
    result = read_json(out / "verdict.json")
    write_text(out / "verdict.md", as_markdown(result))
    figures = {"ranking": ranking_figure(result)}
    if "training" in result:
        figures["trained"] = trained_figure(result)
    for name, figure in figures.items():
        for kind in ("svg", "png"):
            save_figure(figure, out / f"{name}.{kind}")


def as_markdown(result: dict[str, Any]) -> str:
    """Return the whole verdict as Markdown."""
    ranking, gap, search = result["ranking"], result["gap"], result["search"]
    everyone = ranking["scored"] == 2 ** len(search["mixing_weights"])
    whole = "all" if everyone else "a seeded sample of"
    lines = [
        f"# Verdict on the search of {result['recipe']}",
        "",
        f"Chosen: {result['chosen']} (lambda_1 = {result['lambda_arch']:g}, mean gap {search['gap']:.4f}).",
        "",
        "## (a) By the shared weights",
        "",
        f"Of {whole} {ranking['scored']:,} architectures, on {result['patches']} held-out patches, the chosen one is "
        f"number {ranking['rank']:,} ({ranking['chosen_psnr']:.3f} dB; best {ranking['best']} "
        f"{ranking['best_psnr']:.3f}, median {ranking['median_psnr']:.3f}, worst {ranking['worst_psnr']:.3f} dB).",
        f"Of the {ranking['alike']:,} with as many fusion modules it is number {ranking['rank_alike']:,}.",
        f"{ranking['better_and_no_dearer']:,} architectures are better and no dearer: it is "
        f"{'on' if ranking['on_front'] else 'not on'} the cost-quality front, which has {len(ranking['front'])} "
        "members.",
        f"Rank correlation of this score with multiply-adds: {_number(ranking['correlation_with_macs'])}.",
        "",
        *_training_lines(result),
        "## (c) From the supernet to the derived network",
        "",
        "| on the held-out patches | PSNR (dB) |",
        "| --- | --- |",
        *(f"| {text} | {gap[key]:.2f} |" for key, text in _GAP_ROWS if key in gap),
        "",
        *_cost_lines(result),
    ]
    return "\n".join(lines)


_GAP_ROWS = (
    ("input", "degraded input"),
    ("supernet", "supernet, its modules mixed"),
    ("derived", "derived network, the supernet's weights and statistics"),
    ("derived_new_statistics", "the same, batch-norm statistics measured again"),
    ("trained_anew", "derived network trained anew (mean over seeds)"),
)


def _training_lines(result: dict[str, Any]) -> list[str]:
    if "training" not in result:
        return []
    training = result["training"]
    budget, chance = training["budget"], training["against_chance"]
    lines = [
        "## (b) Trained anew",
        "",
        f"Each for {budget['steps']:,} steps of {budget['batch']} patches of {budget['patch']} pixels; PSNR of the "
        f"last weights on the held-out images (input {training['rows'][0]['input_psnr']:.2f} dB).",
        "",
        "| | architecture | kMAC/pixel | supernet's score (dB) | trained (dB) | each seed |",
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
        "Rank correlation of what is reached with the supernet's score: "
        f"{_number(training['correlation_with_score'])}; "
        f"with multiply-adds: {_number(training['correlation_with_macs'])}.",
        "",
        judgement(chance),
        "",
    ]
    return lines


def judgement(chance: dict[str, Any]) -> str:
    """Return what the trainings say of the chosen architecture against chance, in a sentence."""
    if not chance["random"]:
        return "No random architecture was trained, so nothing is said of chance."
    text = (
        f"The chosen architecture is {chance['difference']:+.2f} dB from the mean of the {chance['random']} random "
        f"ones, of which {chance['random_better']} did better."
    )
    if chance["seed_spread"] is None:
        return text + " With one seed nothing can be said of noise."
    error = chance["standard_error"]
    beyond = abs(chance["difference"]) > 2 * error
    side = "better" if chance["difference"] > 0 else "worse"
    return text + (
        f" Seeds alone make ±{chance['seed_spread']:.2f} dB, so that such a difference has a standard error of "
        f"{error:.2f} dB: "
        + (f"the chosen one is {side} than chance." if beyond else "the search cannot be told from chance.")
    )


def _cost_lines(result: dict[str, Any]) -> list[str]:
    search, ranking = result["search"], result["ranking"]
    lines = [
        "## (d) What it cost",
        "",
        f"- search: {search['seconds']:.0f} s for {search['steps']:,} weight and {search['arch_steps']:,} architecture "
        f"steps ({search['device']}, {search['precision']})",
        f"- scoring {ranking['scored']:,} architectures: {ranking['seconds']:.0f} s ({ranking['device']})",
    ]
    if "cost" in result:
        cost, training = result["cost"], result["training"]
        lines += [
            f"- one training: {cost['training_seconds']:.0f} s, all of them {cost['all_trainings_seconds']:.0f} s "
            f"({training['device']}, {training['precision']})",
            f"- the search costs as much as {cost['trainings_for_one_search']:.1f} such trainings: that many random "
            "architectures could have been trained and the best one kept",
        ]
    return [*lines, ""]


def ranking_figure(result: dict[str, Any]) -> Figure:
    """All scored architectures as points of cost and quality, with the front and those that have names."""
    ranking = result["ranking"]
    figure = Figure(figsize=(8.4, 4.8), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    dress(axes, "every architecture with the supernet's weights", "kMAC/pixel", whole=False)
    axes.set_ylabel("PSNR on held-out patches (dB)", fontsize=9, color=MUTED)
    xs = [ranking["macs_per_pixel"][word] / 1e3 for word in ranking["psnr"]]
    axes.plot(xs, list(ranking["psnr"].values()), ".", color="#b8c0c8", markersize=2.5, zorder=1)
    front = ranking["front"]
    axes.plot([macs / 1e3 for _, macs, _ in front], [value for *_, value in front], "-", color=INK, lw=1, zorder=2)
    points = [("chosen", result["chosen"])]
    points += [(row["name"], row["architecture"]) for row in result.get("training", {}).get("rows", [])[1:]]
    named = [(name, ranking["macs_per_pixel"][w] / 1e3, ranking["psnr"][w]) for name, w in points]
    _mark(axes, named)
    return figure


def trained_figure(result: dict[str, Any]) -> Figure:
    """What was reached by training against the supernet's score, a point a seed and a bar from least to most."""
    training = result["training"]
    figure = Figure(figsize=(8.4, 4.8), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    rank = _number(training["correlation_with_score"])
    dress(axes, f"trained anew, against the supernet's score (rank correlation {rank})", "score (dB)", whole=False)
    axes.set_ylabel("PSNR on held-out images (dB)", fontsize=9, color=MUTED)
    for row in training["rows"]:
        axes.plot([row["score"]] * 2, [min(row["psnr"]), max(row["psnr"])], color="#b8c0c8", lw=1.2, zorder=1)
    _mark(axes, [(row["name"], row["score"], row["mean"]) for row in training["rows"]])
    return figure


def _mark(axes: Axes, points: list[tuple[str, float, float]]) -> None:
    """Points with their names in a legend, each kind in its color: labels beside them would overlap."""
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
