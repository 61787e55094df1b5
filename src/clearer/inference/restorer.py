"""A trained network with its card, ready for images: numpy, PIL and torch in, the same kind out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from clearer.core.device import choose_precision, find_device
from clearer.core.errors import UserError, nearest
from clearer.evaluation.self_ensemble import ORIENTATIONS
from clearer.images.tensors import to_array, to_batch
from clearer.inference.arrays import in_kind
from clearer.inference.checks import sound
from clearer.inference.color import restore_pixels
from clearer.inference.fused_cpu import can_fuse, fuse
from clearer.inference.memory import is_out_of_memory, pixels_that_fit
from clearer.inference.onnx_network import OnnxNetwork
from clearer.inference.options import RestoreOptions
from clearer.inference.tiling import Overlap, Tiling, as_overlap, as_tiling, cut, restore_tiles, shape_within
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo import hub
from clearer.zoo.card import CardResult, ModelCard, as_results
from clearer.zoo.locate import located
from clearer.zoo.weights import load_weights

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PRECISIONS = ("auto", "fp32", "bf16")

AnyArray = TypeVar("AnyArray", bound=npt.NDArray[Any])
Progress = Callable[[float], None]
"""Called with the share of an image that is done, up to 1."""


def load(name_or_path: str | Path, device: str | torch.device = "auto", precision: str = "auto") -> Restorer:
    """Return the restorer of a shipped model, a weight file, a run, or an exported file.

    Args:
        name_or_path: a name of ``clearer models``, such as ``"denoise-gray"``; a ``.safetensors`` file; a
            run folder (its ``model.safetensors``); or an ``.onnx`` file of `clearer.export`, which ONNX
            Runtime runs on the CPU.
        device: ``"auto"`` (CUDA, then MPS, then the CPU) or a name that torch knows.
        precision: see `Restorer`.

    Raises:
        UserError: there is no such model, file or run, it is not a clearer model, or the device or precision
            is not to be had.
    """
    weights = located(name_or_path)
    if weights.suffix.lower() == ".onnx":
        if str(device) not in ("auto", "cpu"):
            raise UserError(f"device: {str(device)!r}, where ONNX files run on the cpu; name a weight file instead")
        exported = OnnxNetwork(weights)
        return Restorer(exported, exported.card, device="cpu", precision=precision)
    network, card = load_weights(weights)
    return Restorer(network, card, device=device, precision=precision)


class Restorer:
    """A network in evaluation mode on a device, with what is known about it.

    Nothing changes after construction: one restorer may serve any number of threads.

    Args:
        network: it is kept, not copied: moved to the device and set to evaluation mode. One that was
            exported computes as it was exported: its precision is kept, and bf16 refused.
        card: what its weight file states, a `ModelCard` or its JSON form; it is kept as a `ModelCard`.
        device: ``"auto"`` (CUDA, then MPS, then the CPU) or a name that torch knows.
        precision: ``"fp32"``; ``"bf16"`` (features in bfloat16: about twice as fast where the hardware
            multiplies it natively, results differ by a fraction of an 8-bit level); or ``"auto"``: bf16
            where the hardware has it, else fp32.

    Raises:
        UserError: the device or precision is not to be had.
    """

    def __init__(
        self,
        network: RestorationNetwork | OnnxNetwork,
        card: ModelCard | Mapping[str, Any] | None = None,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
    ) -> None:
        self.device = find_device(device, mps=True)
        self.precision = _chosen_precision(precision, self.device)
        if isinstance(network, OnnxNetwork):
            if precision == "bf16":
                raise UserError(f"precision: the file computes in {network.precision}, not in bf16; leave it out")
            self.precision = network.precision
        self.card = ModelCard.from_dict(card or {})
        network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network.eval().requires_grad_(False)
        self._run = self._prepared()

    def _prepared(self) -> Callable[[Tensor], Tensor]:
        if isinstance(self.network, RestorationNetwork) and self.device.type == "cpu" and can_fuse():
            return fuse(self.network, self.precision)
        return self._autocast

    @property
    def can_be_exact(self) -> bool:
        """Whether the network can compute in fp32: one that was exported computes as it was exported."""
        return not isinstance(self.network, OnnxNetwork)

    def in_fp32(self) -> Restorer:
        """Return a restorer of the same network (shared) that computes in fp32."""
        exact = copy.copy(self)
        exact.precision = "fp32"
        exact._run = exact._prepared()
        return exact

    def __repr__(self) -> str:
        name = self.card.name or self.card.recipe or "network"
        return f"<Restorer {name}: {self.architecture}, {self.device}, {self.precision}>"

    @property
    def architecture(self) -> Architecture:
        """What the network is."""
        return self.network.architecture

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        results: Sequence[CardResult | Mapping[str, Any]] = (),
        data: str | None = None,
        license: str | None = None,
        licence: str | None = None,
    ) -> Path:
        """Write the model as a folder for the Hugging Face Hub; return the folder.

        Args:
            folder: created if missing; its ``model.safetensors``, ``config.json`` and ``README.md`` are replaced.
            name: by which others load the model; its last part is the title. Default: the folder's name.
            results: measurements for the README: what `clearer.evaluate` returns, or the JSON files in a
                run's ``evaluation`` folder hold. Default: those of the card.
            data: the training images, in words. Default: those of the card.
            license: of the weights, as the Hub writes it, such as ``"apache-2.0"``. The terms of the training
                images bear on it, so nothing is assumed. Default: that of the card.
            licence: former name of ``license``.

        Raises:
            UserError: huggingface-hub is not installed, the model is an exported file, or the folder cannot
                be written.
        """
        network, facts = self._trained(folder), as_results(results)
        return hub.save_folder(
            network, self.card, folder, name=name, results=facts, data=data, license=license or licence
        )

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        device: str = "auto",
        precision: str = "auto",
    ) -> Restorer:
        """Return the restorer of a folder that `save_pretrained` wrote, or of a model on the Hugging Face Hub.

        Only ``model.safetensors`` is downloaded and read. No code of the model runs.

        Args:
            name_or_folder: a folder, or a name on the Hub, such as ``"someone/denoise-gray"``.
            revision, token, cache_dir, local_files_only: see ``huggingface_hub.hf_hub_download``.
            device, precision: see `clearer.load`.

        Raises:
            UserError: there is no such folder or model, it is not a model of clearer, or the Hub cannot be reached.
        """
        path = Path(name_or_folder)
        if not path.is_dir():
            path = hub.download(
                name_or_folder,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
        return load(path, device, precision)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        results: Sequence[CardResult | Mapping[str, Any]] = (),
        data: str | None = None,
        license: str | None = None,
        licence: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        commit_message: str = "Upload a model of clearer",
        api: HfApi | None = None,
    ) -> str:
        """Upload the model to the Hugging Face Hub; return the commit's URL. A missing repository is created.

        Args:
            repo_id: ``NAMESPACE/NAME``.
            results, data, license, licence: see `save_pretrained`.
            private: whether a new repository is private.
            token: access token; None uses the one that ``hf auth login`` stored.
            commit_message: of the upload, which is one commit.
            api: the Hub client; by default a new one with ``token``.

        Raises:
            UserError: see `save_pretrained`; or the Hub cannot be reached or refuses.
        """
        return hub.upload(
            self._trained(repo_id),
            self.card,
            repo_id,
            results=as_results(results),
            data=data,
            license=license or licence,
            private=private,
            token=token,
            commit_message=commit_message,
            api=api,
        )

    def _trained(self, target: str | Path) -> RestorationNetwork:
        """Return the network, whose weights can be written to ``target``.

        Raises:
            UserError: it runs an exported file, which holds no weights of its own form.
        """
        if not isinstance(self.network, RestorationNetwork):
            raise UserError(f"{target}: an exported model cannot be saved as weights; load its weight file or run")
        return self.network

    def __call__(
        self,
        x: Tensor,
        ensemble: bool = False,
        tile: Tiling = "none",
        overlap: Overlap = "auto",
        progress: Progress | None = None,
    ) -> Tensor:
        """Run the network as it is: (B, C, H, W) float in [0, 1] -> float32 of the same shape, not clamped.

        ``x`` may be on any device; the result comes back to it. ``ensemble`` adds the x8 self-ensemble.
        ``tile``, ``overlap`` and ``progress`` are those of `restore`, but for the default: the image whole.

        Raises:
            UserError: the image is too large for the memory.
        """
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
        passes, most = 0, len(tiles) * (len(ORIENTATIONS) if ensemble else 1)

        def forward(x: Tensor) -> Tensor:
            nonlocal passes
            y = self.run(x)
            passes += 1
            if progress is not None:
                progress(min(passes / most, 1.0))  # there are more where memory ran out and tiles were halved
            return y

        try:
            for part, y in restore_tiles(
                forward,
                lambda t: x[..., t.top : t.bottom, t.left : t.right].detach(),
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
            todo = "restore it in tiles (tile 'auto')" if chosen == "none" else "cut it into smaller ones"
            raise UserError(
                f"image: {size[1]}x{size[0]} pixels need more memory than {self.device} has; {todo}"
            ) from error
        return result

    def run(self, x: Tensor) -> Tensor:
        """Run the network once on what is given, without gradients; as `__call__`, but memory errors are torch's."""
        with torch.inference_mode():
            y = self._forward(x.to(device=self.device, dtype=torch.float32))
            return y.to(x.device)

    def _forward(self, x: Tensor) -> Tensor:
        return self._run(x.contiguous(memory_format=torch.channels_last))

    def _autocast(self, x: Tensor) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            y: Tensor = self.network(x)
        return y.float()

    @overload
    def restore(
        self,
        image: AnyArray,
        ensemble: bool = False,
        tile: Tiling = "auto",
        overlap: Overlap = "auto",
        *,
        color: str = "luma",
        strength: float = 1.0,
        progress: Progress | None = None,
    ) -> AnyArray: ...
    @overload
    def restore(
        self,
        image: Tensor,
        ensemble: bool = False,
        tile: Tiling = "auto",
        overlap: Overlap = "auto",
        *,
        color: str = "luma",
        strength: float = 1.0,
        progress: Progress | None = None,
    ) -> Tensor: ...
    @overload
    def restore(
        self,
        image: Image.Image,
        ensemble: bool = False,
        tile: Tiling = "auto",
        overlap: Overlap = "auto",
        *,
        color: str = "luma",
        strength: float = 1.0,
        progress: Progress | None = None,
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
        progress: Progress | None = None,
    ) -> Any:
        """Return the restored image: the same kind, dtype, shape and (torch) device as ``image``.

        Args:
            image: one of
                numpy (H, W) or (H, W, C), uint8, uint16 or floating point in [0, 1];
                torch (C, H, W) or (B, C, H, W), uint8, uint16 or floating point in [0, 1];
                a PIL image of mode L, RGB, I;16 or I;16B (modes 1 and P, which lose nothing by it,
                are turned into L and RGB and come back so). Its ``info`` (profile, resolution) is kept.
                Computation is in float32 (or bf16). Floats may leave [0, 1], as noise does.
            ensemble: average over the eight flips and turns, at eight times the cost.
            tile: ``"auto"``: whole if the free memory allows, else in tiles that it does, and in
                smaller ones where it still runs out (a warning is logged, logger ``clearer``);
                ``"none"``: whole; or the side of tiles in pixels, to which the overlap is added.
            overlap: how much of its surroundings a tile sees, in pixels on each side. ``"full"`` is
                the receptive field's radius: nothing differs from the whole image. ``"auto"`` is
                as much as keeps the difference under a tenth of an 8-bit level (docs/restoring.md).
            color: what a gray network works on in RGB images: ``"luma"`` or ``"channels"``; strength: 0
                gives the image as it is, 1 what the network makes of it (`inference.pages.How`).
                A color network sees a gray image as three equal channels; it comes back gray.
            progress: called with the share done after each pass of the network: each tile, and with the
                ensemble each of its orientations. It begins again where bf16 fails and fp32 is tried.

        Returns:
            Values clamped to their range, and rounded to the nearest for whole-number kinds.

        Raises:
            UserError: the image is of another kind, empty, not finite, too large for the memory, or
                has not the channels that the network takes; or the network makes NaN or nothing but
                black of it, in fp32 too (see `inference.soundness`).

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
        options = RestoreOptions(color=color, strength=strength)

        def work(x: Tensor) -> Tensor:
            self._check_channels(x)

            def run(restorer: Restorer) -> Tensor:
                return restorer._seen(x, options, lambda part: restorer(part, ensemble, tile, overlap, progress))

            return sound(self, x, run).clamp(0, 1)

        return in_kind(image, work)

    def _seen(self, x: Tensor, options: RestoreOptions, run: Callable[[Tensor], Tensor]) -> Tensor:
        """Run the network on (B, C, H, W) in [0, 1], where C need not be the network's."""
        expected = self.architecture.channels
        if x.shape[1] == expected and options.strength == 1:
            return run(x)

        def on_array(part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            y = run(to_batch(part))
            restored: npt.NDArray[np.float32] = to_array(y)
            return restored

        arrays = (to_array(one) for one in x)
        done = [torch.from_numpy(restore_pixels(one, on_array, expected, options)).permute(2, 0, 1) for one in arrays]
        return torch.stack(done).to(x.device)

    def _check_channels(self, x: Tensor) -> None:
        """Refuse (B, C, H, W) that is neither of the network's channels nor gray for color or the reverse."""
        expected = self.architecture.channels
        if x.shape[1] != expected and {x.shape[1], expected} != {1, 3}:
            raise UserError(
                f"image: it has {x.shape[1]} channels where the model takes {expected}; "
                "convert it or choose another model"
            )


def _chosen_precision(precision: str, device: torch.device) -> str:
    if precision not in PRECISIONS:
        near = nearest(precision, PRECISIONS)
        raise UserError(f"precision: {precision!r} is not one of {', '.join(PRECISIONS)}{near}")
    return choose_precision(precision, device)
