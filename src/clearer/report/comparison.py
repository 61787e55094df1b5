"""Input, restored image and truth side by side, with the same enlarged crop beneath each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from clearer.core.errors import UserError
from clearer.report.figures import COLORS, INK, MUTED

AnyArray = npt.NDArray[Any]

CROP = 96  # pixels, the width of the crop; its height is 64 for wide images
# Pixels a column is wide, for wide and for other images: whole multiples of the crop, so that each of
# its pixels becomes a square of the same size. Three columns are no wider than the page.
WIDE, NARROW, TALLEST = 4 * CROP, 3 * CROP, 560
GAP, NAME, CAPTION = 12, 30, 26  # pixels between images, for the name above, for the line beneath
DPI = 100  # the resolution at which the pixels above are the figure's


def comparison(samples: Sequence[Mapping[str, Any]]) -> Figure:
    """Show samples one under another; at 100 dpi a pixel of the crop is 4x4, or 3x3, of the figure's.

    Args:
        samples: each with ``name``, the images ``input``, ``restored`` and ``truth`` of one size,
            ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, uint8 or floats in [0, 1], and, where known,
            ``input_psnr``, ``psnr`` (dB), ``input_ssim`` and ``ssim``.

    Raises:
        UserError: the three images of a sample differ in size.
    """
    plans = [_plan(sample) for sample in samples]
    width = max(3 * plan["column"] for plan in plans) + 2 * GAP
    height = sum(plan["height"] for plan in plans)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    top = 0
    for plan in plans:
        _draw_sample(figure, plan, top, (width, height))
        top += plan["height"]
    return figure


def detail_crop(truth: AnyArray, height: int, width: int) -> tuple[int, int]:
    """Return the top and left of the window of ``(height, width)`` with the most local detail.

    Detail is the mean length of the gradient of ``(H, W[, C])``: unlike its square it prefers texture
    to a single strong edge.
    """
    gray = np.asarray(truth, dtype=np.float64)
    gray = gray.mean(axis=2) if gray.ndim == 3 else gray
    dy, dx = np.diff(gray, axis=0, prepend=gray[:1]), np.diff(gray, axis=1, prepend=gray[:, :1])
    total = np.pad(np.hypot(dx, dy), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    windows = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(top), int(left)


def _plan(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Where one sample's parts go, in pixels."""
    images = [_as_rgb(sample[key]) for key in ("input", "restored", "truth")]
    if len({image.shape for image in images}) > 1:
        sizes = ", ".join(f"{image.shape[1]}x{image.shape[0]}" for image in images)
        raise UserError(
            f"sample {sample.get('name')}: input, restored and truth differ in size ({sizes}); restore it again"
        )
    high, wide = images[0].shape[:2]
    column = WIDE if wide > high else NARROW
    zoom = min(column / wide, TALLEST / high)
    crop_w = min(CROP, wide)
    crop_h = min(2 * CROP // 3 if wide > high else CROP, high)
    shown, zoomed = max(1, round(high * zoom)), round(column * crop_h / crop_w)
    return {
        "sample": sample, "images": images, "column": column, "zoom": zoom, "shown": shown, "zoomed": zoomed,
        "crop": (*detail_crop(images[2], crop_h, crop_w), crop_h, crop_w),
        "height": NAME + shown + GAP + zoomed + CAPTION + GAP,
    }  # fmt: skip


def _draw_sample(figure: Figure, plan: Mapping[str, Any], top: int, size: tuple[int, int]) -> None:
    sample, column, shown, zoom = plan["sample"], plan["column"], plan["shown"], plan["zoom"]
    y, x, crop_h, crop_w = plan["crop"]
    width, height = size

    def place(left: int, upper: int, w: int, h: int) -> tuple[float, float, float, float]:
        return left / width, 1 - (upper + h) / height, w / width, h / height

    # The name is a file's: parse_math off, or a dollar sign in it would be read as a formula.
    name = figure.text(2 / width, 1 - (top + 15) / height, str(sample.get("name", "")), size=11, color=INK, va="center")
    name.set_parse_math(False)
    for index, (key, image) in enumerate(zip(("input", "restored", "truth"), plan["images"], strict=True)):
        left = index * (column + GAP)
        upper = top + NAME
        shown_w = max(1, round(image.shape[1] * zoom))
        axes = figure.add_axes(place(left, upper, shown_w, shown))
        axes.imshow(_resized(image, shown_w, shown), interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        scale = min(1, zoom)  # enlarged images keep their own pixels as coordinates
        box = Rectangle(
            (x * scale, y * scale), crop_w * scale, crop_h * scale, fill=False, ec=COLORS[4], linewidth=1.5
        )
        axes.add_patch(box)
        upper += shown + GAP
        axes = figure.add_axes(place(left, upper, column, plan["zoomed"]))
        axes.imshow(image[y : y + crop_h, x : x + crop_w], interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(edgecolor=COLORS[4], linewidth=1.5)
        upper += plan["zoomed"] + CAPTION // 2 + 3
        figure.text(
            (left + 2) / width, 1 - upper / height, _caption(sample, key), size=9.5, va="center",
            color=INK if key == "restored" else MUTED, weight="bold" if key == "restored" else "normal",
        )  # fmt: skip


def _caption(sample: Mapping[str, Any], key: str) -> str:
    if key == "truth":
        return "truth"
    prefix = "input_" if key == "input" else ""
    psnr, ssim = sample.get(f"{prefix}psnr"), sample.get(f"{prefix}ssim")
    text = key
    if isinstance(psnr, int | float):
        text += f"  {psnr:.2f} dB"
    if isinstance(ssim, int | float):
        text += f", SSIM {ssim:.4f}"
    return text


def _as_rgb(image: AnyArray) -> npt.NDArray[np.uint8]:
    """``(H, W[, C])`` to ``(H, W, 3)`` uint8; of other channel counts than 3 the first is shown."""
    image = np.asarray(image)
    if image.dtype != np.uint8:
        image = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] != 3:
        image = np.repeat(image[..., :1], 3, axis=2)
    return image


def _resized(image: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    if image.shape[1] <= width:
        return image  # enlarged by the figure, pixel by pixel
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
