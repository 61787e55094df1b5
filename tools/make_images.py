"""Draw docs/images/quickstart.png from the samples of a quickstart run.

python tools/make_images.py runs/quickstart
"""

from __future__ import annotations

import sys
from pathlib import Path

from clearer.report.comparison import comparison
from clearer.report.figures import save_figure
from clearer.runs.record import read_record, sample_images


def main() -> None:
    record = read_record(Path(sys.argv[1]))
    samples = [{**sample, **(sample_images(record, sample) or {})} for sample in record.samples]
    save_figure(comparison(samples), Path(__file__).parents[1] / "docs" / "images" / "quickstart.png", dpi=100)


if __name__ == "__main__":
    main()
