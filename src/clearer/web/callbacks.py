"""The callbacks of the page: each returns new values for the widgets that it names."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from clearer.core.errors import UserError
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.web.actions import Progress, Result, read_upload, restore_upload, show_upload, suggest
from clearer.web.added import Added
from clearer.web.batch import Upload, cleaned, restore_all
from clearer.web.close_up import close_up
from clearer.web.notes import Note, NothingUsable, lines_of
from clearer.web.uploads import UPLOAD, Limits, held, place_of, remove

ZOOMS = {"2×": 2, "4×": 4, "8×": 8}
INVITATION = '<div class="empty"><p>Your image will appear here.</p></div>'
DOWNLOAD = ("Download the result", "Download all results, as a zip")
"""Text of the download button, for one image and for several."""
LARGEST_LEVEL = 100.0
"""What the slider of the noise level ends at, in gray levels; Gradio refuses values beyond its end."""
VIEW = 5
"""Number of widgets of the view: status, comparison, Restore button, download button, close-up."""


@dataclass
class Visit:
    """The uploads and the result of one visitor, and the center of the close-up as shares of width and height.

    ``uploads``: the first is the one that the page shows. ``refused``: by place, why each of the others cannot be used.
    ``archive``: the folder of the results of several uploads.
    """

    uploads: list[Upload]
    refused: dict[str, Note] = field(default_factory=dict)
    result: Path | None = None
    archive: Path | None = None
    center: tuple[float, float] = (0.5, 0.5)
    map_size: tuple[int, int] = (1, 1)

    @property
    def notes(self) -> list[str]:
        """Lines about the uploads that cannot be used."""
        return lines_of(list(self.refused.values()))


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
        """Show the first of the present uploads in the view; those that are no longer among them are removed."""
        who, reported = _visitor(request), _as_list(dropped)
        before = self.visits.get(who, Visit([]))
        if not reported:
            return self.clear(request)
        if len(reported) > self.limits.files:
            self.forget(request)
            return _empty(problem(UserError(f"Too many files: this page takes up to {self.limits.files} at a time.")))
        visit = self.visits[who] = self._visit(reported, before)
        present = {upload.place for upload in visit.uploads}
        for path in [upload.place for upload in before.uploads if upload.place not in present] + _results(before):
            remove(path)
        if len(reported) > 1:
            known = {upload.place for upload in before.uploads}
            self._drop(visit, [upload for upload in visit.uploads if upload.place not in known], self._read)
        return self._seen(visit, Added(float(sigma), float(rain), float(seed or 0)), request)

    def degrade(self, sigma: float, rain: float, seed: float | None, request: gr.Request) -> list[Any]:
        """Show the first upload in the view with other noise and rain."""
        visit = self.visits.get(_visitor(request))
        if visit is None or not visit.uploads:
            return [gr.skip()] * VIEW
        return self._seen(visit, Added(sigma, rain, seed or 0), request)

    def restore(self, choices: Choices, request: gr.Request, progress: gr.Progress) -> list[Any]:
        """Restore the upload; show it in the view and in the close-up, and an estimated noise level in its slider."""
        visit = self.visits.get(_visitor(request))
        try:
            if visit is None or not visit.uploads:
                raise UserError("There is no image yet: upload one first.")
            uploads = list(visit.uploads)
            self._touch(uploads)
            progress(0, "Loading the model")
            network = self.restorer(choices.model)
            added = Added(choices.sigma, choices.rain, choices.seed or 0)
            told = network.architecture.takes_level and not choices.estimate
            how = RestoreOptions(choices.color, choices.strength, choices.level if told else None)

            def restored(place: Path, progress: Progress) -> Result:
                self._touch(uploads)
                place_of(self.folder, place.name)
                return restore_upload(place, network, self.limits, added, how, choices.ensemble, progress)

            if len(uploads) == 1:
                with held(uploads[0].place):
                    result = restored(uploads[0].place, progress)
            else:
                result = restore_all(uploads, self.folder, restored, progress)
                self._keep_archive(visit, result.file.parent, request)
            visit.result = result.folder
            near = _close_up(visit, choices.zoom)
        except UserError as error:
            # Only the text changes; the view stays.
            return [problem(error), *([gr.skip()] * (VIEW + 2))]
        pair = tuple(str(result.folder / f"{kind}-seen.png") for kind in ("before", "after"))
        compared = gr.update(value=pair, elem_classes=["restored"])
        offer = gr.update(value=str(result.file), label=DOWNLOAD[len(uploads) > 1], visible=True)
        level = gr.skip() if result.level is None else gr.update(value=min(round(result.level, 1), LARGEST_LEVEL))
        text = status(result.text, [*result.notes, *visit.notes])
        return [text, compared, gr.skip(), offer, gr.update(visible=True), *near, level]

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
        visit = self.visits.pop(_visitor(request), Visit([]))
        for path in [upload.place for upload in visit.uploads] + _results(visit):
            remove(path)

    def _visit(self, reported: list[Any], before: Visit) -> Visit:
        """Return a visit with the uploads that gradio reports; of a reported path only the random part counts.

        The reason why ``before`` refused one stays.
        """
        visit = Visit([])
        for one in reported:
            name, path = cleaned(_reported(one, "orig_name")), Path(str(_reported(one, "path") or ""))
            key = path.parent.name[:32]
            try:
                place = place_of(self.folder, path.parent.name)
                if path != place / UPLOAD:
                    raise UserError("This file was not uploaded here: upload it again.")
                if all(upload.place != place for upload in visit.uploads):
                    visit.uploads.append(Upload(place, name))
            except UserError as error:
                visit.refused[key] = before.refused.get(key, Note(name, str(error), left_out=True))
        return visit

    def _drop(self, visit: Visit, uploads: list[Upload], check: Callable[[Upload], object]) -> None:
        """Remove those of some uploads that a check refuses, and note the reason."""
        for upload in uploads:
            try:
                check(upload)
            except UserError as error:
                visit.refused[upload.place.name] = Note(upload.name, str(error), left_out=True)
                visit.uploads.remove(upload)
                remove(upload.place)

    def _read(self, upload: Upload) -> None:
        read_upload(upload.place, self.limits)

    def _touch(self, uploads: list[Upload]) -> None:
        """Mark uploads as used now: while one is restored, the others shall not expire."""
        for upload in uploads:
            with contextlib.suppress(UserError):
                place_of(self.folder, upload.place.name)

    def _keep_archive(self, visit: Visit, archive: Path, request: gr.Request) -> None:
        """Keep the results of several uploads in place of former ones, unless the visitor has left."""
        if self.visits.get(_visitor(request)) is not visit:
            remove(archive)
            raise UserError("The images were changed meanwhile: press Restore again.")
        for path in _results(visit):
            remove(path)
        visit.archive = archive

    def _seen(self, visit: Visit, added: Added, request: gr.Request) -> list[Any]:
        """Show the first upload that is there."""
        try:
            if len(visit.uploads) > 1:
                self._drop(visit, list(visit.uploads), lambda upload: place_of(self.folder, upload.place.name))
            found = self._first_usable(visit, added)
        except NothingUsable as error:
            found = _empty(problem(error))
        if self.visits.get(_visitor(request)) is not visit:  # the visitor left, or changed the images meanwhile
            return [gr.skip()] * VIEW
        return found

    def _first_usable(self, visit: Visit, added: Added) -> list[Any]:
        """Show the first upload that can be shown; those before it are removed, and the others stay.

        Raises:
            NothingUsable: there is none.
        """
        while visit.uploads:
            try:
                return self._degraded(visit, added)
            except UserError as error:
                first = visit.uploads.pop(0)
                visit.refused[first.place.name] = Note(first.name, str(error), left_out=True)
                remove(first.place)
        raise NothingUsable(list(visit.refused.values()))

    def _degraded(self, visit: Visit, added: Added) -> list[Any]:
        visit.result = None
        first = visit.uploads[0]
        seen, size = show_upload(first.place, self.limits, added)
        fitting = suggest(first.place, self.limits, added)
        many = len(visit.uploads) > 1
        count = f"{len(visit.uploads)} images. The first, {first.name}: " if many else ""
        press = f"Press Restore: all {len(visit.uploads)} are restored." if many else "Press Restore."
        ready = " ".join(filter(None, [f"{count}{size}.", str(added), fitting, press]))
        hidden = gr.update(value=None, visible=False)
        pair = gr.update(value=(str(seen), str(seen)), visible=True, elem_classes=[])
        return [status(ready, visit.notes), pair, gr.update(interactive=True), hidden, gr.update(visible=False)]


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


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _results(visit: Visit) -> list[Path]:
    return [] if visit.archive is None else [visit.archive]


def _reported(value: Any, key: str) -> Any:
    """Return what gradio reports of an upload, as a dict or as an object."""
    return value.get(key) if isinstance(value, dict) else getattr(value, key, None)


def _visitor(request: gr.Request) -> str:
    return str(request.session_hash)


def status(text: str, notes: Sequence[str]) -> str:
    """Return the status as HTML: a line, and a list of notes below it."""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f'<p class="line">{html.escape(text)}</p>' + (f'<ul class="notes">{items}</ul>' if items else "")


def problem(error: UserError) -> str:
    """Return an error in the status as HTML."""
    lines = error.lines if isinstance(error, NothingUsable) else [str(error)]
    return f'<div class="problem" role="alert">{"".join(f"<p>{html.escape(line)}</p>" for line in lines)}</div>'
