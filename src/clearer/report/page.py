"""The page of a run: one HTML file that needs nothing beside it, and its summary for the terminal."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path, PurePath
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from clearer.core.console import print_table, say
from clearer.core.files import write_text
from clearer.core.text import count, duration
from clearer.network.candidates.registry import CANDIDATES
from clearer.report.comparison import DPI, comparison
from clearer.report.drawing import architecture_figure
from clearer.report.figures import (
    curves_search,
    curves_training,
    mean_gap,
    mixing_weights_over_time,
    png_bytes,
    scatter,
    svg_text,
)
from clearer.runs.layout import RunFolder, objects
from clearer.runs.record import Record, number, read_record, sample_images

# Nothing is loaded and nothing runs, whatever the run's files say.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_page(run: str | Path) -> Path:
    """Write ``report.html`` into a run folder, from what the folder holds, and return its path.

    Parts whose files are absent are left out. Every value from a file is escaped.

    Raises:
        UserError: recipe.yaml or architecture.json is missing, a file is damaged, or the page cannot
            be written.
    """
    record = read_record(run)
    parts = (
        _headline(record),
        _architecture(record),
        _results(record),
        _images(record),
        _training(record),
        _search(record),
        _spent(record),
        _use(record),
        _section("Recipe", f"<details><summary>recipe.yaml</summary><pre>{escape(record.recipe)}</pre></details>"),
        _footer(record),
    )
    style = resources.files("clearer.report").joinpath("page.css").read_text(encoding="utf-8")
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f'<meta name="description" content="{escape(result_line(record))}">\n'
        f"<title>{escape(_task(record))}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )
    path = RunFolder(record.folder).report
    write_text(path, page)
    return path


def result_line(record: Record) -> str:
    """The run in one line: task, gain over the input, parameters, kMAC per pixel, time."""
    facts = [f"{value} {name}" for name, value, _ in _facts(record)]
    return f"{_task(record)}: {', '.join(facts)}" if facts else _task(record)


def print_summary(run: str | Path, console: Console) -> None:
    """Print what a run has found: network, times and PSNR by protocol in a table, then the paths of its files.

    Raises:
        UserError: as of `write_page`.
    """
    record = read_record(run)
    rows = [("architecture", str(record.architecture))]
    rows += [(name, value) for name, value, _ in _facts(record)[-3:] if name in ("parameters", "kMAC/pixel")]
    for name, values in (("search", record.search), ("training", record.train)):
        if (seconds := number(values, "seconds")) is not None:
            rows.append((name, " on ".join(filter(None, (duration(seconds), str(values.get("device") or ""))))))
        if name == "search" and (early := _converged(values)):
            rows.append(("", early))
    validated: list[Mapping[str, object]] = [{**record.train, "psnr": record.train.get("best_psnr")}]
    for measured in record.evaluations or validated:
        before, after = number(measured, "input_psnr"), number(measured, "psnr")
        if before is not None and after is not None:
            name = _protocol(measured) if record.evaluations else "validation"
            rows.append((name, f"{before:.2f} -> {after:.2f} dB ({after - before:+.2f} dB)"))
    print_table(_task(record), ("", ""), rows, console, left=2)
    folder = RunFolder(record.folder)
    for name, file in (("report", folder.report), ("model", folder.weights)):
        if file.exists():
            say(f"{name}: {file}", console)  # not in the table, which folds it: a path is copied


def _task(record: Record) -> str:
    return str(record.run.get("task") or record.run.get("recipe") or record.name)


def _facts(record: Record) -> list[tuple[str, str, str]]:
    """Name, value and remark of the headline's facts, those that are known."""
    facts = []
    if record.before_after:
        before, after, where = record.before_after
        facts.append(("over the input", f"{after - before:+.2f} dB", f"{before:.2f} to {after:.2f} dB, {where}"))
    if (parameters := number(record.cost, "parameters")) is not None:
        facts.append(("parameters", count(parameters), f"{parameters:,.0f}"))
    if (macs := number(record.cost, "macs_per_pixel")) is not None:
        facts.append(("kMAC/pixel", f"{macs / 1e3:.1f}", f"{macs * 1280 * 720 / 1e9:,.0f} GMAC at 1280x720"))
    if record.seconds is not None:
        times = (("search", number(record.search, "seconds")), ("training", number(record.train, "seconds")))
        remark = ", ".join(f"{name} {duration(seconds)}" for name, seconds in times if seconds is not None)
        both = " and ".join(name for name, seconds in times if seconds is not None)
        facts.append((f"of {both}", duration(record.seconds), remark if " and " in both else ""))
    return facts


