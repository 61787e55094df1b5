"""Images that show the same scene: thumbprints, groups, leaks between sets, splits by clean image.

A set for restoration often holds one clean image with several degradations. If such an image
falls on both sides of a split, the validation measures memory. So sets are compared and split by
clean image, not by file.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from clearer.core.errors import UserError
from clearer.data.folders import Item, read_item
from clearer.images.types import Uint8Pixels

Floats = npt.NDArray[np.float32]

SIDE = 16
"""A thumbprint is the image reduced to SIDE x SIDE mean lumas."""
NEAR = 0.98
"""Two images with thumbprints of at least this correlation show the same scene; see `thumbprint`."""
FLAT = 1.0
"""A reduced image whose lumas (0 to 255) deviate by less than this is flat: it is near to nothing."""
PARTS = ("train", "validation", "test")


def thumbprint(clean: Uint8Pixels) -> Floats:
    """Return a descriptor of an image, float32 (256,); the dot product of two is their correlation.

    The luma is reduced by area to 16x16, brought to zero mean and to norm 1. Flat images give
    zeros, which are near to nothing, not even to themselves. Flips are not seen through.

    The threshold `NEAR` = 0.98 was measured. Among the 700 clean halves of the training part of
    Rain800, 528 have a near-duplicate at any threshold from 0.97 to 0.999, and 42 of the 100 of its
    test part, with one image in both; 232 and 48 are found in BSDS500, at any threshold from 0.96
    to 0.999. The lowest correlation of two of one scene was 0.9935 (an evening view, slightly
    shifted), the highest of two photographs of one place, panned, 0.9700, of unrelated ones 0.9502
    (a town and giraffes below bright skies). No two of the 500 images of BSDS500 pass 0.9499. Of
    100 of these, halving or doubling the size, JPEG at quality 10, a Gaussian blur of sigma 3,
    noise of sigma 50 and a gamma of 0.7 all stayed above 0.99; a crop by 2 % of each side length
    stayed above 0.98 for 99 of 100, a crop by 5 % for 17, by 10 % for none, and a brightening by
    1.3 that clips for 90. So images cropped by more than about 3 % are missed.
    """
    luma = Image.fromarray(clean if clean.shape[2] == 3 else clean[:, :, 0]).convert("L")
    # Mode F: reduced to 8 bits, a dim image would be mostly rounding.
    small = np.asarray(luma.convert("F").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
    if small.std() < FLAT:
        return np.zeros(SIDE * SIDE, dtype=np.float32)
    centered = (small - small.mean()).ravel()
    unit: Floats = (centered / np.linalg.norm(centered)).astype(np.float32)
    return unit


@dataclass(frozen=True)
class Fingerprints:
    """What is known of the clean images of a set, in the order of its items.

    Args:
        names: names of the items.
        digests: of the decoded pixels and their shape, the same for exact copies only.
        thumbs: thumbprints, float32 (N, 256).
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    thumbs: Floats

    def __len__(self) -> int:
        return len(self.names)


def digest(clean: Uint8Pixels) -> str:
    """Return 32 hexadecimal digits that name these pixels."""
    hashed = hashlib.blake2b(repr(clean.shape).encode(), digest_size=16)
    hashed.update(np.ascontiguousarray(clean).data)
    return hashed.hexdigest()


def fingerprints(
    items: Sequence[Item], channels: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Fingerprints:
    """Read each clean image once and return their fingerprints.

    Images are decoded in full, since a JPEG decoded at reduced size has no exact digest; this
    takes about 3 ms for an image of 481x321.

    Args:
        items: of one set.
        channels: as of `clearer.images.view.read_image`; to compare two sets, give both the same.
        progress: called with the number of images done and of all.

    Raises:
        UserError: an image cannot be read.
    """
    prints = []
    for done, item in enumerate(items, 1):
        # The clean image alone: a degraded partner in a file of its own need not be decoded.
        clean, _ = read_item(item if item.side else Item(item.name, item.clean), channels)
        prints.append((item.name, digest(clean), thumbprint(clean)))
        if progress is not None:
            progress(done, len(items))
    return gathered(prints)


def gathered(prints: Sequence[tuple[str, str, Floats]]) -> Fingerprints:
    """Return the `Fingerprints` of (name, digest, thumbprint) triples."""
    thumbs = np.zeros((len(prints), SIDE * SIDE), dtype=np.float32)
    for row, (_, _, thumb) in enumerate(prints):
        thumbs[row] = thumb
    return Fingerprints(tuple(p[0] for p in prints), tuple(p[1] for p in prints), thumbs)


def groups(prints: Fingerprints, near: float = NEAR) -> list[int]:
    """Return a group number for each image, numbered from 0 in order of first appearance.

    Two images are in one group if they are exact copies, or near-duplicates, or if a chain of
    such images joins them.
    """
    first = {d: i for i, d in reversed(list(enumerate(prints.digests)))}
    labels = np.array([first[d] for d in prints.digests], dtype=np.int64)
    for start, hits in _near_blocks(prints.thumbs, prints.thumbs, near):
        for row in np.flatnonzero(hits.any(axis=1)):
            joined = np.unique(np.append(labels[hits[row]], labels[start + row]))
            if len(joined) > 1:
                labels[np.isin(labels, joined)] = joined[0]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(int(label), len(numbers)) for label in labels]


