"""The verdict on a search: candidates, ranks, the comparison with chance, and the verb."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.files import write_text
from clearer.experiments.search_records import AgainstChance
from clearer.experiments.verdict import _digest, _refuse_other_length, verdict
from clearer.experiments.verdict_candidates import choose_candidates, training_plan
from clearer.experiments.verdict_page import judgement, redraw
from clearer.network.architecture import SearchSpace
from clearer.network.supernet import Supernet
from clearer.runs.layout import RunFolder
from clearer.training.checkpoints import load_checkpoint, save_checkpoint
from helpers.command import clearer, settings
from helpers.photos import NAMES, write_photos
from helpers.recipes import TINY

pytestmark = pytest.mark.slow  # whole pages, figures and verbs

SMALL = {**TINY, "network.scales": 3, "train.epochs": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verdict")
    write_photos(folder / "photos")
    where = ("--data", folder / "photos", "-o", folder / "run")
    outcome = clearer("search", "quickstart", *where, *settings(SMALL))
    assert outcome.status == 0, outcome.err
    return folder / "run"


def test_candidates_of_the_papers_space() -> None:
    space = SearchSpace()
    names = dict(choose_candidates(space.architecture("FPPF" * 3), 4))
    assert list(names) == ["chosen", "all parallel", "all fusion", "published", *(f"random {i}" for i in range(1, 5))]
    assert len(set(names.values())) == 8
    assert all(a.letters.count("F") == 8 for name, a in names.items() if name.startswith(("random", "published")))
    assert names == dict(choose_candidates(space.architecture("FPPF" * 3), 4))  # seeded


def test_nothing_is_trained_twice_where_names_coincide() -> None:
    space = SearchSpace(scales=2, modules_per_cell=2)
    found = choose_candidates(space.architecture("PP"), 4)
    assert [name for name, _ in found] == ["chosen", "all fusion", "random 1", "random 2"]
    assert len({a for _, a in found}) == len(found)


@pytest.mark.parametrize(
    ("letters", "extremes"),
    [("PS", ["all parallel"]), ("FS", ["all fusion"]), ("S", []), ("PFS", ["all parallel", "all fusion", "published"])],
)
def test_candidates_that_the_space_lacks_are_left_out(letters: str, extremes: list[str]) -> None:
    space = SearchSpace(scales=4, modules_per_cell=4, candidates=letters)
    found = choose_candidates(space.architecture(letters[-1] * 12), 3)
    randoms = [f"random {k}" for k in range(1, 4)] if len(letters) > 1 else []
    assert [name for name, _ in found] == ["chosen", *extremes, *randoms]
    assert all(set(architecture.choices) <= set(letters) for _, architecture in found)


@pytest.mark.long
def test_the_verb_ranks_trains_and_resumes(run: Path) -> None:
    command = ("verdict", run, "--patches", 8, "--random", 1, "--jobs", 1, "--set", "train.steps_per_epoch=2", "--json")
    outcome = clearer(*command)
    assert outcome.status == 0, outcome.err
    found = outcome.json
    ranking, rows = found["ranking"], found["training"]["rows"]
    assert ranking["scored"] == 16 and 1 <= ranking["rank"] <= 16 and ranking["rank_alike"] <= ranking["alike"]
    assert (ranking["rank"] == 1) == (ranking["best"] == found["chosen"])
    assert found["scored_on"] == "test"  # the search moved alpha by the validation images
    assert [row["name"] for row in rows[:1]] == ["chosen"] and all(len(row["psnr"]) == 2 for row in rows)
    assert all(row["psnr"][0] != row["psnr"][1] for row in rows)  # seeds differ
    assert found["cost"]["trainings_for_one_search"] > 0
    kept = json.loads((run / "verdict" / "verdict.json").read_text())
    space = SearchSpace(scales=3, modules_per_cell=2)
    assert set(kept["ranking"]["psnr"]) == {str(a) for a in space.all_architectures()}
    assert all(row["score"] == kept["ranking"]["psnr"][row["architecture"]] for row in rows)
    times = {path: path.stat().st_mtime_ns for path in run.rglob("result.json")}
    assert clearer(*command).json == found
    assert times == {path: path.stat().st_mtime_ns for path in run.rglob("result.json")}
    drawn = (run / "verdict" / "verdict.md").read_bytes()
    (run / "verdict" / "verdict.md").unlink()
    redraw(run / "verdict")
    assert (run / "verdict" / "verdict.md").read_bytes() == drawn


@pytest.mark.slow
def test_a_sample_without_trainings(run: Path, tmp_path: Path) -> None:
    command = ("verdict", run, "-o", tmp_path / "v", "--patches", 4, "--sample", 2, "--no-train", "--json")
    found = clearer(*command).json
    assert 2 <= found["ranking"]["scored"] < 16 and "training" not in found
    assert "seeded sample" in (tmp_path / "v" / "verdict.md").read_text()


@pytest.mark.parametrize(
    ("difference", "spread", "words"),
    [
        (0.5, 0.1, "better than chance"),
        (-0.5, 0.1, "worse than chance"),
        (0.34, 0.1, "indistinguishable from chance"),  # 3.18 * 0.1 * sqrt(1 + 1 / 4) is 0.36
        (0.5, 0.2, "indistinguishable from chance"),
        (0.5, None, "one random architecture cannot show"),
    ],
)
def test_the_judgement_follows_the_figures(difference: float, spread: float | None, words: str) -> None:
    chance: AgainstChance = {
        "random": 4, "random_better": 1, "difference": difference, "random_spread": spread, "seed_spread": 0.1
    }  # fmt: skip
    assert words in judgement(chance)


def test_one_seed_cannot_show_the_noise_between_seeds() -> None:
    chance: AgainstChance = {"random": 4, "random_better": 1, "difference": 1.0, "seed_spread": None}
    assert "cannot show the noise" in judgement(chance)


def test_faults_are_reported_in_one_line(run: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ((tmp_path,), "holds no finished search"),
        ((run, "--scale", "huge"), "scale of the trainings: 'huge' is not one of full, laptop"),
        ((run, "--statistics", "moving"), "statistics: 'moving' is not one of"),
    ):
        outcome = clearer("verdict", *arguments, "-o", tmp_path / "v")
        assert outcome.status == 2 and words in outcome.err and outcome.err.count("\n") == 1


def test_trainings_of_another_length_are_refused(run: Path, tmp_path: Path) -> None:
    """One that goes on with a higher rate is no equal of one that began with it."""
    recipe = RunFolder(run).read_recipe()
    plan = training_plan(recipe, Supernet(recipe.search_space).discretize(), 0, tmp_path)
    write_text(plan.run.recipe, plan.recipe.to_yaml())
    _refuse_other_length([plan])
    longer = dataclasses.replace(plan.recipe, train=dataclasses.replace(plan.recipe.train, epochs=7))
    with pytest.raises(UserError, match=r"was begun with train\.epochs=1, and 7 are asked for; choose another folder"):
        _refuse_other_length([dataclasses.replace(plan, recipe=longer)])


def test_the_former_name_of_the_scale_is_taken_with_a_note(run: Path, tmp_path: Path) -> None:
    outcome = clearer("verdict", run, "--budget", "huge", "-o", tmp_path / "v")
    assert "--budget is now called --scale" in outcome.err
    assert "scale of the trainings: 'huge' is not one of" in outcome.err


def test_kept_scores_of_version_0_1_are_of_the_same_supernet() -> None:
    supernet = Supernet(SearchSpace(width=2, scales=2, modules_per_cell=1))
    former = hashlib.sha256()
    for name, value in supernet.state_dict().items():
        former.update(name.replace("alpha", "logits").encode() + value.numpy().tobytes())
    assert _digest(supernet) == former.hexdigest()


def test_single_settings_are_keywords_of_the_function(run: Path, tmp_path: Path) -> None:
    small = {"patches": 4, "sample": 1, "random": 0, "train": False, "overrides": None}
    found = verdict(run, tmp_path / "v", **small, console=Console(quiet=True))
    assert (found["patches"], "training" in found) == (4, False)
    with pytest.raises(UserError, match="scale of the trainings: 'huge'"):
        verdict(run, tmp_path / "v", budget="huge")


@pytest.mark.slow
def test_networks_are_scored_on_the_test_images_that_are_given(run: Path, tmp_path: Path) -> None:
    """A search of Table 1 has none of its own: without some, it is scored on what moved alpha, which is said."""
    alone, out = tmp_path / "alone", tmp_path / "out"
    shutil.copytree(run, alone)
    recipe = (alone / "recipe.yaml").read_text().replace(f"folder: {run.parent / 'photos'}", "folder: null")
    for part, key, names in (("train", "train", NAMES[:2]), ("val", "validation", NAMES[2:3])):
        write_photos(tmp_path / part, names)
        recipe = recipe.replace(f"  {key}: null", f"  {key}: {tmp_path / part}", 1)
    (alone / "recipe.yaml").write_text(recipe)
    write_photos(tmp_path / "others", NAMES[3:])
    command = ("verdict", alone, "-o", out, "--patches", 8, "--sample", 2, "--no-train", "--json")
    before = clearer(*command)
    assert before.json["scored_on"] == "validation" and "--test FOLDER scores" in before.err
    after = clearer(*command, "--test", tmp_path / "others")
    assert after.status == 0 and after.json["scored_on"] == "test", after.err
    write_photos(tmp_path / "others", NAMES[:1])  # the search has seen it
    again = clearer(*command, "--test", tmp_path / "others")
    left_out = f"{tmp_path / 'others'}: 1 of 5 images show what training or validation images show: left out"
    assert left_out in again.err and again.json["gap"] == after.json["gap"]
    refused = clearer(*command, "--test", tmp_path / "val")
    assert refused.status == 2 and "all 1 images show what" in refused.err and refused.err.count("\n") == 1
    assert after.json["ranking"]["chosen_psnr"] != before.json["ranking"]["chosen_psnr"]
    side = after.json["patch"]
    assert (
        f"on 8 held-out patches of {side}x{side} pixels of test images ({tmp_path.name}/others)"
        in (out / "verdict.md").read_text()
    )


def test_scores_are_kept_for_these_architectures_and_this_supernet_alone(run: Path, tmp_path: Path) -> None:
    common = ("-o", tmp_path / "v", "--patches", 4, "--sample", 1, "--no-train", "--json")
    few = clearer("verdict", run, *common, "--random", 0).json["ranking"]
    more = clearer("verdict", run, *common, "--random", 4).json["ranking"]
    assert more["scored"] > few["scored"]
    other = shutil.copytree(run, tmp_path / "other")
    newest = max((other / "search" / "checkpoints").glob("step-*.safetensors"))
    state = load_checkpoint(newest.parent, print)
    assert state is not None
    for value in state["job"]["supernet"].values():
        value.mul_(1.5) if value.is_floating_point() else None
    save_checkpoint(newest.parent, state["step"], state)
    shaken = clearer("verdict", other, *common, "--random", 4).json["ranking"]
    assert shaken["chosen_psnr"] != more["chosen_psnr"]
