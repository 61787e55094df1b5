"""Image files of every depth, read and written without loss."""

import logging

# tifffile logs warnings of broken tags, which would otherwise reach the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
