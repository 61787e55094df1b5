"""The page of models/: what there is, for what, at what cost; make_models.py writes it."""

from __future__ import annotations

from pathlib import Path

from clearer.core.files import write_text
from clearer.network.cost import macs_per_pixel, parameters
from clearer.zoo.locate import ModelFile, find_models
from clearer.zoo.names import RESEARCH_MODELS, ModelName
from clearer.zoo.weight_metadata import read_architecture

PAGE = """# Models

Trained networks and their model cards. Load them by name: `clearer restore denoise-gray photo.png -o restored.png`, \
or `clearer.load("denoise-gray")` in Python. [docs/models.md](../docs/models.md) says which one to choose, and \
compares them by quality and speed.

```sh
clearer models
clearer restore denoise-gray photo.png -o restored.png
```

## Pretrained models

These models are installed with the package.

{packaged}

## Models of this folder alone

These weights are in this folder only, which keeps the package small. In a checkout they load by name like the \
others. Elsewhere, set the environment variable `CLEARER_MODELS` to a copy of this folder, or give the path of a \
weight file.

{others}

## Research models

These models reproduce results of the paper. Their weights are in this folder only, too. In a checkout, or with \
`CLEARER_MODELS` set to a copy of this folder, `clearer models --all` lists them as `paper/...`, a name that every \
command takes.

{research}

## Folder contents

Every folder holds the model card (`README.md`), the recipe, one line of metrics per epoch, and the results with the \
commands that produce them. The report page of a training is not kept. To make it again, run the commands under \
"Training" in the model card: the run folder then holds `report.html`.

`python tools/make_models.py` writes this page.
"""


def write_page(models: Path) -> None:
    """Write README.md of models/: the models of the package, those in models/ alone, and those of the paper."""
    files = [file for file in find_models().values() if file.source != "CLEARER_MODELS"]
    packaged = [file for file in files if ModelName.parse(file.name).is_packaged]
    research = [file for file in files if file.name in RESEARCH_MODELS]
    others = [file for file in files if file not in packaged and file not in research]
    text = PAGE.format(packaged=table(packaged, models), others=table(others, models), research=table(research, models))
    write_text(models / "README.md", text)


def table(files: list[ModelFile], models: Path) -> str:
    """Return the rows of models, in Markdown."""
    rows = [
        "| model | for | kMAC/pixel | parameters | MiB | measured |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for file in files:
        architecture, card = read_architecture(file.path)
        figures = "; ".join(f"{r.data} {r.protocol}: {r.psnr:.2f} dB" for r in card.results)
        cost = f"{macs_per_pixel(architecture) / 1e3:.0f} | {parameters(architecture):,}"
        size = f"{file.path.stat().st_size / 2**20:.1f}"
        rows.append(
            f"| [{file.name}]({file.name}/README.md) | {purpose(models / file.name)} | {cost} | {size} | {figures} |"
        )
    return "\n".join(rows)


def purpose(folder: Path) -> str:
    """Return what a model is for, from its README, which may be edited after it was written."""
    line = (folder / "README.md").read_text().splitlines()[2]
    return line.removeprefix("For ").removesuffix(".")
