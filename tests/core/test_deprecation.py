"""Former names: each works, warns once with the present one at the caller's line, and is in the changelog."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import clearer
from clearer.core.deprecation import FORMER_NAMES, REMOVAL
from clearer.core.version import __version__
from clearer.inference.hub_mixin import _license_of

ROOT = Path(__file__).parents[2]


def supernet() -> clearer.Supernet:
    return clearer.Supernet(clearer.SearchSpace(width=1, scales=2, modules_per_cell=1))


USES: dict[str, Callable[[], object]] = {
    "Architecture.letters": lambda: supernet().discretize().letters,
    "Supernet.derive()": lambda: supernet().derive().choices,
    "Supernet.logits": lambda: supernet().logits.shape,
    "Supernet.probabilities": lambda: supernet().probabilities.sum(dim=1).shape,
    "licence=": lambda: _license_of(None, "mit"),
}


@pytest.mark.parametrize("name", FORMER_NAMES)
def test_a_former_name_works_and_warns_once(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert USES[name]() is not None
    said = [str(each.message) for each in caught if "now called" in str(each.message)]
    assert all(each.category is DeprecationWarning for each in caught if "now called" in str(each.message))
    assert said == [f"{name} is now called {FORMER_NAMES[name]}"]


def test_the_warning_is_at_the_line_of_the_user():
    with pytest.warns(DeprecationWarning) as caught:
        _ = supernet().logits
    assert caught[0].filename == __file__
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        USES["licence="]()
    assert caught[0].filename == __file__


def test_former_and_present_values_are_the_same():
    found = supernet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found.logits is found.alpha and found.derive() == found.discretize()
        assert found.probabilities.equal(found.mixing_weights)
        assert found.discretize().letters == found.discretize().choices


def test_the_changelog_lists_each_until_the_release_that_drops_it():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(r"^### Deprecated\n(.*?)^### ", text, re.MULTILINE | re.DOTALL)[1]
    assert f"until {REMOVAL}" in section
    for name in FORMER_NAMES:
        assert name.split(".")[-1] in section, name
    assert tuple(map(int, __version__.split(".")[:2])) < tuple(map(int, REMOVAL.split(".")))
