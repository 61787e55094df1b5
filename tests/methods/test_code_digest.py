"""The digest of a classical method changes with its code, and with nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clearer.methods.code_digest import code_digest
from clearer.methods.lp import PRIOR_VARIABLE
from clearer.methods.registry import METHODS

CODE = '''"""Docstring."""
from clearer.methods.card import Classical

WEIGHT = 2
"""Of something."""

def restored(image):
    """Restore."""
    return image * WEIGHT

CARD = Classical(title="Mine", task="denoise", source="", make=restored, reading="A reading.")
'''


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def digest_of(code: str, folder: Path) -> str:
    (folder / "written_method.py").write_text(code)
    sys.modules.pop("written_method", None)
    return code_digest("written_method")


@pytest.mark.parametrize(
    ("former", "new", "same"),
    [
        ("Docstring.", "Another.", True),
        ('    """Restore."""\n', "    # Restore.\n", True),
        ("A reading.", "Another reading.", True),
        ("WEIGHT = 2", "WEIGHT  =  2  # doubled", True),
        ("WEIGHT = 2", "WEIGHT = 3", False),
        ("image * WEIGHT", "image + WEIGHT", False),
    ],
)
def test_only_code_counts(written: Path, former: str, new: str, same: bool) -> None:
    assert former in CODE
    assert (digest_of(CODE, written) == digest_of(CODE.replace(former, new), written)) is same


def test_modules_that_a_method_is_built_of_count(written: Path) -> None:
    """Two methods of the same few lines differ where they are built of other modules."""
    codes = [f"from clearer.methods.{name} import x" for name in ("block_matching", "sparse_coding")]
    first, second = (digest_of(code, written) for code in codes)
    assert first and second and first != second and first != digest_of("", written)


def test_classical_methods_have_digests_of_their_own() -> None:
    names = ("dsc", "nlm", "tv", "wavelet", "wnnm")
    digests = [METHODS.get(name)().sha256 for name in names]
    assert all(digests) and len(set(digests)) == len(names)
    assert digests == [METHODS.get(name)().sha256 for name in names]


def test_another_prior_is_another_lp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    file = tmp_path / "prior.safetensors"
    monkeypatch.setenv(PRIOR_VARIABLE, str(file))
    digests = set()
    for scale in (1.0, 1.0, 2.0):
        rows, columns = torch.triu_indices(64, 64)
        save_file(
            {"weights": torch.ones(1), "factors": (torch.eye(64) * scale)[None, rows, columns].contiguous()}, file
        )
        digests.add(METHODS.get("lp")().sha256)
    assert len(digests) == 2
