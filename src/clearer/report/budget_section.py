"""Parts of the page of a search within budgets: the figure, what was chosen, whether it paid, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from clearer.core.text import duration
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.report.drawing import architecture_figure
from clearer.report.front import floor_of, front_figure, points_of
from clearer.report.markup import drawing, folded, note, section, table
from clearer.runs.budget_record import BudgetRecord, Choice, read_budget_record
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import Trained

LOADED = 25.0
"""Percent over the budget that no error of the predicted time explains."""


def budget_sections(folder: RunFolder) -> str:
    """Return the sections on the search within the budget of a run; an empty string if there was none."""
    record = read_budget_record(folder)
    return "" if record is None else search_sections(record)


def search_sections(record: BudgetRecord) -> str:
    """Return the sections that one budget and several have in common."""
    return front_section(record) + gate_section(record) + cost_section(record)


def front_section(record: BudgetRecord) -> str:
    """Return the figure of every network tried, with what a reader must know to read it."""
    several = len(record.choices) > 1
    ends = [(choice.best_of(choice.default), choice.longest) for choice in record.choices]
    as_long = all(default is not None and default.steps == longest for default, longest in ends)
    beside = ", and the default network beside them" if as_long else ""
    rungs = len({line.steps for choice in record.choices for line in choice.tried})
    again = "; then the best third of these" if rungs > 2 else ""
    further = (
        "The best third was trained on, three times as long, which lifts it along the gray line"
        f"{again}{beside}. So compare only markers of one kind. "
    )
    body = (
        f"<p>Many different networks were built that take 90 to 100 % of {'a' if several else 'the'} budget "
        f"({escape(listed(record))}), the default network less where no width of it fits so well, and each was "
        "trained for a short time on the same images. A marker is a network after a training: the higher its PSNR "
        "(peak signal-to-noise ratio), the better it restores images that it was not trained on; the further left, the "
        "less it costs. "
        f"{further if rungs > 1 else ''}A difference of 0.1 dB is hardly visible, 1 dB is plain.</p>"
    )
    for unit in record.units:
        points = points_of(record, unit)
        body += drawing(front_figure(record, unit), "chart", f"quality against {unit} of every network tried")
        if below := len({p.architecture for p in points if p.psnr < floor_of(points)}):
            body += note(f"{below} far below the others {'stands' if below == 1 else 'stand'} at the lower edge.")
        body += note(_about_costs(record, unit))
    failed = {line.architecture for choice in record.choices for line in choice.tried if line.failed}
    if failed:
        body += note(f"{len(failed)} could not be trained, and {'is' if len(failed) == 1 else 'are'} not drawn.")
    return section("Networks tried", body + _compared(record) + folded("All networks", _all_networks(record)))


def count_of(number: int, name: str) -> str:
    """Return a number of things.

    >>> count_of(1, "thread"), count_of(2, "thread")
    ('1 thread', '2 threads')
    """
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def listed(record: BudgetRecord) -> str:
    """Return the budgets as a text.

    >>> listed(BudgetRecord((), ()))
    ''
    """
    *first, last = [choice.budget for choice in record.choices] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _about_costs(record: BudgetRecord, unit: str) -> str:
    published = record.published(unit)
    names = " and ".join(str(line.get("name")) for line in published)
    others = ""
    if published:
        others = (
            f" {names}, well-known networks for denoising, were timed on the same machine; they did not train on these "
            "images, so only their cost is known here."
        )
    if unit == "MAC/pixel":
        return (
            "Multiply-adds are counted, and tell little about time: networks of equal count may differ twofold."
            + others
        )
    line = next(iter(record.latencies), None)
    where = "" if line is None else f" ({line['device']}, {count_of(line['threads'], 'thread')}, {line['precision']})"
    return (
        f"Times on this machine{where}. The networks of the last round and the default network were "
        "measured whole, the others are the "
        "sum of their measured pieces, which is off by a few percent." + others
    )


def _compared(record: BudgetRecord) -> str:
    """Return a table of what was chosen for each budget, beside the default network and published ones."""
    rungs = sorted({line.steps for choice in record.choices for line in choice.tried})
    steps = list(dict.fromkeys((rungs[0], rungs[-1])))
    rows: list[tuple[object, ...]] = []
    for choice in record.choices:
        both = [("chosen", choice.architecture)]
        if choice.default != choice.architecture:
            both.append(("default", choice.default))
        for role, network in both:
            rows.append((choice.budget if role == "chosen" else "", role, *_row(record, choice, network, steps)))
    for unit in record.units:
        for line in record.published(unit):
            known = f"{line['psnr']:.2f}" if "psnr" in line else ""
            cost = _milliseconds(line["milliseconds"]), "", f"{line['macs_per_pixel'] / 1000:.1f}"
            rows.append(("", "published", line.get("name"), *[""] * len(steps), known, *cost))
    psnr = [f"{number:,} steps" for number in steps]
    heads = ("budget", "", "network", *psnr, "whole", "ms", "predicted", "kMAC/pixel")
    about = (
        "PSNR on the validation images in dB after so many steps, and after the whole training of what was chosen; "
        "time measured on the whole network, and predicted from its pieces; thousand multiply-adds per pixel."
    )
    compared = "".join(map(_beside_default, record.choices))
    return "<h3>Chosen networks</h3>" + table(heads, rows, left=3) + compared + note(about) + _exceeded(record)


def _beside_default(choice: Choice) -> str:
    """Return how the choice did beside the default network after equal steps; nothing where that was chosen."""
    pair = choice.beside_default()
    if pair is None:
        return ""
    ours, default = pair
    text = (
        f"Within {choice.budget}, after {ours.steps:,} steps each: {ours.psnr:.2f} dB with the chosen network, "
        f"{default.psnr:.2f} dB with the default one, {ours.psnr - default.psnr:+.2f} dB."
    )
    if ours.steps < choice.longest:
        text += " The default network was not trained longer in this search."
    return f"<p>{escape(text)}</p>"


def _milliseconds(time: float) -> str:
    return f"{time:,.0f}" if time >= 100 else f"{time:.3g}"


def _exceeded(record: BudgetRecord) -> str:
    """Return a note for each chosen network that takes longer, measured whole, than its pieces promised."""
    notes = ""
    for choice in record.choices:
        line = record.latency(choice.architecture, choice.unit)
        if line is not None and choice.unit != "MAC/pixel" and line["milliseconds"] > choice.amount:
            over = 100 * (line["milliseconds"] / choice.amount - 1)
            why = "its pieces were faster one by one"
            if over > LOADED:
                why = (
                    "other programs were probably busy, which also misleads the choice; search again on an idle machine"
                )
            notes += note(
                f"{choice.architecture} took {line['milliseconds']:.3g} ms when it was measured whole, {over:.1f} % "
                f"more than {choice.budget} allows: {why}."
            )
    return notes


def _row(record: BudgetRecord, choice: Choice, network: Architecture, steps: Sequence[int]) -> tuple[object, ...]:
    own = {x.steps: x for x in choice.tried if x.architecture == network.text and x.seed == 0}
    line, trained = record.latency(network, choice.unit), choice.trained_psnr
    predicted = "" if choice.unit == "MAC/pixel" else next((_milliseconds(x.cost) for x in own.values()), "")
    return (
        str(network),
        *(f"{own[number].psnr:.2f}" if number in own else "" for number in steps),
        "" if trained is None or network != choice.architecture else f"{trained:.2f}",
        "" if line is None else _milliseconds(line["milliseconds"]),
        predicted,
        f"{macs_per_pixel(network) / 1000:.1f}",
    )


def _all_networks(record: BudgetRecord) -> str:
    lines: dict[Trained, str] = {}
    for choice in record.choices:
        for line in choice.tried:
            lines.setdefault(line, choice.unit)
    ordered = sorted(lines, key=lambda line: (-line.steps, -line.psnr))
    rows = [
        (_shown(lines[x], x.cost), x.architecture, x.seed, f"{x.steps:,}", _psnr(x), duration(x.seconds))
        for x in ordered
    ]
    return table(("cost", "network", "seed", "steps", "dB", "training"), rows, left=2)


def _psnr(line: Trained) -> str:
    return line.failed or f"{line.psnr:.3f}"


def _shown(unit: str, cost: float) -> str:
    return f"{cost / 1000:.1f} kMAC/pixel" if unit == "MAC/pixel" else f"{cost:.3g} {unit}"


def gate_section(record: BudgetRecord) -> str:
    """Return whether the networks differ by more than chance, for each budget."""
    body = (
        "<p>Equal networks that start from other random numbers end with different quality. So the default network was "
        "trained with more than one seed. Only if different networks differ clearly more than that is there "
        "something to find.</p>"
    )
    rows = []
    for choice in record.choices:
        outcome = (
            "yes: the best was chosen"
            if choice.longest > min(x.steps for x in choice.tried)
            else "no: the default network was taken"
        )
        rows.append((choice.budget, f"{choice.spread:.3f}", f"{choice.chance:.3f}", outcome))
    heads = ("budget", "networks differ by, dB", "seeds differ by, dB", "was there something to find?")
    return section(
        "Differences beyond chance",
        body + table(heads, rows, left=1) + note("Both are standard deviations after the first, shortest trainings."),
    )


def cost_section(record: BudgetRecord) -> str:
    """Return what the search took."""
    trainings = record.trainings()
    networks = len({line.architecture for line in trainings})
    seconds = sum(line.seconds for line in trainings)
    text = (
        f"{networks} networks in {len(trainings)} trainings, {sum(line.steps for line in trainings):,} steps in all: "
        f"{duration(seconds)} of computation, shared by trainings that ran side by side."
    )
    if len(record.choices) > 1:
        text += " A network that fits two budgets was trained once, and counts for both."
    return section("Cost of the search", f"<p>{escape(text)}</p>")


def drawing_of(choice: Choice) -> str:
    """Return the drawing of the chosen network, and its text for other commands."""
    about = f"the network chosen for {choice.budget}"
    text = f"<pre>{escape(choice.architecture.text)}</pre>"
    return drawing(architecture_figure(choice.architecture), "drawing", about) + text
