"""What is done with each damaged file, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import clearer.inference.files
import clearer.pipeline.fit  # noqa: F401  (before a fork, so that each worker has them)
from clearer.core.errors import UserError
from fuzz import run_seeds
from fuzz.cases import VIDEO, Case, Seeds
from fuzz.sandbox import Said, Sandbox, Violation

DONE, NOTED, REFUSED = "restored or accepted", "the same, with a note", "refused in a line"
OUTCOMES = (DONE, NOTED, REFUSED)
EXACT = ("PNG", "TIFF", "BMP", "PGM", "PPM", "PBM", "PFM")
"""Formats without loss that hold whatever was read from them."""


class Trials:
    """Tries cases in a sandbox.

    Args:
        seeds: the sound files.
        sandbox: where cases are tried.
    """

    def __init__(self, seeds: Seeds, sandbox: Sandbox) -> None:
        self.seeds, self.sandbox = seeds, sandbox
        self.said = ""

    def outcome(self, case: Case) -> str:
        """Try a case; return one of `OUTCOMES`.

        Raises:
            Violation: what must hold does not.
        """
        self.said = ""
        self.sandbox.empty()
        return _TRIALS.get(case.kind, Trials._image)(self, case)

    def _of(self, said: Said) -> str:
        self.said = said.err
        return REFUSED if said.status else NOTED if said.err else DONE

    def _model(self, case: Case) -> str:
        return str(self.seeds.path(case.chance.choice(("gray", "gray", "color")) + ".safetensors"))

    def _image(self, case: Case) -> str:
        kind = case.chance.random()
        if kind < 0.7:
            return self._one_image(case)
        if kind < 0.8:
            return self._stream(case)
        if kind < 0.9:
            return self._folder(case)
        if kind < 0.97:
            return self._doctor(case)
        return self._upload(case)

    def _one_image(self, case: Case) -> str:
        from clearer.images.types import FORMATS, format_of_suffix

        suffix = Path(case.seed).suffix
        source, target = Path(f"x{suffix}"), Path(f"y{suffix if format_of_suffix(Path(case.seed)) else '.png'}")
        options = ["--strength", "0"]
        changed = case.chance.random() < 0.3
        if changed:
            format = case.chance.choice(list(FORMATS))
            target = Path("y" + FORMATS[format].suffixes[0])
            options = case.chance.choice((["--strength", "0"], [], ["--depth", "8"], ["--depth", "16"], ["--color",
                                          "channels"],
                                          ["--compare", "z.png"], ["--quality", "50"], ["--range",
                                          "0,200"]))  # fmt: skip
        if case.chance.random() < 0.8:
            options = [*options, "-q"]
        source.write_bytes(case.data)
        said = self.sandbox.run("restore", self._model(case), str(source), "-o", str(target), *options)
        if said.status == 1:
            raise Violation(f"status 1 for a single file: {said.err!r}")
        extra = {"z.png"} if "--compare" in options and (not said.status or Path("z.png").exists()) else set()
        self.sandbox.check_left({str(source)} if said.status else {str(source), str(target), *extra})
        if not said.status:
            self._check_output(source, target, exactly=not changed and not said.err)
        return self._of(said)

    def _check_output(self, source: Path, target: Path, exactly: bool) -> None:
        """Check that an output can be read, and that its pixels are those of the input where nothing changed them."""
        from clearer.images.io import read_file

        try:
            written = read_file(target)
        except UserError as error:
            raise Violation(f"the output cannot be read: {error}") from None
        if not exactly or written.format not in EXACT:
            return
        read = read_file(source)
        if read.format != written.format:
            return
        if len(read.pages) != len(written.pages):
            raise Violation(f"{len(read.pages)} pages became {len(written.pages)}")
        for one, other in zip(read.pages, written.pages, strict=True):
            same = one.color.shape == other.color.shape and one.color.dtype == other.color.dtype
            if not same or not np.array_equal(one.color, other.color, equal_nan=one.color.dtype.kind == "f"):
                raise Violation(
                    f"pixels differ: {one.color.dtype} {one.color.shape} -> {other.color.dtype} {other.color.shape}"
                )

    def _stream(self, case: Case) -> str:
        said = self.sandbox.run("restore", self._model(case), "-", "-o", "-", "--strength", "0", "-q", stdin=case.data)
        self.sandbox.check_left(set())
        if said.status == 1 or bool(said.out) == bool(said.status):
            raise Violation(f"status {said.status} with {len(said.out)} bytes: {said.err!r}")
        return self._of(said)

    def _folder(self, case: Case) -> str:
        """A damaged file in a folder does not keep the sound one from being restored."""
        Path("in").mkdir()
        name = case.chance.choice(("a", "z")) + Path(case.seed).suffix
        Path("in", name).write_bytes(case.data)
        shutil.copy(self.seeds.path("one-bit.png"), "in/sound.png")
        said = self.sandbox.run("restore", self._model(case), "in", "-o", "out", "--strength", "0", "-q")
        written = {path.name for path in Path("out").iterdir()} - {".clearer-names.json"}
        if "sound.png" not in written or said.status == 2:
            raise Violation(f"the sound file was not restored: status {said.status}, {said.err!r}")
        if said.status == 0 and len(written) != 2 and "not restored" not in said.err:
            raise Violation(f"status 0 without the damaged file: {written}")
        self._check_names(written)
        return self._of(said)

    def _check_names(self, written: set[str]) -> None:
        if any(".tmp" in name for name in written):
            raise Violation(f"temporary files left: {written}")

    def _doctor(self, case: Case) -> str:
        Path("in").mkdir()
        for name in ("image0.png", "image1.png"):
            shutil.copy(self.seeds.path(f"photos/{name}"), "in")
        name = f"in/a{Path(case.seed).suffix}"
        Path(name).write_bytes(case.data)
        said = self.sandbox.run("doctor", "in")
        self.sandbox.check_left({"in/image0.png", "in/image1.png", name})
        return self._of(said)

    def _upload(self, case: Case) -> str:
        """The page looks at an upload before anything is decoded."""
        from clearer.web.uploads import Limits, check_image

        Path("upload").write_bytes(case.data)
        try:
            self.sandbox.call(check_image, Path("upload"), Limits())
        except UserError as error:
            self.said = f"upload: {error}"
            return REFUSED
        return DONE

    def _video(self, case: Case) -> str:
        suffix = Path(case.seed).suffix
        source, target = f"x{suffix}", f"y{suffix if case.chance.random() < 0.8 else '.mkv'}"
        Path(source).write_bytes(case.data)
        said = self.sandbox.run("restore", self._model(case), source, "-o", target, "--strength", "0", "-q")
        self.sandbox.check_left({source} if said.status == 2 else {source, target})
        return self._of(said)

    def _folders(self, case: Case) -> str:
        """Folders of odd names, kinds and layouts, looked at and restored."""
        from fuzz.odd_folders import write_odd_folder

        expected = write_odd_folder(self.sandbox.case, case.data, case.chance)
        if case.chance.random() < 0.6:
            said = self.sandbox.run("doctor", "in")
            self.sandbox.check_left(expected)
        else:
            said = self.sandbox.run("restore", self._model(case), "in", "-o", "out", "-r", "--strength", "0", "-q")
            inside = {os.path.relpath(p, self.sandbox.case) for p in Path("out").rglob("*") if not p.is_dir()}
            self._check_names(inside)
            self.sandbox.check_left(expected | inside)
        return self._of(said)

    def _recipe(self, case: Case) -> str:
        """A recipe is shown, and shown again the same; or checked with its images."""
        Path("x.yaml").write_bytes(case.data)
        said = self.sandbox.run("fit", "x.yaml", "--show")
        self.sandbox.check_left({"x.yaml"})
        if said.status:
            return self._of(said)
        Path("y.yaml").write_bytes(said.out)
        again = self.sandbox.run("fit", "y.yaml", "--show")
        if again.status or again.out != said.out:
            raise Violation(f"shown, the recipe is another: {again.err!r}")
        if case.chance.random() < 0.3:
            return self._checked_recipe()
        return self._of(said)

    def _checked_recipe(self) -> str:
        from clearer.pipeline.run_checks import check_run
        from clearer.recipe.load import load_recipe
        from clearer.runs.layout import RunFolder

        def check() -> None:
            recipe = load_recipe("y.yaml", {"data.folder": str(self.seeds.path("photos"))})
            check_run(recipe, RunFolder(Path("run")), ("search", "train", "evaluate"), lambda said: None)

        try:
            self.sandbox.call(check)
        except UserError as error:
            self.said = f"recipe: {error}"
            return REFUSED
        return DONE

    def _weights(self, case: Case) -> str:
        suffix = Path(case.seed).suffix
        model = f"x{suffix}"
        Path(model).write_bytes(case.data)
        kind = case.chance.random()
        if kind < 0.6 or suffix == ".onnx":
            shutil.copy(self.seeds.path("rgb.png"), "in.png")
            said = self._uncached("restore", model, "in.png", "-o", "out.png", "--strength", "0")
            self.sandbox.check_left({model, "in.png"} if said.status else {model, "in.png", "out.png"})
        elif kind < 0.85:
            said = self._uncached("describe", model, "--json")
        elif kind < 0.95:
            said = self._uncached("fit", "denoise-gray", "--start", model, "--show")
        else:
            said = self._uncached("evaluate", model, "--protocol", "gray-awgn-25", "--data",
                                  str(self.seeds.path("photos")), "--limit", "1", "-o", "result.json")  # fmt: skip
        return self._of(said)

    def _uncached(self, *arguments: str) -> Said:
        """Run a command that loads a damaged model."""
        from clearer.inference import restorer

        with mock.patch.object(restorer, "load", getattr(restorer.load, "__wrapped__", restorer.load)):
            return self.sandbox.run(*arguments)

    def _copy_run(self) -> None:
        for name in ("photos", "run"):
            shutil.copytree(self.seeds.path(name), name)
        shutil.copy(self.seeds.path(run_seeds.RECIPE), ".")

    def _checkpoint(self, case: Case) -> str:
        """A damaged checkpoint is reported, the one before it is used, and the same weights come out."""
        from clearer.runs.layout import RunFolder

        self._copy_run()
        path = Path(case.seed)
        stage = path.parts[1]
        run = RunFolder(Path("run"))
        run.stage(stage).result.unlink()
        if stage == "search":
            shutil.rmtree(run.train.path)
        path.write_bytes(case.data)
        if case.chance.random() < 0.5:
            for other in path.parent.glob("step-*"):
                if other.name > path.name:
                    other.unlink()
        with _without_page():
            said = self.sandbox.run("fit", run_seeds.RECIPE, "-o", "run")
        if said.status == 0 and _tensors(Path("run/last.safetensors")) != self._last_weights():
            raise Violation(f"other weights came out: {said.out[:600]!r}")
        self.said = said.err
        return REFUSED if said.status else NOTED if b"damaged" in said.out else DONE

    @functools.cache  # noqa: B019  (one object in the life of a process)
    def _last_weights(self) -> bytes:
        return _tensors(self.seeds.path("run/last.safetensors"))

    def _run_folder(self, case: Case) -> str:
        """A file of a finished run is damaged, or missing, and the run is used."""
        self._copy_run()
        path = Path(case.seed)
        if case.chance.random() < 0.08:
            path.unlink()
        else:
            path.write_bytes(case.data)
        kind = case.chance.random()
        if kind < 0.3:
            said = self._uncached("describe", "run", "--json")
        elif kind < 0.55:
            said = self._uncached("restore", "run", "photos/image0.png", "-o", "out.png")
        elif kind < 0.63:
            return self._page()
        elif kind < 0.78:
            said = self._uncached("evaluate", "run", "--protocol", "gray-awgn-25", "--data", "photos", "--limit", "1")
        else:
            with _without_page():
                said = self._uncached("fit", run_seeds.RECIPE, "-o", "run")
        self.said = said.err
        return REFUSED if said.status else DONE

    def _page(self) -> str:
        from clearer.report.page import write_page

        try:
            self.sandbox.call(write_page, "run")
        except UserError as error:
            self.said = f"page: {error}"
            return REFUSED
        return DONE

    def _level_map(self, case: Case) -> str:
        Path("level.npy").write_bytes(case.data)
        shutil.copy(self.seeds.path("rgb.png"), "in.png")
        model = str(self.seeds.path("level.safetensors"))
        said = self.sandbox.run("restore", model, "in.png", "-o", "out.png", "--sigma", "level.npy", "-q")
        self.sandbox.check_left({"level.npy", "in.png"} if said.status else {"level.npy", "in.png", "out.png"})
        return self._of(said)


@contextlib.contextmanager
def _without_page() -> Iterator[None]:
    """Draw no figures, which take half a second; a trial of its own does."""
    from clearer.pipeline import fit

    with mock.patch.object(fit, "write_page"):
        yield


def _tensors(path: Path) -> bytes:
    """Return what stands behind the header of a weight file; the header states times."""
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


_TRIALS: dict[str, Any] = {
    VIDEO: Trials._video,
    "folders": Trials._folders,
    "recipe": Trials._recipe,
    "weight file": Trials._weights,
    "ONNX file": Trials._weights,
    "checkpoint": Trials._checkpoint,
    "run folder": Trials._run_folder,
    "noise level map": Trials._level_map,
}
"""The trial of each kind that is not an image."""


def quicken() -> None:
    """Build the command line and load sound models once, not for every case."""
    import torch
    import typer.main

    from clearer.cli import app
    from clearer.inference import restorer

    torch.set_num_threads(1)
    app.app = typer.main.get_command(app.app)  # type: ignore[assignment]
    restorer.load = functools.cache(restorer.load)  # type: ignore[assignment]
