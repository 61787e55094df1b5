"""Batches of patches."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.data.patches import PatchSampler
from clearer.data.variety import Variety, softened
from clearer.degradations.base import Degradation
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.none import NoDegradation
from clearer.degradations.registry import degradation_from_dict
from clearer.noise.model import NoiseModel
from clearer.recipe.load import load_recipe


def _sampler(
    images: list, patch: int = 8, augment: bool | str = False, batch: int = 16, **noise: object
) -> PatchSampler:
    degradation = degradation_from_dict(noise)
    return PatchSampler(
        images,
        patch=patch,
        batch=batch,
        degradation=degradation,
        variety=Variety(augment),
        seed=3,
        device=torch.device("cpu"),
    )


def _numbered(height: int, width: int, channels: int, start: int) -> np.ndarray:
    return ((np.arange(height * width * channels) * 7 + start) % 251).astype(np.uint8).reshape(height, width, channels)


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 20), st.integers(8, 20), st.sampled_from([1, 3]), st.booleans())
def test_every_patch_is_cut_from_an_image_up_to_a_symmetry(h: int, w: int, channels: int, augment: bool) -> None:
    images = [_numbered(h, w, channels, 0), _numbered(w + 1, h, channels, 100)]
    degraded, clean = _sampler([(p, None) for p in images], augment=augment).draw()
    assert torch.equal(degraded, clean) and clean.shape == (16, channels, 8, 8)
    windows = set()
    for p in images:
        for y in range(p.shape[0] - 7):
            for x in range(p.shape[1] - 7):
                windows.add(p[y : y + 8, x : x + 8].tobytes())
    for patch in (clean * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy():
        shapes = [patch] if not augment else [np.rot90(f, k) for f in (patch, patch[:, ::-1]) for k in range(4)]
        assert any(np.ascontiguousarray(s).tobytes() in windows for s in shapes)


def test_both_images_of_a_pair_get_the_same_patch_and_symmetry() -> None:
    clean = _numbered(30, 40, 3, 0)
    x, y = _sampler([(clean, 255 - clean)], augment=True).draw()
    assert torch.allclose(x + y, torch.ones_like(x), atol=1e-6)


def test_the_whole_image_is_reached() -> None:
    image = np.zeros((10, 9, 1), np.uint8)
    seen = torch.zeros(10, 9)
    sampler = _sampler([(image, None)], patch=2, batch=64)
    sampler.clean = torch.arange(90) % 256
    sampler.clean = sampler.clean.to(torch.uint8)
    for _ in range(20):
        for value in (sampler.draw()[1] * 255).round().long().flatten().tolist():
            seen.view(-1)[value] = 1
    assert seen.min() == 1


def test_a_resumed_sampler_continues_where_the_other_stopped() -> None:
    images = [(_numbered(20, 20, 1, 0), None)]
    a = _sampler(images, kind="gaussian", sigma=25.0, augment=True)
    a.draw()
    b = _sampler(images, kind="gaussian", sigma=25.0, augment=True)
    b.load_state_dict({k: v.clone() for k, v in a.state_dict().items()})
    for left, right in zip(a.draw(), b.draw(), strict=True):
        assert torch.equal(left, right)


def test_noise_has_the_requested_level() -> None:
    image = np.full((64, 64, 1), 128, np.uint8)
    x, y = _sampler([(image, None)], patch=64, kind="gaussian", sigma=50.0).draw()
    assert (x - y).std().item() * 255 == pytest.approx(50, rel=0.02)


@pytest.mark.parametrize(
    ("paired", "channels", "augment", "degradation", "expected"),
    [
        (False, 1, True, Gaussian((5, 50), True), ("dfba76b2fc9c0707", "3bd1a6a72813bba8")),
        (True, 3, True, NoDegradation(), ("d169fe33508cf632", "b12553d45440a4a6")),
        (False, 3, False, Gaussian(25.0), ("8fc69172af483389", "d1c158d4ad1e7535")),
    ],
)
def test_a_seed_gives_the_patches_that_it_always_gave(
    paired: bool, channels: int, augment: bool, degradation: Degradation, expected: tuple[str, str]
) -> None:
    images = [_numbered(20, 31, channels, 0), _numbered(40, 17, channels, 100)]
    made = {"patch": 16, "batch": 4, "degradation": degradation, "variety": Variety(augment), "seed": 3}
    pairs = [(p, 255 - p if paired else None) for p in images]

    def sampler(**part: tuple[int, int]) -> PatchSampler:
        one = PatchSampler(pairs, **made, **part, device=torch.device("cpu"))  # type: ignore[arg-type]
        one.draw()
        return one

    whole = sampler().draw()
    digests = [
        hashlib.sha256((part * 255).round().to(torch.int16).contiguous().numpy().tobytes()).hexdigest()[:16]
        for part in whole
    ]
    assert tuple(digests) == expected
    # Two processes draw the two halves of it, and end with the same generators.
    halves = [sampler(part=(k, 2)) for k in range(2)]
    for both, batch in zip(zip(*(half.draw() for half in halves), strict=True), whole, strict=True):
        assert torch.equal(torch.cat(both), batch)
    assert all(torch.equal(a, b) for a, b in zip(*(half.state_dict().values() for half in halves), strict=True))


def test_mirrored_patches_stay_upright() -> None:
    """Every patch is its image or that image's mirror image, and both come."""
    image = np.arange(8 * 8, dtype=np.uint8).reshape(8, 8, 1)
    _, clean = _sampler([(image, None)], augment="mirror", batch=32).draw()
    seen = {tuple(patch.flatten().tolist()) for patch in (clean * 255).round().byte()}
    assert seen == {tuple(form.flatten().tolist()) for form in (image, image[:, ::-1])}


