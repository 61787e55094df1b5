"""Recipes: read, checked key by key, overridden, written and read again; and the settings as published."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.config import build
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.jpeg import Jpeg
from clearer.degradations.none import NoDegradation
from clearer.degradations.rain import Rain
from clearer.evaluation.protocols import parse_protocol
from clearer.recipe.load import load_recipe, parse_override, read_mapping, recipe_from_dict, shipped_recipes
from clearer.recipe.schema import OptimizerSettings, Pairs, Recipe

NAMES = sorted(shipped_recipes())
MODELS = Path(__file__).parents[2] / "models"


def refused(value: Any, overrides: dict[str, Any] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        if overrides is None:
            recipe_from_dict(value)
        else:
            load_recipe(value, overrides)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def nested(key: str, value: Any) -> dict[str, Any]:
    """The least recipe with one dotted key set."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return {"name": "x"} | value


# Reading and writing


def test_the_least_recipe_is_all_defaults() -> None:
    recipe = recipe_from_dict({"name": "x"})
    assert recipe == Recipe(name="x")
    published = load_recipe("paper-denoise-50")
    assert recipe.network == published.network
    assert recipe.train.optimizer == published.train.optimizer
    assert (recipe.search.weights, recipe.search.alpha) == (published.search.weights, published.search.alpha)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_recipes_load_and_come_back_from_yaml(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.task and recipe.description
    assert recipe_from_dict(yaml.safe_load(recipe.to_yaml())) == recipe
    assert recipe_from_dict(recipe.to_dict()) == recipe
    fixed = ("-large", "-fast", "-standard", "-best", "-photo", "dejpeg", "microscopy")
    searched = not name.endswith(fixed) and not name.startswith("noisy-")
    assert (recipe.given is None) == searched
    assert recipe.space.scales == recipe.network.scales


def test_the_recipes_that_the_documentation_names_are_shipped() -> None:
    wanted = {"quickstart", "paper-denoise-30", "paper-denoise-50", "paper-denoise-70", "paper-derain"}
    assert wanted | {"denoise-gray", "derain", "pairs-gray", "pairs-color"} <= set(NAMES)


POSITIVE_FLOATS = st.floats(1e-300, 1e300)


SHARES = st.floats(0, 1)
DEGRADATIONS_OF_ANY_KIND = (
    st.just(NoDegradation())
    | st.builds(Gaussian, st.floats(0, 255) | st.tuples(st.floats(0, 50), st.floats(50, 255)), st.booleans())
    | st.builds(Rain, haze=st.tuples(SHARES, SHARES).map(sorted).map(tuple), share=SHARES)
    | st.builds(Jpeg, st.integers(1, 100) | st.tuples(st.integers(1, 50), st.integers(50, 100)))
)


@pytest.mark.slow
@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    seed=st.integers(0, 2**62),
    lr=POSITIVE_FLOATS,
    clip=st.none() | POSITIVE_FLOATS,
    betas=st.tuples(st.floats(0, 0.999999), st.floats(0, 0.999999)),
    degradation=DEGRADATIONS_OF_ANY_KIND,
    folders=st.builds(Pairs, st.text(max_size=9), st.text(max_size=9)) | st.none() | st.text(max_size=9),
    limit=st.none() | st.integers(1, 10**6),
    protocols=st.lists(st.sampled_from(["gray-awgn-50", "no", "1e3", "null"]), max_size=3),
)
def test_yaml_round_trip(
    name: str,
    seed: int,
    lr: float,
    clip: Any,
    betas: Any,
    degradation: Degradation,
    folders: Any,
    limit: Any,
    protocols: Any,
) -> None:
    base = Recipe(name=name, seed=seed)
    optimizer = OptimizerSettings(lr=lr, clip=clip, betas=list(betas))
    recipe = dataclasses.replace(
        base,
        data=dataclasses.replace(
            base.data,
            folder=folders,
            limit_test=limit,
            degradation=degradation,
        ),
        train=dataclasses.replace(base.train, optimizer=optimizer),
        evaluate=dataclasses.replace(base.evaluate, protocols=protocols),
    )
    assert recipe_from_dict(yaml.safe_load(recipe.to_yaml())) == recipe


