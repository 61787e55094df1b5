"""The table of all methods, from the JSON of `clearer methods`."""

from __future__ import annotations

from typing import Any


def methods_table(value: Any) -> str:
    """Return the methods of other systems: what each is, its cost, our reading of it, and what it was compared with."""
    lines = [
        f"`{value['command']}`",
        "",
        "| method | task | kind | parameters | kMAC/pixel | source | our reading | compared with |",
        "| --- | --- | --- | ---: | ---: | --- | --- | --- |",
    ]
    for one in value["methods"]:
        if one["ours"]:
            continue
        parameters = "" if one["parameters"] is None else f"{one['parameters']:,}"
        cost = "" if one["macs_per_pixel"] is None else f"{one['macs_per_pixel'] / 1e3:,.0f}"
        words = (one["source"], one["reading"], one["checked"])
        lines.append("| " + " | ".join([f"`{one['name']}`", one["task"], one["kind"], parameters, cost, *words]) + " |")
    return "\n".join(lines)


def classical_table(value: Any) -> str:
    """Return the times of the classical methods."""
    lines = [f"`{value['command']}`", "", "| method | threads | square | s/megapixel |", "| --- | ---: | ---: | ---: |"]
    for row in value["rows"]:
        seconds = row["seconds_per_megapixel"]
        shown = f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"
        lines.append(f"| `{row['method']}` | {row['threads']} | {row['side']} | {shown} |")
    return "\n".join(lines)