def test_a_sampler_resumes_repeatably_from_the_state_of_another_kind_of_device() -> None:
    """A CUDA generator's state is 16 bytes, which no CPU generator takes."""
    images = [(_numbered(20, 20, 1, 0), None)]
    a, b, c = (_sampler(images, kind="gaussian", sigma=25.0) for _ in range(3))
    a.draw()
    state = {**a.state_dict(), "noise": torch.zeros(16, dtype=torch.uint8)}
    b.load_state_dict(state), c.load_state_dict(state)
    (_, clean), (noisy, same), (again, _) = a.draw(), b.draw(), c.draw()
    assert torch.equal(clean, same) and torch.equal(noisy, again) and not torch.equal(noisy, clean)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([np.uint8, np.uint16, np.float32]), st.integers(0, 2**32 - 1), st.booleans())
def test_patches_have_the_values_of_their_depth(dtype: type, seed: int, augment: bool) -> None:
    generator = np.random.default_rng(seed)
    white = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    images = [(generator.random((9, 12, 1)) * white).astype(dtype) for _ in range(4)]
    degraded, clean = _sampler([(images[0], images[1]), (images[2], images[3])], augment=augment).draw()
    known = {np.float32(value) for image in images for value in (image.astype(np.float32) / np.float32(white)).flat}
    assert set(clean.numpy().flat) | set(degraded.numpy().flat) <= known


def test_sixteen_bits_stay_sixteen_bits_in_memory() -> None:
    image = np.array([[0, 1], [32768, 65535]], np.uint16)[:, :, None]
    sampler = _sampler([(image, None)], patch=2)
    assert sampler.clean.element_size() == 2
    assert sampler.draw()[1][0].flatten().tolist() == pytest.approx([0, 1 / 65535, 32768 / 65535, 1], abs=1e-7)


def test_a_span_maps_its_levels_to_zero_and_one_without_clipping() -> None:
    image = np.array([[100, 600], [1100, 2100]], np.uint16)[:, :, None]
    made = {"patch": 2, "batch": 1, "degradation": NoDegradation(), "variety": Variety(augment=False), "seed": 0}
    sampler = PatchSampler([(image, image)], **made, device=torch.device("cpu"), span=(600, 1600))
    for patches in sampler.draw():
        assert patches.flatten().tolist() == [-0.5, 0.0, 0.5, 1.5]


@pytest.mark.parametrize(("other", "white"), [(np.uint16, 65535), (np.float32, 1)])
def test_eight_bits_among_deeper_images_keep_their_brightness(other: type, white: int) -> None:
    eight, deep = np.full((8, 8, 1), 51, np.uint8), np.full((8, 8, 1), white, other)
    _, clean = _sampler([(eight, None), (deep, None)], batch=32).draw()
    assert sorted({round(value, 6) for value in clean.flatten().tolist()}) == [0.2, 1.0]


# Gray patches for a color network