def test_a_file_is_named_by_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 3\n", encoding="utf-8")
    assert load_recipe(path) == load_recipe(str(path)) == Recipe(name="mine", seed=3)
    path.write_text("name: other\nseed: 3\n", encoding="utf-8")
    assert load_recipe(path).name == "other"


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert "no such recipe file" in refused(path, {})
    broken = (b"{a: 1", b"a: b: c", b"\xff\xfe\x00", b"? [1]\n: 2\n", b"a: !!python/name:os.system 1")
    for content in (b"", b"- 1\n- 2\n", b"words", *broken):
        path.write_bytes(content)
        assert str(path) in refused(path, {})
    path.unlink()
    path.mkdir()
    assert str(path) in refused(path, {})


def test_unknown_recipe_names_the_nearest() -> None:
    message = refused("quikstart", {})
    assert "'quikstart'" in message and "did you mean 'quickstart'?" in message
    assert "paper-derain" in refused("zzz", {})


# Errors name the key's path


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("sede", "seed"),
        ("netwrok.width", "network"),
        ("network.widht", "width"),
        ("data.degradation.sigam", "sigma"),
        ("search.lamda_arch", "lambda_arch"),
        ("search.weights.learning_rate", None),
        ("train.optimizer.momentun", "momentum"),
    ],
)
def test_unknown_keys_name_the_nearest(key: str, near: str | None) -> None:
    message = refused(nested(key, 1))
    first_unknown = key if key != "netwrok.width" else "netwrok"
    assert message.startswith(f"{first_unknown}: no such setting")
    if near:
        assert f"did you mean '{near}'?" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 5),
        ("seed", 1.5),
        ("seed", "1"),
        ("seed", True),
        ("seed", None),
        ("seed", -1),
        ("device", "gpu"),
        ("device", "cuda:x"),
        ("precision", "fp16"),
        ("precision", True),
        ("checkpoint_minutes", 0),
        ("checkpoint_minutes", float("nan")),
        ("network", None),
        ("network", [1]),
        ("network.channels", 0),
        ("network.width", 0),
        ("network.width", "wide"),
        ("network.scales", 1),
        ("network.scales", 6),
        ("network.modules_per_cell", 0),
        ("network.operations", "paper"),
        ("network.norm", None),
        ("network.residual", "yes"),
        ("network.residual", 1),
        ("data.folder", 5),
        ("data.layout", "pair"),
        ("data.fractions", [0.5, 0.5]),
        ("data.fractions", [0.5, 0.5, 0.5]),
        ("data.fractions", [1.0, 0.0, 0.0]),
        ("data.fractions", 0.8),
        ("data.leaks", "keep"),
        ("data.limit_train", 0),
        ("data.limit_test", 2.0),
        ("data.degradation.kind", "fog"),
        ("data.degradation.sigma", -1),
        ("data.degradation.sigma", [50]),
        ("data.degradation.sigma", [50, 10]),
        ("data.degradation.sigma", [-1, 10]),
        ("data.degradation.sigma", "loud"),
        ("data.degradation.sigma", float("inf")),
        ("data.degradation.clip8", "true"),
        ("search.epochs", 0),
        ("search.epochs", 1e3),
        ("search.steps_per_epoch", -1),
        ("search.warmup_epochs", -1),
        ("search.batch", 1),
        ("search.patch", 60),
        ("search.lambda_arch", -0.1),
        ("search.lambda_comp", "x"),
        ("search.costs", "time"),
        ("search.weights.lr", -1),
        ("search.weights.momentum", 1),
        ("search.alpha.betas", [0.5]),
        ("search.alpha.clip", -1),
        ("train.patch", 4),
        ("train.batch", 0),
        ("train.loss", "mae"),
        ("train.average", 1.0),
        ("train.optimizer.kind", "lion"),
        ("train.optimizer.lr", 10**400),
        ("train.optimizer.betas", [0.9, 0.99, 0.999]),
        ("train.optimizer.weight_decay", -1e-9),
        ("train.validate_every", 0),
        ("train.validation_images", 0),
        ("train.validation_crop", -4),
        ("evaluate.protocols", "gray-awgn-50"),
        ("evaluate.samples", -1),
    ],
)
def test_wrong_types_and_ranges_name_the_key(key: str, value: Any) -> None:
    assert refused(nested(key, value)).startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("kind", "setting", "value"),
    [
        ("gaussian", "sigma", -1),
        ("gaussian", "sigma", [50]),
        ("gaussian", "sigma", [50, 10]),
        ("gaussian", "sigma", [-1, 10]),
        ("gaussian", "sigma", "loud"),
        ("gaussian", "sigma", float("inf")),
        ("gaussian", "clip8", "true"),
        ("rain", "angle", 5),
        ("rain", "angle", [10, -10]),
        ("rain", "length", [0, 5]),
        ("rain", "share", 1.5),
        ("jpeg", "quality", 0),
        ("jpeg", "quality", [10, 101]),
        ("jpeg", "quality", 10.5),
        ("jpeg", "quality", [90, 10]),
    ],
)
def test_wrong_settings_of_degradations_name_the_key(kind: str, setting: str, value: Any) -> None:
    message = refused(nested("data.degradation", {"kind": kind, setting: value}))
    assert message.startswith(f"data.degradation.{setting}: ")


