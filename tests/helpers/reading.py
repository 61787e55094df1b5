"""What tests of reading share: arrays to write, and errors of one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clearer.core.errors import UserError


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Return a seeded uint8 array (height, width, channels)."""
    return np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, channels), dtype=np.uint8)


def refused(what: str, call: Callable[..., Any], *args: Any, **keys: Any) -> str:
    """Check that a call raises a UserError of one line that matches ``what``; return its message."""
    with pytest.raises(UserError, match=what) as caught:
        call(*args, **keys)
    message = str(caught.value)
    assert "\n" not in message
    return message
