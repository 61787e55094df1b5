"""PNG files keep their chunks and the order of them; animations keep their frames, times, depth and hidden image."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.around.png_chunks import SIGNATURE, Chunk, bytes_of, chunks_of
from clearer.images.io import read_file
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

CHANCE = np.random.default_rng(3)
LAYOUTS = {  # Color type and bits: channels
    (0, 1): 1,
    (0, 2): 1,
    (0, 4): 1,
    (0, 8): 1,
    (0, 16): 1,
    (2, 8): 3,
    (2, 16): 3,
    (3, 4): 1,
    (3, 8): 1,
    (4, 8): 2,
    (4, 16): 2,
    (6, 8): 4,
    (6, 16): 4,
}
WIDTH, HEIGHT = 8, 5
PALETTE = bytes(CHANCE.integers(0, 256, 48, np.uint8))


def levels(layout: tuple[int, int], height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    least = int(layout[0] in (0, 2))  # without an alpha channel, 0 stands for what is cleared
    most = min(2 ** layout[1], 16 if layout[0] == 3 else 65536)
    return CHANCE.integers(least, most, (height, width, LAYOUTS[layout]))


def packed(layout: tuple[int, int], pixels: np.ndarray) -> bytes:
    """Compressed rows, each behind a 0 for no filter."""
    if layout[1] == 16:
        rows = [row.astype(">u2").tobytes() for row in pixels]
    elif layout[1] == 8:
        rows = [row.astype(np.uint8).tobytes() for row in pixels]
    else:
        bits = (pixels >> np.arange(layout[1] - 1, -1, -1)) & 1
        rows = [np.packbits(row.ravel().astype(bool)).tobytes() for row in bits]
    return zlib.compress(b"".join(b"\0" + row for row in rows))


def png(layout: tuple[int, int], *around: Chunk, behind: tuple[Chunk, ...] = (), pixels: bytes | None = None) -> bytes:
    head = struct.pack(">IIBB3x", WIDTH, HEIGHT, layout[1], layout[0])
    palette = [(b"PLTE", PALETTE)] if layout[0] == 3 else []
    chunks = [(b"IHDR", head), *palette, *around]
    chunks += [(b"IDAT", pixels or packed(layout, levels(layout))), *behind, (b"IEND", b"")]
    return SIGNATURE + b"".join(map(bytes_of, chunks))


def restored(tmp_path: Path, data: bytes, name: str = "y.png") -> tuple[bytes, list[str]]:
    (tmp_path / "x.png").write_bytes(data)
    outcome = restore_path(stand_in(3), tmp_path / "x.png", tmp_path / name, RestoreOptions(strength=0.0, check=False))
    return (tmp_path / name).read_bytes(), [note.partition(": ")[2] for note in outcome.notes]


KEPT: list[Chunk] = [
    (b"gAMA", struct.pack(">I", 45455)),
    (b"cHRM", struct.pack(">8I", *range(31270, 31278))),
    (b"pHYs", struct.pack(">IIB", 2835, 1417, 1)),
    (b"tIME", struct.pack(">H5B", 2020, 2, 29, 12, 0, 1)),
    (b"oFFs", struct.pack(">iiB", -3, 4, 0)),
    (b"sCAL", b"\x01" + b"0.1\x000.1"),
    (b"tEXt", b"Author\0somebody"),
    (b"zTXt", b"Long\0\0" + zlib.compress(b"word " * 99)),
    (b"iTXt", b"Title\0\0\0de\0Titel\0ein Titel"),
    (b"prVt", b"private, safe to copy"),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_chunks_come_back_in_their_order_and_place(tmp_path: Path, layout: tuple[int, int]) -> None:
    behind = ((b"tEXt", b"Late\0behind the pixels"), (b"vpAg", bytes(9)))
    data = png(layout, *KEPT, behind=behind)
    back, notes = restored(tmp_path, data)
    kinds = [kind for kind, _ in chunks_of(back)]
    found = [chunk for chunk in chunks_of(back) if chunk[0] not in (b"IHDR", b"IDAT", b"IEND")]
    assert found == [*KEPT, *behind] and not notes
    assert kinds.index(b"prVt") < kinds.index(b"IDAT") < kinds.index(b"vpAg")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("key", [False, True])
def test_every_layout_has_the_same_colors_and_what_is_tied_to_it(
    tmp_path: Path, layout: tuple[int, int], key: bool
) -> None:
    kind, bits = layout
    pixels = levels(layout)
    colors = 3 if kind in (2, 3, 6) else 1
    transparent: list[Chunk] = []
    if key and kind in (0, 2):
        transparent = [(b"tRNS", struct.pack(f">{colors}H", *pixels[0, 0]))]
    elif key and kind == 3:
        transparent = [(b"tRNS", bytes([0, 128]))]
    ground = {0: pixels[0, 0], 2: pixels[0, 0], 3: pixels[0, 0], 4: pixels[0, 0, :1], 6: pixels[0, 0, :3]}[kind]
    background = struct.pack(f">{len(ground)}H" if kind != 3 else "B", *ground)
    significant = bytes([max(1, bits - 1)] * (3 if kind == 3 else LAYOUTS[layout]))
    data = png(layout, (b"sBIT", significant), *transparent, (b"bKGD", background), pixels=packed(layout, pixels))
    back, notes = restored(tmp_path, data)
    bodies = dict(chunks_of(back))
    _, _, deep, found_kind = struct.unpack_from(">IIBB", bodies[b"IHDR"])
    has_alpha = kind in (4, 6) or bool(transparent)
    assert found_kind == {(1, False): 0, (1, True): 4, (3, False): 2, (3, True): 6}[colors, has_alpha]
    assert list(bodies[b"sBIT"][:colors]) == list(significant[:colors])
    assert len(bodies[b"sBIT"]) == colors + has_alpha and not notes
    seen = np.frombuffer(PALETTE, np.uint8).reshape(-1, 3)[pixels[:, :, 0]] if kind == 3 else pixels[:, :, :colors]
    top = 255 if kind == 3 else 2**bits - 1
    scale = (2**deep - 1) / top
    assert list(struct.unpack(f">{colors}H", bodies[b"bKGD"])) == np.rint(seen[0, 0] * scale).tolist()
    (page,) = read_file(back).pages
    assert np.array_equal(page.color, np.rint(seen * scale))


def test_a_chunk_that_tells_of_the_old_pixels_is_dropped_with_a_line(tmp_path: Path) -> None:
    back, notes = restored(tmp_path, png((2, 8), (b"iDOT", bytes(28)), (b"prVT", b"unsafe")))
    assert not {b"iDOT", b"prVT"} & {kind for kind, _ in chunks_of(back)}
    assert notes == ["not kept: chunk iDOT, chunk prVT"]


def animation(layout: tuple[int, int], hidden: bool) -> tuple[bytes, list[np.ndarray]]:
    """Frames that replace, blend over, are cleared or taken back, with their images worked out by hand."""
    top = 2 ** layout[1] - 1
    clear = np.zeros((HEIGHT, WIDTH, LAYOUTS[layout]), int)
    first, second, third = levels(layout), levels(layout, 3, 4), levels(layout, 2, 2)
    if LAYOUTS[layout] in (2, 4):
        second[:, :, -1] = np.where(np.arange(12).reshape(3, 4) % 2, top, 0)
    images = [first]
    over = first.copy()
    opaque = second[:, :, -1:] == top if LAYOUTS[layout] in (2, 4) else np.ones((3, 4, 1), bool)
    over[1:4, 2:6] = np.where(opaque, second, over[1:4, 2:6])
    images.append(over)
    taken_back = first.copy()
    taken_back[0:2, 0:2] = third
    images.append(taken_back)
    cleared = taken_back.copy()
    cleared[0:2, 0:2] = 0
    images += [cleared, clear]
    cleared[4:5, 7:8] = first[4:5, 7:8]
    images[4] = cleared.copy()
    specs = [
        (first, 0, 0, (1, 10), 0, 0),
        (second, 2, 1, (1, 3), 2, 1),
        (third, 0, 0, (0, 0), 1, 0),
        (first[4:5, 7:8], 7, 4, (7, 1000), 0, 0),
        (first[4:5, 7:8], 7, 4, (7, 1000), 0, 0),
    ]
    chunks: list[Chunk] = [(b"IHDR", struct.pack(">IIBB3x", WIDTH, HEIGHT, layout[1], layout[0]))]
    chunks.append((b"acTL", struct.pack(">II", len(specs), 3)))
    if hidden:
        chunks.append((b"IDAT", packed(layout, levels(layout))))
    number = 0
    for k, (pixels, left, up, delay, dispose, blend) in enumerate(specs):
        size = (pixels.shape[1], pixels.shape[0])
        chunks.append((b"fcTL", struct.pack(">IIIIIHHBB", number, *size, left, up, *delay, dispose, blend)))
        body = packed(layout, pixels)
        if k or hidden:
            number += 1
            chunks.append((b"fdAT", struct.pack(">I", number) + body))
        else:
            chunks.append((b"IDAT", body))
        number += 1
    return SIGNATURE + b"".join(map(bytes_of, [*chunks, (b"IEND", b"")])), images


@pytest.mark.parametrize("layout", [(0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)])
@pytest.mark.parametrize("hidden", [False, True])
def test_animations_keep_frames_times_depth_and_hidden_image(
    tmp_path: Path, layout: tuple[int, int], hidden: bool
) -> None:
    data, images = animation(layout, hidden)
    back, notes = restored(tmp_path, data)
    assert not notes
    for found in (read_file(data), read_file(back)):
        assert found.own["loop"] == 3
        pages = found.pages[hidden:]
        assert len(pages) == len(images) == 5
        assert [page.own["delay"] for page in pages] == [(1, 10), (1, 3), (0, 0), (7, 1000), (7, 1000)]
        for page, want in zip(pages, images, strict=True):
            stored = page.color if page.alpha is None else np.concatenate([page.color, page.alpha], 2)
            if page.alpha is not None and layout[0] in (0, 2):  # cleared: transparent
                assert np.array_equal(page.alpha[:, :, 0] == 0, (want == 0).all(2))
                stored = page.color
            assert stored.dtype == (np.uint16 if layout[1] == 16 else np.uint8) and np.array_equal(stored, want)
    was, now = (read_file(each).pages[0] for each in (data, back))
    assert np.array_equal(was.color, now.color) and ("hidden" in now.own) == hidden
    with Image.open(io.BytesIO(back)) as image:  # an independent reader
        assert image.n_frames == 5 + hidden and image.info["loop"] == 3 and image.default_image == hidden


def test_a_bilevel_animation_keeps_its_hidden_image(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(np.eye(6, k=k, dtype=bool)) for k in range(4))
    keys = {"save_all": True, "append_images": others, "default_image": True, "duration": [70, 20, 110]}
    first.save(tmp_path / "x.png", **keys)
    restore_path(stand_in(1), tmp_path / "x.png", tmp_path / "y.png", RestoreOptions(strength=0.0))
    before, after = (read_file(tmp_path / name).pages for name in ("x.png", "y.png"))
    assert len(before) == len(after) == 4 and "hidden" in after[0].own
    for one, other, k in zip(before, after, range(4), strict=True):
        assert np.array_equal(one.color, other.color)
        assert np.array_equal(other.color[..., 0] > 0, np.eye(6, k=k, dtype=bool))


@pytest.mark.parametrize(("loop", "plays"), [(None, 1), (0, 0), (2, 3)])
def test_a_gif_is_played_as_often_as_before(tmp_path: Path, loop: int | None, plays: int) -> None:
    frames = [Image.fromarray(np.full((6, 6), 60 * k, np.uint8)) for k in range(3)]
    keys = {} if loop is None else {"loop": loop}
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:], duration=[70, 20, 110], **keys)
    restore_path(stand_in(3), tmp_path / "x.gif", tmp_path / "y.png", RestoreOptions(strength=0.0))
    with Image.open(tmp_path / "y.png") as image:
        assert image.n_frames == 3 and image.info.get("loop") == plays
        for k, duration in enumerate((70, 20, 110)):
            image.seek(k)
            assert image.info["duration"] == duration
            assert (np.asarray(image.convert("L")) == 60 * k).all()


BROKEN = {
    "outside": (lambda d: d.replace(struct.pack(">IIII", 4, 3, 2, 1), struct.pack(">IIII", 4, 3, 7, 1)), "outside"),
    "fewer": (lambda d: d.replace(struct.pack(">II", 5, 3), struct.pack(">II", 6, 3)), "5 frames where 6"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_animations_are_refused(name: str) -> None:
    from clearer.core.errors import UserError

    change, words = BROKEN[name]
    data = animation((2, 8), False)[0]
    chunks = []
    for kind, body in chunks_of(data):
        chunks.append((kind, change(body)))
    with pytest.raises(UserError, match=words):
        read_file(SIGNATURE + b"".join(map(bytes_of, chunks)))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 5), (37, 53)])
@pytest.mark.parametrize("color_type", [2, 4, 6])
def test_interlaced_files_of_16_bits_have_the_same_pixels_and_no_warning(
    size: tuple[int, int], color_type: int, capfd: pytest.CaptureFixture[str]
) -> None:
    height, width = size
    channels = {2: 3, 4: 2, 6: 4}[color_type]
    levels = np.random.default_rng(0).integers(0, 65536, (height, width, channels)).astype(">u2")
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    parts = [levels[top::down, left::across] for top, left, down, across in passes]
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    head = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 1)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    (page,) = read_file(b"\x89PNG\r\n\x1a\n" + b"".join(map(bytes_of, chunks))).pages
    found = page.color if page.alpha is None else np.dstack([page.color, page.alpha])
    assert np.array_equal(found, levels) and capfd.readouterr().err == ""
    with pytest.raises(UserError, match="not readable as an image"):
        cut = [chunks[0], (b"IDAT", zlib.compress(rows[:-2])), chunks[2]]
        read_file(b"\x89PNG\r\n\x1a\n" + b"".join(map(bytes_of, cut)))
