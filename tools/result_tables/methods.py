"""The tables of methods of other systems: the JSON of `clearer methods`, and what studies of them measured."""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def methods_table(value: Any) -> str:
    """Return the methods of other systems: what each is, its cost and what it was compared with; then our readings."""
    lines = [
        f"`{value['command']}`",
        "",
        "| method | what it is | task | kind | parameters | kMAC/pixel | source | compared with |",
        "| --- | --- | --- | --- | ---: | ---: | --- | --- |",
    ]
    others = [one for one in value["methods"] if not one["ours"]]
    for one in others:
        parameters = "" if one["parameters"] is None else f"{one['parameters']:,}"
        cost = "" if one["macs_per_pixel"] is None else f"{one['macs_per_pixel'] / 1e3:,.0f}"
        what = (f"`{one['name']}`", one["about"], one["task"], one["kind"])
        lines.append("| " + " | ".join([*what, parameters, cost, one["source"], one["checked"]]) + " |")
    lines += ["", "How we read each publication, and where ours differs:", ""]
    return "\n".join([*lines, *(f"- `{one['name']}`: {one['reading']}" for one in others if one["reading"])])


def classical_table(value: Any) -> str:
    """Return the times of the classical methods."""
    lines = [f"`{value['command']}`", "", "| method | threads | square | s/megapixel |", "| --- | ---: | ---: | ---: |"]
    for row in value["rows"]:
        seconds = row["seconds_per_megapixel"]
        shown = f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"
        lines.append(f"| `{row['method']}` | {row['threads']} | {row['side']} | {shown} |")
    return "\n".join(lines)


def lp_table(value: Any) -> str:
    """Return the results of LP with the method's settings, and with others one at a time."""
    side, used = value["side"], value["used"]
    lines = [
        f"`{value['command']}` ({value['images']} training pairs, the central {side}x{side} pixels)",
        "",
        "| omega | rounds | components | weight of patches | PSNR (dB) | SSIM | s/image |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| degraded input | | | | {value['input']['psnr']:.2f} | {value['input']['ssim']:.4f} | |",
    ]
    for row in sorted(value["rows"], key=lambda row: [row[k] for k in ("components", "rounds", "patches", "omega")]):
        cells = [f"{row['omega']:g}", str(row["rounds"]), str(row["components"]), str(Fraction(row["patches"]))]
        cells += [f"{row['psnr']:.2f}", f"{row['ssim']:.4f}", f"{row['seconds']:.1f}"]
        chosen = all(row[key] == used[key] for key in used)
        lines.append("| " + " | ".join(f"**{cell}**" if chosen else cell for cell in cells) + " |")
    return "\n".join(lines)


def rain_table(value: Any) -> str:
    """Return what the rain mask marks by its threshold."""
    lines = [
        f"`{value['command']}` ({value['images']} training pairs)",
        "",
        "| threshold (gray levels) | share of pixels | share of the rain's square |",
        "| ---: | ---: | ---: |",
    ]
    for row in value["rows"]:
        cells = [str(row["threshold"]), f"{row['share']:.0%}", f"{row['of_rain']:.0%}"]
        chosen = row["threshold"] == value["used"]
        lines.append("| " + " | ".join(f"**{cell}**" if chosen else cell for cell in cells) + " |")
    return "\n".join(lines)


def paired_table(value: Any) -> str:
    """Return how far methods are from one method on the same images, a column for each protocol."""
    rows = value["rows"]
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    found = {(row["method"], row["protocol"]): row for row in rows}
    lines = [
        f"`{value['command']}` (PSNR in dB above {value['against']} on the same images, standard error, images)",
        "",
        f"| | {' | '.join(protocols)} |",
        f"| --- |{' ---: |' * len(protocols)}",
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = [found.get((method, protocol)) for protocol in protocols]
        texts = ["" if c is None else f"{c['gain']:+.2f} ± {c['error']:.2f} ({c['images']})" for c in cells]
        lines.append(f"| {method} | {' | '.join(texts)} |")
    return "\n".join(lines)
