"""The callbacks of the page: each returns new values for the widgets that it names."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from clearer.core.errors import UserError
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.web.actions import restore_upload, show_upload, suggest
from clearer.web.added import Added
from clearer.web.close_up import close_up
from clearer.web.uploads import UPLOAD, Limits, place_of, remove

ZOOMS = {"2×": 2, "4×": 4, "8×": 8}
INVITATION = '<div class="empty"><p>Your image will appear here.</p></div>'
VIEW = 5
"""Number of widgets of the view: status, comparison, Restore button, download button, close-up."""


@dataclass
class Visit:
    """The upload and the result of one visitor, and the center of the close-up as shares of width and height."""

    place: Path
    result: Path | None = None
    center: tuple[float, float] = (0.5, 0.5)
    map_size: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Choices:
    """The values of the controls when a visitor presses Restore.

    ``level``: the noise level that a model which takes one is told, unless ``estimate`` is set.
    """

    model: str
    sigma: float
    rain: float
    seed: float | None
    ensemble: bool
    color: str
    strength: float
    zoom: str
    estimate: bool = True
    level: float = 0.0


class Callbacks:
    """The callbacks of the page.

    Args:
        restorer: returns the restorer of a model's name.
        folder: of uploads and results, see `clearer.web.uploads`.
        limits: limits of uploads.
        visits: filled and emptied as visitors come and go.
    """

    def __init__(
        self, restorer: Callable[[str], Restorer], folder: Path, limits: Limits, visits: dict[str, Visit]
    ) -> None:
        self.restorer = restorer
        self.folder = folder
        self.limits = limits
        self.visits = visits

    def upload(self, dropped: Any, sigma: Any, rain: Any, seed: Any, request: gr.Request) -> list[Any]:
        """Show a new upload in the view."""
        self.forget(request)
        try:
            visit = self.visits[_visitor(request)] = Visit(_place_of_upload(self.folder, dropped))
            return self._degraded(visit, Added(float(sigma), float(rain), float(seed or 0)))
        except UserError as error:
            self.forget(request)
            return _empty(problem(error))

    def degrade(self, sigma: float, rain: float, seed: float | None, request: gr.Request) -> list[Any]:
        """Show the upload in the view with other noise and rain."""
        visit = self.visits.get(_visitor(request))
        if visit is None:
            return [gr.skip()] * VIEW
        try:
            place_of(self.folder, visit.place.name)
            return self._degraded(visit, Added(sigma, rain, seed or 0))
        except UserError as error:
            return _empty(problem(error))

    def restore(self, choices: Choices, request: gr.Request, progress: gr.Progress) -> list[Any]:
        """Restore the upload; show it in the view and in the close-up, and an estimated noise level in its slider."""
        visit = self.visits.get(_visitor(request))
        try:
            if visit is None:
                raise UserError("There is no image yet: upload one first.")
            place = place_of(self.folder, visit.place.name)
            progress(0, "Loading the model")
            network = self.restorer(choices.model)
            added = Added(choices.sigma, choices.rain, choices.seed or 0)
            told = network.architecture.takes_level and not choices.estimate
            how = RestoreOptions(choices.color, choices.strength, choices.level if told else None)
            result = restore_upload(place, network, self.limits, added, how, choices.ensemble, progress)
            visit.result = result.folder
            near = _close_up(visit, choices.zoom)
        except UserError as error:
            # Only the text changes; the view stays.
            return [problem(error), *([gr.skip()] * (VIEW + 2))]
        pair = tuple(str(result.folder / f"{kind}-seen.png") for kind in ("before", "after"))
        compared = gr.update(value=pair, elem_classes=["restored"])
        offer = gr.update(value=str(result.file), visible=True)
        level = gr.skip() if result.level is None else gr.update(value=round(result.level, 1))
        return [line(result.text), compared, gr.skip(), offer, gr.update(visible=True), *near, level]

    def zoom(self, zoom: str, request: gr.Request) -> list[Any]:
        """Show the close-up with another zoom."""
        visit = self.visits.get(_visitor(request))
        try:
            return [gr.skip()] * 2 if visit is None else _close_up(visit, zoom)
        except UserError as error:
            raise gr.Error(str(error)) from None

    def point(self, zoom: str, request: gr.Request, at: gr.SelectData) -> list[Any]:
        """Move the close-up to where the visitor clicked on the map."""
        visit = self.visits.get(_visitor(request))
        if visit is not None:
            x, y = (float(part) for part in at.index)
            visit.center = x / visit.map_size[0], y / visit.map_size[1]
        return self.zoom(zoom, request)

    def clear(self, request: gr.Request) -> list[Any]:
        """Remove the upload and empty the view."""
        self.forget(request)
        return _empty(INVITATION)

    def forget(self, request: gr.Request) -> None:
        """Remove all files of a visitor."""
        visit = self.visits.pop(_visitor(request), None)
        if visit is not None:
            remove(visit.place)

    def _degraded(self, visit: Visit, added: Added) -> list[Any]:
        visit.result = None
        seen, size = show_upload(visit.place, self.limits, added)
        fitting = suggest(visit.place, self.limits, added)
        ready = " ".join(filter(None, [f"{size}.", str(added), fitting, "Press Restore."]))
        hidden = gr.update(value=None, visible=False)
        pair = gr.update(value=(str(seen), str(seen)), visible=True, elem_classes=[])
        return [line(ready), pair, gr.update(interactive=True), hidden, gr.update(visible=False)]


def _empty(text: str) -> list[Any]:
    hidden = gr.update(value=None, visible=False)
    return [text, hidden, gr.update(interactive=False), hidden, gr.update(visible=False)]


def _close_up(visit: Visit, zoom: str) -> list[Any]:
    """Return the map and the close-up, before and after."""
    if visit.result is None:
        return [gr.skip()] * 2
    found = close_up(visit.result, visit.center, ZOOMS.get(zoom, 4))
    visit.map_size = found.map_size
    return [str(found.map), (str(found.before), str(found.restored))]


def _place_of_upload(folder: Path, dropped: Any) -> Path:
    """Return the folder of an upload that gradio reports; of the reported path only the random part counts."""
    data = dropped[0] if isinstance(dropped, list) and dropped else dropped
    path = Path(str(data.get("path") if isinstance(data, dict) else getattr(data, "path", "")))
    place = place_of(folder, path.parent.name)
    if path != place / UPLOAD:
        raise UserError("This file was not uploaded here: upload it again.")
    return place


def _visitor(request: gr.Request) -> str:
    return str(request.session_hash)


def line(text: str) -> str:
    """Return a line of the status as HTML."""
    return f'<p class="line">{html.escape(text)}</p>'


def problem(error: UserError) -> str:
    """Return an error in the status as HTML."""
    return f'<p class="problem" role="alert">{html.escape(str(error))}</p>'