def test_settings_of_another_kind_are_refused_with_the_kind_that_has_them() -> None:
    message = refused(nested("data.degradation", {"kind": "rain", "sigma": 5}))
    assert message.startswith("data.degradation.sigma: no such setting; it belongs to data.degradation.kind=gaussian")
    message = refused(nested("data.degradation", {"kind": "jpeg", "qualitty": 5}))
    assert message.startswith("data.degradation.qualitty: no such setting (did you mean 'quality'?)")
    message = refused(nested("data.degradation.kind", "gausian"))
    assert message.startswith("data.degradation.kind: 'gausian' is not one of") and "'gaussian'?" in message
    assert refused(nested("data.degradation.kind", ["rain"])).startswith("data.degradation.kind: ['rain'] is not one")


def test_a_kind_that_is_set_starts_from_its_own_defaults() -> None:
    changed = load_recipe("denoise-gray", {"data.degradation.kind": "jpeg"})
    assert changed.data.degradation == Jpeg()
    settings = {"data.degradation.angle": [0, 5], "data.degradation.kind": "rain"}
    assert load_recipe("denoise-gray", settings).data.degradation == Rain(angle=(0, 5))
    kept = load_recipe("denoise-gray", {"data.degradation.kind": "gaussian", "data.degradation.clip8": True})
    assert kept.data.degradation == Gaussian((0, 75), clip8=True)


@pytest.mark.parametrize(
    ("name", "changes", "protocols"),
    [
        ("denoise-gray", {"kind": "jpeg"}, ["jpeg-gray-10"]),
        ("denoise-gray", {"kind": "jpeg", "quality": [30, 60]}, ["jpeg-gray-30"]),
        ("denoise-color", {"kind": "camera"}, ["camera-1600"]),
        ("denoise-color", {"kind": "correlated"}, ["color-correlated-25"]),
        ("denoise-color", {"kind": "poisson-gaussian", "photons": 30}, ["color-poisson-30"]),
        ("denoise-gray", {"kind": "speckle"}, ["gray-speckle-10"]),
        ("denoise-gray", {"kind": "none"}, ["pairs-gray"]),
        ("denoise-gray", {"kind": "rain"}, []),
        ("derain", {"kind": "rain"}, ["rain-rgb"]),
        ("pairs-gray", {"kind": "gaussian", "sigma": [0, 30]}, ["gray-awgn-30"]),
        ("denoise-color", {"kind": "gaussian"}, ["color-awgn-15", "color-awgn-25", "color-awgn-50"]),
        ("denoise-color", {"sigma": 5}, ["color-awgn-15", "color-awgn-25", "color-awgn-50"]),
        ("denoise-gray", {"kind": "chain"}, ["gray-poisson-100", "jpeg-gray-50"]),
        ("denoise-gray", {"kind": "mixture", "parts": [
            {"share": 0.5, "kind": "gaussian", "sigma": 20}, {"share": 0.5, "kind": "jpeg", "quality": 20}]},
         ["gray-awgn-15", "gray-awgn-25", "gray-awgn-50", "jpeg-gray-20"]),
    ],
)  # fmt: skip
def test_a_kind_that_is_set_is_measured_by_its_own_protocols(
    name: str, changes: dict[str, Any], protocols: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = load_recipe(name).evaluate.protocols
    changes = {f"data.degradation.{key}": value for key, value in changes.items()}
    recipe = load_recipe(name, changes)
    assert recipe.evaluate.protocols == protocols
    assert all(parse_protocol(one).channels == recipe.network.channels for one in protocols)
    notes = [record.message for record in caplog.records]
    if protocols == before:
        assert notes == []
    else:
        assert len(notes) == 1 and notes[0].startswith("evaluate.protocols: ") and "\n" not in notes[0]
    kept = load_recipe(name, {**changes, "evaluate.protocols": before})
    assert kept.evaluate.protocols == before
    assert recipe_from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("name", "shape", "protocol", "shown"),
    [
        ("denoise-color", "motion", "blur-motion-2", None),
        ("denoise-color", "disk", "blur-disk-2", None),
        ("denoise-color", ["disk", "gaussian"], "blur-2", None),
        (
            "denoise-gray",
            "motion",
            "blur-gray-2",
            "blur-gray-2 shows blur of shape gaussian, and training shape motion",
        ),
    ],
)
def test_a_blur_is_measured_by_the_protocol_of_its_shape(
    name: str, shape: Any, protocol: str, shown: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = load_recipe(name, {"data.degradation.kind": "blur", "data.degradation.shape": shape})
    assert recipe.evaluate.protocols == [protocol]
    others = [record.message for record in caplog.records][1:]
    assert len(others) == (shown is not None) and all(str(shown) in line for line in others)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.optimizer.betas[1]", [0.9, 1.0]),
        ("search.alpha.betas[0]", ["a", 0.9]),
        ("evaluate.protocols[1]", ["gray-awgn-50", 50]),
        ("data.fractions[2]", [0.8, 0.1, None]),
    ],
)
def test_wrong_entries_of_lists_name_their_place(key: str, value: Any) -> None:
    assert refused(nested(key.split("[")[0], value)).startswith(f"{key}: ")


