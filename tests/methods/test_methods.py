"""Methods of every kind: trained networks, classical ones, and those of a user's own file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clearer.core.errors import UserError
from clearer.evaluation.protocols import parse_protocol
from clearer.inference.restorer import load
from clearer.methods.base import Method, as_restore
from clearer.methods.registry import METHODS
from clearer.methods.selection import all_methods, choose
from clearer.methods.trained_model import method_of_model
from clearer.methods.user_file import methods_from_file
from helpers.networks import write_model
from helpers.photos import photograph

PEERS = Path(__file__).parents[2] / "benchmarks" / "studies" / "baselines.py"


def noisy(sigma: float = 30, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    clean = np.repeat(photograph("camera.png", 64) / np.float32(255), channels, 2).astype(np.float32)
    return clean, clean + np.random.default_rng(0).standard_normal(clean.shape, np.float32) * np.float32(sigma / 255)


# trained networks


def test_a_model_is_what_its_card_says(tmp_path: Path) -> None:
    path = write_model(tmp_path / "small.safetensors")
    method = method_of_model(path, "cpu")
    assert (method.name, method.degradation, method.channels, method.sigmas) == ("small", "gaussian", 1, (50, 50))
    assert "sigma 50" in method.notes and "clipped and floored" in method.notes and method.setup == "cpu, fp32"
    assert method.parameters == sum(p.numel() for p in load(path).network.parameters())
    suited = [p for p in ("gray-awgn-50", "clearer-gray-50", "clearer-gray-30", "color-awgn-50", "rain-rgb")
              if method.suits(parse_protocol(p))]  # fmt: skip
    assert suited == ["gray-awgn-50", "clearer-gray-50"]


def test_a_blind_model_suits_its_range_and_its_notes_state_the_noise(tmp_path: Path) -> None:
    card = {"degradation": {"kind": "gaussian", "sigma": [5, 55], "clip8": False}}
    method = method_of_model(write_model(tmp_path / "m.safetensors", card), "cpu")
    assert [method.suits(parse_protocol(f"clearer-gray-{s}")) for s in (5, 30, 55, 70)] == [True, True, True, False]
    assert "sigma 5 to 55 gray levels, not clipped" in method.notes


def test_a_model_of_a_mixture_suits_the_protocols_of_its_parts(tmp_path: Path) -> None:
    parts = [
        {"share": 0.5, "kind": "chain", "steps": [{"kind": "correlated"}, {"kind": "jpeg", "quality": 80}]},
        {"share": 0.5, "kind": "gaussian", "sigma": [0, 40]},
    ]
    write_model(tmp_path / "m.safetensors", card={"degradation": {"kind": "mixture", "parts": parts}})
    method = method_of_model(tmp_path / "m.safetensors", device="cpu")
    assert (method.degradation, method.also, method.sigmas) == ("gaussian", ("correlated", "jpeg"), (0, 40))
    suited = {
        name: method.suits(parse_protocol(name))
        for name in ("gray-awgn-25", "gray-awgn-50", "gray-correlated-50", "jpeg-gray-80", "gray-speckle-4", "jpeg-80")
    }
    assert [name for name, suits in suited.items() if suits] == ["gray-awgn-25", "gray-correlated-50", "jpeg-gray-80"]


def test_a_network_trained_on_pairs_is_for_rain_if_its_task_is(tmp_path: Path) -> None:
    for task, suits in (("derain", True), ("deblur", False)):
        card = {"degradation": {"kind": "none", "sigma": 0.0, "clip8": False}, "task": task}
        method = method_of_model(write_model(tmp_path / f"{task}.safetensors", card, 3), "cpu")
        assert method.suits(parse_protocol("rain-rgb")) is suits and method.sigmas is None
        assert not method.suits(parse_protocol("color-awgn-50"))


def test_a_model_restores_as_its_restorer_does(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.safetensors", channels=3)
    x = noisy(channels=3)[1][:33, :50]
    tensor = torch.from_numpy(x.transpose(2, 0, 1))[None]
    plain, averaged = method_of_model(path, "cpu"), method_of_model(path, "cpu", ensemble=True)
    for method, ensemble in ((plain, False), (averaged, True)):
        expected = load(path, "cpu", "fp32")(tensor, ensemble)
        assert np.allclose(method.restore(x, 50), expected[0].permute(1, 2, 0).numpy(), atol=1e-6)
        assert torch.allclose(as_restore(method, 50)(tensor), expected, atol=1e-6)
    assert not np.allclose(plain.restore(x, 50), averaged.restore(x, 50), atol=1e-4)
    assert plain.macs_per_pixel and averaged.macs_per_pixel == 8 * plain.macs_per_pixel
    assert plain.sha256 == averaged.sha256 and plain.setup != averaged.setup == "cpu, fp32, x8 self-ensemble"


def test_names_are_those_of_the_run_the_file_or_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = write_model(tmp_path / "runs" / "blind" / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    assert method_of_model("runs/blind").name == "blind"
    assert method_of_model(weights).name == "model"  # not a run: it has no recipe
    (weights.parent / "recipe.yaml").write_text("name: x\n")
    assert method_of_model(weights).name == "blind"
    assert method_of_model("CLEARER (ours)=runs/blind").name == "CLEARER (ours)"
    write_model(tmp_path / "width=4.safetensors")
    assert method_of_model("width=4.safetensors").name == "width=4"
    assert method_of_model("a=width=4.safetensors").name == "a"
    monkeypatch.chdir(weights.parent)
    assert method_of_model(".").name == "blind"


def test_models_that_cannot_be_used_are_refused_in_one_line(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.safetensors", {})
    for text, words in ((str(path), "card does not state"), ("a=none", "^none: no such"), ("none", "no such")):
        with pytest.raises(UserError, match=words) as caught:
            method_of_model(text)
        assert "\n" not in str(caught.value)


def test_a_method_must_keep_the_shape() -> None:
    method = Method("cropper", "gaussian", lambda image, _: image[1:])
    with pytest.raises(UserError, match=r"cropper: .*keep the shape"):
        as_restore(method, 50)(torch.zeros(1, 1, 8, 8))


# classical methods


@pytest.mark.slow
@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("channels", [1, 3])
def test_classical_methods_remove_noise(name: str, channels: int) -> None:
    (method,) = choose(name)
    if method.degradation != "gaussian" or method.channels not in (None, channels):
        pytest.skip("for other images")
    clean, degraded = noisy(30, channels)
    before = degraded.copy()
    found = method.restore(degraded, 30)
    assert found.shape == clean.shape and found.dtype == np.float32 and np.array_equal(degraded, before)
    errors = [np.mean((np.clip(x, 0, 1) - clean) ** 2) for x in (degraded, found)]
    assert errors[1] < errors[0] / 2
    # It believes the level that it is told.
    assert np.std(method.restore(degraded, 60) - clean) != pytest.approx(np.std(found - clean), rel=1e-3)
    protocol = "clearer-gray-{}" if channels == 1 else "color-awgn-{}"
    assert all(method.suits(parse_protocol(protocol.format(s))) for s in (15, 50)) and method.setup


def test_classical_methods_are_chosen_by_name() -> None:
    assert [m.name for m in choose("tv, NLM,tv")] == ["TV", "NLM"]
    assert [m.name for m in choose("all")] == ["BM3D", "DSC", "LP", "NLM", "TV", "wavelet", "WNNM"]
    assert choose("none") == []
    with pytest.raises(UserError, match=r"'bm3' is not one of bm3d, .*'bm3d'\?\); or give all, or none"):
        choose("nlm,bm3")
    with pytest.raises(UserError, match="needs the noise level"):
        choose("tv")[0].restore(np.zeros((8, 8, 1), np.float32), None)


def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(
        UserError, match=r"^bm3d: not installed .*pip install 'clearer\[classical\]' \(.*non-commercial use only\)$"
    ):
        choose("bm3d")


def test_all_leaves_out_what_is_missing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    monkeypatch.setenv("CLEARER_PATCH_PRIOR", str(tmp_path / "none.safetensors"))
    assert [m.name for m in choose("all")] == ["DSC", "NLM", "TV", "wavelet", "WNNM"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["bm3d left out", "lp left out"]


def test_the_names_are_listed_without_torch() -> None:
    code = "import sys; from clearer.methods.registry import METHODS; print(*METHODS, 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["bm3d", "dsc", "lp", "nlm", "tv", "wavelet", "wnnm", "False"]


def test_a_command_line_gives_classical_methods_then_files_then_models(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(f"{HEAD}METHODS = [Method('mine', 'rain', len)]")
    model = f"ours={write_model(tmp_path / 'm.safetensors')}"
    found = all_methods("tv", [mine], [model], device="cpu", ensemble=True)
    assert [m.name for m in found] == ["TV", "mine", "ours"] and found[2].setup == "cpu, fp32, x8 self-ensemble"


# methods of a file

HEAD = "from clearer.methods.base import Method\n"


def test_methods_of_a_file_are_known_again_by_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    both = "Method('mine', 'gaussian', lambda p, s: p * s), Method('b', 'rain', len, sha256='1')"
    path.write_text(f"{HEAD}METHODS = [{both}]")
    first = methods_from_file(path)
    assert [m.name for m in first] == ["mine", "b"] and first[0].restore(np.float32(2), 3) == 6
    assert len(first[0].sha256) == 64 and first[1].sha256 == "1"
    path.write_text(path.read_text().replace("p * s", "p"))
    assert methods_from_file(path)[0].sha256 != first[0].sha256


def test_a_file_may_hold_dataclasses(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n" + HEAD
    body = "@dataclass\nclass Mine:\n    gain: float\n    def __call__(self, p, s): return p\n"
    path.write_text(head + body + "METHODS = [Method('m', 'rain', Mine(2))]")
    assert methods_from_file(path)[0].name == "m"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = (", "fails with SyntaxError"),
        ("import nothing_of_this_name", "fails with ModuleNotFoundError: No module named"),
        ("raise SystemExit('a\\nb')", "fails with SystemExit: a b"),
        ("", "METHODS is not a list of Method"),
        ("METHODS = []", "METHODS is not a list of Method"),
        ("METHODS = [print]", "METHODS is not a list of Method"),
    ],
)
def test_files_that_hold_no_methods_are_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UserError, match=f"mine.py: {words}") as caught:
        methods_from_file(path)
    assert "\n" not in str(caught.value)


def test_no_file_and_no_python_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("METHODS = []")
    for name, words in (("none.py", "no such file"), ("notes.txt", "must end in .py")):
        with pytest.raises(UserError, match=words):
            methods_from_file(tmp_path / name)


# published denoisers, of another program in a folder

PROGRAM = """
import numpy as np, torch
from pathlib import Path
def load(name):
    with np.load(Path(__file__).parent / f"{name}.npz") as f:
        return [(torch.from_numpy(f["w00"]), torch.from_numpy(f["b00"]))]
