"""Several processes on one run: the result of one process, and a resumable run whichever process dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor, nn

from clearer.core.device import choose_precision
from clearer.core.errors import Interrupted, UserError
from clearer.pipeline.fit import fit
from clearer.training import distributed as processes
from clearer.training.run_device import choose_device
from clearer.training.sync_batchnorm import use_global_statistics
from helpers.command import clearer, settings
from helpers.noisy_images import noisy_folder
from helpers.recipes import TINY

pytestmark = pytest.mark.slow

# SGD: Adam's first steps make of the last bits of a gradient near zero a whole step.
SETTINGS: dict[str, Any] = {
    **TINY,
    "network.norm": "batch",
    "network.modules_per_cell": 1,
    "search.epochs": 5,
    "search.weights.kind": "sgd",
    "search.weights.lr": 0.02,
    "train.epochs": 5,
    "train.optimizer.kind": "sgd",
    "train.optimizer.lr": 0.02,
    "train.average": 0.5,
    "data.degradation.sigma": [10, 50],
}


class Halves:
    """Two threads that stand for two processes: ``total`` waits for both and sums what they give."""

    def __init__(self) -> None:
        self.meet, self.given = threading.Barrier(2, timeout=60), {}

    def total(self, value: Tensor) -> Tensor:
        self.given[threading.get_ident()] = value
        self.meet.wait()
        result = sum(self.given.values())
        self.meet.wait()
        return result

    def run(self, *work: Callable[[], Any]) -> list[Any]:
        results: list[Any] = [None, None]

        def keep(i: int) -> None:
            results[i] = work[i]()

        threads = [threading.Thread(target=keep, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


@pytest.mark.parametrize("momentum", [0.1, None, 0.0])
def test_norm_over_two_parts_is_that_over_the_whole_batch(momentum: float | None) -> None:
    torch.manual_seed(0)
    # A mean far from zero: where a variance is a difference of large numbers.
    x = 300 + 2 * torch.randn(4, 3, 5, 6)
    slope = torch.randn(4, 3, 5, 6)
    whole = nn.BatchNorm2d(3, momentum=momentum)
    nn.init.normal_(whole.weight)
    nn.init.normal_(whole.bias)
    parts = [nn.Sequential(nn.BatchNorm2d(3, momentum=momentum)) for _ in range(2)]
    halves = Halves()
    for part in parts:
        part[0].load_state_dict(whole.state_dict())
        use_global_statistics(part, halves.total, 2)
        assert part.state_dict().keys() == {f"0.{name}" for name in whole.state_dict()}
    exact = nn.BatchNorm2d(3, momentum=momentum).double()
    exact.load_state_dict(whole.state_dict())
    wanted = x.double().requires_grad_()
    y = exact(wanted)
    (y * slope).sum().backward()

    def work(i: int) -> Callable[[], tuple[Tensor, Tensor]]:
        def run() -> tuple[Tensor, Tensor]:
            mine = x[2 * i : 2 * i + 2].clone().requires_grad_()
            out = parts[i](mine)
            (out * slope[2 * i : 2 * i + 2]).sum().backward()
            assert mine.grad is not None
            return out.detach(), mine.grad

        return run

    found = halves.run(work(0), work(1))
    assert torch.allclose(torch.cat([f[0] for f in found]).double(), y, atol=1e-3)
    assert wanted.grad is not None
    assert torch.allclose(torch.cat([f[1] for f in found]).double(), wanted.grad, atol=1e-3)
    for name, value in exact.named_parameters():
        gradient = sum(part[0].get_parameter(name).grad for part in parts)
        assert torch.allclose(gradient.double(), value.grad, atol=1e-3)
    for name, value in exact.named_buffers():
        assert all(torch.allclose(part[0].get_buffer(name).double(), value.double(), rtol=1e-5) for part in parts)
    again = x.clone()
    assert torch.allclose(parts[0].eval()(again).double(), exact.eval()(x.double()), atol=1e-3)


def test_a_gradient_that_one_process_lacks_counts_as_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    halves, loss = Halves(), torch.tensor(4.0)
    monkeypatch.setattr(processes, "_members", (0, 2))
    monkeypatch.setattr(processes, "total", halves.total)
    networks = [[nn.Parameter(torch.ones(3)) for _ in range(3)] for _ in range(2)]
    networks[0][0].grad = torch.full((3,), 2.0)
    networks[0][1].grad, networks[1][1].grad = torch.full((3,), 1.0), torch.full((3,), 5.0)

    def work(i: int) -> Callable[[], list[Tensor]]:
        return lambda: processes.mean_gradients(networks[i], loss * i)

    found = halves.run(work(0), work(1))
    assert [[float(value) for value in values] for values in found] == [[2.0], [2.0]]
    for first, other, unused in networks:
        assert first.grad is not None and other.grad is not None
        assert first.grad.tolist() == [1.0] * 3 and other.grad.tolist() == [3.0] * 3
        assert unused.grad is None  # an optimizer would else decay weights that no process uses


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchrun starts the second of three processes."""
    for name, value in {"RANK": 1, "LOCAL_RANK": 1, "WORLD_SIZE": 3, "MASTER_ADDR": "x", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))


