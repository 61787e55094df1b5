"""Synthetic files of a search within budgets, for the tests of its page: 27, 9 and 3 networks a budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearer.network.architecture import Architecture
from clearer.search.macro_space import form_at

FIELDS = {"channels": 1, "norm": "none", "residual": True}
AT = [1000, 1000]


def networks(count: int, seed: int = 0) -> list[Architecture]:
    """Return different networks of the space."""
    chance, found = np.random.default_rng(seed), dict[Architecture, None]()
    while len(found) < count:
        found[form_at(chance.random(7)).architecture(int(chance.integers(2, 8)) * 8, **FIELDS)] = None
    return list(found)


def write_search(folder: Path, budgets: Sequence[float] = (100.0,), unit: str = "ms at 1000x1000") -> Path:
    """Write ``folder``/budget for budgets of milliseconds (or of multiply-adds per pixel)."""
    place = folder / "budget"
    place.mkdir(parents=True)
    latencies: list[dict[str, Any]] = []
    names, results = {}, []
    about = {"at": AT, "device": "a processor, 2 cores", "threads": 2, "precision": "bf16"}
    for number, amount in enumerate(budgets):
        chance = np.random.default_rng(number)
        default = Architecture.parse("FPFF-FFFF", width=24 + 8 * number, unshuffle=2, **FIELDS)
        all_of_it = [default, *networks(26, number)]
        cost = {a.text: float(amount * chance.uniform(0.9, 1)) for a in all_of_it}
        skill = {a.text: 25 + np.log2(amount / 100) * 0.15 + float(chance.normal(0, 0.12)) for a in all_of_it}
        lines = [
            line(default.text, 0, seed, 300, skill[default.text] + 0.03 * seed, cost[default.text], unit)
            for seed in (1, 2)
        ]
        alive = [a.text for a in all_of_it]
        for rung, (count, steps) in enumerate(((27, 300), (9, 900), (3, 2700))):
            alive = sorted(alive, key=lambda text: -skill[text])[:count]
            lines += [line(text, rung, 0, steps, skill[text] + 0.35 * rung, cost[text], unit) for text in alive]
        name = f"{amount:g}ms@1mp" if unit != "MAC/pixel" else f"{amount / 1000:g}kmac"
        names[name.replace("@", "-")] = [a.text for a in all_of_it]
        result = {
            "budget": name, "unit": unit, "amount": amount, "architecture": alive[0], "default": default.text,
            "spread": 0.121, "chance": 0.021, "trained": lines,
        }  # fmt: skip
        results.append({**result, "run": name.replace("@", "-")} if len(budgets) > 1 else result)
        for text in (alive[0], default.text):
            time = cost[text] * 1.04 if unit != "MAC/pixel" else 40.0
            quartiles = [0.98 * time, 1.05 * time]
            latencies.append(
                {"architecture": text, "milliseconds": time, "quartiles": quartiles, "macs_per_pixel": 45e3, **about}
            )
    for name, time, macs in (("DnCNN", 2145.0, 555_264.0), ("FFDNet", 150.0, 120_000.0)):
        latencies.append(
            {"name": name, "milliseconds": time, "quartiles": [time, time], "macs_per_pixel": macs, **about}
        )
    (place / "result.json").write_text(json.dumps({"budgets": results} if len(budgets) > 1 else results[0]))
    (place / "latencies.json").write_text(json.dumps(latencies))
    if len(budgets) > 1:
        (place / "networks.json").write_text(json.dumps(names))
    return folder


def line(text: str, rung: int, seed: int, steps: int, psnr: float, cost: float, unit: str) -> dict[str, Any]:
    """Return a line of a ledger."""
    return {
        "rung": rung, "architecture": text, "seed": seed, "steps": steps, "psnr": psnr, "seconds": steps / 10,
        "cost": cost, "unit": unit,
    }  # fmt: skip
