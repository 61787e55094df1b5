"""Datasets: images and pairs in folders, splits, training batches, and the doctor that examines a set."""
