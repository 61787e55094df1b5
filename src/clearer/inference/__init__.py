"""Trained networks at work on images: numpy, PIL, torch, files and folders."""
