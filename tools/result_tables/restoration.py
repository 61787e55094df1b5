"""Tables of restored images."""

from __future__ import annotations

from typing import Any

from clearer.zoo.robustness_table import table_lines
from result_tables.markdown import table


def peers_table(value: dict[str, Any]) -> str:
    rows = []
    for line in value["lines"]:
        figures = [f"{line['psnr']:.2f} / {line['ssim']:.4f}", line["input_psnr"], line["images"]]
        rows.append([line["name"], *figures, f"`{line['command']}`"])
    return table(["", "PSNR (dB) / SSIM", "input PSNR", "images", "command"], rows)


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
            run = result["runs"].get(method.removeprefix("noisy images, "))
            trained = f"{run['train']['steps']:,} steps" if run else ""
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
    rows = [
        [
            r["stored"],
            f"{r['white']:,}" if r["white"] >= 1 else f"{r['white']:.3f}",
            f"{r['input_psnr']:.2f}",
            f"{r['psnr']:.2f}",
        ]
        for r in value["rows"]
    ]
    head = ["stored as", "white", "input, dB", "restored, dB"]
    return f"`{value['command']}`\n\n" + table(head, rows)
