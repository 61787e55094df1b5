"""Compare the built-in cameras of the degradation `camera` with measured ones: level of the noise, and tone curves.

    python benchmarks/studies/camera_noise.py --curves 201_CRF_data.mat --cameras cameras.json

Prints percentiles (5, 50, 95) of the noise of smooth patches, in gray levels and without processing, and how near the
built-in curves come to the measured ones.
"""

from __future__ import annotations

import argparse
import itertools

import torch
from torch import Tensor

from clearer.degradations.camera import curves
from clearer.degradations.camera.files import read_curves
from clearer.degradations.camera.kind import Camera

PATCHES, SIDE = 48, 64
STEPS = 12
"""Values of each parameter of the built-in curves that are tried."""


def noise_levels(iso: float, curve_file: str, camera_file: str) -> list[float]:
    """Return percentiles of the standard deviation of the noise of a patch, in gray levels."""
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(PATCHES, 3, SIDE // 5, SIDE // 5, generator=generator)
    clean = torch.nn.functional.interpolate(small, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    clean = (clean * 255).round() / 255
    how = Camera(iso, processed=0, scaled=0, banding=0, hot=0, curves=curve_file, cameras=camera_file)
    levels = ((how.apply(clean, generator) - clean) * 255).std((1, 2, 3))
    return torch.quantile(levels, torch.tensor([0.05, 0.5, 0.95])).tolist()


def nearest_built_in(measured: Tensor, light: Tensor) -> Tensor:
    """Return the root mean square to the nearest built-in curve, of curves (N, points) at ``light`` (points)."""
    spans = [torch.linspace(*span, STEPS).tolist() for span in (curves.POWER, curves.CONTRAST, curves.MIDDLE)]
    best = torch.full((len(measured),), torch.inf)
    for power, contrast, middle in itertools.product([0.0, *spans[0]], *spans[1:]):
        built_in = curves.ToneCurve(power, contrast, middle).to_image(light)
        best = torch.minimum(best, (measured - built_in).square().mean(1).sqrt())
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", default="", metavar="FILE", help="measured tone curves")
    parser.add_argument("--cameras", default="", metavar="FILE", help="measured cameras")
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = [("", ""), (options.curves, ""), ("", options.cameras)]
    for curve_file, camera_file in dict.fromkeys(files):
        for iso in (400, 6400):
            levels = ", ".join(f"{level:.1f}" for level in noise_levels(iso, curve_file, camera_file))
            print(f"ISO {iso}, curves {curve_file or 'built in'}, cameras {camera_file or 'built in'}: {levels}")
    if options.curves:
        light = torch.linspace(0, 1, 128)
        measured = torch.stack([curve.to_image(light) for curve in read_curves(options.curves)])
        distances = torch.quantile(nearest_built_in(measured, light), torch.tensor([0.5, 0.75, 0.95]))
        print("distance to the nearest built-in curve, median, 75%, 95%:", [round(d, 4) for d in distances.tolist()])


if __name__ == "__main__":
    main()
