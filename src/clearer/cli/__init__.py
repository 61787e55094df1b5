"""Command line: verbs that parse options, call a function and print its result."""
