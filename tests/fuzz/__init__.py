"""Files damaged at random, given to the command line: restored, or refused in a line. See docs/reliability.md."""
