"""Camera noise: clean without noise, more of it with ISO, as in a sensor, and the same for parts of a batch."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from clearer.core.errors import UserError
from clearer.degradations.camera.curves import ToneCurve
from clearer.degradations.camera.demosaic import demosaic, mosaic
from clearer.degradations.camera.kind import Camera
from clearer.degradations.camera.sensor import drawn_sensor, shot_of_iso
from clearer.degradations.registry import degradation_from_dict
from clearer.evaluation.protocols import parse_protocol


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def levels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=chance(3)).float() / 255


@pytest.mark.parametrize("channels", [1, 3])
def test_without_noise_an_8_bit_image_comes_back_bit_for_bit(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.degradations.camera.sensor.ELECTRONS", 1e14)
    clean = levels(12, channels, 21, 32)
    assert torch.equal(Camera(100).apply(clean, chance()), clean)


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_rises_with_iso(channels: int) -> None:
    clean = torch.rand(1, channels, 8, 8, generator=chance()).repeat_interleave(8, 2).repeat_interleave(8, 3)
    found = [(Camera(iso).apply(clean, chance()) - clean).std().item() for iso in (100, 400, 1600, 6400, 25600)]
    assert found == sorted(found) and found[-1] > 5 * found[0] > 0


def test_noise_of_the_sensor_has_the_variance_of_shot_and_read_noise() -> None:
    taken = drawn_sensor(1600, [0.5] * 13)
    for value in (0.0, 0.1, 0.5):
        noise = taken.noise(torch.full((500, 500), value), chance())
        expected = value * shot_of_iso(1600) + taken.read
        assert noise.mean().item() == pytest.approx(0, abs=4 * (expected / 250_000) ** 0.5)
        skewness = (noise**3).mean().item() / expected**1.5
        assert skewness == pytest.approx(value * shot_of_iso(1600) ** 2 / expected**1.5, abs=0.02)
        assert noise.var().item() == pytest.approx(expected, rel=0.02)


def test_values_of_the_sensor_are_light_by_gains_and_exposure() -> None:
    taken = drawn_sensor(100, [0.3] * 13)
    white = taken.raw(torch.ones(3, 1, 1)).flatten().tolist()
    assert white == pytest.approx([taken.exposure / gain for gain in taken.gains], rel=1e-5)
    assert taken.matrix.sum(1).tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("how", ["bilinear", "gradient"])
@pytest.mark.parametrize("phase", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_demosaicing_restores_what_is_linear_and_keeps_the_color_of_each_site(how: str, phase: tuple[int, int]) -> None:
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(10.0), indexing="ij")
    ramp = (2 * rows + 3 * columns + 1).expand(3, -1, -1).contiguous()  # gray: Malvar's correction expects edges there
    found = demosaic(mosaic(ramp, phase), phase, how, torch.eye(3))
    assert torch.allclose(found, ramp[:, 2:-2, 2:-2], atol=1e-4)
    any_color = torch.rand(3, 12, 10, generator=chance())
    seen = mosaic(any_color, phase)
    again = mosaic(demosaic(seen, phase, how, torch.eye(3)), phase)
    assert torch.allclose(again, seen[2:-2, 2:-2], atol=1e-6)


@pytest.mark.parametrize("curve", [ToneCurve(), ToneCurve(2.2), ToneCurve(0, 4, 0.3), ToneCurve(2.6, 3, 0.6)])
def test_a_tone_curve_and_its_inverse_cancel(curve: ToneCurve) -> None:
    values = torch.linspace(0, 1, 256)
    light = curve.to_light(values)
    assert (
        light[0] == pytest.approx(0, abs=1e-6)
        and light[-1] == pytest.approx(1, abs=1e-5)
        and bool((light.diff() > 0).all())
    )
    assert torch.allclose(curve.to_image(light), values, atol=1e-5)


def test_srgb_has_the_values_of_its_standard() -> None:
    assert ToneCurve().to_light(torch.tensor([0.04045, 0.5])).tolist() == pytest.approx([0.0031308, 0.214041], rel=1e-4)


def test_banding_moves_whole_rows_and_hot_pixels_are_few_and_bright() -> None:
    clean = torch.full((1, 3, 64, 64), 0.2)
    plain = Camera(12800, demosaic="bilinear", processed=0, scaled=0, banding=0, hot=0)
    without = plain.apply(clean, chance(1))
    banded = dataclasses.replace(plain, banding=1).apply(clean, chance(1)) - without
    assert banded.std() > 0.002 and banded.mean(3).std() > 0.8 * banded.std()
    hot = dataclasses.replace(plain, iso=50, hot=1)
    bright = torch.cat([hot.apply(clean, chance(seed)) for seed in range(20)]) - clean
    share = (bright.amax(1) > 0.2).float().mean().item()
    assert 0 < share < 0.005  # each spreads over its neighbors by demosaicing


def test_extras_leave_the_noise_of_the_sensor_as_it_is() -> None:
    clean = levels(12, 3, 16, 16)
    plain = Camera(400, processed=0, scaled=0, banding=0, hot=0)
    some = dataclasses.replace(plain, processed=0.4).apply(clean, chance(1))
    same = (some == plain.apply(clean, chance(1))).flatten(1).all(1)
    assert 0 < int(same.sum()) < 12


def test_processing_makes_noise_coarse_in_chroma() -> None:
    """Neighboring pixels become more alike, those of chroma most."""
    clean = torch.full((8, 3, 64, 64), 0.4)

    def likeness(noise: torch.Tensor) -> float:
        noise = noise - noise.mean((-2, -1), keepdim=True)
        return ((noise[..., 1:] * noise[..., :-1]).mean() / (noise**2).mean()).item()

    found = [
        Camera(6400, processed=share, scaled=0, banding=0, hot=0).apply(clean, chance(2)) - clean for share in (0, 1)
    ]
    luma = [likeness((noise * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)) for noise in found]
    chroma = [likeness(noise[:, 2] - noise[:, 1]) for noise in found]
    assert luma[1] > luma[0] + 0.05 and chroma[1] > chroma[0] + 0.1 and chroma[1] > luma[1]


def test_parts_of_a_batch_are_degraded_as_the_whole_is() -> None:
    how = Camera()
    clean = levels(6, 3, 17, 12)
    whole = how.apply(clean, chance(1))
    parts = [how.apply(clean[i : i + 2], chance(1), start=i, of=6) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(whole, how.apply(clean, chance(2)))
    assert how.apply(levels(1, 1, 1, 1), chance()).shape == (1, 1, 1, 1)
    assert torch.equal((whole * 255).round() / 255, whole)
    with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
        how.apply(torch.zeros(1, 2, 8, 8), chance())


def test_settings_make_a_round_trip() -> None:
    how = Camera((100, 6400), demosaic=["gradient"], processed=0.25, scaled=1, scale=1.5)
    assert degradation_from_dict(how.to_dict()) == how
    assert how.effect() == "camera noise of ISO 100 to 6400"
    assert [how.at_level(share).iso for share in (0, 0.5, 1)] == pytest.approx([100, 800, 6400])
    assert parse_protocol("camera-1600").degradation == Camera(1600, processed=0, scaled=0, banding=0, hot=0)
    assert parse_protocol("camera-gray-400").channels == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("iso", 0), ("iso", [400, 100]), ("demosaic", "nearest"), ("demosaic", []), ("processed", 2), ("scale", 9)],
)
def test_invalid_settings_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^degradation\.{name}: ") as caught:
        degradation_from_dict({"kind": "camera", name: value})
    assert "\n" not in str(caught.value)


def test_read_noise_is_seen_in_the_dark() -> None:
    plain = Camera(1600, processed=0, scaled=0, banding=0, hot=0)
    louder = dataclasses.replace(plain, read=4)

    def growth(value: float) -> float:
        clean = torch.full((8, 3, 32, 32), value)
        before, after = ((how.apply(clean, chance(1)) - clean).std().item() for how in (plain, louder))
        return after / before

    assert growth(0.05) > 1.3 > 1.1 > growth(0.8) >= 1


def test_specks_are_a_sparse_fine_noise() -> None:
    """A threshold leaves the strongest of the fine noise: its distribution has long tails."""
    clean = torch.full((8, 3, 64, 64), 0.5)
    plain = Camera(25600, processed=1, scaled=0, banding=0, hot=0)

    def tails(how: Camera) -> float:
        fine = (how.apply(clean, chance(2)) - clean).diff(dim=-1).diff(dim=-2)
        return ((fine**4).mean((1, 2, 3)) / (fine**2).mean((1, 2, 3)) ** 2).median().item()

    assert tails(dataclasses.replace(plain, specks=1)) > tails(plain) + 0.05
    assert "specks" not in plain.to_dict() and "read" not in plain.to_dict()


@pytest.mark.parametrize("size", [1, 2])
def test_the_smallest_images_stay_finite(size: int) -> None:
    camera = Camera(processed=1, specks=1)
    found = camera.apply(torch.full((2, 3, size, size), 0.5), torch.Generator().manual_seed(0))
    assert found.shape == (2, 3, size, size) and bool(found.isfinite().all())
