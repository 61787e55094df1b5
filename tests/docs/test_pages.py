"""The pages of docs/ that guide: every command and snippet is run, or is named here with what it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clearer
from clearer.images.view import read_image
from helpers.command import settings
from helpers.networks import BLIND, write_model
from helpers.photos import NAMES, SHIPPED, write_photos
from helpers.recipes import TINY
from helpers.tutorial import BLOCK, Page, commands

DOCS = Path(__file__).parents[2] / "docs"
TRAINING = settings({key: value for key, value in TINY.items() if key.startswith(("train.", "precision", "evaluate"))})
SLOW = ["--show"]
"""A search by time takes minutes; tests/experiments has short ones."""

GUIDES: dict[str, dict[str, list[str]]] = {
    "index": {},
    "restoring": {},
    "models": {"models --for": [], "models": ["--no-measure"]},
    "noise": {},
    "degradations": {"fit denoise-photo": TRAINING, "fit": settings(TINY)},
    "deploying": {},
    "data": {"fit": settings(TINY)},
    "search": {
        "fit": SLOW,
        "train": TRAINING,
        "search": settings(TINY),
        "verdict": ["--help"],
    },
}
"""Pages, and the options that make their commands quick."""

ELSEWHERE = {
    "bulk": "tests/docs/test_bulk.py",
    "noisy-only": "tests/docs/test_noisy_only.py",
    "microscopy": "tests/docs/test_microscopy.py",
}
"""Pages that another file runs."""

NOT_RUN = {
    "data": {"python peers/peer.py": "weights that are not part of the repository"},
    "models": {"python benchmarks/front.py": "half an hour, and images that are not part of the repository"},
    "deploying": {
        "npm": "the network",
        "clearer export denoise-photo --demo": "what npm brings; tests/web opens the page in Chromium",
        "python -m http.server": "a browser; tests/web has one",
        "bioimageio": "bioimageio.core; tests/deploy/test_bioimage.py has it",
    },
    "installation": dict.fromkeys(("python3 -m venv", ". .venv", "python -m pip", "pip", "uv pip"), "the network"),
    "search": {"pip": "the network"},
    "devices": {
        "torchrun": "several processes; tests/training/test_distributed.py starts some",
        "OMP_NUM_THREADS=4 torchrun": "the same",
        **dict.fromkeys(("first=", "srun", "step=", "trap", "wait", "[ -z"), "Slurm"),
    },
    "performance": {"benchmarks/gpu.sh": "a GPU"},
    "reproduction": {"clearer search paper-derain": "hours, and the images of the paper"},
    "results": {
        "clearer reproduce table1": "hours, and the images of the paper; tests/experiments has small ones",
        "clearer verdict": "the same",
    },
}
"""What is not run, by the first words of its lines, and what it needs."""


def write_files(desk: Path) -> None:
    """Write what the pages name."""
    for folder in ("photos", "noisy", "other-photos"):
        (desk / folder).mkdir()
    for name in NAMES[:4]:
        color = read_image(SHIPPED / name, 3)[100:180, 100:180]
        Image.fromarray(color).save(desk / "photos" / f"{Path(name).stem}.png")
    Image.fromarray(color).save(desk / "photo.jpg")
    write_photos(desk / "other-photos", NAMES[:1])
    rough = np.clip(color + np.random.default_rng(0).normal(0, 20, color.shape), 0, 255).astype(np.uint8)
    Image.fromarray(rough).save(desk / "noisy.png")
    Image.fromarray(rough[..., 0]).save(desk / "noisy" / "a.png")
    np.save(desk / "level.npy", np.full(rough.shape[:2], 12.0, np.float32))
    write_pairs(desk)
    for run, condition in (("denoise", "level"), ("cells", "none")):
        (desk / "runs" / run).mkdir(parents=True)
        write_model(desk / "runs" / run / "model.safetensors", BLIND, condition=condition)


def write_pairs(desk: Path) -> None:
    """Write pairs under the names that the pages have, and a folder of pairs side by side."""
    for k, name in enumerate(NAMES[:4]):
        whole = read_image(SHIPPED / name, 3)[60:140, 60:140]
        rough = np.clip(whole + np.random.default_rng(k).normal(0, 20, whole.shape), 0, 255).astype(np.uint8)
        for folder, file, image in (
            ("pairs/clean", f"{k}_final.png", whole),
            ("pairs/degraded", f"raw_{k}.png", rough),
            ("both", f"{k}-2.png", whole),
            ("both", f"{k}-1.png", rough),
            ("sharp", f"{k}.png", whole),
            ("rainy", f"{k}.png", rough),
        ):
            (desk / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(desk / folder / file)
        (desk / "rain-pairs").mkdir(exist_ok=True)
        Image.fromarray(np.hstack([whole, rough])).save(desk / "rain-pairs" / f"{k}.png")


@pytest.mark.tutorial
@pytest.mark.parametrize("name", GUIDES)
def test_every_command_and_snippet_of_a_guide_works(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_files(tmp_path)
    monkeypatch.setattr(clearer.Restorer, "push_to_hub", lambda self, name, **facts: None)  # the Hub
    read = clearer.Restorer.from_pretrained
    monkeypatch.setattr(clearer.Restorer, "from_pretrained", lambda name: read(name.removeprefix("someone/")))
    gray = np.asarray(Image.open("noisy/a.png"))
    given = {"image": gray, "level": np.full(gray.shape, 12.0, np.float32)}
    if name == "deploying":
        given["image"] = (gray[None, None] / 255).astype(np.float32)
    page = Page(DOCS / f"{name}.md", GUIDES[name], left_out=tuple(NOT_RUN.get(name, {})), names=given)
    page.run()
    assert page.ran


def test_no_page_is_forgotten() -> None:
    """A page with commands is run here, by another file, or named with what its commands need."""
    with_blocks = {path.stem for path in DOCS.glob("*.md") if _has_commands(path)}
    assert with_blocks == {*GUIDES, *ELSEWHERE, *(name for name in NOT_RUN if name not in GUIDES)}
    assert all((DOCS.parent / file).is_file() for file in ELSEWHERE.values())


@pytest.mark.parametrize("name", NOT_RUN)
def test_what_is_not_run_is_on_the_page_and_nothing_else_is_left_out(name: str) -> None:
    lines = [line for kind, text in Page(DOCS / f"{name}.md").blocks() if kind == "sh" for line in commands(text)]
    unmatched = [words for words in NOT_RUN[name] if not any(line.startswith(words) for line in lines)]
    assert unmatched == []
    if name not in GUIDES:
        assert [line for line in lines if not line.startswith(tuple(NOT_RUN[name]))] == []


def _has_commands(path: Path) -> bool:
    return any(kind in ("sh", "python") for _, kind, _ in BLOCK.findall(path.read_text(encoding="utf-8")))
