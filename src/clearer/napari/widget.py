"""The widget: choose a layer, a model, its range, a level and a strength; restore in a thread that can be stopped."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from numpy.typing import NDArray

from clearer.core.errors import UserError
from clearer.inference.restorer import load
from clearer.napari.layer import Settings, Step, kept, restored_layer
from clearer.napari.levels import FIELD, span_of
from clearer.zoo.locate import find_models

ESTIMATED = -1.0


def restore_widget(napari_viewer: Any) -> Any:
    """Return the dock widget of the plugin; napari passes its viewer by this name."""
    panel = RestorePanel(napari_viewer)
    panel.native.panel = panel  # lives as long as the widget
    return panel.native


class RestorePanel:
    """The fields and buttons of the widget, in ``native``. Qt and napari are imported here, where they are needed.

    Args:
        viewer: the viewer that holds the layers.
    """

    def __init__(self, viewer: Any) -> None:
        from qtpy.QtWidgets import (
            QComboBox,
            QDoubleSpinBox,
            QFormLayout,
            QLabel,
            QLineEdit,
            QProgressBar,
            QPushButton,
            QWidget,
        )

        self.native = QWidget()
        self.viewer = viewer
        self.worker: Any = None
        self.listed: list[Any] = []  # the layers that can be chosen, in the order shown; their names may change
        self.layers, self.models = QComboBox(), QComboBox()
        self.models.setEditable(True)  # a run folder or a weight file
        self.models.addItems(list(find_models(strict=False)))
        self.level, self.strength = QDoubleSpinBox(), QDoubleSpinBox()
        self.level.setRange(ESTIMATED, 255)
        self.level.setValue(ESTIMATED)
        self.level.setSpecialValueText("estimated")
        self.strength.setRange(0, 1)
        self.strength.setSingleStep(0.1)
        self.strength.setValue(1)
        self.span = QLineEdit()
        self.span.setPlaceholderText("by type and values")
        self.span.setToolTip("Black and white of the layer, such as 0,4095 for 12 bits stored in 16")
        self.start, self.stop = QPushButton("Restore"), QPushButton("Stop")
        self.bar, self.said = QProgressBar(), QLabel()
        self.said.setWordWrap(True)
        form = QFormLayout(self.native)
        rows = {
            "Layer": self.layers,
            "Model": self.models,
            FIELD: self.span,
            "Noise level": self.level,
            "Strength": self.strength,
        }
        for name, field in rows.items():
            form.addRow(name, field)
        for row in (self.start, self.stop, self.bar, self.said):
            form.addRow(row)
        self.start.clicked.connect(self.restore)
        self.stop.clicked.connect(self.cancel)
        self.stop.setEnabled(False)
        viewer.layers.events.inserted.connect(self.refresh)
        viewer.layers.events.removed.connect(self.refresh)
        self.native.destroyed.connect(self.disconnect)
        self.refresh()

    @property
    def layer(self) -> Any:
        """The chosen layer; None where the viewer has no image."""
        index = self.layers.currentIndex()
        return self.listed[index] if 0 <= index < len(self.listed) else None

    def refresh(self, event: Any = None) -> None:
        """List the image layers of the viewer, and list them again when one is renamed; the chosen one stays chosen."""
        from napari.layers import Image

        chosen = self.layer
        self._follow_names(False)
        self.listed = [layer for layer in self.viewer.layers if isinstance(layer, Image)]
        self._follow_names(True)
        self.layers.clear()
        self.layers.addItems([layer.name for layer in self.listed])
        for index, layer in enumerate(self.listed):
            if layer is chosen:
                self.layers.setCurrentIndex(index)

    def _follow_names(self, follow: bool) -> None:
        for layer in self.listed:
            (layer.events.name.connect if follow else layer.events.name.disconnect)(self.refresh)

    def disconnect(self) -> None:
        """Let go of the viewer when the widget is closed for good."""
        events = self.viewer.layers.events
        for emitter in (events.inserted, events.removed):
            emitter.disconnect(self.refresh)
        self._follow_names(False)
        self.listed = []

    def restore(self) -> None:
        """Begin to restore the chosen layer in a thread."""
        from napari.qt.threading import thread_worker

        layer = self.layer
        if layer is None or self.worker is not None:
            self.said.setText("open an image first" if layer is None else "")
            return
        try:
            span = span_of(self.span.text())
        except UserError as error:
            self.said.setText(str(error))
            return
        level = None if self.level.value() < 0 else self.level.value()
        work = _work(
            self.models.currentText(),
            layer.data[0] if layer.multiscale else layer.data,
            layer.rgb,
            Settings(self.strength.value(), level, span),
        )
        self.start.setEnabled(False)
        self.stop.setEnabled(True)
        self.said.setText("")
        self.bar.setRange(0, 0)
        self.worker = worker = thread_worker(lambda: (yield from work))()
        worker.yielded.connect(self._progress)
        worker.returned.connect(lambda pixels: self._show(layer, pixels))
        worker.finished.connect(self._finish)
        worker.start()

    def cancel(self) -> None:
        """Stop after the plane at hand; nothing is added."""
        if self.worker is not None:
            self.worker.quit()

    def _progress(self, step: Step) -> None:
        self.bar.setRange(0, step.total)
        self.bar.setValue(step.done)
        if step.notes:  # they stay when the work is done
            self.said.setText("\n".join(step.notes))

    def _show(self, layer: Any, found: NDArray[Any] | str | None) -> None:
        if isinstance(found, str):
            self.said.setText(found)
        elif found is not None:
            self.viewer.add_image(found, name=f"{layer.name} restored", **kept(layer))

    def _finish(self) -> None:
        self.worker = None
        self.start.setEnabled(True)
        self.stop.setEnabled(False)
        self.bar.setRange(0, 1)
        self.bar.reset()


def _work(model: str, data: Any, rgb: bool, settings: Settings) -> Generator[Step, None, NDArray[Any] | str | None]:
    """Yield the steps; return the restored pixels, or what the user can fix."""
    pixels = None
    try:
        for step in restored_layer(load(model), data, rgb, settings):
            pixels = step.pixels
            yield step
    except UserError as error:  # Qt would show it a second time, with its traceback
        return str(error)
    return pixels
