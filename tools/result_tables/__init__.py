"""The tables of docs and README.md, one function for each kind of result."""
