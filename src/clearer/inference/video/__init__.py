"""Restore videos: the frames are restored, everything around them is kept or reported."""
