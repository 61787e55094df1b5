"""The plugin of napari: restore a layer with a model."""
