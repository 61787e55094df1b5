"""Images of Python: their range, their axes, masks, transparency and CMYK."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from clearer.core.errors import UserError
from clearer.inference.arrays import apply_to, is_beyond
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


@pytest.mark.parametrize("way", ["array", "masked", "tensor", "PIL"])
def test_the_warning_is_at_the_line_of_the_user(way: str) -> None:
    far = np.full((64, 64), 3, np.float32)
    kinds: dict[str, Any] = {
        "array": far,
        "masked": np.ma.masked_array(far, np.eye(64, dtype=bool)),
        "tensor": torch.from_numpy(far)[None],
        "PIL": Image.fromarray(far),
    }
    with pytest.warns(UserWarning, match="reach from 3 to 3") as caught:
        stand_in(1).restore(kinds[way])
    assert caught[0].filename == __file__


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


DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("of_torch", [False, True])
def test_a_range_holds_for_every_type_and_what_does_not_change_stays(
    dtype: str, of_torch: bool, strength: float
) -> None:
    low, high = (-100, 100) if dtype == "int8" else (0, 200) if dtype in ("uint8", "float16") else (0, 30000)
    if dtype.endswith(("32", "64")):
        low, high = (0 if dtype == "uint32" else -(10**9)), 2 * 10**9
    image = (UNIT * (high - low) + low).astype(dtype)
    given: Any = torch.from_numpy(image).permute(2, 0, 1) if of_torch else image
    found = stand_in(3, gain=0.5).restore(given, range=(low, high), strength=strength)
    assert found.dtype == given.dtype and found.shape == given.shape
    found = found.permute(1, 2, 0).numpy() if of_torch else found
    if strength == 0:
        assert np.array_equal(found, image)
    else:
        near = (
            0.51 if image.dtype.kind in "iu" and high < 10**6 else (high - low) * (1e-3 if dtype == "float16" else 1e-6)
        )
        assert np.abs(found.astype(np.float64) - (low + (image.astype(np.float64) - low) / 2)).max() <= near


def test_doubles_and_modes_of_floats_and_integers_keep_their_bits() -> None:
    exact = np.random.default_rng(0).random((20, 30))
    assert np.array_equal(stand_in(1).restore(exact, strength=0), exact)
    deep = Image.fromarray((exact * 10**9).astype(np.int32))
    for image, span in ((Image.fromarray(exact.astype(np.float32)), None), (deep, (0, 10**9))):
        found = stand_in(1).restore(image, strength=0, range=span)
        assert found.mode == image.mode and np.array_equal(np.asarray(found), np.asarray(image))
    assert stand_in(3).restore(Image.new("RGBX", (9, 8), (1, 2, 3, 4))).getpixel((0, 0)) == (1, 2, 3)


def test_bright_spots_are_no_noise() -> None:
    sky = (0.2 + 0.02 * RNG.standard_normal((96, 96))).astype(np.float32)
    for spot in (np.s_[40:43, 50:53], np.s_[40:41, 50:51]):
        image = sky.copy()
        image[spot] = 5
        assert "reach from" in warned(lambda image=image: stand_in(1).restore(image))[1][0]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (UNIT.astype(np.int32), r"range=\(low, high\)"),
        (UNIT > 0.5, "convert it first"),
        (torch.from_numpy(UNIT).to_sparse(), "a sparse or meta tensor"),
        (torch.empty(3, 9, 9, device="meta"), "a sparse or meta tensor"),
    ],
)
def test_what_cannot_be_restored_says_what_to_do(image: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        stand_in(3).restore(image)


@pytest.mark.parametrize("span", ["0,1", (0, 1, 2), 5, ("a", "b")])
def test_a_range_that_is_none_is_refused(span: Any) -> None:
    with pytest.raises(UserError, match="is not two numbers with the smaller one first"):
        stand_in(3).restore(UNIT, range=span)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
def test_a_pil_image_is_restored_as_it_is_shown_and_comes_back_as_it_is_stored(mode: str, orientation: int) -> None:
    channels = len(mode)
    pixels = np.random.default_rng(orientation).integers(1, 256, (7, 5, channels)).astype(np.uint8)
    image = Image.frombytes(mode, (5, 7), pixels.tobytes())
    exif = Image.Exif()
    exif[274] = orientation
    data = io.BytesIO()
    image.save(data, "PNG" if mode == "RGBA" else "JPEG", exif=exif)  # Pillow turns TIFF itself
    opened = Image.open(data)
    seen: list[np.ndarray] = []

    def darker_downwards(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape[-2:])
        return x * torch.linspace(1, 0.2, x.shape[-2])[:, None]

    found = apply_to(opened, darker_downwards)
    assert set(seen) == {(7, 5) if orientation < 5 else (5, 7)}
    assert found.size == (5, 7) and found.getexif()[274] == orientation
    wanted = apply_to(ImageOps.exif_transpose(opened), darker_downwards)
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(found)), np.asarray(wanted))
