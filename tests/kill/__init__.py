"""Kill commands at random moments and run them again: nothing half-written, the same result, no leftovers."""
