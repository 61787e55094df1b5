"""A synthetic run folder with plausible files, for the tests of the report."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from clearer.network.architecture import Architecture
from clearer.report.figures import mean_gap

TABLE_1 = (0.1601, 0.8286, 0.8343, 0.1650, 0.1635, 0.1638, 0.1658, 0.1658, 0.8393, 0.1665, 0.1643, 0.8378)
HOSTILE = "<script>alert('x')</script> & \"$\\frac{1}{2}$\""


def write_run(folder: Path, hostile: bool = False, images: int = 1) -> Path:
    """Write the files of a run: 40 epochs of search, 30 of training, two protocols, samples."""
    chance = np.random.default_rng(0)
    name = HOSTILE if hostile else "gaussian noise, sigma 50"
    for part in ("search", "train", "evaluation", "samples"):
        (folder / part).mkdir(parents=True)

    def put(file: str, value: Any) -> None:
        (folder / file).write_text(json.dumps(value), encoding="utf-8")

    (folder / "recipe.yaml").write_text(f"name: {name}\nsearch:\n  lambda_arch: 0.1\n", encoding="utf-8")
    architecture = Architecture.parse("FPPF-FFFF-PFFP")
    put("architecture.json", architecture.to_dict())
    counts = {"train": 400, "validation": 32, "test": 68}
    put("run.json", {
        "recipe": "denoise-gray", "task": name, "created": "2026-01-02T03:04:05", "clearer": "0.1.0", "torch": "2.6.0",
        "device": "cpu", "threads": 2, "precision": "fp32", "images": counts,
    })  # fmt: skip
    cells = [{"module": f"module {i + 1}", "parameters": 92544, "macs_per_pixel": 38000.5} for i in range(12)]
    put("cost.json", {"parameters": 6073536, "macs_per_pixel": 446656.0, "cells": cells})

    lines = []
    for epoch in range(1, 41):
        share = max(0, epoch - 10) / 30
        pairs = [(p := 0.5 + (end - 0.5) * share**0.7, 1 - p) for end in TABLE_1]
        loss = 0.05 * math.exp(-epoch / 8) + 0.004 + 0.0004 * chance.random()
        entropy = -sum(a * math.log10(a) + (1 - a) * math.log10(1 - a) for pair in pairs for a in pair) / 24
        lines.append({
            "epoch": epoch, "step": 50 * epoch, "arch_step": 50 * max(0, epoch - 10), "loss": 0.9 * loss,
            "loss_res": loss, "loss_arch": entropy, "loss_comp": 0.4, "psnr": -10 * math.log10(loss),
            "lr": 0.025 * (1 + math.cos(math.pi * epoch / 40)) / 2, "entropy": entropy, "gap": mean_gap(pairs),
            "mixing_weights": pairs, "seconds": 30,
        })  # fmt: skip
    (folder / "search/metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    final = [(p, 1 - p) for p in TABLE_1]
    put("search/result.json", {
        "architecture": str(architecture), "mixing_weights": final, "gap": mean_gap(final), "steps": 2000,
        "arch_steps": 1500, "seconds": 1200.5, "peak_memory_mb": 1834.2, "device": "cpu",
    })  # fmt: skip

    lines, best, at = [], 0.0, 0
    for epoch in range(1, 31):
        loss = 0.02 * math.exp(-epoch / 5) + 0.003 + 0.0003 * chance.random()
        line = {"epoch": epoch, "step": 100 * epoch, "loss": loss, "lr": 0.01 * (31 - epoch) / 30, "grad_norm": 0.3}
        if epoch % 2 == 0:
            psnr = 26.5 - 5 * math.exp(-epoch / 6) + 0.1 * chance.random()
            line |= {"psnr": psnr, "input_psnr": 14.71, "best": psnr > best}
            best, at = (psnr, epoch) if psnr > best else (best, at)
        lines.append(line | {"seconds": 42.0})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "train/metrics.jsonl").write_text(text + '{"epoch": 31, "lo')  # cut short by a crash
    put("train/result.json", {
        "steps": 3000, "seconds": 6800.0, "peak_memory_mb": 912.0, "device": "cpu", "best_epoch": at,
        "best_psnr": best, "last_psnr": best - 0.01, "input_psnr": 14.71,
    })  # fmt: skip
    for protocol, ensemble in (("gray-awgn-50", False), ("gray-awgn-50", True)):
        single = [
            {"name": name if k == 0 else f"test{k:03d}.png", "height": 321, "width": 481, "input_psnr": 14.7 + k / 100,
             "psnr": 26.0 + k / 10, "ssim": 0.71, "seconds": 0.84} for k in range(8)
        ]  # fmt: skip
        put(f"evaluation/{protocol}-{'e' if ensemble else 'a'}.json", {
            "protocol": protocol, "ensemble": ensemble, "model": "model.safetensors",
            "data": "/home/someone/sets/bsd68", "images": 8, "input_psnr": 14.74, "psnr": 26.35 + 0.1 * ensemble,
            "ssim": 0.7123, "parameters": 6073536, "macs_per_pixel": 446656.0, "seconds": 6.7, "per_image": single,
        })  # fmt: skip
    samples = []
    for k, source in enumerate((data.chelsea(), data.astronaut(), data.coffee())[:images]):
        truth = np.ascontiguousarray(source[:321, :481] if k != 1 else source[:481, :321])
        noise = chance.standard_normal(truth.shape) * 50
        entry = {
            "name": name if k == 0 else f"sample {k}",
            "input_psnr": 14.7,
            "psnr": 26.3,
            "input_ssim": 0.2,
            "ssim": 0.7,
        }
        for key, amount in (("input", 1.0), ("restored", 0.08), ("truth", 0.0)):
            file = f"samples/{k}-{key}.png"
            Image.fromarray(np.clip(truth + amount * noise, 0, 255).astype(np.uint8)).save(folder / file)
            entry[key] = file
        samples.append(entry)
    put("samples.json", samples)
    (folder / "model.safetensors").write_bytes(b"")
    return folder
