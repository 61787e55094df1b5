"""How clean images are degraded, one file a kind."""
