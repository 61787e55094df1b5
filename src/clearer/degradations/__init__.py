"""Degradations of clean images, one file per kind."""
