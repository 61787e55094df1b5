"""The tools that run the examples of an exported folder, where tests/install_runtimes.sh has put them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[2] / "build" / "runtimes"
HOW = "sh tests/install_runtimes.sh prepares it"

needs_javascript = pytest.mark.skipif(
    shutil.which("node") is None or not (PLACE / "node_modules" / "onnxruntime-web").is_dir(),
    reason=f"needs node and onnxruntime-web in build/runtimes; {HOW}",
)
needs_cpp = pytest.mark.skipif(
    shutil.which("g++") is None or not (PLACE / "onnxruntime" / "include" / "onnxruntime_cxx_api.h").is_file(),
    reason=f"needs g++ and ONNX Runtime's headers in build/runtimes; {HOW}",
)
