"""Draw the noise of images: level against brightness, and correlation between pixels."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clearer.core.errors import UserError
from clearer.core.files import write_text
from clearer.noise.profile import NoiseProfile
from clearer.noise.words import gray_levels, in_words
from clearer.report.figures import COLORS, INK, MUTED, dress, save_figure
from clearer.report.markup import drawing, section

PAGES = (".html", ".htm")
STYLE = "body{margin:1em auto;max-width:70em;padding:0 1em;font:16px sans-serif}svg{max-width:100%;height:auto}"
CHANNELS = {1: (INK,), 3: ("#c03030", "#2e8b57", "#2f5fb3")}


def noise_figure(profiles: Mapping[str, NoiseProfile]) -> Figure:
    """Return a row of panels for each profile by its name: level against brightness, correlation, its image.

    Points are measured, in all channels together; lines are the fit for each channel.
    """
    figure = Figure(figsize=(11, 3.3 * len(profiles)), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(len(profiles), 3, width_ratios=(1.5, 1.5, 1))
    for row, (name, profile) in enumerate(profiles.items()):
        _levels(figure.add_subplot(grid[row, 0]), name, profile)
        if profile.rows:
            _lags(figure.add_subplot(grid[row, 1]), profile)
            _patch(figure.add_subplot(grid[row, 2]), profile)
    return figure


def _levels(axes: Axes, name: str, profile: NoiseProfile) -> None:
    scale, unit = gray_levels(profile)
    dress(axes, f"{name}:\nnoise level, {unit}", "brightness (1: white)", whole=False)
    low, high = profile.span
    x = np.linspace(low, high, 60)
    for gain, offset, color in zip(profile.gain, profile.offset, CHANNELS.get(len(profile.gain), COLORS), strict=False):
        axes.plot(x, np.sqrt(np.maximum(gain * x + offset, 0)) * scale, color=color, linewidth=1.4)
    points = np.sqrt(np.array(profile.variance)) * scale
    axes.plot(profile.brightness, points, "o", color=MUTED, markersize=4, markeredgecolor="white")
    axes.set_ylim(0, max(1.25 * float(points.max()), scale / 255))


def _lags(axes: Axes, profile: NoiseProfile) -> None:
    dress(axes, "correlation of two pixels", "distance in pixels")
    lags = np.arange(len(profile.rows))
    axes.bar(lags - 0.2, profile.rows, 0.4, color=COLORS[0], label="in a row")
    axes.bar(lags + 0.2, profile.columns, 0.4, color=COLORS[1], label="in a column")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(min(-0.1, *profile.rows, *profile.columns), 1.05)
    axes.legend(frameon=False, fontsize=8)


def _patch(axes: Axes, profile: NoiseProfile) -> None:
    dress(axes, "correlation with\nthe middle pixel", "pixels to the right")
    axes.imshow(profile.patch, cmap="gray", vmin=0, vmax=1, extent=(-4.5, 4.5, 4.5, -4.5), interpolation="nearest")
    axes.set_ylabel("pixels down", fontsize=9, color=MUTED)
    axes.grid(False)


def check_figure_name(path: str | Path) -> None:
    """Refuse a name that `save_noise_figure` cannot write.

    Raises:
        UserError: its suffix is another one.
    """
    if Path(path).suffix.lower() not in (".svg", ".png", *PAGES):
        raise UserError(f"--figure {path}: drawn as .svg, .png or .html; give the file one of these endings")


def save_noise_figure(profiles: Mapping[str, NoiseProfile], path: str | Path) -> None:
    """Write the figure as .svg or .png, or as .html with what was measured in words.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    path = Path(path)
    check_figure_name(path)
    figure = noise_figure(profiles)
    if path.suffix.lower() not in PAGES:
        save_figure(figure, path)
        return
    said = "".join(
        (f"<h3>{escape(name)}</h3>" if len(profiles) > 1 else "")
        + "".join(f"<p>{escape(line)}</p>" for line in (*in_words(p), p.recommendation))
        for name, p in profiles.items()
    )
    body = section("Noise", said + drawing(figure, "chart", "noise"))
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Noise</title>'
    head += f'<meta name=viewport content="width=device-width"><style>{STYLE}</style></head>'
    write_text(path, f"{head}<body>{body}</body></html>")
