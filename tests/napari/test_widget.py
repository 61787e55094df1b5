"""The widget in napari without a screen: it restores a layer in a thread, shows progress, and stops."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("napari", reason="needs napari and Qt; pip install 'clearer[napari]'")
pytest.importorskip("qtpy.QtWidgets", reason="needs Qt; pip install 'napari[all]'", exc_type=Exception)

from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

import clearer
from clearer.napari.layer import Step
from clearer.napari.widget import RestorePanel, restore_widget
from helpers.networks import write_model


@pytest.fixture
def widget(tmp_path: Path) -> Any:
    """The widget beside a stack of gray planes, with the path of a tiny model chosen."""
    app = QApplication.instance() or QApplication([])
    viewer = ViewerModel()
    pixels = np.random.default_rng(0).integers(0, 65536, (4, 32, 40), np.uint16)
    viewer.add_image(pixels, name="cells", scale=(2, 0.5, 0.5), translate=(1, 2, 3))
    found = restore_widget(viewer).panel
    found.models.setCurrentText(str(write_model(tmp_path / "m.safetensors")))
    found.app = app
    return found


def wait(widget: RestorePanel) -> None:
    """Let the thread end."""
    until = time.monotonic() + 60
    while widget.worker is not None and time.monotonic() < until:
        widget.app.processEvents()
        time.sleep(0.01)
    assert widget.worker is None


def test_a_layer_is_restored_in_a_thread(widget: RestorePanel, tmp_path: Path) -> None:
    steps: list[Step] = []
    show = widget._progress
    widget._progress = lambda at: (steps.append(at), show(at))  # type: ignore[method-assign]
    widget.restore()
    assert not widget.start.isEnabled() and widget.stop.isEnabled()
    wait(widget)
    assert (
        [step[:2] for step in steps] == [(k, 8) for k in range(9)]
        and widget.said.text() == ""
        and widget.start.isEnabled()
    )
    before, after = widget.viewer.layers
    assert after.name == "cells restored"
    assert tuple(after.scale) == tuple(before.scale) and tuple(after.translate) == tuple(before.translate)
    restorer = clearer.load(tmp_path / "m.safetensors")
    assert np.array_equal(after.data[2], restorer.restore(before.data[2]))


def test_the_range_is_taken_and_what_is_said_of_the_values_stays(widget: RestorePanel, tmp_path: Path) -> None:
    layer = widget.viewer.layers["cells"]
    layer.data = layer.data // 16  # 12 bits
    widget.restore()
    wait(widget)
    assert "as of a camera of 12 bits: 0 is black and 4095 is white" in widget.said.text()
    widget.span.setText("0,4095")
    widget.restore()
    wait(widget)
    assert widget.said.text() == ""
    restorer = clearer.load(tmp_path / "m.safetensors")
    for restored in widget.viewer.layers[-2:]:
        assert np.array_equal(restored.data[1], restorer.restore(layer.data[1], range=(0, 4095)))


def test_a_range_of_no_numbers_is_said_and_nothing_begins(widget: RestorePanel) -> None:
    widget.span.setText("white")
    widget.restore()
    assert "Range: 'white'" in widget.said.text() and widget.worker is None and widget.start.isEnabled()


def test_a_renamed_layer_is_restored_under_its_new_name(widget: RestorePanel) -> None:
    widget.viewer.add_image(np.zeros((8, 8), np.uint16), name="other")
    widget.viewer.layers["cells"].name = "細胞"
    names = [widget.layers.itemText(k) for k in range(widget.layers.count())]
    assert names == ["細胞", "other"] and widget.layers.currentText() == "細胞"
    widget.restore()
    wait(widget)
    assert widget.viewer.layers[-1].name == "細胞 restored"


def test_a_removed_layer_is_no_longer_offered(widget: RestorePanel) -> None:
    widget.viewer.layers.clear()
    widget.restore()
    assert widget.said.text() == "open an image first" and widget.worker is None


def test_a_closed_widget_lets_go_of_the_viewer(widget: RestorePanel) -> None:
    sip = pytest.importorskip("PyQt6.sip", reason="destroys the widget by PyQt")
    sip.delete(widget.native)
    widget.viewer.layers["cells"].name = "renamed"
    widget.viewer.add_image(np.zeros((8, 8), np.uint16), name="other")  # would touch a field that is gone
    assert widget.listed == []


def test_a_stopped_restoration_adds_nothing(widget: RestorePanel) -> None:
    widget.restore()
    widget.cancel()
    wait(widget)
    assert [layer.name for layer in widget.viewer.layers] == ["cells"] and widget.start.isEnabled()


def test_an_error_is_said_in_the_widget(widget: RestorePanel) -> None:
    widget.models.setCurrentText("no-such-model")
    widget.restore()
    wait(widget)
    assert "no-such-model" in widget.said.text() and len(widget.viewer.layers) == 1
