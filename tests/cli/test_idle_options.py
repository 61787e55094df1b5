"""Options that change nothing beside the others are refused, or noted."""

from __future__ import annotations

import pytest

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
    "reproduce figures5-7 --rain800 pairs --sigma 50": "--sigma: is for noise, and no images get any; give --bsd500",
    "reproduce figures5-7 --rain800 pairs --protocol gray-awgn": "--protocol: is for noise, and no images get any",
    "reproduce figures5-7 --bsd500 photos --image a --images 2": "--image, --images: both say which images are shown",
    "reproduce figure8 --rain photos --precision bf16": "--precision bf16: is for networks, and none is compared",
    "compare-protocols nlm --also mine.py --data photos --precision bf16":
        "--device, --precision: are of trained models, and --also has methods of its own; leave them out",
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
