"""Tables of time and memory."""

from __future__ import annotations

from typing import Any

from clearer.inference.memory import bytes_per_pixel
from clearer.network.architecture import Architecture
from result_tables.markdown import table


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


def bf16_table(value: dict[str, Any]) -> str:
    """Return how far results in bf16 are from those in fp32."""
    rows = [
        [
            row["model"],
            f"{row['data']} {row['protocol']}",
            f"{row['rms']:.2f}",
            f"{row['of_10000']:.2f}",
            f"{row['largest']:.2f}",
            f"{row['off_by_1']:.1%}",
            f"{row['off_by_more']:.2%}",
            f"{row['psnr_bf16'] - row['psnr_fp32']:+.3f}",
        ]
        for row in value["rows"]
    ]
    head = ["model", "images", "RMS", "99.99 %", "largest", "off by 1 gray level", "by more", "PSNR, dB"]
    return f"`{value['command']}` ({value['processor']}, torch {value['torch']})\n\n" + table(head, rows)
