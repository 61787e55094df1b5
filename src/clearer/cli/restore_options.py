"""Options of restore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from clearer.cli.options import Device, Ensemble, Json, Model, Precision, bands_of, span_of
from clearer.cli.verb import argument, option, real, whole
from clearer.core.errors import UserError

if TYPE_CHECKING:
    from clearer.inference.options import RestoreOptions as Options

STREAM = "-"
AUTO = "auto"


def _formats() -> list[str]:
    from clearer.images.types import FORMATS

    return list(FORMATS)


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """Options of restore."""

    model: Model
    source: Annotated[
        str | None, argument("INPUT", "Image, folder, video, OME-Zarr, address (s3://...), or - for stdin.")
    ] = None
    recursive: Annotated[bool, option("Input", "Include sub-folders.", "--recursive", "-r")] = False
    pattern: Annotated[
        str | None, option("Input", "Files to take from a folder, such as '*.png' or 'day?/*.png'.", metavar="GLOB")
    ] = None
    span: Annotated[
        str | None,
        option(
            "Input",
            "Values of black and white in the input, such as 0,4095 (default: the model's range, or detected).",
            "--range",
            metavar="LOW,HIGH",
        ),
    ] = None
    bands: Annotated[
        str | None,
        option("Input", "Bands to restore, such as 1,3 or 2-4; others stay (default: all).", metavar="LIST"),
    ] = None
    ensemble: Ensemble = False
    color: Annotated[
        str,
        option(
            "Restoration",
            "How a gray model treats color images: luma (keeps the color) or channels (R, G and B one by one).",
            metavar="MODE",
            complete=lambda: ["luma", "channels"],
        ),
    ] = "luma"
    strength: Annotated[
        float, option("Restoration", "Blend: 0 gives the input, 1 the model's output.", metavar="X", parser=real(0, 1))
    ] = 1
    sigma: Annotated[
        str | None,
        option(
            "Restoration",
            "Noise level for a model that takes it: sigma in gray levels of 255, or a map (.png, .tif, .npy) "
            "(default: estimated).",
            metavar="LEVEL",
        ),
    ] = None
    tile: Annotated[
        str,
        option(
            "Restoration",
            "Tile side in pixels, auto (by free memory) or none.",
            metavar="PIXELS",
            complete=lambda: ["auto", "none"],
        ),
    ] = "auto"
    overlap: Annotated[
        str,
        option(
            "Restoration",
            "Tile overlap in pixels, auto (no visible difference) or full (no difference).",
            metavar="PIXELS",
            complete=lambda: ["auto", "full"],
        ),
    ] = "auto"
    out: Annotated[
        str | None,
        option("Output", "Restored image, folder, video, or - for stdout.", "--out", "-o", metavar="OUTPUT"),
    ] = None
    format: Annotated[
        str | None,
        option(
            "Output",
            "Output format: png, jpeg, tiff, webp, bmp, avif, heif, jxl, pgm, ppm, pbm, pfm, pam (default: the same).",
            metavar="FORMAT",
            complete=lambda: [name.lower() for name in _formats()],
        ),
    ] = None
    depth: Annotated[
        str | None,
        option(
            "Output",
            "Bits per channel: 1, 8, 16 or float (default: same as input).",
            metavar="BITS",
            complete=lambda: ["1", "8", "16", "float"],
        ),
    ] = None
    quality: Annotated[
        int | None,
        option(
            "Output",
            "Quality of JPEG, AVIF, HEIF (default: 95), WebP, JPEG XL (default: lossless) and video, 1 to 100.",
            metavar="N",
            parser=whole(1, 100),
        ),
    ] = None
    compare: Annotated[
        Path | None,
        option("Output", "PNG to write with the image before and after, side by side.", metavar="FILE.png"),
    ] = None
    skip_existing: Annotated[bool, option("Output", "Leave existing output files as they are.", "--skip-existing")] = (
        False
    )
    quiet: Annotated[
        bool, option("Output", "Do not check whether the model fits, and print no summary.", "--quiet", "-q")
    ] = False
    manifest: Annotated[
        str | None,
        option(
            "Many files",
            "List of files in place of INPUT: a path a line, or CSV or JSON lines with input and output.",
            metavar="FILE",
        ),
    ] = None
    workers: Annotated[
        int | None,
        option(
            "Many files",
            "Processes that share the files (default for many files: one a core or GPU).",
            metavar="N",
            parser=whole(1),
        ),
    ] = None
    shards: Annotated[
        int | None,
        option("Many files", "Parts that the files are shared out in.", metavar="N", parser=whole(1, 99999)),
    ] = None
    shard: Annotated[
        int | None,
        option("Many files", "The only part to restore, from 0 (default: all).", metavar="K", parser=whole(0)),
    ] = None
    distributor: Annotated[
        str | None,
        option(
            "Many files",
            "Who starts the workers: local, slurm (by array index) or ray (default: local).",
            metavar="NAME",
            complete=lambda: ["local", "slurm", "ray"],
        ),
    ] = None
    state: Annotated[
        Path | None,
        option("Many files", "Folder of the records (default: .clearer-bulk in OUTPUT).", metavar="FOLDER"),
    ] = None
    as_json: Json = False
    device: Device = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.to_stdout and self.as_json:
            raise UserError("--json, -o -: both write to stdout; leave out one of them")
        if self.to_stdout and self.skip_existing:
            raise UserError("--skip-existing, -o -: stdout is no file that may exist; leave out --skip-existing")
        if self.tile == "none" and self.overlap != "auto":
            raise UserError("--overlap, --tile none: without tiles, nothing overlaps; leave out one of them")
        if self.source is None and self.manifest is None:
            raise UserError("restore: INPUT: missing; name an image, a folder or a video, or a list with --manifest")
        if self.source is not None and self.manifest is not None:
            raise UserError(
                f"{self.source}, --manifest {self.manifest}: both say what to restore; leave out one of them"
            )
        if self.out is None and self.manifest is None:
            raise UserError("restore: --out: missing; see 'clearer restore --help'")

    @property
    def to_stdout(self) -> bool:
        """Whether the restored image goes to standard output."""
        return self.out == STREAM

    @property
    def is_bulk(self) -> bool:
        """Whether workers share the files, and a record of each is kept."""
        asked = (self.manifest, self.workers, self.shards, self.shard, self.distributor, self.state)
        if any(one is not None for one in asked) or self.source is None:
            return True
        from clearer.core.addresses import is_remote

        if not is_remote(self.source) and not is_remote(str(self.out)):
            return False
        from clearer.bulk.staged import is_folder

        return is_folder(self.source)

    def chosen(self) -> Options:
        """Return the options of the restoration itself.

        Raises:
            UserError: a value is out of range.
        """
        from clearer.inference.noise_level import read_level
        from clearer.inference.options import RestoreOptions as Options
        from clearer.inference.tiling import as_tiling, parse_overlap

        return Options(
            color=self.color,
            strength=self.strength,
            sigma=None if self.sigma is None else read_level(self.sigma),
            span=None if self.span is None else span_of(self.span),
            bands=None if self.bands is None else bands_of(self.bands),
            ensemble=self.ensemble,
            tile=as_tiling(self.tile),
            overlap=parse_overlap(self.overlap),
            format=self.format,
            depth=self.depth,
            quality=self.quality,
            skip_existing=self.skip_existing,
            recursive=self.recursive,
            pattern=self.pattern,
            compare=self.compare,
            check=not self.quiet,
        )
