"""Part of the page of a run: how a search by slimming got from the widest network to the budget."""

from __future__ import annotations

from html import escape

from matplotlib.figure import Figure

from clearer.network.architecture import Architecture
from clearer.report.figures import COLORS, INK, MUTED, dress
from clearer.report.markup import drawing, folded, note, section, table
from clearer.runs.layout import RunFolder
from clearer.runs.slimming_record import SlimmingRecord, read_slimming_record

MAC = "MAC/pixel"


def slimming_section(folder: RunFolder) -> str:
    """Return the section on the search by slimming of a run; an empty string if there was none."""
    record = read_slimming_record(folder)
    if record is None:
        return ""
    first, last = record.path[0], record.path[-1]
    widest = str(Architecture.parse(first["architecture"]))
    body = (
        f"<p>One network, {escape(widest)}, was trained for {record.steps:,} steps so that its first "
        "channels and modules are networks, too. Then it lost one part after another, each time the one that costs the "
        f"least PSNR for what it saves, until it met the budget ({escape(record.budget)}). A marker is a network on "
        "that way, with the weights that all of them share; the one at the end was then trained from scratch.</p>"
    )
    about = f"PSNR against {record.unit} while the network was slimmed"
    body += drawing(slimming_figure(record), "chart", about)
    change = last["psnr"] - first["psnr"]
    body += note(
        f"{len(record.path) - 1} parts were taken away: {change:+.2f} dB on the validation images, with shared "
        f"weights, and {_cost(record, first['cost'])} became {_cost(record, last['cost'])}, by the sum of the pieces."
    )
    rows = []
    for line in record.path:
        network = Architecture.parse(line["architecture"])
        width = ":".join(map(str, network.widths))
        rows.append((_cost(record, line["cost"]), str(network), width, f"{line['psnr']:.3f}"))
    return section(
        "Search by slimming", body + folded("All networks", table(("cost", "cells", "width", "dB"), rows, 3))
    )


def slimming_figure(record: SlimmingRecord) -> Figure:
    """Return PSNR against cost, from the widest network on the right to the budget on the left."""
    scale = 1000 if record.unit == MAC else 1
    figure = Figure(figsize=(9, 4.2), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    name = "thousand multiply-adds per pixel" if record.unit == MAC else f"{record.unit}, by the sum of the pieces"
    dress(axes, "", name, whole=False)
    axes.set_ylabel("PSNR on the validation images (dB)", fontsize=9, color=MUTED)
    costs, psnr = [line["cost"] / scale for line in record.path], [line["psnr"] for line in record.path]
    axes.plot(costs, psnr, "o-", color=COLORS[0], markersize=4.5, linewidth=1.2)
    axes.axvline(record.amount / scale, color=MUTED, linewidth=1.1, linestyle=(0, (5, 3)), zorder=0)
    axes.annotate(
        record.budget, (record.amount / scale, 1.0), xytext=(0, 3), ha="center", va="bottom", size=8.5, color=INK,
        xycoords=axes.get_xaxis_transform(), textcoords="offset points",
    )  # fmt: skip
    axes.plot(costs[-1], psnr[-1], "o", markersize=14, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.5)
    return figure


def _cost(record: SlimmingRecord, cost: float) -> str:
    return f"{cost / 1000:.1f} k{MAC}" if record.unit == MAC else f"{cost:.4g} {record.unit}"
