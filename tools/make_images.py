"""Draw docs/images/quickstart.png from the samples of a quickstart run.

python tools/make_images.py runs/quickstart
"""

from __future__ import annotations

import argparse
from pathlib import Path

from clearer.report.comparison import Sample, comparison
from clearer.report.figures import save_figure
from clearer.runs.record import read_record, sample_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a quickstart")
    record = read_record(parser.parse_args().run)
    samples = [Sample.of(entry, images) for entry in record.samples if (images := sample_images(record, entry))]
    save_figure(comparison(samples), Path(__file__).parents[1] / "docs" / "images" / "quickstart.png", dpi=100)


if __name__ == "__main__":
    main()
