"""Whole commands: fit, evaluate, describe, quickstart."""
