"""The network, the supernet that a search trains, and their cost."""
