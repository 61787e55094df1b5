"""tables.md: for each set a table with published rows, costs and footnotes, from tables.json."""

from __future__ import annotations

from pathlib import Path

from clearer.core.files import read_shaped, write_text
from clearer.experiments import published
from clearer.experiments.records import ResultTable, TableCell, TableRow, Tables
from clearer.experiments.table_measurements import SAMPLE_SEED

PATCH_AVERAGED = "CLEARER-P"
"""The published row that looks like PSNR averaged over separate patches; it is not comparable with the others."""

TITLES = {
    "bsd500": "BSD500, gray, center crop to multiples of 64, noise clipped to [0, 255] and floored to 8 bits",
    "rain800-rgb": "Rain800, RGB",
    "rain800-y": "Rain800, Y of BT.601 (not comparable with RGB figures)",
}
ZERO_PADDED = " SSIM in parentheses is measured as the paper's program does, which surrounds images with zeros"
CAUTIONS = {
    "bsd500": "Published figures are as printed, on all 200 test images, whatever images this table has. They do not "
    "share one protocol, as their notes say. A difference from them may come from the protocol.",
    "rain800-rgb": "Published figures are those that the HiNAS paper prints, on all 100 test images, whatever "
    "images this table has.",
    "rain800-y": "No published figures are comparable with these.",
}
COSTS, MEMORY = ("parameters", "kMAC/pixel", "s/image", "Mpixel/s"), "MiB"
LEAST_MIB = 10
"""Less memory is not told apart: processes that measured the same network differed by as much."""


def redraw(out: str | Path) -> None:
    """Write tables.md from tables.json alone."""
    result = read_shaped(Path(out) / "tables.json", Tables)
    write_text(Path(out) / "tables.md", as_markdown(result))


def as_markdown(result: Tables) -> str:
    """Return the tables as Markdown, each with its footnotes."""
    parts = [part for table in result["tables"] for part in _parts(table, result["seed"], result.get("limit"))]
    if result["left_out"]:
        parts.append(f"Left out, not meant for these protocols: {', '.join(result['left_out'])}.")
    return "\n\n".join(parts) + "\n"


def _parts(table: ResultTable, seed: int, limit: int | None) -> list[str]:
    """Return title, table, footnotes and cautions of one set."""
    count, total = table["images"], table["images_in_set"]
    what = f"all {count} images" if count == total else f"**only the first {count}** of {total} images"
    if "sample" in table:
        first = f"the first {limit} of " if limit is not None and limit < total else ""
        what = f"{count} of {first}{total} images, drawn with seed {SAMPLE_SEED} from those of up to 1 megapixel,"
        if not table.get("drawn", True):
            what = f"all {count} of {first}{total} images that have up to 1 megapixel,"
    noise = f", noise seed {seed}" if seed else ""
    columns = ["", "source", *(f"{_head(name)}: PSNR (dB) / SSIM" for name in table["protocols"]), *_costs_of(table)]
    lines = ["| " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]
    notes: list[str] = []
    apart: list[str] = []
    for row in table["rows"]:
        figures = [_figures(row["cells"].get(name)) for name in table["protocols"]]
        if row["source"] == "published" and row["name"] == PATCH_AVERAGED:
            pairs = zip(table["protocols"], figures, strict=True)
            values = ", ".join(f"{_head(name)}: {text}" for name, text in pairs if text)
            apart.append(
                f"{row['name']}, published, is not in the table: {values}. These figures look like PSNR averaged over "
                "64x64 patches that were restored apart, and are not comparable. `clearer compare-protocols` measures "
                "that effect alone."
            )
            continue
        name = row["name"].replace("|", "\\|") + _mark(row, table["name"], notes)
        lines.append("| " + " | ".join([name, row["source"], *figures, *_costs(row, _costs_of(table))]) + " |")
    parts = [f"**{TITLES[table['name']]}** ({what} of {table['data']}{noise})", "\n".join(lines)]
    if notes:
        parts.append("\n".join(f"- ({number}) {text}" for number, text in enumerate(notes, 1)))
    padded = any(cell.get("ssim_zero_padded") is not None for row in table["rows"] for cell in row["cells"].values())
    beside = any(row["source"] == "published" for row in table["rows"])
    cautions = CAUTIONS[table["name"]] if beside or "sample" not in table else ""
    if padded:
        cautions += ZERO_PADDED + ("; compare it with the published SSIM." if beside else ".")
    return [*parts, (cautions + _speed(table)).strip(), *apart]


