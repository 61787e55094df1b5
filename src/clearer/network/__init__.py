"""The fixed network, the mixed one, and what they cost."""
