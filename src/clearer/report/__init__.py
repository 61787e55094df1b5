"""Drawings, figures, and the page that tells what a run has found."""
