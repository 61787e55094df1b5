"""TIFF files of every depth: their directories, images and tags, read and written without loss."""
