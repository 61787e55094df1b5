"""How the scales of a network are connected, one file per topology."""
