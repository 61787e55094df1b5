"""Restoration methods under test: trained networks, classical denoisers, and a user's own."""
