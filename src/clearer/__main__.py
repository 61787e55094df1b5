"""``python -m clearer`` is the command ``clearer``."""

from clearer.cli.main import main

if __name__ == "__main__":
    main()
