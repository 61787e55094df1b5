"""Restore many files: shards of a manifest, by workers on one machine or many, with a record of each file."""