def test_missing_keys_are_named_by_their_path() -> None:
    assert refused(nested("data.train", {"degraded": "rain"})) == "data.train.clean: missing"
    assert refused(nested("data.folder", {"clean": "good"})) == "data.folder.degraded: missing"
    assert refused({}) == "name: missing"


def test_a_recipe_that_is_no_mapping() -> None:
    for value in ([], None, "x", 5):
        with pytest.raises(UserError, match="not a mapping"):
            build(Recipe, value)


def test_keys_that_are_not_text() -> None:
    for key in (5, None, True, (1, 2), "a\nb"):
        assert "no such setting" in refused({"name": "x", key: 1})


def test_values_from_zero_and_absent_values_are_taken() -> None:
    recipe = load_recipe(
        "quickstart",
        {
            "train.optimizer.warmup_epochs": 0,
            "search.warmup_epochs": 0,
            "search.lambda_arch": 0,
            "evaluate.samples": 0,
            "train.optimizer.clip": None,
            "train.validation_images": None,
        },
    )
    assert (recipe.train.optimizer.warmup_epochs, recipe.search.lambda_arch, recipe.evaluate.samples) == (0, 0.0, 0)
    assert recipe.train.optimizer.clip is None


def test_a_channel_may_be_written_as_a_number() -> None:
    assert load_recipe("denoise-gray", {"data.channel": 2}).data.channel == "2"
    assert load_recipe("denoise-gray", {"data.channel": "DAPI"}).data.channel == "DAPI"
    assert "data.channel" in refused("denoise-gray", {"data.channel": 2.5})


@pytest.mark.parametrize("written", ["010", "01", "1:30", "1e3", "2.50", "0x1F", "NO", "2024-11-29", "2024_11", "ab"])
def test_settings_that_are_text_stay_as_they_are_written(tmp_path: Path, written: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"data:\n  channel: {written}\n  train: [{written}, b]\n  test: {written}\nseed: 010\n")
    recipe = load_recipe(path)
    assert (recipe.data.channel, recipe.data.train, recipe.data.test) == (written, [written, "b"], written)
    assert recipe.seed == 8
    recipe = load_recipe("denoise-gray", dict([parse_override(f"data={{channel: {written}, test: {written}}}")]))
    assert (recipe.data.channel, recipe.data.test) == (written, written)
    pairs = parse_override(f"data.test={{clean: {written}, degraded: x}}")
    recipe = load_recipe("denoise-gray", dict([parse_override(f" data.channel = {written} "), pairs]))
    assert (recipe.data.channel, recipe.data.test) == (written, Pairs(written, "x"))
    (path := tmp_path / "stored.yaml").write_text(recipe.to_yaml())
    assert load_recipe(path).data == recipe.data


