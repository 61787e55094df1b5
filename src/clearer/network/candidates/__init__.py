"""The modules a search chooses from, one file a candidate."""
