"""JPEG compression as a degradation: one file and one line of the registry suffice."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from clearer.core.errors import UserError
from clearer.degradations.jpeg import Jpeg
from clearer.degradations.registry import degradation_from_dict
from clearer.deploy.quantize import read_calibration
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.metrics import psnr
from clearer.evaluation.protocols import parse_protocol
from clearer.pipeline.fit import fit
from clearer.zoo.card import ModelCard
from helpers.photos import photograph


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gray_levels(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=chance(seed)).float() / 255


def by_pillow(image: torch.Tensor, quality: int) -> torch.Tensor:
    """(C, H, W) in [0, 1] through Pillow's encoder, written and read as a user would."""
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[2] == 1 else pixels).save(file, format="jpeg", quality=quality)
    decoded = np.asarray(Image.open(file)).reshape(pixels.shape)
    return torch.from_numpy(decoded.copy()).permute(2, 0, 1).float() / 255


@given(
    channels=st.sampled_from([1, 3]), height=st.integers(1, 40), width=st.integers(1, 40), quality=st.integers(1, 100)
)
def test_it_is_pillows_encoder(channels: int, height: int, width: int, quality: int) -> None:
    clean = gray_levels(2, channels, height, width)
    before = clean.clone()
    found = Jpeg(quality).apply(clean, chance())
    assert torch.equal(found, torch.stack([by_pillow(image, quality) for image in clean]))
    assert torch.equal(clean, before)


def test_a_quality_is_drawn_for_each_image_from_the_whole_range() -> None:
    clean = gray_levels(1, 1, 16, 16).expand(200, 1, 16, 16)
    by_quality = {quality: by_pillow(clean[0], quality) for quality in (20, 21, 22)}
    found = Jpeg((20, 22)).apply(clean, chance())
    drawn = [next(q for q, expected in by_quality.items() if torch.equal(image, expected)) for image in found]
    assert set(drawn) == {20, 21, 22} and min(drawn.count(q) for q in by_quality) > 40
    assert torch.equal(found, Jpeg((20, 22)).apply(clean, chance()))
    assert not torch.equal(found, Jpeg((20, 22)).apply(clean, chance(1)))


def test_parts_of_a_batch_get_the_qualities_of_the_whole() -> None:
    clean = gray_levels(6, 3, 12, 9)
    parts = [Jpeg((5, 90)).apply(clean[i : i + 2], chance(1), start=i, of=6) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), Jpeg((5, 90)).apply(clean, chance(1)))


def test_lower_quality_is_farther_from_the_clean_image_and_values_stay_in_range() -> None:
    clean = torch.from_numpy(photograph("camera.png", 64)).permute(2, 0, 1)[None].float() / 255
    values = [psnr(Jpeg(quality).apply(clean, chance()), clean).item() for quality in (5, 20, 50, 90)]
    assert values == sorted(values) and values[0] < 30 < values[-1]
    outside = Jpeg(50).apply(clean * 3 - 1, chance())
    assert outside.min() >= 0 and outside.max() <= 1
    assert Jpeg(50).apply(clean.bfloat16(), chance()).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
        Jpeg(50).apply(torch.zeros(1, 2, 8, 8), chance())


@pytest.mark.parametrize("quality", [0, 101, -5, 10.5, (10, 101), (50, 10), (1, 2, 3), "10", True, None, float("nan")])
def test_invalid_qualities_are_refused(quality: Any) -> None:
    with pytest.raises(UserError, match=r"^quality: ") as caught:
        Jpeg(quality)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"^degradation\.quality(\[\d\])?: "):
        degradation_from_dict({"kind": "jpeg", "quality": quality})


def test_a_card_states_it_in_values_and_in_words() -> None:
    how = Jpeg((10, 95))
    assert how.to_dict() == {"kind": "jpeg", "quality": [10, 95]}
    assert degradation_from_dict(how.to_dict()) == ModelCard(degradation=how.to_dict()).trained_on() == how
    assert how.describe() == "JPEG compression of quality 10 to 95, 4:2:0"
    assert Jpeg(7).effect() == "JPEG compression of quality 7"
    assert [how.at_level(share) for share in (0, 0.5, 1)] == [Jpeg(10), Jpeg(52), Jpeg(95)]
    assert how.noise_levels() is None and not how.needs_pairs and not how.replaces


# Protocols


def test_its_protocols_are_known() -> None:
    color, gray = parse_protocol("jpeg-10"), parse_protocol("jpeg-gray-30")
    assert (color.channels, color.degradation, color.crop, color.luma) == (3, Jpeg(10), 1, False)
    assert (gray.channels, gray.degradation) == (1, Jpeg(30))
    assert color.sigma is None and not color.needs_pairs and color.shows == "jpeg"
    for name, near in (("jpeg-0", "jpeg-10"), ("jpeg-101", "jpeg-10"), ("jpg-40", "jpeg-40"), ("jpeg-12.5", "jpeg-10")):
        with pytest.raises(UserError, match=f"did you mean '{near}'.*jpeg-Q.*Q a JPEG quality from 1 to 100"):
            parse_protocol(name)


@pytest.mark.parametrize(("protocol", "mode"), [("jpeg-10", "RGB"), ("jpeg-gray-10", "L")])
def test_a_protocol_measures_the_compression(tmp_path: Path, protocol: str, mode: str) -> None:
    expected = []
    for k, name in enumerate(("camera.png", "moon.png")):
        image = Image.fromarray(photograph(name, 50)[..., 0]).convert(mode)
        image.save(tmp_path / f"{k}.png")
        pixels = np.asarray(image).reshape(50, 50, -1)
        clean = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
        expected.append(psnr(by_pillow(clean, 10)[None], clean[None]).item())
    result = evaluate(lambda x: x, tmp_path, protocol)
    assert [score["psnr"] for score in result.per_image] == pytest.approx(expected, abs=1e-5)
    assert result.input_psnr == result.psnr and result.protocol == protocol
    assert evaluate(lambda x: x, tmp_path, protocol, seed=1).psnr == result.psnr  # nothing is random in it


# The rest of the program


@pytest.mark.slow
def test_a_network_is_trained_evaluated_and_calibrated_for_it(
    photos: Path, tiny: dict[str, Any], tmp_path: Path
) -> None:
    change = tiny | {
        "data.folder": str(photos),
        "data.degradation.kind": "jpeg",
        "data.degradation.quality": [5, 20],
        "architecture": "PF",
        "train.epochs": 1,
        "train.steps_per_epoch": 1,
        "evaluate.protocols": ["jpeg-gray-10"],
    }
    run = fit("quickstart", tmp_path / "run", change, console=Console(quiet=True))
    assert run.result["protocols"]["jpeg-gray-10"]["images"] >= 1
    card = run.restorer().card
    assert card["degradation"] == {"kind": "jpeg", "quality": [5, 20]}
    calibration = read_calibration(photos, card, 1)
    ((degraded, truth),) = calibration.held_out
    expected = Jpeg(12).apply(torch.from_numpy(truth), chance())
    assert np.array_equal(degraded, expected.numpy())
    again = fit("quickstart", tmp_path / "run", change, console=Console(quiet=True))  # the stored recipe is the same
    assert again.result["train"] == run.result["train"]
