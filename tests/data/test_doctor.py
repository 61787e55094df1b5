"""Near-duplicates, leaks, splits and the doctor's report."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from rich.console import Console

from clearer.core.errors import UserError
from clearer.data.doctor import examine
from clearer.data.doctor_report import advice, print_findings
from clearer.data.duplicates import NEAR, Fingerprints, fingerprints, groups, leaks, propose_split, thumbprint
from clearer.data.folders import Folders, find_items
from clearer.data.items import Item
from clearer.images.view import write_image
from clearer.noise.words import in_words
from helpers.command import clearer as command
from helpers.microscope import write_pairs


def scene(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth random color image; two seeds give unlike ones."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def degraded(image: np.ndarray, sigma: float = 8, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def photographs() -> list[np.ndarray]:
    names = ("astronaut", "chelsea", "coffee", "rocket", "camera", "coins", "moon", "page")
    images = [getattr(skimage.data, name)() for name in names]
    return [p[:, :, None] if p.ndim == 2 else p for p in images]


def made_up(labels: list[int]) -> tuple[list[Item], Fingerprints]:
    """Items of which those with one label are exact copies."""
    items = [Item(f"{k:03}.png", Path(f"{k:03}.png")) for k in range(len(labels))]
    thumbs = np.zeros((len(labels), 256), dtype=np.float32)
    return items, Fingerprints(tuple(i.name for i in items), tuple(str(label) for label in labels), thumbs)


# Thumbprints


def test_photographs_are_near_to_their_variants_and_to_nothing_else() -> None:
    images = photographs()
    prints = np.stack([thumbprint(p) for p in images])
    between = prints @ prints.T - 2 * np.eye(len(prints))
    assert between.max() < 0.9
    for image, own in zip(images, prints, strict=True):
        whole = Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0])
        width, height = whole.size
        packed = io.BytesIO()
        whole.save(packed, "JPEG", quality=20)
        for other in (
            whole.resize((width // 2, height // 2)),
            whole.filter(ImageFilter.GaussianBlur(2)),
            whole.crop((2, 2, width - 2, height - 2)),
            whole.convert("L"),
            Image.open(packed),
        ):
            array = np.asarray(other)
            assert thumbprint(array[:, :, None] if array.ndim == 2 else array) @ own >= NEAR


@pytest.mark.parametrize(("kind", "hot"), [(np.uint16, 65535), (np.float32, 1e6), (np.float32, -1e6)])
def test_a_hot_pixel_of_a_deep_image_neither_hides_its_duplicate_nor_makes_one(kind: type, hot: float) -> None:
    rng = np.random.default_rng(0)

    def taken(image: np.ndarray) -> np.ndarray:
        gray = image[:200, :200].mean(2, keepdims=True)
        noisy = (100 + gray / 255 * 400 + rng.normal(0, 10, gray.shape)).round().astype(kind)
        noisy[5, 5] = hot
        return noisy

    first, other, *_ = photographs()
    assert thumbprint(taken(first)) @ thumbprint(taken(first)) >= NEAR
    assert thumbprint(taken(first)) @ thumbprint(taken(other)) < 0.9
    flat = np.full((200, 200, 1), 100, kind)
    flat[5, 5] = hot
    assert not thumbprint(flat).any()


def test_sparse_deep_images_keep_what_they_show() -> None:
    """Beads in fewer pixels than may be hot; a hot pixel among them hides nothing."""

    def beads(seed: int) -> np.ndarray:
        image = np.zeros((256, 256, 1), np.uint16)
        for y, x in np.random.default_rng(seed).integers(0, 16, (6, 2)) * 16 + 5:
            image[y : y + 3, x : x + 3] = 4000
        return image

    first, other = beads(0), beads(1)
    noisy = first + np.random.default_rng(0).integers(0, 20, first.shape, np.uint16)
    hot = first.copy()
    hot[100, 100:102] = 65535
    for image in (first, noisy, hot, first.astype(np.float32)):
        assert thumbprint(image) @ thumbprint(first) >= NEAR and thumbprint(image) @ thumbprint(other) < 0.5


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_images_are_near_to_nothing(value: int) -> None:
    flat = np.full((40, 30, 3), value, dtype=np.uint8)
    assert not thumbprint(flat).any()
    assert not thumbprint(degraded(flat, 3)).any()
    assert np.isfinite(thumbprint(flat[:1, :1])).all()


def test_thumbprints_have_unit_norm_and_dim_images_keep_theirs() -> None:
    bright = scene(1)
    assert np.linalg.norm(thumbprint(bright)) == pytest.approx(1, abs=1e-5)
    assert thumbprint(bright // 8) @ thumbprint(bright) >= NEAR
    assert thumbprint(scene(1, 5, 7)).shape == (256,)


# Groups and leaks


def test_groups_join_by_chains_and_by_exact_copies(tmp_path: Path) -> None:
    flat = np.full((48, 64, 3), 9, dtype=np.uint8)
    one, two, three = scene(1), scene(2), scene(3)
    for k, image in enumerate([one, two, degraded(one), flat, three, degraded(two), flat, flat + 1]):
        write_image(tmp_path / f"{k}.png", image)
    calls: list[tuple[int, int]] = []
    prints = fingerprints(find_items(tmp_path), progress=lambda done, total: calls.append((done, total)))
    assert groups(prints) == [0, 1, 0, 2, 3, 1, 2, 4]
    assert calls == [(k, 8) for k in range(1, 9)]


def on_a_circle(angles: np.ndarray) -> Fingerprints:
    """Images all different whose thumbprints correlate by the cosine of the angle between them."""
    thumbs = np.zeros((len(angles), 256), dtype=np.float32)
    thumbs[:, 0], thumbs[:, 1] = np.cos(angles), np.sin(angles)
    names = tuple(str(k) for k in range(len(angles)))
    return Fingerprints(names, names, thumbs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 62), min_size=1, max_size=40))
def test_groups_are_the_connected_components(places: list[int]) -> None:
    prints = on_a_circle(np.array(places) * 0.1)  # near are places at most 2 apart: cos(0.2) = 0.9801
    near = prints.thumbs @ prints.thumbs.T >= NEAR
    reach = np.linalg.matrix_power(near.astype(np.float64), len(places)) > 0
    found = np.array(groups(prints))
    assert (reach == (found[:, None] == found[None, :])).all()
    assert list(dict.fromkeys(found.tolist())) == list(range(found.max() + 1))


def test_a_chain_of_near_images_is_one_group_in_a_large_set() -> None:
    # The second half is opposite to the first, and both are longer than a block of rows.
    angles = np.concatenate([np.linspace(0, 1, 1200), np.linspace(0, 1, 1200) + np.pi])
    order = np.random.default_rng(0).permutation(2400)
    found = np.array(groups(on_a_circle(angles[order])))
    assert len(set(found[order < 1200])) == len(set(found[order >= 1200])) == 1
    assert found.max() == 1


def test_side_by_side_prints_are_of_the_clean_half(tmp_path: Path) -> None:
    write_image(tmp_path / "s" / "a.png", np.hstack([degraded(scene(1), 30), scene(1)]))
    write_image(tmp_path / "s" / "b.png", np.hstack([scene(3), scene(2)]))
    write_image(tmp_path / "c" / "x.png", scene(1))
    write_image(tmp_path / "c" / "y.png", scene(2, 96, 128))
    write_image(tmp_path / "c" / "z.png", scene(3))
    halves = fingerprints(find_items(tmp_path / "s", "side-by-side", "right"))
    singles = fingerprints(find_items(tmp_path / "c"))
    assert halves.digests[0] == singles.digests[0]
    assert leaks(halves, singles) == [("a.png", "x.png"), ("b.png", "y.png")]
    assert leaks(singles, halves) == [("x.png", "a.png"), ("y.png", "b.png")]
    assert leaks(singles, fingerprints([])) == []


def test_exact_copies_of_flat_images_leak() -> None:
    _, a = made_up([1, 2])
    _, b = made_up([3, 2, 2])
    assert leaks(a, b) == [("001.png", "001.png"), ("001.png", "002.png")]


# Splits


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.integers(0, 5))
def test_splits_keep_groups_whole_and_fill_every_part(labels: list[int], seed: int) -> None:
    items, prints = made_up(labels)
    if len(set(labels)) < 3:
        with pytest.raises(UserError, match=f"at least {3 - len(set(labels))} more"):
            propose_split(items, prints, seed=seed)
        return
    split = propose_split(items, prints, seed=seed)
    assert list(split) == ["train", "validation", "test"]
    assert sorted(i.name for part in split.values() for i in part) == [i.name for i in items]
    shown = [{labels[int(i.name[:3])] for i in part} for part in split.values()]
    assert all(shown) and not (shown[0] & shown[1] or shown[0] & shown[2] or shown[1] & shown[2])
    assert all(part == sorted(part, key=lambda i: i.name) for part in split.values())
    assert split == propose_split(items, prints, seed=seed)


def test_splits_keep_to_the_fractions() -> None:
    items, prints = made_up(list(range(200)))
    split = propose_split(items, prints, (0.7, 0.2, 0.1))
    assert [len(part) for part in split.values()] == [140, 40, 20]
    assert split != propose_split(items, prints, (0.7, 0.2, 0.1), seed=1)
    halves = propose_split(items, prints, (0.5, 0.5, 0.0))
    assert [len(part) for part in halves.values()] == [100, 100, 0]
    two, two_prints = made_up([0, 0, 1])
    assert [len(part) for part in propose_split(two, two_prints, (0.9, 0.1, 0)).values()] in ([2, 1, 0], [1, 2, 0])


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (0.0, 0.5, 0.5)])
def test_wrong_fractions_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match=r"data\.fractions"):
        propose_split(*made_up([0, 1, 2, 3]), fractions)


# The report


def printed(findings) -> str:
    console = Console(file=io.StringIO(), width=160)
    print_findings(findings, console)
    return console.file.getvalue()


def test_a_healthy_folder_gets_little_advice(tmp_path: Path) -> None:
    for k in range(10):
        write_image(tmp_path / f"{k}.png", scene(k))
    findings = examine(tmp_path)
    (part,) = findings.parts
    assert (part.layout, part.count, part.gray, part.color) == ("clean", 10, 0, 10)
    assert (part.heights, part.widths) == ((48, 48, 48), (64, 64, 64))
    assert part.bytes == sum(p.stat().st_size for p in tmp_path.iterdir())
    assert {name: len(names) for name, names in findings.split.items()} == {"train": 8, "validation": 1, "test": 1}
    noise, use, split = findings.to_dict()["advice"]
    assert noise.startswith("Noise of the images, measured on 10: nearly no noise") and "clean images" in use
    assert split == "A split by clean image is proposed: 8 train, 1 validation, 1 test."


def test_broken_and_odd_files_are_reported_not_raised(tmp_path: Path) -> None:
    for k in range(4):
        write_image(tmp_path / f"{k}.png", scene(k))
    (tmp_path / "[red]4.png").write_bytes((tmp_path / "3.png").read_bytes()[:300])
    (tmp_path / "5.png").write_bytes(b"")
    (tmp_path / "6.png").symlink_to(tmp_path / "nowhere.png")
    write_image(tmp_path / "7.png", scene(9)[:, :, :1])
    write_image(tmp_path / "8.png", scene(0))
    findings = examine(tmp_path)
    (part,) = findings.parts
    assert [name.split("/")[1] for name, _ in part.unreadable] == ["5.png", "6.png", "[red]4.png"]
    assert part.unreadable[0][1].startswith("the file is empty")
    assert (part.count, part.gray, part.color) == (9, 1, 5)
    assert part.copies == part.near == (("0.png", "8.png"),)
    assert "5.png" not in [name for names in findings.split.values() for name in names]
    text = printed(findings)
    assert "3 files cannot be read" in text and "1 gray and 5 color files are mixed" in text
    json.dumps(findings.to_dict(), allow_nan=False)


def test_side_by_side_is_guessed_and_same_halves_are_found(tmp_path: Path) -> None:
    for k in range(9):
        write_image(tmp_path / f"{k}.png", np.hstack([scene(k), degraded(scene(k), 25)]))
    write_image(tmp_path / "same.png", np.hstack([scene(20), scene(20)]))
    findings = examine(tmp_path)
    (part,) = findings.parts
    assert (part.layout, part.same, part.widths) == ("side-by-side", ("same.png",), (64, 64, 64))
    assert "data.layout=side-by-side" in printed(findings)
    assert examine(tmp_path, "clean").parts[0].layout == "clean"
    write_image(tmp_path / "odd.png", scene(5, 48, 65))
    (part,) = examine(tmp_path, "side-by-side").parts
    assert part.mismatched == ("odd.png has odd width 65, so it is not two halves",)


def test_pairs_report_what_does_not_match(tmp_path: Path) -> None:
    for k in range(4):
        write_image(tmp_path / "clean" / f"{k}.png", scene(k))
        write_image(tmp_path / "noisy" / f"{k}.png", degraded(scene(k)))
    write_image(tmp_path / "noisy" / "1.png", scene(1, 40, 64))
    write_image(tmp_path / "noisy" / "lone.png", scene(1))
    (tmp_path / "noisy" / "2.png").write_bytes(b"junk")
    findings = examine(tmp_path)
    (part,) = findings.parts
    assert (part.layout, part.count, part.color) == ("pairs", 4, 2)
    assert part.mismatched == ("lone.png has no clean partner",)
    assert part.unequal == ("1.png is 64x48 color but its degraded partner is 64x40 color",)
    said = printed(findings)
    assert "1 pair of 4 with images of unequal size or color (1.png is 64x48 color" in said
    assert "To train on the pairs, once all fit: clearer fit pairs" in said
    assert part.unreadable[0][0] == "noisy/2.png"
    assert findings.split is None and "at least 1 more" in findings.why_no_split
    both = examine(Folders(str(tmp_path / "clean"), str(tmp_path / "noisy")))
    assert both.parts[0].mismatched == part.mismatched and both.parts[0].unequal == part.unequal


def test_parts_are_examined_apart_and_leaks_between_them_found(tmp_path: Path) -> None:
    for k in range(12):
        write_image(tmp_path / "training" / f"{k}.png", scene(k))
    for k in range(3):
        write_image(tmp_path / "test_real" / f"{k}.png", scene(50 + k))
    write_image(tmp_path / "test_real" / "leak.png", degraded(scene(7)))
    (tmp_path / "Val").mkdir()
    (tmp_path / "other").mkdir()
    calls: list[tuple[int, int]] = []
    findings = examine(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert [(p.name, p.kind, p.count) for p in findings.parts] == [
        ("training", "train", 12),
        ("Val", "validation", 0),
        ("test_real", "test", 4),
    ]
    assert [(leak.first, leak.second, leak.pairs) for leak in findings.leaks] == [
        ("training", "test_real", (("7.png", "leak.png"),))
    ]
    assert findings.split is None
    assert calls[-1] == (16, 16)
    assert "training/7.png and test_real/leak.png" in printed(findings)
    (tmp_path / "Val").rmdir()
    split = examine(tmp_path).split
    assert {part: len(names) for part, names in split.items()} == {"train": 11, "validation": 1}


def test_nothing_to_examine_is_a_user_error(tmp_path: Path) -> None:
    for where in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UserError, match=r"no images|no such folder"):
            examine(where)
    with pytest.raises(UserError, match="no pair of sub-folders"):
        examine(tmp_path, "pairs")


def test_twelve_bits_in_a_file_of_sixteen_are_reported(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 4096, (40, 40)).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / "camera.png")
    Image.fromarray(levels * 16).save(tmp_path / "whole.png")
    found = examine(tmp_path)
    assert found.parts[0].dark == ("camera.png",)
    assert any("such as camera.png" in sentence and "12 bits" in sentence for sentence in advice(found))


def test_levels_of_16_bits_and_their_range_are_said(tmp_path: Path) -> None:
    write_pairs(tmp_path, 4, 32, 3000, offset=100)
    findings = examine(tmp_path)
    (part,) = findings.parts
    (levels,) = part.levels
    assert (levels.depth, levels.files) == ("16", 16) and levels.high < 4096
    assert not part.same and not part.unreadable and part.near == ()
    text = printed(findings)
    assert f"16 bits: {levels.low:g} to {levels.high:g}" in text
    assert "as of a camera of 12 bits: 0 is black and 4095 is white" in text
    assert "field (names are FIELD_CHANNEL (4 fields, 2 channels))" in text
    assert findings.split is not None
    assert len({name[:2] for name in findings.split["train"]}) * 2 == len(findings.split["train"])
    assert findings.to_dict()["parts"][0]["levels"][0]["depth"] == "16"


def test_floats_that_are_levels_are_examined_and_ask_for_a_range(tmp_path: Path) -> None:
    write_pairs(tmp_path, 3, 32, 3000, dtype=np.float32)
    findings = examine(tmp_path)
    assert not findings.parts[0].unreadable
    assert "state which levels are black and white" in printed(findings)


def test_pages_of_stacks_are_examined_one_by_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([scene(k)[:, :, 0] for k in range(5)]), photometric="minisblack")
    findings = examine(tmp_path)
    assert findings.parts[0].count == findings.parts[0].gray == 5


# Noise


def test_noisy_images_alone_are_not_taken_for_clean(tmp_path: Path) -> None:
    coffee = skimage.data.coffee()
    for k in range(3):
        write_image(tmp_path / f"{k}.png", degraded(coffee[:256, 100 * k : 100 * k + 256], 15, k))
    findings = examine(tmp_path)
    noise = findings.parts[0].noise
    assert noise is not None and noise.kind == "independent" and noise.level * 255 == pytest.approx(15, rel=0.06)
    assert printed(findings).count("(guessed)") == 0 and "single images" in printed(findings)
    said = " ".join(advice(findings))
    assert "Noise of the images, measured on 3: noise of about 15 gray levels" in said and "Neighbor2Neighbor" in said
    assert json.loads(json.dumps(findings.to_dict()))["parts"][0]["noise"]["kind"] == "independent"


def test_of_pairs_the_noise_of_the_degraded_images_is_measured(tmp_path: Path) -> None:
    coffee = skimage.data.coffee()[:256, :256]
    for side in ("clean", "degraded"):
        (tmp_path / side).mkdir()
    write_image(tmp_path / "clean" / "a.png", coffee)
    write_image(tmp_path / "degraded" / "a.png", degraded(coffee, 20))
    (part,) = examine(tmp_path).parts
    assert part.noise is not None and part.noise.level * 255 == pytest.approx(20, rel=0.1)
    assert part.same == ()


@pytest.mark.parametrize("scale", [1, 257, 16])
def test_of_pairs_the_distance_and_the_next_command_are_stated(tmp_path: Path, scale: int) -> None:
    """16: 12 bits in files of 16, whose white is 4095."""
    for side in ("clean", "degraded"):
        (tmp_path / side).mkdir()
    expected = []
    for k, sigma in enumerate((10, 20, 0)):  # the last pair shows the same image twice
        clean = skimage.data.coffee()[:128, 128 * k : 128 * k + 128, 0].copy()
        clean[0, 0] = 255
        noisy = degraded(clean, sigma, k) if sigma else clean
        for side, image in (("clean", clean), ("degraded", noisy)):
            dtype = np.uint8 if scale == 1 else np.uint16
            Image.fromarray(image.astype(dtype) * dtype(scale)).save(tmp_path / side / f"{k}.png")
        white = {1: 255, 257: 65535, 16: 4095}[scale] / scale
        error = np.square((noisy.astype(float) - clean) / white).mean()
        expected += [10 * np.log10(1 / error)] if sigma else []
    found = examine(tmp_path)
    (part,) = found.parts
    assert part.input_psnr == pytest.approx(np.mean(expected), abs=1e-3)
    said = advice(found)
    assert f"The degraded images have {part.input_psnr:.2f} dB of PSNR against the clean ones on average." in said
    assert said[-1] == f"To train on the pairs: clearer fit pairs --data {tmp_path} -o runs/pairs"
    assert found.to_dict()["parts"][0]["input_psnr"] == part.input_psnr


def test_the_command_for_pairs_names_them_as_they_were_given(tmp_path: Path) -> None:
    two = Folders(clean=f"{tmp_path}/the clean", degraded=f"{tmp_path}/noisy")
    for place, image in ((two.clean, scene(0)), (two.degraded, degraded(scene(0)))):
        Path(place).mkdir()
        write_image(Path(place) / "a.png", image)
    (tmp_path / "halves").mkdir()
    write_image(tmp_path / "halves" / "a.png", np.hstack([degraded(scene(1)), scene(1)]))
    halves = f"--data {tmp_path}/halves --set data.layout=side-by-side --set data.clean_side=right"
    asked = {
        f"--degraded {tmp_path}/noisy --clean '{tmp_path}/the clean'": examine(two),
        halves: examine(str(tmp_path / "halves"), "side-by-side", "right"),
    }
    for words, findings in asked.items():
        assert findings.command == f"clearer fit pairs {words} -o runs/pairs"
        shown = command(*shlex.split(findings.command)[1:], "--show")
        assert shown.status == 0, shown.err
    single = examine(two.clean)
    assert single.command == "" and single.parts[0].input_psnr is None


@pytest.mark.parametrize("scale", [257, 16, 2])
def test_dim_pairs_are_the_same_image_twice_only_if_they_are(tmp_path: Path, scale: int) -> None:
    signal = skimage.data.coffee()[:96, :96, 0].astype(np.uint16)
    noisy = degraded(signal.astype(np.uint8), 12).astype(np.uint16)
    for side, images in (("clean", (signal, signal)), ("degraded", (noisy, signal))):
        (tmp_path / side).mkdir()
        for name, image in zip(("noisy", "equal"), images, strict=True):
            Image.fromarray(image * np.uint16(scale)).save(tmp_path / side / f"{name}.png")
    assert examine(tmp_path).parts[0].same == ("equal.png",)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_files_are_judged_by_the_range_that_they_show(tmp_path: Path, dtype: type) -> None:
    y = np.mgrid[:64, :64][0]
    for k in range(3):
        noise = np.random.default_rng(k).normal(0, 80, (64, 64))
        tifffile.imwrite(tmp_path / f"p{k}.tif", (600 + 30 * y + noise).clip(0, 4095).astype(dtype))
    part = examine(tmp_path).parts[0]
    assert part.dark == () and part.noise is not None and part.noise.scale == (0, 4095)
    assert part.noise.level * 4095 == pytest.approx(80, rel=0.15)
    said = in_words(part.noise)[0]
    assert "gray levels of 4095" in said and 68 < float(said.split()[3]) < 92
