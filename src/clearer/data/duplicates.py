"""Find images of the same scene, leaks between sets, and a split by clean image.

A set for restoration often holds one clean image with several degradations. If they fall on both sides of a
split, validation measures memory. Sets are therefore compared and split by clean image, not by file.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from clearer.core.errors import UserError
from clearer.data.items import Item, clean_as_stored
from clearer.images.pixels import BT601
from clearer.images.types import AnyPixels

Vectors = npt.NDArray[np.float32]

SIDE = 16
"""Side of the reduced luma image that makes a thumbprint, in pixels."""
NEAR = 0.98
"""Two images show the same scene if their thumbprints correlate by at least this much; see `thumbprint`."""
FLAT = 1.0
"""Standard deviation of the reduced luma, in 8-bit gray levels, below which an image is flat and near to no other.

Of deeper images, which may use a few of 65,536 levels, in 255th of their brightest value but for hot pixels.
"""
_HOT = 0.001  # share of the pixels of deeper images that may be hot, or dead
_SPOT = 3  # neighbors as bright, of 8, from which a pixel is of a spot, as a bead is, and not hot: a square of 4 has 3
_ENOUGH = 2**20  # pixels from which the share is measured
PARTS = ("train", "validation", "test")
"""The parts of a split, in order."""


def thumbprint(clean: AnyPixels) -> Vectors:
    """Return a descriptor of an image, float32 (256,); the dot product of two is their correlation.

    The luma is reduced by area to 16x16, centered to mean 0 and scaled to norm 1. A flat image gives zeros,
    which are near to nothing, not even to themselves. Flipped images are not recognized. In 8 bits a hot pixel hardly
    counts; in deeper images, see `_without_hot`.
    """
    if clean.dtype == np.uint8:
        luma = Image.fromarray(clean if clean.shape[2] == 3 else clean[:, :, 0]).convert("L")
        flat = FLAT
    else:
        deep = clean.astype(np.float32)
        deep = deep[:, :, 0] if deep.shape[2] == 1 else deep @ np.array(BT601, np.float32)
        deep = _without_hot(deep)
        luma = Image.fromarray(deep)
        flat = FLAT / 255 * float(np.abs(deep).max())
    # Mode F: reduced to 8 bits, a dim image would be mostly rounding.
    small = np.asarray(luma.convert("F").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
    if not small.std() >= flat or not small.std():
        return np.zeros(SIDE * SIDE, dtype=np.float32)
    centered = (small - small.mean()).ravel()
    unit: Vectors = (centered / np.linalg.norm(centered)).astype(np.float32)
    return unit


def _without_hot(luma: Vectors) -> Vectors:
    """Return an image (H, W) of which single pixels far beyond all others are clipped to the levels of these.

    Spots of several pixels stay: they may be all that a sparse image, such as one of beads, shows.
    """
    low, high = map(float, np.quantile(luma.ravel()[:: max(1, luma.size // _ENOUGH)], (_HOT, 1 - _HOT)))
    clipped = luma.copy()
    for bound, beyond in ((low, luma < low), (high, luma > high)):
        y, x = np.nonzero(beyond)
        around = np.pad(beyond, 1)
        near = sum(around[y + down, x + right].astype(int) for down in range(3) for right in range(3)) - 1  # but itself
        alone = near < _SPOT
        clipped[y[alone], x[alone]] = bound
    return clipped


# How NEAR = 0.98 was chosen. Rain800: of the 700 clean halves of the training part, 528 have a near-duplicate at
# any threshold from 0.97 to 0.999; of the 100 of the test part, 42, and one image is in both parts; 232 and 48 are
# found in BSDS500, at any threshold from 0.96 to 0.999. The lowest correlation of two images of one scene was
# 0.9935 (an evening view, slightly shifted). The highest of two photographs of one place, panned, was 0.9700; of
# unrelated images, 0.9502 (a town, and giraffes below bright skies). No two of the 500 images of BSDS500 exceed
# 0.9499. Of 100 of these, resizing by 2 or 1/2, JPEG at quality 10, a Gaussian blur of sigma 3, noise of sigma 50
# and a gamma of 0.7 all stayed above 0.99. Cropping 2 % of each side length stayed above 0.98 for 99 of 100,
# cropping 5 % for 17, 10 % for none; brightening by 1.3 with clipping for 90. So images cropped by more than about
# 3 % are missed.


@dataclass(frozen=True)
class Fingerprint:
    """The identity of the clean image of one item.

    Args:
        name: name of the item.
        digest: of the decoded pixels and their shape; equal only for exact copies.
        thumb: thumbprint, float32 (256,).
    """

    name: str
    digest: str
    thumb: Vectors

    @classmethod
    def of(cls, name: str, clean: AnyPixels) -> Fingerprint:
        """Return the fingerprint of an image (H, W, C)."""
        return cls(name, digest(clean), thumbprint(clean))


@dataclass(frozen=True)
class Fingerprints:
    """The identities of the clean images of a set, in the order of its items.

    Args:
        names: names of the items.
        digests: of the decoded pixels and their shape; equal only for exact copies.
        thumbs: thumbprints, float32 (N, 256).
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    thumbs: Vectors

    @classmethod
    def of(cls, prints: Sequence[Fingerprint]) -> Fingerprints:
        """Return the fingerprints of a set."""
        thumbs = np.zeros((len(prints), SIDE * SIDE), dtype=np.float32)
        for row, one in enumerate(prints):
            thumbs[row] = one.thumb
        return cls(tuple(p.name for p in prints), tuple(p.digest for p in prints), thumbs)

    def __len__(self) -> int:
        return len(self.names)


