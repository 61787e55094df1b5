"""The layout of the page, and the callback of each widget."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr

from clearer.inference.restorer import Restorer
from clearer.web.callbacks import DOWNLOAD, INVITATION, LARGEST_LEVEL, ZOOMS, Callbacks, Choices, Visit
from clearer.web.close_up import CLOSE_UP
from clearer.web.offered import Model
from clearer.web.uploads import FORMATS, Limits

FONT = (gr.themes.Font("system-ui"), gr.themes.Font("sans-serif"))
MONO = (gr.themes.Font("ui-monospace"), gr.themes.Font("monospace"))  # gradio's own come from another host

# Each event runs in one of three queues. A large image with rain and noise takes up to 2 GB: one at a time.
_LOOK: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "looks", "api_visibility": "private"}
_QUICK: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "images", "api_visibility": "private"}
_SLOW: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "network", "api_visibility": "private"}


@dataclass(frozen=True)
class _Controls:
    """The widgets at the left."""

    file: gr.File
    model: gr.Dropdown
    levels: gr.Column
    estimate: gr.Checkbox
    level: gr.Slider
    sigma: gr.Slider
    rain: gr.Slider
    strength: gr.Slider
    color: gr.Radio
    seed: gr.Number
    ensemble: gr.Checkbox
    restore: gr.Button
    download: gr.DownloadButton


@dataclass(frozen=True)
class _View:
    """The widgets at the right: the image before and after, and the close-up with its map."""

    status: gr.HTML
    compared: gr.ImageSlider
    closer: gr.Column
    map: gr.Image
    zoom: gr.Radio
    close_up: gr.ImageSlider


def theme() -> Any:
    """Return the page's theme: the system's fonts and no file of another host."""
    return gr.themes.Default(primary_hue="teal", neutral_hue="slate", font=FONT, font_mono=MONO, radius_size="md")


def style() -> str:
    """Return the page's style sheet."""
    return (resources.files("clearer.web") / "page.css").read_text(encoding="utf-8")