def _head(protocol: str) -> str:
    return protocol.replace("clearer-gray-", "sigma ")


def _figures(cell: TableCell | None) -> str:
    if cell is None:
        return ""
    padded = cell.get("ssim_zero_padded")
    as_published = "" if padded is None else f" ({padded:.4f})"
    return f"{cell['psnr']:.2f} / " + ("-" if cell["ssim"] is None else f"{cell['ssim']:.4f}") + as_published


def _costs_of(table: ResultTable) -> tuple[str, ...]:
    """Return the heads of the columns of costs: tables made before 0.2 know no memory."""
    known = any(cell.get("mib") is not None for row in table["rows"] for cell in row["cells"].values())
    return (*COSTS, MEMORY) if known else COSTS


def _costs(row: TableRow, heads: tuple[str, ...]) -> list[str]:
    """Return the costs of a row; a value for each network if they differ, the time of the quickest level."""
    cells = list(row["cells"].values())
    if row["source"] != "here":
        return [""] * len(heads)
    sizes = dict.fromkeys(f"{cell['parameters']:,}" for cell in cells if cell["parameters"] is not None)
    macs = dict.fromkeys(f"{cell['macs_per_pixel'] / 1e3:.1f}" for cell in cells if cell["macs_per_pixel"] is not None)
    quickest = _quickest(row)
    memory = [mib for cell in cells if (mib := cell.get("mib")) is not None]
    most = [_memory(max(memory)) if memory else ""] if MEMORY in heads else []
    speed = ["", ""]
    if quickest is not None:
        speed = [f"{quickest['seconds_per_image']:.3g}", f"{quickest['megapixels_per_second']:.3g}"]
    return [" / ".join(sizes), " / ".join(macs), *speed, *most]


def _quickest(row: TableRow) -> TableCell | None:
    """Return the cell of the level that took least: what else the machine does only ever adds time.

    None where no time is kept, as of rows that were measured under other conditions than the rest of their table.
    """
    timed = [cell for cell in row["cells"].values() if "seconds_per_image" in cell]
    return min(timed, key=lambda cell: cell["seconds_per_image"]) if timed else None


def _memory(mib: float) -> str:
    return f"< {LEAST_MIB}" if mib < LEAST_MIB else f"{mib:.0f}"


def _mark(row: TableRow, table: str, notes: list[str]) -> str:
    """Return the mark of the row's footnote; append the footnote to ``notes`` if it is new."""
    text = _measured_how(row) if row["source"] == "here" else ""
    if row["source"] == "published":
        text = published.PROTOCOLS.get(table, {}).get(row["name"], "")
    if not text:
        return ""
    if text not in notes:
        notes.append(text)
    return f" ({notes.index(text) + 1})"


def _measured_how(row: TableRow) -> str:
    cells = row["cells"].values()
    said = [*dict.fromkeys(cell["notes"].rstrip(".") for cell in cells if cell["notes"])]
    said += [f"run: {setup}" for setup in dict.fromkeys(cell["setup"] for cell in cells if cell["setup"])]
    return "; ".join(said)


def _speed(table: ResultTable) -> str:
    found = [_quickest(row) for row in table["rows"] if row["source"] == "here"]
    cells = [cell for cell in found if cell is not None]
    threads = " or ".join(str(count) for count in sorted({cell["threads"] for cell in cells}))
    level = ", at the level that took least" if len(table["protocols"]) > 1 else ""
    memory = " MiB: the most that measuring took, scores included." if MEMORY in _costs_of(table) else ""
    if memory and "mib_size" in table:
        width, height = table["mib_size"]
        memory = (
            f" MiB: what restoring an image of {width}x{height} pixels took; differences of {LEAST_MIB} MiB are chance."
        )
    return f" Speed is for one machine, with {threads} CPU thread(s) for torch{level}.{memory}" if cells else ""