def leaks(a: Fingerprints, b: Fingerprints, near: float = NEAR) -> list[tuple[str, str]]:
    """Return the pairs of names, of ``a`` and of ``b``, that show the same clean image.

    Sorted by position in ``a``, then in ``b``.
    """
    where: dict[str, list[int]] = {}
    for j, code in enumerate(b.digests):
        where.setdefault(code, []).append(j)
    found = {(i, j) for i, code in enumerate(a.digests) for j in where.get(code, ())}
    for start, hits in _near_blocks(a.thumbs, b.thumbs, near):
        found.update((start + int(i), int(j)) for i, j in zip(*np.nonzero(hits), strict=True))
    return [(a.names[i], b.names[j]) for i, j in sorted(found)]


def propose_split(
    items: Sequence[Item],
    prints: Fingerprints,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> dict[str, list[Item]]:
    """Split a set into train, validation and test such that no clean image is in two of them.

    Groups of near-duplicates, in an order drawn from ``seed``, each go to the part that lacks the
    most images. A part with a fraction above zero gets at least one group. Within a part, items
    keep their order. Items without a fingerprint are left out.

    Args:
        items: of one set.
        prints: their fingerprints.
        fractions: of train, validation and test; not negative, of sum 1, train above zero.
        seed: of the order.

    Raises:
        UserError: the fractions are not such, or there are fewer groups than parts to fill.
    """
    if len(fractions) != 3 or min(fractions) < 0 or fractions[0] <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UserError(
            f"data.fractions: {list(fractions)} are not three numbers of sum 1 "
            "(train above 0, validation and test 0 or more)"
        )
    known = set(prints.names)
    group_of = dict(zip(prints.names, groups(prints), strict=True))
    members: dict[int, int] = {}
    for item in items:
        if item.name in known:
            members[group_of[item.name]] = members.get(group_of[item.name], 0) + 1
    wanted = [k for k in range(3) if fractions[k] > 0]
    if len(members) < len(wanted):
        raise UserError(
            f"a set of {len(items)} files shows {len(members)} different clean images, too few to fill "
            f"{len(wanted)} parts; add at least {len(wanted) - len(members)} more"
        )
    part_of = _dealt(members, fractions, wanted, seed)
    split: dict[str, list[Item]] = {part: [] for part in PARTS}
    for item in items:
        if item.name in known:
            split[PARTS[part_of[group_of[item.name]]]].append(item)
    return split


def _dealt(members: dict[int, int], fractions: Sequence[float], wanted: list[int], seed: int) -> dict[int, int]:
    """Deal groups (number -> count of images) to the wanted parts; group number -> part number."""
    order = sorted(members)
    random.Random(seed).shuffle(order)
    total = sum(members.values())
    lacking = [fraction * total for fraction in fractions]
    part_of: dict[int, int] = {}
    for group in order:
        part = max(wanted, key=lambda k: lacking[k])
        part_of[group] = part
        lacking[part] -= members[group]
    for part in wanted:
        if part not in part_of.values():
            # A few large groups have filled everything: take the smallest group that can be spared.
            filled = list(part_of.values())
            spare = [group for group in order if filled.count(part_of[group]) > 1]
            part_of[min(spare, key=lambda group: members[group])] = part
    return part_of


def _near_blocks(a: Floats, b: Floats, near: float, rows: int = 1024) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Yield (first row, near or not (rows, len(b))) for blocks of rows of ``a``, so that large sets fit in memory."""
    for start in range(0, len(a), rows):
        yield start, a[start : start + rows] @ b.T >= near
