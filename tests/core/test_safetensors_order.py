"""Weight files: the same contents are the same bytes, in whatever order the library writes its metadata."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load, save

from clearer.core.safetensors_order import in_fixed_order


@given(st.dictionaries(st.text(), st.text(), max_size=5))
def test_metadata_and_tensors_stay_and_their_order_is_fixed(metadata: dict[str, str]) -> None:
    tensors = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(3, np.uint8)}
    files = {in_fixed_order(save(tensors, metadata)) for _ in range(4)}
    assert len(files) == 1
    found = load(files.pop())
    assert found.keys() == tensors.keys() and all((found[k] == tensors[k]).all() for k in tensors)


def test_metadata_are_read_back(tmp_path) -> None:
    path = tmp_path / "a.safetensors"
    metadata = {"z": 'with "quotes", \\ and ä\u2028\x7f', "a": "{}", "": "empty"}
    path.write_bytes(in_fixed_order(save({"w": np.zeros(2)}, metadata)))
    with safe_open(path, "pt") as file:
        assert file.metadata() == metadata and torch.equal(file.get_tensor("w"), torch.zeros(2, dtype=torch.float64))
