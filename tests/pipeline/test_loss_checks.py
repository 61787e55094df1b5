"""Losses and teachers that do not fit the images, or the number of processes, are refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.experiments.budget_fit import settings_for
from clearer.experiments.published_search import published_within
from clearer.pipeline.loss_checks import check_losses, check_shares
from clearer.recipe.load import load_recipe
from clearer.training import distributed

NOISY = {"architecture": "PF-FF", "data.layout": "noisy"}
COLOR = {**NOISY, "network.channels": 3, "data.gray_share": 0.5}


def recipe(changes: dict[str, Any]) -> Any:
    return load_recipe("quickstart", {"data.degradation.kind": "none", "evaluate.protocols": [], **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.loss": "sure"}, r"train.loss: sure needs noisy images alone, whose noise is measured; choose another"),
        ({"train.loss": "neighbor2neighbor+sure", "data.layout": "pairs"}, r"^train.loss: neighbor2neighbor\+sure nee"),
        ({"teacher.stride": 2}, r"teacher.stride: 2, but a teacher learns from noisy images alone; leave it out"),
        ({"teacher.stride": 2, "data.layout": "pairs"}, r"teacher.stride: 2, but a teacher learns from noisy images"),
        ({**NOISY, "train.loss": "mse"}, r"train.loss: mse needs ground truth, and data.layout noisy has none"),
        ({**NOISY, "teacher.stride": 2, "teacher.loss": "mse"}, r"teacher.loss: mse needs ground truth, which a tea"),
        ({**NOISY, "teacher.stride": 2, "teacher.only": True}, r"train.loss: charbonnier needs .* with teacher.only"),
        ({**COLOR, "train.loss": "sure"}, r"data.gray_share: 0.5, but train.loss sure needs the noise of the images"),
        ({**COLOR, "teacher.stride": 2, "teacher.loss": "sure"}, r"data.gray_share: 0.5, but teacher.loss sure needs"),
        (
            {**NOISY, "train.loss": "sure", "data.degradation.kind": "gaussian"},
            r"data.degradation.kind: gaussian, but train.loss sure needs the noise of the images, which it changes",
        ),
    ],
)
def test_losses_that_do_not_fit_the_images_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check_losses(recipe(changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train.loss": "neighbor2neighbor"},
        {**NOISY, "train.loss": "sure"},
        {**NOISY, "teacher.stride": 2},
        {**NOISY, "teacher.stride": 2, "teacher.only": True, "train.loss": "neighbor2neighbor"},
        {**NOISY, "data.layout": "exposures", "train.loss": "noise2noise"},
        {**NOISY, "data.layout": "exposures", "train.loss": "noise2noise", "teacher.stride": 2},
        {**COLOR, "train.loss": "neighbor2neighbor"},
    ],
)
def test_losses_that_fit_are_not(changes: dict[str, Any]) -> None:
    check_losses(recipe(changes))
    check_shares(recipe({**changes, "network.norm": "batch"}))


def test_a_search_within_a_budget_refuses_them_first(tmp_path: Path) -> None:
    quiet, given = Console(quiet=True), {"train.loss": "sure", "data.folder": "photos"}
    for search in (
        lambda: settings_for("quickstart", tmp_path / "run", given, "2kmac", console=quiet),
        lambda: published_within("quickstart", tmp_path / "run", given, "2kmac", console=quiet),
    ):
        with pytest.raises(UserError, match=r"^train\.loss: sure needs noisy images alone"):
            search()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("world", "batch", "changes", "refused"),
    [
        (2, 4, {"train.loss": "neighbor2neighbor"}, True),
        (3, 12, {"train.loss": "sure"}, False),
        (3, 6, {"train.loss": "neighbor2neighbor+sure"}, True),
        (2, 4, {"train.loss": "sure", "network.norm": "none"}, False),
        (2, 4, {"train.loss": "noise2void"}, False),
        (2, 8, {"train.loss": "neighbor2neighbor"}, False),
        (1, 2, {"train.loss": "neighbor2neighbor"}, False),
        (2, 4, {"teacher.stride": 2}, True),
    ],
)
def test_processes_with_batch_norm_need_equal_shares(
    world: int, batch: int, changes: dict[str, Any], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "_members", (0, world))
    settings = recipe({**NOISY, "network.norm": "batch", "train.batch": batch, **changes})
    if not refused:
        return check_shares(settings)
    with pytest.raises(UserError, match=rf"^(train|teacher)\.loss .*: .* multiple of {4 * world}$") as caught:
        check_shares(settings)
    assert "\n" not in str(caught.value)
