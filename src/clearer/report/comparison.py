"""Input, restored image and ground truth side by side, with the same enlarged crop of each below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from clearer.core.errors import UserError
from clearer.core.text import printable
from clearer.report.figures import COLORS, INK, MUTED
from clearer.runs.schema import SampleEntry

AnyArray = npt.NDArray[Any]

CROP = 96  # pixels, the width of the crop; its height is 64 for wide images
# Pixels a column is wide, for wide and for other images: whole multiples of the crop, so that each of
# its pixels becomes a square of the same size. Three columns are no wider than the page.
WIDE, NARROW, TALLEST = 4 * CROP, 3 * CROP, 560
GAP, NAME, CAPTION = 12, 30, 26  # pixels between images, for the name above, for the line below
DPI = 100  # the resolution at which the pixels above are the figure's


@dataclass(frozen=True)
class Sample:
    """An image in three forms of one size, with the scores that are known.

    Args:
        name: printed above.
        input, restored, truth: ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, uint8 or floats in [0, 1].
        input_psnr, psnr: PSNR in dB of input and restored image.
        input_ssim, ssim: SSIM of the same.
        third: the caption of ``truth``, which may be another image where there is no ground truth.
    """

    name: str
    input: AnyArray
    restored: AnyArray
    truth: AnyArray
    input_psnr: float | None = None
    psnr: float | None = None
    input_ssim: float | None = None
    ssim: float | None = None
    third: str = "ground truth"

    @classmethod
    def of(cls, entry: SampleEntry, images: Mapping[str, AnyArray]) -> Sample:
        """Return a sample of a run: its entry in samples.json and its images by key."""
        scores = [entry.get(key) for key in ("input_psnr", "psnr", "input_ssim", "ssim")]
        before, after, ssim_before, ssim_after = (float(x) if isinstance(x, int | float) else None for x in scores)
        without_truth = "removed" in images
        return cls(
            name=str(entry.get("name", "")),
            input=images["input"],
            restored=images["restored"],
            truth=images["removed" if without_truth else "truth"],
            input_psnr=before,
            psnr=after,
            input_ssim=ssim_before,
            ssim=ssim_after,
            third="removed" if without_truth else "ground truth",
        )

    @property
    def captions(self) -> tuple[str, str, str]:
        """The line below each image."""
        return (
            _caption("input", self.input_psnr, self.input_ssim),
            _caption("restored", self.psnr, self.ssim),
            self.third,
        )


def _caption(text: str, psnr: float | None, ssim: float | None) -> str:
    if psnr is not None:
        text += f"  {psnr:.2f} dB"
    if ssim is not None:
        text += f", SSIM {ssim:.4f}"
    return text


def comparison(samples: Sequence[Sample], *, named: bool = True) -> Figure:
    """Draw samples one below another. At 100 dpi each pixel of a crop becomes 4x4 or 3x3 pixels of the figure.

    Args:
        samples: the images.
        named: draw their names. The font has Latin, Greek and Cyrillic letters alone, so that a page states the names
            itself.

    Raises:
        UserError: the three images of a sample differ in size.
    """
    layouts = [_Layout.of(sample, NAME if named else 0) for sample in samples]
    width = max(3 * layout.column for layout in layouts) + 2 * GAP
    height = sum(layout.height for layout in layouts)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    top = 0
    for layout in layouts:
        _draw_sample(figure, layout, top, (width, height))
        top += layout.height
    return figure


def detail_crop(truth: AnyArray, height: int, width: int) -> tuple[int, int]:
    """Return top and left of the window of ``(height, width)`` with the most local detail.

    Detail is the mean length of the gradient of ``(H, W[, C])``. Its square would prefer a single strong
    edge to texture.
    """
    gray = np.asarray(truth, dtype=np.float64)
    gray = gray.mean(axis=2) if gray.ndim == 3 else gray
    dy, dx = np.diff(gray, axis=0, prepend=gray[:1]), np.diff(gray, axis=1, prepend=gray[:, :1])
    total = np.pad(np.hypot(dx, dy), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    windows = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(top), int(left)


@dataclass(frozen=True)
class _Layout:
    """The positions of the parts of a sample, in pixels of the figure."""

    sample: Sample
    images: tuple[npt.NDArray[np.uint8], ...]
    column: int  # width
    zoom: float  # of the whole images
    shown: int  # height of the whole images
    zoomed: int  # height of the crops
    crop: tuple[int, int, int, int]  # top, left, height, width in pixels of the image
    head: int  # height of the name; 0 without

    @property
    def height(self) -> int:
        return self.head + self.shown + GAP + self.zoomed + CAPTION + GAP

    @classmethod
    def of(cls, sample: Sample, head: int) -> _Layout:
        images = tuple(map(_as_rgb, (sample.input, sample.restored, sample.truth)))
        if len({image.shape for image in images}) > 1:
            sizes = ", ".join(f"{image.shape[1]}x{image.shape[0]}" for image in images)
            raise UserError(
                f"sample {sample.name}: input, restored and ground truth differ in size ({sizes}); restore it again"
            )
        high, wide = images[0].shape[:2]
        column = WIDE if wide > high else NARROW
        zoom = min(column / wide, TALLEST / high)
        crop_w = min(CROP, wide)
        crop_h = min(2 * CROP // 3 if wide > high else CROP, high)
        shown, zoomed = max(1, round(high * zoom)), round(column * crop_h / crop_w)
        top, left = detail_crop(images[1 if sample.third == "removed" else 2], crop_h, crop_w)
        return cls(sample, images, column, zoom, shown, zoomed, (top, left, crop_h, crop_w), head)


def _draw_sample(figure: Figure, layout: _Layout, top: int, size: tuple[int, int]) -> None:
    """Draw a sample ``top`` pixels below the upper edge of a figure of ``size`` (width, height) pixels."""
    y, x, crop_h, crop_w = layout.crop
    width, height = size

    def place(left: int, upper: int, w: int, h: int) -> tuple[float, float, float, float]:
        return left / width, 1 - (upper + h) / height, w / width, h / height

    if layout.head:
        name = printable(layout.sample.name)
        drawn = figure.text(2 / width, 1 - (top + layout.head / 2) / height, name, size=11, color=INK, va="center")
        drawn.set_parse_math(False)  # else dollar signs in a file name would make a formula
    for index, (caption, image) in enumerate(zip(layout.sample.captions, layout.images, strict=True)):
        left = index * (layout.column + GAP)
        upper = top + layout.head
        shown_w = max(1, round(image.shape[1] * layout.zoom))
        axes = figure.add_axes(place(left, upper, shown_w, layout.shown))
        axes.imshow(_resized(image, shown_w, layout.shown), interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        scale = min(1, layout.zoom)  # enlarged images keep their own pixels as coordinates
        box = Rectangle((x * scale, y * scale), crop_w * scale, crop_h * scale, fill=False, ec=COLORS[4], linewidth=1.5)
        axes.add_patch(box)
        upper += layout.shown + GAP
        axes = figure.add_axes(place(left, upper, layout.column, layout.zoomed))
        axes.imshow(image[y : y + crop_h, x : x + crop_w], interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(edgecolor=COLORS[4], linewidth=1.5)
        upper += layout.zoomed + CAPTION // 2 + 3
        own = index == 1
        figure.text(
            (left + 2) / width, 1 - upper / height, caption, size=9.5, va="center",
            color=INK if own else MUTED, weight="bold" if own else "normal",
        )  # fmt: skip


def _as_rgb(image: AnyArray) -> npt.NDArray[np.uint8]:
    """Convert ``(H, W[, C])`` to ``(H, W, 3)`` uint8; unless C is 3, the first channel is shown."""
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
