"""Training losses, one file per kind."""
