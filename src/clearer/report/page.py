"""The page of a run: one HTML file that needs no other file."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path, PurePath

from clearer.core.errors import UserError, one_line
from clearer.core.files import write_text
from clearer.core.text import duration, printable
from clearer.network.candidates.registry import CANDIDATES
from clearer.report.budget_section import budget_sections
from clearer.report.comparison import DPI, Sample, comparison
from clearer.report.drawing import architecture_figure
from clearer.report.facts import (
    convergence,
    headline_facts,
    protocol_name,
    result_line,
    seen_line,
    start_line,
    task_of,
)
from clearer.report.figures import (
    curves_search,
    curves_training,
    mean_gap,
    mixing_weights_over_time,
    png_bytes,
    scatter,
)
from clearer.report.intensity import intensity_figure, intensity_line, intensity_of
from clearer.report.markup import drawing, folded, note, section, table, whole_page
from clearer.report.noisy import estimated_line, noise_section, ranking_section
from clearer.report.slimming_section import slimming_section
from clearer.report.warnings import warnings_of
from clearer.runs.layout import RunFolder
from clearer.runs.record import Record, number, read_record, sample_images


def write_page(run: str | Path) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    The page has a section for each part of the run whose files exist.

    Raises:
        UserError: recipe.yaml or architecture.json is missing, a file is damaged, or the page cannot
            be written.
    """
    record = read_record(run)
    try:
        page = _html(record)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # The files are JSON, but any value in them may be of another kind than clearer wrote.
        raise UserError(
            f"{record.folder}: the page cannot be drawn, since a file of the run holds a value that clearer did not "
            f"write ({one_line(error)}); put the file back"
        ) from error
    path = RunFolder(record.folder).report
    write_text(path, page)
    return path


def _html(record: Record) -> str:
    parts = (
        _headline(record),
        _results(record),
        ranking_section(record),
        _images(record),
        noise_section(record),
        _architecture(record),
        _training(record),
        _search(record),
        budget_sections(RunFolder(record.folder)),
        slimming_section(RunFolder(record.folder)),
        _resources(record),
        _use(record),
        section("Recipe", folded("recipe.yaml", f"<pre>{escape(record.recipe)}</pre>")),
        _footer(record),
    )
    return whole_page(task_of(record), result_line(record), parts)


def _headline(record: Record) -> str:
    created = str(record.run.get("created") or "").replace("T", " ")[:16]
    above = [record.run.get("recipe"), created, record.name]
    facts = "".join(
        f"<div><dt>{escape(name.removeprefix('of '))}</dt><dd>{escape(value)}<small>{escape(remark)}</small></dd></div>"
        for name, value, remark in headline_facts(record)
    )
    warnings = "".join(f"<p>{escape(text)}</p>" for text in warnings_of(record))
    return (
        f'<header><p class="eyebrow">{escape(" · ".join(str(a) for a in above if a))}</p>'
        f"<h1>{escape(task_of(record))}</h1>"
        + (f'<dl class="facts">{facts}</dl>' if facts else "")
        + "</header>"
        + (f'<div class="warning" role="note">{warnings}</div>' if warnings else "")
    )


def _architecture(record: Record) -> str:
    body = drawing(architecture_figure(record.architecture), "drawing", f"architecture {record.architecture}")
    rows = [
        (cell.get("module"), _format(cell, "parameters", ",.0f"), _format(cell, "macs_per_pixel", ",.1f", 1e-3))
        for cell in record.cost.get("cells", [])
    ]
    if rows:
        body += folded("Cost of each module", table(("module", "parameters", "kMAC/pixel"), rows, left=1))
    return section("Architecture", body)


def _results(record: Record) -> str:
    if not record.evaluations:
        return ""
    rows, details = [], ""
    for e in record.evaluations:
        before, after = number(e, "input_psnr"), number(e, "psnr")
        gain = "" if before is None or after is None else f"{after - before:+.2f}"
        psnr = (_format(e, "input_psnr", ".2f"), _format(e, "psnr", ".2f"), gain)
        what = (protocol_name(e), _short(e.get("data")), e.get("images", ""))
        rows.append((*what, *psnr, _format(e, "ssim", ".4f"), _time(e)))
        single = [
            (
                p.get("name", ""), f"{p.get('width', '')}x{p.get('height', '')}", _format(p, "input_psnr", ".2f"),
                _format(p, "psnr", ".2f"), _format(p, "ssim", ".4f"), _time(p),
            )
            for p in e.get("per_image", [])
        ]  # fmt: skip
        if single:
            heads = ("image", "size", "input dB", "PSNR dB", "SSIM", "time")
            details += folded(f"{protocol_name(e)}, each image", table(heads, single, left=1))
        if (intensity := intensity_of(e)) is not None:
            about = f"{protocol_name(e)}, intensity"
            details += drawing(intensity_figure(intensity), "chart", about) + note(intensity_line(intensity))
        if (line := seen_line(e)) is not None:
            details += note(f"{protocol_name(e)}, {_short(e.get('data'))}: {line}.")
    head = ("protocol", "data", "images", "input dB", "PSNR dB", "gain dB", "SSIM", "time")
    return section("Results", table(head, rows, left=2) + details)


