"""``python -m clearer``: the same as the command ``clearer``."""

from clearer.cli.main import main

if __name__ == "__main__":
    main()