def _headline(record: Record) -> str:
    created = str(record.run.get("created") or "").replace("T", " ")[:16]
    above = [record.run.get("recipe"), created, record.name]
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(remark)}</small></dd></div>"
        for name, value, remark in _facts(record)
    )
    return (
        f'<header><p class="eyebrow">{escape(" · ".join(str(a) for a in above if a))}</p>'
        f"<h1>{escape(_task(record))}</h1>" + (f'<dl class="facts">{facts}</dl>' if facts else "") + "</header>"
    )


def _architecture(record: Record) -> str:
    body = _drawn(architecture_figure(record.architecture), "drawing", f"architecture {record.architecture}")
    rows = [
        (cell.get("module"), _format(cell, "parameters", ",.0f"), _format(cell, "macs_per_pixel", ",.1f", 1e-3))
        for cell in objects(record.cost.get("cells"))
    ]
    if rows:
        table = _table(("module", "parameters", "kMAC/pixel"), rows, left=1)
        body += f"<details><summary>Cost of each module</summary>{table}</details>"
    return _section("Architecture", body)


def _results(record: Record) -> str:
    if not record.evaluations:
        return ""
    rows, details = [], ""
    for e in record.evaluations:
        before, after = number(e, "input_psnr"), number(e, "psnr")
        gain = "" if before is None or after is None else f"{after - before:+.2f}"
        psnr = (_format(e, "input_psnr", ".2f"), _format(e, "psnr", ".2f"), gain)
        rows.append(
            (_protocol(e), _short(e.get("data")), e.get("images", ""), *psnr, _format(e, "ssim", ".4f"), _seconds(e))
        )
        single = [
            (
                p.get("name", ""), f"{p.get('width', '')}x{p.get('height', '')}", _format(p, "input_psnr", ".2f"),
                _format(p, "psnr", ".2f"), _format(p, "ssim", ".4f"), _seconds(p),
            )
            for p in objects(e.get("per_image"))
        ]  # fmt: skip
        if single:
            table = _table(("image", "size", "input dB", "PSNR dB", "SSIM", "time"), single, left=1)
            details += f"<details><summary>{escape(_protocol(e))}, image by image</summary>{table}</details>"
    head = ("protocol", "data", "images", "input dB", "PSNR dB", "gain dB", "SSIM", "time")
    return _section("Results", _table(head, rows, left=2) + details)


def _images(record: Record) -> str:
    shown = ""
    for sample in record.samples:
        images = sample_images(record, sample)
        if images is None:
            continue
        data = base64.b64encode(png_bytes(comparison([{**sample, **images}]), DPI)).decode()
        about = escape(f"{sample.get('name', '')}: input, restored and truth, a crop enlarged beneath each")
        shown += f'<div class="wide"><img class="sample" alt="{about}" src="data:image/png;base64,{data}"></div>'
    return _section("Images", shown) if shown else ""


def _training(record: Record) -> str:
    if not record.train_lines:
        return ""
    t = record.train
    known = [f"{key} {value} dB" for key in ("best", "last") if (value := _format(t, f"{key}_psnr", ".2f"))]
    epoch = _format(t, "best_epoch", ".0f")
    note = f"Validation PSNR: {', '.join(known)}{f' (best at epoch {epoch})' if epoch else ''}." if known else ""
    note = f'<p class="note">{escape(note)}</p>' if note else ""
    return _section("Training", _drawn(curves_training(record.train_lines), "chart", "training curves") + note)


def _final_mixing_weights(final: Sequence[Sequence[float]], record: Record) -> str:
    """Return the scatter of Fig. 2, where there are two candidates, and a table of all mixing weights."""
    letters = record.architecture.space.candidates
    names = [CANDIDATES.get(letter).name for letter in letters]
    rows = [
        (i + 1, letters[max(range(len(row)), key=row.__getitem__)], *(f"{value:.4f}" for value in row))
        for i, row in enumerate(final)
    ]
    drawn = _drawn(scatter(final), "square", "scatter of the mixing weights") if len(names) == 2 else ""
    points = f"Each point is a searched module: its mixing weights of {' and '.join(names)}. " if drawn else ""
    return (
        f'<div class="pair">{drawn}<div class="text"><p>{points}The mean gap between the largest and the second is '
        f"<strong>{mean_gap(final):.4f}</strong>; 1 means that every module is decided, 0 that none is (supplement, "
        f"Fig. 2).</p><details><summary>All mixing weights</summary>"
        f"{_table(('module', 'chosen', *names), rows, left=2)}</details></div></div>"
    )


