"""Photographs, tiny networks, synthetic runs and the command line, for all tests."""
