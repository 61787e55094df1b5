"""Trained networks at work on pictures: numpy, PIL, torch, files and folders."""