def digest(clean: AnyPixels) -> str:
    """Return 32 hexadecimal digits that identify the pixels and the shape of an image."""
    hashed = hashlib.blake2b(repr(clean.shape).encode(), digest_size=16)
    hashed.update(np.ascontiguousarray(clean).data)
    return hashed.hexdigest()


def fingerprint(item: Item) -> Fingerprint:
    """Read the clean image of an item and return its fingerprint.

    The image is decoded in full, about 3 ms for 481x321: decoded at reduced size, a JPEG has no exact digest.

    Raises:
        UserError: the image cannot be read.
    """
    # Values as stored: in 8 bits, dim images of 16 bits would all be alike.
    clean = clean_as_stored(item)
    return Fingerprint.of(item.name, clean)


def fingerprints(items: Sequence[Item], progress: Callable[[int, int], None] | None = None) -> Fingerprints:
    """Read each clean image once and return their fingerprints.

    Args:
        items: of one set.
        progress: called with the number of images done and of all.

    Raises:
        UserError: an image cannot be read.
    """
    prints = []
    for done, item in enumerate(items, 1):
        prints.append(fingerprint(item))
        if progress is not None:
            progress(done, len(items))
    return Fingerprints.of(prints)


def groups(prints: Fingerprints, near: float = NEAR, fields: Mapping[str, str] | None = None) -> list[int]:
    """Return a group number for each image, numbered from 0 in order of first appearance.

    Two images are in one group if they are exact copies or near-duplicates, if ``fields`` gives their names one
    field of view, or if a chain of such images connects them.
    """
    first = {d: i for i, d in reversed(list(enumerate(prints.digests)))}
    labels = np.array([first[d] for d in prints.digests], dtype=np.int64)
    members: dict[str, list[int]] = {}
    for k, name in enumerate(prints.names):
        if fields and name in fields:
            members.setdefault(fields[name], []).append(k)
    for rows in members.values():
        labels[np.isin(labels, labels[rows])] = labels[rows].min()
    for start, hits in _near_blocks(prints.thumbs, prints.thumbs, near):
        for row in np.flatnonzero(hits.any(axis=1)):
            joined = np.unique(np.append(labels[hits[row]], labels[start + row]))
            if len(joined) > 1:
                labels[np.isin(labels, joined)] = joined[0]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(int(label), len(numbers)) for label in labels]


def leaks(a: Fingerprints, b: Fingerprints, near: float = NEAR) -> list[tuple[str, str]]:
    """Return the pairs of names, one of ``a`` and one of ``b``, with the same clean image, in order of a, then b."""
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
    fields: Mapping[str, str] | None = None,
) -> dict[str, list[Item]]:
    """Split a set into train, validation and test so that no clean image is in two of them.

    Groups of near-duplicates, in an order drawn from ``seed``, go one by one to the part that lacks the most
    images. A part with a fraction above 0 gets at least one group. Items keep their order within a part; items
    without a fingerprint are dropped.

    Args:
        items: of one set.
        prints: their fingerprints.
        fractions: of train (above 0), validation and test (0 or more), with sum 1.
        seed: of the order of groups.
        fields: the field of view of each name that has one; see `clearer.data.fields.fields_of`.

    Returns:
        The items of each of `PARTS`.

    Raises:
        UserError: the fractions are invalid, or there are fewer groups than parts to fill.
    """
    if len(fractions) != 3 or min(fractions) < 0 or fractions[0] <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UserError(
            f"data.fractions: {list(fractions)} are not three numbers of sum 1 "
            "(train above 0, validation and test 0 or more)"
        )
    known = set(prints.names)
    group_of = dict(zip(prints.names, groups(prints, fields=fields), strict=True))
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
    """Assign groups (number -> count of images) to the wanted parts; return group number -> part number."""
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
            # A few large groups filled everything: move the smallest group that another part can spare.
            filled = list(part_of.values())
            spare = [group for group in order if filled.count(part_of[group]) > 1]
            part_of[min(spare, key=lambda group: members[group])] = part
    return part_of


def _near_blocks(a: Vectors, b: Vectors, near: float, rows: int = 1024) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Yield (first row, which pairs are near (rows, len(b))) by blocks of rows of ``a``, to bound memory."""
    for start in range(0, len(a), rows):
        yield start, a[start : start + rows] @ b.T >= near
