"""A plain implementation of the paper, against which speed is measured.

fp32, contiguous tensors, every norm and every upsampling where the supplement places it, gradients of all parameters
in both kinds of step, patches cut one by one. Nothing is optimized, and nothing is slowed down on purpose.
Parameters are named as in clearer's networks, so that a state dict of one fits the other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


def conv_bn(source: int, target: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(source, target, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(target)]


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_bn(width, width), nn.ReLU(), *conv_bn(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + x)


def down(widths: list[int], source: int, target: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for s in range(source, target):
        layers += conv_bn(widths[s], widths[s + 1], stride=2)
    return nn.Sequential(*layers, nn.ReLU())


def up(widths: list[int], source: int, target: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for s in range(source, target, -1):
        layers += [*conv_bn(widths[s], widths[s - 1], kernel=1), nn.Upsample(scale_factor=2)]
    return nn.Sequential(*layers)


class Parallel(nn.Module):
    def __init__(self, widths: list[int], scales: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Residual(widths[s]) for s in range(scales))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return [branch(x) for branch, x in zip(self.branches, features, strict=True)]


class Fusion(nn.Module):
    def __init__(self, widths: list[int], scales: int, targets: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleDict(
                {str(s): (down if s < t else up)(widths, s, t) for s in range(scales) if s != t},
            )
            for t in range(targets)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        outputs = []
        for target, edges in enumerate(self.edges):
            total = features[target]
            for source, edge in edges.items():  # type: ignore[operator]
                total = total + edge(features[int(source)])
            outputs.append(torch.relu(total))
        return outputs


class Mixed(nn.Module):
    def __init__(self, widths: list[int], scales: int) -> None:
        super().__init__()
        self.parallel = Parallel(widths, scales)
        self.fusion = Fusion(widths, scales, scales)

    def forward(self, features: list[Tensor], alpha: Tensor) -> list[Tensor]:
        pairs = zip(self.parallel(features), self.fusion(features), strict=True)
        return [alpha[0] * p + alpha[1] * f for p, f in pairs]


class Transition(nn.Module):
    def __init__(self, widths: list[int], scales: int) -> None:
        super().__init__()
        self.down = down(widths, scales - 1, scales)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return [*features, self.down(features[-1])]


class Cell(nn.Module):
    def __init__(self, widths: list[int], scales: int, letters: str) -> None:
        super().__init__()
        self.transition = Transition(widths, scales - 1)
        kinds = {
            "P": lambda: Parallel(widths, scales),
            "F": lambda: Fusion(widths, scales, scales),
            "*": lambda: Mixed(widths, scales),
        }
        self.searched = nn.ModuleList(kinds[letter]() for letter in letters)


class Reference(nn.Module):
    """The network of a genotype (three groups of P, F, or * for a mixed module) with the supplement's operations."""

    def __init__(self, letters: str = "****-****-****", width: int = 32, channels: int = 1) -> None:
        super().__init__()
        widths = [width * 2**s for s in range(4)]
        lift = nn.Sequential(*conv_bn(channels, width), nn.ReLU())
        self.stem = nn.Sequential(lift, Residual(width), Residual(width))
        self.cells = nn.ModuleList(Cell(widths, i + 2, group) for i, group in enumerate(letters.split("-")))
        self.fusion = Fusion(widths, 4, 1)
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        if "*" in letters:
            self.alpha = nn.Parameter(1e-3 * torch.randn(12, 2))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        number = 0
        for cell in self.cells:
            features = cell.transition(features)  # type: ignore[operator]
            for module in cell.searched:  # type: ignore[union-attr]
                if isinstance(module, Mixed):
                    features = module(features, self.alpha.softmax(1)[number])
                else:
                    features = module(features)
                number += 1
        result: Tensor = self.last(self.fusion(features)[0])
        return result


class Patches:
    """Gray patches, cut, flipped and degraded one by one, as a data loader with one process does."""

    def __init__(self, images: list[np.ndarray], patch: int, batch: int, sigma: float, seed: int = 0) -> None:
        self.images, self.patch, self.batch, self.sigma = images, patch, batch, sigma
        self.rng = np.random.default_rng(seed)

    def draw(self) -> tuple[Tensor, Tensor]:
        degraded, clean = [], []
        for _ in range(self.batch):
            image = self.images[self.rng.integers(len(self.images))]
            top = self.rng.integers(image.shape[0] - self.patch + 1)
            left = self.rng.integers(image.shape[1] - self.patch + 1)
            part = image[top : top + self.patch, left : left + self.patch].astype(np.float64)
            part = np.rot90(part, self.rng.integers(4))
            if self.rng.integers(2):
                part = part[:, ::-1]
            noisy = np.floor(np.clip(part + self.rng.normal(0, self.sigma, part.shape), 0, 255))
            clean.append(torch.from_numpy(np.ascontiguousarray(part / 255)).float()[None])
            degraded.append(torch.from_numpy(noisy / 255).float()[None])
        return torch.stack(degraded), torch.stack(clean)


def weight_step(network: nn.Module, optimizer: torch.optim.Optimizer, degraded: Tensor, clean: Tensor) -> Tensor:
    """Take one step of the weights, in the search or in plain training; return the loss."""
    network.train()
    loss = nn.functional.mse_loss(network(degraded), clean)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimizer.step()
    return loss.detach()


def architecture_step(
    network: Reference, optimizer: torch.optim.Optimizer, degraded: Tensor, clean: Tensor, lambda_arch: float = 0.1
) -> Tensor:
    """Take one step of alpha, with the gradients of all parameters; return the loss."""
    network.eval()
    alpha = network.alpha.softmax(1)
    entropy = -(alpha * alpha.log10() + (1 - alpha) * (1 - alpha).log10()).mean()
    loss = nn.functional.mse_loss(network(degraded), clean) + lambda_arch * entropy
    network.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()
