"""A page in the browser: drop a picture, restore it, compare."""
