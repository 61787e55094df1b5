"""Measure the noise of images, without ground truth: level, profile, and what it means in words."""
