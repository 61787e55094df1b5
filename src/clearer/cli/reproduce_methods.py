"""Verbs that compare methods as the paper does: reproduce figures5-7, tables, baselines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from clearer.cli.options import Device, Jobs, Json, Limit, ResultFolder, Seed, method_names, precision_names
from clearer.cli.verb import option, real, verb, whole
from clearer.core.console import console_for_people, print_json, progress_bar, say
from clearer.core.errors import UserError

if TYPE_CHECKING:
    from clearer.methods.base import Method
    from clearer.methods.trained_model import Running

Bsd500 = Annotated[str | None, option("Data", "Test images of BSD500.", metavar="FOLDER")]
Rain800 = Annotated[str | None, option("Data", "Test pairs of Rain800.", metavar="FOLDER")]
Sigmas = Annotated[
    list[float] | None,
    option(
        "Evaluation", "Noise level; repeatable (default: 30, 50 and 70).", "--sigma", metavar="LEVEL", parser=real(0)
    ),
]


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """The methods that a table or figure compares, and how they run."""

    models: Annotated[
        list[str] | None,
        option("Methods", "Pretrained model, weight file or run; repeatable.", "--models", metavar="[NAME=]PATH"),
    ] = None
    also: Annotated[
        list[Path] | None,
        option("Methods", "Python file that defines METHODS; repeatable.", metavar="FILE.py"),
    ] = None
    classical: Annotated[
        str,
        option(
            "Methods",
            "Classical methods, such as nlm,tv,wavelet; all or none. bm3d: non-commercial.",
            metavar="NAMES",
            complete=method_names,
        ),
    ] = "none"
    trained: Annotated[
        Path | None,
        option("Methods", "Result folder of 'reproduce baselines', for all its networks.", metavar="FOLDER"),
    ] = None
    ensemble: Annotated[
        bool,
        option(
            "Restoration",
            "Average the results of each network over 8 flips and rotations; takes 8 times as long.",
            "--ensemble",
        ),
    ] = False
    device: Device = "auto"
    precision: Annotated[
        str,
        option(
            "Device",
            "Precision in which networks restore: auto, fp32 or bf16.",
            metavar="PRECISION",
            complete=precision_names,
        ),
    ] = "fp32"

    def running(self) -> Running:
        """Return how networks run."""
        from clearer.methods.trained_model import Running

        return Running(self.device, self.precision, self.ensemble)

    def methods(self) -> list[Method]:
        """Return the methods: classical ones, those of Python files, trained networks."""
        from clearer.experiments.equal_budget import trained_methods
        from clearer.methods.selection import all_methods

        found = [] if self.trained is None else trained_methods(self.trained, self.running())
        return found + all_methods(
            self.classical,
            self.also or (),
            self.models or (),
            device=self.device,
            precision=self.precision,
            ensemble=self.ensemble,
        )


def _refuse_without_networks(options: MethodOptions) -> None:
    """Refuse what says how networks restore where none is compared."""
    given = {"--ensemble": options.ensemble, f"--precision {options.precision}": options.precision != "fp32"}
    named = [name for name, is_given in given.items() if is_given]
    if named and not options.models and options.trained is None:
        raise UserError(f"{named[0]}: is for networks, and none is compared; add --models, or leave it out")


def _refuse_without_noise(sigmas: list[float] | None, bsd500: str | None) -> None:
    """Refuse noise levels where no images get noise."""
    if sigmas and bsd500 is None:
        raise UserError("--sigma: is for noise, and no images get any; give --bsd500 FOLDER, or leave it out")


@dataclass(frozen=True, kw_only=True)
class Figures57Options(MethodOptions):
    """Options of figures5-7."""

    out: ResultFolder = Path("reproduction/figures5-7")
    bsd500: Bsd500 = None
    rain800: Rain800 = None
    image: Annotated[list[str] | None, option("Data", "Image to show; repeatable.", metavar="NAME")] = None
    images: Annotated[
        int | None,
        option("Data", "Show the first N images of each folder (default: 2).", metavar="N", parser=whole(1)),
    ] = None
    sigma: Sigmas = None
    protocol: Annotated[
        str,
        option(
            "Evaluation",
            "Noise: clearer-gray, gray-awgn or color-awgn.",
            metavar="NAME",
            complete=lambda: ["clearer-gray", "gray-awgn", "color-awgn"],
        ),
    ] = "clearer-gray"
    crop: Annotated[
        str | None,
        option("Output", "Crop to enlarge, in pixels (default: where most detail is).", metavar="TOP,LEFT,SIDE"),
    ] = None
    as_json: Json = False

    def __post_init__(self) -> None:
        _refuse_without_noise(self.sigma, self.bsd500)
        if self.protocol != "clearer-gray" and self.bsd500 is None:
            raise UserError("--protocol: is for noise, and no images get any; give --bsd500 FOLDER, or leave it out")
        if self.image and self.images is not None:
            raise UserError("--image, --images: both say which images are shown; leave out one of them")

    def place(self) -> tuple[int, int, int] | None:
        """Return the three numbers of ``--crop``.

        Raises:
            UserError: it is not three whole numbers.
        """
        if self.crop is None:
            return None
        parts = self.crop.split(",")
        if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
            raise UserError(f"--crop {self.crop}: not of the form TOP,LEFT,SIDE, three whole numbers of pixels")
        top, left, side = map(int, parts)
        return top, left, side


@verb(
    "figures5-7",
    "clearer reproduce figures5-7 --models denoise-gray-50 --bsd500 bsds500/test",
    former={"--picture": "--image", "--pictures": "--images"},
)
def figures5_7(options: Figures57Options) -> None:
    """Figures 5 to 7: the same crop restored by each method.

    Restored images are kept in the result folder and reused by the next call.
    """
    from clearer.experiments.figures5_7 import SIGMAS
    from clearer.experiments.figures5_7 import figures5_7 as run_figures5_7

    o = options
    console = console_for_people(o.as_json)
    how: dict[str, Any] = {
        "names": o.image or (),
        "images": o.images or 2,
        "sigmas": o.sigma or SIGMAS,
        "crop": o.place(),
    }
    how |= {"bsd500": o.bsd500, "rain800": o.rain800, "protocol": o.protocol}
    _refuse_without_networks(o)
    methods = o.methods()
    with progress_bar("restore") as progress:
        result = run_figures5_7(o.out, methods, **how, progress=progress)
    for name in result["left_out"]:
        say(f"{name}: suits nothing that is shown; left out", console)
    for figure in result["figures"]:
        say(f"{figure['image']}: {o.out}/{figure['name']}.png", console)
    say(f"all with their captions: {o.out}/figures57.md", console)
    if o.as_json:
        print_json({**result, "saved": str(o.out)})


@dataclass(frozen=True, kw_only=True)
class Figure8Options(MethodOptions):
    """Options of figure8."""

    out: ResultFolder = Path("reproduction/figure8")
    rain: Annotated[str, option("Data", "Folder of rainy photographs.", "--rain", metavar="FOLDER")]
    images: Annotated[int, option("Data", "Show N images, spread over the names.", metavar="N", parser=whole(1))] = 6
    as_json: Json = False


@verb("figure8", "clearer reproduce figure8 --rain rain800/test_nature --models derain")
def figure8(options: Figure8Options) -> None:
    """Figure 8, ours: real rain restored by each derainer.

    There is no ground truth, so nothing is measured. Restored images are kept and reused by the next call.
    """
    from clearer.experiments.figure8 import figure8 as run_figure8

    o = options
    _refuse_without_networks(o)
    console = console_for_people(o.as_json)
    with progress_bar("restore") as progress:
        result = run_figure8(o.out, o.methods(), o.rain, o.images, progress=progress)
    for name in result["left_out"]:
        say(f"{name}: does not remove rain; left out", console)
    say(f"{o.out}/figure8.png, with its caption: {o.out}/figure8.md", console)
    if o.as_json:
        print_json({**result, "saved": str(o.out)})


@dataclass(frozen=True, kw_only=True)
class TablesOptions(MethodOptions):
    """Options of tables."""

    out: ResultFolder = Path("reproduction/tables")
    bsd500: Bsd500 = None
    rain800: Rain800 = None
    sigma: Sigmas = None
    rain_y: Annotated[bool, option("Evaluation", "Add a table of rain measured on Y.", "--rain-y")] = False
    limit: Limit = None
    seed: Seed = 0
    as_json: Json = False

    def __post_init__(self) -> None:
        _refuse_without_noise(self.sigma, self.bsd500)
        if self.rain_y and self.rain800 is None:
            raise UserError("--rain-y: is for rain, and no pairs are given; give --rain800 FOLDER, or leave it out")


@verb("tables", "clearer reproduce tables --models denoise-gray-50 --bsd500 bsds500/test")
def tables(options: TablesOptions) -> None:
    """PSNR, SSIM, size and speed beside the published values.

    Rerun the same command to resume where it stopped.
    """
    from clearer.experiments.tables import SIGMAS
    from clearer.experiments.tables import tables as run_tables

    o = options
    _refuse_without_networks(o)
    console = console_for_people(o.as_json)
    how: dict[str, Any] = {"sigmas": o.sigma or SIGMAS, "rain_y": o.rain_y, "limit": o.limit, "seed": o.seed}
    result = run_tables(o.out, o.methods(), data_noise=o.bsd500, data_rain=o.rain800, **how, console=console)
    say((o.out / "tables.md").read_text(encoding="utf-8"), console)
    say(f"saved: {o.out}/tables.md, {o.out}/tables.json", console)
    if o.as_json:
        print_json({**result, "saved": str(o.out)})


@dataclass(frozen=True, kw_only=True)
class BaselinesOptions(TablesOptions):
    """Options of baselines."""

    out: ResultFolder = Path("reproduction/baselines")
    noise: Annotated[
        str | None, option("Data", "Folder of clean images to train denoisers on.", "--noise", metavar="FOLDER")
    ] = None
    rain: Annotated[
        str | None, option("Data", "Folder of rainy pairs to train derainers on.", "--rain", metavar="FOLDER")
    ] = None
    minutes: Annotated[float, option("Training", "Minutes of each training.", metavar="MIN", parser=real(0, 1e6))] = 20
    only: Annotated[
        list[str] | None, option("Training", "Train this baseline or network; repeatable.", "--only", metavar="NAME")
    ] = None
    jobs: Jobs = None


def _refuse_without_images(options: BaselinesOptions) -> None:
    """Refuse what says how test images are measured where there are none."""
    given = {
        "--ensemble": options.ensemble,
        "--precision": options.precision != "fp32",
        "--limit": options.limit is not None,
        "--seed": options.seed != 0,
    }
    named = [name for name, is_given in given.items() if is_given]
    if named and options.bsd500 is None and options.rain800 is None:
        raise UserError(
            f"{named[0]}: is for test images, and there are none; give --bsd500 or --rain800, or leave it out"
        )


@verb("baselines", "clearer reproduce baselines --noise bsds500/train --bsd500 bsds500/test")
def baselines(options: BaselinesOptions) -> None:
    """Other systems and ours, trained equally long on the same images.

    With test images, a table follows, as of 'tables'. Rerun the same command to resume where it stopped. All train in
    fp32; --precision and --ensemble say how the trained networks restore the test images.
    """
    from clearer.experiments.equal_budget import equal_budget
    from clearer.experiments.tables import SIGMAS

    o = options
    _refuse_without_images(o)
    console = console_for_people(o.as_json)
    how: dict[str, Any] = {"sigmas": o.sigma or SIGMAS, "rain_y": o.rain_y, "limit": o.limit, "seed": o.seed}
    how |= {
        "data_noise": o.bsd500,
        "data_rain": o.rain800,
        "only": o.only or (),
        "jobs": o.jobs,
        "running": o.running(),
    }
    result = equal_budget(o.out, o.minutes, noise=o.noise, rain=o.rain, others=o.methods(), console=console, **how)
    if result is not None:
        say((o.out / "tables.md").read_text(encoding="utf-8"), console)
    say(f"saved: {o.out}", console)
    if o.as_json:
        print_json({**(result or {}), "saved": str(o.out)})
