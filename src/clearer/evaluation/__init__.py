"""How well images are restored: metrics, named protocols, and the measurement itself."""