@pytest.mark.parametrize("pairs", [False, True])
def test_a_share_of_color_patches_is_gray_with_the_same_noise_in_all_channels(pairs: bool) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    made = {"patch": 16, "batch": 200, "degradation": Gaussian(25), "variety": Variety(gray_share=0.3), "seed": 1}
    device = torch.device("cpu")
    images = [(image, 255 - image if pairs else None)]
    degraded, clean = PatchSampler(images, **made, device=device).draw()  # type: ignore[arg-type]
    assert clean is not None and degraded is not None
    gray = (clean[:, :1] == clean).all(1).all((1, 2))
    assert 0.2 < gray.float().mean() < 0.4
    assert (degraded[gray][:, :1] == degraded[gray]).all()
    noise = degraded - (1 - clean if pairs else clean)
    assert noise[gray].std() * 255 == pytest.approx(25, rel=0.02) == noise[~gray].std() * 255
    red, green = noise[~gray][:, 0].flatten(), noise[~gray][:, 1].flatten()
    assert abs(torch.corrcoef(torch.stack([red, green]))[0, 1]) < 0.02
    # A gray patch is the luma of the color patch that the same seed draws without it.
    _, color = PatchSampler(images, **(made | {"variety": Variety()}), device=device).draw()  # type: ignore[arg-type]
    assert color is not None
    luma = (color * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    assert torch.allclose(clean[gray][:, 0], luma[gray], atol=1e-6) and torch.equal(clean[~gray], color[~gray])
    halves = [PatchSampler(images, **made, device=device, part=(k, 2)).draw()[0] for k in range(2)]  # type: ignore[arg-type]
    assert torch.equal(torch.cat(halves), degraded)  # type: ignore[arg-type]


def test_gray_patches_need_a_color_network() -> None:
    with pytest.raises(UserError, match=r"^data\.gray_share: 0\.2 needs network\.channels=3, not 1$"):
        load_recipe("denoise-gray", {"data.gray_share": 0.2})
    assert load_recipe("denoise-color", {"data.gray_share": 0.2}).data.gray_share == 0.2


# Soft patches


def test_a_share_of_the_patches_shows_an_enlarged_part() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    made = {"patch": 24, "batch": 200, "degradation": Gaussian(25), "seed": 1, "device": torch.device("cpu")}
    soft = PatchSampler([(image, None)], variety=Variety(soft_share=0.3), **made)  # type: ignore[arg-type]
    degraded, clean = soft.draw()
    _, sharp = PatchSampler([(image, None)], variety=Variety(), **made).draw()  # type: ignore[arg-type]
    assert clean is not None and sharp is not None and degraded is not None
    same = (clean == sharp).flatten(1).all(1)
    assert 0.2 < (~same).float().mean() < 0.4
    # white noise of the image, smoothed by the enlargement; that of the degradation is not
    steps = (clean[..., 1:] - clean[..., :-1]).square().mean((1, 2, 3))
    assert steps[~same].mean() < 0.4 * steps[same].mean()
    assert (degraded - clean)[~same].std() * 255 == pytest.approx(25, rel=0.02)
    assert clean.min() >= 0 and clean.max() <= 1


def test_clean_images_beside_pairs_are_softened_and_the_pairs_are_not() -> None:
    alone = np.random.default_rng(0).integers(0, 100, (40, 40, 3), np.uint8)  # darker than the pair
    pair = np.random.default_rng(1).integers(150, 250, (40, 40, 3), np.uint8)
    made = {"patch": 24, "batch": 200, "degradation": NoDegradation(), "seed": 1, "device": torch.device("cpu")}
    images = [(alone, None), (pair, 255 - pair)]
    degraded, clean = PatchSampler(images, variety=Variety(soft_share=0.5), **made).draw()  # type: ignore[arg-type]
    sharp_degraded, sharp = PatchSampler(images, variety=Variety(), **made).draw()  # type: ignore[arg-type]
    assert clean is not None and sharp is not None and degraded is not None and sharp_degraded is not None
    of_pair = sharp.mean((1, 2, 3)) > 0.5
    changed = (clean != sharp).flatten(1).any(1)
    assert not changed[of_pair].any() and torch.equal(degraded[of_pair], sharp_degraded[of_pair])
    assert 0.35 < changed[~of_pair].float().mean() < 0.65
    assert torch.equal(degraded[~of_pair], clean[~of_pair])  # nothing degrades them


# Clean patches


def test_a_share_of_the_patches_of_pairs_stays_clean() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    made = {"patch": 16, "batch": 400, "degradation": NoDegradation(), "seed": 1, "device": torch.device("cpu")}
    pair, variety = [(image, 255 - image)], Variety(clean_share=0.25)
    degraded, clean, *_ = (whole := PatchSampler(pair, variety=variety, **made)).draw()  # type: ignore[arg-type]
    assert clean is not None and degraded is not None
    kept = (degraded == clean).flatten(1).all(1)
    assert 0.18 < kept.float().mean() < 0.32
    assert torch.allclose(degraded[~kept], 1 - clean[~kept])
    halves = [PatchSampler(pair, variety=variety, part=(k, 2), **made).draw()[0] for k in range(2)]  # type: ignore[arg-type]
    assert torch.equal(torch.cat(halves), degraded)  # type: ignore[arg-type]
    assert not torch.equal(whole.draw()[1], clean)  # type: ignore[arg-type]


@given(st.floats(0.3, 0.9))
@settings(max_examples=10)
def test_clean_patches_change_no_place_and_no_other_noise_of_a_first_batch(share: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 1), np.uint8)
    made = {"patch": 16, "batch": 50, "degradation": Gaussian(25), "seed": 1, "device": torch.device("cpu")}
    degraded, clean, *_ = PatchSampler([(image, None)], variety=Variety(clean_share=share), **made).draw()  # type: ignore[arg-type]
    noisy, same, *_ = PatchSampler([(image, None)], variety=Variety(), **made).draw()  # type: ignore[arg-type]
    assert clean is not None and torch.equal(clean, same)  # type: ignore[arg-type]
    kept = (degraded == clean).flatten(1).all(1)
    assert 0 < kept.float().mean() < 1
    assert torch.equal(degraded, torch.where(kept[:, None, None, None], clean, noisy))  # type: ignore[arg-type]