def _images(record: Record) -> str:
    shown = ""
    for entry in record.samples:
        images = sample_images(record, entry)
        if images is None:
            continue
        data = base64.b64encode(png_bytes(comparison([Sample.of(entry, images)], named=False), DPI)).decode()
        third = "removed" if "removed" in images else "ground truth"
        name = printable(str(entry.get("name", "")))
        about = escape(f"{name}: input, restored and {third}, each with an enlarged crop below")
        shown += f"<h3>{escape(name)}</h3>"
        shown += f'<div class="wide"><img class="sample" alt="{about}" src="data:image/png;base64,{data}"></div>'
        if (gain := number(entry, "gain")) is not None:
            shown += note(f"{name} is shown {gain:.1f} times brighter.")
    if any("removed" in entry for entry in record.samples):
        shown += note(
            "Removed: the input minus the restored image, with stronger contrast; gray is no change. Where it shows "
            "more of the image than noise that grows with brightness, detail is lost."
        )
    return section("Images", shown) if shown else ""


def _training(record: Record) -> str:
    if not record.train_lines:
        return ""
    t = record.train
    known = [f"{key} {value} dB" for key in ("best", "last") if (value := _format(t, f"{key}_psnr", ".2f"))]
    epoch = _format(t, "best_epoch", ".0f")
    text = f"Validation PSNR: {', '.join(known)}{f' (best at epoch {epoch})' if epoch else ''}."
    chart = drawing(curves_training(record.train_lines), "chart", "training curves")
    if estimated := estimated_line(record):
        known, text = [estimated], f"Estimated on the validation images, without ground truth: {estimated}."
    return section("Training", chart + "".join(note(line) for line in (text if known else "", start_line(t)) if line))


def _search(record: Record) -> str:
    lines = record.search_lines
    dated = [line for line in lines if line.get("mixing_weights")]
    final = record.search.get("mixing_weights") or (dated[-1]["mixing_weights"] if dated else [])
    if not lines and not final:
        return ""
    names = [CANDIDATES.get(letter).name for letter in record.architecture.space.candidates]
    body = ""
    if dated:
        body += drawing(mixing_weights_over_time(lines, names), "chart", "mixing weights of the modules over time")
    if final:
        body += _final_mixing_weights(final, record, names)
    if early := convergence(record.search):
        body += note(f"The search {early}.")
    if lines:
        body += drawing(curves_search(lines), "chart", "losses and learning rate of the search")
    return section("Search", body)


def _final_mixing_weights(final: Sequence[Sequence[float]], record: Record, names: Sequence[str]) -> str:
    """Return a table of all mixing weights and, for two candidates, the scatter plot of the supplement's Figure 2."""
    letters = record.architecture.space.candidates
    rows = [
        (i + 1, letters[max(range(len(row)), key=row.__getitem__)], *(f"{value:.4f}" for value in row))
        for i, row in enumerate(final)
    ]
    plot = points = ""
    if len(names) == 2:
        plot = drawing(scatter(final, names), "square", "scatter plot of the mixing weights")
        points = f"Each point is a searched module, with its mixing weights of {' and '.join(names)}. "
    all_weights = folded("All mixing weights", table(("module", "chosen", *names), rows, left=2))
    return (
        f'<div class="pair">{plot}<div class="text"><p>{escape(points)}The mean gap between the largest weight and the '
        f"second is <strong>{mean_gap(final):.4f}</strong>: 1 if all modules are decided, 0 if none is (supplement, "
        f"Fig. 2).</p>{all_weights}</div></div>"
    )


def _resources(record: Record) -> str:
    stages: tuple[tuple[str, Mapping[str, object]], ...] = (("search", record.search), ("training", record.train))
    columns: list[tuple[str, list[object]]] = [("", [name for name, v in stages if v])]
    for head, cell in (
        ("time", _time),
        ("steps", lambda v: _format(v, "steps", ",.0f")),
        ("architecture steps", lambda v: _format(v, "arch_steps", ",.0f")),
        ("peak memory MiB", lambda v: _format(v, "peak_memory_mb", ",.0f")),
        ("device", lambda v: v.get("device") or ""),
    ):
        cells = [cell(v) for _, v in stages if v]
        if any(cells):
            columns.append((head, cells))
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    return section("Time and memory", table([head for head, _ in columns], rows, left=1)) if rows else ""


def _use(record: Record) -> str:
    if not record.train and not RunFolder(record.folder).weights.exists():
        return ""
    # The command line takes a name that begins with a dash for an option.
    name = f"./{record.name}" if record.name.startswith("-") else record.name
    shell = f"clearer restore {shlex.quote(name)} image.png -o out.png"
    python = f"import clearer\nrestorer = clearer.load({name!r})\nclean = restorer.restore(image)"
    body = f"<p>In the parent folder of this run:</p><pre>{escape(shell)}</pre><pre>{escape(python)}</pre>"
    return section("Use the model", body)


def _footer(record: Record) -> str:
    run = record.run
    facts = [f"{key} {run[key]}" for key in ("clearer", "torch", "device", "threads", "precision") if run.get(key)]
    if isinstance(images := run.get("images"), dict):
        facts.append("images: " + ", ".join(f"{value} {key}" for key, value in images.items()))
    return f"<footer>{escape(' · '.join(facts))}</footer>" if facts else ""


def _format(values: Mapping[str, object], key: str, form: str, factor: float = 1) -> str:
    value = number(values, key)
    return "" if value is None else format(value * factor, form)


def _time(values: Mapping[str, object]) -> str:
    return duration(number(values, "seconds"))


def _short(path: object) -> str:
    """Return the last two names of a path: enough to name the data, without the rest of somebody's file system."""
    return "/".join(PurePath(str(path or "")).parts[-2:])
