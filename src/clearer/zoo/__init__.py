"""Pretrained models: names, weight files, cards, the Hub."""
