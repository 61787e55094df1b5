"""JPEG compression as a degradation: one file and one line of the registry suffice."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
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


def by_pillow(image: torch.Tensor, quality: int, **options: Any) -> torch.Tensor:
    """(C, H, W) in [0, 1] through Pillow's encoder, written and read as a user would."""
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[2] == 1 else pixels).save(
        file, format="jpeg", quality=quality, **options
    )
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


# Chroma subsampling, two compressions, the place of the block grid


@pytest.mark.parametrize("digits", [444, 422, 420])
def test_each_subsampling_is_pillows(digits: int) -> None:
    clean = gray_levels(2, 3, 20, 37)
    expected = [by_pillow(image, 40, subsampling=":".join(str(digits))) for image in clean]
    assert torch.equal(Jpeg(40, subsampling=digits).apply(clean, chance()), torch.stack(expected))


def test_a_list_of_subsamplings_is_drawn_from_for_each_image() -> None:
    clean = gray_levels(1, 3, 16, 16).expand(90, 3, 16, 16)
    by_digits = {name: by_pillow(clean[0], 30, subsampling=name) for name in ("4:4:4", "4:2:2")}
    found = Jpeg(30, subsampling=["4:4:4", 422]).apply(clean, chance())
    drawn = [next(name for name, one in by_digits.items() if torch.equal(image, one)) for image in found]
    assert 30 < drawn.count("4:4:4") < 60


def test_twice_is_a_compression_of_a_shifted_image_before_the_last() -> None:
    """Every shift occurs, and each is Pillow applied to a larger image, cropped, then to the crop."""
    clean = gray_levels(1, 1, 24, 24).expand(600, 1, 24, 24)
    found = Jpeg(60, twice=1, first_quality=20).apply(clean, chance())
    pixels = np.asarray((clean[0, 0] * 255).byte())
    shifted = {}
    for top in range(8):  # 8 more pixels are one more block of mirrored pixels
        for left in range(8):
            larger = torch.from_numpy(np.pad(pixels, ((top, 0), (left, 0)), mode="symmetric"))[None].float() / 255
            shifted[top, left] = by_pillow(by_pillow(larger, 20)[:, top:, left:], 60)
    drawn = [next(at for at, one in shifted.items() if torch.equal(image, one)) for image in found]
    assert set(drawn) == set(shifted)
    some = Jpeg(60, twice=0.5, first_quality=20).apply(clean, chance())
    once = sum(torch.equal(image, by_pillow(clean[0], 60)) for image in some)
    assert 250 < once < 350


def test_unaligned_blocks_begin_anywhere_and_aligned_ones_at_the_first_pixel() -> None:
    """At quality 1 a gray image becomes constant blocks: their edges show where they begin."""
    clean = torch.linspace(0, 1, 64).expand(200, 1, 32, 64)

    def first_edges(how: Jpeg) -> list[int]:
        steps = how.apply(clean, chance()).diff(dim=-1).abs().sum((1, 2))
        by_place = torch.stack([steps[:, place::8].sum(1) for place in range(8)])
        return ((by_place.argmax(0) + 1) % 8).tolist()

    assert set(first_edges(Jpeg(1))) == {0}
    assert set(first_edges(Jpeg(1, aligned=0))) == set(range(8))
    assert 100 < first_edges(Jpeg(1, aligned=0.5)).count(0) < 150


def test_all_settings_keep_parts_sizes_and_the_draws_of_the_quality() -> None:
    how = Jpeg((5, 90), subsampling=[444, 420], twice=0.5, first_quality=(10, 60), aligned=0.5)
    clean = gray_levels(6, 3, 12, 9)
    whole = how.apply(clean, chance(1))
    assert whole.shape == clean.shape
    parts = [how.apply(clean[i : i + 2], chance(1), start=i, of=6) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), whole)
    assert how.apply(gray_levels(1, 1, 1, 1), chance()).shape == (1, 1, 1, 1)
    # A single subsampling draws nothing, so that the qualities are those drawn before there was a choice.
    gray = gray_levels(9, 1, 8, 8)
    assert torch.equal(Jpeg((5, 90), subsampling=444).apply(gray, chance()), Jpeg((5, 90)).apply(gray, chance()))


def test_settings_are_stored_where_they_are_not_the_default() -> None:
    how = Jpeg(30, subsampling=[444, 420], twice=0.3, aligned=0)
    assert how.to_dict() == {"kind": "jpeg", "quality": 30, "subsampling": [444, 420], "twice": 0.3, "aligned": 0}
    assert degradation_from_dict(how.to_dict()) == how
    assert how.describe() == (
        "JPEG compression of quality 30, 4:4:4 or 4:2:0, 30% of the images twice (first 10 to 95), "
        "100% with a moved block grid"
    )


@pytest.mark.parametrize("stated", ["4:2:2", "'4:2:2'", "422"])
def test_yaml_may_write_subsampling_with_colons(stated: str) -> None:
    """YAML reads 4:2:2 as a number of base 60."""
    assert degradation_from_dict({"kind": "jpeg", "subsampling": yaml.safe_load(stated)}) == Jpeg(subsampling=422)
    several = yaml.safe_load(f"[{stated}, 444]")
    assert degradation_from_dict({"kind": "jpeg", "subsampling": several}) == Jpeg(subsampling=[422, 444])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subsampling", 411), ("subsampling", []), ("subsampling", "4:1:1"), ("subsampling", True),
        ("twice", 1.5), ("twice", -0.1), ("aligned", "yes"), ("first_quality", 0), ("first_quality", [50, 10]),
    ],
)  # fmt: skip
def test_invalid_settings_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^degradation\.{name}: ") as caught:
        degradation_from_dict({"kind": "jpeg", name: value})
    assert "\n" not in str(caught.value)


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
    assert parse_protocol("jpeg-444-10").degradation == Jpeg(10, subsampling=444)
    assert parse_protocol("jpeg-gray-twice-50").degradation == Jpeg(50, twice=1)
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
