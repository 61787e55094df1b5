"""OME-Zarr folders: their images as pyramids of chunked arrays, read and written by blocks."""