def dncnn(layers, x, sigma): return x - 1
def ffdnet(layers, x, sigma): return x + sigma
"""


def test_baselines_come_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARER_PEERS", str(tmp_path))
    with pytest.raises(UserError, match=r"peer.py: no such file; set CLEARER_PEERS"):
        methods_from_file(PEERS)
    (tmp_path / "peer.py").write_text(PROGRAM)
    with pytest.raises(UserError, match=r"npz: no such file; set CLEARER_PEERS"):
        methods_from_file(PEERS)
    for name in (*(f"dncnn_gray_sigma{s}" for s in (30, 50, 70)), "ffdnet_gray", "ffdnet_gray_clip"):
        np.savez(tmp_path / f"{name}.npz", w00=np.ones((2, 1, 3, 3), np.float32), b00=np.ones(2, np.float32))
    found = methods_from_file(PEERS)
    assert [(m.name, m.sigmas) for m in found[:3]] == [("DnCNN", (s, s)) for s in (30, 50, 70)]
    assert [m.macs_per_pixel for m in found] == [18, 18, 18, 4.5, 4.5] and found[0].parameters == 20
    image = np.full((4, 6, 1), 2, np.float32)
    assert np.array_equal(found[0].restore(image, 30), image - 1)
    assert np.array_equal(found[3].restore(image, 30), image + 30)
    assert all("test images" in m.notes for m in found) and len({m.name for m in found}) == 3


def test_a_file_of_version_0_1_still_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from clearer.reproduction.methods import Method\n"
        "METHODS = [Method('same', 'gaussian', lambda image, _: image)]\n"
    )
    (method,) = methods_from_file(path)
    assert method.name == "same"
    assert "clearer.reproduction" not in sys.modules
    assert "clearer.reproduction.methods is now called clearer.methods.base" in caplog.text