def test_clean_patches_need_clean_images() -> None:
    with pytest.raises(UserError, match=r"^data\.clean_share: 0\.1, but data\.layout noisy has no clean images; leave"):
        load_recipe("noisy-gray", {"data.clean_share": 0.1})


def test_pairs_are_not_enlarged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    made = {"patch": 24, "batch": 50, "degradation": NoDegradation(), "seed": 1, "device": torch.device("cpu")}
    degraded, clean = PatchSampler([(image, 255 - image)], variety=Variety(soft_share=1.0), **made).draw()  # type: ignore[arg-type]
    assert clean is not None and torch.allclose(degraded, 1 - clean)  # type: ignore[arg-type]
    windows = {image[y : y + 24, x : x + 24].tobytes() for y in range(17) for x in range(17)}
    upright = (clean * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    turned = [[np.rot90(p, k) for k in range(4)] + [np.rot90(p[:, ::-1], k) for k in range(4)] for p in upright]
    assert all(any(np.ascontiguousarray(v).tobytes() in windows for v in views) for views in turned)


def test_enlarged_patches_keep_a_gradient() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    enlarged = softened(ramp, [16])
    assert torch.equal(softened(ramp, [32]), ramp)
    middle = enlarged[0, 0, 4:-4, 4:-4]
    assert torch.allclose(middle[:, 1:] - middle[:, :-1], torch.tensor(1 / 31 / 2), atol=1e-5)


# Noise of each image


def _told(sampler: PatchSampler, noise: list[NoiseModel]) -> PatchSampler:
    sampler.tell_noise(noise)
    return sampler


def test_patches_have_the_noise_variance_of_their_image() -> None:
    images = [(None, np.full((16, 16, 1), level, np.uint8)) for level in (51, 204)]
    noise = [NoiseModel((0.01,), (0.001,)), NoiseModel((0.02,), (0.0,))]
    made = {"patch": 8, "batch": 32, "degradation": NoDegradation(), "seed": 1, "device": torch.device("cpu")}
    batch = _told(PatchSampler(images, variety=Variety(), **made), noise).draw()  # type: ignore[arg-type]
    expected = torch.where(batch.degraded < 0.5, 0.01 * 0.2 + 0.001, 0.02 * 0.8)
    assert batch.variance is not None and torch.allclose(batch.variance, expected)
    assert len(batch.variance.unique()) >= 2
    parts = [PatchSampler(images, variety=Variety(), part=(k, 2), **made) for k in range(2)]  # type: ignore[arg-type]
    halves = [_told(part, noise).draw() for part in parts]
    assert torch.equal(torch.cat([half.variance for half in halves]), batch.variance)  # type: ignore[misc]
    assert PatchSampler(images, variety=Variety(), **made).draw().variance is None  # type: ignore[arg-type]


def test_a_resumed_sampler_keeps_the_noise_that_was_measured_first() -> None:
    images = [(None, np.full((16, 16, 1), 51, np.uint8))]
    made = {"patch": 8, "batch": 4, "degradation": NoDegradation(), "seed": 1, "device": torch.device("cpu")}
    first, other = (
        _told(PatchSampler(images, variety=Variety(), **made), [NoiseModel((gain,), (0.0,))])  # type: ignore[arg-type]
        for gain in (0.01, 0.03)
    )
    other.load_state_dict(first.state_dict())
    one, two = first.draw(), other.draw()
    assert one.variance is not None and two.variance is not None and torch.equal(one.variance, two.variance)