def test_text_in_quotes_and_nothing_are_read_as_yaml(tmp_path: Path) -> None:
    assert parse_override("data.channel='010'") == ("data.channel", "010")
    assert parse_override("data.channel=") == parse_override("data.channel=null") == ("data.channel", None)
    path = tmp_path / "own.yaml"
    path.write_text("x: &x {channel: 010}\ndata: {<<: *x, limit_test: &n 010, group: *n}\n")
    read = read_mapping(path)["data"]
    assert read == {"channel": "010", "limit_test": 8, "group": "010"}


def test_a_number_in_place_of_text_is_to_be_quoted() -> None:
    assert refused("denoise-gray", {"data.test": 2024}) == "data.test: 2024 is not of type str; put it in quotes"


def test_numbers_as_yaml_writes_them() -> None:
    """YAML reads 1e-3, with no point, as text; a whole number stands for a float; nothing stands for an int."""
    assert yaml.safe_load("1e-3") == "1e-3"
    recipe = recipe_from_dict(nested("train.optimizer.lr", "1e-3"))
    assert recipe.train.optimizer.lr == 1e-3
    noise = recipe_from_dict(nested("data.degradation", {"kind": "gaussian", "sigma": 50})).data.degradation
    assert noise == Gaussian(50.0) and isinstance(noise.to_dict()["sigma"], float)
    noise = recipe_from_dict(nested("data.degradation", {"kind": "gaussian", "sigma": [0, "75"]})).data.degradation
    assert noise == Gaussian((0.0, 75.0)) and noise.to_dict()["sigma"] == [0.0, 75.0]


def test_batch_of_one_without_batch_norm() -> None:
    value = nested("train.batch", 1) | {"network": {"norm": "none"}}
    assert recipe_from_dict(value).train.batch == 1
    assert refused(nested("train.batch", 1)).startswith("train.batch: ")


def test_augmentation_is_all_nothing_or_mirroring() -> None:
    for value in (True, False, "mirror"):
        assert recipe_from_dict(nested("data.augment", value)).data.augment is value
    assert refused(nested("data.augment", "mirrors")) == (
        "data.augment: 'mirrors' is not one of true, false, mirror (did you mean 'mirror'?)"
    )
    assert refused(nested("data.augment", 1)).startswith("data.augment: 1 is not one of true")


def test_seeds_are_what_torch_takes() -> None:
    assert refused(nested("seed", 2**64)).startswith("seed: ")
    assert refused(nested("train.seed", 2**63 - 1)).startswith("train.seed: ")


def test_devices() -> None:
    for device in ("auto", "cpu", "mps", "cuda", "cuda:3"):
        assert recipe_from_dict({"name": "x", "device": device}).device == device


# An architecture given by hand


def test_given_architecture() -> None:
    value = {"name": "x", "architecture": "PF-FF-P", "network": {"width": 8, "channels": 3, "norm": "none"}}
    given = recipe_from_dict(value).given
    assert given is not None
    assert (str(given), given.width, given.channels, given.norm) == ("PF-FF-P", 8, 3, "none")
    assert "make them agree" in refused(value | {"architecture": "PF-FF"})
    assert "PX" in refused(value | {"architecture": "PX-FF-P"})


def test_settings_of_the_network_beside_an_architecture_in_full_are_refused_unless_they_agree() -> None:
    text = "PP-PP-PPP-PP-PP@channels=1,width=8,norm=none,topology=unet"
    for overrides, words in (
        ({"network.width": 16}, "network.width: 16, but the architecture states 8"),
        ({"network.norm": "batch"}, "network.norm: 'batch', but the architecture states 'none'"),
        ({"network.channels": 3}, "network.channels: 3, but the architecture states 1"),
        ({"network.widht": 8}, "network.widht: no such setting (did you mean 'width'?)"),
        ({"network": 5}, "network: 5 is not a mapping"),
        ({"network": None}, "network: None is not a mapping"),
    ):
        assert refused("denoise-gray-fast", {"architecture": text, **overrides}).startswith(words)
    agreed = load_recipe("denoise-gray-fast", {"architecture": text, "network.width": 8, "network.channels": 1})
    assert agreed == load_recipe("denoise-gray-fast", {"architecture": text})


# Overrides


def test_overrides_replace_single_values() -> None:
    changed = load_recipe("paper-denoise-50", {"search.lambda_arch": 0.02, "network.width": 8, "seed": 7})
    before = load_recipe("paper-denoise-50")
    assert changed.search == dataclasses.replace(before.search, lambda_arch=0.02)
    assert changed.network == dataclasses.replace(before.network, width=8)
    assert changed.seed == 7
    assert changed.train == before.train
    assert load_recipe("paper-denoise-50") == before