def page(
    models: dict[str, Model],
    restorer: Callable[[str], Restorer],
    folder: Path,
    limits: Limits,
    visits: dict[str, Visit],
) -> gr.Blocks:
    """Return the page.

    Args:
        models: the models on offer, see `clearer.web.offered.offered`.
        restorer: returns the restorer of a model's name.
        folder: of uploads and results, see `clearer.web.uploads`.
        limits: limits of uploads.
        visits: filled and emptied as visitors come and go.
    """
    with gr.Blocks(title="clearer", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(_heading(), elem_id="heading", padding=False)
        with gr.Row(elem_id="desk", equal_height=False):
            controls = _controls(models, limits)
            view = _view()
        _connect(blocks, models, controls, view, Callbacks(restorer, folder, limits, visits))
    blocks.queue(max_size=32, api_open=False)
    return blocks


def _controls(models: dict[str, Model], limits: Limits) -> _Controls:
    first = next(iter(models.values()))
    with gr.Column(scale=0, min_width=320, elem_id="controls"):
        file = gr.File(label="Images", file_count="multiple", height=150, elem_id="drop")
        many = f"up to {limits.megapixels:g} megapixels each, {limits.files} at a time"
        gr.HTML(_small(f"{_formats()}, {many}."), padding=False)
        model = gr.Dropdown(
            list(models), value=first.name, label="Model", info=first.about, filterable=len(models) > 8,
            elem_id="model",
        )  # fmt: skip
        with gr.Column(visible=first.takes_level, elem_id="levels") as levels:
            estimate = gr.Checkbox(True, label="Estimate the noise level", elem_id="estimate")
            level = gr.Slider(
                0, LARGEST_LEVEL, value=0, step=0.1, label="Noise level", elem_id="level",
                info="In gray levels of 255. A higher level removes more noise and more detail.",
            )  # fmt: skip
        with gr.Accordion("More", open=False, elem_id="more"):
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", info="0 leaves the image as it is.")
            color = gr.Radio(
                [("the brightness alone, and keep the color", "luma"), ("red, green and blue one by one", "channels")],
                value="luma",  # as the command does
                elem_id="color",
                label="Gray model, color image: restore",
            )
            ensemble = gr.Checkbox(False, label="Average over 8 flips and rotations (8× slower)")
        with gr.Accordion("Demonstration: add noise or rain", open=False, elem_id="demonstration"):
            gr.HTML(
                _small(
                    "For tests of a model only. What you add here degrades your image; leave it at 0 to restore one."
                ),
                padding=False,
            )
            sigma = gr.Slider(
                0, 75, value=0, step=1, label="Add noise", elem_id="sigma", info="Noise level in gray levels.",
            )  # fmt: skip
            rain = gr.Slider(0, 1, value=0, step=0.05, label="Add rain", elem_id="rain")
            seed = gr.Number(0, label="Seed of noise and rain", precision=0, minimum=0, maximum=2**32 - 1)
        restore = gr.Button("Restore", variant="primary", interactive=False, elem_id="restore")
        download = gr.DownloadButton(DOWNLOAD[0], visible=False, elem_id="download")
    return _Controls(
        file, model, levels, estimate, level, sigma, rain, strength, color, seed, ensemble, restore, download
    )


def _view() -> _View:
    with gr.Column(scale=1, min_width=480, elem_id="view"):
        status = gr.HTML(INVITATION, padding=False, elem_id="status")
        compared = gr.ImageSlider(
            label="Before and after", show_label=False, type="filepath", interactive=False, visible=False,
            max_height=620, buttons=["fullscreen"], elem_id="both",
        )  # fmt: skip
        with gr.Column(visible=False, elem_id="closer") as closer:
            gr.HTML("<h2>Close-up</h2><p>Click the small image to choose a region.</p>", padding=False)
            with gr.Row(equal_height=False):
                with gr.Column(scale=1, min_width=200):
                    region = gr.Image(type="filepath", show_label=False, interactive=False, buttons=[], elem_id="map")
                    zoom = gr.Radio(list(ZOOMS), value="4×", label="Zoom", elem_id="zoom")
                close_up = gr.ImageSlider(
                    show_label=False, type="filepath", interactive=False, buttons=[], scale=2,
                    max_height=CLOSE_UP[1], elem_id="close", elem_classes=["restored"],
                )  # fmt: skip
    return _View(status, compared, closer, region, zoom, close_up)


def _connect(blocks: gr.Blocks, models: dict[str, Model], c: _Controls, v: _View, calls: Callbacks) -> None:
    """Connect each event of a widget with its callback."""
    view, near = [v.status, v.compared, c.restore, c.download, v.closer], [v.map, v.close_up]
    added = [c.sigma, c.rain, c.seed]

    def about(name: str) -> Any:
        return gr.update(info=models[name].about), gr.update(visible=models[name].takes_level)

    # A set of inputs: gradio passes the values as one dict by widget.
    def restore(values: dict[Any, Any], request: gr.Request, progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
        choices = Choices(
            values[c.model], values[c.sigma], values[c.rain], values[c.seed], values[c.ensemble], values[c.color],
            values[c.strength], values[v.zoom], values[c.estimate], values[c.level],
        )  # fmt: skip
        return calls.restore(choices, request, progress)

    latest: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    gr.on([c.file.upload, c.file.delete], calls.upload, [c.file, *added], view, preprocess=False, **latest, **_LOOK)
    c.file.clear(calls.clear, None, view, show_progress="hidden", **_QUICK)
    gr.on([c.sigma.release, c.rain.release, c.seed.change], calls.degrade, added, view, **latest, **_LOOK)
    c.model.change(about, c.model, [c.model, c.levels], show_progress="hidden", **_QUICK)
    # Who sets it wants it used. In the browser alone, so that it is done when Restore is pressed.
    c.level.release(None, None, c.estimate, js="() => false", show_progress="hidden", api_visibility="private")
    chosen = {c.model, *added, c.ensemble, c.color, c.strength, v.zoom, c.estimate, c.level}
    c.restore.click(restore, chosen, [*view, *near, c.level], show_progress_on=v.compared, **_SLOW)
    v.zoom.change(calls.zoom, v.zoom, near, **latest, **_QUICK)
    v.map.select(calls.point, v.zoom, near, **latest, **_QUICK)
    blocks.unload(calls.forget)


def _heading() -> str:
    return (
        "<h1>clearer</h1><p>Drop one or more images, press Restore, and drag the handle across the image to compare. "
        "Images stay on the machine that serves this page and are deleted when you leave.</p>"
    )


def _formats() -> str:
    known = [name for name in FORMATS if name != "HEIC" or find_spec("pillow_heif") is not None]
    return ", ".join(known[:-1]) + f" or {known[-1]}"


def _small(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'
