"""macro-verdict.md and its figure, from macro-verdict.json."""

from __future__ import annotations

import statistics as stats
from pathlib import Path

from matplotlib.figure import Figure

from clearer.core.files import read_shaped, write_text
from clearer.core.text import duration
from clearer.evaluation.intervals import Difference, difference_from_drawn
from clearer.experiments.search_records import MacroComparison, MacroVerdict
from clearer.report.figures import COLORS, MUTED, dress, save_figure

BAR = 0.05
"""What a search should gain over the default network, in dB."""
NAMES = {"chosen": "the search's choice", "default": "default, scaled in width", "random": "random"}


def redraw(out: str | Path) -> None:
    """Write macro-verdict.md and the figure from macro-verdict.json alone."""
    out = Path(out)
    result = read_shaped(out / "macro-verdict.json", MacroVerdict)
    write_text(out / "macro-verdict.md", as_markdown(result))
    for kind in ("svg", "png"):
        save_figure(figure(result), out / f"macro-verdict.{kind}")


def as_markdown(result: MacroVerdict) -> str:
    """Return the verdict as Markdown."""
    seeds = "one seed" if result["seeds"] == 1 else f"{result['seeds']} seeds"
    over = "images and seeds" if result["seeds"] > 1 else "images; one seed cannot show the noise between seeds"
    lines = [
        f"# Verdict on the search of {result['recipe']} within a budget",
        "",
        f"The search took {duration(result['seconds_of_search'])} of one thread for each budget. Its choice and the "
        f"random networks were trained for {result['steps']:,} steps, the default network for the seconds of the "
        f"search more; {seeds} each, paired. Test images: {result['test']}, mean over "
        f"{', '.join(result['protocols'])}. Intervals: 95 %, over {over}.",
        "",
    ]
    for one in result["latencies"]:
        lines += [*_section(one), ""]
    return "\n".join(lines)


def _section(one: MacroComparison) -> list[str]:
    lines = [
        f"## {one['budget']}",
        "",
        "| | architecture | ms | kMAC/pixel | steps | validation (dB) | test (dB) | each seed, test (dB) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for arm in one["arms"]:
        name = NAMES[arm["kind"]] + (" (best by validation)" if arm["architecture"] == one["best_random"] else "")
        cells = [
            name, f"`{arm['architecture']}`",
            f"{arm['milliseconds']:.1f}", f"{arm['macs_per_pixel'] / 1e3:.1f}", f"{arm['steps']:,}",
            f"{stats.mean(arm['validation']):.3f}",
            f"{stats.mean(arm['test']):.3f}", ", ".join(f"{value:.3f}" for value in arm["test"]),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    against = [
        ("the default network, trained longer", one["over_default"]),
        ("the mean of the random networks", one["over_random_mean"]),
        ("the best random network", one["over_best_random"]),
    ]
    if _count(one) > 1:
        another = _from_random(one)
        against.append(("another random network", {"mean": another.mean, "low": another.low, "high": another.high}))
    lines += ["", "| the choice of the search against | difference (dB) | 95 % interval |", "| --- | --- | --- |"]
    lines += [f"| {name} | {d['mean']:+.3f} | {d['low']:+.3f} to {d['high']:+.3f} |" for name, d in against]
    return [*lines, "", judgement(one)]


def judgement(one: MacroComparison) -> str:
    """Return whether the search pays, in a sentence or two.

    It does if its choice is above the default network by at least `BAR`, beyond the chance of seeds and images, and
    above random networks by more than these differ among themselves: a choice at random would be one more of them.
    """
    default, another, count = one["over_default"], _from_random(one), _count(one)
    seeds = len(one["arms"][0]["test"])
    if seeds > 1 and default["mean"] >= BAR and default["low"] > 0 and another.low > 0:
        return (
            f"The search pays: its choice is {default['mean']:.2f} dB above the default network that was trained for "
            f"as long as search and training together, and {another.mean:.2f} dB above the mean of {count} random "
            "networks, both beyond chance."
        )
    chance = "beyond chance" if default["low"] > 0 or default["high"] < 0 else "indistinguishable from chance"
    of_seeds = chance if seeds > 1 else "one seed cannot show the noise between seeds"
    if count == 1:
        drawn = "the random network; one cannot show how much random networks differ"
    else:
        beyond = "beyond" if another.beyond_chance else "within"
        drawn = f"the mean of the {count} random networks, {beyond} the chance of drawing another one"
    return (
        f"The search is not shown to pay here: its choice is {default['mean']:+.3f} dB from the default network that "
        f"was trained for as long as search and training together ({of_seeds}), and {another.mean:+.3f} dB from "
        f"{drawn}."
    )


def _count(one: MacroComparison) -> int:
    return sum(arm["kind"] == "random" for arm in one["arms"])


def _from_random(one: MacroComparison) -> Difference:
    """Return the difference of the choice from the random networks, and what one more of them would differ by."""
    (mine,) = (stats.mean(arm["test"]) for arm in one["arms"] if arm["kind"] == "chosen")
    return difference_from_drawn(mine, [stats.mean(arm["test"]) for arm in one["arms"] if arm["kind"] == "random"])


def figure(result: MacroVerdict) -> Figure:
    """Return the test PSNR of every network, a dot a seed, over its latency; a panel a budget."""
    panels = result["latencies"]
    drawn = Figure(figsize=(1.2 + 4.2 * len(panels), 3.8), layout="constrained", facecolor="white")
    colors = {"chosen": COLORS[1], "default": COLORS[0], "random": "#9aa5b1"}
    for number, one in enumerate(panels, 1):
        axes = drawn.add_subplot(1, len(panels), number)
        dress(axes, one["budget"], "milliseconds", whole=False)
        axes.set_ylabel("PSNR on test images (dB)", fontsize=9, color=MUTED)
        seen: set[str] = set()
        for arm in sorted(one["arms"], key=lambda arm: arm["kind"] != "random"):
            kind = arm["kind"]
            x = arm["milliseconds"]
            axes.plot([x] * len(arm["test"]), arm["test"], ".", color=colors[kind], alpha=0.6, markersize=5)
            label = None if kind in seen else NAMES[kind]
            axes.plot(x, stats.mean(arm["test"]), "o", color=colors[kind], markeredgecolor="white", label=label)
            seen.add(kind)
        axes.legend(frameon=False, fontsize=8.5, loc="best")
    return drawn
