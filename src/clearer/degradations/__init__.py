"""How a clean image is degraded, one file a kind."""
