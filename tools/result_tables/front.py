"""Tables of denoisers by quality and speed."""

from __future__ import annotations

from typing import Any

from result_tables.markdown import table

LEVELS = ("15", "25", "50")
KNOWS = {
    "told": "non-blind",
    "one level": "a network each",
    "estimated": "estimated or given",
    "blind": "blind",
}


def front_table(value: dict[str, Any]) -> str:
    """Return PSNR beside the speed in PyTorch, then the times in all runtimes, as benchmarks/front.py measured them."""
    speed = value["speed"]
    rows = {(row["name"], runtime(row)): row for row in speed["rows"]}
    runtimes = list(dict.fromkeys(where for _, where in rows if where != "its own"))
    first, several = [], []
    for one in value["denoisers"]:
        name, macs = one["name"], one["macs_per_pixel"]
        row = rows.get((name, runtimes[0])) or rows.get((name, "its own"))
        quality = scores(value["psnr"].get(name, {}))
        took = ["", "", ""] if row is None else [f"{row['ms_per_megapixel']:,.0f}", rate(row), ratio(row)]
        first.append([name, KNOWS[one["level"]], "" if macs is None else f"{macs / 1e3:.0f}", *quality, *took])
        if any((name, where) in rows for where in runtimes):
            several.append([name, *(beside(rows.get((name, where))) for where in runtimes)])
    psnr = [f"PSNR (dB), sigma {LEVELS[0]}", *LEVELS[1:]]
    head = ["denoiser", "noise level", "kMAC/pixel", *psnr, "change by bf16", "ms a megapixel", "megapixels a second"]
    head.append("times FFDNet's speed")
    other = ["ms a megapixel (times FFDNet's speed)", *runtimes]
    return f"`{value['command']}`\n\n{table(head, first)}\n\n{table(other, several)}\n\n{conditions(value)}"


def runtime(row: dict[str, Any]) -> str:
    return f"{row['runtime']} {row['precision']}".strip()


def scores(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return PSNR at each level in fp32, with the error of an estimate, and by how much bf16 changes it."""
    exact, fast = found.get("fp32", {}), found.get("bf16", {})
    errors = {level: f" ± {error:.2f}" for level, error in exact.get("errors", {}).items()}
    cells = [f"{exact[level]:.2f}{errors.get(level, '')}" if level in exact else "" for level in LEVELS]
    changes = [f"{fast[level] - exact[level]:+.2f}" for level in LEVELS if level in fast and level in exact]
    return [*cells, " / ".join(changes)]


def rate(row: dict[str, Any]) -> str:
    return f"{1000 / row['ms_per_megapixel']:.2g}"


def ratio(row: dict[str, Any]) -> str:
    return "" if row["ratio_to_ffdnet"] is None else f"{row['ratio_to_ffdnet']:.2f}"


def beside(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['ms_per_megapixel']:,.0f} ({ratio(row)})"


def conditions(value: dict[str, Any]) -> str:
    """Return how the figures were measured, in sentences."""
    speed = value["speed"]
    versions = ", ".join(f"{name} {number}" for name, number in speed["versions"].items())
    width, height = speed["size"]
    said = [
        f"Speed: {width}x{height} pixels, float32 in memory; {speed['processor']}, {speed['threads']} thread(s); "
        f"{versions}; medians of {speed['rounds']} rounds in which all take turns. The first table has the times in "
        f"{runtime(speed['rows'][0])}, for BM3D those of its own program.",
        f"Quality: {value['images']} images of {value['data']}, in fp32, and the change, in dB, by PyTorch in bf16.",
    ]
    few = {(name, exact["images"]) for name, by in value["psnr"].items() if (exact := by.get("fp32"))}
    for name, count in sorted(few):
        if count < value["images"]:
            said.append(
                f"{name} was measured on the first {count} images; its figures are FFDNet's on all, plus the mean "
                f"difference of the two on these {count}, with the standard error of this estimate."
            )
    said += [f"{one['name']} was not timed in {one['runtime']}: {one['why']}." for one in speed["left_out"]]
    if speed["busy"] > 0.3:
        said.append(f"Other programs ran for {speed['busy']:.0%} of the time.")
    return " ".join(said)
