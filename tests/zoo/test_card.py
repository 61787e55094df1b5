"""The model card: typed, lenient with unknown values, and readable as a mapping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from clearer.core.errors import UserError
from clearer.core.files import with_present_keys
from clearer.network.architecture import Architecture
from clearer.zoo.card import CardResult, ModelCard, as_results
from clearer.zoo.card_text import card_lines, cost_line
from clearer.zoo.locate import find_models
from clearer.zoo.robustness_table import rows_for_card

RESULT = {"protocol": "gray-awgn-50", "psnr": 26.5, "ssim": 0.72, "input_psnr": 14.9, "images": 68}
STATED = {
    "task": "denoise",
    "degradation": {"kind": "gaussian", "sigma": [0.0, 75.0]},
    "steps": 600,
    "validation_psnr": 25,
    "results": [RESULT | {"data": "sets/bsd68", "ensemble": False, "seconds": 3.5}],
    "note": ["kept"],
}


@pytest.mark.parametrize("path", [file.path for file in find_models().values()], ids=list(find_models()))
def test_cards_of_pretrained_models_round_trip_without_unknown_keys(path: Path) -> None:
    with safe_open(path, "pt") as file:
        stated = json.loads(file.metadata()["card"])
    card = ModelCard.from_dict(stated)
    present = with_present_keys(stated)  # files of 0.1 have former keys
    assert card.to_dict() == present
    assert not card.extra and not any(result.extra for result in card.results)
    assert card["licence"] == card["license"] == card.license == present["license"]
    assert card["results"][0]["images"] == card.results[0].images == present["results"][0]["images"]


def test_a_card_is_typed_and_reads_as_a_mapping() -> None:
    card = ModelCard.from_dict(STATED)
    assert (card.task, card.steps, card.validation_psnr, card.seed) == ("denoise", 600, 25, None)
    assert card.results == (CardResult(**RESULT, data="sets/bsd68", ensemble=False, extra={"seconds": 3.5}),)
    assert card.extra == {"note": ["kept"]}
    assert dict(card) == card.to_dict() == STATED == card and card == STATED
    assert card == ModelCard.from_dict(json.loads(json.dumps(card.to_dict()))) != ModelCard()
    assert "task" in card and "limits" not in card and card.get("limits", "none") == "none"
    with pytest.raises(KeyError):
        card["limits"]
    assert ModelCard.from_dict(card) is card and ModelCard() == {}


def test_changing_a_value_read_from_a_card_does_not_change_the_card() -> None:
    card = ModelCard.from_dict(STATED)
    card["degradation"]["kind"] = "rain"
    card.to_dict()["note"].append("lost")
    assert card == STATED


@pytest.mark.parametrize(
    "odd",
    [
        {"task": 7},
        {"steps": True},
        {"steps": 1.5},
        {"degradation": "noise"},
        {"results": "good"},
        {"results": ["good"]},
        {"results": [{"psnr": 3.0}]},
        {"results": [RESULT | {"psnr": "high"}]},
        {"extra": {"a": 1}},
    ],
)
def test_values_of_unexpected_types_are_kept_as_extra(odd: dict[str, object]) -> None:
    card = ModelCard.from_dict(odd)
    assert card.to_dict() == odd and card.extra == odd
    assert (card.task, card.steps, card.degradation, card.results) == (None, None, None, ())


def test_results_that_lack_a_figure_are_refused() -> None:
    with pytest.raises(UserError, match=r"^results: no valid psnr, images; pass what clearer.evaluate returns$"):
        as_results([{key: value for key, value in RESULT.items() if key not in ("psnr", "images")}])


def test_the_card_as_text() -> None:
    text = "\n".join(card_lines(Architecture.parse("PF-FP", width=4, unshuffle=2), ModelCard.from_dict(STATED)))
    for line in (
        "| bsd68 | gray-awgn-50 | 68 | 14.90 | 26.50 | 0.7200 |",
        "Trained for 600 steps in not stated.",
        "Architecture PF-FP: supplement operations, width 4, batch norm, 2x2 pixel unshuffle.",
        "Weights: not stated.",
    ):
        assert line in text, line


@pytest.mark.parametrize(
    ("start", "line"),
    [
        (None, "Trained for 600 steps in bf16."),
        ("denoise-gray@2026-11", "Trained for 600 steps in bf16, starting from the weights in `denoise-gray@2026-11`."),
        (
            "runs/derain-1/model.safetensors",
            "Its last stage took 600 steps in bf16 and started from the weights in `runs/derain-1/model.safetensors`.",
        ),
    ],
)
def test_the_steps_of_a_run_that_starts_from_another_are_those_of_its_last_stage(start: str | None, line: str) -> None:
    architecture = Architecture.parse("PF-FP", width=4)
    assert cost_line(architecture, ModelCard(steps=600, precision="bf16", start=start)).endswith(f" per pixel. {line}")


def test_the_robustness_table_says_what_fails() -> None:
    def row(name: str, before: float, after: float, ffdnet: float | None, dead: bool = False) -> dict[str, Any]:
        return {"name": name, "input_psnr": before, "psnr": after, "ffdnet_psnr": ffdnet, "dead": dead, "images": 4}

    rows = [
        row("a:white-25", 20.171, 30.004, 30.5), row("a:camera", 20, 20.1, 26.789, dead=True),
        row("b:white-25", 20, 31, 30), row("b:clean", 100, 48, None),
    ]  # fmt: skip
    card = ModelCard(robustness={"rows": rows_for_card(rows)})
    assert ModelCard.from_dict(card.to_dict()) == card and not ModelCard.from_dict(card.to_dict()).extra
    text = "\n".join(card_lines(Architecture.parse("PF-FP", width=4), card))
    assert "| degradation | a: input | restored | FFDNet | b: input | restored | FFDNet |" in text
    assert "| white-25 | 20.17 | 30.00 | 30.50 | 20.00 | 31.00 | 30.00 |" in text
    assert "| camera | 20.00 | 20.10 (dead) | 26.79 |  |  |  |" in text
    assert "Dead on 1 of 4 rows (it gains less than 0.5 dB where FFDNet gains 2 dB or more): a:camera." in text
    assert "Behind FFDNet on 2 of 3 rows that are not clean." in text
    assert "## Robustness" not in "\n".join(card_lines(Architecture.parse("PF-FP", width=4), ModelCard()))


def test_a_card_says_what_bf16_changes() -> None:
    card = ModelCard.from_dict({"bf16": {"rms": 0.444, "largest": 2.82}})
    assert ModelCard.from_dict(card.to_dict()) == card and not card.extra
    text = "\n".join(card_lines(Architecture.parse("PF-FP", width=4), card))
    assert "results in bf16 differ from those in fp32 by 0.44 gray levels RMS, by 2.8 at most." in text
    assert "bf16" not in "\n".join(card_lines(Architecture.parse("PF-FP", width=4), ModelCard()))


ROW = {"name": "a:white-25", "input_psnr": 20, "psnr": 31.0, "ffdnet_psnr": None, "dead": False}


@pytest.mark.parametrize(
    "robustness",
    [
        {"note": "x"}, {"rows": 7}, {"rows": [3]}, {"rows": [{"name": "a:b"}]}, {"rows": [{**ROW, "psnr": None}]},
        {"rows": [{**ROW, "name": 4}]}, {"rows": {"a": ROW}}, {"rows": []},
    ],
)  # fmt: skip
def test_a_robustness_table_of_another_shape_is_left_out(robustness: dict[str, Any]) -> None:
    card = ModelCard.from_dict({"robustness": robustness})
    assert "## Robustness" not in card_lines(Architecture.parse("PF-FP", width=4), card)
    assert card.robustness == robustness  # stated still
    assert "## Robustness" in card_lines(Architecture.parse("PF-FP", width=4), ModelCard(robustness={"rows": [ROW]}))


@pytest.mark.parametrize("bf16", [{"rms": 0.4}, {"largest": 2.8}, {"rms": "0.4", "largest": None}, {"note": "x"}])
def test_an_incomplete_statement_on_bf16_is_left_out(bf16: dict[str, Any]) -> None:
    lines = card_lines(Architecture.parse("PF-FP", width=4), ModelCard.from_dict({"bf16": bf16}))
    assert "bf16" not in "\n".join(lines)
