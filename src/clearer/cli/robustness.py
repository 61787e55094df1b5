"""The table of `evaluate --protocol robustness`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearer.core.console import console_for_people, print_json, print_table, progress_bar, say

if TYPE_CHECKING:
    from clearer.evaluation.robustness import RowScore


def evaluate_robustness(model: Path, data: str | None, out: Path | None, as_json: bool, **how: Any) -> None:
    """Measure a model by the protocol `robustness`, print the table and save it."""
    from clearer.evaluation.robustness import BASELINE_GAIN, DEAD_GAIN, NAME, data_folder
    from clearer.pipeline.evaluate import default_place
    from clearer.pipeline.robustness import measure_robustness

    folder = data_folder(data)
    named = {key: value for key, value in how.items() if key != "device"}
    place = out or default_place(model, folder, NAME, **named)
    with progress_bar("evaluate") as progress:
        record = measure_robustness(model, folder, out=place, progress=progress, **how)
    console = console_for_people(as_json)
    rows = [_row(score) for score in record["rows"]]
    print_table("robustness", ("degradation", "input", "PSNR dB", "gain", "FFDNet", ""), rows, console)
    if record["dead"]:
        names = ", ".join(record["dead"])
        say(f"dead (gain < {DEAD_GAIN:g} dB where FFDNet gains {BASELINE_GAIN:g} dB or more): {names}", console)
    if any(score["ffdnet_psnr"] is None for score in record["rows"]):
        say("FFDNet: no figure where none is recorded for these images (other seed, limit or settings)", console)
    say(f"result: {place}", console)
    if as_json:
        print_json({**record, "saved": str(place)})


def _row(score: RowScore) -> tuple[str, ...]:
    baseline = score["ffdnet_psnr"]
    return (
        score["name"],
        f"{score['input_psnr']:.2f}",
        f"{score['psnr']:.2f}",
        f"{score['psnr'] - score['input_psnr']:+.2f}",
        "" if baseline is None else f"{baseline:.2f}",
        "dead" if score["dead"] else "",
    )
