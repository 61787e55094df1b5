"""Restorer: a trained network with its card, ready for images. NumPy, PIL and torch in, the same type out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack, overload

import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from clearer.core.device import find_device
from clearer.core.errors import UserError
from clearer.evaluation.self_ensemble import ORIENTATIONS
from clearer.images.pixels import Span
from clearer.inference.arrays import RangeWarning, apply_to
from clearer.inference.batches import Passes, restored
from clearer.inference.fused_cpu import can_fuse, fuse
from clearer.inference.hub_mixin import HubMixin
from clearer.inference.memory import is_out_of_memory, pixels_that_fit
from clearer.inference.noise_level import Estimate, NoiseLevel, beside_level, check_takes_level, estimate_for
from clearer.inference.onnx_network import OnnxNetwork
from clearer.inference.options import RestoreOptions
from clearer.inference.precision import PrecisionMixin, chosen_precision, depth_in_memory
from clearer.inference.processes import note_threads, packed, rebuilt, refuse_fork
from clearer.inference.tiling import Overlap, Tiling, as_overlap, as_tiling, cut, restore_tiles, shape_within
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import ModelCard
from clearer.zoo.locate import located
from clearer.zoo.weights import load_weights

AnyArray = TypeVar("AnyArray", bound=npt.NDArray[Any])
Progress = Callable[[float], None]
"""Called with the share of an image that is done, up to 1."""


class _How(TypedDict, total=False):
    color: str
    strength: float
    level: NoiseLevel | None
    progress: Progress | None
    range: Span | None


def load(name_or_path: str | Path, device: str | torch.device = "auto", precision: str = "auto") -> Restorer:
    """Load a pretrained model, a weight file, a run, or an exported file.

    Args:
        name_or_path: a name that ``clearer models`` lists, such as ``"denoise-gray"``; a ``.safetensors`` file; a
            run folder, for its ``model.safetensors``; or an ``.onnx`` file of `clearer.export`, which ONNX
            Runtime runs on the CPU.
        device: ``"auto"`` (CUDA, else MPS, else the CPU) or a name that torch knows.
        precision: see `Restorer`.

    Raises:
        UserError: there is no such model, file or run, it is not a model of clearer, or the device or precision
            is not available.
    """
    weights = located(name_or_path)
    if weights.suffix.lower() == ".onnx":
        if str(device) not in ("auto", "cpu"):
            raise UserError(f"device: {str(device)!r}, but ONNX files run on the cpu; load a weight file instead")
        exported = OnnxNetwork(weights)
        return Restorer(exported, exported.card, device="cpu", precision=precision)
    network, card = load_weights(weights)
    return Restorer(network, card, device=device, precision=precision)


class Restorer(HubMixin, PrecisionMixin):
    """A network in evaluation mode on a device, with its model card.

    It does not change after construction, so one restorer may serve any number of threads.

    Args:
        network: kept, not copied; it is moved to the device and set to evaluation mode. An exported network
            keeps the precision it was exported in and refuses bf16.
        card: what its weight file states, a `ModelCard` or its JSON form; kept as a `ModelCard`.
        device: ``"auto"`` (CUDA, else MPS, else the CPU) or a name that torch knows.
        precision: ``"fp32"``; ``"bf16"`` (features in bfloat16: about twice as fast on hardware that multiplies
            it natively, results differ by a fraction of a gray level); or ``"auto"``: bf16 on such hardware for images
            of 8 bits, unless the card says that the difference is larger; else fp32. See `at_depth`.

    Raises:
        UserError: the device or the precision is not available.
    """

    network: RestorationNetwork | OnnxNetwork
    estimate: Estimate | None
    """How the noise level is estimated that the network is told; None if it takes none."""

    def __init__(
        self,
        network: RestorationNetwork | OnnxNetwork,
        card: ModelCard | Mapping[str, Any] | None = None,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
    ) -> None:
        self.device = find_device(device, mps=True)
        self.card = ModelCard.from_dict(card or {})
        self.precision = chosen_precision(precision, self.device, self.card)
        self.is_stated = precision != "auto"
        if isinstance(network, OnnxNetwork):
            if precision == "bf16":
                raise UserError(f"precision: the file computes in {network.precision}, not in bf16; leave it out")
            self.precision = network.precision
        network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network.eval().requires_grad_(False)
        self.estimate = estimate_for(self.network.architecture, self.card)
        self._run = self._prepared()
        self._process, self._warning = os.getpid(), RangeWarning()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the weights and the card, for spawned processes; the copy computes the same."""
        precision = self.precision if self.is_stated and self.can_be_exact else "auto"
        return rebuilt, (type(self), packed(self.network), self.card.to_dict(), str(self.device), precision)

    def _prepared(self) -> Callable[..., Tensor]:
        if isinstance(self.network, RestorationNetwork) and self.device.type == "cpu" and can_fuse():
            return fuse(self.network, self.precision)
        return self._autocast

    @property
    def name(self) -> str:
        """The name of the model, or else of its recipe."""
        return self.card.name or self.card.recipe or "network"

    def __repr__(self) -> str:
        return f"<Restorer {self.name}: {self.architecture}, {self.device}, {self.precision}>"

    @property
    def architecture(self) -> Architecture:
        """The architecture of the network."""
        return self.network.architecture

    @property
    def channels(self) -> int:
        """Channels of the images that the network takes."""
        return self.architecture.channels

    def __call__(
        self,
        x: Tensor,
        ensemble: bool = False,
        tile: Tiling = "none",
        overlap: Overlap = "auto",
        progress: Progress | None = None,
        level: NoiseLevel | None = None,
    ) -> Tensor:
        """Run the network: (B, C, H, W) floating point in [0, 1] to float32 of the same shape, not clamped.

        ``x`` may be on any device; the result is on the same one. The other arguments are those of `restore`,
        but by default the image is not tiled. Without ``level``, it is estimated once, from the whole of ``x``.
        Unless the precision was stated, it is fp32.

        Raises:
            UserError: ``x`` has another number of dimensions or channels, or needs more memory than is free.
        """
        if x.dim() != 4 or x.shape[1] != self.architecture.channels:
            wanted = f"(B, {self.architecture.channels}, H, W); give it so, or call restore(), which converts channels"
            raise UserError(f"image: its shape is {tuple(x.shape)}, not {wanted}")
        if level is not None:
            check_takes_level(self.architecture, self.name)
        seen = beside_level(x, level, self.estimate)
        size, multiple = (x.shape[-2], x.shape[-1]), self.architecture.multiple
        chosen, border = as_tiling(tile), as_overlap(overlap, self.architecture)
        if chosen == "none":
            rows, columns = size
        elif chosen == "auto":
            fit = pixels_that_fit(self.architecture, self.device, batch=x.shape[0])
            rows, columns = shape_within(*size, fit, border, multiple)
        else:
            rows = columns = chosen
        result = torch.empty(x.shape, dtype=torch.float32, device=x.device)
        tiles = cut(*size, rows, columns)
        passes, expected = 0, len(tiles) * (len(ORIENTATIONS) if ensemble else 1)
        suited = self.at_depth("float")

        def forward(x: Tensor) -> Tensor:
            nonlocal passes
            y = suited.run(x)
            passes += 1
            if progress is not None:
                progress(min(passes / expected, 1.0))  # halved tiles take more passes than expected
            return y

        try:
            for part, y in restore_tiles(
                forward,
                lambda t: seen[..., t.top : t.bottom, t.left : t.right].detach(),
                tiles,
                size,
                border,
                multiple,
                ensemble,
                may_shrink=chosen != "none",
            ):
                result[..., part.top : part.bottom, part.left : part.right] = y
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            fix = "restore it in tiles (tile 'auto')" if chosen == "none" else "cut it into smaller ones"
            raise UserError(
                f"image: {size[1]}x{size[0]} pixels need more memory than {self.device} has; {fix}"
            ) from error
        return result

    def run(self, x: Tensor) -> Tensor:
        """Run the network once, without gradients, in ``precision``. If memory runs out, torch's error is raised.

        ``x``: the image; for a network that takes the noise level, with the level in [0, 1] as one more channel.
        """
        refuse_fork(self.device, self._process)
        note_threads()
        with torch.inference_mode():
            y = self._forward(x.to(device=self.device, dtype=torch.float32))
            return y.to(x.device)

    def _forward(self, x: Tensor) -> Tensor:
        channels = self.architecture.channels
        level = () if x.shape[1] == channels else (x[:, channels:],)
        return self._run(x[:, :channels].contiguous(memory_format=torch.channels_last), *level)

    def _autocast(self, x: Tensor, *level: Tensor) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            y: Tensor = self.network(x, *level)
        return y.float()

    @overload
    def restore(
        self,
        image: AnyArray,
        ensemble: bool = False,
        tile: Tiling = "auto",
        overlap: Overlap = "auto",
        **more: Unpack[_How],
    ) -> AnyArray: ...
    @overload
    def restore(
        self,
        image: Tensor,
        ensemble: bool = False,
        tile: Tiling = "auto",
        overlap: Overlap = "auto",
        **more: Unpack[_How],
    ) -> Tensor: ...
    @overload
    def restore(
        self,
        image: Image.Image,
        ensemble: bool = False,
        tile: Tiling = "auto",
        overlap: Overlap = "auto",
        **more: Unpack[_How],
    ) -> Image.Image: ...
    def restore(
        self,
        image: Any,
        ensemble: bool = False,
        tile: Tiling = "auto",
        overlap: Overlap = "auto",
        *,
        color: str = "luma",
        strength: float = 1.0,
        level: NoiseLevel | None = None,
        progress: Progress | None = None,
        range: Span | None = None,
    ) -> Any:
        """Restore an image; the result has the type, dtype, shape and (torch) device of ``image``.

        Args:
            image: one of
                NumPy (H, W) or (H, W, C), uint8, uint16 or floating point in [0, 1]; masked values stay, masked;
                torch (C, H, W) or (B, C, H, W), uint8, uint16 or floating point in [0, 1];
                other integers of both, with ``range``;
                a PIL image of mode L, RGB, I;16, I;16B, I, F, CMYK, or LA or RGBA, whose alpha is kept (modes 1, P and
                RGBX lose nothing by conversion to L, RGB or RGBA, and come back so). Its ``info`` is kept, and the
                network sees it as its EXIF orientation shows it.
                Floats may leave [0, 1], as noise does; if whole regions do, they are clipped, and a warning says so.
                The network computes in float32; images of 8 bits in ``precision``, see `Restorer`.
            ensemble: use the x8 self-ensemble, the average over eight flips and rotations, at eight times the cost.
            tile: ``"auto"`` restores the image as a whole if the free memory allows, otherwise in tiles that fit. If
                memory still runs out, tiles get smaller and a warning is logged (logger ``clearer``). ``"none"``
                never tiles. A number is the side of tiles in pixels, without the overlap.
            overlap: pixels around a tile that the network also sees, on each side. ``"full"`` is the radius of
                the receptive field: the result equals that of the whole image. ``"auto"`` keeps the difference
                below a tenth of a gray level (docs/restoring.md).
            color: how a gray network treats RGB images, ``"luma"`` or ``"channels"``; see
                `clearer.inference.options.RestoreOptions`. A color network sees a gray image as three equal
                channels, and the result is gray.
            strength: blends input and output: 0 gives the input, 1 the network's output.
            level: for a network that takes it, the standard deviation of the noise in gray levels (255 is white): a
                number, or a map (H, W). By default it is estimated, once for the image (docs/restoring.md).
            progress: called with the share done after each pass of the network: each tile, and each orientation
                of the self-ensemble. It begins again if bf16 fails and fp32 is tried.
            range: the values that are black and white in this image, such as (0, 4095) or (-1, 1). By default 0 and 1,
                the whole of an integer type, or the model's (``card.range``); in uint16 0 and 4095 or 16383 where no
                level exceeds these, as of a camera.

        Returns:
            The image, clamped to its range; integers are rounded to the nearest.

        Raises:
            UserError: the image is of another type, empty, not finite, too large for the memory, or its channels
                do not fit the network; or the network returns NaN or a black image, in fp32 too (see
                `clearer.inference.checks`).

        >>> import numpy as np
        >>> restorer = Restorer(RestorationNetwork(Architecture.parse("P-F", width=4)), device="cpu")
        >>> clean = restorer.restore(np.zeros((13, 7), np.uint16))
        >>> clean.shape, clean.dtype
        ((13, 7), dtype('uint16'))
        >>> restorer.restore(Image.new("L", (7, 13))).size
        (7, 13)
        >>> restorer.restore(Image.new("RGB", (7, 13)), color="channels").mode
        'RGB'
        >>> restorer.restore(torch.zeros(1, 100, 90), ensemble=True, tile=32, overlap="full").shape
        torch.Size([1, 100, 90])
        """
        options = RestoreOptions(color=color, strength=strength, span=range)
        passes = Passes(ensemble, tile, overlap, progress)
        suited = self.at_depth(depth_in_memory(image))
        work = partial(restored, suited, passes=passes, options=options, level=level)
        return apply_to(image, work, self.card.span, range, self._warning)
