"""How clean images are degraded, one file per kind."""
