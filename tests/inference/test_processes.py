"""Restorers in other processes: pickled, spawned and forked."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clearer.core.errors import UserError
from clearer.inference.processes import refuse_fork
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 32), dtype=np.uint8)

SCRIPT = """
import multiprocessing, sys
import numpy as np, torch
import clearer

def work(restorer, image, queue):
    queue.put(restorer.restore(image))

if __name__ == "__main__":
    torch.set_num_threads(2)
    restorer = clearer.load(sys.argv[2], device="cpu", precision="fp32")
    image = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    expected = restorer.restore(image)
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=work, args=(restorer, image, queue))
    process.start()
    found = queue.get()
    process.join()
    assert np.array_equal(found, expected), np.abs(found.astype(int) - expected).max()
    print("same")
"""


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_pickled_restorer_computes_the_same(precision: str) -> None:
    restorer = load("denoise-gray", "cpu", precision)
    for other in (pickle.loads(pickle.dumps(restorer)), copy.deepcopy(restorer)):
        assert repr(other) == repr(restorer) and other.card == restorer.card
        assert np.array_equal(other.restore(IMAGE), restorer.restore(IMAGE))


def test_an_exported_network_is_pickled_by_its_path(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from clearer.deploy.onnx import export

    export("denoise-gray", onnx=tmp_path / "a.onnx")
    restorer = load(tmp_path / "a.onnx")
    other = pickle.loads(pickle.dumps(restorer))
    assert isinstance(other, Restorer) and np.array_equal(other.restore(IMAGE), restorer.restore(IMAGE))


@pytest.mark.long
@pytest.mark.parametrize("start", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("exported", [False, True])
def test_other_processes_restore_and_do_not_hang(tmp_path: Path, start: str, exported: bool) -> None:
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start}")
    model = "denoise-gray"
    if exported:
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
        from clearer.deploy.onnx import export

        network, model = tmp_path / "a.safetensors", str(tmp_path / "a.onnx")
        save_weights(network, RestorationNetwork(Architecture.parse("P-F", width=4)), {})
        export(network, onnx=model)
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, str(tmp_path / "script.py"), start, model]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.stdout == "same\n", done.stderr


def test_a_forked_process_is_refused_an_accelerator() -> None:
    refuse_fork(torch.device("cpu"), os.getpid() + 1)
    refuse_fork(torch.device("cuda:0"), os.getpid())
    with pytest.raises(UserError, match=r"device cuda:0: cannot be used in a forked process; .*'spawn'"):
        refuse_fork(torch.device("cuda:0"), os.getpid() + 1)
