"""Tables of the measured noise level."""

from __future__ import annotations

from typing import Any

from result_tables.markdown import table


def noise_table(value: dict[str, Any]) -> str:
    """Return the errors of the level on white and other noise, and the time of the check of `restore`."""
    white = [
        [f"{name}: {what}", *(_error(cell, key) for cell in cells)]
        for name, cells in value["white"].items()
        for what, key in (("bias", "bias"), ("RMS error", "rms"))
    ]
    other = [[r["noise"], r["rms"], r["whole"], r["patch"]] for r in value["other"]]
    check = [
        [r["megapixels"], "yes" if r["fits"] else "no", f"{r['ms']:.0f}", f"{r['share']:.1%}"] for r in value["check"]
    ]
    times = f"{value['ms_of_16_patches']:.0f} ms for 16 color patches of 64x64, {value['ms_of_1_megapixel']:.0f} ms "
    return "\n\n".join(
        [
            f"`{value['command']}`",
            table(["white noise, level", *map(str, value["levels"])], white),
            table(["other noise", "RMS", "measured, whole image", "measured, patch"], other),
            f"Time of the level, one thread: {times}for a color image of 1 megapixel. Time of the check:",
            table(["megapixels", "the model fits", "ms", "share of the restoration"], check),
        ]
    )


def _error(cell: dict[str, float], key: str) -> str:
    if "mean" in cell:
        return f"{cell['mean']:.1f} levels" if key == "bias" else ""
    return f"{cell[key]:+.1%}" if key == "bias" else f"{cell[key]:.1%}"


def white_level_table(value: dict[str, Any]) -> str:
    """Return, for each model, the PSNR on noise of any kind, by the level that the model was given."""

    def cells(row: dict[str, Any]) -> list[str]:
        gain = row["as_told"] - row["as_level"]
        psnr = [f"{row[key]:.2f}" for key in ("input", "as_level", "as_told")]
        levels = [f"{row[key]:.1f}" for key in ("rms", "level", "told")]
        return [row["row"], *levels, *psnr, f"{gain:+.2f}", f"{row['best']:.2f}"]

    head = [
        "RMS",
        "estimated",
        "raised to",
        "input (dB)",
        "PSNR at the estimate",
        "PSNR at the raised level",
        "gain",
        "best of 1 to 4 times the RMS",
    ]
    parts = [table([f"`{one['model']}`", *head], [cells(row) for row in one["rows"]]) for one in value["tables"]]
    return "\n\n".join([f"`{value['command']}` ({value['images']} crops of {value['side']} pixels)", *parts])
