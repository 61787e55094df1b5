"""The page: what a visitor sees, and which of the plain functions each button calls."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from clearer.core.errors import UserError
from clearer.inference.options import COLORS, RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.web import actions as work
from clearer.web.offered import Model
from clearer.web.uploads import FORMATS, UPLOAD, Limits, place_of, remove

ZOOMS = {"2×": 2, "4×": 4, "8×": 8}
FONT = (gr.themes.Font("system-ui"), gr.themes.Font("sans-serif"))
MONO = (gr.themes.Font("ui-monospace"), gr.themes.Font("monospace"))  # gradio's own would be looked for elsewhere


@dataclass
class Visit:
    """What one visitor has on the page."""

    place: Path
    result: Path | None = None
    center: tuple[float, float] = (0.5, 0.5)
    map_size: tuple[int, int] = (1, 1)


def theme() -> Any:
    """Return the page's theme: the system's fonts, no file of another host."""
    return gr.themes.Default(primary_hue="teal", neutral_hue="slate", font=FONT, font_mono=MONO, radius_size="md")


def style() -> str:
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
        models: on offer, see `clearer.web.offered.offered`.
        restorer: the restorer of a name.
        folder: of uploads and results, see `clearer.web.uploads`.
        limits: what is taken.
        visits: filled and emptied as visitors come and go.
    """
    first = next(iter(models.values()))
    with gr.Blocks(title="clearer", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(_heading(), elem_id="heading", padding=False)
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(scale=0, min_width=320, elem_id="controls"):
                file = gr.File(label="Image", file_count="single", height=150, elem_id="drop")
                gr.HTML(_small(f"{_formats()}. Up to {limits.megapixels:g} megapixels."), padding=False)
                model = gr.Dropdown(
                    list(models), value=first.name, label="Model", info=first.about, filterable=len(models) > 8,
                    elem_id="model",
                )  # fmt: skip
                sigma = gr.Slider(
                    0, 75, value=0, step=1, label="Add noise", elem_id="sigma",
                    info="To try a model on a clean image.",
                )  # fmt: skip
                rain = gr.Slider(0, 1, value=0, step=0.05, label="Add rain", elem_id="rain")
                with gr.Accordion("More", open=False, elem_id="more"):
                    strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", info="0 leaves it as it is.")
                    color = gr.Radio(
                        list(COLORS), value="channels", elem_id="color", label="Of color, a gray model restores"
                    )
                    seed = gr.Number(0, label="Seed of noise and rain", precision=0, minimum=0, maximum=2**32 - 1)
                    ensemble = gr.Checkbox(False, label="Average over eight flips and turns (8× slower)")
                button = gr.Button("Restore", variant="primary", interactive=False, elem_id="restore")
                download = gr.DownloadButton("Download the result", visible=False, elem_id="download")
            with gr.Column(scale=1, min_width=480, elem_id="view"):
                status = gr.HTML(_invitation(), padding=False, elem_id="status")
                both = gr.ImageSlider(
                    label="Before and after", show_label=False, type="filepath", interactive=False, visible=False,
                    max_height=620, buttons=["fullscreen"], elem_id="both",
                )  # fmt: skip
                with gr.Column(visible=False, elem_id="closer") as closer:
                    gr.HTML("<h2>Closer</h2><p>Click into the small image to look there.</p>", padding=False)
                    with gr.Row(equal_height=False):
                        with gr.Column(scale=1, min_width=200):
                            where = gr.Image(
                                type="filepath", show_label=False, interactive=False, buttons=[], elem_id="map"
                            )
                            zoom = gr.Radio(list(ZOOMS), value="4×", label="Enlarged", elem_id="zoom")
                        close = gr.ImageSlider(
                            show_label=False, type="filepath", interactive=False, buttons=[], scale=2,
                            max_height=work.CLOSE_UP[1], elem_id="close", elem_classes=["restored"],
                        )  # fmt: skip

        closer_view = [where, close]
        shown = [status, both, button, download, closer]
        # A large image with rain and noise takes a gigabyte or two: one at a time.
        look: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "looks", "api_visibility": "private"}
        quick: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "images", "api_visibility": "private"}
        slow: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "network", "api_visibility": "private"}

        def nothing(text: str) -> list[Any]:
            hidden = gr.update(value=None, visible=False)
            return [text, hidden, gr.update(interactive=False), hidden, gr.update(visible=False)]

        def as_it_came(visit: Visit, added: work.Added) -> list[Any]:
            visit.result = None
            seen, size = work.show_upload(visit.place, limits, added)
            ready = " ".join(filter(None, [f"{size}.", str(added), "Press Restore."]))
            hidden = gr.update(value=None, visible=False)
            pair = gr.update(value=(str(seen), str(seen)), visible=True, elem_classes=[])
            return [_line(ready), pair, gr.update(interactive=True), hidden, gr.update(visible=False)]

        def took(dropped: Any, noise: Any, wet: Any, number: Any, request: gr.Request) -> list[Any]:
            forget(request)
            try:
                visit = visits[_who(request)] = Visit(_place_of_upload(folder, dropped))
                return as_it_came(visit, work.Added(float(noise), float(wet), float(number or 0)))
            except UserError as error:
                forget(request)
                return nothing(_problem(error))

        def degraded(noise: float, wet: float, number: float | None, request: gr.Request) -> list[Any]:
            visit = visits.get(_who(request))
            if visit is None:
                return [gr.skip() for _ in shown]
            try:
                place_of(folder, visit.place.name)
                return as_it_came(visit, work.Added(noise, wet, number or 0))
            except UserError as error:
                return nothing(_problem(error))

        def restored(
            name: str,
            noise: float,
            wet: float,
            number: float | None,
            average: bool,
            color_mode: str,
            share: float,
            enlarged: str,
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> list[Any]:
            visit = visits.get(_who(request))
            try:
                if visit is None:
                    raise UserError("There is no image yet: drop one first.")
                place = place_of(folder, visit.place.name)
                progress(0, "Loading the model")
                network = restorer(name)
                added, how = work.Added(noise, wet, number or 0), RestoreOptions(color_mode, share)
                result = work.restore_upload(place, network, limits, added, how, average, progress)
                visit.result = result.folder
                near = looked(visit, enlarged)
            except UserError as error:
                # What was shown before stays; only the text changes.
                return [_problem(error), *(gr.skip() for _ in [*shown[1:], *closer_view])]
            pair = tuple(str(result.folder / f"{kind}-seen.png") for kind in ("before", "after"))
            compared = gr.update(value=pair, elem_classes=["restored"])
            offer = gr.update(value=str(result.file), visible=True)
            return [_line(result.text), compared, gr.skip(), offer, gr.update(visible=True), *near]

        def looked(visit: Visit, enlarged: str) -> list[Any]:
            if visit.result is None:
                return [gr.skip(), gr.skip()]
            found = work.close_up(visit.result, visit.center, ZOOMS.get(enlarged, 4))
            visit.map_size = found.map_size
            return [str(found.map), (str(found.before), str(found.restored))]

        def zoomed(enlarged: str, request: gr.Request) -> list[Any]:
            visit = visits.get(_who(request))
            try:
                return [gr.skip(), gr.skip()] if visit is None else looked(visit, enlarged)
            except UserError as error:
                raise gr.Error(str(error)) from None

        def pointed(enlarged: str, request: gr.Request, at: gr.SelectData) -> list[Any]:
            visit = visits.get(_who(request))
            if visit is not None:
                x, y = (float(part) for part in at.index)
                visit.center = x / visit.map_size[0], y / visit.map_size[1]
            return zoomed(enlarged, request)

        def cleared(request: gr.Request) -> list[Any]:
            forget(request)
            return nothing(_invitation())

        def forget(request: gr.Request) -> None:
            visit = visits.pop(_who(request), None)
            if visit is not None:
                remove(visit.place)

        added = [sigma, rain, seed]
        file.upload(took, [file, *added], shown, preprocess=False, show_progress="hidden", **look)
        file.clear(cleared, None, shown, show_progress="hidden", **quick)
        gr.on(
            [sigma.release, rain.release, seed.change], degraded, added, shown,
            show_progress="hidden", trigger_mode="always_last", **look,
        )  # fmt: skip
        model.change(
            lambda name: gr.update(info=models[name].about), model, model, show_progress="hidden", **quick
        )
        asked = [model, *added, ensemble, color, strength, zoom]
        button.click(restored, asked, [*shown, *closer_view], show_progress_on=both, **slow)
        zoom.change(zoomed, zoom, closer_view, show_progress="hidden", trigger_mode="always_last", **quick)
        where.select(pointed, zoom, closer_view, show_progress="hidden", trigger_mode="always_last", **quick)
        blocks.unload(forget)
    blocks.queue(max_size=32, api_open=False)
    return blocks


def _place_of_upload(folder: Path, dropped: Any) -> Path:
    """Return the folder of what gradio says was uploaded: of its path only the random part counts."""
    data = dropped[0] if isinstance(dropped, list) and dropped else dropped
    path = Path(str(data.get("path") if isinstance(data, dict) else getattr(data, "path", "")))
    place = place_of(folder, path.parent.name)
    if path != place / UPLOAD:
        raise UserError("This was not uploaded here: drop the image again.")
    return place


def _who(request: gr.Request) -> str:
    return str(request.session_hash)


def _heading() -> str:
    return (
        "<h1>clearer</h1><p>Drop an image, press Restore, and move the handle across it to compare. "
        "The image stays on the machine that runs this page, and is deleted when you leave.</p>"
    )


def _invitation() -> str:
    return '<div class="empty"><p>Your image will appear here.</p></div>'


def _formats() -> str:
    return ", ".join(FORMATS[:-2]) + f", {FORMATS[-2]} or {FORMATS[-1]}"


def _small(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'


def _line(text: str) -> str:
    return f'<p class="line">{html.escape(text)}</p>'


def _problem(error: UserError) -> str:
    return f'<p class="problem" role="alert">{html.escape(str(error))}</p>'
