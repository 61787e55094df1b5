"""Low resolution: right values by Pillow, constants, parts of a batch, settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clearer.core.errors import UserError
from clearer.degradations.registry import degradation_from_dict
from clearer.degradations.resampling import KERNELS
from clearer.degradations.resize import Resize
from clearer.evaluation.protocols import parse_protocol


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_is_pillow_twice() -> None:
    clean = torch.rand(1, 1, 30, 21, generator=chance())
    image = Image.fromarray(clean[0, 0].numpy())
    there = image.resize((7, 10), Image.Resampling.LANCZOS).resize((21, 30), Image.Resampling.BICUBIC)
    expected = torch.from_numpy(np.array(there)).clamp(0, 1)
    assert torch.allclose(Resize(3, down="lanczos", up="bicubic").apply(clean, chance())[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_constant_image_stays_and_factor_1_changes_nothing(kernel: str) -> None:
    constant = torch.full((3, 3, 17, 20), 0.4)
    assert torch.allclose(Resize((2, 4), down=kernel, up=kernel).apply(constant, chance()), constant, atol=1e-6)
    clean = torch.rand(2, 1, 9, 5, generator=chance())
    assert torch.equal(Resize(1, down=kernel, up=kernel).apply(clean, chance()), clean)


def test_each_image_draws_its_factor_and_kernels_also_in_parts() -> None:
    how = Resize((1.5, 6))
    clean = torch.rand(1, 3, 24, 24, generator=chance()).expand(40, 3, 24, 24)
    whole = how.apply(clean, chance(1))
    assert len({round(image.std().item(), 5) for image in whole}) > 20
    assert whole.min() >= 0 and whole.max() <= 1
    parts = [how.apply(clean[i : i + 20], chance(1), start=i, of=40) for i in (0, 20)]
    assert torch.equal(torch.cat(parts), whole)
    losses = [(Resize(f, down="area", up="bicubic").apply(clean[:1], chance()) - clean[:1]).std() for f in (1.5, 3, 6)]
    assert losses == sorted(losses)


def test_settings_and_protocols() -> None:
    how = Resize((1, 3), down=["area", "nearest"], up="lanczos")
    assert degradation_from_dict(how.to_dict()) == how and how.describe() == "images scaled down by 1 to 3 and back up"
    assert [how.at_level(share).factor for share in (0, 0.5, 1)] == [1, 2, 3]
    assert parse_protocol("resize-3").degradation == Resize(3, down="bicubic", up="bicubic")
    assert parse_protocol("resize-gray-1.5").channels == 1


@pytest.mark.parametrize(("name", "value"), [("factor", 0.5), ("factor", [3, 2]), ("down", "cubic"), ("up", [])])
def test_invalid_settings_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^degradation\.{name}: ") as caught:
        degradation_from_dict({"kind": "resize", name: value})
    assert "\n" not in str(caught.value)
