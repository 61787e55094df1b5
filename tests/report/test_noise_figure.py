"""The figure of the noise: the fit passes through the points, and each kind of file is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from clearer.core.errors import UserError
from clearer.noise.profile import NoiseProfile, profile_images
from clearer.report.noise_figure import check_figure_name, noise_figure, save_noise_figure


@pytest.fixture(scope="module")
def profile() -> NoiseProfile:
    ramp = np.linspace(0.1, 0.9, 256, dtype=np.float32)[None, :, None].repeat(256, 0).repeat(3, 2)
    noise = np.random.default_rng(0).normal(0, 1, ramp.shape).astype(np.float32)
    return profile_images([ramp + np.sqrt(0.002 * ramp + 0.0001) * noise])


def test_the_lines_are_the_model_and_the_points_the_measurement(profile: NoiseProfile) -> None:
    levels, lags, patch = noise_figure({"train": profile}).axes
    *lines, points = levels.get_lines()
    assert len(lines) == 3 and levels.get_title(loc="left").startswith("train:\nnoise level")
    x, y = lines[0].get_data()
    assert y[20:] == pytest.approx(np.sqrt(0.002 * np.asarray(x)[20:] + 0.0001), rel=0.15)
    assert points.get_xdata() == pytest.approx(profile.brightness)
    assert [bar.get_height() for bar in lags.patches[:9]] == pytest.approx(profile.rows)
    assert patch.images[0].get_array().shape == (9, 9)


def test_svg_png_and_html_are_written(profile: NoiseProfile, tmp_path: Path) -> None:
    for name, beginning in (("a.svg", b"<svg"), ("a.png", b"\x89PNG"), ("a.html", b"<!doctype html>")):
        save_noise_figure({"all": profile}, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(beginning)
    page = (tmp_path / "a.html").read_text()
    assert "independent from pixel to pixel" in page and "<svg" in page and "<h3>" not in page
    save_noise_figure({"train": profile, "test": profile}, tmp_path / "a.html")
    assert "<h3>train</h3>" in (tmp_path / "a.html").read_text()
    with pytest.raises(UserError, match="svg"):
        save_noise_figure({"all": profile}, tmp_path / "a.pdf")


def test_the_page_fits_its_figure_to_the_window(tmp_path: Path, profile: NoiseProfile) -> None:
    save_noise_figure({"all": profile}, tmp_path / "noise.html")
    assert "svg{max-width:100%;height:auto}" in (tmp_path / "noise.html").read_text()


def test_titles_stay_inside_their_panels(profile: NoiseProfile) -> None:
    figure = noise_figure({"training images": dataclasses.replace(profile, scale=(0.0, 65535.0))})
    figure.draw_without_rendering()
    boxes = [axes._left_title.get_window_extent() for axes in figure.axes]  # type: ignore[attr-defined]
    edges = [*[box.x0 for box in boxes[1:]], figure.bbox.x1]
    assert all(box.x1 < edge for box, edge in zip(boxes, edges, strict=True))


def test_other_endings_are_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x.gif: drawn as .svg, .png or .html; give the file one of these endings"):
        check_figure_name(tmp_path / "x.gif")
