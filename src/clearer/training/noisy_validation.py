"""Validation without ground truth: the estimated error on held-out noisy images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clearer.evaluation.no_reference import Estimate, NoReference
from clearer.losses.noise2void import Noise2Void
from clearer.losses.registry import LOSSES
from clearer.recipe.schema import Recipe
from clearer.runs.schema import EpochLine, TrainResult
from clearer.training import distributed
from clearer.training.job import RunContext


class NoisyValidation:
    """Estimates of the error on the validation images, always by the same random numbers.

    Several processes each measure a share. The network runs in fp32: SURE takes small differences.

    Attributes:
        latest: the last estimate.
        input_psnr: estimated PSNR of the noisy images, in dB.
    """

    def __init__(self, recipe: Recipe, context: RunContext) -> None:
        settings, loss = recipe.train, LOSSES.get(recipe.train.loss)
        self.images = NoReference(
            context.validation[: settings.validation_images],
            None if context.noise is None else context.noise[: settings.validation_images],
            hide=loss if isinstance(loss, Noise2Void) else None,
            crop=settings.validation_crop,
            device=context.device,
            span=recipe.data.span,
            scenes=None if context.scenes is None else context.scenes[: settings.validation_images],
        )
        self.latest = Estimate(self.images.measure, ())
        self.input_psnr = self.measure(nn.Identity())

    def measure(self, network: nn.Module) -> float:
        """Return the estimated PSNR of a network in evaluation mode, in dB."""
        rank, world = distributed.rank(), distributed.world()

        def restore(noisy: Tensor) -> Tensor:
            restored: Tensor = network(noisy)
            return restored

        with torch.autocast(self.images.device.type, enabled=False):
            found = {k: self.images.errors(restore, k) for k in range(rank, len(self.images), world)}
        # Errors, and 1 where there is one: a small part may have none. 0 for those of other processes.
        errors, known = torch.zeros(2, len(self.images), self.images.grid**2, dtype=torch.float64)
        for k, values in found.items():
            for part, error in enumerate(values):
                if error is not None:
                    errors[k, part], known[k, part] = error, 1
        total, counts = distributed.total(torch.stack([errors, known]))
        pairs = [zip(*one, strict=True) for one in zip(total.tolist(), counts.tolist(), strict=True)]
        self.latest = self.images.summary([[error if count else None for error, count in one] for one in pairs])
        return self.latest.psnr

    def line(self, psnr: float) -> EpochLine:
        """Return the figures of the metrics after `measure`."""
        return {
            "estimated_psnr": psnr,
            "standard_error": self.latest.standard_error,
            "estimated_input_psnr": self.input_psnr,
        }

    def result(self, best: float, estimate: Estimate | None, last: float) -> TrainResult:
        """Return the figures of the result: the estimated PSNR of the best weights and of the last ones."""
        assert estimate is not None
        return {
            "measure": estimate.measure,
            "best_estimated_psnr": best,
            "standard_error": estimate.standard_error,
            "last_estimated_psnr": last,
            "estimated_input_psnr": self.input_psnr,
        }
