"""Images of Python: their range, their axes, masks, transparency and CMYK."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clearer.core.errors import UserError
from clearer.inference.arrays import is_beyond
from helpers.networks import stand_in

RNG = np.random.default_rng(0)
UNIT = RNG.random((40, 50, 3), np.float32) * 0.999 + 0.0005


def warned(call: Any) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    return found, [str(one.message) for one in caught]


@pytest.mark.parametrize(("image", "said"), [(UNIT * 10, "reach from 0.00"), (UNIT * 2 - 1, "reach from -0.99")])
@pytest.mark.parametrize("kind", [np.asarray, lambda x: torch.from_numpy(x).permute(2, 0, 1)])
def test_values_that_are_clipped_are_said_once(image: Any, said: str, kind: Any) -> None:
    restorer = stand_in(3)
    found, first = warned(lambda: restorer.restore(kind(image)))
    _, second = warned(lambda: restorer.restore(kind(image)))
    assert len(first) == 1 and said in first[0] and "range=(low, high)" in first[0] and not second
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_noise_and_integers_are_not_warned_about(level: float) -> None:
    noisy = (level + 0.4 * RNG.standard_normal((64, 64, 3))).astype(np.float32)
    assert not warned(lambda: stand_in(3).restore(noisy))[1]
    assert not is_beyond(torch.from_numpy(noisy).permute(2, 0, 1)[None])
    assert not warned(lambda: stand_in(3).restore((UNIT * 65535).astype(np.uint16)))[1]


@pytest.mark.parametrize(("low", "high"), [(0, 10), (-1, 1), (-1000.0, 3095.0), (0, 1e-3)])
def test_a_range_says_what_is_black_and_white(low: float, high: float) -> None:
    image = (UNIT * (high - low) + low).astype(np.float64)
    found, said = warned(lambda: stand_in(3, gain=0.5).restore(image, range=(low, high)))
    assert not said and found.dtype == np.float64
    assert np.abs(found - (low + (image - low) / 2)).max() < 1e-6 * (high - low)


def test_a_range_of_integers() -> None:
    image = (UNIT * 4095).astype(np.uint16)
    found = stand_in(3, gain=0.5).restore(image, range=(0, 4095))
    assert found.dtype == np.uint16 and np.array_equal(found, np.rint(image / 2).astype(np.uint16))
    for span in ((1, 0), (0, float("nan")), (2, 2)):
        with pytest.raises(UserError, match=r"range: .* is not two numbers with the smaller one first"):
            stand_in(3).restore(image, range=span)


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        (np.zeros((3, 80, 90), np.uint8), "90 channels where the model takes 3; arrays are (H, W, C)"),
        (np.zeros((1, 80, 90), np.uint8), "numpy.moveaxis(image, 0, -1)"),
        (torch.zeros(80, 90, 3), "80 channels where the model takes 3; tensors are (C, H, W)"),
        (torch.zeros(2, 80, 90, 3), "image.movedim(-1, -3)"),
    ],
)
def test_a_wrong_order_of_axes_is_named(image: Any, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        stand_in(3).restore(image)
    assert hint in str(caught.value)
    fixed = np.moveaxis(image, 0, -1) if isinstance(image, np.ndarray) else image.movedim(-1, -3)
    assert stand_in(3).restore(fixed).shape == fixed.shape


@pytest.mark.parametrize("channels", [0, 3])
def test_masked_values_stay_and_are_not_seen(channels: int) -> None:
    data = np.full((20, 30, channels) if channels else (20, 30), 0.5, np.float32)
    mask = np.zeros(data.shape, bool)
    mask[4:9, 6:11] = True
    data[mask] = np.nan
    image = np.ma.MaskedArray(data, mask=mask, fill_value=-9999)
    found = stand_in(channels or 1, gain=0.5).restore(image)
    assert isinstance(found, np.ma.MaskedArray) and np.array_equal(found.mask, mask) and found.fill_value == -9999
    assert np.isnan(found.data[mask]).all() and (found.data[~mask] == 0.25).all()
    assert found.mask is not image.mask and np.isnan(data[mask]).all()
    plain = stand_in(gain=0.5).restore(np.ma.MaskedArray(np.full((5, 5), 200, np.uint8)))
    assert plain.mask is np.ma.nomask and (plain.data == 100).all()
    hidden = np.ma.MaskedArray(data, mask=True)
    assert np.array_equal(stand_in(channels or 1).restore(hidden).data, data, equal_nan=True)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_and_what_it_hides_stay(mode: str) -> None:
    pixels = np.full((16, 20, len(mode)), 200, np.uint8)
    pixels[:4, :, -1], pixels[4:8, :, -1] = 0, 128
    pixels[:4, :, :-1] = 7
    image = Image.frombytes(mode, (20, 16), pixels.tobytes())
    image.info["icc_profile"] = b"profile"
    found = stand_in(len(mode) - 1, gain=0.5).restore(image)
    expected = pixels.copy()
    expected[4:, :, :-1] = 100
    assert found.mode == mode and np.array_equal(np.asarray(found), expected)
    assert found.info == {"icc_profile": b"profile"}


def test_colors_that_mean_transparent_become_alpha() -> None:
    palette = Image.fromarray((UNIT[:16, :16] * 255).astype(np.uint8)).quantize(16)
    palette.info["transparency"] = 3
    found = stand_in(3).restore(palette)
    assert found.mode == "RGBA" and "transparency" not in found.info
    assert np.array_equal(np.asarray(found), np.asarray(palette.convert("RGBA")))


def test_cmyk_is_restored_as_light() -> None:
    pixels = np.full((8, 9, 4), 55, np.uint8)
    found = stand_in(3, gain=0.5).restore(Image.frombytes("CMYK", (9, 8), pixels.tobytes()))
    assert found.mode == "CMYK" and (np.asarray(found) == 155).all()  # 255 - (255 - 55) / 2