def _search(record: Record) -> str:
    lines = record.search_lines
    dated = [line for line in lines if line.get("mixing_weights")]
    final = record.search.get("mixing_weights") or (dated[-1]["mixing_weights"] if dated else [])
    if not lines and not final:
        return ""
    body = ""
    if dated:
        body += _drawn(mixing_weights_over_time(lines), "chart", "mixing_weights of the modules over time")
    if final:
        body += _final_mixing_weights(final, record)
    if early := _converged(record.search):
        body += f'<p class="note">The search {escape(early)}.</p>'
    if lines:
        body += _drawn(curves_search(lines), "chart", "losses and learning rate of the search")
    return _section("Search", body)


def _spent(record: Record) -> str:
    rows = [
        (
            name, duration(number(v, "seconds")), _format(v, "steps", ",.0f"), _format(v, "arch_steps", ",.0f"),
            _format(v, "peak_memory_mb", ",.0f"), v.get("device") or "",
        )
        for name, v in (("search", record.search), ("training", record.train))
        if v
    ]  # fmt: skip
    head = ("", "time", "steps", "architecture steps", "peak memory MB", "device")
    return _section("What it took", _table(head, rows, left=1)) if rows else ""


def _converged(search: Mapping[str, Any]) -> str:
    """Where the search ended early, and what that saved, in one line; empty where it did not."""
    done, saved = number(search, "steps"), number(search, "steps_saved")
    if done is None or not saved:
        return ""
    return (
        f"converged after {done:,.0f} of {done + saved:,.0f} weight steps, "
        f"which saved about {duration(number(search, 'seconds_saved'))}"
    )


def _use(record: Record) -> str:
    if not record.train and not RunFolder(record.folder).weights.exists():
        return ""
    # A name that begins with a dash would be taken for an option.
    name = f"./{record.name}" if record.name.startswith("-") else record.name
    shell = f"clearer restore {shlex.quote(name)} image.png -o out.png"
    python = f"import clearer\nrestorer = clearer.load({name!r})\nclean = restorer.restore(image)"
    body = f"<p>In the folder that holds this run:</p><pre>{escape(shell)}</pre><pre>{escape(python)}</pre>"
    return _section("Use the model", body)


def _footer(record: Record) -> str:
    run = record.run
    facts = [f"{key} {run[key]}" for key in ("clearer", "torch", "device", "threads", "precision") if run.get(key)]
    if isinstance(images := run.get("images"), dict):
        facts.append("images: " + ", ".join(f"{value} {key}" for key, value in images.items()))
    return f"<footer>{escape(' · '.join(facts))}</footer>" if facts else ""


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{body}\n</section>"


def _drawn(figure: Figure, kind: str, about: str) -> str:
    """A figure as inline SVG in a box that scrolls sideways on small screens."""
    # The ids of each drawing get its own prefix: in one page all must differ.
    prefix = "".join(c if c.isalnum() else "-" for c in about) + "-"
    svg = svg_text(figure, prefix).replace("<svg", f'<svg role="img" aria-label="{escape(about)}"', 1)
    return f'<div class="wide {kind}">{svg}</div>\n'


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], left: int) -> str:
    """A table whose first ``left`` columns are text and whose others are numbers; all cells are escaped."""

    def row(cells: Sequence[Any], tag: str) -> str:
        kinds = ("" if i < left else ' class="right"' for i in range(len(cells)))
        return "".join(f"<{tag}{k}>{escape(str(c))}</{tag}>" for k, c in zip(kinds, cells, strict=True))

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f'<div class="wide"><table><thead><tr>{row(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'


def _format(values: Mapping[str, Any], key: str, form: str, factor: float = 1) -> str:
    value = number(values, key)
    return "" if value is None else format(value * factor, form)


def _seconds(values: Mapping[str, Any]) -> str:
    return duration(number(values, "seconds"))


def _short(path: Any) -> str:
    """The last two names of a path: enough to know the data, and no word on whose machine it lay."""
    return "/".join(PurePath(str(path or "")).parts[-2:])


def _protocol(values: Mapping[str, Any]) -> str:
    return f"{values.get('protocol', '')}{' with x8 ensemble' if values.get('ensemble') else ''}"
