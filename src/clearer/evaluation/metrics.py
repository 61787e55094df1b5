"""PSNR, SSIM and luma of images in [0, 1].

Neither PSNR nor SSIM clamps: clamp restored images to [0, 1] first, as the protocols do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from clearer.losses.ssim import similarity

PSNR_CEILING = 100.0
"""PSNR in dB of (nearly) identical images: finite, so that means and JSON stay valid."""

WINDOW, WINDOW_SIGMA = 11, 1.5
_REACH = WINDOW // 2
_STRIP_PIXELS = 1 << 20  # larger images are measured in strips of about this many pixels


def psnr(a: Tensor, b: Tensor, where: Tensor | None = None) -> Tensor:
    """Return the peak signal-to-noise ratio of each image, in dB.

    ``-10 log10(mean((a - b)**2))`` over channels and pixels, at most `PSNR_CEILING`.

    Args:
        a: (B, C, H, W), in [0, 1].
        b: the same shape.
        where: (H, W), True for the pixels that count, at least one; by default all.

    Returns:
        (B,), float32 (float64 when given float64).

    Raises:
        ValueError: the shapes differ, are not of four axes, or hold no pixel.

    >>> psnr(torch.zeros(2, 1, 8, 8), torch.tensor([0.1, 0.0])[:, None, None, None].expand(2, 1, 8, 8))
    tensor([ 20., 100.])
    """
    a, b = _checked(a, b)
    errors = (a - b).square()
    mse = errors.mean((1, 2, 3)) if where is None else errors[:, :, where].mean((1, 2))
    return -10 * torch.log10(mse.clamp_min(10 ** (-PSNR_CEILING / 10)))


def patch_psnr(a: Tensor, b: Tensor, side: int = 64, where: Tensor | None = None) -> Tensor:
    """Return the mean PSNR of an image's separate patches, in dB, which is not comparable with that of whole images.

    The image's center crop to multiples of ``side`` is cut into adjacent patches; the PSNR of each, at most
    `PSNR_CEILING`, has the same weight. The mean of logarithms favors patches with a small error, so that it is
    never below `psnr` of the same crop.

    Args:
        a: (B, C, H, W), in [0, 1].
        b: the same shape.
        side: of a patch, in pixels.
        where: (H, W), True for the pixels that count; by default all. Patches without any are left out.

    Returns:
        (B,), float32 (float64 when given float64); NaN if no pixel of a patch counts.

    Raises:
        ValueError: the shapes differ, are not of four axes, or hold no whole patch.
    """
    a, b = _checked(a, b)
    height, width = a.shape[2:]
    if min(height, width) < side:
        raise ValueError(f"no patch of {side}x{side} pixels fits into {width}x{height}")
    top, left = height % side // 2, width % side // 2
    inside = (a - b)[:, :, top : top + height // side * side, left : left + width // side * side]
    patches = inside.reshape(*a.shape[:2], height // side, side, width // side, side)
    if where is None:
        mse = patches.square().mean((1, 3, 5))
        return (-10 * torch.log10(mse.clamp_min(10 ** (-PSNR_CEILING / 10)))).mean((1, 2))
    counts = where[top : top + height // side * side, left : left + width // side * side].to(a)
    counts = counts.reshape(height // side, side, width // side, side)
    number = counts.sum((1, 3))
    mse = (patches.square() * counts).sum((1, 3, 5)) / (a.shape[1] * number.clamp_min(1))
    return (-10 * torch.log10(mse.clamp_min(10 ** (-PSNR_CEILING / 10))))[:, number > 0].mean(1)


def ssim(a: Tensor, b: Tensor, where: Tensor | None = None) -> Tensor:
    """Return the structural similarity of each image (Wang et al., TIP 2004), at most 1.

    Gaussian windows of 11x11 pixels, sigma 1.5, population variances, ``data_range`` 1. The mean is taken over
    channels and over the windows around every pixel of the image, mirrored at its edges, as in torchmetrics.
    scikit-image and the original program leave out the windows that reach over an edge; their values differ by about
    0.001 on photographs of 481x321 pixels. A side of less than 6 pixels cannot be mirrored and is first
    extended to 6 by repeating its edges.

    Args:
        a: (B, C, H, W), in [0, 1].
        b: the same shape.
        where: (H, W), True for the pixels whose windows count, at least one; by default all.

    Returns:
        (B,), float32 (float64 when given float64).

    Raises:
        ValueError: the shapes differ, are not of four axes, or hold no pixel.
    """
    a, b = _checked(a, b)
    a, b = _mirrorable(a), _mirrorable(b)
    weight = None if where is None else _mirrorable(where[None, None].to(a))
    height, width = a.shape[2:]
    # Windows are independent. Strips with enough rows around them give the same value as the whole image, without
    # ten full-size maps at once.
    step = max(64, _STRIP_PIXELS // width)
    total = a.new_zeros(a.shape[0])
    for top in range(0, height, step):
        bottom = min(height, top + step)
        first, last = max(0, top - _REACH), min(height, bottom + _REACH)
        similarity = _ssim_map(a[:, :, first:last], b[:, :, first:last])[:, :, top - first : bottom - first]
        total += (similarity if weight is None else similarity * weight[:, :, top:bottom]).sum((1, 2, 3))
    return total / (a[0].numel() if weight is None else a.shape[1] * weight.sum())


def zero_padded_ssim(a: Tensor, b: Tensor, where: Tensor | None = None) -> Tensor:
    """Return the structural similarity of each image as CLEARER's released program measures it.

    It differs from `ssim` at the edges alone, where zeros surround the image: black beside black looks similar, so
    noisy images seem more alike.

    Args, Returns, Raises: see `ssim`.
    """
    a, b = (F.pad(x, (_REACH, _REACH, _REACH, _REACH)) for x in _checked(a, b))
    height, width = a.shape[2] - 2 * _REACH, a.shape[3] - 2 * _REACH
    step = max(64, _STRIP_PIXELS // width)  # strips, as in `ssim`
    total = a.new_zeros(a.shape[0])
    for top in range(0, height, step):
        rows = slice(top, min(height, top + step) + 2 * _REACH)
        found = similarity(a[:, :, rows], b[:, :, rows])
        total += (found if where is None else found * where[top : top + step].to(a)).sum((1, 2, 3))
    return total / (a.shape[1] * (height * width if where is None else where.sum()))


def luma601(rgb: Tensor) -> Tensor:
    """Return Y of BT.601 (16-235) divided by 255, as is usual in deraining.

    ``Y = (65.481 R + 128.553 G + 24.966 B + 16) / 255``, not rounded.

    Args:
        rgb: (B, 3, H, W), in [0, 1].

    Returns:
        (B, 1, H, W), in [16/255, 235/255].

    Raises:
        ValueError: not (B, 3, H, W).

    >>> [round(255 * luma601(torch.full((1, 3, 1, 1), v)).item()) for v in (0.0, 1.0)]
    [16, 235]
    """
    if rgb.ndim != 4 or rgb.shape[1] != 3:
        raise ValueError(f"luma601 takes (B, 3, H, W), not {tuple(rgb.shape)}")
    weights = rgb.new_tensor((65.481, 128.553, 24.966)).view(1, 3, 1, 1) / 255
    return (rgb * weights).sum(1, keepdim=True) + 16 / 255  # (B, 1, H, W)


def _checked(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.shape != b.shape or a.ndim != 4 or not a.numel():
        raise ValueError(f"two (B, C, H, W) of one shape are needed, not {tuple(a.shape)} and {tuple(b.shape)}")
    dtype = torch.float64 if torch.float64 in (a.dtype, b.dtype) else torch.float32
    return a.to(dtype), b.to(dtype)


def _mirrorable(x: Tensor) -> Tensor:
    missing = [max(0, _REACH + 1 - side) for side in (x.shape[3], x.shape[2])]
    padding = [part for m in missing for part in (m // 2, m - m // 2)]  # left, right, top, bottom
    return F.pad(x, padding, mode="replicate") if any(padding) else x


def _ssim_map(a: Tensor, b: Tensor) -> Tensor:
    values = structural_similarity_index_measure(
        a,
        b,
        gaussian_kernel=True,
        sigma=WINDOW_SIGMA,
        kernel_size=WINDOW,
        data_range=1.0,
        reduction="none",
        return_full_image=True,
    )
    similarity = values[1]  # (B, C, H, W)
    assert isinstance(similarity, Tensor)
    return similarity
