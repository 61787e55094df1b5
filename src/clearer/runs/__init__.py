"""The folder of a run: its paths, the types of its files, and reading a finished one."""
