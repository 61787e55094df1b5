"""Files and folders that may not be read or written: one line, the right exit status, and what can be done is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.core.errors import UserError
from clearer.inference.jobs import plan_jobs
from clearer.inference.options import RestoreOptions
from helpers.command import clearer
from helpers.networks import NON_BLIND, write_model
from helpers.permissions import permissions_count

NO, READ_ONLY, NO_LIST, NO_ENTER = 0o000, 0o555, 0o311, 0o444


def _put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24), dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("permissions")
    write_model(place / "gray.safetensors", NON_BLIND, 1, "P-F")
    write_model(place / "locked.safetensors", NON_BLIND, 1, "P-F")
    for name in (
        "ok.png", "locked.png", "mixed/a.png", "mixed/b.png", "tree/a.png", "tree/sub/c.png", "only/sub/c.png",
        "no/a.png", "unlisted/a.png", "unentered/a.png", "pairs/clean/0.png", "pairs/noisy/0.png",
    ):  # fmt: skip
        _put(place / name)
    (place / "recipe.yaml").write_text("name: x\n")
    (place / "ro").mkdir()
    modes = {
        "locked.png": NO, "locked.safetensors": NO, "mixed/b.png": NO, "tree/sub": NO, "only/sub": NO, "no": NO,
        "pairs/noisy": NO, "recipe.yaml": NO, "ro": READ_ONLY, "unlisted": NO_LIST, "unentered": NO_ENTER,
    }  # fmt: skip
    for name, mode in modes.items():
        (place / name).chmod(mode)
    yield place
    for name in modes:
        (place / name).chmod(0o755)


CASES = [
    (2, "restore gray.safetensors locked.png -o out.png", "locked.png: cannot be read (Permission denied)"),
    (2, "restore gray.safetensors ok.png -o ro/y.png", "ro/y.png: cannot be written"),
    (2, "restore gray.safetensors ok.png -o ro/new/y.png", "ro/new/y.png: cannot be written"),
    (1, "restore gray.safetensors mixed -o mixed-out", "mixed/b.png: cannot be read (Permission denied)"),
    (1, "restore gray.safetensors tree -o tree-out -r", "tree/sub: cannot be read (Permission denied)"),
    (0, "restore gray.safetensors tree -o tree-out", ""),
    (2, "restore gray.safetensors only -o out -r", "only/sub: cannot be read (Permission denied)"),
    (1, "restore auto tree -o auto-out -r", "tree/sub: cannot be read (Permission denied)"),
    (2, "restore gray.safetensors no -o out", "no: cannot be read (Permission denied)"),
    (2, "restore gray.safetensors no/a.png -o out.png", "no/a.png: cannot be reached (Permission denied)"),
    (2, "restore gray.safetensors unlisted -o out", "unlisted: cannot be read (Permission denied)"),
    (0, "restore gray.safetensors unlisted/a.png -o unlisted.png", ""),
    (1, "restore gray.safetensors unentered -o out", "unentered/a.png: cannot be read (Permission denied)"),
    (2, "restore gray.safetensors unentered/a.png -o out.png", "unentered/a.png: cannot be reached"),
    (2, "restore gray.safetensors mixed -o ro", "ro: cannot be written (Permission denied)"),
    (2, "restore gray.safetensors mixed -o ro/new", "ro: cannot be written (Permission denied)"),
    (2, "restore auto mixed -o ro", "ro: cannot be written (Permission denied)"),
    (2, "restore gray.safetensors ok.png -o no/y.png", "no/y.png: cannot be reached"),
    (2, "restore gray.safetensors ok.png -o no", "no/ok.png: cannot be reached"),
    (2, "restore locked.safetensors ok.png -o out.png", "locked.safetensors: cannot be reached (Permission denied)"),
    (2, "restore no ok.png -o out.png", "no/model.safetensors: cannot be reached"),
    (2, "describe locked.safetensors", "locked.safetensors: cannot be reached (Permission denied)"),
    (2, "describe no", "no/model.safetensors: cannot be reached"),
    (2, "doctor no", "no: cannot be read (Permission denied)"),
    (2, "doctor pairs", "pairs/noisy: cannot be read (Permission denied)"),
    (2, "fit recipe.yaml -o out", "recipe.yaml: not readable as YAML"),
    (2, "fit denoise-gray --data no -o out", "no: cannot be read (Permission denied)"),
    (2, "evaluate gray.safetensors --protocol gray-awgn-25 --data mixed", "mixed/b.png: cannot be read"),
    (2, "evaluate gray.safetensors --protocol gray-awgn-25 --data unlisted", "unlisted: cannot be read"),
    (2, "verdict no", "no/recipe.yaml: cannot be reached"),
]


@pytest.mark.parametrize(("status", "command", "said"), CASES)
def test_one_line_names_what_may_not_be_reached(
    place: Path, monkeypatch: pytest.MonkeyPatch, status: int, command: str, said: str
) -> None:
    monkeypatch.chdir(place)
    with permissions_count():
        found = clearer(*command.split(), *(["-q"] if command.startswith("restore") else []))
    assert found.status == status, found.err
    assert said in found.err and all(line.startswith("clearer: ") for line in found.err.splitlines())
    assert not (place / "out").exists() or not list((place / "out").iterdir())


def test_what_can_be_read_in_a_folder_is_restored(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with permissions_count():
        clearer("restore", "gray.safetensors", "tree", "-o", "rest", "-r", "-q")
    assert [path.name for path in (place / "rest").rglob("*.png")] == ["a.png"]


def test_in_python_too_it_is_a_user_error(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with permissions_count(), pytest.raises(UserError, match=r"no/a\.png: cannot be reached"):
        plan_jobs("no/a.png", "y.png", RestoreOptions())
    with pytest.raises(UserError, match="cannot be reached"):  # longer than a name may be
        plan_jobs("x" * 300 + ".png", "y.png", RestoreOptions())
