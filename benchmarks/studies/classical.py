"""Tune the constants of the classical denoisers on validation images.

    python benchmarks/studies/classical.py bsds500/val -o OUT.json

Tries each constant and its neighbors. Reports the mean PSNR over images and over sigma 30, 50 and 70 by the protocol
``clearer-gray``. Reads no test images.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path

import torch

from clearer.core.files import write_json
from clearer.evaluation.evaluate import evaluate
from clearer.methods.base import Method, as_restore
from clearer.methods.nlm import nlm
from clearer.methods.tv import tv
from clearer.methods.wavelet import wavelet

SIGMAS = (30, 50, 70)
CHOICES: list[Callable[[], Method]] = [
    *(lambda a=a: nlm(*a) for a in itertools.product((0.5, 0.6, 0.7), (3, 5, 7), (3, 4, 6))),
    *(lambda a=a: tv(a) for a in (0.6, 0.7, 0.8, 0.9, 1.0)),
    *(lambda a=a: wavelet(a) for a in ("haar", "db2", "db3", "db4", "sym4")),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder of validation images")
    parser.add_argument("--limit", type=int, default=6, help="number of images")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for make in CHOICES:
        method = make()
        results = [
            evaluate(as_restore(method, s), given.folder, f"clearer-gray-{s}", limit=given.limit) for s in SIGMAS
        ]
        values = [round(result.psnr, 3) for result in results]
        seconds = sum(result.seconds for result in results) / (len(SIGMAS) * results[0].images)
        mean = round(sum(values) / len(values), 3)
        rows.append({"method": method.name, "setup": method.setup, "mean": mean, "psnr": values, "seconds": seconds})
        print(f"{mean:6.3f}  {values}  {seconds:6.3f} s  {method.name}: {method.setup}", flush=True)
    if given.out is not None:
        write_json(given.out, {"sigmas": list(SIGMAS), "images": given.limit, "rows": rows})


if __name__ == "__main__":
    main()
