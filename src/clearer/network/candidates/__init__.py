"""The modules a search chooses from, one file per candidate."""
