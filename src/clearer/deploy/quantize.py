"""Static quantization of ONNX models to int8: calibration images set the range of each feature."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.leftovers import temporary_folder
from clearer.data.folders import find_items
from clearer.data.items import Item, read_item, with_levels, without_values
from clearer.degradations.base import Degradation
from clearer.degradations.registry import degradation_from_dict
from clearer.evaluation.metrics import psnr
from clearer.images.nodata import without_gaps
from clearer.images.pixels import Span, center_crop, to_unit
from clearer.images.tensors import to_batch
from clearer.images.types import AnyPixels
from clearer.inference.noise_level import Estimate
from clearer.inference.onnx_network import INPUT, LEVEL, OnnxNetwork
from clearer.network.backbone import level_map
from clearer.zoo.card import ModelCard

CALIBRATION_IMAGES, CALIBRATION_CROP = 16, 192
"""Largest number of images that set the ranges, and the side in pixels of the center crop used of each."""
MEASURED_IMAGES, MEASURED_CROP = 16, 512
"""The same for the images that measure the loss."""

_PURPOSE = {CALIBRATION_CROP: "that calibrate", MEASURED_CROP: "that measure"}
log = logging.getLogger("clearer")

Array = npt.NDArray[np.float32]


class QuantizationLoss(TypedDict):
    """The loss of quality by int8 on the held-out images; PSNR in dB of clamped images, means over images.

    Keys:
        calibrated_with: number and folder of the images that set the ranges.
        held_out: number of images measured.
        input_psnr: of the degraded images.
        psnr_fp32, psnr: restored in fp32, and in int8.
        loss, worst_loss: the difference of these, mean and largest of an image.
    """

    calibrated_with: str
    held_out: int
    input_psnr: float
    psnr_fp32: float
    psnr: float
    loss: float
    worst_loss: float


@dataclass(frozen=True)
class Calibration:
    """Images for quantization, (1, C, H, W) in [0, 1].

    Attributes:
        folder: its name.
        ranges: degraded images that set the ranges.
        held_out: other images that measure the loss: degraded, ground truth.
        where: (H, W), True for their pixels that have a value and so count; None for all. Empty if all do in all.
    """

    folder: str
    ranges: tuple[Array, ...]
    held_out: tuple[tuple[Array, Array], ...]
    where: tuple[Tensor | None, ...] = ()


def read_calibration(folder: str | Path, card: ModelCard, channels: int, layout: str = "auto") -> Calibration:
    """Read a folder of images and degrade them as the model card states, with seed 0.

    Every fourth image is held out; of two or three images, the last. Both groups go through a range of noise
    levels in even steps. Random levels could leave all of a few images nearly clean.

    Args:
        folder: clean images, or pairs if the model was trained on pairs.
        card: of the model.
        channels: of the model.
        layout: of the folder, see `clearer.data.folders.find_items`.

    An image that cannot be read is reported (logger ``clearer``) and left out.

    Raises:
        UserError: there are fewer than two images, the card does not state the degradation, or it states
            pairs and the folder holds none; or no image to calibrate, or none to measure, can be read.
    """
    degradation, items = check_calibration(folder, card, layout)
    items = _with_levels(items, card.span)
    held = [k for k in range(len(items)) if k % 4 == 3] or [len(items) - 1]
    others = [k for k in range(len(items)) if k not in held]
    generator = torch.Generator().manual_seed(0)

    def read(k: int, side: int, share: float) -> tuple[Array, Array, Tensor | None]:
        pair = read_item(items[k], channels, None, gaps=True)
        (clean, *others), known = without_gaps([image for image in pair if image is not None])
        where = None if known is None else torch.from_numpy(center_crop(known, side, side).copy())
        if where is not None and not bool(where.any()):
            raise without_values([items[k]])
        degraded = others[0] if others else None
        ground_truth = _center(clean, items[k].span, side)
        if degraded is None:
            noisy = degradation.at_level(share).apply(ground_truth, generator)
        else:
            noisy = _center(degraded, items[k].span, side)
        return noisy.numpy(), ground_truth.numpy(), where

    def read_all(numbers: list[int], side: int) -> list[tuple[Array, Array, Tensor | None]]:
        found = []
        for i, k in enumerate(numbers):
            try:
                found.append(read(k, side, (i + 0.5) / len(numbers)))
            except UserError as error:
                log.warning("left out of the calibration: %s", error)
        if not found:
            raise UserError(f"{folder}: no image can be read of those {_PURPOSE[side]} int8; replace them")
        return found

    measured = read_all(_spread(held, MEASURED_IMAGES), MEASURED_CROP)
    return Calibration(
        folder=Path(folder).resolve().name,
        ranges=tuple(noisy for noisy, *_ in read_all(_spread(others, CALIBRATION_IMAGES), CALIBRATION_CROP)),
        held_out=tuple((noisy, ground_truth) for noisy, ground_truth, _ in measured),
        where=tuple(where for *_, where in measured),
    )


def _center(image: AnyPixels, span: Span, side: int) -> Tensor:
    """Return the center of an image, (1, C, H, W), in units of black and white; floats are read in these units."""
    center = center_crop(image, side, side)
    return to_batch(center if center.dtype.kind == "f" else to_unit(center, span))


def _with_levels(items: list[Item], levels: Span | None) -> list[Item]:
    """Return the images with the levels of the model as black and white, if the first readable one can hold them."""
    for item in items:
        try:
            (leveled,) = with_levels([item], levels)
        except UserError:  # reported where the calibration reads the image
            continue
        return [dataclasses.replace(one, span=leveled.span) for one in items]
    return items


def check_calibration(folder: str | Path, card: ModelCard, layout: str = "auto") -> tuple[Degradation, list[Item]]:
    """Return how the images of a folder are degraded, and the images, of which none is decoded; see `read_calibration`.

    Raises:
        UserError: the same.
    """
    degradation = _degradation_of(card, folder)
    items = find_items(folder, layout)
    if len(items) < 2:
        raise UserError(f"{folder}: one image, but int8 needs two or more, to calibrate and to measure; add images")
    if degradation.needs_pairs and any(item.degraded is None and item.side is None for item in items):
        raise UserError(
            f"{folder}: the model was trained on pairs, and these are single images; name a folder with "
            "sub-folders such as clean and rainy, or add --layout side-by-side"
        )
    return degradation, items


def quantize(model: Any, metadata: dict[str, str], calibration: Calibration) -> tuple[Any, QuantizationLoss]:
    """Quantize an fp32 ``onnx.ModelProto`` to int8; return it, and its loss of quality.

    Weights have one scale per output channel, features one per tensor. The first convolution, the last one and
    the nodes after it stay in fp32, because their inputs or outputs are images. Weights use seven bits, so that
    sums do not overflow on processors without 8-bit dot products (x86 before VNNI).
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    with temporary_folder("quantize") as folder:
        whole, ready, small = (folder / f"{name}.onnx" for name in ("whole", "ready", "small"))
        onnx.save(model, str(whole))
        exported = OnnxNetwork(whole)
        # Symbolic shape inference does not help: all sizes are dynamic.
        quant_pre_process(str(whole), str(ready), skip_symbolic_shape=True)
        nodes = onnx.load(str(ready)).graph.node  # in topological order
        convolutions = [k for k, node in enumerate(nodes) if node.op_type == "Conv"]
        images = [nodes[convolutions[0]], *nodes[convolutions[-1] :]]
        quantize_static(
            str(ready),
            str(small),
            _reader(calibration.ranges, exported.estimate),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Relu", "Add", "Resize"],
            nodes_to_exclude=[node.name for node in images],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Holds the features of one image at a time.
            extra_options={"CalibStridedMinMax": 1},
        )
        quantized = onnx.load(str(small))
        del quantized.metadata_props[:]
        for key, value in metadata.items():
            quantized.metadata_props.add(key=key, value=value)
        onnx.save(quantized, str(small))
        before, after = (_psnrs(network, calibration) for network in (exported, OnnxNetwork(small)))
    return quantized, {
        "calibrated_with": f"{len(calibration.ranges)} images of {calibration.folder}",
        "held_out": len(calibration.held_out),
        "input_psnr": _mean(_psnrs(lambda x: x, calibration)),
        "psnr_fp32": _mean(before),
        "psnr": _mean(after),
        "loss": _mean(before) - _mean(after),
        "worst_loss": max(b - a for b, a in zip(before, after, strict=True)),
    }