def test_one_process_passes_through() -> None:
    assert processes.launched() == (0, 1) and processes.rank() == 0 and processes.world() == 1
    loss = torch.ones(())
    assert processes.mean_gradients([], loss) == [loss]
    assert processes.agreed(3, 0) == (3, 0) and processes.shared(b"x") == b"x"
    assert processes.first(lambda: (1,)) == (1,) and processes.together(lambda: (1,)) == (1,)


def test_what_several_processes_cannot_do_is_refused(second: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="device: cuda:1 is one device"):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        choose_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="has 1 CUDA device"):
        choose_device("cuda")
    monkeypatch.undo()
    monkeypatch.setattr(processes, "_members", (0, 3))
    with pytest.raises(UserError, match=r"^search\.batch: a batch of 32 patches cannot be divided equally among 3 pro"):
        processes.check_batch("search.batch", 32)
    processes.check_batch("search.batch", 33)


def test_only_fitting_verbs_work_under_torchrun_and_one_process_reports_it(
    second: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = clearer("recipes")
    assert (ended.status, ended.out, ended.err) == (2, "", "")
    monkeypatch.setenv("RANK", "0")
    ended = clearer("recipes")
    assert ended.status == 2 and "torchrun: recipes runs in one process" in ended.err


def _command(out: Path, photos: Path) -> list[str]:
    return ["-m", "clearer", "fit", "quickstart", "--data", str(photos), "-o", str(out), *settings(SETTINGS)]


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def _pair(out: Path, photos: Path, *command: str) -> list[subprocess.Popen[str]]:
    """Start two processes as torchrun would, but faster; by default of `_command`."""
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    return [
        subprocess.Popen(
            [sys.executable, *(command or _command(out, photos))],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]


def _wait_for(path: Path, lines: int, alive: Callable[[], bool] = lambda: True) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until and alive():
        if path.exists() and len(path.read_text().splitlines()) >= lines:
            return
        time.sleep(0.01)


def _stopped_alone(out: Path, photos: Path, part: str, lines: int) -> None:
    """Fit in this process, and stop it once ``part`` has logged ``lines`` lines."""

    def stop() -> None:
        _wait_for(out / part / "metrics.jsonl", lines)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Interrupted):
        _alone(out, photos)
    thread.join()


def _alone(out: Path, photos: Path) -> None:
    fit("quickstart", out, {"data.folder": str(photos), **SETTINGS}, console=Console(quiet=True))


def _alike(out: Path, whole: Path) -> None:
    for name in ("model.safetensors", "last.safetensors"):
        found, wanted = load_file(out / name), load_file(whole / name)
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-4)
    for part in ("search", "train"):
        found_lines, wanted_lines = (
            [json.loads(line) for line in (run / part / "metrics.jsonl").read_text().splitlines()]
            for run in (out, whole)
        )
        for found_line, wanted_line in zip(found_lines, wanted_lines, strict=True):
            assert found_line.keys() == wanted_line.keys()
            for key in {"step", "loss", "loss_res", "gap", "psnr", "input_psnr"} & wanted_line.keys():
                assert found_line[key] == pytest.approx(wanted_line[key], rel=1e-3), (part, key)
    found_state, wanted_state = (
        load_file(max((run / "search" / "checkpoints").glob("*.safetensors"))) for run in (out, whole)
    )
    for key, value in wanted_state.items():
        if "/supernet/" in key:
            torch.testing.assert_close(found_state[key], value, rtol=1e-4, atol=1e-4)
        elif "/draws/" in key:
            assert torch.equal(found_state[key], value)
    assert (found_state["state/job/supernet/alpha"] - wanted_state["state/job/supernet/alpha"]).abs().max() < 1e-6


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """An uninterrupted run of one process."""
    out = tmp_path_factory.mktemp("whole") / "run"
    _alone(out, photos)
    return out