def test_overrides_make_mappings_where_there_are_none() -> None:
    recipe = load_recipe("quickstart", {"data.train.clean": "a", "data.train.degraded": "b", "data.test": "c"})
    assert recipe.data.train == Pairs(clean="a", degraded="b")
    assert recipe.data.test == "c"
    over_text = load_recipe("quickstart", {"data.train": "t", "data.train.clean": "a", "data.train.degraded": "b"})
    assert over_text.data.train == Pairs(clean="a", degraded="b")


def test_wrong_overrides_name_the_key() -> None:
    message = refused("quickstart", {"search.lambda_arc": 1})
    assert message.startswith("search.lambda_arc: no such setting (did you mean 'lambda_arch'?)")
    message = refused("quickstart", {"serach.lambda_arch": 1})
    assert message.startswith("serach: no such setting (did you mean 'search'?)")
    assert refused("quickstart", {"seed.x": 1}).startswith("seed: ")
    assert refused("quickstart", {"search.batch": 0}).startswith("search.batch: ")
    assert refused("quickstart", {"data.train.clean": "a"}) == "data.train.degraded: missing"
    for key in ("", ".", "search.", ".seed"):
        assert "no such setting" in refused("quickstart", {key: 1})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=1.5", 1.5),
        ("a=1e-3", "1e-3"),
        ("a=true", True),
        ("a=null", None),
        ("a=", None),
        ("a=text", "text"),
        ("a=x=y", "x=y"),
        ("a=[0, 75]", [0, 75]),
        ("a={clean: c, degraded: d}", {"clean": "c", "degraded": "d"}),
        (" a = 5 ", 5),
        ("a=./some/folder", "./some/folder"),
    ],
)
def test_parse_override(text: str, value: Any) -> None:
    assert parse_override(text) == ("a", value)


