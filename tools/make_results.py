"""Fill the tables of docs and README.md from the JSON files in docs/results.

    python tools/make_results.py            # rewrite the tables
    python tools/make_results.py --collect RUN NAME "COMMAND"   # first copy a run's figures to docs/results
    python tools/make_results.py --keep FILE.json NAME "COMMAND"   # first copy the JSON of `reproduce` or `verdict`

``--keep`` also copies the PNG figures beside FILE.json to docs/images/NAME-*.png. A table stands between
``<!-- table NAME -->`` and ``<!-- end -->``. The first part of NAME, up to a dash, chooses the kind of table.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clearer.core.files import read_json
from clearer.experiments import (
    ablations_page,
    figures3_4,
    protocols,
    table1,
    tables_page,
    verdict_page,
)
from clearer.inference.memory import bytes_per_pixel
from clearer.network.architecture import Architecture
from clearer.zoo.robustness_table import table_lines

HERE = Path(__file__).parents[1] / "docs"
PAGES = [*sorted(HERE.rglob("*.md")), HERE.parent / "README.md"]
STORE = HERE / "results"


def collect(run: Path, name: str, command: str) -> None:
    """Copy the figures of a run folder."""

    def read(path: str) -> Any:
        return json.loads((run / path).read_text()) if (run / path).exists() else None

    evaluations = [json.loads(path.read_text()) for path in sorted((run / "evaluation").glob("*.json"))]
    for evaluation in evaluations:
        evaluation.pop("per_image")
    value = {
        "command": command,
        "run": read("run.json"),
        "architecture": read("architecture.json"),
        "search": read("search/result.json"),
        "train": read("train/result.json"),
        "evaluations": evaluations,
    }
    (STORE / f"run-{name}.json").write_text(json.dumps(value, indent=1) + "\n")


def keep(path: Path, name: str, command: str) -> None:
    """Copy a result and its figures, with one line of JSON a key: a verdict has thousands of scores."""
    value = {"command": command, **json.loads(path.read_text())}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(part)}" for key, part in value.items())
    (STORE / f"{name}.json").write_text("{\n" + lines + "\n}\n")
    for figure in path.parent.glob("*.png"):
        shutil.copy(figure, HERE / "images" / f"{name}-{figure.name}")


def table(head: list[str], rows: list[list[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def run_table(value: dict[str, Any]) -> str:
    search, train, run = value["search"], value["train"], value["run"]
    rows = [["architecture", value["architecture"]["architecture"]]]
    if search:
        steps = f"{search['steps']} weight steps, {search['arch_steps']} architecture steps"
        rows += [["search", f"{steps}, {search['seconds']:.0f} s"], ["mean gap", f"{search['gap']:.4f}"]]
    best = f"{train['best_psnr']:.2f} dB (epoch {train['best_epoch']})"
    rows += [
        ["training", f"{train['steps']} steps, {train['seconds']:.0f} s"],
        ["validation PSNR", f"{best}, input {train['input_psnr']:.2f} dB"],
        ["peak memory", f"{train['peak_memory_mb']} MiB"],
        ["device", f"{train['device']}, {train['precision']}, torch {run['torch']}"],
    ]
    for e in value["evaluations"]:
        what = f"{e['protocol']}, {e['images']} test images"
        rows.append(
            [what, f"{e['psnr']:.2f} dB / {e['ssim']:.4f}, input {e['input_psnr']:.2f} / {e['input_ssim']:.4f}"]
        )
        rows.append(["size", f"{e['parameters']:,} parameters, {e['macs_per_pixel'] / 1e3:.1f} kMAC/pixel"])
    return f"`{value['command']}`\n\n" + table(["", ""], rows)


def settings_table(value: dict[str, Any]) -> str:
    rows = [
        [r["setting"], f"{r['psnr']:.2f}", ", ".join(f"{v:.2f}" for v in r["per_seed"]), r["seconds"]]
        for r in value["rows"]
    ]
    head = [f"{value['steps']} steps, width {value['width']}", "validation PSNR (dB)", "each seed", "seconds"]
    return f"`{value['command']}` (input {value['input_psnr']:.2f} dB)\n\n" + table(head, rows)


def forms_table(value: dict[str, Any]) -> str:
    levels = list(value["rows"][0]["psnr"])
    pairs = levels == ["pairs"]  # for them SSIM, too
    rows = []
    for r in value["rows"]:
        figures = [", ".join(f"{v:.2f}" for v in r["psnr"][level]) for level in levels]
        figures += [", ".join(f"{v:.3f}" for v in r["ssim"]["pairs"])] if pairs else []
        rows.append([r["setting"], f"{r['kmac']:.0f}", f"{r['steps']:,}", *figures])
    what = ["PSNR, dB", "SSIM"] if pairs else [f"{level}, dB" for level in levels]
    each = "a minute" if value["minutes"] == 1 else f"{value['minutes']:g} minutes"
    head = [f"{each} each", "kMAC/pixel", "steps", *what]
    said = f" (input {value['input']['psnr']['pairs']:.2f} dB / {value['input']['ssim']['pairs']:.3f})" if pairs else ""
    return f"`{value['command']}`{said}\n\n" + table(head, rows)


def arms_table(value: dict[str, Any]) -> str:
    """Return a table of trainings of equal length that differ in one setting each."""
    first = value["rows"][0]
    rows = [
        [r["label"], f"`{r['change']}`", f"{r['validation_psnr']:.2f}", f"{r['psnr']:.2f} / {r['ssim']:.4f}"]
        for r in value["rows"]
    ]
    test = f"{first['images']} test images, dB / SSIM"
    head = [f"{first['steps']:,} steps each", "options", "validation, dB", test]
    said = f"`{value['command']} OPTIONS`, then `{value['evaluate']}` (input {first['input_psnr']:.2f} dB)"
    return f"{said}\n\n" + table(head, rows)


def peers_table(value: dict[str, Any]) -> str:
    rows = []
    for line in value["lines"]:
        figures = [f"{line['psnr']:.2f} / {line['ssim']:.4f}", line["input_psnr"], line["images"]]
        rows.append([line["name"], *figures, f"`{line['command']}`"])
    return table(["", "PSNR (dB) / SSIM", "input PSNR", "images", "command"], rows)


def table1_table(value: dict[str, Any]) -> str:
    head = ["lambda_1", "seed", "weight steps", "architecture steps", "seconds", "device, precision"]
    rows = []
    for r in value["rows"]:
        steps = [f"{r['lambda_arch']:g}", r["seed"], r["steps"], r["arch_steps"], f"{r['seconds']:.0f}"]
        rows.append([*steps, f"{r['device']}, {r['precision']}"])
    return f"`{value['command']}`\n\n{table1.as_markdown(value)}\n{table(head, rows)}"


def as_part(as_markdown: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    """Turn a page into a section: headings two levels deeper, without links to its figures."""

    def text(value: dict[str, Any]) -> str:
        page = re.sub(r"^!\[.*\n", "", as_markdown(value), flags=re.MULTILINE).strip()
        page = re.sub(r"^#+", lambda match: "##" + match[0], page, flags=re.MULTILINE)
        return f"`{value['command']}`\n\n{page}"

    return text


def alone_table(value: dict[str, Any]) -> str:
    rows = [[f"{row['noise']:g}", *(f"{gap:.3f}" for gap in row["gaps"])] for row in value["rows"]]
    head = ["noise of the gradient", *(f"gap after {step:,} steps" for step in value["steps"])]
    return f"`{value['command']}` (means over {value['seeds']} seeds)\n\n" + table(head, rows)


def pulls_table(value: dict[str, Any]) -> str:
    rows = [[f"{r['batch']} x {r['patch']}", f"{r['mean']:.1e}", f"{r['noise']:.1e}"] for r in value["rows"]]
    note = f"L_Arch pulls with {value['architecture_loss_pull']:.1e}, the decay with {value['weight_decay_pull']:.1e}"
    head = ["patches x pixels", "L_Res, mean", "L_Res, noise"]
    return f"`{value['command']}`: {note}\n\n" + table(head, rows)


def speed_table(value: dict[str, Any]) -> str:
    def cell(found: dict[str, Any] | None) -> str:
        if found is None:
            return ""
        seconds = found["seconds"]
        took = f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.1f} ms"
        return f"{took}, {found['precision']}" + (f", {found['gflops']:,.0f} GFLOP/s" if "gflops" in found else "")

    rows = []
    for line in value["lines"]:
        share = f"{100 * line['share_of_peak']:.0f} %" if "share_of_peak" in line else ""
        beside = f"{line['ratio_to_dncnn']:.2f}" if "ratio_to_dncnn" in line else ""
        memory = f"{line['ours']['peak_mib']:,} / {line['reference']['peak_mib']:,}"
        cells = [cell(line["ours"]), cell(line["reference"]), f"**{line['ratio_to_reference']:.2f}**", beside, share]
        rows.append([f"{line['work']}, width {line['width']}", *cells, memory])
    head = ["work", "clearer", "reference", "speedup", "over DnCNN", "of peak throughput", "MiB, clearer / reference"]
    facts = value["lines"][0]
    return f"`{value['command']}` ({facts['device']}, torch {facts['torch']})\n\n" + table(head, rows)


def profile_table(value: dict[str, Any]) -> str:
    steps = value["steps"]
    groups = next(iter(steps.values()))
    shares = [[group, *(f"{100 * found[group]:.0f} %" for found in steps.values())] for group in groups]
    rates = [[r["convolution"], r["forward"], r["feature"], r["weight"]] for r in value["convolutions"]]
    facts = f"`{value['command']}` ({value['device']}, torch {value['torch']}, {value['precision']})"
    head = [f"GFLOP/s, batch 32; peak {value['peak']}", "forward", "gradient of features", "gradient of weights"]
    return f"{facts}\n\n{table(['share of time', *steps], shares)}\n\n{table(head, rates)}"


def compiled_table(value: dict[str, Any]) -> str:
    steps = [f"{value[key]:.2f} s" for key in ("step", "compiled_step")]
    cells = [*steps, value["times_faster"], f"{value['compiling']:.0f} s"]
    head = ["training step", "compiled", "speedup", "compile time"]
    return f"`{value['command']}` ({value['device']}, torch {value['torch']})\n\n" + table(head, [cells])


def precision_table(value: dict[str, Any]) -> str:
    def psnr(values: list[float]) -> str:
        return ", ".join(f"{v:.2f}" for v in values)

    rows = [[r["norm"], psnr(r["fp32"]), psnr(r["bf16"]), f"{r['difference']:+.3f}"] for r in value["rows"]]
    what = f"norm ({value['steps']:,} steps, width {value['width']})"
    head = [what, "fp32, dB, each seed", "bf16, each seed", "mean difference, dB"]
    return f"`{value['command']}` (input {value['input_psnr']:.2f} dB)\n\n" + table(head, rows)


def overlap_table(value: dict[str, Any]) -> str:
    models = value["models"]
    rows = [
        ["network", *(f"{m['architecture']['architecture']}, width {m['architecture']['width']}" for m in models)],
        ["images", *(f"{m['images']} by {m['protocol']}" for m in models)],
        ["PSNR restored / input (dB)", *(f"{m['psnr']:.2f} / {m['input_psnr']:.2f}" for m in models)],
        ["receptive field (pixels)", *(m["receptive_field"] for m in models)],
    ]
    by_overlap = [{row["overlap"]: row for row in m["rows"]} for m in models]
    for overlap in sorted({overlap for found in by_overlap for overlap in found}):
        lines = (found.get(overlap) for found in by_overlap)
        rows.append([f"overlap {overlap}", *(f"{r['largest']:.2g} / {r['mean']:.1e}" if r else "" for r in lines)])
    return f"`{value['command']}`\n\n" + table(["", *("largest / mean" for _ in models)], rows)


def memory_table(value: dict[str, Any]) -> str:
    found: dict[tuple[str, str, int, int], dict[str, Any]] = {}
    for row in value["rows"]:
        key = (row["architecture"], row["operations"], row["width"], row.get("unshuffle", 1))
        found.setdefault(key, {})[row["precision"]] = row
    rows = []
    for (text, operations, width, side), both in found.items():
        limit = bytes_per_pixel(Architecture.parse(text, operations=operations, width=width, unshuffle=side))
        measured = (both[precision]["bytes_per_pixel"] for precision in ("fp32", "bf16", "ONNX Runtime"))
        folded = f"{width}, {side}x{side} pixel unshuffle" if side > 1 else width
        rows.append([text, operations, folded, *measured, f"{limit:.0f}"])
    measured_by = ["bytes per pixel, fp32", "bf16", "ONNX Runtime"]
    head = ["architecture", "operations", "width", *measured_by, "auto assumes"]
    return f"`{value['command']}`\n\n" + table(head, rows)


def stopping_table(value: dict[str, Any]) -> str:
    searches = value["searches"]
    rows = []
    for k, row in enumerate(searches[0]["rows"]):
        cells = []
        for search in searches:
            found = search["rows"][k]
            saved = [f"{found['saved']:.0%}", "yes" if found["same_genotype"] else "no"]
            cells += ["does not converge", ""] if found["arch_step"] is None else saved
        rows.append([f"{row['gap']}, {value['steps']}", *cells])
    names = [f"{search['run']}, {search['minutes']} min: saves" for search in searches]
    heads = [head for name in names for head in (name, "same genotype as at the end?")]
    return f"`{value['command']}`\n\n" + table(["stop_gap, stop_steps", *heads], rows)


def web_table(value: dict[str, Any]) -> str:
    width, height = value["size"]
    head = ["", "display", "display and restore", "peak memory of the process, MiB", "before"]
    took = [f"{value['seconds_shown']:.0f} s", f"{value['seconds']:.0f} s"]
    row = [f"{width}x{height}, {value['model']}", *took, f"{value['peak_mib']:,}", value["peak_mib_before"]]
    return f"`{value['command']}`\n\n" + table(head, [row])


def large_table(value: dict[str, Any]) -> str:
    a, (height, width) = value["architecture"], value["shape"][:2]
    what = f"{width}x{height} pixels, {a['architecture']} of width {a['width']}, {value['precision']}, "
    what += f"overlap {value['overlap']}"
    return f"`{value['command']}`\n\n" + table(
        ["", "seconds", "peak memory of the process"], [[what, value["seconds"], f"{value['peak_mib']} MiB"]]
    )


def runtimes_table(value: dict[str, Any]) -> str:
    rows, base = [], value["rows"][0]["seconds"]
    for row in value["rows"]:
        file = value["exported"].get(row["precision"]) if row["runtime"] == "ONNX Runtime" else None
        size = "" if file is None else f"{file['bytes'] / 1e6:.2f} MB"
        cells = [f"{row['seconds'] * 1e3:.0f}", f"{base / row['seconds']:.2f}", f"{row['difference']:.1e}", size]
        rows.append([row["runtime"], row["precision"], *cells])
    head = ["runtime", "precision", "ms per image", "speedup", "largest difference", "file"]
    a, int8, (height, width) = value["architecture"], value["exported"]["int8"], value["size"]
    versions = ", ".join(f"{name} {version}" for name, version in value["versions"].items())
    said = (
        f"{height}x{width} pixels, {a['channels']} channel(s), {a['architecture']} of width {a['width']}, "
        f"{value['macs_per_pixel'] / 1e3:.1f} kMAC/pixel; {value['processor']}, {value['threads']} thread(s); "
        f"{versions}; medians of {value['rounds']} rounds. "
        f"int8 loses {int8['loss']:.2f} dB ({int8['psnr']:.2f} for {int8['psnr_fp32']:.2f}, input "
        f"{int8['input_psnr']:.2f}), at worst {int8['worst_loss']:.2f} dB, on {int8['held_out']} held-out images; "
        f"calibrated with {int8['calibrated_with']}."
    )
    return f"`{value['command']}`\n\n{table(head, rows)}\n\n{said}"


def level_table(value: dict[str, Any]) -> str:
    """Return a table of networks with and without the noise level, PSNR in dB."""
    keys = ("input", "without", "estimated", "true", "half", "double")
    rows = [
        [
            r["trained_on"],
            r["protocol"],
            *(f"{r[key]:.2f}" for key in keys),
            f"{r['level_estimated']:.1f} / {r['level_true']:.1f}",
        ]
        for r in value["rows"]
    ]
    head = ["trained on", "protocol", "input", "without the level", *keys[2:], "mean level, estimated / true"]
    return f"`{value['command']}`\n\n" + table(head, rows)


def robustness_table(value: dict[str, Any]) -> str:
    return f"`{value['command']}` ({value['precision']})\n\n" + "\n".join(table_lines(value["rows"]))


def ffdnet_table(value: dict[str, Any]) -> str:
    """Return the times of models beside FFDNet, as `speed.py restore-model` measured them."""
    rows = []
    for line in value["lines"]:
        kinds = (("ours", line["model"]), ("ffdnet-color", "FFDNet color"), ("ffdnet-gray", "FFDNet gray"))
        for kind, name in kinds:
            seconds = line[kind]["seconds"]
            ratio = f"{seconds / line['ours']['seconds']:.2f}"
            rows.append([name, line[kind]["precision"], f"{seconds:.2f} s", ratio, f"{line[kind]['peak_mib']:,}"])
    facts = value["lines"][0]
    head = ["1920x1080", "precision", "median", "relative to the model", "peak MiB"]
    return f"`{value['command']}` ({facts['device']}, torch {facts['torch']})\n\n" + table(head, rows)


def dejpeg_table(value: dict[str, Any]) -> str:
    rows = []
    for r in value["rows"]:
        figures = [f"{r['input_psnr']:.2f} / {r['input_ssim']:.4f}", f"{r['psnr']:.2f} / {r['ssim']:.4f}"]
        bar = f"{r['bar']:.2f} ({r['psnr'] - r['bar']:+.2f})" if "bar" in r else ""
        rows.append([f"{r['data']}, {r['images']} images", r["protocol"], *figures, bar])
    head = ["images", "protocol", "JPEG, dB / SSIM", f"{value['model']}, dB / SSIM", "DnCNN-3, dB"]
    return f"`{value['command']}` ({value['macs_per_pixel'] / 1e3:.1f} kMAC/pixel)\n\n" + table(head, rows)


def noisy_table(value: dict[str, Any]) -> str:
    """Return a table of the same network trained with and without ground truth, beside classical filters."""
    parts = []
    for name, title in (("bsd68", "BSD68, sigma 25, saved in 8 bits"), ("w2s", "W2S, val part")):
        if name not in value:
            continue
        result, rows = value[name], []
        for method, score in result["test"].items():
            run = result["runs"].get({"noisy images": "noisy"}.get(method, method), {})
            trained = f"{run['train']['steps']:,} steps of {run['loss']}" if run else ""
            rows.append([method, f"{score['psnr']:.2f} / {score['ssim']:.4f}", trained])
        first = next(iter(result["test"].values()))
        head = [f"{title} (input {first['input_psnr']:.2f} dB)", "PSNR (dB) / SSIM", "training"]
        parts.append(f"`{result['command']}`\n\n" + table(head, rows))
    return "\n\n".join(parts)


def microscopy_table(value: dict[str, Any]) -> str:
    """Return a table of methods on pairs of a microscope, with their intensities."""
    rows = []
    for r in value["rows"]:
        line = r["intensity"]
        biases = [one["bias"] for one in line["bins"]]
        drift = f"{min(biases):+.1f} to {max(biases):+.1f}"
        rows.append(
            [r["name"], f"{r['psnr']:.2f} / {r['ssim']:.4f}", f"{line['slope']:.3f}", f"{line['offset']:+.1f}", drift]
        )
    head = [f"{value['images']} images", "dB / SSIM", "slope", "offset", "bias by brightness, levels"]
    training = value["training"]
    said = (
        f"`{value['command']}` (input {value['rows'][0]['input_psnr']:.2f} dB; {training['macs_per_pixel'] / 1e3:.0f} "
        f"kMAC/pixel; blur chosen on validation images: sigma {value['blur_chosen_on_validation']:g})"
    )
    return f"{said}\n\n" + table(head, rows)


def depth_table(value: dict[str, Any]) -> str:
    """Return a table of the same images stored at several depths."""
    rows = [[r["stored"], f"{r['white']:.3g}", f"{r['input_psnr']:.2f}", f"{r['psnr']:.2f}"] for r in value["rows"]]
    head = ["stored as", "white", "input, dB", "restored, dB"]
    return f"`{value['command']}`\n\n" + table(head, rows)


KINDS: dict[str, Callable[[Any], str]] = {
    "run": run_table,
    "settings": settings_table,
    "forms": forms_table,
    "arms": arms_table,
    "peers": peers_table,
    "table1": table1_table,
    "verdict": as_part(verdict_page.as_markdown),
    "tables": as_part(tables_page.as_markdown),
    "protocols": as_part(protocols.as_markdown),
    "figures34": as_part(figures3_4.as_markdown),
    "ablations": as_part(ablations_page.as_markdown),
    "alone": alone_table,
    "pulls": pulls_table,
    "speed": speed_table,
    "profile": profile_table,
    "compiled": compiled_table,
    "precision": precision_table,
    "overlap": overlap_table,
    "memory": memory_table,
    "stopping": stopping_table,
    "large": large_table,
    "level": level_table,
    "web": web_table,
    "runtimes": runtimes_table,
    "robustness": robustness_table,
    "dejpeg": dejpeg_table,
    "noisy": noisy_table,
    "ffdnet": ffdnet_table,
    "microscopy": microscopy_table,
    "depth": depth_table,
}
"""The function that makes the table of a result, by the first word of the result's name."""


def filled(page: str) -> str:
    """Return the text of a page with its tables rewritten."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if not (STORE / f"{name}.json").exists():
            return match[0]
        value = read_json(STORE / f"{name}.json")
        return f"<!-- table {name} -->\n{KINDS[name.split('-')[0]](value)}\n<!-- end -->"

    return re.sub(r"<!-- table ([\w-]+) -->.*?<!-- end -->", fill, page, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collect", nargs=3, metavar=("RUN", "NAME", "COMMAND"), help="first copy a run's figures")
    parser.add_argument("--keep", nargs=3, metavar=("FILE", "NAME", "COMMAND"), help="first copy a result's JSON")
    given = parser.parse_args()
    for copy, words in ((collect, given.collect), (keep, given.keep)):
        if words:
            copy(Path(words[0]), words[1], words[2])
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