def _workers(launcher: int) -> Iterator[tuple[int, int]]:
    """Yield rank and process id of torchrun's workers."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == launcher:
                environment = (folder / "environ").read_bytes().split(b"\0")
                yield next(int(e[5:]) for e in environment if e.startswith(b"RANK=")), int(folder.name)
        except (OSError, StopIteration):
            continue


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds torchrun's workers in /proc")
def test_two_of_which_one_is_killed_then_two_then_one(tmp_path: Path, photos: Path, whole: Path) -> None:
    out = tmp_path / "run"
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port"]
    with subprocess.Popen(
        [sys.executable, *torchrun, _free_port(), *_command(out, photos)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as launcher:
        _wait_for(out / "search" / "metrics.jsonl", 3, lambda: launcher.poll() is None)
        os.kill(dict(_workers(launcher.pid))[1], signal.SIGKILL)
        err = launcher.communicate(timeout=300)[1]
    assert launcher.returncode == 1
    said = [line for line in err.splitlines() if line.startswith("clearer: ")]
    assert len(said) == 1 and "another process of this run has ended" in said[0] and "Rerun the command" in said[0], err
    assert "site-packages/clearer" not in err and "src/clearer" not in err  # the traceback is torchrun's own
    assert list((out / "search" / "checkpoints").glob("*.safetensors")) and not list(out.rglob("*.tmp*"))

    # A signal to one of them stops both, at one step.
    pair = _pair(out, photos)
    _wait_for(out / "train" / "metrics.jsonl", 2, lambda: pair[0].poll() is None)
    pair[1].send_signal(signal.SIGTERM)
    told = [process.communicate(timeout=300)[0] for process in pair]
    assert [process.returncode for process in pair] == [128 + signal.SIGTERM] * 2, told
    assert "resumed at step" in told[0] and "the checkpoint is written" in told[0].splitlines()[-1]
    assert told[1] == ""
    _alone(out, photos)
    _alike(out, whole)


def test_one_then_two(tmp_path: Path, photos: Path, whole: Path) -> None:
    out = tmp_path / "run"
    _stopped_alone(out, photos, "search", 2)
    pair = _pair(out, photos)
    told = [process.communicate(timeout=300)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], told
    assert "search: resumed at step" in told[0] and told[1] == ""
    _alike(out, whole)
    assert json.loads((out / "train" / "result.json").read_text())["device"].startswith("2 x cpu")
    assert (out / "report.html").exists() and (out / "evaluation" / "gray-awgn-50.json").exists()


def test_two_processes_of_which_one_has_no_patch_for_sure_give_the_result_of_one(tmp_path: Path) -> None:
    noisy = noisy_folder(tmp_path / "noisy", 3)
    changes = {
        **{key: value for key, value in SETTINGS.items() if key.startswith("train.")},
        "architecture": "PF",
        "network.width": 4,
        "network.scales": 2,
        "network.norm": "none",
        "train.loss": "sure",
        "train.epochs": 2,
        "train.batch": 2,
        "precision": "fp32",
        "evaluate.samples": 0,
    }
    command = ["-m", "clearer", "train", "noisy", "--noisy", str(noisy), *settings(changes)]
    pair = _pair(tmp_path / "two", noisy, *command, "-o", str(tmp_path / "two"))
    told = [process.communicate(timeout=300)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], told
    options = {**changes, "data.folder": str(noisy)}
    fit("noisy", tmp_path / "one", options, stages=("train",), console=Console(quiet=True))
    two, one = (load_file(tmp_path / name / "last.safetensors") for name in ("two", "one"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-5)


def test_fp32_on_a_gpu_is_no_tf32() -> None:
    """For training and restoring alike: both choose their precision here. The flags are there without a GPU too."""
    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = True
        assert choose_precision("fp32", torch.device("cpu")) == "fp32" and all(place.allow_tf32 for place in places)
        assert choose_precision("fp32", torch.device("cuda")) == "fp32"
        assert not any(place.allow_tf32 for place in places)
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value
