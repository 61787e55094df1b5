"""Draw docs/images/tutorial-photo.jpg: docs/tutorials/photo.md before and after, by its own commands.

python tools/make_tutorial_images.py
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Run the page's first Python and its command with ``--compare``, and keep what that wrote."""
    page = (DOCS / "tutorials" / "photo.md").read_text(encoding="utf-8")
    python = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    (command,) = (line for line in page.splitlines() if line.startswith("clearer ") and "--compare" in line)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", python], cwd=folder, check=True)
        subprocess.run([sys.executable, "-m", *shlex.split(command)], cwd=folder, check=True)
        with Image.open(Path(folder, "compare.png")) as both:
            both.convert("RGB").save(DOCS / "images" / "tutorial-photo.jpg", quality=85)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
