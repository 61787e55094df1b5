"""Measure FFDNet's published weights on the validation images of a search within budgets, for its page.

    python benchmarks/studies/front_baselines.py runs/budgets

The search must be of Gaussian noise. CLEARER_SHARED names a folder with peers/ffdnet_gray.npz and so on (docs/data.md).
The weights get the true level of each image. Writes ``psnr`` into RUN/budget/latencies.json and draws the page again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from ffdnet import FFDNet, published  # type: ignore[import-not-found, unused-ignore]

from clearer.core.files import write_json
from clearer.data.items import read_images
from clearer.evaluation.metrics import psnr
from clearer.pipeline.run_checks import check_run
from clearer.report.budget_page import write_budget_page
from clearer.report.page import write_page
from clearer.runs.budget_record import read_latencies
from clearer.runs.layout import RunFolder
from clearer.training.validation import Validation


def ffdnet_psnr(validation: Validation, network: FFDNet) -> float:
    """Return the mean PSNR of FFDNet, which is told the level of each image."""
    found = []
    for noisy, clean in validation.pairs.values():
        level = 255 * float((noisy - clean).square().mean().sqrt())
        with torch.inference_mode():
            found.append(float(psnr(network(noisy.float(), level).clamp(0, 1), clean)))
    return sum(found) / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of clearer fit --budget")
    folder = RunFolder(parser.parse_args().run)
    recipe = RunFolder(folder.budget).read_recipe()
    channels, degradation = recipe.network.channels, recipe.data.degradation
    name = "ffdnet_gray" if channels == 1 else "ffdnet_color"
    weights = published(name)
    if weights is None or recipe.to_dict()["data"]["degradation"]["kind"] != "gaussian":
        sys.exit(f"{name}.npz is not in peers/ of CLEARER_SHARED, or the search is not of Gaussian noise")
    device, splits = check_run(recipe, RunFolder(folder.budget), ("train",), print)
    images = read_images(splits.validation, channels)[: recipe.train.validation_images]
    crop, span = recipe.train.validation_crop, recipe.data.span
    validation = Validation(images, degradation, crop=crop, device=device, span=span)
    network = FFDNet(channels).load_published(weights).to(device).eval()
    found = ffdnet_psnr(validation, network)
    print(f"FFDNet: {found:.3f} dB on {len(images)} validation images, from {validation.input_psnr:.3f} dB")
    lines = read_latencies(folder)
    for line in lines:
        if line.get("name") == "FFDNet":
            line["psnr"] = found
    write_json(folder.latencies, lines)
    print(write_budget_page(folder.path) if folder.has_several_budgets else write_page(folder.path))


if __name__ == "__main__":
    main()
