"""Runs that resume after kill -9, SIGTERM, damage, a full disk, and values that are not finite."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file

from clearer.core import signals
from clearer.core.errors import Interrupted, UserError
from clearer.core.files import written_whole
from clearer.evaluation import record
from clearer.images.view import read_image
from clearer.inference.restorer import load
from clearer.pipeline import evaluate as measure
from clearer.pipeline import run_folder
from clearer.pipeline.fit import Run, fit
from clearer.recipe.schema import OptimizerSettings
from clearer.runs.layout import RunFolder
from clearer.runs.record import read_record
from clearer.training import checkpoints, loop
from clearer.training.checkpoints import load_checkpoint, save_checkpoint
from clearer.training.optimizers import load_optimizer, make_optimizer
from helpers.photos import NAMES, SHIPPED
from helpers.recipes import TINY

pytestmark = pytest.mark.slow

LONGER = {**TINY, "search.epochs": 6, "train.epochs": 8, "train.average": 0.9}


def _fit(out: Path, photos: Path, overrides: dict[str, Any], **more: Any) -> Run:
    return fit("quickstart", out, {"data.folder": str(photos), **overrides}, console=Console(quiet=True), **more)


def _command(out: Path, photos: Path) -> list[str]:
    sets = [part for key, value in LONGER.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    return [sys.executable, "-m", "clearer", "fit", "quickstart", "--data", str(photos), "-o", str(out), *sets]


def _weights(out: Path) -> dict[str, torch.Tensor]:
    whole = {}
    for name in ("model", "last"):
        whole |= {f"{name}.{key}": tensor for key, tensor in load_file(out / f"{name}.safetensors").items()}
    return whole


def _same(a: Path, b: Path) -> None:
    left, right = _weights(a), _weights(b)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[key], right[key]) for key in left)
    for part in ("search", "train"):
        lines = [
            [{k: v for k, v in json.loads(text).items() if k != "seconds"} for text in path.read_text().splitlines()]
            for path in (a / part / "metrics.jsonl", b / part / "metrics.jsonl")
        ]
        assert lines[0] == lines[1]
    results = [json.loads((run / "search" / "result.json").read_text()) for run in (a, b)]
    assert results[0]["mixing_weights"] == results[1]["mixing_weights"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    _fit(out, photos, LONGER)
    return out


def _start_and_signal(out: Path, photos: Path, part: str, lines: int, number: int) -> subprocess.CompletedProcess[str]:
    """Start the run in a process and signal it once ``part`` has logged ``lines`` lines."""
    with subprocess.Popen(
        _command(out, photos), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        until = time.monotonic() + 60
        path = out / part / "metrics.jsonl"
        while time.monotonic() < until and process.poll() is None:
            if path.exists() and len(path.read_text().splitlines()) >= lines:
                break
            time.sleep(0.005)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, "", err)


@pytest.mark.long
@pytest.mark.parametrize(("part", "lines"), [("search", 3), ("train", 2)])
def test_kill_9_then_the_same_command_gives_the_same_bits(
    tmp_path: Path, photos: Path, whole: Path, part: str, lines: int
) -> None:
    out = tmp_path / "run"
    ended = _start_and_signal(out, photos, part, lines, signal.SIGKILL)
    assert ended.returncode == -signal.SIGKILL
    again = subprocess.run(_command(out, photos), capture_output=True, text=True, timeout=120, check=True)
    assert f"{part}: resumed at step" in again.stdout + again.stderr
    _same(out, whole)


@pytest.mark.long
def test_sigterm_writes_a_checkpoint_first(tmp_path: Path, photos: Path, whole: Path) -> None:
    out = tmp_path / "run"
    ended = _start_and_signal(out, photos, "search", 2, signal.SIGTERM)
    assert ended.returncode == 128 + signal.SIGTERM
    last = ended.stderr.strip().splitlines()[-1]
    assert "the checkpoint is written" in last and "Traceback" not in ended.stderr
    _fit(out, photos, LONGER)
    _same(out, whole)


def test_a_damaged_newest_checkpoint_is_reported_and_the_one_before_used(
    tmp_path: Path, photos: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    _start_and_signal(out, photos, "train", 3, signal.SIGTERM)
    newest = max((out / "train" / "checkpoints").glob("step-*.safetensors"))
    data = bytearray(newest.read_bytes())
    data[-5] ^= 0xFF
    newest.write_bytes(bytes(data))
    fit("quickstart", out, {"data.folder": str(photos), **LONGER}, console=Console(stderr=True))
    said = capsys.readouterr().err
    assert newest.name in said.replace("\n", "") and "damaged" in said
    _same(out, whole)


def test_a_checkpoint_that_cannot_be_read_now_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_checkpoint(tmp_path, 3, {"a": torch.ones(2)})

    def refuse(*given: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("clearer.training.checkpoints.safe_open", refuse)
    with pytest.raises(UserError, match=r"cannot be read .*Too many open files.*; run the command again"):
        load_checkpoint(tmp_path, lambda line: pytest.fail(line))
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_ends_with_one_line_and_the_last_checkpoint_intact(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    real, calls = Path.write_bytes, []

    def full(path: Path, data: bytes) -> int:
        if path.name.startswith(".step-"):
            calls.append(path)
            if len(calls) > 4:
                real(path, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        UserError, match=r"the disk is full.*last checkpoint, step-00000004\.safetensors, is intact"
    ) as error:
        _fit(out, photos, TINY)
    assert "\n" not in str(error.value)
    assert not list(out.rglob("*.tmp*")) and not list(out.rglob(".step-*"))
    monkeypatch.undo()
    assert _fit(out, photos, TINY).result["train"]["steps"] == 12


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, photos: Path) -> None:
    wild = {**TINY, "search.weights.lr": 1e30, "search.weights.clip": None, "network.norm": "none"}
    with pytest.raises(UserError, match=r"search: \w+ is not finite at step \d+"):
        _fit(tmp_path / "run", photos, wild)
    state = load_checkpoint(tmp_path / "run" / "search" / "checkpoints", print)
    assert state is None or all(torch.isfinite(value) for value in state["sums"].values())


def test_a_finished_run_is_not_done_again(photos: Path, whole: Path) -> None:
    before = (whole / "model.safetensors").stat().st_mtime_ns
    _fit(whole, photos, LONGER)
    assert (whole / "model.safetensors").stat().st_mtime_ns == before


def test_another_recipe_or_other_images_in_the_same_folder_are_refused(
    tmp_path: Path, photos: Path, whole: Path
) -> None:
    with pytest.raises(UserError, match=r"another recipe \(seed was 0, now 7\)"):
        _fit(whole, photos, {**LONGER, "seed": 7})
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not a run"):
        _fit(tmp_path, photos, TINY)


def test_a_call_killed_while_it_wrote_the_recipe_does_not_refuse_the_next_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.lock.touch()
    with contextlib.suppress(KeyError), written_whole(folder.recipe) as temporary:
        assert temporary.exists()
        run_folder._refuse_foreign(folder)
        raise KeyError
    (tmp_path / ".notes").touch()
    with pytest.raises(UserError, match=r"holds \.notes and is not a run"):
        run_folder._refuse_foreign(folder)


def test_an_evaluation_killed_between_its_files_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "write_json", lambda path, value: 1 / 0)  # killed here
    with pytest.raises(ZeroDivisionError):
        record.write_result({"per_image": []}, tmp_path / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_run_is_taken_over_from_a_process_that_is_about_to_end(tmp_path: Path) -> None:
    import fcntl

    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    with (tmp_path / "lock").open("r+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        threading.Timer(0.3, fcntl.flock, (other, fcntl.LOCK_UN)).start()
        run_folder._take(lock, RunFolder(tmp_path))
    os.close(lock)


def test_a_file_system_without_locks_does_not_refuse_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*given: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(run_folder, "LOCK_SECONDS", 60)
    begun, lock = time.monotonic(), os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    run_folder._take(lock, RunFolder(tmp_path))
    os.close(lock)
    assert time.monotonic() - begun < 1


def test_a_run_that_another_process_writes_is_refused(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    out = tmp_path / "run"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(run_folder, "LOCK_SECONDS", 0.2)
        with pytest.raises(UserError, match="another process is writing"):
            _fit(out, photos, TINY)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "muon"])
def test_an_optimizer_resumes_identically_in_any_memory_layout(tmp_path: Path, kind: Any) -> None:
    # Large enough for Muon to take it as a matrix.
    start = torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    gradients = [torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(k)) for k in (1, 2)]

    def step(optimizer: torch.optim.Optimizer, weights: list[torch.nn.Parameter], k: int) -> None:
        assert kind == "muon" or optimizer.defaults["fused"]
        for each in weights:
            each.grad = torch.empty_like(each).copy_(gradients[k])
        optimizer.step()

    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        for stopped in (False, True):
            weights = [torch.nn.Parameter(start.clone().contiguous(memory_format=layout)) for _ in range(2)]
            optimizer = make_optimizer(OptimizerSettings(kind=kind, lr=0.1, weight_decay=0.01), weights)
            step(optimizer, weights, 0)
            if stopped:
                save_checkpoint(tmp_path, 1, {"optimizer": optimizer.state_dict()})
                found = load_checkpoint(tmp_path, print)
                assert found is not None
                optimizer = make_optimizer(OptimizerSettings(kind=kind, lr=0.1, weight_decay=0.01), weights)
                load_optimizer(optimizer, found["optimizer"])
            step(optimizer, weights, 1)
            ends.append(weights[1].detach().contiguous())
    # Another layout may be rounded otherwise; a moment of the wrong pixel would be far off.
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[2], ends[3])
    assert torch.allclose(ends[0], ends[2], atol=1e-6)


def test_a_second_signal_ends_at_once_unless_it_is_the_same_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with loop.caught_signals() as caught:  # as `timeout` sends them
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught == [signal.SIGTERM]
    monkeypatch.setattr(signals, "REPEATED", 0)
    with pytest.raises(Interrupted, match="at once") as stopped, loop.caught_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.signal == signal.SIGINT


def test_checkpoints_keep_nested_state_whole(tmp_path: Path) -> None:
    state = {
        "a": {0: {"step": torch.tensor(3.0), "list": [1, None, "x"]}, 1: {}},
        "bits": torch.arange(5, dtype=torch.uint8),
        "empty": torch.zeros(0),
    }
    for step in range(4):
        save_checkpoint(tmp_path, step, state)
    assert len(list(tmp_path.iterdir())) == checkpoints.KEPT
    found = load_checkpoint(tmp_path, print)
    assert found is not None and found["a"][0]["list"] == [1, None, "x"] and found["a"][1] == {}
    assert torch.equal(found["bits"], state["bits"]) and found["a"][0]["step"] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"train.optimizer.kind": "sgd", "train.optimizer.lr": 0.01},
        {"train.loss": "mse", "train.average": 0.0, "train.optimizer.clip": None},
        {"precision": "bf16"},
        {"train.optimizer.kind": "muon", "train.loss": "log-mse", "network.unshuffle": 2, "precision": "bf16"},
        {"train.loss": "charbonnier+ssim", "train.patch": 32},
        {"network.operations": "released", "network.norm": "batch", "network.residual": False},
    ],
)
def test_training_by_other_settings(tmp_path: Path, photos: Path, change: dict[str, Any]) -> None:
    run = _fit(tmp_path / "run", photos, {**TINY, **change, "architecture": "PF"})
    assert str(run.architecture) == "PF" and not (run.folder / "search").exists()
    assert {"model.safetensors", "last.safetensors", "report.html"} <= {path.name for path in run.folder.iterdir()}
    assert run.restorer().restore(torch.rand(1, 9, 11)).shape == (1, 9, 11)


@pytest.mark.long
def test_a_training_begins_with_the_weights_of_another(tmp_path: Path, photos: Path) -> None:
    first = _fit(tmp_path / "first", photos, {**TINY, "architecture": "PF"})
    still = {**TINY, "architecture": "PF", "train.epochs": 1}
    still |= {"train.optimizer.lr": 0.0, "train.optimizer.lr_final": 0.0}
    for place in (first.folder, first.folder / "model.safetensors"):
        again = _fit(tmp_path / f"from-{place.name}", photos, {**still, "train.start": str(place)})
        assert all(
            torch.equal(a, b)
            for (name, a), (_, b) in zip(
                load_file(first.folder / "model.safetensors").items(),
                load_file(again.folder / "last.safetensors").items(),
                strict=True,
            )
            if "running" not in name and "tracked" not in name  # batch norm's statistics move without a learning rate
        )
        assert again.restorer().card["start"] == str(place)
    for change, said in (
        ({"architecture": "PF-FP", "network.scales": 3}, "scales 2"),
        ({"network.width": 2}, "width 4"),
        ({"network.unshuffle": 2}, "unshuffle 1"),
        ({"network.width": 2, "architecture": None}, "width 4"),  # before anything is searched
    ):
        with pytest.raises(UserError, match=rf"train.start: .* has {said}, unlike the network"):
            _fit(tmp_path / "other", photos, {**still, **change, "train.start": str(first.folder)})
    assert not (tmp_path / "other").exists()
    # Once it has begun, or is done, it needs the file no more.
    kept = tmp_path / "from-model.safetensors"
    (kept / "train" / "result.json").unlink()
    (first.folder / "model.safetensors").unlink()
    _fit(kept, photos, {**still, "train.start": str(first.folder / "model.safetensors")})


def test_tensorboard_files_are_written_when_asked_for(tmp_path: Path, photos: Path) -> None:
    run = _fit(tmp_path / "run", photos, TINY, tensorboard=True)
    assert list((run.folder / "tensorboard").rglob("events.*"))


def test_training_makes_a_noisy_image_better(tmp_path: Path, photos: Path) -> None:
    change = {"train.epochs": 4, "train.steps_per_epoch": 30, "train.batch": 4, "train.patch": 32, "architecture": "PF"}
    run = _fit(tmp_path / "run", photos, {**TINY, **change, "checkpoint_minutes": 5.0})
    measured = run.result["protocols"]["gray-awgn-50"]
    assert measured["psnr"] > measured["input_psnr"] + 4


def test_a_later_evaluation_on_a_folder_called_test_leaves_the_runs_own_alone(tmp_path: Path, photos: Path) -> None:
    run = _fit(tmp_path / "run", photos, TINY)
    own = (run.folder / "evaluation" / "gray-awgn-50.json").read_bytes()
    other = photos.rename(photos.with_name("test"))
    try:
        place = measure.default_place(
            run.folder, str(other), "gray-awgn-50", limit=None, ensemble=False, seed=0, precision="fp32"
        )
        measure.evaluate(run.folder, str(other), "gray-awgn-50", out=place)
    finally:
        other.rename(photos)
    assert (run.folder / "evaluation" / "gray-awgn-50.json").read_bytes() == own
    assert read_record(run.folder).evaluations[0]["images"] == 1 and place.exists()


@pytest.mark.parametrize("name", ["denoise-gray-large", "denoise-color-large", "derain-large"])
def test_large_recipes_train_at_a_small_size(tmp_path: Path, name: str) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    color = not name.startswith("denoise-gray")
    for file in NAMES[:6]:
        image = read_image(SHIPPED / file, 3 if color else 1)[:64, :64]
        Image.fromarray(image if color else image[..., 0]).save(photographs / f"{Path(file).stem}.png")
    change = {key: value for key, value in TINY.items() if key.startswith("train.") or key == "precision"}
    change |= {"network.width": 4, "data.folder": str(photographs), "evaluate.samples": 0, "evaluate.protocols": []}
    if name == "derain-large":
        change["data.degradation.kind"] = "rain"
    run = fit(name, tmp_path / "run", change, console=Console(quiet=True))
    assert str(run.architecture) == "FPPF-FFFF-PFFP" and run.architecture.operations == "released"
    assert run.result["train"]["steps"] == 12


TIERS = [f"denoise-{channels}-{tier}" for channels in ("gray", "color") for tier in ("fast", "standard", "best")]
PHOTO = ["denoise-photo", "denoise-photo-fast", "denoise-photo-best"]
DERAIN = ["derain-standard", "derain-best"]


@pytest.mark.parametrize("name", [*PHOTO, "dejpeg", "dejpeg-fast", "dejpeg-best", *TIERS, *DERAIN])
def test_recipes_of_photographs_train_at_a_small_size(tmp_path: Path, name: str) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for file in NAMES[:6]:
        Image.fromarray(read_image(SHIPPED / file, 3)[:64, :64]).save(photographs / f"{Path(file).stem}.png")
    change = {key: value for key, value in TINY.items() if key.startswith("train.") or key == "precision"}
    change |= {"network.width": 4, "data.folder": str(photographs), "evaluate.samples": 0}
    if "gray" in name:
        change["data.convert"] = True
    if "rain" in name:
        change |= {"data.degradation.kind": "rain", "evaluate.protocols": ["rain-synthetic"]}
    run = fit(name, tmp_path / "run", change, console=Console(quiet=True))
    assert run.result["train"]["steps"] == 12
    assert len(run.result["protocols"]) == (1 if "rain" in name else 3)


@pytest.mark.parametrize("color", [False, True])
def test_a_users_own_pairs_of_whatever_kind(tmp_path: Path, color: bool) -> None:
    """Two folders, matched by name; the kind of degradation is not stated."""
    for file in NAMES:
        image = read_image(SHIPPED / file, 3 if color else 1)[:80, :80]
        for folder, levels in (("clean", image), ("dim", image // 2)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(levels if color else levels[..., 0]).save(tmp_path / folder / f"{Path(file).stem}.png")
    pairs = {"data.folder": {"clean": str(tmp_path / "clean"), "degraded": str(tmp_path / "dim")}}
    more = {"train.epochs": 30, "train.validate_every": 30, "network.norm": "none", "network.residual": True}
    name = "pairs-color" if color else "pairs-gray"
    run = fit(name, tmp_path / "run", {**TINY, **pairs, **more}, console=Console(quiet=True))
    measured = run.result["protocols"][name]
    assert measured["psnr"] > measured["input_psnr"] + 1
    assert load(run.folder).card["task"] == "restore"
    # A recipe for clean images degrades the degraded ones further, which is said.
    for kind, degrades in (("gaussian", True), ("none", False)):
        change = {**TINY, **pairs, "train.epochs": 1, "data.degradation.kind": kind, "data.convert": True}
        heard = Console(record=True, quiet=False, file=io.StringIO(), width=300)
        fit("denoise-gray", tmp_path / kind, change | {"evaluate.protocols": []}, console=heard)
        assert ("degrades the degraded images of the pairs further" in heard.export_text()) == degrades
