"""Restoration methods of every kind, as tables and figures see them."""