@pytest.mark.parametrize("text", ["", "a", "a:1", "a=[1", "a={", "a=b: c: d"])
def test_overrides_that_are_not_key_and_value(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_override(text)
    assert str(caught.value).startswith(f"--set {text}: ") and "\n" not in str(caught.value)


def test_an_override_in_text_reaches_the_recipe() -> None:
    key, value = parse_override("train.optimizer.lr=1e-3")
    assert load_recipe("quickstart", {key: value}).train.optimizer.lr == 1e-3


# The published settings: method.md's facts, by hand

PAPER = ("paper-denoise-30", "paper-denoise-50", "paper-denoise-70", "paper-derain")


@pytest.mark.parametrize("name", PAPER)
def test_published_network_and_search(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.to_dict()["network"] == {
        "channels": 3 if name == "paper-derain" else 1,
        "width": 32,
        "scales": 4,
        "modules_per_cell": 4,
        "operations": "supplement",
        "norm": "batch",
        "residual": False,
        "unshuffle": 1,
        "candidates": "PF",
        "condition": "none",
    }
    search = recipe.search
    assert (search.epochs, search.steps_per_epoch, search.warmup_epochs) == (200, 50, 10)
    assert (search.batch, search.patch) == (32, 64)
    assert (search.lambda_arch, search.lambda_comp, search.costs) == (0.1, 0.0, "paper")
    assert (search.weights.kind, search.weights.lr, search.weights.lr_final) == ("sgd", 0.025, 0.001)
    assert (search.weights.momentum, search.weights.weight_decay, search.weights.clip) == (0.9, 3e-4, 5.0)
    assert (search.alpha.kind, search.alpha.lr, search.alpha.lr_final) == ("adam", 3e-4, 3e-4)
    assert (search.alpha.betas, search.alpha.weight_decay, search.alpha.clip) == ([0.5, 0.999], 1e-3, None)
    assert search.weights.warmup_epochs == search.alpha.warmup_epochs == 0
    assert recipe.architecture is None
    assert recipe.precision == "auto"


@pytest.mark.parametrize("name", PAPER)
def test_published_training(name: str) -> None:
    train = load_recipe(name).train
    derain = name == "paper-derain"
    assert (train.epochs, train.steps_per_epoch) == (2000 if derain else 1000, 100)
    assert (train.batch, train.patch, train.loss, train.average) == (32, 64, "mse", 0.0)
    assert train.optimizer == OptimizerSettings(
        kind="adam", lr=2e-3 if derain else 1e-2, lr_final=0.0, betas=[0.9, 0.999], weight_decay=0.0, clip=5.0
    )


@pytest.mark.parametrize("level", [30, 50, 70])
def test_published_noise(level: int) -> None:
    recipe = load_recipe(f"paper-denoise-{level}")
    noise = recipe.data.degradation
    assert noise == Gaussian(float(level), clip8=True) and noise.kind == "gaussian"
    assert recipe.evaluate.protocols == [f"clearer-gray-{level}"]


def test_published_rain() -> None:
    recipe = load_recipe("paper-derain")
    assert recipe.data.degradation.kind == "none"
    assert (recipe.data.layout, recipe.data.clean_side) == ("side-by-side", "left")
    assert recipe.evaluate.protocols == ["clearer-rain"]


# Settings of version 0.1

FORMER_RAIN = {
    "angle": [-45.0, 45.0], "length": [8.0, 48.0], "width": [0.8, 2.6], "density": [0.0005, 0.02],
    "brightness": [0.15, 0.8], "layers": [1.0, 3.0], "haze": [0.0, 0.0],
}  # fmt: skip


def formerly(kind: str, **settings: Any) -> dict[str, Any]:
    """All settings of a degradation that version 0.1 wrote into the recipe of a run folder."""
    rain = FORMER_RAIN | settings.pop("rain", {})
    return {"kind": kind, "sigma": 0.0, "clip8": False, "rain": rain, "share": 0.0} | settings


@pytest.mark.parametrize(
    ("former", "present"),
    [
        (formerly("none"), NoDegradation()),
        (formerly("none", sigma=[0.0, 75.0]), NoDegradation()),
        (formerly("gaussian", sigma=[0.0, 75.0]), Gaussian((0, 75))),
        (formerly("gaussian", sigma=30.0, clip8=True), Gaussian(30, clip8=True)),
        (formerly("rain", rain={"angle": [0.0, 5.0]}, share=0.2), Rain(angle=(0, 5), share=0.2)),
        ({"kind": "none", "sigma": 0.0, "clip8": False}, NoDegradation()),
    ],
)
def test_degradations_that_version_0_1_stored_are_read_silently(
    former: dict[str, Any], present: Degradation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "stored.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "data": {"degradation": former}}), encoding="utf-8")
    with caplog.at_level("WARNING"):
        assert load_recipe(path).data.degradation == present
        assert recipe_from_dict(nested("data.degradation", former)).data.degradation == present
    assert not caplog.records
    assert "rain" not in recipe_from_dict(nested("data.degradation", former)).to_dict()["data"]["degradation"]


@pytest.mark.parametrize("path", sorted(MODELS.rglob("recipe.yaml")), ids=lambda path: str(path.relative_to(MODELS)))
def test_recipes_of_shipped_models_are_read(path: Path) -> None:
    stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    recipe = load_recipe(path)
    assert recipe.data.degradation.kind == stored["data"]["degradation"]["kind"]
    assert recipe_from_dict(yaml.safe_load(recipe.to_yaml())) == recipe


def test_former_keys_work_with_a_note_that_names_the_present_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = load_recipe("derain", {"data.degradation.kind": "rain", "data.degradation.angle": [0, 5]})
    for key, value in (("data.degradation.rain.angle", [0, 5]), ("data.degradation.rain", {"angle": [0, 5]})):
        caplog.clear()
        with caplog.at_level("WARNING"):
            assert load_recipe("derain", {"data.degradation.kind": "rain", key: value}) == expected
        assert [r.getMessage() for r in caplog.records] == ["data.degradation.rain: is now called data.degradation"]
    path = tmp_path / "mine.yaml"
    path.write_text("data: {degradation: {kind: rain, rain: {angle: [0, 5]}}}\ntrain: {optimiser: {lr: 0.5}}\n")
    caplog.clear()
    with caplog.at_level("WARNING"):
        recipe = load_recipe(path, {"search.logits.lr": 0.25})
    assert recipe.data.degradation == Rain(angle=(0, 5))
    assert (recipe.train.optimizer.lr, recipe.search.alpha.lr) == (0.5, 0.25)
    assert [r.getMessage() for r in caplog.records] == [
        "train.optimiser: is now called train.optimizer",
        "data.degradation.rain: is now called data.degradation",
        "search.logits: is now called search.alpha",
    ]


def test_recipes_are_read_without_torch() -> None:
    code = "import sys, clearer.recipe.load as r; r.load_recipe('derain'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