def _reader(images: tuple[Array, ...], estimate: Estimate | None) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left: Iterator[Array] = iter(images)

        def __len__(self) -> int:
            return len(images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.left = iter(images[start_index:end_index])

        def get_next(self) -> dict[str, Array] | None:
            image = next(self.left, None)
            if image is None:
                return None
            return {INPUT: image} if estimate is None else {INPUT: image, LEVEL: _estimated(image, estimate)}

    return Reader()


def _estimated(image: Array, estimate: Estimate) -> Array:
    """Return the noise level map of an image, as a blind use has it."""
    x = torch.from_numpy(image)
    found: Array = level_map(estimate(x), x).contiguous().numpy()
    return found


def _psnrs(restore: Callable[[Tensor], Tensor], calibration: Calibration) -> list[float]:
    return [
        psnr(restore(torch.from_numpy(noisy)).clamp(0, 1), torch.from_numpy(ground_truth), where).item()
        for (noisy, ground_truth), where in zip_longest(calibration.held_out, calibration.where)
    ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _degradation_of(card: ModelCard, folder: str | Path) -> Degradation:
    if card.degradation is None:
        raise UserError(
            f"{folder}: the model card does not state the degradation, so these images cannot be degraded alike; "
            "export without --int8"
        )
    try:
        return degradation_from_dict(card.degradation)
    except UserError as error:
        raise UserError(
            f"{folder}: the model card states an unknown degradation ({error}); export without --int8"
        ) from error


def _spread(numbers: list[int], at_most: int) -> list[int]:
    """Return at most ``at_most`` of the numbers, evenly spread."""
    step = max(1, -(-len(numbers) // at_most))
    return numbers[::step]
