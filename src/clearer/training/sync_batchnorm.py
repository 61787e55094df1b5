"""Batch norm over a batch spread over several processes, with the mean and variance of the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Total = Callable[[Tensor], Tensor]


def use_global_statistics(network: nn.Module, total: Total, parts: int) -> None:
    """Turn every batch norm of ``network``, in place, into one over ``parts`` equal parts of a batch.

    Parameters, names and statistics are kept; nothing changes in eval mode.

    Args:
        network: the network to change.
        total: returns the sum of a tensor over the processes, the same in each.
        parts: the number of processes.
    """
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
            vars(module).update(total=total, parts=parts)


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """(B / parts, C, H, W) -> the same, normalized as `nn.BatchNorm2d` normalizes the whole (B, C, H, W)."""

    total: Total
    parts: int

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y: Tensor
        y, mean, variance = _Normalize.apply(x, self.weight, self.bias, self.eps, self.total, self.parts)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            n = self.parts * x.numel() // x.shape[1]
            rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, rate)
            self.running_var.lerp_(variance * (n / (n - 1)), rate)
        return y


class _Normalize(torch.autograd.Function):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, with the statistics of all parts.

    All parts share mean and variance, so the gradient of the input has terms that are sums over the parts. The
    gradients of weight and bias are those of this part alone, as with every other parameter.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, total: Total, parts: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
        # In float64, where subtracting the square of a large mean keeps enough digits.
        moments = torch.stack([mean.double(), variance.double() + mean.double().square()])
        mean, square = total(moments).div_(parts).unbind()
        mean, variance = mean.float(), (square - mean.square()).clamp_min_(0).float()
        y = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)[0]
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps, ctx.total, ctx.parts = eps, total, parts
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        none = mean.new_empty(0)  # for the running statistics, which are not used: CUDA needs a tensor
        # First as if the statistics were constants; then the terms through them, from the sums for weight and bias.
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, none, none, False, ctx.eps, [True, True, True]
        )
        n = ctx.parts * x.numel() // x.shape[1]
        sum_weight, sum_bias = ctx.total(torch.stack([of_weight, of_bias])).unbind()
        scale = (variance + ctx.eps).rsqrt()
        slope = weight * scale.square() * sum_weight / n
        offset = weight * scale * sum_bias / n - slope * mean
        shape = (1, -1, 1, 1)
        whole = of_x.float().sub_(offset.view(shape)).addcmul_(x.float(), slope.view(shape), value=-1)
        return whole.to(x.dtype), of_weight, of_bias, None, None, None
