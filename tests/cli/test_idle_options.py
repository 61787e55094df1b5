"""Options that change nothing beside the others are refused, or noted."""

from __future__ import annotations

import pytest
from PIL import Image

from helpers.command import clearer as command

REFUSED = {
    "fit quickstart --search-minutes 5 --show": "--search-minutes 5: is for a search with --budget; give a budget, or",
    "search quickstart --budget 50ms@1mp --search clearer --search-minutes 5 --show":
        "--search-minutes 5: --search clearer takes the steps of its recipe (search.epochs); leave it out",
    "verdict run --minutes 5": "--minutes: only for --space macro; leave it out",
    "verdict run --latency 50ms@1mp": "--latency: only for --space macro; leave it out",
    "verdict run --no-train --seeds 5": "--seeds: only for trainings, which --no-train leaves out; leave it out, too",
    "verdict run --no-train --scale laptop": "--scale: only for trainings, which --no-train leaves out",
    "verdict run --no-train --jobs 2": "--jobs: only for trainings, which --no-train leaves out",
    "verdict run --space macro --scale laptop": "--scale: only for --space genotype; leave it out",
    "verdict run --space macro --sample 2": "--sample: only for --space genotype; leave it out",
    "verdict run --space macro --patches 128": "--patches: only for --space genotype; leave it out",
    "verdict run --space macro --statistics batch": "--statistics: only for --space genotype; leave it out",
    "reproduce tables --rain800 pairs --sigma 50": "--sigma: is for noise, and no images get any; give --bsd500",
    "reproduce tables --bsd500 photos --rain-y": "--rain-y: is for rain, and no pairs are given; give --rain800",
    "reproduce tables --bsd500 photos --classical nlm --ensemble":
        "--ensemble: is for networks, and none is compared; add --models, or leave it out",
    "reproduce baselines --noise photos --sigma 50": "--sigma: is for noise, and no images get any; give --bsd500",
    "reproduce baselines --noise photos --seed 1": "--seed: is for test images, and there are none; give --bsd500",
    "reproduce figures5-7 --rain800 pairs --sigma 50": "--sigma: is for noise, and no images get any; give --bsd500",
    "reproduce figures5-7 --rain800 pairs --protocol gray-awgn": "--protocol: is for noise, and no images get any",
    "reproduce figures5-7 --bsd500 photos --image a --images 2": "--image, --images: both say which images are shown",
    "reproduce figure8 --rain photos --precision bf16": "--precision bf16: is for networks, and none is compared",
    "compare-protocols nlm --also mine.py --data photos --precision bf16":
        "--device, --precision: are of trained models, and --also has methods of its own; leave them out",
    "restore denoise-gray in.png -o - --skip-existing": "--skip-existing, -o -: stdout is no file that may exist",
    "restore denoise-gray in.png -o out.png --tile none --overlap full":
        "--overlap, --tile none: without tiles, nothing overlaps; leave out one of them",
    "evaluate denoise-gray-fast --protocol robustness --data photos --clean-pattern *_gt":
        "--clean-pattern: robustness degrades images itself; give --data FOLDER alone",
    "evaluate denoise-gray-fast --protocol robustness --clean a --degraded b":
        "--clean a: robustness degrades images itself; give --data FOLDER alone",
}  # fmt: skip


@pytest.mark.parametrize("line", REFUSED)
def test_options_that_change_nothing_are_refused(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command(*line.split())
    assert ended.status == 2 and ended.err.startswith(f"clearer: {REFUSED[line]}"), ended.err
    assert ended.err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_the_recipe_shown_beside_a_budget_is_noted_to_be_without_what_it_finds():
    ended = command("fit", "quickstart", "--budget", "50ms@1mp", "--show")
    assert ended.status == 0 and ended.out == command("fit", "quickstart", "--show").out
    assert ended.err == "note: --budget: --show prints the recipe without what that search finds\n"


def test_a_clean_side_of_images_that_have_none_is_refused(place):
    ended = command("doctor", "photos", "--clean-side", "right")
    assert ended.status == 2 and "--clean-side right: no image seems to be a pair side by side" in ended.err
    assert command("doctor", "photos", "--clean-side", "right", "--layout", "side-by-side").status == 0
    measure = ("evaluate", "gray.safetensors", "--data", "photos", "--clean-side", "right", "-o", "x.json")
    ended = command(*measure, "--protocol", "gray-awgn-50")
    assert ended.status == 2 and "--clean-side right: the images are no pairs side by side" in ended.err
    assert command(*measure, "--protocol", "pairs-gray", "--seed", 1).status == 0


def test_a_seed_changes_nothing_for_pairs_and_the_treatment_of_color_nothing_for_color_models(place):
    command_of_pairs = ("evaluate", "gray.safetensors", "--protocol", "pairs-gray", "--data", "photos", "--clean-side")
    note = "note: --seed: pairs-gray takes pairs as they are; it changes nothing\n"
    said = [command(*command_of_pairs, "left", "--seed", seed, "-o", "y.json").out for seed in (0, 1)]
    assert [note in text for text in said] == [False, True]
    note = "clearer: note: --color channels: is for gray models, and this one takes 3 channels; it changes nothing\n"
    (place / "two").mkdir()
    for name in ("a", "b"):
        Image.open("red.png").save(place / "two" / f"{name}.png")
    for model, times in (("color", 1), ("gray", 0)):
        ended = command("restore", f"{model}.safetensors", "two", "-o", f"out-{model}", "--color", "channels")
        assert ended.status == 0 and ended.err.count(note) == times, ended.err
