"""A trained baseline, ready to be measured: a restorer without tiles, files and export."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from clearer.core.device import autocast, choose_precision, find_device
from clearer.core.errors import UserError
from clearer.evaluation.self_ensemble import self_ensemble
from clearer.inference.memory import is_out_of_memory
from clearer.inference.restorer import Restorer, load
from clearer.network.baselines.base import BaselineNetwork
from clearer.network.baselines.form import BaselineForm
from clearer.zoo.card import ModelCard
from clearer.zoo.locate import located
from clearer.zoo.weight_metadata import read_form
from clearer.zoo.weights import load_any_weights


class BaselineRestorer:
    """A baseline in evaluation mode on a device; images are restored whole.

    Args:
        network: it is moved to the device and set to evaluation mode.
        card: what its weight file states.
        device: ``"auto"`` or a name that torch knows.
        precision: ``"fp32"``, ``"bf16"`` or ``"auto"``.

    Raises:
        UserError: the device or the precision is not available.
    """

    def __init__(
        self, network: BaselineNetwork, card: ModelCard, *, device: str = "auto", precision: str = "fp32"
    ) -> None:
        self.device = find_device(device, mps=True)
        self.precision = choose_precision(precision, self.device)
        self.network = network.to(self.device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
        self.card = card

    @property
    def architecture(self) -> BaselineForm:
        """The name of the baseline."""
        form: BaselineForm = self.network.architecture
        return form

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return int(self.network.channels)

    def __call__(self, x: Tensor, ensemble: bool = False) -> Tensor:
        """Restore (B, C, H, W) in [0, 1]; the result is float32, on the device of ``x``, not clamped.

        Raises:
            UserError: the device's memory does not suffice.
        """
        try:
            return self_ensemble(self._run, x) if ensemble else self._run(x)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"{self.architecture}: {x.shape[3]}x{x.shape[2]} pixels need more memory than {self.device} has; "
                "measure smaller images"
            ) from error

    def _run(self, x: Tensor) -> Tensor:
        with torch.inference_mode(), autocast(self.precision, self.device):
            restored: Tensor = self.network(x.to(self.device).contiguous(memory_format=torch.channels_last))
        return restored.float().to(x.device)


def load_measurable(
    name_or_path: str | Path, device: str = "auto", precision: str = "auto"
) -> Restorer | BaselineRestorer:
    """Load a model as `clearer.load` does, for floating point, or a trained baseline.

    Raises:
        UserError: see `clearer.load`.
    """
    weights = located(name_or_path)
    if weights.suffix.lower() != ".onnx" and isinstance(read_form(weights)[0], BaselineForm):
        network, card = load_any_weights(weights)
        assert isinstance(network, BaselineNetwork)
        return BaselineRestorer(network, card, device=device, precision=precision)
    return load(name_or_path, device, precision).at_depth("float")
