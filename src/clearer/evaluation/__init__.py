"""How well pictures are restored: metrics, named protocols, and the measurement itself."""
