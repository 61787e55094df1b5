"""Restore images with trained networks: NumPy, PIL, torch, files and folders."""
