"""Whole verbs: fit, evaluate, describe, quickstart."""
