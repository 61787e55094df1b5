"""Verb evaluate: its table, its files, where they go."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import clearer
from clearer.data.folders import Folders
from clearer.pipeline import evaluate as measure
from helpers.command import clearer as command


@pytest.mark.slow
def test_evaluate_saves_its_table_in_the_run(run, photos):
    ended = command("evaluate", run, "--protocol", "gray-awgn-50", "--data", photos, "--limit", 2, "--json")
    result = ended.json
    place = run / "evaluation" / f"gray-awgn-50-{photos.parent.name}-photos-first2.json"
    assert result["saved"] == str(place)
    assert json.loads(place.read_text()) == {key: value for key, value in result.items() if key != "saved"}
    assert len(place.with_suffix(".csv").read_text().splitlines()) == 3
    assert {"model", "data", "architecture", "parameters", "macs_per_pixel", "device", "precision"} <= set(result)
    assert result["images"] == len(result["per_image"]) == 2
    assert 14 < result["input_psnr"] < 17  # sigma 50: 14.15 dB, more after clamping
    table = command("evaluate", run, "--protocol", "gray-awgn-50", "--data", photos, "--limit", 2)
    assert f"{result['input_psnr']:.2f}" in table.out and f"{result['psnr']:.2f}" in table.out
    again = clearer.evaluate(run, photos, "gray-awgn-50", limit=2)
    assert again["psnr"] == result["psnr"]


@pytest.mark.parametrize("given", [("--range", "0,4095"), ("--clean-side", "right"), ("--channel", "2")])
def test_options_that_the_table_of_many_rows_cannot_honor_are_refused(given, tmp_path):
    ended = command("evaluate", "denoise-gray-fast", "--protocol", "robustness", "--data", tmp_path, *given)
    assert ended.status == 2 and ended.err.count("\n") == 1
    assert f"{given[0]}: robustness degrades its own images of 8 bits" in ended.err


def test_where_results_go_by_default(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def place(model, **how):
        return measure.default_place(model, "sets/photos", "rain-y", **how)

    assert place(run, ensemble=True) == run / "evaluation" / "rain-y-sets-photos-ensemble.json"
    assert place(run / "model.safetensors") == run / "evaluation" / "rain-y-sets-photos.json"
    assert place(run / "last.safetensors", seed=3) == run / "evaluation" / "last-rain-y-sets-photos-seed3.json"
    outside = Path("evaluation/shared-net-rain-y-sets-photos-bf16.json")
    assert place("shared/net.safetensors", precision="bf16") == outside
    assert place("net.safetensors", span=(0.0, 4095.0)).name == "net-rain-y-sets-photos-range0to4095.json"
    assert place("net.safetensors", channel="GFP").name == "net-rain-y-sets-photos-channel-GFP.json"
    assert len({place("net.safetensors", channel=name) for name in ("GFP2", "GFP 2", "GFP+2")}) == 3
    pairs = [Folders("set/clean", f"set/{name}", None, pattern) for name in ("a", "b") for pattern in (None, "*_in")]
    names = [measure.default_place("net.safetensors", each, "rain-y").name for each in pairs]
    assert names[0] == "net-rain-y-set-clean-a.json" and len(set(names)) == 4
    assert names[1] == "net-rain-y-set-clean-a-degraded-_in.json"
    others = [("s/gt", "a/noisy"), ("s/gt", "b/noisy"), ("s/gt", "s/noisy")]
    others += [("set", "set", "*_in"), ("set", "set", None, "*_in"), ("set", "set", "_in*"), ("set", "set", "_in")]
    others += [("set", "set", "*_[!a]"), ("set", "set", "*_[a]"), ("set", "set", "*_a")]
    names = [measure.default_place("net.safetensors", Folders(*each), "rain-y").name for each in others]
    assert len(set(names)) == len(others) and names[0] == "net-rain-y-s-gt-a-noisy.json"
    assert place("net.safetensors", channel="CD4+") != place("net.safetensors", channel="CD4")
    here = measure.default_place("net.safetensors", ".", "rain-y")
    assert here == Path(f"evaluation/net-rain-y-{tmp_path.name}.json")


def test_images_that_the_run_has_seen_are_said(run, photos, tmp_path):
    parts = json.loads((run / "images.json").read_text())
    sigma_50 = ("--protocol", "gray-awgn-50", "--json")
    ended = command("evaluate", run, *sigma_50, "--data", photos, "-o", tmp_path / "a.json")
    seen = {part: len(parts[part]) for part in ("train", "validation")}
    assert ended.json["seen"] == seen == json.loads((tmp_path / "a.json").read_text())["seen"]
    said = f"the model was trained on {seen['train']} and chose its weights by {seen['validation']} of the 7 images"
    assert said in ended.err
    # The content counts, not the name; other images, and weights apart from their run, have nothing to say.
    other = tmp_path / "other"
    other.mkdir()
    (other / "new-name.png").write_bytes((photos / parts["train"][0]).read_bytes())
    (other / "test.png").write_bytes((photos / parts["test"][0]).read_bytes())
    given = (*sigma_50, "--data", other, "-o", tmp_path / "b.json")
    assert command("evaluate", run, *given).json["seen"] == {"train": 1}
    assert command("evaluate", run / "model.safetensors", *given).json["seen"] == {"train": 1}
    shutil.copy(run / "model.safetensors", tmp_path / "alone.safetensors")
    assert "seen" not in command("evaluate", tmp_path / "alone.safetensors", *given).json
