"""Measure what a training with rounded weights and features saves of the quality that int8 costs.

    python benchmarks/studies/int8_training.py denoise-gray-fast --train bsds500/train bsds500/test \\
        --validation bsds500/val --only-validation docs/val_without_bsd68.txt --calibrate photos --steps 1500 \\
        -o docs/results/int8-training.json

The training goes on from the model's weights, on one thread, at a rate that falls to zero, once as it is and once with
what `clearer export --int8` will round: the inputs of all convolutions but the first and the last to 256 levels of the
range seen so far, their weights to 128 levels a channel. Gradients pass the rounding unchanged. Both results and the
model itself are exported in fp32 and int8 and measured as the export does, on the images that it holds out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from brief_training import begun, going_on, options, trained_by
from torch import Tensor, nn

from clearer.core.files import write_json
from clearer.deploy.onnx import export
from clearer.inference.latency_table import device_name
from clearer.training import trainer

STEPS_OF_WEIGHTS = 63
"""Weights of 7 bits: -63 to 63 steps."""


class Rounding:
    """A convolution's forward pass with rounded input and weights, as the int8 network computes it.

    The range of the input is the largest that was seen, with 0 inside, as static quantization takes it.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        self.convolution = convolution
        self.low, self.high = torch.zeros(()), torch.zeros(())

    def __call__(self, x: Tensor) -> Tensor:
        plain = x.detach().float()
        self.low, self.high = torch.minimum(self.low, plain.min()), torch.maximum(self.high, plain.max())
        step = ((self.high - self.low) / 255).clamp(min=1e-8)
        rounded = ((plain - self.low) / step).round() * step + self.low
        weight = self.convolution.weight
        scale = weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-8) / STEPS_OF_WEIGHTS
        stored = (weight.detach() / scale).round() * scale
        result: Tensor = self.convolution._conv_forward(
            x + (rounded - plain).to(x.dtype), weight + (stored - weight.detach()), self.convolution.bias
        )
        return result


class RoundedTraining(trainer.WeightTraining):
    """A training whose network computes as its int8 form will."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        convolutions = [one for one in self.network.modules() if isinstance(one, nn.Conv2d)]
        for one in convolutions[1:-1]:
            one.forward = Rounding(one)  # type: ignore[method-assign,assignment]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--calibrate", required=True, help="folder of images that `export --int8` gets")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=0.0005, help="largest learning rate")
    given = begun(parser)
    recipe = going_on(given, seed=0)
    rows: list[dict[str, Any]] = [{"training": "none", **measured(given.recipe, given.calibrate)}]
    for name, job in (("plain", trainer.WeightTraining), ("rounded", RoundedTraining)):
        with tempfile.TemporaryDirectory() as folder:
            result = trained_by(job, recipe, Path(folder) / "run")
            rows.append({"training": name, **result, **measured(f"{folder}/run", given.calibrate)})
        print(rows[-1], flush=True)
    processor = device_name(torch.device("cpu"))
    write_json(given.out, {"command": given.command, "processor": processor, "rows": rows})


def measured(model: str, images: str) -> dict[str, Any]:
    """Export the model in int8; return the PSNR in dB of both forms on the images that are held out."""
    with tempfile.TemporaryDirectory() as folder:
        check: Any = export(model, onnx=Path(folder) / "int8.onnx", int8=True, calibrate=images)["onnx"]
    return {key: check[key] for key in ("psnr_fp32", "psnr", "worst_loss", "held_out", "calibrated_with")}


if __name__ == "__main__":
    main()
