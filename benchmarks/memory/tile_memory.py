"""Measure the memory of a forward pass per pixel: the model behind --tile auto.

    python benchmarks/memory/tile_memory.py -o docs/results/memory.json

Each row comes from a separate process: peak resident memory of a pass minus that before it, in bytes per pixel and
in floats (4 bytes) per channel at full resolution.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from clearer.core.files import write_json

CASES: list[tuple[Any, ...]] = [  # genotype, operations, width, pixel unshuffle (1 if left out)
    ("FPPF-FFFF-PFFP", "supplement", 8),
    ("FPPF-FFFF-PFFP", "supplement", 16),
    ("FPPF-FFFF-PFFP", "supplement", 32),
    ("FPPF-FFFF-PFFP", "released", 16),
    ("PPPP-PPPP-PPPP", "supplement", 16),
    ("FFFF-FFFF-FFFF-FFFF", "supplement", 16),
    ("PF-PF", "supplement", 16),
    ("F", "supplement", 16),
    ("FPFF-FFFF", "supplement", 32, 2),
    ("FPPF-FFFF-PFFP", "supplement", 32, 2),
]
MAKE = """
import sys
from clearer.network.architecture import Architecture
from clearer.deploy.onnx import export
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights
text, operations, width, unshuffle, weights, exported = sys.argv[1:]
architecture = Architecture.parse(text, operations=operations, width=int(width), unshuffle=int(unshuffle))
save_weights(weights, RestorationNetwork(architecture), {})
export(weights, onnx=exported)
"""
MEASURE = """
import resource, sys, torch
from clearer.inference.restorer import load
model, precision, side = sys.argv[1:]
restorer = load(model, "cpu", precision)
restorer.run(torch.rand(1, 1, 64, 64))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
restorer.run(torch.rand(1, 1, int(side), int(side)))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / int(side) ** 2)
"""


def run(program: str, *arguments: Any) -> str:
    call = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024, help="side of the image in pixels")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for text, operations, width, *folded in CASES:
        unshuffle = folded[0] if folded else 1
        with tempfile.TemporaryDirectory() as folder:
            weights, exported = Path(folder) / "model.safetensors", Path(folder) / "model.onnx"
            # In a separate process: on Linux, the peak of a process starts at that of its parent.
            run(MAKE, text, operations, width, unshuffle, weights, exported)
            for way, model, precision in (
                ("fp32", weights, "fp32"),
                ("bf16", weights, "bf16"),
                ("ONNX Runtime", exported, "auto"),
            ):
                found = float(run(MEASURE, model, precision, given.side))
                case = {"architecture": text, "operations": operations, "width": width, "precision": way}
                case |= {"unshuffle": unshuffle} if folded else {}
                channels = round(found / 4 / width, 2)
                rows.append({**case, "bytes_per_pixel": round(found), "floats_per_channel": channels})
                print(json.dumps(rows[-1]), file=sys.stderr)
    command = f"python benchmarks/memory/tile_memory.py {shlex.join(sys.argv[1:])}"
    write_json(given.out, {"command": command, "side": given.side, "rows": rows})


if __name__ == "__main__":
    main()
