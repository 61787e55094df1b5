"""A page in the browser: drop an image, restore it, compare."""
