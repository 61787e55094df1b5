"""Whether the files of a folder look like both halves of a pair side by side."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from clearer.core.errors import UserError
from clearer.data.duplicates import thumbprint
from clearer.data.folders import Source, find_items
from clearer.data.items import Item
from clearer.images.view import read_image

SAMPLE = 24
"""Number of files read to find out whether a folder is side by side."""
_MEDIAN, _FEW = 0.95, 0.85  # A few flat or broken files must not hide the layout of all others.


def looks_side_by_side(items: Sequence[Item]) -> bool:
    """Return whether the halves of the files show one scene.

    Their thumbprints correlate at 0.996 (median) in Rain800, where the lowest is 0.91, and at 0.2 in BSDS500. Files
    that cannot be read do not count.
    """
    sample = [items[i] for i in sorted({round(x) for x in np.linspace(0, len(items) - 1, SAMPLE)})]
    agreement = []
    for item in sample:
        try:
            image = read_image(item.clean, None, None, None, item.page)
        except UserError:
            continue
        half = image.shape[1] // 2
        odd = image.shape[1] % 2 or not half
        agreement.append(0.0 if odd else float(thumbprint(image[:, :half]) @ thumbprint(image[:, half:])))
    return bool(agreement) and statistics.median(agreement) >= _MEDIAN and float(np.quantile(agreement, 0.1)) >= _FEW


def refuse_single_images(where: Source, layout: str, fix: str) -> None:
    """Refuse a set whose files would be taken as pairs side by side, but whose halves do not show one scene.

    Args:
        where: a folder that a user names, or two, where pairs are needed.
        layout: see `clearer.data.folders.find_items`; only ``"auto"`` leaves open what the files are.
        fix: what to do instead; it ends the message.

    Raises:
        UserError: the files are single images; or see `find_items`.
    """
    items = find_items(where) if layout == "auto" else []
    if items and not any(item.is_pair for item in items) and not looks_side_by_side(items):
        raise UserError(f"{where}: single images, whose halves do not show one scene, where pairs are needed; {fix}")
