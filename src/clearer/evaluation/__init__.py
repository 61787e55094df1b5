"""Metrics, named protocols, and the measurement of a model on a dataset."""
