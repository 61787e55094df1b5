"""The summary of a run for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from clearer.core.console import print_table, say
from clearer.core.text import duration
from clearer.report.facts import convergence, headline_facts, protocol_name, start_outcome, task_of
from clearer.report.noisy import estimated_line
from clearer.report.warnings import warnings_of
from clearer.runs.layout import RunFolder
from clearer.runs.record import Record, number, read_record


def print_summary(run: str | Path, console: Console) -> None:
    """Print the results of a run: network, times and PSNR by protocol in a table, then the paths of its files.

    Raises:
        UserError: recipe.yaml or architecture.json is missing, or a file is damaged.
    """
    record = read_record(run)
    print_table(task_of(record), ("", ""), _rows(record), console, left=2)
    for text in warnings_of(record):
        say(f"warning: {text}", console)
    folder = RunFolder(record.folder)
    for name, file in (("report", folder.report), ("model", folder.weights)):
        if file.exists():
            say(f"{name}: {file}", console)  # not in the table, which folds long lines: users copy paths


def _rows(record: Record) -> list[tuple[str, str]]:
    rows = [("architecture", str(record.architecture))]
    rows += [(name, value) for name, value, _ in headline_facts(record) if name in ("parameters", "kMAC/pixel")]
    stages: tuple[tuple[str, Mapping[str, object]], ...] = (("search", record.search), ("training", record.train))
    for name, values in stages:
        if (seconds := number(values, "seconds")) is not None:
            rows.append((name, " on ".join(filter(None, (duration(seconds), str(values.get("device") or ""))))))
        if name == "search" and (early := convergence(values)):
            rows.append(("", early))
    if outcome := start_outcome(record.train):
        rows.append(("start", outcome))
    validated: list[Mapping[str, object]] = [{**record.train, "psnr": record.train.get("best_psnr")}]
    for measured in record.evaluations or validated:
        before, after = number(measured, "input_psnr"), number(measured, "psnr")
        if before is not None and after is not None:
            name = protocol_name(measured) if record.evaluations else "validation"
            rows.append((name, f"{before:.2f} -> {after:.2f} dB ({after - before:+.2f} dB)"))
    if words := record.noise.get("words"):
        rows.append(("noise", str(words[0])))
    if estimated := estimated_line(record):
        rows.append(("estimated, no ground truth", estimated))
    rows += [("estimated better, untrained", str(name)) for name in record.ranking.get("better") or []]
    return rows
