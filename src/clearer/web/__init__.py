"""A web page: upload an image, restore it, compare before and after."""
