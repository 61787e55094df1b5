"""`Architecture` and `SearchSpace`: values that parse, print, hash, and refuse invalid input."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.network.architecture import NORMS, OPERATIONS, Architecture, SearchSpace

FIELDS = st.fixed_dictionaries(
    {
        "channels": st.sampled_from([1, 3, 4]),
        "width": st.integers(1, 64),
        "operations": st.sampled_from(OPERATIONS),
        "norm": st.sampled_from(NORMS),
        "residual": st.booleans(),
    }
)
CELLS = st.lists(st.text("PF", min_size=1, max_size=6), min_size=1, max_size=4)


def one_line(caught: pytest.ExceptionInfo[UserError]) -> str:
    message = str(caught.value)
    assert message and "\n" not in message
    return message


@settings(deadline=None, max_examples=60, derandomize=True)
@given(cells=CELLS, fields=FIELDS)
def test_round_trips(cells: list[str], fields: dict[str, Any]) -> None:
    architecture = Architecture(cells=tuple(cells), **fields)
    assert str(architecture) == "-".join(cells)
    for again in (
        Architecture.parse(str(architecture), **fields),
        Architecture.parse(f" {str(architecture).lower()}\n", **fields),
        Architecture.from_json(architecture.to_json()),
        Architecture.from_dict(json.loads(json.dumps(architecture.to_dict()))),
    ):
        assert again == architecture
        assert hash(again) == hash(architecture)
        assert again.digest == architecture.digest
    assert architecture.scales == len(cells) + 1
    assert architecture.multiple == 2 ** len(cells)
    assert architecture.widths == tuple(fields["width"] * 2**s for s in range(len(cells) + 1))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(cells=CELLS, fields=FIELDS, data=st.data())
def test_any_difference_changes_the_digest(cells: list[str], fields: dict[str, Any], data: st.DataObject) -> None:
    one = Architecture(cells=tuple(cells), **fields)
    other = Architecture(cells=tuple(data.draw(CELLS)), **data.draw(FIELDS))
    assert (one == other) == (one.digest == other.digest) == (one.to_json() == other.to_json())


def test_digest_is_the_same_on_every_machine_and_in_every_version() -> None:
    assert Architecture.parse("FPPF-FFFF-PFFP").digest == "3867f6844cd1"
    other = Architecture.parse("FPPF-FFFF-PFFP", channels=3, width=16, norm="none", residual=True)
    assert other.digest == "21f849790769"


def test_it_is_a_frozen_value() -> None:
    architecture = Architecture.parse("PF")
    with pytest.raises(dataclasses.FrozenInstanceError):
        architecture.width = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    "text", ["", "-", "PF-", "-PF", "PF--FP", "PX", "P F", "P\nF", "FPPF_FFFF", "P-P-P-P-P", "3", "é", "PF-FP\0"]
)
def test_text_that_is_no_architecture(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Architecture.parse(text)
    assert "architecture" in one_line(caught)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"channels": 0}, "network.channels"),
        ({"width": -1}, "network.width"),
        ({"operations": "paper"}, "network.operations"),
        ({"norm": "layer"}, "network.norm"),
    ],
)
def test_fields_out_of_range(fields: dict[str, Any], named: str) -> None:
    for make in (lambda: Architecture.parse("PF", **fields), lambda: SearchSpace(**fields)):
        with pytest.raises(UserError) as caught:
            make()
        assert one_line(caught).startswith(named)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"scales": 1}, "network.scales"),
        ({"scales": 6}, "network.scales"),
        ({"modules_per_cell": 0}, "network.modules_per_cell"),
    ],
)
def test_a_space_out_of_range(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError) as caught:
        SearchSpace(**fields)
    assert one_line(caught).startswith(named)


GOOD = Architecture.parse("PF-FP").to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        json.dumps(GOOD | {"color": 1}),
        json.dumps({k: v for k, v in GOOD.items() if k != "norm"}),
        json.dumps(GOOD | {"width": "32"}),
        json.dumps(GOOD | {"width": True}),
        json.dumps(GOOD | {"channels": 1.0}),
        json.dumps(GOOD | {"residual": 0}),
        json.dumps(GOOD | {"architecture": ["P", "F"]}),
        json.dumps(GOOD | {"architecture": "PQ"}),
    ],
)
def test_json_that_is_no_architecture(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Architecture.from_json(text)
    assert one_line(caught).startswith("architecture")


@settings(deadline=None, max_examples=40, derandomize=True)
@given(fields=FIELDS, scales=st.integers(2, 5), modules=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_a_space_and_its_architectures(fields: dict[str, Any], scales: int, modules: int, seed: int) -> None:
    space = SearchSpace(scales=scales, modules_per_cell=modules, **fields)
    architecture = space.random_architecture(seed)
    assert architecture == space.random_architecture(seed)
    assert architecture.space == space
    assert architecture.widths == space.widths
    assert space.architecture(architecture.choices) == architecture
    assert space.architecture(list(architecture.choices)) == architecture
    fusions = seed % (space.modules + 1)
    assert space.random_architecture(seed, fusions).choices.count("F") == fusions


def test_random_architectures_differ_and_use_both_letters_everywhere() -> None:
    drawn = [SearchSpace().random_architecture(seed).choices for seed in range(200)]
    assert len(set(drawn)) > 190
    for i in range(12):
        assert 60 < sum(letters[i] == "F" for letters in drawn) < 140


def test_all_architectures() -> None:
    everything = list(SearchSpace(scales=3, modules_per_cell=2).all_architectures())
    assert len(everything) == len(set(everything)) == 16
    assert (str(everything[0]), str(everything[-1])) == ("PP-PP", "FF-FF")


@pytest.mark.parametrize("letters", ["", "PF", "PFPFPFPFPFPFP", "PFPFPFPFPFPX"])
def test_letters_that_do_not_fit_the_space(letters: str) -> None:
    with pytest.raises(UserError) as caught:
        SearchSpace().architecture(letters)
    one_line(caught)


@pytest.mark.parametrize("fusions", [-1, 13])
def test_more_fusions_than_modules(fusions: int) -> None:
    with pytest.raises(UserError) as caught:
        SearchSpace().random_architecture(0, fusions)
    one_line(caught)


def test_uneven_cells_are_of_a_space_that_states_them() -> None:
    architecture = Architecture.parse("P-FFF", width=4)
    assert architecture.scales == 3
    assert architecture.space == SearchSpace(width=4, scales=3, modules_per_cell=(1, 3))
    assert architecture.space.modules == 4 and architecture.space.depths == (1, 3)
    assert architecture.space.architecture("PFFF") == architecture
    assert SearchSpace(scales=3, modules_per_cell=[2, 2]) == SearchSpace(scales=3, modules_per_cell=2)


def test_widths_may_be_stated_scale_by_scale() -> None:
    space = SearchSpace(scales=3, width=[8, 12, 16], modules_per_cell=1)
    assert space.widths == (8, 12, 16)
    architecture = space.architecture("PF")
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert SearchSpace(scales=3, width=[8, 16, 32]) == SearchSpace(scales=3, width=8)
    for wrong in ([8, 12], [8, 0, 16]):
        with pytest.raises(UserError, match=r"network\.width"):
            SearchSpace(scales=3, width=wrong)


def test_version_0_1_names() -> None:
    architecture = Architecture(cells=("PF", "FP"), width=4)
    assert architecture.choices == "PFFP"
    assert architecture.genotype == str(architecture) == "PF-FP"


@pytest.mark.parametrize("candidates", ["", "PP", "PX"])
def test_candidates_are_registered_letters_each_once(candidates: str) -> None:
    with pytest.raises(UserError, match=r"network\.candidates"):
        SearchSpace(candidates=candidates)


def test_candidates_are_stated_where_the_letters_do_not() -> None:
    space = SearchSpace(scales=2, modules_per_cell=2, candidates="PFS")
    plain = space.architecture("PF")
    assert plain.to_dict()["candidates"] == "PFS" and Architecture.from_json(plain.to_json()) == plain
    assert "candidates" not in space.architecture("PS").to_dict()  # its letters say it
    assert space.holds(Architecture.parse("PF")) and not space.holds(Architecture.parse("PFP"))
    assert len(list(space.all_architectures())) == 9
